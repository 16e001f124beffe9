from common import raises
from mulligan.core import slot
from mulligan.core.errors import FormatError
from mulligan.core.window import Window

VECTORS = [(bytes([i]) * 10, bytes([i]) * 3, i) for i in range(4)] + [(bytes(10), bytes(3), None)]


class Source:
    def __init__(self, data):
        self.data = data
        self.size = len(data)

    def readinto(self, at, buf):
        assert 0 <= at <= at + len(buf) <= len(self.data)
        buf[:] = self.data[at : at + len(buf)]


def build(**changes):
    given = {"name": "digits", "version": "1.0.0", "model": b"TFL3" * 9, "arena": 512, "vectors": VECTORS,
             "labels": ["zero", "one"], "ops": [3, 9]}  # fmt: skip
    given.update(changes)
    return slot.build(**given)


def test_round_trip():
    image = build()
    header = slot.parse(image, len(image))
    assert (header.name, header.version, header.golden, header.arena) == ("digits", "1.0.0", 5, 512)
    assert (header.input_size, header.output_size, header.ops, header.length) == (10, 3, 2, len(image))
    assert header.rounding == slot.DOUBLE_ROUNDING and header.model_at % 16 == 0
    assert image[header.model_at : header.model_at + header.model_size] == b"TFL3" * 9
    first = header.golden_at
    assert image[first : first + 15] == VECTORS[0][0] + VECTORS[0][1] + b"\0\0"
    last = first + 4 * 15
    assert image[last + 13 : last + 15] == b"\xff\xff"
    assert slot.labels(header, Source(image)) == ["zero", "one"]
    assert image[-4:] == b"\x03\0\x09\0"


def test_no_labels():
    image = build(labels=[])
    assert slot.labels(slot.parse(image, len(image)), Source(image)) == []


def test_every_changed_header_byte_is_found():
    image = build()
    for at in range(96):
        bad = bytearray(image)
        bad[at] ^= 1
        raises(FormatError, slot.parse, bad, len(bad))
    for end in range(slot.HEADER_SIZE):
        raises(FormatError, slot.parse, image[:end], len(image))


def test_an_image_larger_than_its_slot():
    image = build()
    assert slot.parse(image, len(image))
    raises(FormatError, slot.parse, image, len(image) - 1)


def test_sections_outside_of_the_image():
    import struct
    from binascii import crc32

    image = build()
    for at in (16, 20, 24, 28, 32, 36):
        for value in (0, 1, len(image), 0x7FFFFFFF, 0xFFFFFFFF):
            bad = bytearray(image)
            old = struct.unpack_from("<I", bad, at)[0]
            struct.pack_into("<I", bad, at, value)
            struct.pack_into("<I", bad, 92, crc32(bytes(bad[:92])))
            try:
                header = slot.parse(bad, len(bad))
            except FormatError:
                continue
            assert value <= old or value <= len(image)
            end = header.golden_at + header.golden * (header.input_size + header.output_size + 2)
            assert end <= len(image) and header.model_at + header.model_size <= len(image)


def test_what_cannot_be_built():
    raises(FormatError, build_with, [])
    raises(FormatError, build_with, VECTORS * 20)
    raises(FormatError, build_with, [(b"ab", b"c", 1), (b"a", b"c", 1)])


def build_with(vectors):
    return build(vectors=vectors)


def test_a_window_keeps_to_its_section():
    window = Window(Source(bytes(range(100))), 10, 20)
    buf = bytearray(5)
    window.readinto(15, buf)
    assert buf == bytes(range(25, 30))
    raises(FormatError, window.readinto, 16, buf)
    raises(FormatError, window.readinto, -1, buf)
