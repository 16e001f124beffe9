"""Making patches: bsdiff's matching, cut into chunks of segments, each deflated in the device's 1 KB window.

The bytes are those of mulligan.core.patch, whose decoder also checks each patch made here.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

import bsdiff4.core

from mulligan.core import inflate, patch
from mulligan.core.errors import PatchError
from mulligan_host.errors import HostError
from mulligan_host.models.source import ByteSource

CHUNK_BITS = 12  # 4 KiB, a flash sector: what a power cut costs, and a step blocks for
_COPY_FROM = 24  # equal bytes in a row that are worth a segment of their own
MAX_ARTIFACT = 1 << 26


class Segment(NamedTuple):
    """``kind`` of mulligan.core.patch; where in the new artifact, how long, and where in the base."""

    kind: int
    at: int
    length: int
    base: int


def make(base: bytes, new: bytes) -> bytes:
    """Return the smallest patch that turns ``base`` into ``new``; an empty base gives the full artifact, compressed.

    Raises: HostError for an empty or a huge artifact.
    """
    if not 0 < len(new) <= MAX_ARTIFACT:
        raise HostError(f"an artifact of {len(new)} bytes cannot be patched: 1 to {MAX_ARTIFACT}")
    segments = list(_segments(base, new)) if base else []
    bodies, table = [], []
    for at in range(0, len(new), 1 << CHUNK_BITS):
        end = min(at + (1 << CHUNK_BITS), len(new))
        candidates = [[Segment(patch.LITERAL, at, end - at, 0)]]
        if segments:
            candidates.append(list(_cut(segments, at, end)))
        body = min((_deflate(_encode(candidate, base, new)) for candidate in candidates), key=len)
        bodies.append(body)
        table.append((len(body), patch.check(sha256(new[at:end]))))
    header = patch.Header(CHUNK_BITS, len(base), len(new), sha256(base).digest(), sha256(new).digest(), table)
    made: bytes = patch.encode_header(header) + b"".join(bodies)
    if apply(base, made) != new:
        raise HostError("the patch just made does not yield its artifact: please report this, with both files")
    return made


def read_header(data: bytes) -> patch.Header:
    """Return the header of the patch ``data``. Raises: PatchError."""
    if len(data) < patch.HEADER_SIZE:
        raise PatchError("patch: truncated")
    head = data[: patch.HEADER_SIZE]
    size = patch.table_size(head, int.from_bytes(head[12:16], "little"))
    table = data[patch.HEADER_SIZE : patch.HEADER_SIZE + size]
    if len(table) != size:
        raise PatchError("patch: truncated")
    header: patch.Header = patch.decode_header(head, table)
    return header


def apply(base: bytes, data: bytes) -> bytes:
    """Return what the patch ``data`` makes of ``base``, by the device's own decoder. Raises: PatchError."""
    header = read_header(data)
    if header.base_size and (len(base) != header.base_size or sha256(base).digest() != header.base_sha256):
        raise PatchError(f"patch: against another base than this one of {len(base)} bytes")
    decoder = patch.Decoder(header, ByteSource(base))
    new = bytearray()
    at = patch.HEADER_SIZE + 8 * len(header.chunks)
    for index, (size, _) in enumerate(header.chunks):
        if at + size > len(data):
            raise PatchError("patch: truncated")
        decoder.chunk(index, io.BytesIO(data[at : at + size]), new.extend)
        at += size
    if at != len(data):
        raise PatchError(f"patch: {len(data) - at} bytes after its end")
    if sha256(new).digest() != header.new_sha256:
        raise PatchError("patch: yields another artifact than it promises")
    return bytes(new)


def _segments(base: bytes, new: bytes) -> Iterator[Segment]:
    """Yield segments that cover ``new`` in order, from bsdiff's control triples."""
    control, difference, _ = bsdiff4.core.diff(base, new)
    at = base_at = difference_at = 0
    for matched, extra, seek in _triples(control):
        yield from _runs(difference[difference_at : difference_at + matched], at, base_at)
        at += matched
        if extra:
            yield Segment(patch.LITERAL, at, extra, 0)
        at += extra
        base_at += matched + seek
        difference_at += matched


def _triples(control: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the triples of a bsdiff control block: 64-bit little-endian, sign and magnitude."""
    values = [-(v ^ 1 << 63) if v >> 63 else v for (v,) in struct.iter_unpack("<Q", control)]
    yield from zip(values[::3], values[1::3], values[2::3], strict=True)


def _runs(difference: bytes, at: int, base_at: int) -> Iterator[Segment]:
    """Yield COPY for long runs of zero difference, ADD8 for what is between them."""
    start = scan = 0
    zeros = bytes(_COPY_FROM)
    while start < len(difference):
        run = difference.find(zeros, scan)
        if run < 0:
            run = len(difference)
        if run > start:
            yield Segment(patch.ADD8, at + start, run - start, base_at + start)
        end = run
        while end < len(difference) and not difference[end]:
            end += 1
        if end > run:
            yield Segment(patch.COPY, at + run, end - run, base_at + run)
        start = scan = end


def _cut(segments: list[Segment], at: int, end: int) -> Iterator[Segment]:
    """Yield the parts of ``segments`` between ``at`` and ``end`` of the new artifact."""
    for kind, start, length, base in segments:
        low, high = max(start, at), min(start + length, end)
        if low < high:
            yield Segment(kind, low, high - low, base + low - start)


def _encode(segments: list[Segment], base: bytes, new: bytes) -> bytes:
    """Return a chunk's segment stream."""
    out = bytearray()
    position = 0
    for kind, at, length, start in segments:
        out.append(kind)
        out += _varint(length)
        if kind != patch.LITERAL:
            distance = start - position
            out += _varint(distance << 1 if distance >= 0 else (-distance << 1) - 1)
            position = start + length
        if kind == patch.LITERAL:
            out += new[at : at + length]
        elif kind == patch.ADD8:
            out += bytes((n - b) & 0xFF for n, b in zip(new[at : at + length], base[start : start + length], strict=True))
    return bytes(out)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _deflate(data: bytes) -> bytes:
    """Return the shortest raw deflate stream of ``data`` that zlib's strategies give, stored as it is for one."""

    def run(level: int, strategy: int) -> bytes:
        deflater = zlib.compressobj(level, zlib.DEFLATED, -inflate.WINDOW_BITS, 9, strategy)
        return deflater.compress(data) + deflater.flush()

    best = [run(9, strategy) for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_RLE)]
    return min([*best, run(0, zlib.Z_DEFAULT_STRATEGY)], key=len)
