import json

from common import raises, rules
from common import rules as limits
from mulligan.core import base64url, manifest
from mulligan.core.errors import FormatError

HASH = base64url.encode(bytes(range(32)))


def document(**changes):
    doc = {
        "mulligan": 1, "release": "1.1.0", "sequence": 2, "issued": 1700000000, "expires": 1800000000,
        "boards": ["esp32", "virtual"], "boot_ms": 3000,
        "artifacts": [
            {
                "plane": "model", "name": "digits", "version": "1.1.0", "counter": 2, "size": 40000, "sha256": HASH,
                "full": {"size": 30000, "sha256": HASH}, "patches": {"size": 200, "sha256": HASH},
                "requires": {"firmware": "1.23.0"},
                "health": {"attempts": 2, "deadline_ms": 8000, "watchdog_ms": 4000, "correct": 8, "latency_us": 60000},
            }
        ],
    }  # fmt: skip
    doc.update(changes)
    return doc


def artifact(**changes):
    doc = document()
    doc["artifacts"][0].update(changes)
    return doc


def health(**changes):
    doc = document()
    doc["artifacts"][0]["health"].update(changes)
    return doc


def parse(doc):
    return manifest.parse(json.dumps(doc).encode())


def test_reads_every_field():
    m = parse(document())
    assert (m.release, m.sequence, m.issued, m.expires, m.boot_ms) == ("1.1.0", 2, 1700000000, 1800000000, 3000)
    assert m.boards == ["esp32", "virtual"]
    a = m.artifacts[0]
    assert (a.plane, a.name, a.version, a.counter, a.size) == ("model", "digits", "1.1.0", 2, 40000)
    assert a.sha256 == bytes(range(32)) == a.full.sha256 == a.patches.sha256
    assert (a.full.size, a.patches.size, a.requires) == (30000, 200, {"firmware": "1.23.0"})
    assert a.rules == rules(2, 8000, 4000, 8, 60000)


def test_reads_every_optional_rule():
    given = {"p50_us": 1, "p99_us": 2, "arena": 3, "heap": 4, "shadow_runs": 5, "shadow_every": 6, "shadow_agree": 7}
    assert parse(health(**given)).artifacts[0].rules == rules(2, 8000, 4000, 8, 60000, **given)


def test_the_bound_is_the_formula_of_the_brief():
    rules = parse(document()).artifacts[0].rules
    assert manifest.bound_ms(3000, [rules]) == 2 * (3000 + 8000 + 4000) + 3000
    # With a firmware each attempt after the first costs another boot; a set has the fewest attempts and the longest times.
    assert manifest.bound_ms(3000, [rules], True) == 2 * (3000 + 8000 + 4000) + 3000 + 3000
    assert manifest.bound_ms(3000, [rules, limits(1, 9000, 1000)], True) == 3000 + 9000 + 4000 + 3000


def test_unknown_fields_pass_unless_critical():
    assert parse(document(color="red"))
    assert parse(document(color="red", critical=["expires"]))
    raises(FormatError, parse, document(color="red", critical=["color"]))
    raises(FormatError, parse, document(critical="color"))


def test_bad_documents():
    bad = [
        [], 1, document(mulligan=2), document(mulligan=True), document(release="1.1"), document(sequence=0),
        document(sequence=1 << 32), document(sequence="2"), document(expires=-1), document(boards=[]) and document(boards=[""]),
        document(boards="esp32"), document(boards=["a b"]), document(boards=["x"] * 17), document(boot_ms=0),
        document(artifacts=[]), document(artifacts={}), document(artifacts=[1]),
        document(artifacts=document()["artifacts"] * 2), document(artifacts=document()["artifacts"] * 9),
        artifact(plane="cloud"), artifact(name=""), artifact(name="a" * 16), artifact(name="a\tb"), artifact(name="é"),
        artifact(version="one"), artifact(counter=0), artifact(size=0), artifact(size=1 << 27), artifact(sha256=HASH[:-1]),
        artifact(sha256=HASH + "="), artifact(sha256=1), artifact(sha256=base64url.encode(bytes(31))), artifact(hard_floor=3),
        artifact(full=None), artifact(full={"size": 1}), artifact(patches=[]),
        artifact(patches=None), artifact(requires={"cloud": "1.0.0"}), artifact(requires={"app": 1}),
        artifact(requires={"app": "1"}), artifact(health=None), health(attempts=0), health(attempts=9),
        health(deadline_ms=0), health(watchdog_ms=10), health(correct=-1), health(latency_us=None),
        health(p50_us=-1), health(p99_us=None), health(arena=1 << 32), health(heap="1"), health(shadow_runs=1001),
        health(shadow_every=0), health(shadow_agree=1001), health(shadow_agree=True),
    ]  # fmt: skip
    for doc in bad:
        raises(FormatError, parse, doc)


def test_missing_fields():
    for key in document():
        doc = document()
        del doc[key]
        raises(FormatError, parse, doc)
    for key in document()["artifacts"][0]:
        doc = document()
        del doc["artifacts"][0][key]
        if key in ("patches", "requires"):
            assert parse(doc)
        else:
            raises(FormatError, parse, doc)


def test_a_patch_index():
    raw = json.dumps([{"base": HASH, "size": 5, "sha256": HASH}]).encode()
    assert manifest.parse_index(raw) == [(bytes(range(32)), 5, bytes(range(32)), 0)]
    raw = json.dumps([{"base": HASH, "size": 5, "sha256": HASH, "heap": 32768}]).encode()
    assert manifest.parse_index(raw) == [(bytes(range(32)), 5, bytes(range(32)), 32768)]
    raises(FormatError, manifest.parse_index, raw.replace(b"32768", b"-1"))
    for bad in (b"{}", b"[1]", b"[{}]", b"[", raw[:-2]):
        raises(FormatError, manifest.parse_index, bad)
