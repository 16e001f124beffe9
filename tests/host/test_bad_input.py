"""Bad input to each command: one line that says what and where, exit code 1 (2 for a wrong command line), nothing left behind."""

import io
import json
import os
import resource as limits
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from host.refusals import Run, assert_error, tree
from host.rig import BOARD, HEALTH, image
from mulligan.core import partitions
from mulligan.core.root import MAX_KEYS
from mulligan_host import delta, keys, release
from mulligan_host.virtual.flash import SIZE_4MB

TFLITE = Path(__file__).parent.parent / "tflite" / "data" / "dense.tflite"  # takes 33 values
PACK = ["model", "pack", "m.tflite", "--name", "digits", "--version", "1.0.0", "--golden", "few.npz", "-o", "out"]
BUILD = ["release", "build", "--dir", "rel", "--board", BOARD, "--correct", "4", "new.mslt"]


@pytest.fixture(scope="module")
def rights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one right file of each kind."""
    root = tmp_path_factory.mktemp("rights")
    signer = keys.create(root / "k.pem")
    keys.create(root / "other.pem")
    (root / "m.tflite").write_bytes(TFLITE.read_bytes())
    np.savez(root / "few.npz", x=np.zeros((2, 33)), y=np.zeros(2, int))
    (root / "old.mslt").write_bytes(image("1.0.0"))
    (root / "new.mslt").write_bytes(image("1.1.0"))
    (root / "p.mpat").write_bytes(delta.make(image("1.0.0"), image("1.1.0")))
    directory = release.Directory(root / "rel")
    for version in ("1.0.0", "1.1.0"):
        directory.build(release.Order(image(version), [BOARD], HEALTH))
    directory.sign("1.1.0", signer)
    (root / "junk").write_bytes(b"not what you wanted\n" * 9)
    (root / "empty").write_bytes(b"")
    (root / "dir").mkdir()
    return root


# Each input file of each command: missing, a directory, empty, of another kind, truncated


INPUTS = {
    "model pack: model": (PACK, "m.tflite"),
    "model pack: golden": (PACK, "few.npz"),
    "patch make: base": (["patch", "make", "old.mslt", "new.mslt", "-o", "out"], "old.mslt"),
    "patch make: new": (["patch", "make", "old.mslt", "new.mslt", "-o", "out"], "new.mslt"),
    "patch apply: base": (["patch", "apply", "old.mslt", "p.mpat", "-o", "out"], "old.mslt"),
    "patch apply: patch": (["patch", "apply", "old.mslt", "p.mpat", "-o", "out"], "p.mpat"),
    "release build": (["release", "build", "--dir", "rel2", "--board", BOARD, "--correct", "4", "new.mslt"], "new.mslt"),
    "release sign": (["release", "sign", "--dir", "rel", "1.1.0", "--key", "k.pem"], "k.pem"),
    "release order": (["release", "order", "--dir", "rel", "1.1.0", "--key", "k.pem"], "k.pem"),
    "release verify": (["release", "verify", "--dir", "rel", "--key", "k.pub.pem"], "k.pub.pem"),
    "board virtual: key": (["board", "virtual", "flash", "--key", "k.pub.pem"], "k.pub.pem"),
    "board virtual: model": (["board", "virtual", "flash", "--key", "k.pub.pem", "--model", "new.mslt"], "new.mslt"),
    "board virtual: ca": (["board", "virtual", "flash", "--key", "k.pub.pem", "--ca", "ca.der"], "ca.der"),
    "board virtual: app": (["board", "virtual", "flash", "--key", "k.pub.pem", "--app", "a.py"], "a.py"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_a_missing_file(fails: Run, name: str) -> None:
    arguments, path = INPUTS[name]
    Path(path).unlink(missing_ok=True)
    assert fails(*arguments) == f"error: {path}: No such file or directory\n"


@pytest.mark.parametrize("name", INPUTS)
def test_a_directory_for_a_file(fails: Run, name: str) -> None:
    arguments, path = INPUTS[name]
    Path(path).unlink(missing_ok=True)
    Path(path).mkdir()
    assert "is a directory" in fails(*arguments, code=2)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file(here: Path) -> None:
    for arguments, path in INPUTS.values():
        Path(path).touch()
        mode = Path(path).stat().st_mode
        Path(path).chmod(0)
        done = subprocess.run([sys.executable, "-m", "mulligan_host", *arguments], capture_output=True, text=True)
        Path(path).chmod(mode)
        assert_error(done.returncode, done.stderr)
        assert done.stderr == f"error: {path}: Permission denied\n"
    assert not {"out", "rel2", "flash"} & {path.name for path in here.iterdir()}


@pytest.mark.parametrize(
    "name", [n for n in INPUTS if not n.startswith(("patch make", "board virtual: ca", "board virtual: app"))]
)
@pytest.mark.parametrize("kind", ["junk", "empty", "truncated", "another"])
def test_a_file_of_another_kind(fails: Run, name: str, kind: str) -> None:
    arguments, path = INPUTS[name]
    whole = Path(path).read_bytes()
    contents = {"junk": Path("junk").read_bytes(), "empty": b"", "truncated": whole[: len(whole) * 2 // 3]}
    contents["another"] = Path("few.npz" if path.endswith(".tflite") else "m.tflite").read_bytes()
    Path(path).write_bytes(contents[kind])
    fails(*arguments)


@pytest.mark.parametrize(("base", "new"), [("old.mslt", "empty"), ("empty", "empty")])
def test_a_patch_to_nothing(fails: Run, base: str, new: str) -> None:
    assert "0 bytes" in fails("patch", "make", base, new, "-o", "out")


def test_every_truncation_of_a_patch(fails: Run) -> None:
    data = Path("p.mpat").read_bytes()
    for size in (1, 83, 84, 100, len(data) - 1):
        Path("p.mpat").write_bytes(data[:size])
        assert "patch: " in fails("patch", "apply", "old.mslt", "p.mpat", "-o", "out")
    Path("p.mpat").write_bytes(data + b"x")
    assert "1 bytes after its end" in fails("patch", "apply", "old.mslt", "p.mpat", "-o", "out")


# Where the result is to go


OUTPUTS = {
    "keys new": ["keys", "new", "OUT"],
    "model pack": [*PACK[:-1], "OUT"],
    "patch make": ["patch", "make", "old.mslt", "new.mslt", "-o", "OUT"],
    "patch apply": ["patch", "apply", "old.mslt", "p.mpat", "-o", "OUT"],
    "release build": ["release", "build", "--dir", "OUT", "--board", BOARD, "--correct", "4", "new.mslt"],
    "board virtual": ["board", "virtual", "OUT", "--key", "k.pub.pem"],
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_output_into_a_missing_directory(fails: Run, name: str) -> None:
    assert "missing" in fails(*[a.replace("OUT", "missing/deep/out") for a in OUTPUTS[name]])


@pytest.mark.parametrize("name", [name for name in OUTPUTS if name != "release build"])
def test_output_over_a_directory(fails: Run, name: str) -> None:
    assert "is a directory" in fails(*[a.replace("OUT", "dir") for a in OUTPUTS[name]], code=2)


@pytest.mark.parametrize("name", OUTPUTS)
def test_output_under_a_file(fails: Run, name: str) -> None:
    assert "junk" in fails(*[a.replace("OUT", "junk/out") for a in OUTPUTS[name]])


@pytest.mark.parametrize("name", [*OUTPUTS, "release sign"])
def test_a_full_disk(here: Path, name: str) -> None:
    """A limit on the size of files fails a write just as a full disk does."""
    arguments = OUTPUTS.get(name, ["release", "sign", "--dir", "rel", "1.1.0", "--key", "k.pem"])
    before = {path for path in tree(here) if (here / path).is_file()}
    contents = tree(here)
    done = subprocess.run(
        [sys.executable, "-m", "mulligan_host", *[a.replace("OUT", "full") for a in arguments]],
        capture_output=True,
        text=True,
        preexec_fn=lambda: limits.setrlimit(limits.RLIMIT_FSIZE, (100, 100)),
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert_error(done.returncode, done.stderr)
    assert "File too large" in done.stderr
    assert "full" in done.stderr or "rel" in done.stderr
    assert {path for path in tree(here) if (here / path).is_file()} == before
    assert {path: digest for path, digest in tree(here).items() if path in contents} == contents


def test_keys_are_never_replaced(fails: Run) -> None:
    assert "is there already" in fails("keys", "new", "k.pem")
    Path("k.pem").unlink()
    assert "k.pub.pem: is there already" in fails("keys", "new", "k.pem")


# Model pack


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--version", "1.0", "MAJOR.MINOR.PATCH"),
        ("--version", "01.0.0", "MAJOR.MINOR.PATCH"),
        ("--version", "1.0.0-" + "a" * 30, "MAJOR.MINOR.PATCH"),
        ("--name", "", "name"),
        ("--name", "sixteen letters!", "name"),
        ("--name", "naïve", "name"),
        ("--name", "two words", "name"),
    ],
)
def test_a_bad_name_or_version(fails: Run, option: str, value: str, said: str) -> None:
    arguments = list(PACK)
    arguments[arguments.index(option) + 1] = value
    assert said in fails(*arguments)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.zeros((2, 33)), np.zeros(3, int)),
        (np.zeros((0, 33)), np.zeros(0, int)),
        (np.zeros((2, 32)), np.zeros(2, int)),
        (np.zeros((65, 33)), np.zeros(65, int)),
        (np.full((2, 33), np.nan), np.zeros(2, int)),
        (np.full((2, 33), np.inf), np.zeros(2, int)),
        (np.zeros((2, 33), complex), np.zeros(2, int)),
        (np.array([["a"] * 33] * 2), np.zeros(2, int)),
        (np.zeros((2, 33)), np.array([1, -1])),
        (np.zeros((2, 33)), np.array([1, 65535])),
        (np.zeros((2, 33)), np.array([0.5, 1.5])),
        (np.zeros((2, 33)), np.array(["one", "two"])),
        (np.zeros((2, 33)), np.zeros((2, 10), int)),
        (np.array(5.0), np.array(5)),
    ],
    ids=lambda value: f"{value.dtype}{value.shape}",
)
def test_bad_samples(
    fails: Run, x: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]", y: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]"
) -> None:
    np.savez("few.npz", x=x, y=y)
    fails(*PACK)


def test_samples_that_would_run_code(fails: Run) -> None:
    np.savez("few.npz", x=np.array([print], dtype=object), y=np.zeros(1, int))
    assert "not an .npz" in fails(*PACK)


def test_samples_that_are_none(fails: Run) -> None:
    np.savez("few.npz", y=np.zeros(2, int))
    assert "an array x" in fails(*PACK)
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    Path("few.npz").write_bytes(stream.getvalue())
    assert "an array x" in fails(*PACK)


# Patches


def test_a_patch_against_another_base(fails: Run) -> None:
    assert "another base" in fails("patch", "apply", "new.mslt", "p.mpat", "-o", "out")
    base = bytearray(Path("old.mslt").read_bytes())
    base[1000] ^= 1
    Path("old.mslt").write_bytes(base)
    assert "another base" in fails("patch", "apply", "old.mslt", "p.mpat", "-o", "out")


# Keys


def test_the_wrong_key(fails: Run) -> None:
    assert "not pinned" in fails("release", "verify", "--dir", "rel", "--key", "other.pub.pem")
    assert "mulligan keys new" in fails("release", "sign", "--dir", "rel", "1.1.0", "--key", rsa("rsa.pem"))


def rsa(path: str) -> str:
    """Make an RSA key, as somebody's TLS key may be."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa as algorithm

    key = algorithm.generate_private_key(65537, 1024)
    form = serialization.PrivateFormat.PKCS8
    Path(path).write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return path


