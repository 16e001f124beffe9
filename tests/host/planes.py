"""Artifacts of the planes beside the model, for tests: apps that say their version and do as told, configs, firmwares; and what
becomes of them on a board."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from host import rig as rigs
from host.rig import BOARD, BOOT_MS, Rig
from mulligan_host import apps, artifacts, release
from mulligan_host.artifacts import Part
from mulligan_host.micropython import MicroPython
from mulligan_host.virtual import firmware

# An app that infers where it has the model, prints its config, and lets Mulligan take its steps.
MAIN = """
import mulligan
from mulligan.core.errors import NotAvailable
from fault import before, within

before()


def served():
    try:
        with mulligan.model("digits") as m:
            m.invoke(bytes(64))
            return m.version
    except NotAvailable:
        return None


def config():
    try:
        return mulligan.config().get("level")
    except NotAvailable:
        return None


last = None
while True:
    now = VERSION, served(), config()
    if now != last:
        print("app: version={} model={} config={}".format(*now))
        last = now
    within()
    mulligan.step()
"""
FINE = "def before(): pass\ndef within(): pass\n"
RAISES = "def before(): raise ValueError('in main.py')\n"
HANGS = "def before():\n    while True: pass\ndef within(): pass\n"

HEALTH = release.Health(correct=0, attempts=2, deadline_ms=4000, watchdog_ms=2000, heap=0)
SET_BOOT_MS = 1000  # more that it takes a board to boot another firmware: set_boot hashes it

Board = Callable[..., Rig]
"""The fixture `board`."""


def app(
    work: Path,
    version: str,
    fault: str = FINE,
    files: dict[str, bytes] | None = None,
    arch: str | None = None,
    package: bool = False,
) -> Part:
    """Return an app; ``fault``: a module with before() and within(), called before its loop and in each turn of it; package: with
    Mulligan's in it."""
    directory = work / f"app-{version}"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "main.py").write_text("VERSION = " + repr(version) + "\n" + MAIN)
    (directory / "fault.py").write_text(fault)
    for name, data in (files or {}).items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
    return artifacts.recognise(apps.pack(directory, version, arch, package))


def config(version: str, **values: Any) -> Part:
    """Return a config of these values."""
    return artifacts.recognise(json.dumps(values).encode(), version)


def system(version: str, mp: MicroPython, **behaviour: Any) -> Part:
    """Return a virtual firmware, for ``mp``."""
    image = firmware.build(firmware.Firmware(version, mp.mpy, **behaviour))
    return artifacts.recognise(image, version, mp.mpy)


def model(version: str, **options: Any) -> Part:
    """Return a digits model."""
    return artifacts.recognise(rigs.image(version, **options))


def everything(work: Path, mp: MicroPython, fault: str = "", **options: Any) -> list[Part]:
    """Return a set of all planes; ``options``: of its model."""
    return [system("2.0.0", mp), app(work, "1.1.0", fault or FINE), config("1.1.0", level=2), model("1.1.0", **options)]


def runs(rig: Rig, app: str = "1.0.0", model: str = "1.0.0", config: int | None = 1) -> None:
    """Wait until the app says that it runs with these."""
    rig.board.wait(f"^app: version={app} model={model} config={config}$")


def publish(rig: Rig, parts: Sequence[Part], version: str = "2.0.0", health: release.Health = HEALTH) -> None:
    """Publish a signed release of ``parts``."""
    boot_ms = BOOT_MS + SET_BOOT_MS * any(part.plane == "firmware" for part in parts)
    rig.directory.build(release.Order(list(parts), [BOARD], health, version, boot_ms=boot_ms))
    rig.directory.sign(version, rig.signer)


def versions(rig: Rig) -> dict[str, str]:
    """By plane, what the journal has confirmed."""
    return {entry.plane: entry.image.version for entry in rig.state().entries if entry.image}


def frozen(rig: Rig) -> list[str]:
    """The planes with a version that is not tried again."""
    return [entry.plane for entry in rig.state().entries if entry.frozen]


def comes_back(rig: Rig, blamed: Sequence[str], reason: str) -> None:
    """The set that was published ends in a rollback, as a whole, within the bound; the old app runs again."""
    rig.wait("activated")
    assert reason in rig.wait("rolled-back")["reason"]
    runs(rig)
    rig.held_the_bound(r"^app: version=1\.0\.0 ")
    assert {version for plane, version in versions(rig).items() if plane != "firmware"} == {"1.0.0"}
    assert (sorted(frozen(rig)), rig.state().on_trial(), rig.state().sequence) == (sorted(blamed), [], 0)
    assert rig.wait("refused" if blamed else "found")
