"""Artifacts of the planes beside the model, for tests: apps that say their version and do as told, configs, firmwares."""

import json
from pathlib import Path
from typing import Any

from host import rig as rigs
from mulligan_host import apps, artifacts
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
