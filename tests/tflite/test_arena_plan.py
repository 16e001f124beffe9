"""The planner's one promise, over random lifetimes: what is alive together never overlaps, but as a kernel allows it."""

from mulligan.tflite.codes import BEFORE
from mulligan.tflite.plan import place
from tflite.models import Random


def allowed(blocks, offsets, out, i):
    """Whether block ``out`` may lie over block ``i`` as it does."""
    first, _, size, source, how = blocks[out]
    if source != i or blocks[i][1] != first:
        return False
    begin, end = offsets[out] - offsets[i], offsets[out] + size - offsets[i] - blocks[i][2]
    return end <= 0 and (begin <= 0 if how == BEFORE else begin >= 0 and begin % how == 0)


def check(blocks):
    offsets, total = place(blocks)
    for i, (first, last, size, _, _) in enumerate(blocks):
        assert offsets[i] % 4 == 0 and 0 <= offsets[i] and offsets[i] + size <= total
        for j in range(i):
            other = blocks[j]
            if first <= other[1] and other[0] <= last and not (allowed(blocks, offsets, i, j) or allowed(blocks, offsets, j, i)):
                assert offsets[i] + size <= offsets[j] or offsets[j] + other[2] <= offsets[i]
    return total


def test_nothing_overlaps():
    random = Random(3)
    for _ in range(200):
        blocks = []
        for i in range(random.between(1, 14)):
            first = random.below(12)
            size = random.between(1, 400)
            source, how = None, 0
            if i and random.below(3):
                source = random.below(i)
                if blocks[source][1] > blocks[source][0]:
                    first = blocks[source][1]
                how = (BEFORE, 1, 4, 6)[random.below(4)]
                if how > 0:
                    size = min(size, blocks[source][2])
            blocks.append((first, first + random.below(6), size, source, how))
        total = check(blocks)
        assert total <= sum([(b[2] + 3) & -4 for b in blocks])


def test_memory_is_used_again():
    # A chain, each block read by the next step only: never more than two at a time.
    assert check([(i, i + 1, 100, None, 0) for i in range(20)]) == 200
    # A gap between two others is filled.
    assert check([(0, 0, 64, None, 0), (0, 3, 32, None, 0), (1, 3, 64, None, 0), (1, 2, 16, None, 0)]) <= 112


def test_an_output_lies_over_its_input():
    # Depthwise and pointwise layers in turn, as mobile networks have them: never more than the largest of them.
    chain = [(0, 1, 96, None, 0), (1, 2, 96, 0, 8), (2, 3, 192, 1, BEFORE), (3, 4, 48, 2, 8), (4, 5, 96, 3, BEFORE),
             (5, 6, 96, 4, 8), (6, 7, 24, 5, 8), (7, 8, 200, 6, BEFORE), (8, 9, 200, 7, 8)]  # fmt: skip
    assert check(chain) == 200
    # Not where the input is read again later.
    assert check([(0, 2, 100, None, 0), (1, 2, 100, 0, 8)]) == 200
    assert check([(0, 2, 100, None, 0), (1, 2, 100, 0, BEFORE)]) == 200
