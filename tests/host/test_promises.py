"""docs/PROMISES.md: each test that it names is there, and each count is what the run asks for."""

import ast
import re

from host import test_fuzz_patch
from host.documents import ROOT, tables
from host.test_fuzz_corpus import NAMES
from powerloss import scenarios, test_cuts

PAGE = ROOT / "docs" / "PROMISES.md"
TABLES = tables(PAGE)


def test_every_promise_names_tests_that_are_there() -> None:
    rows = TABLES["Promises: tests"]
    assert len(rows) > 14
    bound = TABLES["Promises: the bound"]
    failures = "wrong golden output|too slow|exception|endless loop in inference|MemoryError|reset loop|power cut|no network"
    assert [row["failure"] for row in bound][:8] == failures.split("|")
    for row in [*rows, *bound]:
        named = re.findall(r"`(\w+/test_\w+\.py)::(test_\w+)`", row["test"])
        assert named or "docs/SECURITY.md" in row["test"], row
        for file, name in named:
            tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
            assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (file, name)


def test_the_counts_are_those_that_the_runs_must_reach() -> None:
    """The runs themselves assert, or make, as many; here it is held that the page says so."""
    counts = {(row["what is counted"], row["command"]): int(row["at least"]) for row in TABLES["Promises: counts"]}
    assert counts["power cuts in memory", "`make test`"] == test_cuts.IN_MAKE_TEST
    assert counts["scenarios of them", "`make test`"] == len(scenarios.ALL)
    corpus = (ROOT / "tests" / "host" / "test_fuzz_corpus.py").read_text(encoding="utf-8")
    update = (ROOT / "tests" / "host" / "test_update.py").read_text(encoding="utf-8")
    assert f'"{counts["mutations of inputs, fed to parsers", "`make fuzz`"]}"' in corpus
    assert f'"{counts["mutations of inputs, fed to parsers", "`make test`"]}"' in corpus
    assert f"({counts['SIGKILLs on the virtual board', '`make powerloss`']} if every" in update
    assert len(NAMES) == 15
    chunks = len(test_fuzz_patch.WAYS) * (1 + 2 * test_fuzz_patch.ON_A_PORT)
    for command, examples in (("`make test`", 100), ("`make fuzz`", 20_000)):
        assert counts["hostile chunks of patches", command] == chunks * examples
        assert counts["sound chunks of patches", command] == 2 * 2 * examples  # tiers, ports
    for what, file, test, factor in (
        ("signatures and their mutations, judged as cryptography and python-ecdsa do", "test_p256_vectors.py", 240, 1),
        ("texts, read as the host's json does", "test_json_differential.py", 300, 10),
    ):
        assert f'environ.get("FUZZ_EXAMPLES", "{test}")' in (ROOT / "tests" / "host" / file).read_text(encoding="utf-8")
        assert (counts[what, "`make test`"], counts[what, "`make fuzz`"]) == (test * factor, 20_000 * factor)


def test_the_scenarios_are_those_that_are_run() -> None:
    assert [row["scenario"] for row in TABLES["Promises: scenarios"]] == [f"`{make.__name__}`" for make in scenarios.ALL]
