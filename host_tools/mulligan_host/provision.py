"""A board's first content: what is on the flash before its first update."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from mulligan.core import layout, root, state
from mulligan.core.errors import NoSlot
from mulligan.core.partitions import Row
from mulligan_host import apps, ceremony, credentials, layouts
from mulligan_host.artifacts import Part, recognise
from mulligan_host.combs import DEFAULT_WIDTH
from mulligan_host.errors import HostError
from mulligan_host.micropython import MicroPython
from mulligan_host.partitions import read_csv
from mulligan_host.resources import resource
from mulligan_host.virtual import firmware, image
from mulligan_host.virtual.flash import SIZE_4MB

LAYOUT = "partitions/virtual-4mb.csv"
CARRIED_LAYOUT = "partitions/4mb-carried.csv"
"""Of a virtual board whose app slots carry the package."""
CONFIG = "mulligan.json"
PACKAGE = "lib/mulligan"
"""In vfs, where the firmware does not bring it."""
_CREDENTIALS = {"ca": "ca.der", "cert": "cert.der", "key": "key.der"}  # the config's fields for TLS, and their files in vfs

_PLAIN = (
    "board",
    "url",
    "channel",
    "poll_ms",
    "order",
    "group",
    "device",
    "watchdog_ms",
    "recovery_pin",
    "report",
)  # the config's fields as they are here


@dataclass(frozen=True)
class Setup:
    """A board as it leaves the desk."""

    board: str
    root: bytes
    """The signed root that it trusts from the start: who may sign its releases, and the roots to come."""
    model: bytes | None = None
    """A slot image that is confirmed from the start; None for a board that has to fetch one."""
    url: str = ""
    """Of the release directory, with a final slash; "" for a board without an agent."""
    ca: bytes = b""
    """DER of the certificate authority of an https URL; of several, one after the other."""
    cert: bytes = b""
    """DER of the board's own certificate, for a server that asks for one; b"" for none."""
    key: bytes = b""
    """DER of the private key to ``cert``: a key for TLS, never one that signs."""
    channel: str = "stable"
    poll_ms: int = 60000
    width: int = DEFAULT_WIDTH
    """Of the comb tables beside its keys; 0 for none."""
    order: bool = False
    """Whether it installs only what an order of a fleet key lets it have."""
    group: str = ""
    device: str = ""
    """What orders call its group, and the board itself; "" for nothing."""
    watchdog_ms: int = 0
    recovery_pin: int = -1
    """See docs/SPEC.md, "Configuration file"."""
    parts: Sequence[Part] = ()
    """What is confirmed from the start beside the model: an app, a config."""
    carried: bool = False
    """Whether the package comes with the app of ``parts``, in the app slots, instead of frozen or in vfs."""
    report: str = ""
    """URL that takes what is new in the event log; "" to tell nobody."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """More files in vfs; a main.py here takes the place of the example app."""


def virtual_flash(path: Path, setup: Setup, mp: MicroPython, size: int = SIZE_4MB, layout: str = "") -> None:
    """Write the flash file, ``size`` bytes, of a new virtual board that runs ``mp``; layout: LAYOUT or
    CARRIED_LAYOUT if not given.

    Raises: FormatError, NoSlot; HostError if its directory is missing, the root is not signed, or what is for TLS
    could not work; OSError naming ``path``.
    """
    if not path.parent.is_dir():
        raise HostError(f"{path}: there is no directory {path.parent}; make it first")
    layout = layout or (CARRIED_LAYOUT if setup.carried else LAYOUT)
    app = firmware.build(firmware.Firmware(".".join(map(str, mp.version)), mp.mpy, package=not setup.carried))
    try:
        image.build_flash(path, size, resource(layout), app, files(setup), regions(setup, read_csv(resource(layout), size)))
    except OSError as e:
        e.filename = str(path)
        raise


def files(setup: Setup) -> dict[str, bytes]:
    """What stands in vfs, by name: boot.py, main.py, the configuration, and what it names.

    Raises: HostError for what is for TLS and could not work, and for an app that does not carry the package though it is to.
    """
    config: dict[str, object] = {name: getattr(setup, name) for name in _PLAIN}
    if setup.carried:
        if not any(apps.unpack(part.content).carries for part in setup.parts if part.plane == "app"):
            raise HostError("the app does not carry the package: make it with mulligan app pack --package")
        found = {"boot.py": resource("firmware/carried/boot.py").read_bytes()}  # main.py is the app's
    else:
        found = {name: resource(f"firmware/{name}").read_bytes() for name in ("boot.py", "main.py")}
    for name, file in _CREDENTIALS.items():
        if content := getattr(setup, name):
            config[name] = file
            found[file] = content
    found[CONFIG] = json.dumps(config).encode()
    if setup.cert or setup.key:
        credentials.check(setup.cert, setup.key, [key.public for key in root.unpack(setup.root).root.keys])
    return {**found, **setup.files}


def regions(setup: Setup, rows: Sequence[Row]) -> dict[str, bytes]:
    """What stands in partitions of ours, by the label that they have in ``rows``.

    Raises: FormatError; NoSlot for what the table has no place for; HostError if the root is not signed.
    """
    trusted = root.unpack(setup.root)
    if setup.order and not root.keys_for(trusted.root, root.FLEET):
        raise HostError(f"root {trusted.root.number} lists no fleet key: a board that waits for an order would wait for ever")
    keys, journal = _only(rows, layout.KEYS, "keys"), _only(rows, layout.JOURNAL, "journal")
    found = {keys.label: ceremony.partition(trusted, keys.size, setup.width)}
    pairs = {"model": layouts.model_pairs(rows)}
    for plane, subtype in (("app", layout.APP), ("config", layout.CONFIG)):
        pairs[plane] = [pair] if (pair := layouts.pair(rows, subtype)) else []
    # The first record: the root, and what is confirmed, each artifact in slot 0 of its plane's next pair.
    first = state.State()
    first.keys = state.Sealed(0, len(setup.root), sha256(setup.root).digest())
    for part in [*([recognise(setup.model)] if setup.model is not None else []), *setup.parts]:
        pair = sum(entry.plane == part.plane for entry in first.entries)
        if pair >= len(pairs.get(part.plane, ())):
            raise NoSlot(f"{part.name} {part.version}: the layout has {pair} slot pairs for {part.plane}: none is left for it")
        slot = pairs[part.plane][pair][0]
        if len(part.content) > slot.size:
            raise NoSlot(f"{part.name} {part.version}: {len(part.content)} bytes, {slot.label} of the layout has {slot.size}")
        found[slot.label] = part.content
        entry = state.Entry(part.plane, part.name, pair)
        entry.slot, entry.floor = 0, 1
        entry.image = state.Image(len(part.content), 1, part.version, sha256(part.content).digest(), {}, part.mpy)
        first.entries.append(entry)
    found[journal.label] = bytes(state.encode(first, 1))
    return found


def _only(rows: Sequence[Row], subtype: int, word: str) -> Row:
    """The one partition of that subtype. Raises: NoSlot."""
    found = [row for row in rows if (row.type, row.subtype) == (layout.TYPE, subtype)]
    if len(found) != 1:
        raise NoSlot(f"the layout has no {word} partition, or several: take one of Mulligan's partitions/*.csv")
    return found[0]
