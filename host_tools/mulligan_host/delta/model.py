"""Planning for models: which tensor of the new .tflite comes of which in the base, and by which kind of segment.

What a fine-tuned, rescaled, pruned or renamed model has in common with its base is not bytes but tensors. They are aligned by
name, then by shape and order, then by content; of the kinds that could make one out of the other the cheapest is taken, by what
it really costs. The flatbuffer around them is matched as bytes, with the data blanked out so that it can't mislead.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mulligan.core import kinds, rescale

from . import matching, tflite
from .segment import Segment
from .tflite import Tensor

Price = Callable[[Segment], float]

_MASKED = 32  # bytes of data from which on a tensor is blanked out
_SCALES = 4  # scales from which on they are a vector of their own
_SMALL = 16  # bytes below which a tensor is left to the matching of bytes
_LOOK = 1024  # bytes by which kinds are compared at first
_NEARLY = 1.15  # times the least price, by these, that is worth a closer look
_CONTENT = 6  # tensors of one size that are compared by content


@dataclass(frozen=True)
class Change:
    """What became of a tensor. origin: the base's, or None; segment: how it is made."""

    tensor: Tensor
    origin: Tensor | None
    segment: Segment


@dataclass(frozen=True)
class Plan:
    """segments: for parts of the artifact, none of them overlapping; places: for each byte its match in the base, or NONE."""

    segments: list[Segment]
    places: NDArray[np.int64]
    changes: list[Change]


