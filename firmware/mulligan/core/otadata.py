"""otadata: which app slot boots, and in what state. The bytes, and the three decisions taken over them, as ESP-IDF takes them.

Two 32-byte little-endian entries, one at the start of each of the partition's two 4 KiB sectors:

    u32 ota_seq | 20 bytes label | u32 ota_state | u32 crc        (crc: CRC-32 of ota_seq alone)

Source: ESP-IDF 5.x, bootloader_support/src/bootloader_utility.c and bootloader_common.c (the bootloader), app_update/
esp_ota_ops.c (set_boot and confirm). The decisions are pure: entries in, entries out. Whoever writes an entry erases its
sector first; a power cut between the two leaves that entry blank, which is an invalid one.

Two traps are ESP-IDF's own and are kept: set_boot on the slot that is already selected (as happens after the bootloader fell
back from a slot it could not load) writes the *other* sector, so that both entries name one slot; and VALID stays on a slot
whose content is being rewritten.
"""

from .errors import FormatError
from .esp_idf import ABORTED as ABORTED
from .esp_idf import ENTRY_SIZE as ENTRY_SIZE
from .esp_idf import INVALID as INVALID
from .esp_idf import NEW as NEW
from .esp_idf import NO_SEQ
from .esp_idf import PARTITION_SIZE as PARTITION_SIZE
from .esp_idf import PENDING as PENDING
from .esp_idf import SECTOR as SECTOR
from .esp_idf import UNDEFINED as UNDEFINED
from .esp_idf import VALID as VALID
from .otadata_entry import Entry as Entry
from .otadata_entry import active as active
from .otadata_entry import crc as crc
from .otadata_entry import decode as decode
from .otadata_entry import encode as encode
from .otadata_entry import entry as entry
from .otadata_entry import is_invalid as is_invalid
from .otadata_entry import is_pending as is_pending
from .otadata_entry import is_valid as is_valid
from .otadata_entry import selected as selected
from .otadata_entry import slot as slot

FACTORY = -1  # the slot number of the factory app, where the table has one


def bootloader(entries, n, loadable, factory=False):
    """What the second-stage bootloader does with ``n`` app slots: ``(slot, new entries)``.

    ``loadable(slot)`` says whether the image in a slot loads; it is asked in the bootloader's order, and about FACTORY only if
    ``factory`` says that there is such a partition. The slot is FACTORY for the factory app and None when nothing loads.
    ``changes`` gives the order in which the new entries reach the flash.
    """
    out = [_with_state(e, ABORTED) if e.state == PENDING else e for e in entries]
    blank = False
    start = FACTORY
    if n == 0 or (is_invalid(out[0]) and is_invalid(out[1])):
        if not factory:
            start = 0
            blank = all(e.seq == NO_SEQ or e.crc != crc(e.seq) for e in out)
    else:
        i = active(out)
        if i is not None:
            start = slot(out[i], n)
            if out[i].state == NEW:
                out[i] = _with_state(out[i], PENDING)
    for chosen in _walk(start, n, factory):
        if loadable(chosen):
            if blank and chosen != FACTORY:
                out[0] = entry(chosen + 1, VALID)
            return chosen, tuple(out)
    return None, tuple(out)


def _walk(start, n, factory):
    """The order in which slots are tried: from ``start`` down to the factory app, then up from ``start``."""
    order = [i for i in range(start, FACTORY, -1) if i < n]
    if factory:
        order.append(FACTORY)
    return order + list(range(start + 1, n))


def changes(old, new):
    """What the bootloader writes to get from ``old`` to ``new`` entries: ``[(index, entry)]``, aborted ones first, as it does."""
    written = [(i, new[i]) for i in (0, 1) if new[i] != old[i]]
    return [w for w in written if w[1].state == ABORTED] + [w for w in written if w[1].state != ABORTED]


def set_boot(entries, n, target, rollback=True):
    """What ``set_boot`` on slot ``target`` of ``n`` writes: ``(index, entry)``. The image's validation comes before, elsewhere.

    ``rollback``: whether the running firmware was built with app rollback; without it the state is UNDEFINED, and the bootloader
    will neither wait for a confirm nor abort. Raises: ValueError if there is no such slot.
    """
    if not 0 <= target < n:
        raise ValueError(f"otadata: no slot {target}: there are {n}")
    i = active(entries)
    if i is None:
        index, seq = 0, target + 1
    else:
        current = entries[i].seq
        base = (target + 1) % n
        index = 1 - i
        seq = base if base >= current else current + (base - current) % n
    return index, entry(seq, NEW if rollback else UNDEFINED, entries[index].label)


def confirm(entries):
    """What confirming the running app writes: ``(index, entry)``, in place in the active sector, or None if it is VALID already.

    Raises: FormatError if no entry is valid, where ESP-IDF says ESP_FAIL.
    """
    i = active(entries)
    if i is None:
        raise FormatError("otadata: no valid entry to confirm")
    e = entries[i]
    return None if e.state == VALID else (i, entry(e.seq, VALID, e.label))


def _with_state(e, state):
    return Entry(e.seq, e.label, state, e.crc)
