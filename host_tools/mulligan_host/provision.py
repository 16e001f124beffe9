"""A board's first content: what is on the flash before its first update."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from mulligan.core import keyset, slot, state
from mulligan.core.errors import FormatError
from mulligan_host.errors import HostError
from mulligan_host.micropython import MicroPython
from mulligan_host.resources import resource
from mulligan_host.virtual import firmware, image
from mulligan_host.virtual.flash import SIZE_4MB

LAYOUT = "partitions/virtual-4mb.csv"
CONFIG = "mulligan.json"
_CREDENTIALS = {"ca": "ca.der", "cert": "cert.der", "key": "key.der"}  # the config's fields for TLS, and their files in vfs


@dataclass(frozen=True)
class Setup:
    """A board as it leaves the desk."""

    board: str
    keys: Sequence[bytes]
    """Public keys, 64 bytes each, that may sign its releases."""
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
    files: Mapping[str, bytes] = field(default_factory=dict)
    """More files in vfs; a main.py here takes the place of the example app."""


def virtual_flash(path: Path, setup: Setup, mp: MicroPython, size: int = SIZE_4MB) -> None:
    """Write the flash file, ``size`` bytes, of a new virtual board that runs ``mp``.

    Raises: FormatError, NoSlot; HostError if its directory is missing; OSError naming ``path``.
    """
    if not path.parent.is_dir():
        raise HostError(f"{path}: there is no directory {path.parent}; make it first")
    config: dict[str, object] = {"board": setup.board, "url": setup.url, "channel": setup.channel, "poll_ms": setup.poll_ms}
    files = {name: resource(f"firmware/{name}").read_bytes() for name in ("boot.py", "main.py")}
    for name, file in _CREDENTIALS.items():
        if content := getattr(setup, name):
            config[name] = file
            files[file] = content
    files[CONFIG] = json.dumps(config).encode()
    regions = {"keys": keyset.encode(setup.keys)}
    if setup.model is not None:
        regions["model_0"] = setup.model
        regions["journal"] = _journal(setup.model)
    app = firmware.build(firmware.Firmware(".".join(map(str, mp.version)), mp.mpy))
    try:
        image.build_flash(path, size, resource(LAYOUT), app, {**files, **setup.files}, regions)
    except OSError as e:
        e.filename = str(path)
        raise


def _journal(model: bytes) -> bytes:
    """The first record: ``model`` is confirmed in slot 0 of the first pair."""
    header = slot.parse(model, len(model))
    if header.length != len(model):
        raise FormatError(f"slot image: {len(model)} bytes, its header says {header.length}")
    entry = state.Entry("model", header.name, 0)
    entry.slot, entry.floor = 0, 1
    entry.image = state.Image(len(model), 1, header.version, sha256(model).digest())
    first = state.State()
    first.entries.append(entry)
    record = bytearray(state.RECORD)
    state.encode(first, 1, record)
    return bytes(record)
