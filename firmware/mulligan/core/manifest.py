"""The manifest: what a signature covers. JSON in a compact JWS; fields and limits: docs/SPEC.md, "Manifest"."""

from collections import namedtuple

from . import preflight, semver, strictjson
from .errors import FormatError
from .fields import U32, elements, hashed, integer, name, text
from .state import PLANES, Rules, together

VERSION = 1
MAX_ARTIFACTS = 6
MAX_SHADOW_RUNS = 1000  # a device keeps four bytes for each
MAX_LIVE_RUNS = 1000  # the same
_DAY_MS = 86400000

# A release. Times in seconds since 1970; boot_ms: the longest boot the release is planned for;
# preflight: its thresholds, as preflight.parse() gives them.
Manifest = namedtuple("Manifest", ("release", "sequence", "issued", "expires", "boards", "boot_ms", "artifacts", "preflight"))

# One artifact. full: Blob of the patch that needs no base; patches: Blob of the patch index, or None;
# requires: {plane: lowest version}; after: the lowest version of itself that it may follow, or None; hard_floor: once it is
# confirmed, what has a lower counter must not run again, 0 for no such floor; mpy: as in state.Image.
Artifact = namedtuple(
    "Artifact",
    (
        "plane", "name", "version", "counter", "size", "sha256", "full", "patches", "requires", "after", "hard_floor", "mpy",
        "rules",
    ),
)  # fmt: skip

Blob = namedtuple("Blob", ("size", "sha256"))
Patch = namedtuple("Patch", ("base", "size", "sha256", "heap"))  # heap: bytes that must be free in one piece


def parse(payload):
    """The Manifest that ``payload`` (bytes, already authenticated) spells. Raises: FormatError."""
    doc = _object(strictjson.loads(payload), "manifest", _KNOWN)
    if integer(doc, "mulligan", 1, 255) != VERSION:
        raise FormatError("manifest: version " + str(doc["mulligan"]) + " is not known here")
    semver.parse(text(doc, "release", semver.MAX_LENGTH))
    artifacts = [_artifact(_object(a, "artifact", _ARTIFACT)) for a in elements(doc.get("artifacts"), "artifacts", MAX_ARTIFACTS)]
    if not artifacts or len({(a.plane, a.name) for a in artifacts}) != len(artifacts):
        raise FormatError("manifest: no artifact, or one named twice")
    return Manifest(
        doc["release"],
        integer(doc, "sequence", 1, U32),
        integer(doc, "issued", 0, U32),
        integer(doc, "expires", 0, U32),
        [name(board) for board in elements(doc.get("boards"), "boards", 16)],
        integer(doc, "boot_ms", 1, _DAY_MS),
        artifacts,
        preflight.parse(_object(doc.get("preflight", {}), "preflight", preflight.KNOWN)),
    )


def parse_index(raw):
    """The [Patch] of a patch index, whose hash the manifest signs. Raises: FormatError."""
    return [_patch(_object(p, "patch", _PATCH)) for p in elements(strictjson.loads(raw), "patch index", 32)]


def bound_ms(boot_ms, rules, firmware=False):
    """The rollback bound: from activation to a confirmed-good version serving again, in milliseconds.

    rules: of all artifacts that are new, [Rules]; firmware: whether one of them is a firmware: then each attempt after the first
    needs another boot, of the firmware that has the bootloader start it again.
    """
    attempts, deadline_ms, watchdog_ms = together(rules)
    again = (attempts - 1) * boot_ms if firmware else 0
    return attempts * (boot_ms + deadline_ms + watchdog_ms) + again + boot_ms


def bound_of(release):
    """The rollback bound of a Manifest, all of whose artifacts are new."""
    artifacts = release.artifacts
    return bound_ms(release.boot_ms, [a.rules for a in artifacts], any(a.plane == "firmware" for a in artifacts))


# The fields of each object that this reader knows. "critical" may name others, and then the manifest is refused.
_KNOWN = ("mulligan", "release", "sequence", "issued", "expires", "boards", "boot_ms", "artifacts", "preflight")
_ARTIFACT = (
    "plane", "name", "version", "counter", "size", "sha256", "full", "patches", "requires", "after", "hard_floor", "mpy",
    "health",
)  # fmt: skip
_BLOB = ("size", "sha256")
_PATCH = _BLOB + ("base", "heap")


def _artifact(doc):
    plane = text(doc, "plane", 8)
    if plane not in PLANES:
        raise FormatError("manifest: no plane " + repr(plane))
    version = text(doc, "version", semver.MAX_LENGTH)
    semver.parse(version)
    requires = _object(doc.get("requires", {}), "requires", PLANES)
    for needed, lowest in requires.items():
        if needed not in PLANES or not isinstance(lowest, str):
            raise FormatError("manifest: requires names a plane and its lowest version")
        semver.parse(lowest)
    after = text(doc, "after", semver.MAX_LENGTH) if "after" in doc else None
    if after:
        semver.parse(after)
    counter = integer(doc, "counter", 1, U32)
    return Artifact(
        plane,
        name(doc.get("name")),
        version,
        counter,
        integer(doc, "size", 1, 1 << 26),
        hashed(doc, "sha256"),
        _blob(doc["full"] if "full" in doc else None),
        _blob(doc["patches"]) if "patches" in doc else None,
        requires,
        after,
        integer(doc, "hard_floor", 1, counter) if "hard_floor" in doc else 0,
        integer(doc, "mpy", 1, 65535) if "mpy" in doc else 0,
        _rules(_object(doc.get("health"), "health", [rule[0] for rule in RULES])),
    )


# Field of the health rules, lowest, highest, and what stands for one that is missing: None where it must be there.
RULES = (
    ("attempts", 1, 8, None),
    ("deadline_ms", 1, _DAY_MS, None),
    ("watchdog_ms", 1000, _DAY_MS, None),
    ("correct", 0, 65535, None),
    ("latency_us", 0, U32, None),
    ("p50_us", 0, U32, 0),
    ("p99_us", 0, U32, 0),
    ("arena", 0, U32, 0),
    ("heap", 0, U32, 0),
    ("shadow_runs", 0, MAX_SHADOW_RUNS, 0),
    ("shadow_every", 1, 65535, 1),
    ("shadow_agree", 0, 1000, 1000),
    ("live_runs", 0, MAX_LIVE_RUNS, 0),
    ("live_errors", 0, MAX_LIVE_RUNS, 0),
    ("live_drift", 0, 1000, 0),
    ("confirm", 0, 1, 0),
)


def _rules(doc):
    return Rules(**{
        key: integer(doc, key, low, high) if key in doc or default is None else default for key, low, high, default in RULES
    })


def _blob(doc):
    doc = _object(doc, "source", _BLOB)
    return Blob(integer(doc, "size", 1, U32), hashed(doc, "sha256"))


def _patch(doc):
    return Patch(
        hashed(doc, "base"),
        integer(doc, "size", 1, U32),
        hashed(doc, "sha256"),
        integer(doc, "heap", 0, U32) if "heap" in doc else 0,
    )


def _object(value, what, known):
    """``value``, an object; a field that it calls critical must be among the ``known``."""
    if not isinstance(value, dict):
        raise FormatError("manifest: " + what + " is not an object")
    for field in elements(value.get("critical", []), "critical", 8):
        if field not in known:
            raise FormatError("manifest: critical field {} of {} is not known here".format(repr(field), what))
    return value
