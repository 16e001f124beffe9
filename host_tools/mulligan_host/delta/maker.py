"""Making a patch: every strategy in every tier, and of each chunk the smallest."""

from binascii import crc32
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from struct import pack

from mulligan.core import chunks, kinds, patch
from mulligan_host.errors import HostError

from . import coders, deflate, matching, model, repeats, tflite
from .container import apply
from .packer import Packer
from .segment import Segment, cut, merged

CHUNK_BITS = 15  # of a patch, at least: 32 KiB, which costs next to nothing against one stream
FULL_CHUNK_BITS = 12  # of a full artifact, at least, as that is long: a lost link then costs one flash sector
MAX_ARTIFACT: int = patch.MAX_CHUNKS << patch.MAX_CHUNK_BITS
RATES = (5, 4, 6)  # the first is that by which strategies are compared
_COPY_FROM = 1000  # equal bytes in a row that are worth a segment of their own
_PARSE_SAVES = 0.88  # of what zlib gives: what the optimal parse comes to at best
_SMALL = 24 * 1024  # bytes of a model that packets alone may say better than tensors
_SAMPLE = 4096  # bytes of a segment that its price is taken from

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Made:
    """A patch, its tier, and what each (tier, strategy) alone would give, less the container: tier 1 by zlib."""

    data: bytes
    tier: int
    sizes: dict[tuple[int, str], int]


@lru_cache(maxsize=16)
def make(base: bytes, new: bytes, tiers: tuple[int, ...] | None = None) -> bytes:
    """Return the smallest patch that turns ``base`` into ``new``; an empty base gives the full artifact, compressed.

    The same input gives the same bytes, so the last ones are kept. Raises: HostError for an empty or a huge artifact.
    """
    return compare(base, new, tiers).data


