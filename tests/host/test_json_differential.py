"""The strict reader against the host's json, on CPython and on MicroPython: it takes exactly the subset that SPEC defines, and
reads the same values.

``make fuzz`` reads ten times ``$FUZZ_EXAMPLES`` texts (20,000 if not set), ``make test`` 3,000.
"""

import json
import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import json_batch
from mulligan.core import strictjson
from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython

pytestmark = pytest.mark.fuzz

_TEXTS = 10 * int(os.environ.get("FUZZ_EXAMPLES", "300"))

# What is right, and what some reader takes for it.
_SPACE = ("", " ", "\t", "\r\n", "\f", "\v", "\xa0", "\u2003", "\ufeff", "\0", "//x\n", "/**/")
_WORDS = ("true", "false", "null", "True", "tru", "truefalse", "null0", "undefined", "NaN", "Infinity", "-Infinity")
_INTEGERS = (
    "0", "-0", "1", "-12", "9007199254740992", "-9007199254740992", "9007199254740993", "-9007199254740993", "9" * 17, "01",
    "-01", "00", "+1", "-", "--1", "1.", "1.0", ".5", "0e0", "1e5", "1E+2", "1e", "0x10", "1_000", "\u0661", "\xb2",
)  # fmt: skip
_CHARACTERS: tuple[str, ...] = (
    "a", "\xe9", "\u2028", "\ufeff", "\x7f", "\U0001f600", "\\u0061", "\\u00E9", "\\u0000", "\\ufeff", "\\\\", '\\"', "\\/",
    "\\b", "\\ud83d\\ude00", "\\uDBFF\\uDFFF", "\\ud83d", "\\ude00", "\\ud83d\\u0041", "\\UD83D", "\\x41", "\\'", "\\",
    "\\u12", "\\u+123", "\\u 123", "\\u1_23", "\\u006\x11", "\\u\u0660\u0660\u0660\u0660", "\n", "\t", "\0", "\x1f",
)  # fmt: skip
# Where UTF-8 ends, and what goes beyond it: overlong forms, surrogates, more than 10FFFF, bytes alone, a byte order mark.
_BYTES = (
    b"\x00", b"\x80", b"\xff", b"\xc0\x80", b"\xc1\xbf", b"\xc3", b"\xe0\x80\xaf", b"\xe2\x82", b"\xed\x9f\xbf",
    b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xee\x80\x80", b"\xef\xbb\xbf", b"\xf0\x80\x80\xaf", b"\xf0\x9f\x98",
    b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"0",
)  # fmt: skip
_CHARACTERS += tuple(piece.decode(errors="surrogateescape") for piece in _BYTES[:18])


def _text(chance: random.Random) -> bytes:
    """Something that may be JSON, and often nearly is."""

    def mostly(right: str, *others: str) -> str:
        return chance.choice(others) if chance.random() < 0.03 else right

    def space() -> str:
        return mostly(chance.choice(("", "", " ", "\n\t")), *_SPACE)

    def string() -> str:
        characters = (chance.choice(_CHARACTERS) if chance.random() < 0.3 else chance.choice("abc") for _ in range(3))
        return mostly('"', "'", "") + "".join(characters) * chance.randrange(2) + mostly('"', "'", "")

    def member(depth: int) -> str:
        return space() + mostly(string(), "a", "1", "null") + space() + mostly(":", "=", "", "::") + value(depth)

    def value(depth: int) -> str:
        kind = chance.randrange(9)
        if kind < 4 and depth:
            items = (value(depth - 1) if kind < 2 else member(depth - 1) for _ in range(chance.randrange(4)))
            listed = mostly(",", "", ",,", ";").join(items) + mostly("", ",")
            found = f"[{listed}]" if kind < 2 else f"{{{listed}}}"
        elif kind < 6:
            found = string()
        elif kind < 8:
            found = chance.choice(_INTEGERS[:6] if chance.random() < 0.8 else _INTEGERS)
        else:
            found = chance.choice(_WORDS[:3] if chance.random() < 0.8 else _WORDS)
        return space() + found + space()

    if chance.random() < 0.05:
        deep, opened = chance.randrange(strictjson.MAX_DEPTH - 1, strictjson.MAX_DEPTH + 2), chance.choice(("[", '{"a":'))
        return (opened * deep + chance.choice(("1", "{}", "[]")) + ("]" if opened == "[" else "}") * deep).encode()
    raw = bytearray(value(4).encode(errors="surrogateescape"))
    for _ in range(chance.choice((0, 0, 1, 2))):
        at = chance.randrange(len(raw) + 1)
        raw[at : at + chance.randrange(3)] = chance.choice((b"", chance.choice(_BYTES), chance.randbytes(1)))
    return bytes(raw)


def _defined(raw: bytes) -> str:
    """What SPEC says of ``raw``, by the host's json and the rules that go beyond it; as in json_batch."""

    def refuse(text: str) -> Any:
        raise ValueError(text)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key twice")
        return dict(pairs)

    try:
        value = json.loads(raw.decode("utf-8"), parse_float=refuse, parse_constant=refuse, object_pairs_hook=once)
        # Half of a surrogate pair is no character: encode() raises.
        return json_batch.spelled(value) if _within(value, strictjson.MAX_DEPTH) else "refused"
    except ValueError:
        return "refused"


def _within(value: Any, depth: int) -> bool:
    """Whether no container is nested deeper than ``depth``, and no integer is out of range."""
    if isinstance(value, list | dict):
        inner = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_within(item, depth - 1) for item in inner)
    return not isinstance(value, int) or isinstance(value, bool) or abs(value) <= strictjson.MAX_INTEGER


def test_it_takes_and_reads_what_json_does(
    tmp_path: Path, micropythons: list[MicroPython], record_property: Callable[[str, int], None]
) -> None:
    chance = random.Random(_TEXTS)
    path = tmp_path / "texts"
    with path.open("w", encoding="ascii") as file:
        for raw in (_text(chance) for _ in range(_TEXTS)):
            file.write(f"{raw.hex()} {_defined(raw)}\n")
    texts, taken, wrong = json_batch.run(path)
    assert (texts, wrong) == (_TEXTS, [])
    assert 0.2 < taken / texts < 0.8
    for mp in micropythons:
        command = mp.command(Path(json_batch.__file__), build_package(mp), path, heap="1M")
        found = subprocess.run(command, capture_output=True, text=True)
        assert (found.stdout, found.stderr) == (f"{texts} {taken} []\n", ""), mp.label
    record_property("texts, read as the host's json does", texts)
