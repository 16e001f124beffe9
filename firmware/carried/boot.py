# Mulligan's boot.py for a board whose app slots carry the package: neither frozen nor in vfs, it is updated with the app. As in
# the other boot.py the watchdog stands before anything else, and a boot.py of your own goes into user_boot.py.
import machine

machine.WDT(timeout=30000)

import gc  # noqa: E402
import struct  # noqa: E402
import sys  # noqa: E402
from binascii import crc32  # noqa: E402

import vfs  # noqa: E402
from esp32 import Partition  # noqa: E402

PACKAGE = "/package"


class Slot:
    """An app slot, as the block device of its littlefs, whose superblock says how large its blocks are, and how many."""

    def __init__(self, partition):
        head = bytearray(32)
        partition.readblocks(0, head, 0)
        self._sizes = {5: struct.unpack_from("<I", head, 24)[0], 4: struct.unpack_from("<I", head, 28)[0]}
        self._partition = partition

    def readblocks(self, block, buf, offset=0):
        at = block * self._sizes[5] + offset
        self._partition.readblocks(at // 4096, buf, at % 4096)

    def writeblocks(self, block, buf, offset=0):
        raise OSError(30)  # EROFS

    def ioctl(self, op, arg):
        return self._sizes.get(op, 0)


def confirmed():
    """The app slot that the record in force names. What is read of it here stays where it is: docs/SPEC.md, "Journal"."""
    journal = Partition.find(0x40, subtype=0)[0]
    record = bytearray(2048)
    latest = slot = 0
    for at in range(0, journal.info()[3], len(record)):
        journal.readblocks(at // 4096, record, at % 4096)
        magic, _, size, app, _, _, number = struct.unpack_from("<2sHHBBHI", record, 0)
        if magic == b"MJ" and 14 < size <= len(record) and number > latest:
            if crc32(memoryview(record)[: size - 4]) == struct.unpack_from("<I", record, size - 4)[0]:
                latest, slot = number, app
    return 1 if slot == 1 else 0


def boot(slot, tried):
    """Boot with the package that ``slot`` carries. Returns the slot whose package is to be tried in its place, or None."""
    slots = sorted(Partition.find(0x40, subtype=8), key=lambda partition: partition.info()[2])
    # A cache of 512 bytes in place of 128: modules are read from there again and again.
    vfs.mount(vfs.VfsLfs2(Slot(slots[slot]), readsize=128, progsize=128, mtime=False), PACKAGE, readonly=True)
    sys.path.append(PACKAGE)
    import mulligan

    return mulligan.boot(slot, tried)


def leave():
    """Nothing of that package stays."""
    for name in list(sys.modules):
        if name.split(".")[0] == "mulligan":
            del sys.modules[name]
    if PACKAGE in sys.path:
        sys.path.remove(PACKAGE)
        vfs.umount(PACKAGE)
    gc.collect()


first = confirmed()
try:
    after = boot(first, False)
except Exception as e:  # a slot that is damaged, or for another firmware: what the other one holds finds out
    sys.print_exception(e)
    leave()
    boot(1 - first, False)
else:
    if after is not None:
        leave()
        boot(after, True)  # what fails now is a failed start of the trial, which the watchdog ends

try:
    import user_boot  # noqa: F401
except ImportError as e:
    if "user_boot" not in str(e):
        raise
