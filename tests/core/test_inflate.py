"""The inflater of patch tier 1: streams that zlib made, and both forms of its kernels on the same input."""

from array import array
from binascii import unhexlify

from common import raises
from core.chance import Random
from core.fuzz_patch import Body
from mulligan.core import codes as c
from mulligan.core import huffman, inflate, kinds, symbols
from mulligan.core.errors import PatchError

try:
    from mulligan.core import huffman_viper as fast
    from mulligan.core import symbols_viper as fast_symbols
except (ImportError, SyntaxError, ValueError):  # CPython, or no native emitter: then the plain form is held to its own promise
    fast, fast_symbols = huffman, symbols

HEAP = "256k"
FOX = b"the quick brown fox " * 20


def skewed():
    """Bytes of which each is half as frequent as the one before: their codes have up to 11 bits."""
    out = bytearray()
    chance = Random(1)
    for _ in range(900):
        value = chance(1 << 23)
        n = 0
        while value & 1 and n < 15:
            n += 1
            value >>= 1
        out.append(n * 7)
    return bytes(out) + bytes([i * 7 for i in range(16)])


# Raw deflate by zlib in a window of 1 KB: codes of the standard; these, an empty stored block and codes of its own, some of them
# longer than the table; matches near and far.
STREAMS = (
    (
        "2bc94855282ccd4cce56482aca2fcf5348cbaf502819151b303100",
        FOX,
    ),
    (
        (
            "2ac94855282ccd4cce56482aca2fcf5348cbaf502819151b303100000000ffff05c111a260571445c1b265db8e5d7bf62dd6168bc5da62"
            "b1cc7f02a9c23e085a89ef2200d4531e3704a2247691d2de59731fa1127b83360f1936e055039219cf93f8fce44e238fee4123d89c602a"
            "2d01f8c9814747f3ede4e2fa8ed5693dc886a5aef5b3de214ed14e558a9985f2180cc7f2154e8777373cafc92eded50dbcbdca8f4cf349"
            "caf11837cf0bbd1e4deb78ceaf7a86707e56b545aaa6a338e4e8a060b0f68751c700b0cb375118183b33eaf8bccf2a2dc56f6c73547025"
            "3ca180ee16703e8964469ab27862058b07251f649b3507a05f02b1582a3ffae82b7acb5a3085ced6b57a858fec63656f7bf691346c2208"
            "d1b4435ea8425a4e8d7ad3ee7d3f7ffcfaf3afbf7ffff3ef7fff03"
        ),
        FOX + skewed(),
    ),
    (
        (
            "2bc94855282ccd4cce56482aca2fcf5348cbaf502819151b151b151b151b84620c8c4ccc2cac6cec1c9c5cdc3cbc7cfc028242c222a262"
            "e2129252d232b272f20a8a4aca2aaa6aea1a9a5ada3aba7afa068646c626a666e6169656d636b676f60e8e4ece2eae6eee1e9e5ede3ebe"
            "7efe018141c121a161e1119151d131b171f1098949c9c3c58ed1f432b8c400"
        ),
        FOX * 3 + bytes(range(100)) * 3 + FOX,
    ),
)


def read(stream, size, step, kind=kinds.LITERAL, old=b""):
    """``size`` bytes of what ``stream`` holds, ``step`` at a time."""
    source = Body(stream)
    out = bytearray(size)
    coder = inflate.Inflated(out, old, None)
    coder.begin(len(stream))
    at = 0
    while at < size:
        if coder.hungry():
            coder.feed(source)
        at += coder.bytes(kind, at, at, min(step, size - at))
    return bytes(out)


def stored(data):
    size = bytes([len(data) & 0xFF, len(data) >> 8])
    return b"\x01" + size + bytes([b ^ 0xFF for b in size]) + data


def numbers(stream, count):
    coder = inflate.Inflated(bytearray(kinds.PIECE + 1), b"", None)
    coder.begin(len(stream))
    coder.feed(Body(stream))
    return [coder.number(0) for _ in range(count)]


def test_numbers_are_read_wherever_the_stream_has_their_bytes():
    expected = [0, 127, 128, 300, 1 << 20, (1 << 28) - 1, (1 << 31) - 1]
    assert numbers(unhexlify("63a86f605cc3d4d0e0f0ffffff7a20fecfce40840800"), 21) == expected * 3  # by zlib; the last in matches
    plain = unhexlify("007f8001ac02808040ffffff7fffffffff07")
    assert numbers(stored(plain), 7) == expected
    for stream in (unhexlify("6b686868e00000"), stored(b"\x80\x80\x80\x80\x08"), stored(b"\xff" * 9)):
        raises(PatchError, numbers, stream, 1)  # 32 bits; more than 5 bytes


