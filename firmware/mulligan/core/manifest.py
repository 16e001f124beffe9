"""The manifest: what a signature covers. JSON in a compact JWS; fields and limits: docs/SPEC.md, "Manifest"."""

from collections import namedtuple

from . import base64url, semver, strictjson
from .errors import FormatError
from .state import PLANES, Rules

VERSION = 1
MAX_NAME = 15  # characters: a journal entry and a slot image hold 16 bytes
MAX_ARTIFACTS = 6
MAX_SHADOW_RUNS = 1000  # a device keeps four bytes for each
_U32 = 0xFFFFFFFF
_DAY_MS = 86400000

# A release. Times in seconds since 1970; boot_ms: the longest boot the release is planned for.
Manifest = namedtuple("Manifest", ("release", "sequence", "issued", "expires", "boards", "boot_ms", "artifacts"))

# One artifact. full: Blob of the patch that needs no base; patches: Blob of the patch index, or None;
# requires: {plane: lowest version}; after: the lowest version of itself that it may follow, or None; hard_floor: once it is
# confirmed, what has a lower counter must not run again, 0 for no such floor.
Artifact = namedtuple(
    "Artifact",
    ("plane", "name", "version", "counter", "size", "sha256", "full", "patches", "requires", "after", "hard_floor", "rules"),
)

Blob = namedtuple("Blob", ("size", "sha256"))
Patch = namedtuple("Patch", ("base", "size", "sha256"))


def parse(payload):
    """The Manifest that ``payload`` (bytes, already authenticated) spells. Raises: FormatError."""
    doc = _object(strictjson.loads(payload), "manifest", _KNOWN)
    if _int(doc, "mulligan", 1, 255) != VERSION:
        raise FormatError("manifest: version " + str(doc["mulligan"]) + " is not known here")
    semver.parse(_str(doc, "release", semver.MAX_LENGTH))
    artifacts = [_artifact(_object(a, "artifact", _ARTIFACT)) for a in _list(doc.get("artifacts"), "artifacts", MAX_ARTIFACTS)]
    if not artifacts or len({(a.plane, a.name) for a in artifacts}) != len(artifacts):
        raise FormatError("manifest: no artifact, or one named twice")
    return Manifest(
        doc["release"],
        _int(doc, "sequence", 1, _U32),
        _int(doc, "issued", 0, _U32),
        _int(doc, "expires", 0, _U32),
        [_name(board) for board in _list(doc.get("boards"), "boards", 16)],
        _int(doc, "boot_ms", 1, _DAY_MS),
        artifacts,
    )


def parse_index(raw):
    """The [Patch] of a patch index, whose hash the manifest signs. Raises: FormatError."""
    return [
        Patch(_hash(p, "base"), _int(p, "size", 1, _U32), _hash(p, "sha256"))
        for p in [_object(p, "patch", ("base",) + _BLOB) for p in _list(strictjson.loads(raw), "patch index", 32)]
    ]


def bound_ms(boot_ms, rules):
    """The rollback bound: from activation to a confirmed-good version serving again, in milliseconds."""
    return rules.attempts * (boot_ms + rules.deadline_ms + rules.watchdog_ms) + boot_ms


# The fields of each object that this reader knows. "critical" may name others, and then the manifest is refused.
_KNOWN = ("mulligan", "release", "sequence", "issued", "expires", "boards", "boot_ms", "artifacts")
_ARTIFACT = (
    "plane", "name", "version", "counter", "size", "sha256", "full", "patches", "requires", "after", "hard_floor", "health",
)  # fmt: skip
_BLOB = ("size", "sha256")


def _artifact(doc):
    plane = _str(doc, "plane", 8)
    if plane not in PLANES:
        raise FormatError("manifest: no plane " + repr(plane))
    version = _str(doc, "version", semver.MAX_LENGTH)
    semver.parse(version)
    requires = _object(doc.get("requires", {}), "requires", PLANES)
    for needed, lowest in requires.items():
        if needed not in PLANES or not isinstance(lowest, str):
            raise FormatError("manifest: requires names a plane and its lowest version")
        semver.parse(lowest)
    after = _str(doc, "after", semver.MAX_LENGTH) if "after" in doc else None
    if after:
        semver.parse(after)
    counter = _int(doc, "counter", 1, _U32)
    return Artifact(
        plane,
        _name(doc.get("name")),
        version,
        counter,
        _int(doc, "size", 1, 1 << 26),
        _hash(doc, "sha256"),
        _blob(doc["full"] if "full" in doc else None),
        _blob(doc["patches"]) if "patches" in doc else None,
        requires,
        after,
        _int(doc, "hard_floor", 1, counter) if "hard_floor" in doc else 0,
        _rules(_object(doc.get("health"), "health", [rule[0] for rule in RULES])),
    )


# Field of the health rules, lowest, highest, and what stands for one that is missing: None where it must be there.
RULES = (
    ("attempts", 1, 8, None),
    ("deadline_ms", 1, _DAY_MS, None),
    ("watchdog_ms", 1000, _DAY_MS, None),
    ("correct", 0, 65535, None),
    ("latency_us", 0, _U32, None),
    ("p50_us", 0, _U32, 0),
    ("p99_us", 0, _U32, 0),
    ("arena", 0, _U32, 0),
    ("heap", 0, _U32, 0),
    ("shadow_runs", 0, MAX_SHADOW_RUNS, 0),
    ("shadow_every", 1, 65535, 1),
    ("shadow_agree", 0, 1000, 1000),
)


def _rules(doc):
    return Rules(**{
        key: _int(doc, key, low, high) if key in doc or default is None else default for key, low, high, default in RULES
    })


def _blob(doc):
    doc = _object(doc, "source", _BLOB)
    return Blob(_int(doc, "size", 1, _U32), _hash(doc, "sha256"))


def _object(value, what, known):
    """``value``, an object; a field that it calls critical must be among the ``known``."""
    if not isinstance(value, dict):
        raise FormatError("manifest: " + what + " is not an object")
    for field in _list(value.get("critical", []), "critical", 8):
        if field not in known:
            raise FormatError("manifest: critical field {} of {} is not known here".format(repr(field), what))
    return value


def _list(value, what, most):
    if not isinstance(value, list) or len(value) > most:
        raise FormatError("manifest: {} is not a list of at most {}".format(what, most))
    return value


def _int(doc, key, low, high):
    value = doc.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise FormatError("manifest: {} is not an integer from {} to {}".format(key, low, high))
    return value


def _str(doc, key, most):
    value = doc.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise FormatError("manifest: {} is not a string of 1 to {} characters".format(key, most))
    return value


def _name(value):
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME or any(not 0x21 <= ord(c) < 0x7F for c in value):
        raise FormatError("manifest: a name is 1 to {} printable ASCII characters".format(MAX_NAME))
    return value


def _hash(doc, key):
    digest = base64url.decode(_str(doc, key, 43))
    if len(digest) != 32:
        raise FormatError("manifest: " + key + " is not a SHA-256")
    return digest
