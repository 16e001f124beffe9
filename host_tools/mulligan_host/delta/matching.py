"""Matching bytes without knowledge of what they are: bsdiff's approximate matches, and exact ones within what is left."""

import struct
from collections.abc import Iterator

import bsdiff4.core
import numpy as np
from numpy.typing import NDArray

NONE = -1


def positions(base: bytes, new: bytes) -> NDArray[np.int64]:
    """Return for each byte of ``new`` the byte of ``base`` that it is matched with, or NONE: bsdiff's matches."""
    found = np.full(len(new), NONE, np.int64)
    if not base or not new:
        return found
    control, _, _ = bsdiff4.core.diff(base, new)
    at = base_at = 0
    for matched, extra, seek in triples(control):
        found[at : at + matched] = np.arange(base_at, base_at + matched)
        at += matched + extra
        base_at += matched + seek
    return found


def triples(control: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the triples of a bsdiff control block: 64-bit little-endian, sign and magnitude."""
    values = [-(v ^ 1 << 63) if v >> 63 else v for (v,) in struct.iter_unpack("<Q", control)]
    yield from zip(values[::3], values[1::3], values[2::3], strict=True)
