"""What a device knows of itself: the state of every plane, as one journal record holds it. Bytes: docs/SPEC.md, "Journal"."""

import struct
from binascii import crc32
from collections import namedtuple

from .errors import FormatError

PLANES = ("firmware", "app", "model", "config")

MAGIC = b"MJ"
VERSION = 3
RECORD = 2048  # bytes from one record to the next
MAX_ENTRIES = 4
MAX_FROZEN = 4
MARKS = 2036  # offset of the two mark words, starts and faults, which the checksum does not cover
# magic, version, entries, record number, release sequence, time, order sequence; key slot, length and sha256 of its content
_HEADER = "<2sBBIIIIHH32s"
HEAD = 56
_ENTRY = "<BBBB16sII"  # plane, pair, slot, trial slot, name, floor, hard floor
_IMAGE = "<II24s32s24s24s24s24s"  # length, counter, version, sha256, lowest version required of each plane
_TRIAL = "<IIHIIHIIIIIHHH"  # release sequence, hard floor, then the Rules in their order
_NONE = 0xFF
_NO_KEYS = 0xFFFF
# An entry: _ENTRY, the confirmed _IMAGE, the _IMAGE on trial, _TRIAL, the frozen digests; what is absent stays FF.
_AT_IMAGE = 28
_AT_TRIED = 188
_AT_TRIAL = 348
_AT_FROZEN = 394
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

# requires: {plane: lowest version} that the artifact needs beside it.
Image = namedtuple("Image", ("length", "counter", "version", "sha256", "requires"))
Trial = namedtuple("Trial", ("slot", "image", "sequence", "rules", "hard_floor"))
# What of the keys partition is trusted: so many bytes of a slot, with this hash.
Sealed = namedtuple("Sealed", ("slot", "length", "sha256"))


class Entry:
    """One plane's slot pair. slot and image: what is confirmed (None: nothing yet); trial: a Trial, or None.

    floor: lowest counter that may be installed; hard_floor: lowest that may run again, even if a slot still holds it.
    """

    def __init__(self, plane, name, pair):
        self.plane = plane
        self.name = name
        self.pair = pair
        self.floor = 0
        self.hard_floor = 0
        self.slot = None
        self.image = None
        self.trial = None
        self.frozen = []

    def inactive(self):
        """The slot that may be written: never the confirmed one."""
        return 1 - self.slot if self.slot is not None else 0

    def is_frozen(self, digest):
        return bytes(digest[:8]) in self.frozen

    def begin(self, image, sequence, rules, hard_floor=0):
        """On trial from now on: ``image`` in the inactive slot."""
        self.trial = Trial(self.inactive(), image, sequence, rules, hard_floor)

    def confirm(self):
        """The version on trial becomes the confirmed one, and the floors rise to it and to what its release asks for."""
        self.slot = self.trial.slot
        self.image = self.trial.image
        self.floor = max(self.floor, self.image.counter)
        self.hard_floor = max(self.hard_floor, self.trial.hard_floor)
        self.trial = None

    def roll_back(self, freeze):
        """The trial ends without a change; ``freeze``: the version itself was at fault and is not tried again."""
        if freeze:
            self.frozen = ([bytes(self.trial.image.sha256[:8])] + self.frozen)[:MAX_FROZEN]
        self.trial = None


class State:
    """All entries; the highest confirmed release sequence; the highest sequence of an order that was obeyed; the latest time
    seen (seconds since 1970); and ``keys``, which root is trusted: a Sealed, or None."""

    def __init__(self):
        self.sequence = 0
        self.order = 0
        self.time = 0
        self.keys = None
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


def length(head):
    """Bytes of the record that begins with ``head`` (HEAD bytes), its checksum included. Raises: FormatError where none does."""
    magic, version, count = struct.unpack_from("<2sBB", head, 0)
    if magic != MAGIC or version != VERSION or count > MAX_ENTRIES:
        raise FormatError("journal: no record")
    return HEAD + count * _ENTRY_SIZE + 4


def encode(state, number):
    """The bytes of ``state`` as record ``number``. Raises: FormatError for more than MAX_ENTRIES."""
    if len(state.entries) > MAX_ENTRIES:
        raise FormatError("journal: at most {} slot pairs".format(MAX_ENTRIES))
    record = bytearray(b"\xff" * (HEAD + len(state.entries) * _ENTRY_SIZE + 4))
    fields = (MAGIC, VERSION, len(state.entries), number, state.sequence, state.time, state.order)
    keys = state.keys or (_NO_KEYS, 0, b"")
    struct.pack_into(_HEADER, record, 0, *fields + tuple(keys))
    at = HEAD
    for entry in state.entries:
        _encode_entry(entry, record, at)
        at += _ENTRY_SIZE
    struct.pack_into("<I", record, at, crc32(memoryview(record)[:at]))
    return record


def decode(record):
    """(number, State) of a record of length() bytes. Raises: FormatError on anything but a whole one."""
    end = length(record) - 4
    _, _, count, number, sequence, time, order, slot, size, digest = struct.unpack_from(_HEADER, record, 0)
    if len(record) != end + 4 or struct.unpack_from("<I", record, end)[0] != crc32(memoryview(record)[:end]):
        raise FormatError("journal: torn record")
    state = State()
    state.sequence = sequence
    state.time = time
    state.order = order
    if slot != _NO_KEYS:
        state.keys = Sealed(slot, size, digest)
    for i in range(count):
        state.entries.append(_decode_entry(record, HEAD + i * _ENTRY_SIZE))
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
        entry.hard_floor,
    )
    if entry.image:
        _encode_image(entry.image, record, at + _AT_IMAGE)
    if trial:
        _encode_image(trial.image, record, at + _AT_TRIED)
        struct.pack_into(_TRIAL, record, at + _AT_TRIAL, trial.sequence, trial.hard_floor, *trial.rules)
    at += _AT_FROZEN
    for digest in entry.frozen:
        record[at : at + 8] = digest
        at += 8


def _encode_image(image, record, at):
    requires = [image.requires.get(plane, "").encode() for plane in PLANES]
    struct.pack_into(_IMAGE, record, at, image.length, image.counter, image.version.encode(), image.sha256, *requires)


def _decode_entry(record, at):
    plane, pair, slot, trial_slot, name, floor, hard_floor = struct.unpack_from(_ENTRY, record, at)
    entry = Entry(PLANES[plane], _text(name), pair)
    entry.floor = floor
    entry.hard_floor = hard_floor
    if slot != _NONE:
        entry.slot = slot
        entry.image = _decode_image(record, at + _AT_IMAGE)
    if trial_slot != _NONE:
        sequence, hard_floor, *rules = struct.unpack_from(_TRIAL, record, at + _AT_TRIAL)
        tried = _decode_image(record, at + _AT_TRIED)
        entry.trial = Trial(trial_slot, tried, sequence, Rules(*rules), hard_floor)
    at += _AT_FROZEN
    for i in range(MAX_FROZEN):
        digest = bytes(record[at + 8 * i : at + 8 * i + 8])
        if digest != b"\xff" * 8:
            entry.frozen.append(digest)
    return entry


def _decode_image(record, at):
    length, counter, version, digest, *lowest = struct.unpack_from(_IMAGE, record, at)
    requires = {plane: _text(field) for plane, field in zip(PLANES, lowest) if field[0]}
    return Image(length, counter, _text(version), digest, requires)


def _text(field):
    return field.rstrip(b"\0").decode()
