"""The machine code of patches does what the plain form does: same results, same state, on the same input."""

from array import array

from core.chance import Random
from mulligan.core import blend, entropy, packets, rescale
from mulligan.core import contexts as c
from mulligan.core import kinds as k
from mulligan.core.ranged import TABLES

try:
    from mulligan.core import blend_viper as fast
    from mulligan.core import entropy_viper as coded
    from mulligan.core import packets_viper, wide_viper
except (ImportError, SyntaxError, ValueError):  # CPython, or no native emitter: then the plain form is held to its own promise
    fast, coded, wide_viper, packets_viper = blend, entropy, entropy, packets


def both(function, *arguments):
    """What a function of ``blend`` or ``rescale`` makes of its first argument, in both forms."""
    results = []
    plain = rescale if hasattr(rescale, function) else blend
    for module in (plain, plain if fast is blend else fast):
        target = bytearray(arguments[0])
        getattr(module, function)(target, *arguments[1:])
        results.append(target)
    assert results[0] == results[-1], (function, arguments)
    return results[0]


def words(*values):
    return b"".join([(v & 0xFFFFFFFF).to_bytes(4, "little") for v in values])


def test_copies_repeat_on_themselves():
    assert both("copy", bytes(6), 2, b"abcdef", 1, 3) == b"\0\0bcd\0"
    for module in (blend, fast):
        target = bytearray(b"abc-----")
        module.copy(target, 3, target, 0, 5)
        assert target == b"abcabcab"
    source = bytes(range(64))
    for at in range(5):
        for start in range(5):
            for count in (0, 1, 3, 4, 17):
                expected = bytearray(40)
                expected[at : at + count] = source[start : start + count]
                assert both("copy", bytes(40), at, source, start, count) == expected


def test_scale8_rounds_and_clamps_by_channel():
    half, double, zero = 1 << 15, 2 << 16, 0
    old = bytes([1, 3, 0xFF, 0xFD, 127, 128, 5, 5])
    factors = array("I", [half, double, zero])
    assert both("scale8", old, 0, 8, factors, 2, 3, 0) == bytes([1, 2, 0xFE, 0xFA, 0, 0, 3, 3])
    assert both("scale8", old, 0, 8, factors, 1, 2, 1) == bytes([2, 2, 0xFE, 0xFF, 127, 0xC0, 10, 3])
    chance = Random(1)
    for _ in range(20):
        factors = array("I", [chance(1 << 22) for _ in range(7)])
        start = chance(9)
        both("scale8", chance.bytes(200), start, 150, factors, 1 + chance(40), 1 + chance(7), chance(500))


def test_muladd32_rounds_half_up():
    half = array("I", [1 << 27])
    assert both("muladd32", words(3, -3, 1, -1, 4), 5, half, 1, 0) == words(2, -1, 1, 0, 2)
    chance = Random(2)
    for _ in range(50):
        factors = array("I", [chance(1 << 15) << 16 | chance(1 << 16) for _ in range(5)])
        old = chance.bytes(40)
        for i in range(0, 40, 8):
            old[i + 2] = old[i + 3] = 0xFF if old[i] & 1 else 0
        found = both("muladd32", old, 10, factors, 5, chance(9))
        assert len(found) == 40
    assert both("muladd32", words(-(1 << 31), (1 << 31) - 1), 2, array("I", [1 << 28]), 1, 0) == words(-(1 << 31), (1 << 31) - 1)


# float32 by their bits: a, b, a * b rounded to nearest, ties to even; made with NumPy.
PRODUCTS = (
    (0x3F800000, 0x3F800000, 0x3F800000), (0x3DCCCCCD, 0x3DCCCCCD, 0x3C23D70B), (0x3F800001, 0x3F800001, 0x3F800002),
    (0x3FFFFFFF, 0x3FFFFFFF, 0x407FFFFE), (0x3F800003, 0x3FC00000, 0x3FC00004), (0x3F800001, 0x3FC00000, 0x3FC00002),
    (0x3B808081, 0x39D1B717, 0x35D289A1), (0x7F7FFFFF, 0x3F7FFFFF, 0x7F7FFFFE),
    (0, 0x3F800000, 0), (0x3F800000, 0, 0), (0xBF800000, 0x3F800000, 0), (0x7F800000, 0x3F800000, 0),
    (0x00800000, 0x3F000000, 0), (0x7F000000, 0x40000000, 0), (0x00000001, 0x3F800000, 0),
)  # fmt: skip


def test_floatmul_is_that_of_ieee754():
    for a, b, expected in PRODUCTS:
        assert both("floatmul", words(a), 1, b) == words(expected), (hex(a), hex(b))
    chance = Random(3)
    for _ in range(200):
        a, b = [(chance(60) + 100) << 23 | chance(1 << 23) for _ in range(2)]
        both("floatmul", words(a), 1, b)