class Planner:
    """For one pair that holds a model each."""

    def __init__(self, base: bytes, new: bytes, old_model: tflite.Model, new_model: tflite.Model, raw: NDArray[np.int64]) -> None:
        self.base = base
        self.new = new
        self._old = old_model
        self._new = new_model
        self._base_array = np.frombuffer(base, np.uint8)
        self._new_array = np.frombuffer(new, np.uint8)
        self._raw = raw
        self._places = self._structure()
        self._candidates = self._align()

    def plan(self, price: Price) -> Plan:
        """Return the plan that is cheapest by ``price``, which says what a segment costs."""
        changes: dict[int, Change] = {}
        taken = np.zeros(len(self.new), bool)
        segments: list[Segment] = []

        def take(found: list[Segment]) -> None:
            for segment in found:
                if not taken[segment.at : segment.end].any():
                    taken[segment.at : segment.end] = True
                    segments.append(segment)

        for tensor in self._new.tensors:
            if tensor.size >= _SMALL and not taken[tensor.at : tensor.at + tensor.size].any():
                options = list(self._data_options(tensor))
                if options:
                    cost, change = _cheapest(options, price)
                    generic = self._generic_price(tensor, price)
                    if cost <= generic:
                        changes[tensor.index] = change
                        take([change.segment])
        for tensor in self._new.tensors:
            if len(tensor.scales) >= _SCALES:
                vectors = list(self._scale_options(tensor))
                if vectors:
                    take([min(vectors, key=price)])
        return Plan(sorted(segments, key=lambda s: s.at), self._places, list(changes.values()))

    def _generic_price(self, tensor: Tensor, price: Price) -> float:
        """What the matching of bytes would cost for the tensor's data."""
        places = self._raw[tensor.at : tensor.at + tensor.size]
        matched = places >= 0
        same = np.zeros(tensor.size, bool)
        same[matched] = self._base_array[places[matched]] == self._new_array[tensor.at : tensor.at + tensor.size][matched]
        if matched.mean() < 0.6 or same.mean() < 0.5:
            return float("inf")
        return sum(price(s) for s in by_places(self.base, self.new, self._raw, tensor.at, tensor.at + tensor.size, 1 << 30))

    def _structure(self) -> NDArray[np.int64]:
        """Match the bytes around the data: those with all data blanked, or all in place, or just all; whichever fits best."""
        outside = np.ones(len(self.new), bool)
        for at, size in _parts(self._new):
            outside[at : at + size] = False
        blank = matching.positions(_blanked(self.base, self._old), _blanked(self.new, self._new))
        options = [blank, self._raw]
        if len(self.base) == len(self.new):
            options.append(np.arange(len(self.new)))

        def misfit(places: NDArray[np.int64]) -> float:
            matched = places >= 0
            cost = np.full(len(self.new), 0.9)
            cost[matched] = self._base_array[places[matched]] != self._new_array[matched]
            return float(cost[outside].sum() + 0.6 * (np.diff(places)[outside[1:]] != 1).sum())

        return min(options, key=misfit)

    def _align(self) -> dict[int, list[Tensor]]:
        """For each tensor of the new model those of the base that it may come of, the likeliest first."""
        old, new = self._old.tensors, self._new.tensors
        found: dict[int, list[Tensor]] = {tensor.index: [] for tensor in new}
        names: dict[tuple[object, ...], list[Tensor]] = {}
        for tensor in old:
            names.setdefault((tensor.name, tensor.type, tensor.shape), []).append(tensor)
        left: list[Tensor] = []
        used: set[int] = set()
        for tensor in new:
            named = names.get((tensor.name, tensor.type, tensor.shape))
            if named:
                found[tensor.index].append(named.pop(0))
                used.add(found[tensor.index][0].index)
            else:
                left.append(tensor)
        orders: dict[tuple[object, ...], list[Tensor]] = {}
        for tensor in old:
            if tensor.index not in used:
                orders.setdefault((tensor.type, tensor.shape), []).append(tensor)
        for tensor in left:
            ordered = orders.get((tensor.type, tensor.shape))
            if ordered:
                found[tensor.index].append(ordered.pop(0))
        if len(old) == len(new):
            for tensor, other in zip(new, old, strict=True):
                if (tensor.type, tensor.shape) == (other.type, other.shape) and other not in found[tensor.index]:
                    found[tensor.index].append(other)
        for tensor in new:
            if tensor.size >= _SMALL:
                alike = [o for o in old if (o.type, o.size) == (tensor.type, tensor.size) and o not in found[tensor.index]]
                found[tensor.index] += alike[:_CONTENT]
        return found

    def _origin(self, tensor: Tensor) -> Tensor | None:
        """The likeliest tensor of the base."""
        return next(iter(self._candidates[tensor.index]), None)

    def _data_options(self, tensor: Tensor) -> Iterator[Change]:
        """Yield the ways to make the tensor's data."""
        at, size = tensor.at, tensor.size
        origins = [o for o in self._candidates[tensor.index] if o.size == size]
        for origin in origins:
            if self.base[origin.at : origin.at + size] == self.new[at : at + size]:
                yield Change(tensor, origin, Segment(kinds.COPY, at, size, origin.at))
                return
        if tensor.type == tflite.INT8:
            yield Change(tensor, None, Segment(kinds.DIRECT8, at, size))
            yield Change(tensor, None, Segment(kinds.WIDE8, at, size))
            for origin in origins:
                yield Change(tensor, origin, Segment(kinds.DRIFT8, at, size, origin.at))
                if (self._new_array[at : at + size] == 0).mean() > 0.2:
                    yield Change(tensor, origin, Segment(kinds.PRUNE8, at, size, origin.at))
                scaled = self._scaled(tensor, origin)
                if scaled:
                    yield Change(tensor, origin, scaled)
        elif tensor.type in (tflite.INT32, tflite.FLOAT32) and size % 4 == 0:
            kind = kinds.ADD32 if tensor.type == tflite.INT32 else kinds.FLOAT32
            for origin in origins:
                yield Change(tensor, origin, Segment(kind, at, size, origin.at))
                if tensor.type == tflite.INT32:
                    for factors in _bias_factors(tensor, origin):
                        yield Change(tensor, origin, Segment(kinds.MULADD32, at, size, origin.at, factors=factors))
        yield Change(tensor, None, Segment(kinds.LITERAL, at, size))

    def _scaled(self, tensor: Tensor, origin: Tensor) -> Segment | None:
        """The data as that of the origin in other scales, channel by channel where that helps."""
        channels = max(len(tensor.scales), len(origin.scales))
        if not channels or {len(tensor.scales), len(origin.scales)} - {1, channels}:
            return None
        ratio = _ratio(origin.scales, tensor.scales, channels)
        if ratio is None:
            return None
        factors = np.round(ratio * kinds.UNIT8).astype(np.int64)
        factors = np.where(factors < kinds.MAX_FACTOR8, factors, kinds.UNIT8)
        run = tensor.size
        if channels > 1:
            reference = tensor if len(tensor.scales) > 1 else origin
            if not 0 <= reference.axis < len(tensor.shape) or tensor.shape[reference.axis] != channels:
                return None
            run = int(np.prod(tensor.shape[reference.axis + 1 :], dtype=np.int64))
            if channels > kinds.MAX_CHANNELS and run * channels < tensor.size:
                return None  # each part would take all factors
        channel = np.arange(tensor.size) // run % channels
        old = self._base_array[origin.at : origin.at + tensor.size].view(np.int8).astype(np.int64)
        new = self._new_array[tensor.at : tensor.at + tensor.size].view(np.int8).astype(np.int64)
        scaled = np.clip(old * factors[channel] + 32768 >> 16, -128, 127)
        plain_cost = np.bincount(channel, weights=np.log2(1 + np.abs(new - old)), minlength=channels)
        scaled_cost = np.bincount(channel, weights=np.log2(1 + np.abs(new - scaled)), minlength=channels)
        factors = np.where(scaled_cost + 6 < plain_cost, factors, kinds.UNIT8)
        if (factors == kinds.UNIT8).all():
            return None
        return Segment(
            kinds.SCALE8, tensor.at, tensor.size, origin.at, run=run, factors=tuple(int(f) for f in factors)
        )  # fmt: skip

    def _scale_options(self, tensor: Tensor) -> Iterator[Segment]:
        """Yield the ways to make the tensor's vector of scales."""
        at, size = tensor.scales_at, 4 * len(tensor.scales)
        for origin in self._candidates[tensor.index]:
            if len(origin.scales) == len(tensor.scales):
                if (origin.scales == tensor.scales).all():
                    yield Segment(kinds.COPY, at, size, origin.scales_at)
                yield Segment(kinds.FLOAT32, at, size, origin.scales_at)
                break
        if tensor.index in self._new.products:
            given, weights = (self._new.tensors[i] for i in self._new.products[tensor.index])
            if len(weights.scales) == len(tensor.scales) and len(given.scales) == 1:
                bits = int(given.scales.view("<u4")[0])
                products = [rescale.product(int(w), bits) for w in weights.scales.view("<u4")]
                if bits < 1 << 31 and (np.array(products, np.uint32) == tensor.scales.view("<u4")).mean() > 0.5:
                    product = Segment(kinds.FLOATMUL, at, size, factor=bits)
                    if given.scales_at + 4 <= at:
                        product = product._replace(factor_at=given.scales_at)
                    if weights.scales_at + size <= at:
                        yield product._replace(back=at - weights.scales_at)
                    before = self._origin(weights)
                    if before and len(before.scales) == len(weights.scales):
                        yield product._replace(base=before.scales_at)


