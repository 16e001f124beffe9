# The first bytes of the one partition of ours of that subtype, in lines of base64; whether there is one.
from binascii import b2a_base64

from esp32 import Partition


def dump(subtype, size):
    found = Partition.find(0x40, subtype=subtype)  # type: ignore[call-arg]
    if not found:
        return False
    buf = bytearray(256)
    for at in range(0, min(size, found[0].info()[3]), len(buf)):
        found[0].readblocks(at // 4096, buf, at % 4096)
        print(b2a_base64(buf).decode(), end="")  # type: ignore[arg-type]
    return True
