"""What a device knows of itself: the state of every plane, as one journal record holds it. Bytes: docs/SPEC.md, "Journal"."""

import struct
from binascii import crc32
from collections import namedtuple

from .errors import FormatError

PLANES = ("firmware", "app", "model", "config")

MAGIC = b"MJ"
VERSION = 2
RECORD = 1024  # bytes from one record to the next
MAX_ENTRIES = 4
MAX_FROZEN = 4
MARKS = 1012  # offset of the two mark words, starts and faults, which the checksum does not cover
_HEADER = "<2sBBIII"  # magic, version, entries, record number, release sequence, time
_ENTRY = "<BBBB16sI"  # plane, pair, slot, trial slot, name, floor
_IMAGE = "<II24s32s"  # length, counter, version, sha256
_TRIAL = "<IHIIHIIIIIHHH"  # release sequence, then the Rules in their order
_NONE = 0xFF
# An entry: _ENTRY, the confirmed _IMAGE, the _IMAGE on trial, _TRIAL, the frozen digests; what is absent stays FF.
_AT_IMAGE = 24
_AT_TRIED = 88
_AT_TRIAL = 152
_AT_FROZEN = 194
_ENTRY_SIZE = _AT_FROZEN + 8 * MAX_FROZEN

# How the trial is judged. attempts: failed starts that end it; correct: golden vectors that must get their label; latency_us: the
# most that the 9th decile of inferences may take, p50_us and p99_us: the median and the 99th percentile; arena: the most bytes of
# arena; heap: the fewest bytes of heap that must be free beside the version; shadow_runs: live inputs that it must see as well,
# every shadow_every-th of them, of which shadow_agree per mille must give the confirmed version's answer. 0 is no limit.
Rules = namedtuple(
    "Rules",
    (
        "attempts", "deadline_ms", "watchdog_ms", "correct", "latency_us", "p50_us", "p99_us", "arena", "heap",
        "shadow_runs", "shadow_every", "shadow_agree",
    ),
)  # fmt: skip
Image = namedtuple("Image", ("length", "counter", "version", "sha256"))
Trial = namedtuple("Trial", ("slot", "image", "sequence", "rules"))


class Entry:
    """One plane's slot pair. slot and image: what is confirmed (None: nothing yet); trial: a Trial, or None."""

    def __init__(self, plane, name, pair):
        self.plane = plane
        self.name = name
        self.pair = pair
        self.floor = 0
        self.slot = None
        self.image = None
        self.trial = None
        self.frozen = []

    def inactive(self):
        """The slot that may be written: never the confirmed one."""
        return 1 - self.slot if self.slot is not None else 0

    def is_frozen(self, digest):
        return bytes(digest[:8]) in self.frozen

    def begin(self, image, sequence, rules):
        """On trial from now on: ``image`` in the inactive slot."""
        self.trial = Trial(self.inactive(), image, sequence, rules)

    def confirm(self):
        """The version on trial becomes the confirmed one, and the floor rises to it."""
        self.slot = self.trial.slot
        self.image = self.trial.image
        self.floor = max(self.floor, self.image.counter)
        self.trial = None

    def roll_back(self, freeze):
        """The trial ends without a change; ``freeze``: the version itself was at fault and is not tried again."""
        if freeze:
            self.frozen = ([bytes(self.trial.image.sha256[:8])] + self.frozen)[:MAX_FROZEN]
        self.trial = None


class State:
    """All entries, the highest confirmed release sequence, and the latest time seen (seconds since 1970)."""

    def __init__(self):
        self.sequence = 0
        self.time = 0
        self.entries = []

    def entry(self, plane, name):
        for entry in self.entries:
            if entry.plane == plane and entry.name == name:
                return entry
        return None

    def on_trial(self):
        """The entry on trial, or None."""
        for entry in self.entries:
            if entry.trial:
                return entry
        return None


def encode(state, number, record):
    """Fill ``record`` (bytearray of RECORD bytes) with ``state`` as record ``number``; the marks are left blank."""
    if len(state.entries) > MAX_ENTRIES:
        raise FormatError("journal: at most {} slot pairs".format(MAX_ENTRIES))
    for i in range(RECORD):
        record[i] = 0xFF
    struct.pack_into(_HEADER, record, 0, MAGIC, VERSION, len(state.entries), number, state.sequence, state.time)
    at = struct.calcsize(_HEADER)
    for entry in state.entries:
        _encode_entry(entry, record, at)
        at += _ENTRY_SIZE
    struct.pack_into("<I", record, at, crc32(memoryview(record)[:at]))


def decode(record):
    """(number, State) of a record. Raises: FormatError on anything but a whole one."""
    magic, version, count, number, sequence, time = struct.unpack_from(_HEADER, record, 0)
    end = struct.calcsize(_HEADER) + count * _ENTRY_SIZE
    if magic != MAGIC or version != VERSION or count > MAX_ENTRIES:
        raise FormatError("journal: no record")
    if struct.unpack_from("<I", record, end)[0] != crc32(memoryview(record)[:end]):
        raise FormatError("journal: torn record")
    state = State()
    state.sequence = sequence
    state.time = time
    for i in range(count):
        state.entries.append(_decode_entry(record, struct.calcsize(_HEADER) + i * _ENTRY_SIZE))
    return number, state


def _encode_entry(entry, record, at):
    trial = entry.trial
    struct.pack_into(
        _ENTRY,
        record,
        at,
        PLANES.index(entry.plane),
        entry.pair,
        _NONE if entry.slot is None else entry.slot,
        trial.slot if trial else _NONE,
        entry.name.encode(),
        entry.floor,
    )
    if entry.image:
        _encode_image(entry.image, record, at + _AT_IMAGE)
    if trial:
        _encode_image(trial.image, record, at + _AT_TRIED)
        struct.pack_into(_TRIAL, record, at + _AT_TRIAL, trial.sequence, *trial.rules)
    at += _AT_FROZEN
    for digest in entry.frozen:
        record[at : at + 8] = digest
        at += 8


def _encode_image(image, record, at):
    struct.pack_into(_IMAGE, record, at, image.length, image.counter, image.version.encode(), image.sha256)


def _decode_entry(record, at):
    plane, pair, slot, trial_slot, name, floor = struct.unpack_from(_ENTRY, record, at)
    entry = Entry(PLANES[plane], name.rstrip(b"\0").decode(), pair)
    entry.floor = floor
    if slot != _NONE:
        entry.slot = slot
        entry.image = _decode_image(record, at + _AT_IMAGE)
    if trial_slot != _NONE:
        sequence, *rules = struct.unpack_from(_TRIAL, record, at + _AT_TRIAL)
        entry.trial = Trial(trial_slot, _decode_image(record, at + _AT_TRIED), sequence, Rules(*rules))
    at += _AT_FROZEN
    for i in range(MAX_FROZEN):
        digest = bytes(record[at + 8 * i : at + 8 * i + 8])
        if digest != b"\xff" * 8:
            entry.frozen.append(digest)
    return entry


def _decode_image(record, at):
    length, counter, version, digest = struct.unpack_from(_IMAGE, record, at)
    return Image(length, counter, version.rstrip(b"\0").decode(), digest)
