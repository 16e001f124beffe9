"""Bad input to ``mulligan model``: one line that says what and where, and nothing left behind."""

from pathlib import Path

import numpy as np
import pytest

from host.refusals import Run
from host.rig import image

TFLITE = Path(__file__).parent.parent / "tflite" / "data" / "dense.tflite"  # takes 33 values, gives 17
RUN = ["model", "run", "m.tflite", "--inputs", "x.raw", "--out", "out"]


@pytest.fixture(scope="module")
def rights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one right file of each kind."""
    root = tmp_path_factory.mktemp("rights")
    (root / "m.tflite").write_bytes(TFLITE.read_bytes())
    (root / "x.raw").write_bytes(bytes(range(66)))
    np.savez(root / "x.npz", x=np.zeros((2, 33)))
    (root / "m.mslt").write_bytes(image("1.0.0"))
    (root / "junk").write_bytes(b"not what you wanted\n" * 9)
    (root / "dir").mkdir()
    return root


@pytest.mark.parametrize("which", ["m.tflite", "x.raw"])
def test_a_missing_file(fails: Run, which: str) -> None:
    Path(which).unlink()
    assert fails(*RUN) == f"error: {which}: No such file or directory\n"


@pytest.mark.parametrize("size", [0, 1, 32, 34, 67, 180])
def test_inputs_that_are_no_multiple_of_the_models(fails: Run, size: int) -> None:
    Path("x.raw").write_bytes(bytes(size))
    assert f"x.raw: {size} bytes are not one or more inputs of 33" in fails(*RUN)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "must be 12 to"),
        (b"x" * 11, "must be 12 to"),
        (b"not what you wanted\n" * 9, "not a .tflite"),
        (TFLITE.read_bytes()[:300], "outside the model"),
        (b"MSLT" + bytes(200), "slot image"),
        (image("1.0.0")[:5000], "slot image"),
    ],
)
def test_a_model_that_is_none(fails: Run, content: bytes, said: str) -> None:
    Path("m.tflite").write_bytes(content)
    message = fails(*RUN)
    assert message.startswith("error: m.tflite: ")
    assert said in message


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((2, 32)),
        np.zeros((0, 33)),
        np.array(5.0),
        np.full((2, 33), np.nan),
        np.full((2, 33), np.inf),
        np.zeros((2, 33), complex),
        np.array([["a"] * 33] * 2),
    ],
    ids=lambda value: f"{value.dtype}{value.shape}",
)
def test_an_npz_of_other_things(fails: Run, x: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]") -> None:
    np.savez("x.npz", x=x)
    fails("model", "run", "m.tflite", "--inputs", "x.npz", "--out", "out")


def test_an_npz_without_x_or_cut_short(fails: Run) -> None:
    np.savez("x.npz", y=np.zeros((2, 33)))
    assert "array x" in fails("model", "run", "m.tflite", "--inputs", "x.npz", "--out", "out")
    np.savez("x.npz", x=np.zeros((2, 33)))
    Path("x.npz").write_bytes(Path("x.npz").read_bytes()[:-30])
    assert "array x" in fails("model", "run", "m.tflite", "--inputs", "x.npz", "--out", "out")
    np.savez("x.npz", x=np.array([print], dtype=object))
    assert "array x" in fails("model", "run", "m.tflite", "--inputs", "x.npz", "--out", "out")


@pytest.mark.parametrize(
    "more",
    [
        ["--on", "esp32"],
        ["--stream", "0"],
        ["--stream", "-1"],
        ["--stream", "4k"],
        ["--on", "unix", "--heap", "lots"],
        ["--on", "unix", "--heap", "0"],
        ["--on", "unix", "--heap", "-5k"],
        ["--on", "unix", "--heap", "3k"],
        ["--on", "unix", "--heap", "99999999999"],
        ["--out", "dir"],
        ["extra"],
    ],
)
def test_a_wrong_command_line(fails: Run, more: list[str]) -> None:
    fails(*RUN, *more, code=2)


def test_an_output_that_cannot_be(fails: Run) -> None:
    assert "missing" in fails(*RUN, "--out", "missing/out")
    assert "junk" in fails(*RUN, "--out", "junk/out")