def _cheapest(changes: list[Change], price: Price) -> tuple[float, Change]:
    """Return the cheapest, and its price. By their first bytes it is seen which ones are worth more than a look."""
    first = [change.segment for change in changes]
    if first[0].length > 2 * _LOOK:
        first = [segment.part(segment.at, segment.at + _LOOK) for segment in first]
        prices = [price(segment) for segment in first]
        changes = [change for change, cost in zip(changes, prices, strict=True) if cost <= _NEARLY * min(prices)]
    return min(((price(change.segment), change) for change in changes), key=lambda pair: pair[0])


def by_places(base: bytes, new: bytes, places: NDArray[np.int64], start: int, end: int, copy_from: int) -> Iterator[Segment]:
    """Yield segments for ``start`` to ``end`` of ``new`` as it was matched: ADD8, with COPY for long equal runs, and LITERAL."""
    if start >= end:
        return
    part = places[start:end]
    broken = np.flatnonzero((np.diff(part) != 1) & ~((part[1:] < 0) & (part[:-1] < 0))) + 1
    edges = [0, *broken.tolist(), end - start]
    for low, high in pairwise(edges):
        origin = int(part[low])
        if origin < 0:
            yield Segment(kinds.LITERAL, start + low, high - low)
            continue
        equal = np.frombuffer(new, np.uint8, high - low, start + low) == np.frombuffer(base, np.uint8, high - low, origin)
        steps = np.flatnonzero(np.diff(np.concatenate(([0], equal.view(np.int8), [0]))))
        at = 0
        for first, last in zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True):
            if last - first >= copy_from or last - first == high - low:
                if first > at:
                    yield Segment(kinds.ADD8, start + low + at, first - at, origin + at)
                yield Segment(kinds.COPY, start + low + first, last - first, origin + first)
                at = last
        if at < high - low:
            yield Segment(kinds.ADD8, start + low + at, high - low - at, origin + at)


def _parts(model: tflite.Model) -> Iterator[tuple[int, int]]:
    """Yield place and size of what is not structure."""
    for tensor in model.tensors:
        if tensor.size >= _MASKED:
            yield tensor.at, tensor.size
        if len(tensor.scales) >= _SCALES:
            yield tensor.scales_at, 4 * len(tensor.scales)


def _blanked(data: bytes, model: tflite.Model) -> bytes:
    blank = bytearray(data)
    for at, size in _parts(model):
        blank[at : at + size] = bytes(size)
    return bytes(blank)


def _ratio(old: NDArray[np.float32], new: NDArray[np.float32], channels: int) -> NDArray[np.float64] | None:
    """How many new steps one old step is, for each channel; None if that makes no sense."""
    with np.errstate(all="ignore"):
        ratio = np.broadcast_to(old.astype(np.float64) / new.astype(np.float64), (channels,))
    return ratio if np.isfinite(ratio).all() and (ratio > 0).all() and (ratio < 60).all() else None


def _bias_factors(tensor: Tensor, origin: Tensor) -> Iterator[tuple[int, ...]]:
    """Yield factors that make a bias of the origin's: one for all, or one for each."""
    words = tensor.size // 4
    if len(tensor.scales) != len(origin.scales) or len(tensor.scales) not in (1, words):
        return
    ratio = _ratio(origin.scales, tensor.scales, len(tensor.scales))
    if ratio is None or ratio.max() >= 3.9:
        return
    factors = np.round(ratio * kinds.UNIT32).astype(np.int64)
    if np.median(factors) != kinds.UNIT32:
        yield (int(np.median(factors)),)
    if len(factors) > 1 and factors.min() != factors.max():
        yield tuple(int(f) for f in factors)
