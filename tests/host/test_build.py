"""Compiling device code: what comes out runs on the ports, and is complete or not there."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from mulligan_host.build import build_package, compile_tree
from mulligan_host.errors import HostError
from mulligan_host.micropython import MicroPython
from mulligan_host.resources import cache_directory, resource

PLAIN = "def twice(x):\n    return x * 2\n"
VIPER = "import micropython\n\n@micropython.viper\ndef twice(x: int) -> int:\n    return x * 2\n"
CHOICE = "try:\n    from pack.fast import twice\nexcept ImportError:\n    from pack.plain import twice\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name, text in {
        "pack/__init__.py": "",
        "pack/plain.py": PLAIN,
        "pack/fast.py": VIPER,
        "pack/choice.py": CHOICE,
        "boot.py": "print('boot')\n",
        "pack/__pycache__/stale.py": "syntax error(",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture(autouse=True)
def own_cache(micropythons: list[MicroPython], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULLIGAN_CACHE", str(tmp_path / "cache"))  # the ports were found before


def run(mp: MicroPython, path: Path, program: str) -> str:
    full = f"import sys\nsys.path[:] = [{str(path)!r}, '.frozen']\n{program}"
    done = subprocess.run([*mp.argv, "-c", full], capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_native_modules_run_where_there_is_an_emitter(micropythons: list[MicroPython], tree: Path) -> None:
    for mp in micropythons:
        path = build_package(mp, tree)
        assert ("pack/fast.mpy" in files(path)) == mp.has_native
        assert "boot.py" in files(path)
        assert run(mp, path, "from pack.choice import twice; print(twice(21))") == "42"


def test_without_an_emitter_the_fallback_is_used(micropythons: list[MicroPython], tree: Path) -> None:
    for mp in micropythons:
        path = build_package(replace(mp, has_native=False), tree)
        assert files(path) == {"pack/__init__.mpy", "pack/plain.mpy", "pack/choice.mpy", "boot.py"}
        assert run(mp, path, "from pack.choice import twice; print(twice(21))") == "42"


@pytest.mark.parametrize("arch", ["xtensawin", "rv32imc", None])
def test_cross_compiles(arch: str | None, tree: Path, tmp_path: Path) -> None:
    compile_tree(tree, tmp_path / "out", arch)
    assert all((tmp_path / "out" / name).read_bytes()[:2] == b"M\x06" for name in files(tmp_path / "out") - {"boot.py"})


# Number of each architecture in an .mpy's header (MicroPython py/persistentcode.h, MP_NATIVE_ARCH_*).
@pytest.mark.parametrize(("arch", "number"), [("x86", 1), ("x64", 2), ("xtensawin", 10), ("rv32imc", 11)])
def test_each_kernel_compiles_to_machine_code(arch: str, number: int, tmp_path: Path) -> None:
    count = 0
    for part in ("core", "tflite/kernels"):
        source = resource("firmware/mulligan") / part
        compile_tree(source, tmp_path / part, arch)
        for path in source.glob("*_viper.py"):
            magic, version, flags = (tmp_path / part / path.name).with_suffix(".mpy").read_bytes()[:3]
            assert (magic, version, flags >> 2 & 15) == (ord("M"), 6, number), path.name
            assert "@micropython.viper" in path.read_text(), path.name
            count += 1
    assert count >= 18


def test_the_device_package_is_whole(micropythons: list[MicroPython]) -> None:
    source = resource("firmware/mulligan")
    expected = {f"mulligan/{path.relative_to(source).with_suffix('.mpy')}" for path in source.rglob("*.py")}
    for mp in micropythons:
        path = build_package(mp)
        if mp.has_native:
            assert files(path) == expected
        assert run(mp, path, "import mulligan.core.errors as e; print(e.FormatError.code, e.__file__)") == (
            f"10 {path}/mulligan/core/errors.mpy"
        )


CONSTANTS = """\
_SIZE = 3 * (1 << 4)  # é
_TEXT = ("spelt over "
         "two lines")
_TWICE = 1
_TWICE = 2
_TUPLE = 1, 2
_JOINED = b"a" + b"b"
PUBLIC = 5
def f():
    return _SIZE, _TEXT, _TWICE, _TUPLE, _JOINED, PUBLIC
"""


def test_private_constants_have_no_name_on_the_device(micropythons: list[MicroPython], tree: Path) -> None:
    (tree / "pack/constants.py").write_text(CONSTANTS, encoding="utf-8")
    path = build_package(micropythons[0], tree)
    program = "import pack.constants as c; print(c.f(), sorted(n for n in dir(c) if n[0] != '_' or n[1] in 'STJ'))"
    expected = "(48, 'spelt over two lines', 2, (1, 2), b'ab', 5) ['PUBLIC', '_JOINED', '_TUPLE', '_TWICE', 'f']"
    assert run(micropythons[0], path, program) == expected
    compiled = (path / "pack/constants.mpy").read_bytes()
    assert (b"_SIZE" in compiled, b"_TEXT" in compiled, b"_TWICE" in compiled) == (False, False, True)


def test_tracebacks_name_the_module_and_the_function(micropythons: list[MicroPython], tree: Path) -> None:
    (tree / "pack/bad.py").write_text("def f():\n    raise ValueError(1)\n")
    path = build_package(micropythons[0], tree)
    assert re.search('File "pack.bad", line [0-9]+, in f', run(micropythons[0], path, "import pack.bad; pack.bad.f()"))


def test_compiled_once_and_again_when_changed(micropythons: list[MicroPython], tree: Path) -> None:
    mp = micropythons[0]
    first = build_package(mp, tree)
    stamp = (first / "pack/plain.mpy").stat().st_mtime_ns
    assert build_package(mp, tree) == first
    assert (first / "pack/plain.mpy").stat().st_mtime_ns == stamp
    (tree / "pack/plain.py").write_text(PLAIN.replace("2", "3"))
    second = build_package(mp, tree)
    assert second != first
    (tree / "pack/plain.py").rename(tree / "pack/other.py")
    assert build_package(mp, tree) not in (first, second)


def test_many_at_once(micropythons: list[MicroPython], tree: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: build_package(micropythons[0], tree), range(8)))
    assert len(set(paths)) == 1
    assert [path.name for path in (cache_directory() / "built").iterdir()] == [paths[0].name]


@pytest.mark.parametrize("text", ["def f(:\n", "x = 1\n\ty = 2\n", "\0"])
def test_what_does_not_compile_is_named_and_leaves_nothing(text: str, micropythons: list[MicroPython], tree: Path) -> None:
    (tree / "pack/bad.py").write_text(text)
    with pytest.raises(HostError, match=r"pack/bad\.py"):
        build_package(micropythons[0], tree)
    assert list((cache_directory() / "built").iterdir()) == []


def test_nothing_to_compile(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(HostError, match=r"holds no \.py file"):
        compile_tree(tmp_path / "empty", tmp_path / "out", None)
