"""A chunk of tier 2 that is one LITERAL, decoded by docs/SPEC.md alone: written from the document, and from nothing else."""

from collections import defaultdict
from pathlib import Path

from core import golden
from mulligan_host import delta
from mulligan_host.delta import coders
from mulligan_host.delta.packer import Packer
from mulligan_host.delta.segment import Segment


class Reader:
    """The range coder and the numbers of tier 2."""

    def __init__(self, chunk: bytes, rate: int) -> None:
        self.chunk, self.at, self.rate = chunk, 4, rate
        self.range, self.code = 2**31 - 1, int.from_bytes(chunk[:4].ljust(4, b"\0"), "big")
        self.models: dict[object, tuple[int, int]] = defaultdict(lambda: (2**13, 0))

    def _shift(self) -> None:
        while self.range < 2**23:
            self.range <<= 8
            self.code = self.code << 8 | (self.chunk[self.at] if self.at < len(self.chunk) else 0)
            self.at += 1

    def bit(self, *model: object) -> int:
        p, uses = self.models[model]
        shift = uses + 1 if uses < 3 else self.rate
        bound = (self.range >> 14) * p
        found = int(self.code >= bound)
        if found:
            self.range, self.code, p = self.range - bound, self.code - bound, p - (p >> shift)
        else:
            self.range, p = bound, p + (2**14 - p >> shift)
        self.models[model] = p, uses + 1
        self._shift()
        return found

    def raw(self) -> int:
        self.range >>= 1
        found = int(self.code >= self.range)
        self.code -= self.range * found
        self._shift()
        return found

    def rest(self, bits: int, *model: object) -> int:
        """The bits below the highest: all but the first two raw."""
        value = 1
        for index in range(bits):
            value = value << 1 | (self.bit(*model, value) if index < 2 else self.raw())
        return value

    def number(self, first: object, second: object) -> int:
        k = 0
        while k < 31 and self.bit("first", first, min(k, 23)):
            k += 1
        return self.rest(k, "second", second, min(k, 23)) - 1

    def tree(self, bits: int, *model: object) -> int:
        node = 1
        for _ in range(bits):
            node = node << 1 | self.bit(*model, node)
        return node - (1 << bits)


def literal(chunk: bytes, rate: int, base: bytes, before: bytes) -> bytes:
    """What the chunk yields behind ``before``, the artifact up to it."""
    reader = Reader(chunk, rate)
    assert reader.number(0, "numbers") == 0  # LITERAL, by LITERAL
    end = len(before) + reader.number(13, "numbers") + 1
    out, state = bytearray(base + before), 0
    last, other = max(1, len(out) - min(len(before), len(base))), 1
    while len(out) < len(base) + end:
        if not reader.bit("match", state):
            node, expected = 1, out[-last] if state >= 7 else None
            for place in range(7, -1, -1):
                if expected is None:
                    node = node << 1 | reader.bit("literal", node)
                    continue
                side = expected >> place & 1
                node = node << 1 | reader.bit("beside", side, node)
                expected = expected if node & 1 == side else None
            out.append(node & 0xFF)
            state = 0 if state < 4 else state - 3 if state < 10 else state - 6
            continue
        late = state >= 7
        length = 1
        if not reader.bit("remembered", state):
            length = reader.number("new", "lengths") + 2
            size = reader.tree(5, "size", min(length - 2, 3))
            last, other = reader.rest(size, "below", size), last
            state = 10 if late else 7
        elif reader.bit("the one before", state):
            last, other = other, last
            length, state = reader.number("again", "lengths") + 2, 11 if late else 8
        elif reader.bit("longer", state):
            length, state = reader.number("again", "lengths") + 2, 11 if late else 8
        else:
            state = 11 if late else 9
        for _ in range(length):
            out.append(out[-last])
    return bytes(out[len(base) + len(before) :])


def test_the_golden_chunk() -> None:
    base = bytes((7 * i + i // 256) & 0xFF for i in range(6000))
    chunk = golden.PATCH_RANGE[84 + 2 * 8 :][: int.from_bytes(golden.PATCH_RANGE[84:88], "little")]
    assert literal(chunk, 5, base, b"") == delta.apply(base, golden.PATCH_RANGE)[:4096]


def test_text_against_text() -> None:
    """In the middle of an artifact, at each rate."""
    base = Path(__file__).read_bytes()
    new = base[300:2000] + b"something else" + base[1000:4000].upper() + base[:500]
    for rate in (4, 5, 6, 7):
        encoder = coders.Encoder(rate, Packer(base, new))
        coders.write(encoder, [Segment(0, 700, len(new) - 700)], base, new)
        assert literal(encoder.finish(), rate, base, new[:700]) == new[700:]
