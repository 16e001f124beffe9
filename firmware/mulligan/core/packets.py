"""Bytes of patch tier 2 as packets: literals, and matches with what was before them, in the base and in the artifact.

The models are LZMA's (Igor Pavlov, "LZMA specification"; lc, lp and pb are 0), with two distances remembered in place of four. A
distance goes back through the artifact, as far as that is decoded, and on through the base, from its end. Each model is written
once for both directions, like those of ``entropy``; ``packets_viper`` has the kernel as machine code.
"""

from .contexts import (
    AGAIN,
    AT,
    LARGEST,
    LENGTH_MANTISSA,
    LENGTHS,
    LENGTHS_AGAIN,
    LIMIT,
    LITERAL,
    LONGER,
    MATCH,
    MATCHED,
    MATCHED_FROM,
    NONE,
    OTHER,
    PACKET,
    PENDING,
    SLOTS,
    TAILS,
)
from .entropy import Decoder, golomb
from .kinds import BASE, BEFORE, DONE, FILL, LAST, MAX_SIZE, OLD, OLD_END, PIECE, REST, SINCE


def literal(coder, likely, want):
    """A byte: its bits from the highest down, each modelled by those before it, and while these are so by those of ``likely``.

    likely: the byte with which the last match would go on, or NONE.
    """
    node = 1
    for i in range(7, -1, -1):
        b = want >> i & 1
        if likely == NONE:
            b = coder.bit(LITERAL + node, b)
        else:
            side = likely >> i & 1
            b = coder.bit(MATCHED + (side << 8) + node, b)
            if b != side:
                likely = NONE
        node = node << 1 | b
    return node & 0xFF


def match(coder, state, length, distance):
    """What follows the bit that says that there is a match: its length; LAST becomes its distance."""
    packet = state[PACKET]
    late = packet >= MATCHED_FROM
    if not coder.bit(AGAIN + packet, distance in (state[LAST], state[BEFORE])):
        length = _length(coder, LENGTHS, length)
        state[BEFORE] = state[LAST]
        state[LAST] = _distance(coder, min(length - 2, 3), distance)
        state[PACKET] = 10 if late else 7
        return length
    if coder.bit(OTHER + packet, distance == state[BEFORE] and distance != state[LAST]):
        distance = state[BEFORE]
        state[BEFORE] = state[LAST]
        state[LAST] = distance
    elif not coder.bit(LONGER + packet, length > 1):
        state[PACKET] = 11 if late else 9
        return 1
    state[PACKET] = 11 if late else 8
    return _length(coder, LENGTHS_AGAIN, length)


def _length(coder, unary, want):
    return min(golomb(coder, unary, LENGTH_MANTISSA, want - 2), MAX_SIZE - 1) + 2


def _distance(coder, group, want):
    """A distance: where its highest bit is, as a tree, by the length of the match; then the bits below, two of them modelled."""
    size = 0
    while want >> size > 1:
        size += 1
    node = 1
    for i in range(4, -1, -1):
        node = node << 1 | coder.bit(SLOTS + 32 * group + node, size >> i & 1)
    size = min(node & 31, LARGEST)
    value = 1
    for i in range(size - 1, -1, -1):
        b = want >> i & 1
        b = coder.bit(TAILS + 3 * size + value - 1, b) if value < 4 else coder.raw(b)
        value = value << 1 | b
    return value


def after_literal(packet):
    """What PACKET is after a literal."""
    return 0 if packet < 4 else packet - 3 if packet < 10 else packet - 6


def packets(_, __, ___, state, probs, data, target, to, old, count, reach):
    """Fill ``target[to:]`` with up to ``count`` bytes; how many.

    target: the piece, which begins with byte DONE - FILL of the artifact. old: what is held of the base with the artifact behind
    it; reach(at) has byte ``at`` of these held.
    """
    coder = Decoder(state, probs, data)
    flashed = state[DONE] - state[FILL]
    done = 0
    while done < count:
        packet = state[PACKET]
        if not state[REST] and packet < PENDING:
            if state[AT] > state[LIMIT]:
                break
            if coder.bit(MATCH + packet, 0):
                state[REST] = match(coder, state, 0, 0)
                continue
            packet += PENDING
        byte = NONE
        if state[REST] or packet >= PENDING + MATCHED_FROM:
            byte = _matched(state, target, old, reach, flashed, flashed + to + done)
        if state[REST]:
            state[REST] -= 1
        else:
            byte = literal(coder, byte, 0)
            state[PACKET] = after_literal(packet - PENDING)
        target[to + done] = byte
        done += 1
    return done


def _matched(state, target, old, reach, flashed, at):
    """The byte that stands LAST back from byte ``at`` of the artifact.

    Behind what the piece holds of the bytes from ``flashed`` on is still what it held PIECE bytes before.
    """
    place = at - state[LAST]
    if place >= flashed:
        return target[place - flashed]
    if place >= state[SINCE] and place + PIECE >= at:
        return target[place - flashed + PIECE]
    place += state[BASE]
    if not state[OLD] <= place < state[OLD_END]:
        reach(place)
    return old[place - state[OLD]]
