"""The bootloader's side: which app slot runs, whether it is unconfirmed, and which one boots next. Slots are 0 and 1."""

from esp32 import Partition

from ..core.errors import FlashError
from ..core.esp_idf import ENTRY_SIZE, OTA_0, OTADATA
from ..core.otadata_entry import decode, is_pending


def running():
    """The slot that runs; None for a factory app or a third slot."""
    slot = _running()
    return slot if slot in (0, 1) else None


def pending():
    """Whether the bootloader would abort what runs at the next reset: MicroPython can't be asked, otadata can."""
    found = Partition.find(Partition.TYPE_DATA, subtype=OTADATA)  # type: ignore[call-arg]
    if not found:
        return False
    entries = []
    for sector in (0, 1):
        raw = bytearray(ENTRY_SIZE)
        found[0].readblocks(sector, raw)
        entries.append(decode(raw))
    slots = [p for p in Partition.find(Partition.TYPE_APP) if p.info()[1] >= OTA_0]
    return is_pending(entries, len(slots), _running())


def select(slot):
    """Have the bootloader start ``slot`` at the next reset. Raises: FlashError for an image that it would not take."""
    try:
        Partition.find(Partition.TYPE_APP, subtype=OTA_0 + slot)[0].set_boot()  # type: ignore[call-arg]
    except OSError as e:
        raise FlashError("ota_{}: set_boot: {}".format(slot, e))


def keep():
    """What runs is confirmed: the bootloader starts it from now on. Raises: FlashError."""
    try:
        Partition.mark_app_valid_cancel_rollback()
    except OSError as e:
        raise FlashError("mark_app_valid_cancel_rollback: {}".format(e))


def _running():
    return Partition(Partition.RUNNING).info()[1] - OTA_0  # type: ignore[arg-type]
