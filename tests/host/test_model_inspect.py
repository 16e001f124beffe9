"""``mulligan model inspect`` and ``check``: the figures are those of the model, and a no has its reason."""

import json
from binascii import crc32
from pathlib import Path

import numpy as np
import pytest

from host.models import Command
from host.rig import image
from mulligan.tflite.flatbuffer import Reader
from mulligan_host import boards
from mulligan_host.micropython import MicroPython
from mulligan_host.models import inspector
from mulligan_host.models.run import HeapTooSmall
from mulligan_host.models.source import ByteSource
from mulligan_host.resources import resource
from mulligan_host.update_run import update

DIGITS = resource("models/digits-1.0.0.tflite")
ENTRY = json.loads(resource("models/models.json").read_text())["digits-1.0.0.tflite"]
LAYERS = Path(__file__).parent.parent / "tflite" / "data"
PERSON = Path(__file__).parents[3] / "shared" / "models" / "person_detect.tflite"


def test_the_operators_are_those_that_were_trained(command: Command) -> None:
    """models.json was written by the training script: operators in order, and multiply-accumulates of convolutions and dense."""
    found = json.loads(command("model", "inspect", DIGITS, "--json"))
    assert [o["name"] for o in found["operators"]] == ENTRY["ops"]
    multiplying = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    assert sum(o["macs"] for o in found["operators"] if o["name"] in multiplying) == ENTRY["macs"]
    assert sum(o["macs"] for o in found["operators"]) == found["macs"]
    assert found["size"] == ENTRY["bytes"]
    assert found["problem"] is None


def test_shapes_and_quantisation(command: Command) -> None:
    first, *_, last = json.loads(command("model", "inspect", DIGITS, "--json"))["operators"]
    given, weights, bias = first["inputs"]
    assert (given["shape"], given["type"], given["scale"], given["zero_point"]) == ([1, 8, 8, 1], "INT8", 0.0625, -128)
    assert (weights["shape"], weights["scales"], weights["bytes"]) == ([16, 3, 3, 1], 16, 144)
    assert (bias["type"], bias["bytes"]) == ("INT32", 64)
    (result,) = last["outputs"]
    assert (result["shape"], result["scale"], result["zero_point"]) == ([1, 10], 1 / 256, -128)


def test_reads_are_counted_operator_by_operator() -> None:
    found = inspector.inspect(DIGITS.read_bytes())
    assert found.info is not None
    for operator in found.operators:
        constants = [t.bytes for t in operator.inputs if t and t.bytes]
        weights = constants[0] if operator.macs and constants else 0
        assert operator.bytes_read == weights
        assert operator.reads == -(-weights // 4096) or operator.reads <= weights / 4096 + 2
    assert (found.reads, found.bytes_read) == (sum(o.reads for o in found.operators), sum(o.bytes_read for o in found.operators))


def test_an_estimate_is_what_it_says() -> None:
    found = inspector.inspect(DIGITS.read_bytes())
    assert found.info is not None
    speed = boards.load("esp32").speed
    expected = found.info.macs * speed.instructions_per_mac / speed.cpu_mhz + found.reads * speed.read_us
    assert found.time_us(speed) == pytest.approx(expected + found.bytes_read / speed.read_bytes_per_us, abs=2)
    half = boards.Speed(speed.cpu_mhz // 2, speed.instructions_per_mac, speed.read_us, speed.read_bytes_per_us)
    assert found.time_us(half) > 1.8 * found.time_us(speed)


def test_every_board_is_estimated_with_its_assumption(command: Command) -> None:
    found = json.loads(command("model", "inspect", DIGITS, "--json"))["boards"]
    assert set(found) == set(boards.names())
    assert all(board["us"] > 0 and board["assumption"] == boards.load(name).assumption for name, board in found.items())
    said = command("model", "inspect", DIGITS)
    assert "esp32: about" in said
    assert "assuming" in said


def with_operator(model: bytes, code: int) -> bytes:
    """The model with another code for its first kind of operator, in both fields that hold it (schema.fbs, OperatorCode)."""
    reader = Reader(ByteSource(model), b"TFL3")
    codes, _ = reader.vector(reader.table(0), 1, 4)
    table = reader.table(codes)
    changed = bytearray(model)
    for field, width in ((0, 1), (3, 4)):
        at = reader.field(table, field, width)
        if at:
            changed[at : at + width] = code.to_bytes(width, "little")
    return bytes(changed)


def test_a_refused_model_is_shown_as_far_as_it_goes(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "div.tflite"
    path.write_bytes(with_operator((LAYERS / "dense.tflite").read_bytes(), 42))
    found = json.loads(command("model", "inspect", path, "--json"))
    assert [o["name"] for o in found["operators"]] == ["DIV"] * 3
    assert "DIV" in found["problem"]
    assert found["operators"][2]["problem"] == found["problem"]
    assert found["boards"] == {}
    assert "refuses" in command("model", "inspect", path)
    said = command("model", "check", path, "--board", "esp32", code=1)
    assert "does not fit esp32: operators" in said


# Does it fit?


def test_digits_fits(command: Command, micropython32: MicroPython, tmp_path: Path) -> None:
    if micropython32.bits != 32:
        pytest.skip("no 32-bit port")
    found = json.loads(command("model", "check", DIGITS, "--board", "esp32", "--json"))
    assert found["fits"]
    checks = ("operators", "arena", "heap", "slot", "update")
    assert [(f["check"], f["fits"]) for f in found["findings"]] == [(c, True) for c in checks]
    packed = tmp_path / "digits.mslt"
    packed.write_bytes(image("1.0.0"))
    said = command("model", "check", packed, "--board", "esp32")
    assert f"the image has {packed.stat().st_size} bytes" in said


def test_an_image_larger_than_its_slot_does_not(command: Command, tmp_path: Path) -> None:
    padded = bytearray(image("1.0.0")) + bytes(131072)
    padded[8:12] = len(padded).to_bytes(4, "little")
    padded[92:96] = crc32(padded[:92]).to_bytes(4, "little")
    (tmp_path / "large.mslt").write_bytes(padded)
    said = command("model", "check", tmp_path / "large.mslt", "--board", "esp32", code=1)
    assert said.endswith("large.mslt does not fit esp32: slot\n")


def test_a_model_too_large_for_everything_does_not(command: Command) -> None:
    if not PERSON.is_file():
        pytest.skip(f"{PERSON} is not here")
    said = command("model", "check", PERSON, "--board", "esp32", code=1)
    assert said.endswith("slot\n")


def test_a_heap_that_has_no_room_for_an_update(micropython32: MicroPython) -> None:
    """It runs the model, and all of Mulligan, but no update of it."""
    if micropython32.bits != 32:
        pytest.skip("no 32-bit port")
    with pytest.raises(HeapTooSmall, match=f"an update fails in a heap of {80 << 10} bytes"):
        update(DIGITS.read_bytes(), micropython32, 80 << 10)


def test_an_unknown_board_is_told_the_known_ones(command: Command) -> None:
    assert "there are esp32, esp32c3" in command("model", "check", DIGITS, "--board", "esp8266", code=1)


@pytest.mark.parametrize("name", boards.names())
def test_a_board_is_whole(name: str) -> None:
    board = boards.load(name)
    assert board.memory.largest <= board.memory.heap
    assert all(resource(f"partitions/{layout}").is_file() for layout in board.partitions)
    assert np.all(np.array([board.speed.cpu_mhz, board.speed.instructions_per_mac, board.flash]) > 0)