def test_streams_are_read_whatever_is_asked_for_at_once():
    for stream, expected in STREAMS:
        stream = unhexlify(stream)
        for step in (1, 7, 250, 5000):
            assert read(stream, len(expected), step) == expected
    data = bytes(Random(2).bytes(5000))
    for step in (3, 1024):
        assert read(stored(data), len(data), step) == data


def test_what_is_read_is_added_to_a_base():
    old = bytes(Random(3).bytes(2000))
    for stream, expected in STREAMS:
        found = read(unhexlify(stream), len(expected), 100, kinds.ADD8, old)
        assert found == bytes([(a + b) & 0xFF for a, b in zip(expected, old)])


def test_the_end_is_an_end():
    for stream, expected in STREAMS:
        stream = unhexlify(stream)
        raises(PatchError, read, stream, len(expected) + 1, 50)
        for end in list(range(0, len(stream) - 1, 11)) + [len(stream) - 2]:
            try:
                assert read(stream[:end], len(expected), 50) == expected
            except PatchError:
                pass
    for size in (0, 4, 99):
        raises(PatchError, read, stored(bytes(100))[: 5 + size], 100, 50)
    raises(PatchError, read, b"\x01\x05\x00\xfa\xfe12345", 5, 5)  # not the complement
    raises(PatchError, read, b"\x07" + bytes(20), 5, 5)  # of no kind
    raises(PatchError, read, bytes(4) + b"\xff" * 9, 5, 5)


def lengths_of(chance):
    """Lengths of codes that are all different: out of a tree that is split at random."""
    leaves = [0]
    while len(leaves) < 40 + chance(200):
        at = chance(len(leaves))
        if leaves[at] < 15:
            leaves[at] += 1
            leaves.append(leaves[at])
    leaves += [0] * (288 - len(leaves))
    for i in range(287, 0, -1):
        k = chance(i + 1)
        leaves[i], leaves[k] = leaves[k], leaves[i]
    return bytearray(leaves + [5] * 32)


def test_both_forms_make_the_same_codes():
    chance = Random(4)
    for turn in range(30):
        lengths = lengths_of(chance) if turn & 1 else bytearray([chance(16) for _ in range(320)])
        results = []
        for module in (huffman, fast):
            codes = array("H", bytes(2 * c.CODES))
            good = module.build(codes, lengths, 0, 288, 0, c.WIDTH, 0)
            good += 2 * module.build(codes, lengths, 288, 32, c.DISTANCES, c.DISTANCE_WIDTH, c.FIRST_DISTANCE)
            results.append((good, bytes(codes) if good == 3 else b""))
        assert results[0] == results[1]
        assert results[0][0] == 3 or not turn & 1


def place(state):
    """Where the next bit is, and what else a kernel leaves."""
    return [8 * state[c.AT] - state[c.HELD]] + list(state[c.END :])


def test_both_forms_read_the_same():
    chance = Random(5)
    for _ in range(40):
        codes = array("H", bytes(2 * c.CODES))
        lengths = lengths_of(chance)
        fast.build(codes, lengths, 0, 288, 0, c.WIDTH, 0)
        fast.build(codes, lengths, 288, 32, c.DISTANCES, c.DISTANCE_WIDTH, c.FIRST_DISTANCE)
        data, old = chance.bytes(600), chance.bytes(300)
        results = []
        for module in (symbols, fast_symbols):
            state = array("I", bytes(4 * kinds.STATE))
            state[c.END], state[c.LIMIT], state[c.OPEN] = 500, 492, 1
            window, piece, out = bytearray(1024), bytearray(kinds.PIECE + 1), []
            for turn in range(12):
                for use, many in ((turn & 1, 20 * turn), (c.NUMBERS, turn % 4)):
                    state[c.TO], state[c.FROM], state[c.MANY] = 3, 9, many
                    found = module.symbols(0, 0, 0, (state, data, codes, window, piece, old, None), use)
                    out.append((found, bytes(piece[: kinds.PIECE]), bytes(window)))
                    if found < 0:
                        break
                    out.append((place(state), list(state[kinds.FIRST :])))
                if found < 0:
                    break
            results.append(out)
        assert results[0] == results[1]


def test_both_forms_read_heads_the_same():
    chance = Random(6)
    for turn in range(60):
        data = chance.bytes(400)
        results = []
        for module in (huffman, fast):
            state = array("I", bytes(4 * kinds.STATE))
            state[c.END] = 400 if turn & 3 else 9
            codes, lengths = array("H", bytes(2 * c.CODES)), bytearray(320)
            out = [module.start(state, data, lengths, inflate.ORDER), place(state), bytes(lengths)]
            if module.build(codes, lengths, 0, 19, 0, c.LENGTHS_WIDTH, 0):
                good = module.lengths(state, data, codes, lengths, 100 + turn)
                out += [good, bytes(lengths[: 100 + turn]), place(state)] if good else [good]
            results.append(out)
        assert results[0] == results[1]
