"""Patches of models: what the planner sees in them, and the sizes that were promised."""

import json
import math
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from host import modelbuild, rescaled
from host.documents import ROOT
from host.rig import image
from mulligan.core import chunks, kinds, patch
from mulligan_host import delta
from mulligan_host.cli.main import cli
from mulligan_host.delta import deflate, explain, others, tflite
from mulligan_host.resources import resource

PAIRS = ROOT.parent / "shared" / "pairs"

# Pair: the smallest patch of any other tool, and the smaller of a prototype's two, both less the container.
FIGURES = {
    "gen_cnn_head": (548, 475),
    "gen_cnn_last3": (19661, 10582),
    "gen_cnn_ft1e5": (4322, 3015),
    "gen_cnn_ft1e4": (9224, 7029),
    "gen_cnn_ft1e4_renamed": (10145, 7638),
    "gen_cnn_ft1e3": (28782, 16986),
    "gen_cnn_recal": (1025, 203),
    "gen_cnn_prune": (19540, 5361),
    "gen_cnn_sparse_ft": (6933, 3967),
    "gen_cnn_pertensor": (29451, 4739),
    "gen_cnn_scratch": (32558, 31674),
    "mww_okay_nabu_v2": (31871, 30827),
    "mlt_aww_retrain": (31578, 28838),
    "mlt_kws": (32971, 30801),
    "tflm_micro_speech": (133, 133),
    "tflm_hello_world_int8": (358, 381),
}
QUICK = ("gen_cnn_head", "gen_cnn_recal", "tflm_micro_speech", "tflm_hello_world_int8")


def body(data: bytes) -> int:
    """The size of a patch less its container."""
    start: int = chunks.start_of(delta.read_header(data), 0)
    return len(data) - start


def measured(name: str) -> int:
    if not PAIRS.is_dir():
        pytest.skip("the shared pairs are not beside this checkout: ../shared/pairs")
    base, new = ((PAIRS / name / f"{which}.bin").read_bytes() for which in ("old", "new"))
    made = delta.compare(base, new)
    anchor, prototype = FIGURES[name]
    size = body(made.data)
    assert len(made.data) - size <= 160 + 8 * math.ceil(len(new) / 32768)
    assert size <= anchor * (1.07 if name == "tflm_hello_world_int8" else 1.03), (name, size)
    assert size <= prototype * 1.03, (name, size)
    assert size <= made.sizes[patch.TIER_DEFLATE, "full"]
    return size


@pytest.mark.parametrize("name", QUICK)
def test_the_sizes_promised(name: str) -> None:
    measured(name)


