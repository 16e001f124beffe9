"""What a verification may cost, on ports with machine code: ratios of processor time in one run, and heap."""

import gc
import sys
import time
from hashlib import sha256

from core.shamir import comb_hint, comb_table, combs, multiple, raw, sign
from core.shamir import verify as joint_shamir
from mulligan.core import p256, p256_field, p256_plain

HEAP = "512k"
CLOCK = getattr(time, "clock", None) or getattr(time, "ticks_us", None)  # the first is the processor's, of this process alone
DIGEST = sha256(b"sample").digest()
PRIVATE = 0xC0FFEE << 200 | 12345


def pinned():
    """(public key, pinned key, signature, hint), with a table of 2 KB."""
    point = multiple(PRIVATE)
    both = combs(point, 5)
    signature = sign(PRIVATE, 2**200 + 3, int.from_bytes(DIGEST, "big"))
    return raw(*point), p256.Key(raw(*point), comb_table(both)), signature, comb_hint(both, DIGEST, signature)


def costs(*runs):
    """What each (function, times) takes at best. They take turns, so that a machine that is busy for a while is so for all."""
    best = [None] * len(runs)
    for _ in range(5):
        for i, (verify, times) in enumerate(runs):
            gc.collect()
            start = CLOCK()
            for _ in range(times):
                assert verify()
            spent = (CLOCK() - start) / times
            best[i] = spent if best[i] is None or spent < best[i] else best[i]
    return best


def test_how_much_faster_than_joint_shamir():
    if p256_field.run is p256_plain.run:
        return
    public, key, signature, hint = pinned()
    base, plain, table, short, whole = costs(
        (lambda: joint_shamir(public, DIGEST, signature), 10),
        (lambda: p256.verify(public, DIGEST, signature), 20),
        (lambda: key.verify(DIGEST, signature), 40),
        (lambda: key.verify(DIGEST, signature, hint[:32]), 40),
        (lambda: key.verify(DIGEST, signature, hint), 80),
    )
    assert base > 1.5 * plain
    assert base > 4 * table
    assert base > 5 * short
    assert base > 8 * whole


def test_nothing_calls_itself():
    if not hasattr(sys, "setprofile"):
        return
    running, deepest = [], [0]

    def watch(frame, event, _):
        if event == "call":
            assert frame.f_code not in running, frame.f_code
            running.append(frame.f_code)
            deepest[0] = max(deepest[0], len(running))
        elif event == "return" and running:
            running.pop()

    public, key, signature, hint = pinned()
    sys.setprofile(watch)
    try:
        assert p256.verify(public, DIGEST, signature) and key.verify(DIGEST, signature) and key.verify(DIGEST, signature, hint)
    finally:
        sys.setprofile(None)
    assert 4 < deepest[0] < 9


def test_12_kb_of_heap_are_enough():
    if not hasattr(gc, "mem_free"):
        return
    public, key, signature, hint = pinned()
    room = bytearray(12 * 1024)
    ballast = None
    size = 1 << 18
    while size:  # all that is free but the room
        try:
            ballast = bytearray(size), ballast
        except MemoryError:
            size //= 2
    del room
    gc.collect()
    assert gc.mem_free() < 13 * 1024
    assert key.verify(DIGEST, signature) and key.verify(DIGEST, signature, hint) and p256.verify(public, DIGEST, signature)
    assert not key.verify(DIGEST, raw(1, 1), hint)
