"""Generated input for each parser that reads from outside: only our own errors may come out.

``make fuzz`` runs ``$FUZZ_EXAMPLES`` per parser (20,000 if not set), ``make test`` 150.
"""

import contextlib
import os
from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common import rules
from core import golden
from mulligan.core import base64url, jws, manifest, order, otadata, p256, partitions, root, semver, slot, state, strictjson
from mulligan.core.errors import MulliganError
from mulligan_host import delta, keys
from mulligan_host.models.source import ByteSource

pytestmark = pytest.mark.fuzz

_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
_BASE = bytes(range(256)) * 20
_NEW = _BASE[:3000] + b"new" * 500 + _BASE[2000:]


def _record() -> bytes:
    entry = state.Entry("model", "digits", 0)
    entry.slot, entry.image = 0, state.Image(100, 1, "1.0.0", bytes(32), {"app": "1.0.0"}, 0)
    entry.begin(entry.image, 2, rules(2, 1000, 1000, 1, 0, p99_us=9, shadow_runs=5))
    current = state.State()
    current.entries.append(entry)
    return bytes(state.encode(current, 7))


_BLOB = {"size": 1, "sha256": base64url.encode(bytes(32))}
_PAYLOAD = (
    b'{"mulligan":1,"release":"1.0.0","sequence":1,"issued":0,"expires":9,"boards":["b"],"boot_ms":1,"artifacts":[{"plane":'
    b'"model","name":"n","version":"1.0.0","counter":1,"size":1,"sha256":"%s","full":{"size":1,"sha256":"%s"},"health":'
    b'{"attempts":1,"deadline_ms":1,"watchdog_ms":1000,"correct":0,"latency_us":0}}]}'
) % ((base64url.encode(bytes(32)).encode(),) * 2)
_ORDER = (
    b'{"order":1,"sequence":1,"issued":0,"expires":9,"manifest":"%s","channel":"stable","boards":["b"],"groups":[],"devices":["d"]}'
) % base64url.encode(bytes(32)).encode()
_SLOT = slot.build("digits", "1.0.0", b"TFL3" * 20, 512, [(bytes(64), bytes(10), 1)] * 3, ["a", "b"], [3, 9])
_KEYS = {"1": bytes.fromhex(
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)}  # fmt: skip
_ROOT = root.unpack(golden.ROOT).root
_ROWS = [partitions.Row(1, 2, 0x9000, 0x4000, "nvs", 0), partitions.Row(0, 16, 0x10000, 0x100000, "ota_0", 0)]


def _decode_patch(data: bytes) -> None:
    if delta.apply(_BASE, data) != _NEW:
        raise AssertionError("a damaged patch yielded something else")


def _parse_slot(data: bytes) -> None:
    header = slot.parse(data, len(data))
    slot.labels(header, ByteSource(data))


def _accept_root(data: bytes) -> None:
    """Whatever becomes of a root that two keys signed: only that one is ever accepted."""
    accepted = root.accept(root.Root(1, *_ROOT[1:]), root.unpack(data), p256.verify)
    assert accepted == _ROOT


_PARSERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "json": (strictjson.loads, _PAYLOAD),
    "manifest": (manifest.parse, _PAYLOAD),
    "order": (order.parse, _ORDER),
    "patch index": (manifest.parse_index, b'[{"base":"%s","size":1,"sha256":"%s"}]' % ((_BLOB["sha256"].encode(),) * 2)),
    "jws": (lambda data: jws.verify(data, _KEYS), b"eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ.e30." + b"A" * 86),
    "root": (_accept_root, golden.ROOT),
    "journal record": (lambda data: state.decode(data[: state.length(data.ljust(state.HEAD))]), _record()),
    "slot image": (_parse_slot, _SLOT),
    "patch": (_decode_patch, delta.make(_BASE, _NEW)),
    "partition table": (partitions.decode, partitions.encode(_ROWS)),
    "otadata": (lambda data: otadata.decode(data.ljust(otadata.ENTRY_SIZE, b"\xff")), otadata.encode(otadata.entry(3, 2))),
    "version": (lambda data: semver.parse(data.decode("latin-1")), b"1.2.3-rc.1"),
}


@pytest.mark.parametrize("name", _PARSERS)
def test_a_good_one_is_accepted(name: str) -> None:
    parse, good = _PARSERS[name]
    if name == "jws":
        with pytest.raises(MulliganError):  # well-formed, but nobody signed it
            parse(good)
    else:
        parse(good)


@pytest.mark.parametrize("name", _PARSERS)
@settings(max_examples=_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_only_our_errors_come_out(name: str, data: st.DataObject) -> None:
    parse, good = _PARSERS[name]
    raw = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(raw) - 1)))
        change = data.draw(st.sampled_from(("set", "cut", "insert", "swap")))
        piece = data.draw(st.binary(min_size=1, max_size=6))
        if change == "set":
            raw[at : at + len(piece)] = piece
        elif change == "cut":
            del raw[at : at + len(piece)]
        elif change == "insert":
            raw[at:at] = piece
        else:
            raw[:at], raw[at:] = raw[len(raw) - at :], raw[: len(raw) - at]
    with contextlib.suppress(MulliganError):
        parse(bytes(raw))


@settings(max_examples=_EXAMPLES, deadline=None, database=None)
@given(payload=st.binary(max_size=600))
def test_what_is_signed_verifies_and_nothing_else(payload: bytes) -> None:
    token = _SIGNER.sign(payload)
    pinned = {_SIGNER.kid: _SIGNER.public}
    assert jws.verify(token, pinned) == payload
    flip = sha256(payload).digest()
    at = int.from_bytes(flip[:4], "big") % len(token)
    changed = token[:at] + (b"A" if token[at : at + 1] != b"A" else b"B") + token[at + 1 :]
    with pytest.raises(MulliganError):
        jws.verify(changed, pinned)


_SIGNER = keys.Signer.generate()
