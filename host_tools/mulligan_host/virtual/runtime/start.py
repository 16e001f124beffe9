"""What stock firmware does before, between and after boot.py and main.py.

Source: MicroPython 1.25, ports/esp32/main.c and ports/esp32/modules/{_boot,inisetup}.py. What differs: the filesystem is mounted
at /flash, because / is the host's, where the device package is; and files have no time stamps, which would write the wall clock
into the flash.
"""

import os
import sys

import _virtual
import machine
import vfs
from esp32 import Partition


def _shorten():
    """Mount the host's directories on the path: a port keeps the path of each module in its heap, and on a chip that is short."""
    for i, path in enumerate(sys.path):
        if path.startswith("/") and not path.startswith("/flash"):
            sys.path[i] = "/.frozen%d" % i
            vfs.mount(vfs.VfsPosix(path), sys.path[i])


def _mount():
    found = Partition.find(Partition.TYPE_DATA, label="vfs")
    if not found:
        return
    try:
        _use(found[0])
    except OSError:
        if not _blank(found[0]):
            # Stock firmware prints the like for ever and never reaches boot.py.
            print("The filesystem appears to be corrupted. If you had important data there, make a flash snapshot.")
            _virtual.stop(_virtual.REPL)
        vfs.VfsLfs2.mkfs(found[0])
        _use(found[0])
        with open("boot.py", "w") as f:
            f.write("# This file is executed on every boot (including wake-boot from deepsleep)\n")


def _use(partition):
    vfs.mount(vfs.VfsLfs2(partition, mtime=False), "/flash")
    os.chdir("/flash")


def _blank(partition):
    sector = bytearray(4096)
    partition.readblocks(0, sector)
    return all(byte == 0xFF for byte in sector)


def _run(name, names):
    """Run a file if it is there; say whether it came to its end."""
    try:
        os.stat(name)
    except OSError:
        return True
    try:
        execfile(name, names)
    except SystemExit:
        machine.soft_reset()
    except BaseException as e:
        sys.print_exception(e)
        return False
    return True


_shorten()
_mount()
sys.argv.clear()
_names = {"__name__": "__main__"}
if _run("boot.py", _names):
    _run("main.py", _names)
print(">>> (nothing runs any more: the board is at the REPL)")
_virtual.stop(_virtual.REPL)