def compare(base: bytes, new: bytes, tiers: Iterable[int] | None = None, progress: Progress = lambda what: None) -> Made:
    """Make the patch, by the best of ``tiers``, and tell what others would give; ``progress`` hears what is being done.

    Without a base only tier 1 is tried: the full artifact is what every device must be able to take, in little memory.
    Raises: HostError.
    """
    if not 0 < len(new) <= MAX_ARTIFACT:
        raise HostError(f"an artifact of {len(new)} bytes cannot be patched: 1 to {MAX_ARTIFACT}")
    bits = max(CHUNK_BITS if base else FULL_CHUNK_BITS, ((len(new) - 1) // patch.MAX_CHUNKS).bit_length())
    planner = _Strategies(base, new, progress)
    sizes: dict[tuple[int, str], int] = {}
    found: list[tuple[int, int, list[bytes]]] = []
    streams: dict[
        tuple[int, tuple[Segment, ...]], bytes
    ] = {}  # of tier 2: strategies have chunks in common, and the last is again

    def ranged(rate: int, chunk: list[Segment]) -> bytes:
        key = rate, tuple(chunk)
        if key not in streams:
            streams[key] = _stream(patch.TIER_RANGE, rate, chunk, base, new, planner.packer)
        return streams[key]

    for tier in tiers or ((patch.TIER_RANGE, patch.TIER_DEFLATE) if base else (patch.TIER_DEFLATE,)):
        best: dict[int, tuple[int, list[Segment]]] = {}
        for name, segments in planner.of(tier):
            progress(f"tier {tier}, {name}")
            chunks = [list(cut(segments, at, min(at + (1 << bits), len(new)))) for at in range(0, len(new), 1 << bits)]
            total = 0
            for index, chunk in enumerate(chunks):
                size = len(ranged(RATES[0], chunk)) if tier == patch.TIER_RANGE else _quick(tier, chunk, base, new)
                total += size
                if index not in best or size < best[index][0]:
                    best[index] = size, chunk
            sizes[tier, name] = total
        least = sum(size for size, _ in best.values())
        if tier == patch.TIER_DEFLATE and found and least * _PARSE_SAVES > min(sum(map(len, bodies)) for _, _, bodies in found):
            continue
        progress(f"tier {tier}, final")
        program = [best[index][1] for index in sorted(best)]
        if tier == patch.TIER_RANGE:
            found += [(tier, rate, [ranged(rate, chunk) for chunk in program]) for rate in RATES]
        else:
            found.append((tier, 0, [_stream(tier, 0, chunk, base, new) for chunk in program]))
    tier, rate, bodies = min(found, key=lambda entry: sum(map(len, entry[2])))
    data = _assemble(tier, rate, bits, bodies, base, new)
    progress("verifying")
    if apply(base, data) != new:
        raise HostError("the patch just made does not yield its artifact: please report this, with both files")
    return Made(data, tier, sizes)


class _Strategies:
    """The programs worth trying for one pair. What they share is found once."""

    def __init__(self, base: bytes, new: bytes, progress: Progress) -> None:
        self._base = base
        self._new = new
        self._whole = [Segment(kinds.LITERAL, 0, len(new))]
        self._plain: list[Segment] = []  # what any tier has
        self.packer: Packer | None = None  # of tier 2
        self._planner: model.Planner | None = None
        if base:
            progress("matching bytes")
            self._places = matching.positions(base, new)
            old_model, new_model = tflite.find(base), tflite.find(new)
            if old_model and new_model:
                progress("matching tensors")
                self._planner = model.Planner(base, new, old_model, new_model, self._places)

    def of(self, tier: int) -> Iterator[tuple[str, list[Segment]]]:
        """Yield (name, segments that cover the artifact) for ``tier``."""
        size = len(self._new)
        plan = self._planner.plan(lambda segment: _price(tier, segment, self._base, self._new)) if self._planner else None
        packed = list(merged(self._packed(plan))) if plan else self._whole
        if tier == patch.TIER_DEFLATE:
            yield "full", self._whole
        else:
            self.packer = Packer(self._base, self._new, [(s.at, s.end) for s in packed if s.kind == kinds.LITERAL])
            if not plan or size <= _SMALL:
                yield "packets", self._whole
        if not self._base:
            return
        if not self._plain:
            self._plain = list(merged(model.by_places(self._base, self._new, self._places, 0, size, _COPY_FROM)))
        yield "bytes", self._plain
        if tier == patch.TIER_DEFLATE:
            yield "bytes, repeats", self._repeated(self._plain)
        if plan:
            typed = list(merged(self._filled(plan)))
            yield "tensors", typed
            if tier == patch.TIER_DEFLATE:
                yield "tensors, repeats", self._repeated(typed)
            else:
                yield "tensors, packets", packed

    def _filled(self, plan: model.Plan) -> Iterator[Segment]:
        """Yield the plan's segments, and between them those of the matching of bytes."""
        at = 0
        for segment in plan.segments:
            yield from model.by_places(self._base, self._new, plan.places, at, segment.at, _COPY_FROM)
            yield segment
            at = segment.end
        yield from model.by_places(self._base, self._new, plan.places, at, len(self._new), _COPY_FROM)

    def _packed(self, plan: model.Plan) -> Iterator[Segment]:
        """Yield the plan's segments, and a literal wherever there is a gap."""
        at = 0
        for segment in [*plan.segments, Segment(kinds.LITERAL, len(self._new), 0)]:
            if at < segment.at:
                yield Segment(kinds.LITERAL, at, segment.at - at)
            if segment.length:
                yield segment
            at = segment.end

    def _repeated(self, segments: list[Segment]) -> list[Segment]:
        """Split literals into what repeats and what doesn't."""
        finder = repeats.Repeats(self._base, self._new)
        found: list[Segment] = []
        position = 0
        for segment in segments:
            found += finder.split(segment, position) if segment.kind == kinds.LITERAL else [segment]
            if found[-1].based:
                position = found[-1].base + found[-1].length
        return list(merged(found))


def _price(tier: int, segment: Segment, base: bytes, new: bytes) -> float:
    """About how many bytes a segment costs by itself, from its first bytes where it is long."""
    share = 1.0
    if segment.length > _SAMPLE and segment.kind != kinds.COPY and tier == patch.TIER_RANGE:
        share = segment.length / _SAMPLE
        segment = segment.part(segment.at, segment.at + _SAMPLE)
    return share * _quick(tier, [segment], base, new)


def _quick(tier: int, segments: list[Segment], base: bytes, new: bytes) -> int:
    """How long the stream of a chunk is, or, in tier 1, about to be."""
    if tier == patch.TIER_RANGE:
        return len(_stream(tier, RATES[0], segments, base, new))
    return len(deflate.quick(_inflated(segments, base, new)))


def _stream(tier: int, rate: int, segments: list[Segment], base: bytes, new: bytes, packer: Packer | None = None) -> bytes:
    """Return the stream of a chunk."""
    if tier == patch.TIER_DEFLATE:
        return deflate.deflate(_inflated(segments, base, new))
    encoder = coders.Encoder(rate, packer)
    coders.write(encoder, segments, base, new)
    return encoder.finish()


def _inflated(segments: list[Segment], base: bytes, new: bytes) -> bytes:
    writer = coders.Deflated()
    coders.write(writer, segments, base, new)
    return bytes(writer.data)


def _assemble(tier: int, rate: int, bits: int, bodies: list[bytes], base: bytes, new: bytes) -> bytes:
    """Return the patch of these chunks."""
    table = b"".join(
        pack(patch.TABLE_ENTRY, len(body), chunks.check(sha256(new[index << bits : index + 1 << bits])))
        for index, body in enumerate(bodies)
    )
    digests = sha256(base).digest(), sha256(new).digest()
    head = pack(patch.HEADER, patch.MAGIC, patch.VERSION, tier, bits, rate, len(base), len(new), *digests, 0)[:-4]
    return head + pack("<I", crc32(table, crc32(head))) + table + b"".join(bodies)
