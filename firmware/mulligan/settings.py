"""What the device is told once, in the file mulligan.json in the root of vfs. Fields: docs/SPEC.md, "Configuration file"."""

import json
from collections import namedtuple

from .core.errors import FormatError
from .engines import NAMES

FIELDS = {
    "board": "", "url": "", "channel": "stable", "ca": "", "cert": "", "key": "", "poll_ms": 60000, "engine": "",
    "order": False, "group": "", "device": "", "watchdog_ms": 0, "recovery_pin": -1, "ssid": "", "password": "", "report": "",
}  # fmt: skip

NONE = b'{"board":"?"}'  # of a board that lost the file: no board, so that no release is for it

# In the order of the names: MicroPython's dicts keep none.
Config = namedtuple("Config", tuple(sorted(FIELDS)))  # type: ignore[misc]


def parse(raw):
    """The Config that the JSON text ``raw`` spells; what it leaves out has the value in FIELDS. Raises: FormatError."""
    try:
        doc = json.loads(raw)
    except ValueError:
        raise FormatError("mulligan.json: not JSON")
    if not isinstance(doc, dict) or not all(k in FIELDS and isinstance(v, type(FIELDS[k])) for k, v in doc.items()):
        raise FormatError("mulligan.json: only {} are known".format(", ".join(sorted(FIELDS))))
    if not doc.get("board"):
        raise FormatError("mulligan.json: board is missing")
    if doc.get("engine") and doc["engine"] not in NAMES:
        raise FormatError("mulligan.json: no engine {}: {}".format(doc["engine"], ", ".join(NAMES)))
    return Config(*[doc.get(field, FIELDS[field]) for field in sorted(FIELDS)])
