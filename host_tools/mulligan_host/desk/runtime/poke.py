# Partitions of ours, written piece by piece where they are blank: the first of each subtype.
from binascii import hexlify
from hashlib import sha256

from esp32 import Partition


def find(subtype):
    found = Partition.find(0x40, subtype=subtype)  # type: ignore[call-arg]
    return sorted(found, key=lambda partition: partition.info()[2])[0]


def poke(subtype):
    """Whether it is blank."""
    partition = find(subtype)
    buf = bytearray(512)
    for at in range(0, partition.info()[3], 512):
        partition.readblocks(at // 4096, buf, at % 4096)
        if buf != b"\xff" * 512:
            return False
    return True


def wipe(subtype):
    partition = find(subtype)
    for sector in range(partition.info()[3] // 4096):
        partition.ioctl(6, sector)


def put_at(subtype, at, piece):
    find(subtype).writeblocks(at // 4096, piece, at % 4096)


def digest(subtype, size):
    """The SHA-256 of its first ``size`` bytes, in hexadecimal."""
    partition, h, buf = find(subtype), sha256(), bytearray(512)
    for at in range(0, size, 512):
        partition.readblocks(at // 4096, buf, at % 4096)
        h.update(memoryview(buf)[: size - at])
    return hexlify(h.digest()).decode()
