"""The event log: what happened on this device, in a ring of flash sectors. Bytes: docs/SPEC.md, "Event log".

Numbers and names only: no address, no key, nothing of the app's data. Whoever writes it must be able to do without: a record that
does not take is passed over, and nothing depends on what can be read.
"""

import struct
from binascii import crc32
from collections import namedtuple

from .state import PLANES

MAGIC = 0x45
VERSION = 1
SIZE = 64
SECTOR = 4096
_FORMAT = "<BBBBHHIII16s24s"  # magic, version, kind, plane, code, detail, number, time, ms, name, version; a CRC-32 follows
_AT_CHECKSUM = 60
_NONE = 0xFF
# The kind of a record is the place of its event here. New ones come at the end.
KINDS = (
    "boot", "activated", "confirmed", "rolled-back", "refused", "installed", "patch-failed", "damaged", "not-serving", "worn",
    "unwritten", "resetting", "root", "fell-back", "stray", "sent", "table-refused", "tables-lost",
    "uncounted", "unconfigured",
)  # fmt: skip
# What ``detail`` holds, by event: a fact of its report.
_DETAILS = {
    "boot": "cause", "worn": "sector", "root": "number", "sent": "number", "tables-lost": "number", "uncounted": "failures",
}  # fmt: skip

# number: from 1 up; time: seconds since 1970, or 0; plane: a name, or "" where the event has none; ms: how long it took.
FIELDS = ("number", "time", "event", "plane", "name", "version", "code", "detail", "ms")
Event = namedtuple("Event", FIELDS)  # type: ignore[misc]


def encode(event):
    """The bytes of an Event. What is too long for its field is cut off."""
    record = bytearray(SIZE)
    plane = PLANES.index(event.plane) if event.plane in PLANES else _NONE
    struct.pack_into(
        _FORMAT, record, 0, MAGIC, VERSION, KINDS.index(event.event), plane, event.code & 0xFFFF, event.detail & 0xFFFF,
        event.number, event.time, event.ms & 0xFFFFFFFF, event.name.encode(), event.version.encode()
    )  # fmt: skip
    struct.pack_into("<I", record, _AT_CHECKSUM, crc32(memoryview(record)[:_AT_CHECKSUM]))
    return record


def decode(record):
    """The Event of SIZE bytes, or None where they hold none."""
    magic, version, kind, plane, code, detail, number, time, ms, name, text = struct.unpack_from(_FORMAT, record, 0)
    if magic != MAGIC or version != VERSION or kind >= len(KINDS):
        return None
    if struct.unpack_from("<I", record, _AT_CHECKSUM)[0] != crc32(memoryview(record)[:_AT_CHECKSUM]):
        return None
    try:
        name, text = name.rstrip(b"\0").decode(), text.rstrip(b"\0").decode()
    except UnicodeError:
        return None
    return Event(number, time, KINDS[kind], PLANES[plane] if plane < len(PLANES) else "", name, text, code, detail, ms)  # type: ignore[call-arg]


def read(region):
    """The Events in ``region`` (size, readinto(offset, buf)), oldest first."""
    record = bytearray(SIZE)
    _, last = _last(region, record)
    for i in range(1, region.size // SIZE + 1):
        region.readinto((last + i * SIZE) % region.size, record)
        event = decode(record)
        if event:
            yield event


def add(region, event, now, facts):
    """Append what ``report(event, **facts)`` told to ``region`` (program and erase as well). now: seconds since 1970, or None.

    What nobody looks for here is left out: other events, a boot that just serves, and the like of the last record again.
    Raises: FlashError.
    """
    if event not in KINDS or (event == "boot" and facts["action"] == "serve" and facts["cause"] not in (2, 3)):
        return
    record = bytearray(SIZE)
    last, at = _last(region, record)
    detail = facts.get(_DETAILS.get(event), 0)
    told = (event, facts.get("plane", ""), facts.get("name", ""), facts.get("version", ""), facts.get("code", 0), detail)
    made = Event(last.number + 1 if last else 1, now or 0, *told + (facts.get("ms", 0),))  # type: ignore[call-arg]
    made = decode(encode(made))  # as it will read
    if last and last[2:8] == made[2:8]:
        return
    for _ in range(region.size // SIZE):
        at = (at + SIZE) % region.size
        if at % SECTOR == 0:
            region.erase(at)  # cut: the oldest events are lost, as they are about to be
        region.readinto(at, record)
        if region.encrypted or all(byte == 0xFF for byte in record):
            region.program(at, encode(made))  # cut: a torn record, which is none
            region.readinto(at, record)
            if not region.encrypted or decode(record) == made or at % SECTOR == 0:
                return  # else it went over a torn one, which nobody could see


def _last(region, record):
    """(the Event of the highest number, its offset): None and the end of the region where there is none."""
    last, found = None, region.size - SIZE
    for sector in range(0, region.size, SECTOR):
        for at in range(sector, sector + SECTOR, SIZE):
            region.readinto(at, record)
            if record[0] == 0xFF and not region.encrypted:
                break  # the rest of the sector is blank as well
            event = decode(record)
            if event and (last is None or event.number > last.number):
                last, found = event, at
    return last, found
