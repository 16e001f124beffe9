"""Starts of a package that the app slots carry, in a sector of their own. Bytes: docs/SPEC.md, "Starts".

The boot.py of such a board (firmware/carried/boot.py, which is never updated) programs STARTED before it imports anything of a
slot, where the reset may have been that package's fault; what then comes up programs CAME_UP. After three starts in a row that
never came up, boot.py tries the other slot first.
"""

BLOCK = 16  # bytes: what an encrypted partition is written in
STARTED = b"\0" * BLOCK
CAME_UP = b"\x55" * BLOCK
SIZE = 4096
_ENOUGH = 8 * BLOCK  # so many more starts have room at least


def came_up(region):
    """Take the starts so far back. ``region``: as for `journal.Journal`. Raises: FlashError."""
    block = bytearray(BLOCK)
    failed = False
    for at in range(0, SIZE, BLOCK):
        region.readinto(at, block)
        if block != STARTED and block != CAME_UP:
            break
        failed = block == STARTED
    blank = region.encrypted or block == b"\xff" * BLOCK
    if not failed and blank:
        return
    if blank and at < SIZE - _ENOUGH:
        region.program(at, CAME_UP)  # cut: the starts as they were, or taken back
        region.readinto(at, block)
        if block == CAME_UP:
            return
    region.erase(0)  # cut: starts that were, or none
