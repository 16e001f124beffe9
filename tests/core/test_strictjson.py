import json

from common import raises
from mulligan.core import strictjson
from mulligan.core.errors import FormatError

GOOD = (
    b"{}", b"[]", b' [ 1 , -2 ] ', b'{"a":{"b":[true,false,null]}}', b'"\\u00e9\\n\\/"', b'"\xc3\xa9"', b"0", b"-0",
    b"9007199254740992",
)  # fmt: skip

BAD = (
    b"", b" ", b"{", b"[", b"[1", b"[1,", b"[1,]", b"[,1]", b"[1,,2]", b'{"a" 1}', b'{"a":1,}', b'{"a":1 "b":2}', b"{1:2}",
    b"01", b"-", b"-01", b"1.0", b"1e3", b"1E3", b"+1", b"NaN", b"Infinity", b"nul", b"truex", b'"', b'"\\', b'"\\x"',
    b'"\\u12"', b'"\\u12g4"', b'"\\ud800"', b'"\\ude00\\ud83d"', b'"\\ud83d\\u0041"', b'"\\ud83dx"', b'"\\ud83d\\n"',
    b'"\\ud83d\\ud83d\\ude00"', b'"\\ud83d\\u', b'"\\ud83d\\ude0"', b'"\n"', b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"',
    b'"\xc3"', b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b"[1] 2", b"9007199254740993", b"99999999999999999999", b"'a'",
    b"\xef\xbb\xbf{}", b"[1]\0", b"[" * 40 + b"]" * 40, b"/**/1",
)  # fmt: skip


def test_reads_what_the_standard_reader_reads():
    for raw in GOOD:
        assert strictjson.loads(raw) == json.loads(raw.decode()), raw


def test_a_pair_of_surrogates_is_one_character():
    text = chr(0x1F600) + "x" + chr(0x10FFFF) + chr(0x10000)
    assert strictjson.loads(b'"\\ud83d\\ude00x\\uDBFF\\uDFFF\\uD800\\udc00"') == text
    assert strictjson.loads(('"' + text + '"').encode()) == text


def test_refuses_all_else_with_one_error():
    for raw in BAD:
        raises(FormatError, strictjson.loads, raw)


def test_every_truncation_is_refused():
    raw = b'{"a":[1,{"b":"\\u00e9x"},null,true],"c":-12}'
    for end in range(len(raw)):
        raises(FormatError, strictjson.loads, raw[:end])


def test_depth_is_bounded():
    deep = b"[" * strictjson.MAX_DEPTH + b"1" + b"]" * strictjson.MAX_DEPTH
    assert strictjson.loads(deep)
    raises(FormatError, strictjson.loads, b"[" + deep + b"]")
    # An empty one counts as well.
    assert strictjson.loads(b"[" * (strictjson.MAX_DEPTH - 1) + b"{}" + b"]" * (strictjson.MAX_DEPTH - 1))
    raises(FormatError, strictjson.loads, b"[" * strictjson.MAX_DEPTH + b"{}" + b"]" * strictjson.MAX_DEPTH)


def test_hostile_bytes_raise_nothing_else():
    seed = 1
    base = b'{"a":[1,{"b":"\\u00e9x"},null,true],"c":-12}'
    for _ in range(3000):
        raw = bytearray(base)
        for _ in range(2):
            seed = (seed * 1103515245 + 12345) & 0x3FFFFFFF
            raw[seed % len(raw)] = seed >> 16 & 0xFF
        try:
            strictjson.loads(raw)
        except FormatError:
            pass
