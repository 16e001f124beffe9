"""docs/DESIGN.md says what the code does; what README.md and docs/SECURITY.md promise has the test that they name."""

import ast
import itertools
import json
import math
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bsdiff4
import pytest

from bench import verify
from common import rules
from core import counted
from host.commands import mulligan
from host.conftest import MakeRig
from host.documents import ROOT, tables
from host.rig import image
from mulligan import engines
from mulligan.core import bootchooser, bootwords, chunks, manifest, p256
from mulligan.core.journal import MAX_STARTS
from mulligan.core.kinds import PIECE
from mulligan_host import combs, delta, demo, pack, release
from mulligan_host.delta import maker
from mulligan_host.models.samples import load_samples
from mulligan_host.resources import resource

DESIGN = ROOT / "docs" / "DESIGN.md"
SECURITY = ROOT / "docs" / "SECURITY.md"
TABLES = tables(DESIGN)
_CAUSES = {"hard": bootwords.HARD, "watchdog": bootwords.WATCHDOG}


def test_boot_table() -> None:
    """For all inputs exactly one row of the table applies, it says what choose() does, and no row is idle."""
    rows = TABLES["Boot: choose"]
    used = set()
    views = {word for row in rows for word in row["on trial"].split("; ")}
    assert views == {getattr(bootwords, name) for name in ("NOTHING", "STRAY", "SET", "ABSENT", "UNPROVEN", "PROVEN")}
    starts, faults, attempts, causes = range(MAX_STARTS + 3), range(10), range(1, 5), range(8)
    for view, started, failed, most, cause, held in itertools.product(views, starts, faults, attempts, causes, (False, True)):
        action, fault = bootchooser.choose(view, started, failed, most, cause, held)
        matching = [i for i, row in enumerate(rows) if _applies(row, view, started, failed + fault, most, cause, held)]
        assert len(matching) == 1, (view, started, failed, most, cause, held, matching)
        used.update(matching)
        row = rows[matching[0]]
        assert (row["action"], row["counts as a fault"] == "yes") == (action, fault), (row, failed, most, cause)
    assert used == set(range(len(rows)))


def _applies(row: dict[str, str], view: str, starts: int, faults: int, attempts: int, cause: int, held: bool) -> bool:
    what, _, figure = row["faults or failures, this boot's counted"].partition(" ")
    if what == "failures":
        enough = _in_range(figure, faults - starts)
    else:
        enough = what == "any" or figure == ("below attempts" if faults < attempts else "attempts or more")
    named = {"any": set(range(8)), "other": set(range(8)) - set(_CAUSES.values())}
    return (
        view in row["on trial"].split("; ")
        and _in_range(row["starts"], starts)
        and cause in named.get(row["cause"], {_CAUSES.get(word, -1) for word in row["cause"].split(", ")})
        and enough
        and row["a version is held to go back to"] in ("any", "yes" if held else "no")
    )


def _in_range(text: str, value: int) -> bool:
    """Whether ``value`` is ``any``, ``below 4``, ``2 to 3``, ``4 or more`` or ``0``."""
    if text == "any" or text.startswith("below "):
        return text == "any" or value < int(text.removeprefix("below "))
    if text.endswith(" or more"):
        return value >= int(text.removesuffix(" or more"))
    lowest, _, highest = text.partition(" to ")
    return int(lowest) <= value <= int(highest or lowest)


def test_engines() -> None:
    assert [row["engine"] for row in TABLES["Engines: what they take"]] == list(engines.NAMES)


def test_health_rules() -> None:
    """Each rule that can fail stands in the table; the others say how a trial is run."""
    stated = [name for row in TABLES["Health: rules"] for name in re.findall(r"`(\w+)`", row["rule"])]
    run_by = {"attempts", "watchdog_ms", "shadow_runs", "shadow_every", "live_runs"}
    assert sorted(stated) == sorted({"golden", *(key for key, *_ in manifest.RULES)} - run_by)


