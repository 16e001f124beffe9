"""What a device knows of itself: the state of every plane, as one journal record holds it. Bytes: docs/SPEC.md, "Journal"."""

import struct
from binascii import crc32
from collections import namedtuple

from .errors import FormatError

PLANES = ("firmware", "app", "model", "config")

MAGIC = b"MJ"
VERSION = 5
RECORD = 2048  # bytes from one record to the next
MAX_ENTRIES = 7
MAX_FROZEN = 4
MARKS = 2024  # offset of the marks, a byte each, which the checksum does not cover: STARTS for starts, then FAULTS for faults
STARTS = 16
FAULTS = 8
PARTS = 7  # of the deadline: the top bit of a mark is the start, each further one that is programmed a part that has passed
WAKES = 16  # from deep sleep, that count as one start; the lowest bit of such a mark is programmed
# magic, version, entries, bytes of the record, confirmed app slot, flags, polls to rest; record number, release sequence, time,
# order sequence; key slot, length and sha256 of its content; length and sha256 of what the other app slot holds; starts, times
# WAKES, and faults counted before this record
_HEADER = "<2sBBHBBHIIIIHH32sI32sHB"
HEAD = 101
_ENTRY = "<BBBBB16sII"  # plane, pair, slot, parts, frozen versions, name, floor, hard floor
_IMAGE = "<IIH24s32s"  # length, counter, mpy, version, sha256; then the lowest version required of each plane
_TRIAL = "<IIHIIHIIIIIHHHHHHB"  # release sequence, hard floor, then the Rules in their order
_DIGEST = "8s"  # a frozen version: the beginning of its sha256
_NONE = 0xFF
_NO_KEYS = 0xFFFF
# What an entry has, in this order behind its _ENTRY, as bits of ``parts``; frozen digests follow.
_CONFIRMED = 1  # the confirmed _IMAGE
_OTHER = 2  # the _IMAGE in the other slot: on trial, or held to go back to
_TRIED = 4  # _TRIAL
_LINKED = 1  # bit of ``flags``; above it, parts of the deadline that had passed before this record

# How the trial is judged. attempts: failed starts that end it; correct: golden vectors that must get their label; latency_us: the
# most that the 9th decile of inferences may take, p50_us and p99_us: the median and the 99th percentile; arena: the most bytes of
# arena; heap: the fewest bytes of heap that must be free beside the version; shadow_runs: live inputs that it must see as well,
# every shadow_every-th of them, of which shadow_agree per mille must give the confirmed version's answer; live_runs: inferences
# of the app that it must answer before it is confirmed, of which live_errors may raise, and whose winners may be distributed
# otherwise than those of the golden vectors for live_drift per mille; confirm: whether the app must call mulligan.confirm().
# 0 is no limit.
Rules = namedtuple(
    "Rules",
    (
        "attempts", "deadline_ms", "watchdog_ms", "correct", "latency_us", "p50_us", "p99_us", "arena", "heap",
        "shadow_runs", "shadow_every", "shadow_agree", "live_runs", "live_errors", "live_drift", "confirm",
    ),
)  # fmt: skip

# requires: {plane: lowest version} that the artifact needs beside it; mpy: sys.implementation._mpy of a firmware, or that an app
# was compiled for, 0 where it is not known or does not matter.
Image = namedtuple("Image", ("length", "counter", "version", "sha256", "requires", "mpy"))
Trial = namedtuple("Trial", ("slot", "image", "sequence", "rules", "hard_floor"))
# What of the keys partition is trusted: so many bytes of a slot, with this hash.
Sealed = namedtuple("Sealed", ("slot", "length", "sha256"))