def test_public_and_private_keys_mixed_up(fails: Run) -> None:
    assert "not a private key" in fails("release", "sign", "--dir", "rel", "1.1.0", "--key", "k.pub.pem")
    assert "not a public key" in fails("release", "verify", "--dir", "rel", "--key", "k.pem")
    assert "not a public key" in fails("board", "virtual", "flash", "--key", "k.pem")


def test_passphrases(fails: Run) -> None:
    keys.create(Path("secret.pem"), "right")
    sign = ["release", "sign", "--dir", "rel", "1.1.0", "--key"]
    assert "passphrase" in fails(*sign, "secret.pem")
    assert "passphrase" in fails(*sign, "secret.pem", "--passphrase", "wrong")
    assert "passphrase" in fails(*sign, "k.pem", "--passphrase", "needless")


# Releases


def test_a_release_that_is_there_already(fails: Run) -> None:
    assert "never change" in fails(*BUILD)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--correct", "5"], "5 correct"),
        (["--correct", "-1"], "-1 correct"),
        (["--attempts", "0"], "attempts"),
        (["--attempts", "9"], "attempts"),
        (["--deadline-ms", "0"], "deadline_ms"),
        (["--watchdog-ms", "999"], "watchdog_ms"),
        (["--boot-ms", "0"], "boot_ms"),
        (["--latency-us", "-5"], "latency_us"),
        (["--p99-us", "-5"], "p99_us"),
        (["--heap", str(1 << 32)], "heap"),
        (["--arena", "16"], "16 are allowed"),
        (["--shadow-runs", "1001"], "shadow_runs"),
        (["--shadow-every", "0"], "shadow_every"),
        (["--shadow-agree", "1001"], "shadow_agree"),
        (["--days", "0"], "days"),
        (["--days", "99999999"], "expires"),
        (["--release", "latest"], "MAJOR.MINOR.PATCH"),
        (["--release", "../../x"], "MAJOR.MINOR.PATCH"),
        (["--requires", "planet=1.0.0"], "requires"),
        (["--requires", "firmware=new"], "MAJOR.MINOR.PATCH"),
        (["--board", "two words"], "name"),
        (["--board", ""], "name"),
    ],
)
def test_a_bad_order(fails: Run, more: list[str], said: str) -> None:
    release_option = [] if "--release" in more else ["--release", "2.0.0"]
    assert said in fails(*BUILD, *release_option, *more)


