# Partitions of ours, written piece by piece where they are blank.
from esp32 import Partition


def find(subtype):
    return Partition.find(0x40, subtype=subtype)[0]  # type: ignore[call-arg]


def poke(subtype):
    """Whether the one partition of that subtype is blank."""
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
