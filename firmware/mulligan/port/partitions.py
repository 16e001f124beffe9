"""The partitions that are slots or Mulligan's own, as the partition table of the chip names them. Asked for at the boot only."""

from esp32 import Partition

from ..core.errors import NoSlot
from ..core.esp_idf import OTA_0
from ..core.layout import APP, CONFIG, MODEL, TYPE
from .flash import Region


def find(subtype, kind=TYPE):
    """The Regions of our partitions of ``subtype``, by address; empty where the table has none."""
    found = sorted(Partition.find(kind, subtype=subtype),  # type: ignore[call-arg]
        key=lambda p: p.info()[2])
    return [Region(partition) for partition in found]


def find_one(subtype, name):
    """The one Region of ``subtype``. Raises: NoSlot naming what is missing."""
    found = find(subtype)
    if len(found) != 1:
        raise NoSlot("the partition table has no {} partition: flash a layout of Mulligan's".format(name))
    return found[0]


def pairs():
    """The slot pairs of every plane: {plane: [(Region, Region)]}."""
    firmware = find(OTA_0, Partition.TYPE_APP) + find(OTA_0 + 1, Partition.TYPE_APP)
    found = {"firmware": firmware, "app": find(APP), "config": find(CONFIG)}
    result = {plane: [tuple(pair)] for plane, pair in found.items() if len(pair) == 2}
    result["model"] = model_pairs()
    return result


def model_pairs():
    """The slot pairs for models: [(Region, Region)]."""
    pairs = []
    while True:
        pair = find(MODEL + len(pairs))
        if len(pair) != 2:
            return pairs
        pairs.append(tuple(pair))