def test_bound_examples() -> None:
    rows = {row["what"]: row for row in TABLES["Bound: examples"]}
    for row in rows.values():
        attempts, boot, deadline, watchdog, bound = [int(row[key]) for key in list(row)[1:]]
        assert manifest.bound_ms(boot, [rules(attempts, deadline, watchdog)]) == bound
    assert _figures(rows["the releases of the demo"]) == _order(demo._HEALTH, 1500)
    defaults = release.Order(b"", [], release.Health(0))
    assert _figures(rows["the defaults of `mulligan release build`"]) == _order(defaults.health, defaults.boot_ms)
    text = DESIGN.read_text(encoding="utf-8")
    worked = re.search(r"For the demo: (.+) = (\d+)\.", text)
    assert worked
    assert _sum(worked[1]) == int(worked[2]) == int(rows["the releases of the demo"]["bound in ms"])


def test_watchdogs() -> None:
    """The table has the figures of the code, and each is above the timeouts under it."""
    stated = [row["ms"] for row in TABLES["Watchdog: what it stands over"]]
    package = ROOT / "firmware" / "mulligan"

    def constant(path: Path, pattern: str) -> str:
        found = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
        assert found, path
        return found[1]

    boots = {constant(ROOT / "firmware" / name, r"^machine\.WDT\(timeout=(\d+)\)") for name in ("boot.py", "carried/boot.py")}
    places = (("trial.py", "_SWITCH_MS"), ("live.py", "_REQUEST_MS"), ("board.py", "_RECOVERY_MS"))
    assert stated[:4] == [*boots, *(constant(package / path, rf"^{name} = (\d+)") for path, name in places)]
    timeout_s = int(constant(package / "port" / "http.py", r"timeout_s=(\d+)"))
    assert f"a connect, a TLS handshake, a head and a body, {timeout_s} s each" in DESIGN.read_text(encoding="utf-8")
    assert 4000 * timeout_s < int(stated[2]) < int(stated[3])
    assert all("watchdog_ms" in other for other in stated[4:])


def _figures(row: dict[str, str]) -> list[int]:
    return [int(row[key]) for key in ("attempts", "boot_ms", "deadline_ms", "watchdog_ms")]


def _order(health: release.Health, boot_ms: int) -> list[int]:
    return [health.attempts, boot_ms, health.deadline_ms, health.watchdog_ms]


def _sum(text: str) -> int:
    """The value of ``a × (b + c + d) + e``."""
    a, b, c, d, e = map(int, re.findall(r"\d+", text))
    assert text == f"{a} × ({b} + {c} + {d}) + {e}"
    return a * (b + c + d) + e


