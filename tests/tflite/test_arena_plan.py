"""The planner's one promise, over random lifetimes: what is alive together never overlaps."""

from mulligan.tflite.arena import place
from tflite.models import Random


def check(blocks):
    offsets, total = place(blocks)
    for i, (first, last, size) in enumerate(blocks):
        assert offsets[i] % 4 == 0 and 0 <= offsets[i] and offsets[i] + size <= total
        for j in range(i):
            other = blocks[j]
            if first <= other[1] and other[0] <= last:
                assert offsets[i] + size <= offsets[j] or offsets[j] + other[2] <= offsets[i]
    return total


def test_nothing_overlaps():
    random = Random(3)
    for _ in range(150):
        blocks = []
        for _ in range(random.between(1, 14)):
            first = random.below(12)
            blocks.append((first, first + random.below(6), random.between(1, 400)))
        total = check(blocks)
        assert total <= sum([(b[2] + 3) & -4 for b in blocks])
        assert total >= max([sum([b[2] for b in blocks if b[0] <= t <= b[1]]) for t in range(18)])


def test_memory_is_used_again():
    # A chain, each block read by the next step only: never more than two at a time.
    assert check([(i, i + 1, 100) for i in range(20)]) == 200
    # A gap between two others is filled.
    assert check([(0, 0, 64), (0, 3, 32), (1, 3, 64), (1, 2, 16)]) <= 112
