"""The rules of the house that neither the linter, nor the types, nor the import contract can see."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython

ROOT = Path(__file__).resolve().parent.parent.parent
DEVICE = ROOT / "firmware"
CORE = DEVICE / "mulligan" / "core"
HOST = ROOT / "host_tools"
RUNTIMES = list((HOST / "mulligan_host").glob("*/runtime"))  # device code that host tools bring
MOST_LINES = 450


def device_files() -> list[Path]:
    return sorted([*DEVICE.rglob("*.py"), *(path for root in RUNTIMES for path in root.rglob("*.py"))])


def host_files() -> list[Path]:
    return sorted(path for path in HOST.rglob("*.py") if not set(RUNTIMES) & set(path.parents))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module_name(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def importable_device_modules() -> list[str]:
    """Without what needs the chip (port, and board, which wires it) and what needs a native emitter."""
    return [
        module_name(path, DEVICE)
        for path in sorted((DEVICE / "mulligan").rglob("*.py"))
        if "port" not in path.relative_to(DEVICE).parts
        and path.name != "board.py"
        and "@micropython." not in path.read_text(encoding="utf-8")
    ]


def test_modules_fit_on_a_few_screens() -> None:
    lengths = {relative(path): len(path.read_text().splitlines()) for path in [*device_files(), *host_files()]}
    assert {path: length for path, length in lengths.items() if length > MOST_LINES} == {}


def test_core_prints_nothing_and_has_no_globals_that_change() -> None:
    found = [
        f"{relative(path)}:{node.lineno}"
        for path in sorted(CORE.rglob("*.py"))
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Global) or (isinstance(node, ast.Name) and node.id in ("print", "open", "input"))
    ]
    assert found == []


def test_device_code_stays_in_the_dialect() -> None:
    """What CPython takes and MicroPython does not, or takes and does otherwise (ignores the cause, answers 0)."""
    missing = {"abc", "contextlib", "dataclasses", "enum", "functools", "itertools", "pathlib", "typing", "uasyncio"}
    found = []
    for path in device_files():
        for node in ast.walk(tree(path)):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module or ""]
            wrong = (
                any(module.split(".")[0] in missing for module in modules)
                or isinstance(node, ast.Match | ast.AnnAssign)
                or (isinstance(node, ast.Raise) and node.cause is not None)
                or (isinstance(node, ast.arguments) and node.posonlyargs)
                or (isinstance(node, ast.ExceptHandler) and node.type is None)
                or (isinstance(node, ast.Attribute) and node.attr == "hexdigest")
                or (isinstance(node, ast.Attribute) and ast.unparse(node) == "struct.Struct")
                or (
                    isinstance(node, ast.Call)
                    and ast.unparse(node.func) == "pow"
                    and len(node.args) == 3
                    and ast.unparse(node.args[1]).startswith("-")
                )
            )
            if wrong:
                found.append(f"{relative(path)}:{getattr(node, 'lineno', '?')}: {ast.unparse(node).splitlines()[0]}")
    assert found == []


def test_no_device_module_reads_a_private_constant_of_another() -> None:
    """It is not there on the device: see build.with_constants()."""
    private = re.compile("_[A-Z][A-Z0-9_]*")
    found = []
    for path in device_files():
        for node in ast.walk(tree(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Attribute):
                names = [node.attr]
            found += [f"{relative(path)}: {name}" for name in names if private.fullmatch(name)]
    assert found == []


def test_no_file_names_a_machine_or_a_mirror() -> None:
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    suspect = re.compile(
        r"(?<![\w.$~])/(root|work|home/\w+|Users/\w+|tmp/t|opt/wheels)/"
        r"|\b(deb|archive|ports|security|snapshot|ftp|mirrors?|files|registry)\."
        r"(\w+\.)*(debian|ubuntu|pythonhosted|npmjs)\.(org|com)"
    )
    found = []
    for name in filter(None, names):
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content:
            lines = content.decode("utf-8", "replace").splitlines()
            found += [f"{name}:{number}: {line}" for number, line in enumerate(lines, 1) if suspect.search(line)]
    assert len(names) > 20
    assert found == []


# Imports every module named, and prints what that did to the world outside.
WATCH = """
import importlib, sys, threading
names = sys.argv[1:]
for name in names:
    importlib.import_module(name)  # what numpy, say, does on import is not ours to answer for
for name in [name for name in sys.modules if name.split(".")[0] in ("mulligan", "mulligan_host")]:
    del sys.modules[name]
seen = []
def hook(event, arguments):
    if event == "open":
        if isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
            seen.append((event, str(arguments[0])))
    elif event.split(".")[0] in ("socket", "subprocess", "shutil", "tempfile", "os") and event not in (
        "os.listdir", "os.scandir"
    ):
        seen.append((event, str(arguments)))
sys.addaudithook(hook)
for name in names:
    importlib.import_module(name)
print(seen or "quiet", threading.active_count())
"""


@pytest.mark.parametrize("package", ["mulligan", "mulligan_host"])
def test_importing_does_nothing(package: str) -> None:
    if package == "mulligan":
        modules = importable_device_modules()
    else:
        modules = [module_name(path, HOST) for path in host_files() if path.name != "__main__.py"]
    done = subprocess.run([sys.executable, "-B", "-c", WATCH, *modules], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("quiet 1\n", "")


def test_the_facade_is_lazy_on_cpython() -> None:
    program = "import sys, mulligan; print(sorted(m for m in sys.modules if m.startswith('mulligan')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "['mulligan']\n", done.stderr


def test_every_module_imports_on_micropython_and_the_facade_is_lazy(micropythons: list[MicroPython]) -> None:
    program = """
import sys
sys.path[:] = [{path!r}, ".frozen"]
import mulligan
print(sorted(m for m in sys.modules if m.startswith("mulligan")))
for name in {names!r}:
    try:
        __import__(name)
    except Exception as e:
        print(name, repr(e))
"""
    for mp in micropythons:
        names = importable_device_modules()
        if mp.has_native:
            names += [
                module_name(path, DEVICE)
                for path in (DEVICE / "mulligan").rglob("*.py")
                if "@micropython." in path.read_text(encoding="utf-8")
            ]
        text = program.format(path=str(build_package(mp)), names=names)
        done = subprocess.run([*mp.argv, "-X", "heapsize=1M", "-c", text], capture_output=True, text=True)
        assert (done.stdout + done.stderr) == "['mulligan']\n", mp.label


def test_native_code_has_a_fallback() -> None:
    """A module with viper or native code is only imported under ``try``: a port without an emitter does not have it."""
    native = {path.stem for path in (DEVICE / "mulligan").rglob("*.py") if "@micropython." in path.read_text("utf-8")}
    for path in sorted((DEVICE / "mulligan").rglob("*.py")):
        if path.stem in native:  # itself only imported where the other one is there too
            continue
        module = tree(path)
        guarded = {
            inner for outer in ast.walk(module) if isinstance(outer, ast.Try) and outer.handlers for inner in ast.walk(outer)
        }
        for node in ast.walk(module):
            if isinstance(node, ast.Import | ast.ImportFrom) and native & set(re.split(r"\W+", ast.unparse(node))):
                assert node in guarded, f"{relative(path)}:{node.lineno} has no fallback"
