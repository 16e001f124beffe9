import json
from collections import namedtuple
from hashlib import sha256

from common import raises
from mulligan.core import base64url, manifest, order
from mulligan.core.errors import Expired, FormatError, NotOrdered, PolicyError, Replayed

RELEASE = b"what a release key signed"
HASH = base64url.encode(sha256(RELEASE).digest())
NOW = 1750000000
Device = namedtuple("Device", ("channel", "board", "group", "device"))
MINE = Device("stable", "esp32", "canary", "a4cf12")


def document(**changes):
    doc = {
        "order": 1, "sequence": 7, "issued": NOW - 100, "expires": NOW + 100, "manifest": HASH, "channel": "stable",
    }  # fmt: skip
    doc.update(changes)
    return doc


def parse(doc):
    return order.parse(json.dumps(doc).encode())


def obey(doc, payload=RELEASE, highest=0, now=NOW, device=MINE):
    order.obey(parse(doc), payload, highest, now, device)


def test_reads_every_field():
    found = parse(document(boards=["esp32"], groups=[], devices=["a" * 64]))
    assert found == order.Order(
        7, NOW - 100, NOW + 100, sha256(RELEASE).digest(), "stable", ["esp32"], [], ["a" * 64]
    )  # fmt: skip
    assert parse(document())[5:] == (None, None, None)


def test_bad_documents():
    bad = [
        [], 1, None, {}, document(order=0), document(order=2), document(order=True), document(sequence=0),
        document(sequence=1 << 32), document(issued=-1), document(expires="1"), document(manifest=HASH[:-1]),
        document(manifest=None), document(channel=""), document(channel="a b"), document(channel="a" * 65),
        document(boards="esp32"), document(boards=None), document(groups=[1]), document(groups=[""]), document(groups={}),
        document(devices=["a" * 65]), document(devices=["a"] * 129), document(devices=["\u00e9"]), document(devices=[["a"]]),
    ]  # fmt: skip
    for doc in bad:
        raises(FormatError, parse, doc)
    for key in document():
        doc = document()
        del doc[key]
        raises(FormatError, parse, doc)
    assert parse(document(devices=["a"] * 128))


def test_a_field_that_is_not_known_is_refused():
    """A condition that is overlooked would let too much in."""
    raises(FormatError, parse, document(percent=10))
    raises(FormatError, parse, document(critical=[]))


def test_no_document_is_both_an_order_and_a_manifest():
    release = {
        "mulligan": 1, "release": "1.1.0", "sequence": 7, "issued": NOW - 100, "expires": NOW + 100, "boards": ["esp32"],
        "boot_ms": 3000,
        "artifacts": [
            {
                "plane": "model", "name": "digits", "version": "1.1.0", "counter": 2, "size": 4, "sha256": HASH,
                "full": {"size": 3, "sha256": HASH},
                "health": {"attempts": 2, "deadline_ms": 8000, "watchdog_ms": 4000, "correct": 8, "latency_us": 0},
            }
        ],
    }  # fmt: skip
    assert manifest.parse(json.dumps(release).encode())
    raises(FormatError, parse, release)
    raises(FormatError, manifest.parse, json.dumps(document(boards=["esp32"])).encode())
    both = document(**release)
    assert manifest.parse(json.dumps(both).encode())  # it ignores what it does not know
    raises(FormatError, parse, both)
    for key in ("mulligan", "release", "boot_ms", "artifacts"):  # each one alone is enough
        raises(FormatError, parse, document(**{key: release[key]}))


def test_an_order_for_all_of_a_channel():
    obey(document())
    obey(document(), device=Device("stable", "other", "", ""))
    raises(NotOrdered, obey, document(channel="beta"))


def test_an_order_is_for_whom_one_of_its_lists_names():
    obey(document(boards=["esp32"]))
    obey(document(groups=["beta", "canary"]))
    obey(document(devices=["a4cf12"]))
    obey(document(boards=["esp32s3"], groups=["canary"]))
    obey(document(boards=[], devices=["b", "a4cf12"]))
    for other in (
        {"boards": []}, {"groups": []}, {"devices": []}, {"boards": ["esp32s3"]}, {"groups": ["Canary"]}, {"devices": ["a4cf1"]},
        {"boards": ["canary", "a4cf12"], "groups": ["esp32", "a4cf12"], "devices": ["esp32", "canary"]},
    ):  # fmt: skip
        raises(NotOrdered, obey, document(**other))
    nameless = Device("stable", "esp32", "", "")
    raises(NotOrdered, order.obey, parse(document(groups=["x"], devices=["y"])), RELEASE, 0, NOW, nameless)


def test_an_order_is_for_one_release():
    raises(NotOrdered, order.obey, parse(document()), RELEASE + b" ", 0, NOW, MINE)
    raises(NotOrdered, order.obey, parse(document()), b"", 0, NOW, MINE)


def test_expiry():
    order.obey(parse(document()), RELEASE, 0, NOW + 100, MINE)
    raises(Expired, order.obey, parse(document()), RELEASE, 0, NOW + 101, MINE)


def test_sequence():
    order.obey(parse(document()), RELEASE, 7, NOW, MINE)  # the same again, after a power cut
    raises(Replayed, order.obey, parse(document()), RELEASE, 8, NOW, MINE)


def test_codes():
    assert (NotOrdered.code, issubclass(NotOrdered, PolicyError)) == (37, True)
