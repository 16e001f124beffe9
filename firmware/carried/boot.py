# Mulligan's boot.py for a board whose app slots carry the package: neither frozen nor in vfs, it is updated with the app. As in
# the other boot.py the watchdog stands before anything else, and a boot.py of your own goes into user_boot.py. No release updates
# this file: what it knows of the journal and of the starts stays where it is (docs/SPEC.md, "Journal" and "Starts").
import machine

machine.WDT(timeout=30000)

import gc  # noqa: E402
import struct  # noqa: E402
import sys  # noqa: E402
from binascii import crc32  # noqa: E402
from hashlib import sha256  # noqa: E402

import vfs  # noqa: E402
from esp32 import Partition  # noqa: E402

PACKAGE = "/package"
STARTED = bytes(16)
CAME_UP = b"\x55" * 16
MOST = 3  # starts in a row that never came up, before the other slot is tried first


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


def slot_of(number):
    return sorted(Partition.find(0x40, subtype=8), key=lambda partition: partition.info()[2])[number]


def journal():
    """The app slot that the record in force names; how many bytes the other one holds, and their hash."""
    partition = Partition.find(0x40, subtype=0)[0]
    record = bytearray(2048)
    latest = slot = length = 0
    digest = b""
    for at in range(0, partition.info()[3], len(record)):
        partition.readblocks(at // 4096, record, at % 4096)
        magic, _, size, app, _, _, number = struct.unpack_from("<2sHHBBHI", record, 0)
        if magic == b"MJ" and 105 <= size <= len(record) and number > latest:
            if crc32(memoryview(record)[: size - 4]) == struct.unpack_from("<I", record, size - 4)[0]:
                latest, slot = number, app
                length, digest = struct.unpack_from("<I32s", record, 62)
    return (1 if slot == 1 else 0), length, digest


def failed():
    """How many starts in a row never came up. Where this reset may be the package's fault, its start is counted first."""
    found = Partition.find(0x40, subtype=3)
    starts = 0
    block = bytearray(16)
    for at in range(0, 4096 if found else 0, 16):
        found[0].readblocks(0, block, at)
        if block == CAME_UP:
            starts = 0
        elif block == STARTED:
            starts += 1
        else:
            if machine.reset_cause() in (machine.HARD_RESET, machine.WDT_RESET):
                found[0].writeblocks(0, STARTED, at)
            break
    return starts


def holds(slot, length, digest):
    """Whether the slot holds what was verified, and has not been written since."""
    h = sha256()
    buf = bytearray(4096)
    for at in range(0, length, len(buf)):
        slot.readblocks(at // 4096, buf, 0)
        h.update(memoryview(buf)[: length - at])
    return h.digest() == digest


def boot(slot, tried):
    """Boot with the package that ``slot`` carries. Returns the slot whose package is to be tried in its place, or None."""
    # A cache of 512 bytes in place of 128: modules are read from there again and again.
    vfs.mount(vfs.VfsLfs2(Slot(slot_of(slot)), readsize=128, progsize=128, mtime=False), PACKAGE, readonly=True)
    sys.path.insert(1, PACKAGE)
    import mulligan

    return mulligan.boot(slot, tried)


def leave():
    """Nothing of that package stays, though the collector may still find one of its functions somewhere on the stack."""
    for name in list(sys.modules):
        if name.split(".")[0] == "mulligan":
            sys.modules.pop(name).__dict__.clear()
    if PACKAGE in sys.path:
        sys.path.remove(PACKAGE)
        vfs.umount(PACKAGE)
    gc.collect()


def main():
    first, *other = journal()
    order = [first, 1 - first]
    if failed() >= MOST:
        order.reverse()
    for slot in order:
        try:
            if slot != first and not holds(slot_of(slot), *other):
                continue
            after = boot(slot, False)
        except Exception as e:  # a slot that is damaged, or for another firmware: what the other one holds finds out
            sys.print_exception(e)
            leave()
            continue
        if after is not None:
            leave()
            boot(after, True)  # what fails now is a failed start of the trial, which the watchdog ends
        return
    raise RuntimeError("no app slot carries a package that boots")  # the watchdog ends this as well


main()

try:
    import user_boot  # noqa: F401
except ImportError as e:
    if "user_boot" not in str(e):
        raise
