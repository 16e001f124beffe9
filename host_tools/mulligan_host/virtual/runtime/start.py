"""What stock firmware does before, between and after boot.py and main.py.

Source: MicroPython 1.25, ports/esp32/main.c and ports/esp32/modules/{_boot,inisetup}.py. What differs: what would be
frozen modules is directories of the host; and files have no time stamps, which would write the wall clock into the flash.
"""

import os
import sys

import _virtual
import machine
import micropython
import vfs
from _virtual import call
from esp32 import Partition

_CTRL_C = 3
_EROFS = 30


class _Frozen:
    """A directory of the host that can be imported from, and nothing else: a board has no way to the host's files."""

    def __init__(self, path):
        self._fs = vfs.VfsPosix(path)  # type: ignore[attr-defined] # the unix port has it

    def mount(self, readonly, mkfs):
        self._fs.mount(True, False)

    def umount(self):
        pass

    def stat(self, path):
        return self._fs.stat(path)

    def statvfs(self, path):
        return (0,) * 10  # it takes no room on the board

    def open(self, path, mode):
        if mode not in ("r", "rb"):
            raise OSError(_EROFS)
        return self._fs.open(path, mode)

    def ilistdir(self, path):
        return iter(())


class _Interruptible:
    """A filesystem that Ctrl-C interrupts before an operation, never in it."""

    def __init__(self, fs):
        self._fs = fs

    def __getattr__(self, name):
        machine.reset_cause()  # any request will do
        return getattr(self._fs, name)


class _Micropython:
    """The module ``micropython`` with a ``kbd_intr`` of the chip's."""

    def __init__(self, real):
        self._real = real

    def __getattr__(self, name):
        return getattr(self._real, name)

    def kbd_intr(self, char):
        call(_virtual.KBD, char & 0xFFFFFFFF, 0)


def _freeze():
    """Mount the host's directories on the path, which stand for what is frozen in firmware, under short names: a port keeps each
    module's path in its heap, and on a chip that is short."""
    vfs.umount("/")
    for i, path in enumerate(sys.path):
        if path.startswith("/"):
            sys.path[i] = "/.frozen%d" % i
            vfs.mount(_Frozen(path), sys.path[i])
    sys.path.append("/lib")
    os.chdir("/")


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
    filesystem = vfs.VfsLfs2(partition, mtime=False)
    vfs.mount(_Interruptible(filesystem) if _serial else filesystem, "/")


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


_freeze()
_serial = call(_virtual.KBD, _virtual.NO_KEY, 1)
_mount()
sys.argv.clear()
_names = {"__name__": "__main__"}
micropython.kbd_intr(_CTRL_C)  # so that the signal is an exception, and does not end the process
call(_virtual.KBD, _CTRL_C, 1)
if _serial:
    sys.modules["micropython"] = _Micropython(micropython)  # type: ignore[assignment] # a module is what it stands for
# After a soft reset out of the raw REPL, main.py does not run.
try:
    if _run("boot.py", _names) and not call(_virtual.RAW, 2):
        _run("main.py", _names)
except KeyboardInterrupt as e:
    sys.print_exception(e)
call(_virtual.KBD, _virtual.NO_KEY, 1)
if _serial:
    import _repl

    _repl.serve(_names)
print(">>> (nothing runs any more: the board is at the REPL)")
_virtual.stop(_virtual.REPL)
