"""Golden vectors: one of each label, far apart, from samples, folders or nothing; and what pack makes of them."""

import json
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host.conftest import MakeRig
from host.modelbuild import Subgraph, build
from host.models import Command
from mulligan.core import slot
from mulligan.tflite import interpreter, loader
from mulligan_host.errors import HostError
from mulligan_host.models import crosscheck, folders, golden
from mulligan_host.models.engine import Engine
from mulligan_host.models.source import ByteSource
from mulligan_host.release import Health
from mulligan_host.resources import resource

DIGITS = resource("models/digits-1.0.0.tflite")
DENSE = Path(__file__).parent.parent / "tflite" / "data" / "dense.tflite"  # 33 values in, 17 out


@pytest.fixture(scope="module")
def digits() -> Engine:
    return Engine(DIGITS.read_bytes())


def info_of(path: Path) -> interpreter.Info:
    info: interpreter.Info = loader.inspect(ByteSource(path.read_bytes()))
    return info


def told(_: int) -> None:
    pass


def outputs_of(*rows: list[int]) -> "np.ndarray[Any, np.dtype[np.float64]]":
    return np.array(rows, np.float64)


# The choice


def test_one_of_each_label_and_the_right_ones_first() -> None:
    outputs = outputs_of([9, 0], [8, 0], [0, 9], [0, 1], [7, 0], [0, 5])
    labels = np.array([0, 0, 1, 1, 1, 0])  # the last two are wrong
    rows = golden.choose(outputs, labels, 2)
    assert sorted(labels[rows]) == [0, 1]
    assert set(rows) <= {0, 1, 2, 3}
    assert set(golden.choose(outputs, labels, 4)) == {0, 1, 2, 3}


def test_a_label_that_is_never_right_is_there_all_the_same() -> None:
    rows = golden.choose(outputs_of([9, 0], [8, 0], [7, 0], [1, 0]), np.array([0, 0, 0, 1]), 2)
    assert 3 in rows


def test_the_chosen_lie_far_apart() -> None:
    """Of many outputs close together and a few elsewhere, all of those elsewhere are taken."""
    rng = np.random.default_rng(1)
    crowd = rng.integers(-3, 4, (200, 4))
    far = np.array([[100, 0, 0, 0], [0, -100, 0, 0], [0, 0, 100, 100]])
    outputs = np.concatenate([crowd, far]).astype(np.float64)
    assert {200, 201, 202} <= set(golden.choose(outputs, None, 4))


def test_few_are_taken_as_they_are() -> None:
    assert golden.choose(outputs_of([1], [1], [1]), None, 16) == [0, 1, 2]
    assert len(golden.choose(outputs_of(*[[1]] * 30), None, 16)) == 16  # all the same: still as many as asked for


@pytest.mark.parametrize(("count", "said"), [(0, "1 to 64"), (65, "1 to 64"), (1, "2 labels")])
def test_a_count_that_cannot_be(count: int, said: str) -> None:
    with pytest.raises(HostError, match=said):
        golden.choose(outputs_of([1, 0], [0, 1], [1, 1]), np.array([0, 1, 1]), count)


# Inputs that are made


def test_made_inputs_cover_more_than_noise_does(digits: Engine) -> None:
    """The search finds inputs for nearly every class, and more of the range than as many tries of uniform noise."""
    made = golden.seeded(digits, 16, 1, told)
    rng = np.random.default_rng(1)
    noise = [rng.integers(-128, 128, 64, np.int8).tobytes() for _ in range(golden.TRIES)]
    plain = golden.from_inputs(digits, noise, None, 16, told)
    assert made.winners() >= max(9, plain.winners())
    assert (made.span() or 0) > max(0.75, plain.span() or 0)


def test_the_seed_decides(digits: Engine) -> None:
    a, b, c = (golden.seeded(digits, 4, seed, told, tries=40).inputs for seed in (1, 1, 2))
    assert a == b != c


# Folders


def picture(path: Path, value: int | tuple[int, int, int], size: tuple[int, int] = (8, 8)) -> None:
    image = pytest.importorskip("PIL.Image")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.new("L" if isinstance(value, int) else "RGB", size, value).save(path)