@pytest.mark.pairs
def test_the_sizes_promised_of_all_pairs(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    if request.config.getoption("markexpr") != "pairs":
        pytest.skip("takes minutes: make pairs")
    ratios = {name: measured(name) / anchor for name, (anchor, _) in FIGURES.items()}
    generated = [ratio for name, ratio in ratios.items() if name.startswith("gen_")]
    mean = math.exp(sum(map(math.log, generated)) / len(generated))
    for name, ratio in {**ratios, "geometric mean of gen_*": mean}.items():
        record_property(f"thousandths of the smallest anchor: {name}", round(1000 * ratio))
    assert mean <= 0.50


def test_a_model_is_found_wherever_it_stands() -> None:
    model = resource("models/digits-1.0.0.tflite").read_bytes()
    raw = tflite.find(model)
    assert raw
    packed = image("1.0.0")
    for data, at in ((packed, 96), (b"TFL3TFL3....TFL3" + model, 16), (bytes(1001) + model + bytes(77), 1001)):
        found = tflite.find(data)
        assert found
        assert found.at == at
        for tensor, other in zip(raw.tensors, found.tensors, strict=True):
            assert (tensor.name, tensor.shape, tensor.size) == (other.name, other.shape, other.size)
            content = data[other.at : other.at + other.size]
            assert content == model[tensor.at : tensor.at + tensor.size]
            assert np.array_equal(tensor.scales, other.scales)
    for nothing in (b"", b"TFL3", bytes(100), b"....TFL3" + bytes(100), model[:200]):
        assert tflite.find(nothing) is None


def test_the_slot_image_costs_no_more_than_the_model() -> None:
    """The .tflite is found inside it, and its tensors are aligned as if it stood alone."""
    old, new = (resource(f"models/digits-{version}.tflite").read_bytes() for version in ("1.0.0", "1.1.0"))
    alone, packed = delta.compare(old, new), delta.compare(image("1.0.0"), image("1.1.0"))
    assert body(packed.data) < body(alone.data) + 150


def test_a_renamed_model_costs_its_names() -> None:
    """Layers renamed, weights as before: the tensors are aligned by order, and only the names are sent."""
    old = resource("models/digits-1.0.0.tflite").read_bytes()
    model = tflite.find(old)
    assert model
    new = bytearray(old)
    for number, tensor in enumerate(model.tensors):
        name = tensor.name.encode()
        at = new.find(struct.pack("<I", len(name)) + name) + 4
        new[at : at + len(name)] = f"{number:03d}".encode().ljust(len(name), b"x")[: len(name)]
    names = sum(len(tensor.name) for tensor in model.tensors)
    assert body(delta.make(old, bytes(new))) < names


@pytest.mark.parametrize("seed", range(2))
def test_deflate_is_read_by_zlib_and_never_longer_than_its_own(seed: int) -> None:
    import zlib

    chance = random.Random(seed)
    for data in (
        b"",
        b"a",
        bytes(5000),
        chance.randbytes(3000),
        bytes(chance.choice((0, 0, 0, 0, 1, 255, 2)) for _ in range(6000)),
        b"".join(chance.choice((b"abc", b"tensor", b"\0" * 9, chance.randbytes(3))) for _ in range(900)),
    ):
        found = deflate.deflate(data)
        assert zlib.decompress(found, -10) == data
        assert len(found) <= len(deflate.quick(data))
        assert deflate.deflate(data) == found


def odd_pairs() -> dict[str, tuple[bytes, bytes]]:
    """Pairs in which the planner finds a model that is none, half of one, or more than one."""
    model = (ROOT / "tests" / "tflite" / "data" / "conv_relu_n1.tflite").read_bytes()
    chance = random.Random(5)
    pairs = {
        "the same": (model, model),
        "nothing before": (b"", model),
        "a byte": (model, b"x"),
        "of a byte": (b"x", model),
        "two of it": (model, model + model),
        "one of two": (model + model, model),
        "turned round": (model, model[::-1]),
        "noise": (chance.randbytes(2000), model),
        "as noise": (model, chance.randbytes(3000)),
    }
    for size in (7, 8, 100, len(model) // 2, len(model) - 1):
        pairs[f"cut to {size}"] = (model, model[:size])
        pairs[f"out of {size}"] = (model[:size], model)
    for number in range(12):
        spoilt = bytearray(model)
        for _ in range(1 + number):
            spoilt[chance.randrange(len(spoilt))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        pairs[f"spoilt {number}"] = (model, bytes(spoilt))
        pairs[f"mended {number}"] = (bytes(spoilt), model)
    return pairs


@pytest.mark.parametrize("name", odd_pairs())
def test_odd_models_are_patched_all_the_same(name: str) -> None:
    """And no patch is larger than the full artifact deflated, but for the container; the same input gives the same bytes."""
    base, new = odd_pairs()[name]
    made = delta.compare(base, new)
    assert delta.apply(base, made.data) == new
    assert body(made.data) <= body(delta.make(b"", new))
    assert len(made.data) - body(made.data) <= 160
    assert explain.explain(base, made.data).size == len(made.data)


def test_the_figures_of_the_readme() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("**Patches: bytes**")[2].strip().splitlines()
    rows = [line.strip("| ").split(" | ") for line in table[2:5]]
    assert [row[0] for row in rows] == ["1.0.0 → 1.1.0", "1.0.0 → 1.2.0-bad", "1.0.0 → 1.3.0-slow"]
    for name, size, tier1, tier2, *theirs in rows[:2]:
        old, new = (resource(f"models/digits-{version}.tflite").read_bytes() for version in name.split(" → "))
        assert int(size) == len(new)
        for tier, figure in ((1, tier1), (2, tier2)):
            assert int(figure) == pytest.approx(len(delta.make(old, new, (tier,))), rel=0.02)
        assert int(tier2) < int(tier1) < min(map(int, theirs))


def test_explained() -> None:
    base, new = image("1.0.0"), image("1.1.0")
    found = explain.explain(base, delta.make(base, new))
    assert [segment.at for segment in found.segments] == sorted(segment.at for segment in found.segments)
    assert sum(segment.length for segment in found.segments) == len(new)
    sizes = [segment.size for segment in found.segments]
    assert min(sizes) >= 0
    assert sum(sizes) == found.size - found.container
    model = tflite.find(new)
    assert model
    assert {change.name for change in found.changes} <= {tensor.name for tensor in model.tensors}
    assert any(change.changed > 100 for change in found.changes)
    assert json.loads(json.dumps(found.plain()))["new_size"] == len(new)


def test_the_command(tmp_path: Path) -> None:
    def run(*arguments: object) -> str:
        done = CliRunner().invoke(cli, ["patch", *map(str, arguments)])
        assert done.exit_code == 0, done.output
        return done.stdout

    pair = tmp_path / "pairs" / "digits"
    pair.mkdir(parents=True)
    old, new, made = pair / "old.bin", pair / "new.bin", tmp_path / "p.mpat"
    old.write_bytes(image("1.0.0"))
    new.write_bytes(image("1.1.0"))
    facts = json.loads(run("make", old, new, "-o", made, "--json"))
    assert facts["patch"] == made.stat().st_size
    assert {way["tier"] for way in facts["ways"]} == {1, 2}
    first = made.read_bytes()
    assert "tensors" in run("make", old, new, "-o", made, "--tier", "1")
    assert delta.read_header(made.read_bytes()).tier == patch.TIER_DEFLATE
    run("make", old, new, "-o", made)
    assert made.read_bytes() == first
    assert "what became of" in run("show", old, made)
    assert json.loads(run("show", old, made, "--json"))["tier"] == facts["tier"]
    run("apply", old, made, "-o", tmp_path / "n.bin")
    assert (tmp_path / "n.bin").read_bytes() == new.read_bytes()
    (row,) = json.loads(run("bench", tmp_path / "pairs", "--json"))
    assert row["patch"] == len(first)
    assert row["bsdiff4"] > row["patch less container"]
    assert run("bench", tmp_path / "pairs", "--markdown").startswith("| pair | new |")
    tools, missing = others.installed()
    assert set(tools) < set(row)
    assert {"detools", "hdiffpatch", "xdelta3", "zstd"} - set(missing) <= {name.split()[0].lower() for name in tools}
    assert all(row[tool] > row["patch less container"] for tool in tools)


@pytest.mark.parametrize("tier", [patch.TIER_DEFLATE, patch.TIER_RANGE])
def test_more_channels_than_a_segment_has_factors(tier: int) -> None:
    """A convolution is rescaled in parts, and a channel of it costs about as much."""
    bodies = []
    for channels in (kinds.MAX_CHANNELS - 100, kinds.MAX_CHANNELS + 100):
        base, new = rescaled.pair(channels)
        data = delta.make(base, new, (tier,))
        assert delta.apply(base, data) == new
        found = [segment for segment in explain.explain(base, data).segments if segment.kind == "SCALE8"]
        assert sum(segment.length for segment in found) >= 40 * channels
        bodies.append(body(data) / channels)
    assert bodies[1] < 1.1 * bodies[0]


@st.composite
def models(draw: st.DrawFn) -> tuple[list[bytes], int, int]:
    """The same weights in other files: (raw, tuned, tuned in another order, tuned outside), weights, and how many were tuned."""
    chance = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    graphs = [draw(st.lists(st.integers(1, 40), min_size=1, max_size=4)) for _ in range(draw(st.integers(1, 3)))]
    shapes = [[(rows, 16) for rows in graph] for graph in graphs]
    old = [[chance.integers(-127, 128, shape).astype(np.int8) for shape in graph] for graph in shapes]
    share = draw(st.sampled_from((0.0, 0.02, 1.0)))
    tuned = [[np.where(chance.random(w.shape) < share, w ^ 1, w).astype(np.int8) for w in graph] for graph in old]
    order = [draw(st.permutations(range(len(graph)))) for graph in graphs]

    def file(weights: list[list[np.ndarray]], *, moved: bool = False, outside: bool = False) -> bytes:
        built = []
        for graph, places in zip(weights, order, strict=True):
            subgraph = modelbuild.Subgraph()
            for place in places if moved else range(len(graph)):
                subgraph.constant(graph[place], [0.01 * (place + 1)] * len(graph[place]))
            built.append(subgraph)
        return modelbuild.build(*built, outside=outside)

    files = [file(old), file(tuned), file(tuned, moved=True), file(tuned, outside=True)]
    return files, sum(w.size for graph in old for w in graph), round(share * 100)


@settings(max_examples=8, deadline=None)
@given(models())
def test_subgraphs_orders_and_buffers_outside(made: tuple[list[bytes], int, int]) -> None:
    """What moved, in or out of the flatbuffer, is found again: a patch costs what changed, and the structure."""
    files, weights, share = made
    for base in files[:1] + files[3:]:
        for new in files:
            data = delta.make(base, new)
            assert delta.apply(base, data) == new
            changed = weights * (0.25 if share == 100 else 0.04)  # a bit for each, or where the few are, at most
            assert body(data) <= changed + 0.4 * (len(new) - weights) + 100
    for file in files:
        model = tflite.find(file)
        assert model
        assert sum(tensor.size for tensor in model.tensors) == weights