class Entry:
    """One plane's slot pair. slot and image: what is confirmed (None: nothing yet); trial: a Trial, or None; spare: the Image
    that the other slot still holds to go back to, or None. A slot without an image is that of the firmware a board came with, or
    one that was found damaged.

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
        self.spare = None
        self.frozen = []

    def inactive(self):
        """The slot that may be written: never the confirmed one."""
        return 1 - self.slot if self.slot is not None else 0

    def is_frozen(self, digest):
        return bytes(digest[:8]) in self.frozen

    def begin(self, image, sequence, rules, hard_floor=0):
        """On trial from now on: ``image`` in the inactive slot."""
        self.trial = Trial(self.inactive(), image, sequence, rules, hard_floor)
        self.spare = None

    def confirm(self):
        """The version on trial becomes the confirmed one, and the floors rise to it and to what its release asks for."""
        self.spare = self.image
        self.slot = self.trial.slot
        self.image = self.trial.image
        self.floor = max(self.floor, self.image.counter)
        self.hard_floor = max(self.hard_floor, self.trial.hard_floor)
        self.trial = None

    def roll_back(self, freeze):
        """The trial ends without a change; ``freeze``: the version itself was at fault and is not tried again."""
        if freeze:
            self._freeze(self.trial.image)
        self.trial = None

    def fall_back(self, freeze):
        """The spare becomes the confirmed version; ``freeze``: the one before is not installed again. No floor comes down."""
        if freeze and self.image:
            self._freeze(self.image)
        self.slot = self.inactive()
        self.image, self.spare = self.spare, None

    def _freeze(self, image):
        self.frozen = ([bytes(image.sha256[:8])] + self.frozen)[:MAX_FROZEN]


class State:
    """All entries; the highest confirmed release sequence; the highest sequence of an order that was obeyed; the latest time
    seen (seconds since 1970); and ``keys``, which root is trusted: a Sealed, or None.

    rest: polls to let pass, as the last trial ended without a verdict; linked: whether the set on trial came over the network.
    ``starts`` (times WAKES), ``faults`` and ``spent`` are the journal's to count: marks come on top of them.
    """

    def __init__(self):
        self.sequence = 0
        self.order = 0
        self.time = 0
        self.rest = 0
        self.linked = False
        self.keys = None
        self.starts = 0
        self.faults = 0
        self.spent = 0
        self.entries = []

    def entry(self, plane, name):
        for entry in self.entries:
            if entry.plane == plane and entry.name == name:
                return entry
        return None

    def only(self, plane):
        """The first entry of ``plane``, which is the only one but for models; None where there is none."""
        for entry in self.entries:
            if entry.plane == plane:
                return entry
        return None

    def on_trial(self):
        """The entries on trial, which are one set: confirmed together, or rolled back together."""
        return [entry for entry in self.entries if entry.trial]


def needs_reset(entries):
    """Whether a set of these is activated by a hard reset: a firmware or an app is in it. The others are swapped in place."""
    return any(entry.plane in ("firmware", "app") for entry in entries)


def together(rules):
    """(attempts, deadline_ms, watchdog_ms) of a set whose artifacts have ``rules``: the fewest, the longest, the longest."""
    return min([r.attempts for r in rules]), max([r.deadline_ms for r in rules]), max([r.watchdog_ms for r in rules])


def length(head):
    """Bytes of the record that begins with ``head`` (HEAD bytes), its checksum included. Raises: FormatError where none does."""
    magic, version, _, size = struct.unpack_from("<2sBBH", head, 0)
    if magic != MAGIC or version != VERSION or not HEAD + 4 <= size <= MARKS:
        raise FormatError("journal: no record")
    return size


def encode(state, number):
    """The bytes of ``state`` as record ``number``. Raises: FormatError where it is more than a record holds."""
    body = b"".join([_encode_entry(entry) for entry in state.entries])
    size = HEAD + len(body) + 4
    if len(state.entries) > MAX_ENTRIES or size > MARKS:
        raise FormatError("journal: {} entries, {} bytes: more than a record holds".format(len(state.entries), size))
    app = state.only("app")
    keys = state.keys or (_NO_KEYS, 0, b"")
    record = bytearray(size)
    struct.pack_into(
        _HEADER, record, 0, MAGIC, VERSION, len(state.entries), size, _slot(app.slot) if app and app.image else _NONE,
        state.linked | state.spent << 1, state.rest, number, state.sequence, state.time, state.order,
        *tuple(keys) + _other(app) + (state.starts, state.faults)
    )  # fmt: skip
    record[HEAD : size - 4] = body
    struct.pack_into("<I", record, size - 4, crc32(memoryview(record)[: size - 4]))
    return record


def decode(record):
    """(number, State) of a record of length() bytes. Raises: FormatError on anything but a whole one."""
    end = length(record) - 4
    if len(record) != end + 4 or struct.unpack_from("<I", record, end)[0] != crc32(memoryview(record)[:end]):
        raise FormatError("journal: torn record")
    state = State()
    fields = struct.unpack_from(_HEADER, record, 0)
    _, _, count, _, _, flags, rest, number, sequence, time, order, slot, size, digest, _, _, starts, faults = fields
    state.rest = rest
    state.sequence = sequence
    state.time = time
    state.order = order
    state.linked = bool(flags & _LINKED)
    state.starts = starts
    state.faults = faults
    state.spent = flags >> 1
    if slot != _NO_KEYS:
        state.keys = Sealed(slot, size, digest)
    reader = _Reader(record, end)
    for _ in range(count):
        state.entries.append(_decode_entry(reader))
    return number, state


class _Reader:
    """What follows the header of a record, in turn."""

    def __init__(self, record, end):
        self._record = record
        self._end = end
        self._at = HEAD

    def take(self, layout):
        at = self._at
        self._at += struct.calcsize(layout)
        if self._at > self._end:
            raise FormatError("journal: an entry ends too early")
        return struct.unpack_from(layout, self._record, at)


def _encode_entry(entry):
    trial = entry.trial
    other = trial.image if trial else entry.spare
    parts = (_CONFIRMED if entry.image else 0) | (_OTHER if other else 0) | (_TRIED if trial else 0)
    record = struct.pack(
        _ENTRY, PLANES.index(entry.plane), entry.pair, _slot(entry.slot), parts, len(entry.frozen), entry.name.encode(),
        entry.floor, entry.hard_floor
    )  # fmt: skip
    if entry.image:
        record += _encode_image(entry.image)
    if other:
        record += _encode_image(other)
    if trial:
        record += struct.pack(_TRIAL, trial.sequence, trial.hard_floor, *trial.rules)
    return record + b"".join(entry.frozen)


def _encode_image(image):
    record = struct.pack(_IMAGE, image.length, image.counter, image.mpy, image.version.encode(), image.sha256)
    for plane in PLANES:
        lowest = image.requires.get(plane, "").encode()
        record += bytes([len(lowest)]) + lowest
    return record


def _decode_entry(reader):
    plane, pair, slot, parts, frozen, name, floor, hard_floor = reader.take(_ENTRY)
    if plane >= len(PLANES):
        raise FormatError("journal: no plane {}".format(plane))
    entry = Entry(PLANES[plane], _text(name), pair)
    entry.floor = floor
    entry.hard_floor = hard_floor
    if slot != _NONE:
        entry.slot = slot
    if parts & _CONFIRMED:
        entry.image = _decode_image(reader)
    if parts & _OTHER:
        entry.spare = _decode_image(reader)
    if parts & _TRIED:
        sequence, hard_floor, *rules = reader.take(_TRIAL)
        entry.begin(entry.spare, sequence, Rules(*rules), hard_floor)
    entry.frozen = [reader.take(_DIGEST)[0] for _ in range(frozen)]
    return entry


def _decode_image(reader):
    size, counter, mpy, version, digest = reader.take(_IMAGE)
    requires = {}
    for plane in PLANES:
        lowest = reader.take("{}s".format(reader.take("B")[0]))[0]
        if lowest:
            requires[plane] = _text(lowest)
    return Image(size, counter, _text(version), digest, requires, mpy)


def _other(entry):
    """Length and hash of what the slot beside the confirmed one holds, for a boot.py; 0 and nothing where it holds nothing."""
    other = entry and (entry.trial.image if entry.trial else entry.spare)
    return (other.length, other.sha256) if other else (0, b"")


def _slot(slot):
    return _NONE if slot is None else slot


def _text(field):
    return field.rstrip(b"\0").decode()