def sound(path: Path, samples: list[int], width: int = 2, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as w:
        w.setnchannels(channels)
        w.setsampwidth(width)
        w.setframerate(16000)
        w.writeframes(b"".join(v.to_bytes(width, "little", signed=True) for v in samples))


@pytest.mark.parametrize(
    ("real", "values"),
    [
        (None, {0: -128, 127: -1, 255: 127}),  # the 8 bits themselves
        ((0.0, 16.0), {0: -128, 127: -1, 255: 127}),  # the digits' own range: 1/16 a step from -128, saturating at 16
        ((0.0, 8.0), {0: -128, 255: 0}),
        ((-1.0, 1.0), {0: -128, 255: -112}),
    ],
)
def test_what_becomes_of_a_pixel(real: tuple[float, float] | None, values: dict[int, int], tmp_path: Path) -> None:
    for pixel, expected in values.items():
        folder = tmp_path / str(pixel)
        picture(folder / "a.png", pixel, (20, 30))
        (row,), labels = folders.load_images(folder, info_of(DIGITS), real)
        assert labels is None
        assert set(np.frombuffer(row, np.int8)) == {expected}


def test_labels_are_the_folders_in_order(tmp_path: Path) -> None:
    for name, pixel in (("10", 30), ("9", 20), ("1", 10)):
        picture(tmp_path / name / "x.png", pixel)
    rows, labels = folders.load_images(tmp_path, info_of(DIGITS), None)
    assert labels is not None
    assert labels.tolist() == [0, 1, 2]
    assert [int(np.frombuffer(row, np.int8)[0]) + 128 for row in rows] == [10, 20, 30]


@pytest.mark.parametrize(("real", "expected"), [(None, [-128, -1, 0, 127]), ((-1.0, 1.0), None)])
def test_what_becomes_of_a_sample(real: tuple[float, float] | None, expected: list[int] | None, tmp_path: Path) -> None:
    sound(tmp_path / "a.wav", [-32768, -1, 0, 32767] * 10)
    info = info_of(DENSE)
    (row,), _ = folders.load_wavs(tmp_path, info, real)
    given = np.frombuffer(row, np.int8)
    if expected is None:
        scale = np.frombuffer(np.uint32(info.inputs[0].scale_bits).tobytes(), np.float32)[0]
        steps = np.floor(np.array([-1, -1 / 65535, 1 / 65535, 1]) / scale + 0.5) + info.inputs[0].zero_point
        expected = np.clip(steps, -128, 127).astype(int).tolist()
    assert given[:4].tolist() == expected
    assert len(given) == 33


def both_kinds(folder: Path) -> None:
    sound(folder / "a.wav", [0] * 33)
    sound(folder / "c" / "a.wav", [0] * 33)


def no_wav(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.wav").write_bytes(b"RIFF no more")


BAD_FOLDERS: dict[str, Callable[[Path], None]] = {
    "no folder": lambda folder: None,
    "nothing in it": Path.mkdir,
    "both kinds": both_kinds,
    "too short": lambda folder: sound(folder / "a.wav", [0] * 32),
    "stereo": lambda folder: sound(folder / "a.wav", [0] * 66, channels=2),
    "8 bits": lambda folder: sound(folder / "a.wav", [0] * 66, width=1),
    "no wav": no_wav,
}


@pytest.mark.parametrize("kind", BAD_FOLDERS)
def test_a_folder_that_will_not_do(kind: str, tmp_path: Path) -> None:
    BAD_FOLDERS[kind](tmp_path / "sounds")
    with pytest.raises(HostError, match="sounds"):
        folders.load_wavs(tmp_path / "sounds", info_of(DENSE), None)


def test_images_for_a_model_that_takes_none(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 3)
    with pytest.raises(HostError, match="not one image"):
        folders.load_images(tmp_path, info_of(DENSE), None)
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n and then not")
    with pytest.raises(HostError, match=r"b\.png"):
        folders.load_images(tmp_path, info_of(DIGITS), None)


# The commands


def test_golden_then_pack(command: Command, tmp_path: Path) -> None:
    """The vectors of the test split, one of each digit at least, in an image that the device would be judged by."""
    with np.load(resource("models/digits-test.npz")) as test:
        np.savez(tmp_path / "set.npz", x=test["x"][:150], y=test["y"][:150])
    npz, image = tmp_path / "golden.npz", tmp_path / "digits.mslt"
    facts = json.loads(command("model", "golden", DIGITS, "--from", tmp_path / "set.npz", "-o", npz, "--count", "20", "--json"))
    assert facts["vectors"] == facts["right"] == 20
    assert facts["labels"] == facts["winners"] == 10
    command("model", "pack", DIGITS, "--name", "digits", "--version", "1.0.0", "--golden", npz, "-o", image)
    data = image.read_bytes()
    header = slot.parse(data, len(data))
    vector = header.input_size + header.output_size + 2
    with np.load(npz) as made:
        for i in range(20):
            at = header.golden_at + i * vector
            wanted = made["x"][i].tobytes() + made["outputs"][i].tobytes() + int(made["y"][i]).to_bytes(2, "little")
            assert data[at : at + vector] == wanted


def test_vectors_without_labels_are_packed_without(command: Command, tmp_path: Path) -> None:
    npz, image = tmp_path / "golden.npz", tmp_path / "digits.mslt"
    command("model", "golden", DENSE, "-o", npz, "--count", "3")
    command("model", "pack", DENSE, "--name", "dense", "--version", "1.0.0", "--golden", npz, "-o", image)
    data = image.read_bytes()
    header = slot.parse(data, len(data))
    assert header.golden == 3
    assert data[header.labels_at - 2 : header.labels_at] == slot.NO_LABEL.to_bytes(2, "little")


def test_the_cross_check_agrees_and_would_say_if_not(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        crosscheck.outputs(DENSE.read_bytes(), info_of(DENSE), [bytes(33)])
    except HostError as e:
        pytest.skip(str(e))
    words = ("model", "golden", DIGITS, "-o", tmp_path / "golden.npz", "--count", "4", "--cross-check")
    assert "LiteRT's reference kernels give the same bytes" in command(*words)
    (tmp_path / "golden.npz").unlink()
    true = crosscheck.outputs

    def one_wrong(*given: Any) -> "np.ndarray[Any, np.dtype[np.int8]]":
        outputs: np.ndarray[Any, np.dtype[np.int8]] = np.array(true(*given))
        outputs[0, 0] ^= 1
        return outputs

    monkeypatch.setattr(crosscheck, "outputs", one_wrong)
    assert "differ on 1 of 4 golden vectors" in command(*words, code=1)
    assert not (tmp_path / "golden.npz").exists()


def test_the_cross_check_names_what_is_missing(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crosscheck, "version", lambda _: "1.4.0")
    said = command("model", "golden", DENSE, "-o", tmp_path / "x.npz", "--count", "2", "--cross-check", code=1)
    assert "1.2.x" in said
    assert "1.4.0" in said
    monkeypatch.setitem(sys.modules, "PIL", None)
    picture_folder = tmp_path / "p"
    picture_folder.mkdir()
    assert "mulligan[images]" in command("model", "golden", DIGITS, "--images", picture_folder, "-o", tmp_path / "x.npz", code=1)


def several() -> bytes:
    """A model of two inputs, 64 int8s and 10 uint8s, and two outputs, 10 uint8s and 10 int8s."""
    g, rs = Subgraph(), np.random.RandomState(5)
    x, u = g.activation((1, 64), 0.05, 3), g.activation((1, 10), 0.02, 128, np.uint8)
    w = g.constant(rs.randint(-127, 128, (10, 64)).astype(np.int8), 0.01)
    bias = g.constant(rs.randint(-999, 999, 10).astype(np.int32), 0.0005)
    dense, small, added = (g.activation((1, 10), scale, 0) for scale in (0.25, 0.02, 0.25))
    first, second = g.activation((1, 10), 0.25, 128, np.uint8), g.activation((1, 10), 1 / 128, 0)
    g.op("FULLY_CONNECTED", [x, w, bias], [dense], "FullyConnectedOptions")
    g.op("QUANTIZE", [u], [small], "QuantizeOptions")
    g.op("ADD", [dense, small], [added], "AddOptions")
    g.op("QUANTIZE", [added], [first], "QuantizeOptions")
    g.op("TANH", [small], [second])
    g.inputs, g.outputs = [x, u], [first, second]
    return build(g)


def test_a_model_of_several_inputs_and_outputs_on_trial(command: Command, tmp_path: Path, make_rig: MakeRig) -> None:
    """Made, labelled, packed, and judged by a board: each output, and the winner of the first, which is uint8."""
    path, npz, image = tmp_path / "model.tflite", tmp_path / "golden.npz", tmp_path / "model.mslt"
    path.write_bytes(several())
    facts = json.loads(command("model", "golden", path, "-o", npz, "--count", "6", "--json"))
    assert facts["vectors"] == 6
    with np.load(npz) as made:
        arrays = dict(made)
    assert (arrays["x"].shape, arrays["outputs"].shape) == ((6, 74), (6, 20))
    labels = arrays["outputs"].view(np.uint8)[:, :10].argmax(axis=1)
    np.savez(npz, **arrays, y=labels)
    command("model", "golden", path, "--from", npz, "-o", npz, "--count", "6")
    command("model", "pack", path, "--name", "digits", "--version", "1.0.0", "--golden", npz, "-o", image)
    data = image.read_bytes()
    header = slot.parse(data, len(data))
    assert (header.input_size, header.output_size, header.flags) == (74, 20, slot.UINT8)
    rig = make_rig(blank=True)
    rig.on()
    rig.publish("1.0.0", data, health=Health(6))
    assert rig.wait("healthy")["correct"] == "6/6"
    rig.wait("confirmed")
    spoilt = bytearray(data)
    spoilt[header.golden_at + 74 + 19] ^= 1  # the last byte of the second output
    rig.publish("1.1.0", bytes(spoilt), health=Health(6))
    assert rig.wait("rolled-back")["reason"].startswith("golden: vector 1 of 6")