def test_gather32_adds_what_stands_in_planes():
    planes = bytes([1, 4, 0xFE, 0, 0, 0xFF, 0, 0, 0xFF, 0, 0, 0xFF])
    assert both("gather32", words(10, 20, 30), b"??" + planes, 2, 3) == words(9, 22, 30 + 0x7FFFFFFF)
    chance = Random(4)
    both("gather32", chance.bytes(256), chance.bytes(300), 41, 64)


def packed(module, state, probs, data, target, old, turn):
    """Decode bytes out of packets, with whatever is held of base and artifact; what is read of them besides is made up."""
    state[k.DONE], state[k.FILL], state[k.SINCE] = 500, turn * 15, (0, 400)[turn & 1]
    base = 1 << 29  # more than any distance
    state[k.BASE], state[k.OLD], state[k.OLD_END] = base, base - (0, 180, 50)[turn % 3], base
    wanted = []

    def reach(at):
        wanted.append(at)
        place = at - state[k.BASE]
        end = 0 if place < 0 else state[k.SINCE] if place < state[k.SINCE] else state[k.DONE] - state[k.FILL]
        state[k.OLD] = at
        state[k.OLD_END] = state[k.BASE] + min(place + 1 + (at & 63), end)

    return module.packets(0, 0, 0, state, probs, data, target, 7, old, 173, reach), wanted


def run(module, wide, packet, data, limit):
    """Decode ``data``, whatever it is, by all models in turn; the values, and where the coder then stands."""
    state = array("I", bytes(4 * k.STATE))
    probs = bytearray(c.ROOM)
    for i in range(c.COUNT):
        probs[2 * i + 1] = c.HALF >> 8
    state[c.RANGE] = (1 << 31) - 1
    state[c.CODE] = (data[0] & 0x7F) << 24 | data[1] << 16 | data[2] << 8 | data[3]
    state[c.AT], state[c.END], state[c.LIMIT], state[c.RATE] = 4, len(data), limit, 5
    old = bytearray([(i * 37 >> 2) & 0xFF for i in range(k.OLDS)])
    out = []
    for turn in range(6):
        target = bytearray([i * 7 & 0xFF for i in range(k.PIECE + k.BLOCK)])
        state[k.LAST], state[k.BEFORE], state[c.PACKET] = 1 + 90 * turn, 33, 2 * turn
        out.append(packed(packet, state, probs, data, target, old, turn))
        out.append(bytes(target))
        out.append(wide.wide(0, 0, 0, state, probs, data, target, 7, 60, c.WIDE))
        out.append(bytes(target))
        out.append(module.differences(0, 0, 0, state, probs, data, target, 7, old, 3, 100, c.DIFFERENCE, turn))
        out.append(bytes(target))
        for which, prune, mask in ((0, 0, 255), (0, c.PRUNE, 255), (1, 0, 0)):
            base = c.WEIGHTS + which * c.WEIGHT
            out.append(module.weights(0, 0, 0, state, probs, data, TABLES, target, 7, old, 5, 120, base, prune, mask))
            out.append(bytes(target))
        target = bytearray(200)
        out.append(module.words(0, 0, 0, state, probs, data, target, 30, c.WORD + c.WORD_SET * (turn & 3), turn & 3))
        out.append(bytes(target))
        for base in (0, c.NUMBER):
            module.number(0, 0, 0, state, probs, data, c.NUMBER + 24 * turn, c.MANTISSA, base)
    return out, list(state), bytes(probs)


def test_a_code_that_raw_bits_left_at_the_range():
    """As a damaged stream has it: half of an odd range is taken off, and the code is the rest. Numbers come to an end."""
    for module in (entropy, coded):
        state = array("I", bytes(4 * k.STATE))
        data = b"\xff" * 64
        state[c.RANGE], state[c.CODE], state[c.END], state[c.RATE] = (1 << 30) + 1, 1 << 30, len(data), 5
        entropy.Decoder(state, bytearray(c.ROOM), data).raw(0)
        assert state[c.CODE] == state[c.RANGE]
        probs = bytearray(c.ROOM)
        for i in range(c.COUNT):
            probs[2 * i + 1] = c.HALF >> 8
        for _ in range(30):
            module.number(0, 0, 0, state, probs, data, c.NUMBER, c.MANTISSA, 0)
        assert 40 <= state[c.AT] <= 200


def test_the_models_decode_alike():
    chance = Random(5)
    for size in (4, 40, 400, 4000):
        for bias in (0, 0x7F, 0xFF):
            data = bytearray([value & bias if bias else value for value in chance.bytes(size)])
            for limit in (size - 64, 1 << 30):
                plain = run(entropy, entropy, packets, data, max(0, limit))
                machine = run(coded, wide_viper, packets_viper, data, max(0, limit))
                assert plain[0] == machine[0]
                assert plain[1:] == machine[1:]
