"""The app slot as a filesystem: littlefs, read-only, of as many blocks as the artifact has."""

import os
import sys

import vfs

from ..core.layout import APP_BLOCK

_EROFS = 30
APP = "/app"


def mount(region, length, where):
    """Raises: OSError where ``region`` holds no littlefs of ``length`` bytes."""
    vfs.mount(vfs.VfsLfs2(_Blocks(region, length // APP_BLOCK), mtime=False), where, readonly=True)


def unmount(where):
    vfs.umount(where)


def run_from(where):
    """Look for modules there before the frozen ones' neighbours, and for main.py there if it has one."""
    sys.path.insert(1, where)
    if "main.py" in os.listdir(where):
        os.chdir(where)


class _Blocks:
    """The block device that VfsLfs2 takes (os.AbstractBlockDev, extended)."""

    def __init__(self, region, count):
        self._region = region
        self._count = count

    def readblocks(self, block, buf, offset=0):
        self._region.readinto(block * APP_BLOCK + offset, buf)

    def writeblocks(self, block, buf, offset=0):
        raise OSError(_EROFS)

    def ioctl(self, op, arg):
        if op == 4:
            return self._count
        if op == 5:
            return APP_BLOCK
        if op == 6:
            raise OSError(_EROFS)
        return 0