@pytest.mark.parametrize("more", [["--correct", "many"], ["--requires", "firmware"], ["--bogus"], ["--days", "soon"]])
def test_a_wrong_command_line(fails: Run, more: list[str]) -> None:
    fails(*BUILD, *more, code=2)


def test_an_unknown_release_or_channel(fails: Run) -> None:
    assert "1.0.0, 1.1.0" in fails("release", "sign", "--dir", "rel", "9.9.9", "--key", "k.pem")
    assert "beta.jws" in fails("release", "verify", "--dir", "rel", "--key", "k.pub.pem", "--channel", "beta")
    for command in (["sign", "1.1.0", "--key", "k.pem"], ["verify", "--key", "k.pub.pem"]):
        assert "letters" in fails("release", *command, "--dir", "rel", "--channel", "../escape")


@pytest.mark.parametrize("command", [["show"], ["sign", "1.1.0", "--key", "k.pem"], ["verify", "--key", "k.pub.pem"]])
def test_a_missing_release_directory(fails: Run, command: list[str]) -> None:
    assert "nowhere" in fails("release", *command, "--dir", "nowhere")


def test_a_spoilt_release_directory(fails: Run) -> None:
    path = Path("rel/releases/1.0.0.json")
    path.write_bytes(path.read_bytes()[:-5])
    for command in (["show"], ["build", "new.mslt", "--board", BOARD, "--correct", "4", "--release", "2.0.0"]):
        assert "1.0.0.json" in fails("release", *command, "--dir", "rel")


