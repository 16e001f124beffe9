"""The model slot image: header, model, golden vectors, labels and op list. Bytes: docs/SPEC.md, "Model slot image"."""

import struct
from binascii import crc32
from collections import namedtuple

from .errors import FormatError

MAGIC = b"MSLT"
VERSION = 2
HEADER_SIZE = 96
DOUBLE_ROUNDING = 1  # how the golden outputs were requantised: as TFLite-Micro's reference kernels do
NO_LABEL = 0xFFFF
MAX_GOLDEN = 64
# Bits of `flags`. SAME_WINNER: on an engine that isn't exact, the largest number of the first output must be where the golden
# one's is. UINT8, FLOAT32: what the numbers of that output are, where they are not int8.
SAME_WINNER = 1
UINT8 = 2
FLOAT32 = 4
_FORMAT = "<4sBBHIIIIIIIIHH16s24sIBBH"  # up to the checksum
_AT_CHECKSUM = 92

# golden: how many vectors, each the inputs, the expected outputs and a u16 label; length: of the whole image;
# arena: bytes of activation memory; labels: NUL-separated; ops: how many builtin op codes (u16) follow the labels.
# What engines other than the builtin one need: native_arena: bytes of TFLite-Micro's own tensor arena, 0 for unknown; tolerance:
# how far an output byte may be from the golden one; flags: see above.
Header = namedtuple(
    "Header",
    (
        "rounding", "golden", "length", "arena", "model_at", "model_size", "golden_at", "input_size", "output_size",
        "labels_at", "labels_size", "ops", "name", "version", "native_arena", "tolerance", "flags",
    ),
)  # fmt: skip


def build(name, version, model, arena, vectors, labels, ops, native_arena=0, tolerance=0, flags=0):
    """The image of ``model`` (the bytes of a .tflite, or of what the one engine that it is meant for runs).

    vectors: [(bytes of the inputs, of the expected outputs, label or None)], all of one shape; labels: [str]; ops: [builtin op
    code]; the rest as in Header. Raises: FormatError.
    """
    if len(vectors) > MAX_GOLDEN or not vectors:
        raise FormatError("slot image: 1 to {} golden vectors, here are {}".format(MAX_GOLDEN, len(vectors)))
    input_size, output_size = len(vectors[0][0]), len(vectors[0][1])
    body = bytes(model) + bytes(-len(model) % 16)
    golden_at = HEADER_SIZE + len(body)
    for given, expected, label in vectors:
        if len(given) != input_size or len(expected) != output_size:
            raise FormatError("slot image: golden vectors of different sizes")
        body += bytes(given) + bytes(expected) + struct.pack("<H", NO_LABEL if label is None else label)
    labels_at = HEADER_SIZE + len(body)
    text = "\0".join(labels).encode()
    body += text + b"".join([struct.pack("<H", op) for op in ops])
    head = bytearray(HEADER_SIZE)
    struct.pack_into(
        _FORMAT, head, 0, MAGIC, VERSION, DOUBLE_ROUNDING, len(vectors), HEADER_SIZE + len(body), arena, HEADER_SIZE,
        len(model), golden_at, input_size, output_size, labels_at, len(text), len(ops), name.encode(), version.encode(),
        native_arena, tolerance, flags, 0,
    )  # fmt: skip
    struct.pack_into("<I", head, _AT_CHECKSUM, crc32(memoryview(head)[:_AT_CHECKSUM]))
    return bytes(head) + body


def parse(head, size):
    """The Header at the start of ``head`` (HEADER_SIZE bytes) of an image in a slot of ``size`` bytes. Raises: FormatError."""
    if len(head) < HEADER_SIZE:
        raise FormatError("slot image: truncated")
    fields = struct.unpack_from(_FORMAT, head, 0)
    if fields[0] != MAGIC or fields[1] != VERSION:
        raise FormatError("slot image: none here, or of another version")
    if struct.unpack_from("<I", head, _AT_CHECKSUM)[0] != crc32(bytes(head[:_AT_CHECKSUM])):
        raise FormatError("slot image: header checksum does not match")
    name, version = (_text(field) for field in fields[14:16])
    header = Header(*(fields[2:14] + (name, version) + fields[16:19]))
    vector = header.input_size + header.output_size + 2
    sections = (
        (header.model_at, header.model_size),
        (header.golden_at, header.golden * vector),
        (header.labels_at, header.labels_size + 2 * header.ops),
    )
    if header.length > size or not 0 < header.golden <= MAX_GOLDEN or header.model_at % 16:
        raise FormatError("slot image: larger than its slot, or past its limits")
    for at, length in sections:
        if at < HEADER_SIZE or at + length > header.length:
            raise FormatError("slot image: a section outside the image")
    return header


def read(source, size):
    """(Header, labels) of the image of ``size`` bytes in ``source`` (readinto(offset, buf)). Raises: FormatError."""
    head = bytearray(HEADER_SIZE)
    source.readinto(0, head)
    header = parse(head, size)
    return header, labels(header, source)


def labels(header, source):
    """The class names, [str]. ``source``: readinto(offset, buf) over the image. Raises: FormatError."""
    raw = bytearray(header.labels_size)
    source.readinto(header.labels_at, raw)
    return _text(raw).split("\0") if raw else []


def _text(field):
    try:
        return bytes(field).rstrip(b"\0").decode()
    except (UnicodeError, ValueError):
        raise FormatError("slot image: a name or label that is not text")
