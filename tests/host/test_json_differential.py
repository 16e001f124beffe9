"""The strict reader against the host's json: it takes exactly the subset that SPEC defines, and reads the same values.

``make fuzz`` runs ``$FUZZ_EXAMPLES`` texts, ``make test`` 150.
"""

import json
import os
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mulligan.core import strictjson
from mulligan.core.errors import FormatError

pytestmark = pytest.mark.fuzz

_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
_REFUSED = object()
_TEXT = st.text(st.characters(codec="utf-8", max_codepoint=0x10FFFF), max_size=8)
_INTEGER = st.integers(-(1 << 53) - 2, (1 << 53) + 2)
_VALUE = st.recursive(
    st.none() | st.booleans() | _INTEGER | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)
_PIECES = st.sampled_from(
    [b'"', b"\\", b"\\u", b"d83d", b"\\ude00", b"{", b"}", b"[", b"]", b",", b":", b"0", b"-", b".", b"1e5", b"NaN", b"\xff"]
)


def _defined(raw: bytes) -> Any:
    """What SPEC says of ``raw``, by the host's json and the rules that go beyond it; _REFUSED for what is outside the subset."""

    def refuse(text: str) -> Any:
        raise ValueError(text)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key twice")
        return dict(pairs)

    try:
        value = json.loads(raw.decode("utf-8"), parse_float=refuse, parse_constant=refuse, object_pairs_hook=once)
        json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no character
    except (ValueError, RecursionError):
        return _REFUSED
    return value if _within(value, strictjson.MAX_DEPTH) else _REFUSED


def _within(value: Any, depth: int) -> bool:
    """Whether no container is nested deeper than ``depth``, and no integer is out of range."""
    if isinstance(value, list | dict):
        inner = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_within(item, depth - 1) for item in inner)
    return not isinstance(value, int) or isinstance(value, bool) or abs(value) <= strictjson.MAX_INTEGER


def _read(raw: bytes) -> Any:
    try:
        return strictjson.loads(raw)
    except FormatError:
        return _REFUSED


def _same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all through: 1 is not True."""
    return one is other or (one is not _REFUSED and other is not _REFUSED and repr(one) == repr(other))


def _agree(raw: bytes) -> None:
    assert _same(_read(raw), _defined(raw)), raw


@settings(max_examples=_EXAMPLES, deadline=None, database=None)
@given(value=_VALUE, plain=st.booleans(), indent=st.sampled_from([None, 1]))
@example(value=[[[[[[[[]]]]]]]], plain=True, indent=None)
@example(value=[[[[[[[[[]]]]]]]]], plain=True, indent=None)
@example(value=1 << 53, plain=True, indent=None)
@example(value=-(1 << 53) - 1, plain=True, indent=None)
def test_whatever_json_writes(value: Any, plain: bool, indent: int | None) -> None:
    _agree(json.dumps(value, ensure_ascii=plain, indent=indent).encode())


@settings(max_examples=_EXAMPLES, deadline=None, database=None)
@given(value=_VALUE, data=st.data())
def test_whatever_becomes_of_it(value: Any, data: st.DataObject) -> None:
    raw = bytearray(json.dumps(value, ensure_ascii=data.draw(st.booleans())).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 2))] = data.draw(_PIECES | st.binary(max_size=3))
    _agree(bytes(raw))


@settings(max_examples=_EXAMPLES, deadline=None, database=None)
@given(
    raw=st.lists(_PIECES | st.sampled_from([b"true", b"null", b" ", b"\t", b"1", b"\xc3\xa9", b"a"]), max_size=12).map(b"".join)
)
def test_whatever_looks_like_it(raw: bytes) -> None:
    _agree(raw)