@pytest.mark.parametrize("spoil", [b"", b"short", b"junk" * 3000])
def test_a_spoilt_artifact(fails: Run, spoil: bytes) -> None:
    for path in Path("rel/artifacts").iterdir():
        path.write_bytes(spoil)
    assert "rel/artifacts/" in fails("release", "verify", "--dir", "rel", "--key", "k.pub.pem")
    assert "rel/artifacts/" in fails(*BUILD, "--release", "2.0.0")


@pytest.mark.parametrize("token", [b"", b"junk", b"a.b.c", b"x" * 5000])
def test_a_spoilt_manifest(fails: Run, token: bytes) -> None:
    Path("rel/stable.jws").write_bytes(token)
    fails("release", "verify", "--dir", "rel", "--key", "k.pub.pem")


def test_an_expired_manifest(fails: Run) -> None:
    payload = json.loads(Path("rel/releases/1.1.0.json").read_bytes())
    payload["expires"] = int(time.time()) - 1
    Path("rel/stable.jws").write_bytes(keys.load_signer(Path("k.pem")).sign(json.dumps(payload).encode()))
    assert "release 1.1.0 has expired" in fails("release", "verify", "--dir", "rel", "--key", "k.pub.pem")


# The virtual board


@pytest.mark.parametrize("size", [0, 1, SIZE_4MB - 1, SIZE_4MB + 1, SIZE_4MB // 2])
def test_a_flash_file_of_the_wrong_size(fails: Run, size: int) -> None:
    with Path("flash").open("wb") as f:
        f.truncate(size)
    assert f"flash has {size} bytes" in fails("board", "virtual", "flash")


@pytest.mark.parametrize("table", [b"", b"\xaaP" * 100, b"\xff" * partitions.TABLE_SIZE])
def test_a_flash_without_a_partition_table(fails: Run, table: bytes) -> None:
    content = bytearray(SIZE_4MB)
    content[partitions.TABLE_OFFSET : partitions.TABLE_OFFSET + len(table)] = table
    Path("flash").write_bytes(content)
    assert "not a board's flash" in fails("board", "virtual", "flash")


def test_a_new_board_without_a_key(fails: Run) -> None:
    assert "--key" in fails("board", "virtual", "flash", code=2)


def test_options_for_a_new_board_on_an_old_one(fails: Run) -> None:
    Path("flash").write_bytes(bytes(SIZE_4MB))
    assert "is there already" in fails("board", "virtual", "flash", "--key", "k.pub.pem", code=2)


def test_a_flash_in_use(fails: Run) -> None:
    from mulligan_host.virtual.flash import NorFlash

    Path("flash").write_bytes(bytes(SIZE_4MB))
    held = NorFlash(Path("flash"))
    try:
        assert "in use" in fails("board", "virtual", "flash")
    finally:
        held.close()


@pytest.mark.parametrize(
    "more",
    [["--until", "("], ["--size", "0"], ["--size", "3x"], ["--power-cut", "0"], ["--poll-ms", "-1"], ["--timeout", "soon"]],
)
def test_a_wrong_command_line_of_the_board(fails: Run, more: list[str]) -> None:
    fails("board", "virtual", "flash", "--key", "k.pub.pem", *more, code=2)


def test_a_model_that_does_not_fit_its_slot(fails: Run) -> None:
    Path("new.mslt").write_bytes(image("1.1.0", model="1.3.0-slow") + bytes(200000))
    fails("board", "virtual", "flash", "--key", "k.pub.pem", "--model", "new.mslt")


def test_a_flash_too_small_for_the_layout(fails: Run) -> None:
    fails("board", "virtual", "flash", "--key", "k.pub.pem", "--size", "1")


def test_too_many_keys(fails: Run) -> None:
    """Besides the root key that the command makes up."""
    options = []
    for number in range(MAX_KEYS):
        keys.create(Path(f"more{number}.pem"))
        options += ["--key", f"more{number}.pub.pem"]
    assert "at most 12" in fails("board", "virtual", "flash", *options)
