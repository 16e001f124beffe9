"""What a patch is made of, and what it does to a model."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mulligan.core import chunks, codes, kinds, patch, segments

from . import container, tflite
from .segment import NAMES
from .tflite import Tensor


@dataclass(frozen=True)
class Traced:
    """One segment as the decoder met it. base: where in the base it begins, if it reads it; size: bytes of the patch, about."""

    kind: str
    at: int
    length: int
    base: int | None
    size: int


@dataclass(frozen=True)
class Change:
    """What became of one tensor: how many of its values differ, by how much on average, and how many of its scales."""

    name: str
    shape: tuple[int, ...]
    values: int
    changed: int
    mean: float
    scales: int
    rescaled: int


@dataclass(frozen=True)
class Explained:
    """A patch: header, segments, and, between two models, the tensors that differ and how many are new or gone.

    structure: bytes of the model that differ beside its data and scales, where both have as many.
    """

    header: patch.Header
    size: int
    container: int
    segments: list[Traced]
    changes: list[Change]
    added: list[str]
    removed: list[str]
    structure: int | None

    def by_kind(self) -> dict[str, tuple[int, int, int]]:
        """Return for each kind how many segments, bytes of the artifact, bytes of the patch."""
        found: dict[str, tuple[int, int, int]] = {}
        for segment in self.segments:
            count, length, size = found.get(segment.kind, (0, 0, 0))
            found[segment.kind] = count + 1, length + segment.length, size + segment.size
        return found

    def plain(self) -> dict[str, Any]:
        """Return it all as what JSON can hold."""
        return {
            "tier": self.header.tier,
            "base_size": self.header.base_size,
            "base_sha256": self.header.base_sha256.hex(),
            "new_size": self.header.new_size,
            "new_sha256": self.header.new_sha256.hex(),
            "chunks": chunks.count_of(self.header),
            "size": self.size,
            "container": self.container,
            "kinds": {
                kind: {"segments": count, "bytes": length, "size": size}
                for kind, (count, length, size) in sorted(self.by_kind().items())
            },
            "segments": [asdict(segment) for segment in self.segments],
            "changes": [asdict(change) for change in self.changes],
            "added": self.added,
            "removed": self.removed,
            "structure": self.structure,
        }


class _Tracer(segments.Decoder):
    """A decoder that notes each segment."""

    def __init__(self, found: list[Traced], *arguments: Any) -> None:
        super().__init__(*arguments)  # type: ignore[no-untyped-call]
        self._found = found
        self._taken = 0
        self._limit = 0

    def chunk(self, index: int, source: container.Body, sink: Callable[[bytearray], None]) -> Any:
        self._limit = source.at + chunks.size_in_patch(self._header, index)
        self._taken = source.at
        self._source = source
        yield from super().chunk(index, source, sink)  # type: ignore[no-untyped-call]
        self._note(self._limit)

    def _begin(self) -> bool:
        if not super()._begin():  # type: ignore[no-untyped-call]
            return False
        state, based = self._state, self._state[kinds.KIND] >= kinds.COPY and not self._back
        place = state[kinds.PLACE] if based else None
        self._found.append(Traced(NAMES[state[kinds.KIND]], state[kinds.DONE], state[kinds.LEFT], place, 0))
        return True

    def _segment(self) -> int:
        count: int = super()._segment()  # type: ignore[no-untyped-call]
        if count and not self._state[kinds.LEFT]:
            self._note(self._source.at - (self._state[codes.END] - self._state[codes.AT]))  # or contexts.END, .AT: the same
        return count

    def _note(self, at: int) -> None:
        """What was read since the segment before ended is this one's."""
        at = min(at, self._limit)
        if at > self._taken:
            last = self._found[-1]
            self._found[-1] = Traced(last.kind, last.at, last.length, last.base, last.size + at - self._taken)
            self._taken = at


def explain(base: bytes, data: bytes) -> Explained:
    """Return what the patch ``data`` does to ``base``. Raises: PatchError."""
    header = container.read_header(data)
    found: list[Traced] = []
    new = container.apply(base, data, lambda *arguments: _Tracer(found, *arguments))
    changes: list[Change] = []
    added: list[str] = []
    removed: list[str] = []
    structure = None
    old_model, new_model = tflite.find(base), tflite.find(new)
    if old_model and new_model:
        names = {tensor.name: tensor for tensor in old_model.tensors}
        same = len(old_model.tensors) == len(new_model.tensors)
        for index, tensor in enumerate(new_model.tensors):
            origin = names.get(tensor.name) or (old_model.tensors[index] if same else None)
            if origin is None or (origin.shape, origin.type) != (tensor.shape, tensor.type):
                added.append(tensor.name)
            else:
                change = _compare(base, new, origin, tensor)
                if change.changed or change.rescaled:
                    changes.append(change)
        if not same:
            present = {tensor.name for tensor in new_model.tensors}
            removed = [tensor.name for tensor in old_model.tensors if tensor.name not in present]
        if len(base) == len(new):
            outside = np.ones(len(new), bool)
            for tensor in new_model.tensors:
                outside[tensor.at : tensor.at + tensor.size] = False
                outside[tensor.scales_at : tensor.scales_at + 4 * len(tensor.scales)] = False
            differs = np.frombuffer(base, np.uint8) != np.frombuffer(new, np.uint8)
            structure = int((differs & outside).sum())
    size = chunks.start_of(header, 0)
    return Explained(header, len(data), size, found, changes, added, removed, structure)


def _compare(base: bytes, new: bytes, origin: Tensor, tensor: Tensor) -> Change:
    kind = {tflite.INT8: "i1", tflite.INT32: "<i4", tflite.FLOAT32: "<f4"}.get(tensor.type, "u1")
    values = changed = 0
    mean = 0.0
    if tensor.size and tensor.size == origin.size and tensor.size % np.dtype(kind).itemsize == 0:
        values = tensor.size // np.dtype(kind).itemsize
        old = np.frombuffer(base, kind, values, origin.at).astype(np.float64)
        difference = np.frombuffer(new, kind, values, tensor.at).astype(np.float64) - old
        changed = int((difference != 0).sum())
        mean = float(np.abs(difference).mean())
    rescaled = len(tensor.scales)
    if len(origin.scales) == len(tensor.scales):
        rescaled = int((origin.scales != tensor.scales).sum())
    return Change(tensor.name, tensor.shape, values, changed, mean, len(tensor.scales), rescaled)
