"""Each format read from its golden bytes, and written to the same bytes where we write it. Formats: docs/SPEC.md."""

from common import rules
from core import golden
from mulligan.core import p256, root, slot, state

HEAP = "128k"
ONES, TWOS, THREES = [bytes([n]) * 32 for n in (0x11, 0x22, 0x33)]
LIMITED = rules(
    2, 4000, 2000, 14, 60000, p50_us=30000, p99_us=90000, arena=12288, heap=16384,
    shadow_runs=50, shadow_every=4, shadow_agree=980, live_runs=40, live_errors=2, live_drift=300, confirm=1,
)  # fmt: skip


class Source:
    def __init__(self, data):
        self.data = data

    def readinto(self, at, buf):
        assert 0 <= at <= at + len(buf) <= len(self.data)
        buf[:] = self.data[at : at + len(buf)]


def a_state():
    entry = state.Entry("model", "digits", 0)
    entry.slot, entry.floor, entry.hard_floor, entry.image = 0, 4, 3, state.Image(31423, 4, "1.0.0", ONES, {}, 0)
    needed = {"firmware": "1.25.0", "config": "2.0.0-b"}
    entry.begin(state.Image(31424, 6, "1.1.0-rc.1", TWOS, needed, 11014), 6, LIMITED, 5)
    entry.frozen = [THREES[:8]]
    result = state.State()
    result.sequence, result.time, result.order = 5, 1750000000, 9
    result.keys = state.Sealed(1, 607, b"\x44" * 32)
    held = state.Entry("app", "app", 0)
    held.slot, held.floor, held.image = 1, 8, state.Image(8192, 8, "2.1.0", THREES, {}, 11014)
    held.spare = state.Image(4096, 7, "2.0.0", ONES, {"model": "1.0.0"}, 6)
    result.rest, result.linked = 3, True
    result.starts, result.faults = 35, 1
    result.entries += [entry, held]
    return result


def test_key_id():
    assert root.key_id(golden.PUBLIC_KEY) == "c87fc21e17bd"


def test_root():
    signed = root.unpack(golden.ROOT)
    found = signed.root
    assert (found.number, found.issued, found.expires, found.threshold, found.ceiling) == (2, 1750000000, 1790000000, 2, 57)
    roles = [(root.key_id(key.public), key.roles) for key in found.keys]
    assert roles == [("2174ede32170", 1), ("59b272240ea6", 4), ("bc61cff9e3a8", 3)]
    assert root.pack(root.encode(found), signed.signatures) == golden.ROOT and root.length(signed) == len(golden.ROOT)
    assert root.accept(root.Root(1, *found[1:]), signed, p256.verify) == found


def test_journal_record():
    assert state.length(golden.RECORD[: state.HEAD]) == len(golden.RECORD)
    number, found = state.decode(golden.RECORD)
    assert (number, found.sequence, found.time, found.order, found.keys) == (7, 5, 1750000000, 9, a_state().keys)
    assert (found.rest, found.linked, golden.RECORD[6]) == (3, True, 1)
    assert (found.starts, found.faults) == (35, 1)
    entry = found.entries[0]
    for key in ("plane", "name", "pair", "floor", "hard_floor", "slot", "image", "trial", "spare", "frozen"):
        for e, expected in zip(found.entries, a_state().entries):
            assert getattr(e, key) == getattr(expected, key), key
    assert entry.trial.rules == LIMITED and entry.trial.slot == 1
    assert state.encode(a_state(), 7) == golden.RECORD


def test_slot_image():
    image = golden.SLOT_IMAGE
    header = slot.parse(image[: slot.HEADER_SIZE], len(image))
    assert (header.name, header.version, header.length, header.arena) == ("digits", "1.0.0", len(image), 512)
    assert (header.golden, header.input_size, header.output_size, header.ops) == (2, 4, 2, 2)
    assert (header.native_arena, header.tolerance, header.flags) == (65536, 3, slot.SAME_WINNER)
    assert slot.labels(header, Source(image)) == ["yes", "no"]
    model = image[header.model_at : header.model_at + header.model_size]
    assert model[4:8] == b"TFL3" and len(model) == 20
    vectors = [(b"\x01\x02\x03\x04", b"\x7f\x80", 0), (b"\xff\xfe\xfd\xfc", b"\x80\x7f", None)]
    assert slot.build("digits", "1.0.0", model, 512, vectors, ["yes", "no"], [3, 9], 65536, 3, slot.SAME_WINNER) == image
