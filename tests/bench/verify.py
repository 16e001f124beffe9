"""One P-256 verification in every way there is, against joint Shamir over integers in the same interpreter and run.

Times are the best of five runs. Heap is the least free heap, in one piece, that a verification works in: beside the code, the
key, its table and its hint.
"""

import json
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import ecdsa
from rich.table import Table

from mulligan_host import combs
from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython

TESTS = Path(__file__).resolve().parent.parent
WIDTHS = (4, 5, 6, 7, 8)

# Runs on MicroPython: argv are the package, tests/, and a file with key, digest, signature, then for each width table and hint.
VERIFY = """
import gc, json, struct, sys, time
package, tests, path = sys.argv[1:]
sys.path[:] = [package, tests, ".frozen"]
import mulligan.core.errors
gc.collect()
code = gc.mem_alloc()
from mulligan.core import p256
gc.collect()
code = [gc.mem_alloc() - code]
with open(path, "rb") as file:
    public, digest, signature = file.read(64), file.read(32), file.read(64)
    data = []
    while True:
        lengths = file.read(8)
        if not lengths:
            break
        data.append([file.read(n) for n in struct.unpack("<II", lengths)])
gc.collect()
before = gc.mem_alloc()
from mulligan.core import p256_comb
gc.collect()
code.append(gc.mem_alloc() - before)
from core import counted, shamir
alone = p256.Key(public)
inverse = data[0][1][:32]
ways = [("joint Shamir, integers", lambda: shamir.verify(public, digest, signature), 0, 0)]
ways.append(("the key alone", lambda: alone.verify(digest, signature), 0, 0))
ways.append(("the key alone", lambda: alone.verify(digest, signature, inverse), 0, 32))
for table, hint in data:
    _, checks = counted.count(p256.Key, public, table)
    key = p256.Key(public, table)
    name = "table of width {}, checked with {}".format(table[5], checks["*"])
    for size in (0, 32, len(hint)):
        ways.append((name, lambda key=key, hint=hint[:size]: key.verify(digest, signature, hint), len(table), size))

clock = getattr(time, "clock", time.ticks_us)

def timed(verify, times):
    gc.collect()
    t = clock()  # the processor's, of this process alone, in ticks of a millisecond or more
    for _ in range(times):
        assert verify()
    return (clock() - t) / times

def works_in(verify, free):
    gc.collect()
    room = bytearray(free)
    ballast = None
    size = 1 << 20
    while size:
        try:
            ballast = bytearray(size), ballast
        except MemoryError:
            size //= 2
    del room
    gc.collect()
    try:
        return verify()
    except MemoryError:
        return False

def least(verify):
    low, high = 0, 32768
    while high - low > 64:
        middle = (low + high) // 2
        if works_in(verify, middle):
            high = middle
        else:
            low = middle
    return high

best = [1e12] * len(ways)
for _ in range(5):
    for i, way in enumerate(ways):
        best[i] = min(best[i], timed(way[1], 100 if i else 20))
for i, (name, verify, table, hint) in enumerate(ways):
    operations = counted.count(verify)[1] if i else None
    print(json.dumps([name, table, hint, best[0] / best[i], operations, least(verify)]))
print(json.dumps(code))
"""


def example() -> tuple[bytes, bytes, bytes]:
    """Return the public key, the digest and the signature that are verified; always the same."""
    signer = ecdsa.SigningKey.from_string(sha256(b"bench").digest(), ecdsa.NIST256p)
    digest = sha256(b"a release").digest()
    return signer.verifying_key.to_string(), digest, signer.sign_digest_deterministic(digest, sha256)


def tables(ports: list[MicroPython]) -> Iterator[Table]:
    """One table for each port."""
    public, digest, signature = example()
    with tempfile.TemporaryDirectory(prefix="mulligan-bench-") as work:
        data = Path(work) / "data"
        with data.open("wb") as file:
            file.write(public + digest + signature)
            for width in WIDTHS:
                table = combs.table(public, width)
                hint = combs.hint(table, digest, signature)
                file.write(struct.pack("<II", len(table), len(hint)) + table + hint)
        script = Path(work) / "verify.py"
        script.write_text(VERIFY)
        for mp in ports:
            yield _verify(mp, script, data)


def _verify(mp: MicroPython, script: Path, data: Path) -> Table:
    command = mp.command(script, build_package(mp), TESTS, data, heap="1M")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *rows, (code, with_table) = [json.loads(line) for line in done.stdout.splitlines()]
    title = f"one verification, {mp.label}; code in the heap {code} bytes, with a table {with_table} more"
    table = Table(title=title, title_justify="left")
    for column in ("with", "table", "hint", "times as fast", "multiplications", "additions", "heap"):
        table.add_column(column, justify="left" if column == "with" else "right")
    for name, size, hint, ratio, operations, heap in rows:
        counts = (str(operations["*"]), str(operations["+"] + operations["-"])) if operations else ("", "")
        table.add_row(name, str(size), str(hint), f"{ratio:.1f}", *counts, str(heap))
    return table
