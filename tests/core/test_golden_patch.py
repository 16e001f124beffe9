"""Patches of both tiers, read from their golden bytes as test_golden.py reads the other binary formats."""

from hashlib import sha256

from common import raises
from core import golden
from mulligan.core import chunks, patch, segments
from mulligan.core.errors import PatchError

HEAP = "128k"


class Slot:
    def __init__(self, data):
        self.data = data
        self.size = len(data)
        self.at = 0

    def readinto(self, at, buf):
        assert 0 <= at <= at + len(buf) <= len(self.data)
        buf[:] = self.data[at : at + len(buf)]

    def write(self, buf):
        self.data[self.at : self.at + len(buf)] = buf
        self.at += len(buf)


class Body:
    def __init__(self, data, at):
        self.data = data
        self.at = at

    def readinto(self, buf):
        buf[:] = self.data[self.at : self.at + len(buf)]
        self.at += len(buf)


def test_patch():
    base = bytearray(6000)
    for i in range(6000):
        base[i] = (7 * i + i // 256) & 0xFF
    for golden_patch, tier, rate in ((golden.PATCH, patch.TIER_DEFLATE, 0), (golden.PATCH_RANGE, patch.TIER_RANGE, 5)):
        head = golden_patch[: chunks.HEADER_SIZE]
        at = chunks.HEADER_SIZE + patch.table_size(head, 5096)
        header = patch.decode_header(head, golden_patch[chunks.HEADER_SIZE : at])
        assert (header.tier, header.rate, header.chunk_bits, header.base_size) == (tier, rate, 12, 6000)
        assert header.base_sha256 == sha256(base).digest()
        assert header.table == golden_patch[chunks.HEADER_SIZE : at]
        new, body = Slot(bytearray(5632)), Body(golden_patch, at)
        decoder = segments.Decoder(header, Slot(base), new)
        for index in range(chunks.count_of(header)):
            for _ in decoder.chunk(index, body, new.write):
                pass
        assert body.at == len(golden_patch) and new.at == 5096
        assert new.data[3000:3013] == b"a second shot" and sha256(new.data[:5096]).digest() == header.new_sha256


def test_a_patch_of_an_older_version_is_refused():
    raises(PatchError, patch.table_size, golden.PATCH_1[: chunks.HEADER_SIZE], 5096)