def test_what_a_power_cut_leaves(make_rig: MakeRig, tmp_path: Path) -> None:
    """The flash operations of an update are those of the table, in its order; a board cut off inside each boots as it says."""
    rows = TABLES["Flash: an update"]
    # Slot 0 holds nothing at first that the second update could use again.
    rig = make_rig(tls=False, model=image("1.0.0", model="1.3.0-slow"))
    rig.on()
    rig.publish("1.1.0")
    rig.wait("confirmed")
    rig.now("1.1.0")
    # The second update, because its confirm needs a new journal sector: the table's longest way.
    steps: list[str] = []
    cuts: dict[str, Path] = {}
    address = {label: rig.address(label) for label in ("journal", "model_0", "model_1", "events", "vfs")}
    flash = rig.board.flash

    def watched(operation: str, original: Callable[..., None]) -> Callable[..., None]:
        def run(at: int, data: Any) -> None:
            size = data if operation == "erase" else len(data)
            if address["events"] <= at < address["vfs"]:
                return original(at, data)  # what is told of it all: nothing depends on that
            what = _called(operation, at, size, address)
            steps.append(what)
            left = max(1, size // 10)  # a record's checksum lies behind the first tenth
            torn = b"\xff" * left if operation == "erase" else bytes(data[:left])
            if steps.count(what) <= 2:
                cut = bytearray(flash.peek(0, flash.size))
                cut[at : at + left] = torn
                path = cuts[f"{what}, {steps.count(what)}"] = tmp_path / f"{len(cuts)}.bin"
                path.write_bytes(cut)
            return original(at, data)

        return run

    flash.erase = watched("erase", flash.erase)  # type: ignore[method-assign]
    flash.program = watched("program", flash.program)  # type: ignore[method-assign]
    content = image("1.4.0", model="1.0.0")
    rig.publish("1.4.0", content)
    rig.wait("confirmed")
    rig.now("1.4.0")
    rig.board.power_off()

    expected = [f"{row['operation']}, {row['where']}" for row in rows]
    assert [row["step"] for row in rows] == [str(i) for i in range(1, len(rows) + 1)]
    each = [math.ceil(min(4096, len(content) - at) / PIECE) for at in range(0, len(content), 4096)]
    assert steps == [step for pieces in each for step in [expected[0], *expected[1:2] * pieces]] + expected[2:]

    for number, row in enumerate(rows):
        repeated = expected[:number].count(expected[number]) + 1
        rig.load(cuts[f"{expected[number]}, {repeated}"])
        rig.board.power_on()
        assert rig.wait("boot")["action"] == row["next boot"], row
        assert rig.wait("serving")["version"] == "1.1.0", row


def _called(operation: str, at: int, size: int, address: dict[str, int]) -> str:
    """What the table calls an operation on the board whose confirmed slot is 1."""
    if address["model_0"] <= at < address["model_1"]:
        return f"{operation} {'a sector' if operation == 'erase' else '1024 bytes'}, inactive slot"
    assert address["journal"] <= at < address["model_0"], hex(at)
    if operation == "erase":
        return "erase a sector, journal"
    return f"program {'a mark' if size == 1 else 'a record'}, journal"


def test_chunk_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The patch sizes that the chunk size was chosen by."""
    samples = load_samples(resource("models/golden.npz"))
    labels = [str(digit) for digit in range(10)]
    base, new = (
        pack.pack(resource(f"models/digits-{version}.tflite").read_bytes(), "digits", version, samples, labels)
        for version in ("1.0.0", "1.1.0")
    )
    assert f"({len(new)} bytes)" in DESIGN.read_text(encoding="utf-8")
    rows = TABLES["Chunks: sizes"]
    for row, bits in zip(rows, (12, 15), strict=False):
        monkeypatch.setattr(maker, "CHUNK_BITS", bits)
        monkeypatch.setattr(maker, "FULL_CHUNK_BITS", bits)
        for column, old in (("bytes of patch", base), ("bytes of the full artifact", b"")):
            made = delta.compare(old, new).data
            size = len(made) - chunks.start_of(delta.read_header(made), 0)
            assert size == pytest.approx(int(row[column]), rel=0.02), row
    assert len(bsdiff4.diff(base, new)) == pytest.approx(int(rows[2]["bytes of patch"]), rel=0.03)  # another bzip2


def test_cost_of_a_verification() -> None:
    """Field multiplications and bytes of each way, and those of the check of a table; the speed is what the bench prints."""
    public, digest, signature = verify.example()
    found = []
    for width in (0, *verify.WIDTHS):
        table = combs.table(public, width) if width else None
        key, checked = counted.count(p256.Key, public, table)
        whole = combs.hint(table or combs.table(public, 4), digest, signature)
        for hint in (b"", whole[:32], whole) if width else (b"", whole[:32]):
            good, operations = counted.count(key.verify, digest, signature, hint)
            assert good
            name = f"table of width {width}" if width else "the key alone"
            found.append((name, len(table or b""), len(hint), operations["*"], checked["*"]))
    stated = [
        (row["with"], *(int(row[key]) for key in ("bytes of table", "bytes of hint", "multiplications", "to check the table")))
        for row in TABLES["Verification: cost"]
    ]
    assert found == stated


def test_every_attack_has_a_test_and_every_test_of_an_attack_its_row() -> None:
    """The attacks that must be defended against are there; no row is without a test; no attack is tested in secret."""
    text = SECURITY.read_text(encoding="utf-8")
    rows = tables(SECURITY)["Threats: attacks"]
    assert {
        "arbitrary software", "rollback", "replay", "freeze", "mix-and-match", "partial bundle", "endless data", "slow retrieval",
        "wrong board", "wrong plane", "wrong base", "extra data", "TOCTOU between verify and use", "mirror or redirect",
        "fast-forward", "key compromise", "stripped signature", "algorithm confusion",
    } <= {row["attack"] for row in rows}  # fmt: skip
    for row in rows:
        assert row["defence"], row
        assert re.fullmatch(r"`\w+/test_\w+\.py::test_\w+`(, `\w+/test_\w+\.py::test_\w+`)*", row["test"]), row
    files = [*sorted((ROOT / "tests" / "attacks").glob("test_*.py")), ROOT / "tests" / "host" / "test_tls.py"]
    assert len(files) > 3
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        tests = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
        assert len(tests) > 6
        assert [name for name in tests if f"`{file.parent.name}/{file.name}::{name}`" not in text] == []
    for row in tables(SECURITY)["Threats: undefended"]:
        assert row["why"], row


def test_the_ceremony_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands that docs/SECURITY.md prints, one after the other, as it prints them."""
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^    (mulligan .+)$", SECURITY.read_text(encoding="utf-8").split("## A ceremony")[1], re.MULTILINE)
    assert len(commands) >= 18
    for command in commands:
        if "$KID" in command:
            command = command.replace("$KID", json.loads(mulligan("keys", "show", "release.pub.pem", "--json").stdout)[0]["kid"])
        done = mulligan(*shlex.split(command)[1:])
        assert (done.returncode, done.stderr) == (0, ""), command
        if command.startswith("mulligan keys show 2.root"):
            assert "complete true" in done.stdout
    final = json.loads(mulligan("keys", "show", "3.root", "--before", "2.root", "--json").stdout)[0]
    assert (final["complete"], final["ceiling"], [key["roles"] for key in final["keys"]].count(["release"])) == (True, 41, 1)


@pytest.mark.parametrize(
    "document",
    ["README.md", "CONTRIBUTING.md", *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md"))],
)
def test_what_a_document_names_is_there(document: str) -> None:
    """Each test, file and link."""
    path = ROOT / document
    text = path.read_text(encoding="utf-8")
    for file, name in re.findall(r"`(?:tests/)?((?:attacks|core|hil|host|tflite|powerloss)/test_\w+\.py)::(test_\w+)`", text):
        tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert name in names, f"{document}: there is no {file}::{name}"
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (path.parent / target).exists(), f"{document}: links to {target}, which is not there"
    for target in re.findall(r"`((?:firmware|host_tools|tests|docs|models|partitions)/[\w./-]+\.\w+)`", text):
        assert (ROOT / target).exists() or "test_x" in target, f"{document}: names {target}, which is not there"


def test_the_quick_start_runs(tmp_path: Path) -> None:
    """The commands that README.md prints, one after the other, as it prints them."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    (mulligan .+)$", text, re.MULTILINE)
    assert len(commands) >= 9
    (tmp_path / "models").symlink_to(ROOT / "models")
    for command in commands:
        argv = [sys.executable, "-m", "mulligan_host", *shlex.split(command)[1:]]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stderr}"


def test_the_recorded_demo_is_of_this_demo() -> None:
    """The README's record names each step of the demo, in its order, each as expected."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = ast.parse((ROOT / "host_tools" / "mulligan_host" / "demo.py").read_text(encoding="utf-8"))
    titles = [
        node.elts[1].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Tuple) and isinstance(node.elts[0], ast.Attribute) and isinstance(node.elts[1], ast.Constant)
    ]
    assert len(titles) >= 6
    found = re.findall(r"^\d+\. (.+?) ─+", text, re.MULTILINE)
    assert found == titles
    assert text.count(": as expected") == len(titles)
