"""The gate: thresholds that a model has to reach on a data set before it may become a release.

A TOML (or JSON) file of this form; whatever else is in it is refused:

    data = "set.npz"            # beside the gate's file

    [slices.all]                # a table for each slice; see `compare.DataSet` for their names
    accuracy = 0.93             # at least
    drop = 0.01                 # at most this much less accurate than the version before
    agreement = 0.9             # at least, with the version before
    samples = 100               # at least, or the slice says too little

Where there is no version before, drop and agreement are not judged; a slice that the data set has not got fails.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mulligan_host import files
from mulligan_host.errors import HostError
from mulligan_host.models.compare import ALL, Comparison

ACCURACY, DROP, AGREEMENT, SAMPLES = "accuracy", "drop", "agreement", "samples"
_MOST = {ACCURACY: 1.0, DROP: 1.0, AGREEMENT: 1.0, SAMPLES: 1e9}
_SIZE_LIMIT = 1 << 16
_EPSILON = 1e-9  # 0.9 - 0.89 is a little more than 0.01


@dataclass(frozen=True)
class Gate:
    """``data``: path of the data set, if the gate names one; ``slices``: name to thresholds."""

    path: Path
    data: Path | None
    slices: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Verdict:
    """One threshold: what was ``found`` (None: nothing to judge it by), what is ``wanted``, whether it passes."""

    slice: str
    rule: str
    wanted: float
    found: float | None
    passed: bool

    def __str__(self) -> str:
        most = self.rule == DROP
        found = "nothing to judge by" if self.found is None else f"{self.found:.4g}"
        return f"{self.slice}: {self.rule} {found}, {'at most' if most else 'at least'} {self.wanted:.4g}"


def load(path: Path) -> Gate:
    """Read a gate. Raises: HostError naming what is wrong; OSError."""
    raw = files.read(path, _SIZE_LIMIT)
    try:
        text = raw.decode()
        doc: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as e:
        raise HostError(f"{path}: neither TOML nor, by its name, JSON: {e}") from e
    slices = doc.get("slices") if isinstance(doc, dict) and set(doc) <= {"data", "slices"} else None
    if not isinstance(slices, dict) or not slices:
        raise HostError(f"{path}: a gate has slices, and may have data; nothing else")
    if not isinstance(doc.get("data", ""), str):
        raise HostError(f"{path}: data is the name of a file")
    for name, rules in slices.items():
        if not isinstance(rules, dict) or not rules:
            raise HostError(f"{path}: slice {name}: a table of thresholds is needed")
        for rule, wanted in rules.items():
            most = _MOST.get(rule)
            if most is None:
                raise HostError(f"{path}: slice {name}: {rule} is none of {', '.join(_MOST)}")
            if isinstance(wanted, bool) or not isinstance(wanted, int | float) or not 0 <= wanted <= most:
                raise HostError(f"{path}: slice {name}: {rule} is {wanted!r}: a number from 0 to {most:g} is needed")
    return Gate(path, path.parent / doc["data"] if "data" in doc else None, slices)


def judge(gate: Gate, comparison: Comparison) -> list[Verdict]:
    """Judge model B of ``comparison`` by each threshold."""
    verdicts = []
    for name, rules in gate.slices.items():
        share = comparison.shares.get(name)
        first = comparison.shares[ALL].right_a is None
        for rule, wanted in rules.items():
            if share is None:
                verdicts.append(Verdict(name, rule, wanted, None, False))
                continue
            drop = None if share.accuracy_a is None else share.accuracy_a - share.accuracy_b
            found = {ACCURACY: share.accuracy_b, DROP: drop, AGREEMENT: share.agreement, SAMPLES: float(share.samples)}[rule]
            verdicts.append(Verdict(name, rule, wanted, found, first if found is None else _holds(rule, wanted, found)))
    return verdicts


def _holds(rule: str, wanted: float, found: float) -> bool:
    return found <= wanted + _EPSILON if rule == DROP else found >= wanted - _EPSILON


def require(gate: Gate, comparison: Comparison) -> list[Verdict]:
    """Return the verdicts. Raises: HostError naming the thresholds that are missed."""
    verdicts = judge(gate, comparison)
    missed = [str(verdict) for verdict in verdicts if not verdict.passed]
    if missed:
        raise HostError(f"{gate.path}: the gate is shut: {'; '.join(missed)}")
    return verdicts
