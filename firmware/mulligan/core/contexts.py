"""Patch tier 2: what its models remember, and where. Nothing but constants: the build puts them where they are used.

The models: ``entropy`` and ``packets``; the bytes: docs/SPEC.md, "Patch".
"""

# Indices of the coder's state, 32-bit words before those of ``kinds``. WORDS: for each of four sets of words, whether its last
# difference was not 0, and how many bits it had. PACKET: what the last packets were, as LZMA's state says.
RANGE = 0
CODE = 1
AT = 2
END = 3
LIMIT = 4
RATE = 5
MEAN = 6
CLASS = 7
SIGN = 8
PRUNED = 9
CHANGED = 10
WORDS = 11
PACKET = 19
MATCHED_FROM = 7  # PACKET from here on: the last one was a match
NONE = 256  # no byte
PENDING = 12  # more than PACKET, where it is known that a literal comes

# Where the probabilities of each model begin, 16-bit words.
WEIGHTS = 0  # two sets, with a base and without: a class of the mean takes 32, the signs of the set 9
SIGNS = 18 * 32
WEIGHT = SIGNS + 9
PRUNE = 2 * WEIGHT  # min(|old|, 63), the last two
DIFFERENCE = PRUNE + 64 * 4  # a flag by history and position, then two trees
LITERAL = DIFFERENCE + 128 * 4 + 2 * 256  # a tree
WIDE = LITERAL + 256  # a tree of four bits
WORD = WIDE + 16  # four sets: 2 flags, a sign, bits of the number by eight sizes of the last, 72 of its mantissa
WORD_SET = 3 + 8 * 24 + 72
NUMBER = WORD + 4 * WORD_SET  # 24 for the bits of each kind of number, one mantissa for all
NUMBERS = 43
MANTISSA = NUMBER + 24 * NUMBERS
MATCH = MANTISSA + 72  # of packets, 12 for each of four flags: whether there is a match,
AGAIN = MATCH + 12  # whether of a distance that is remembered,
OTHER = AGAIN + 12  # whether of BEFORE,
LONGER = OTHER + 12  # whether of more than one byte
LENGTHS = LONGER + 12  # 24 for new distances,
LENGTHS_AGAIN = LENGTHS + 24  # and for remembered ones; one mantissa
LENGTH_MANTISSA = LENGTHS_AGAIN + 24
SLOTS = LENGTH_MANTISSA + 72  # a tree of five bits for each of four lengths
TAILS = SLOTS + 4 * 32  # the first two bits of distances, by their size
LARGEST = 28  # of these sizes
MATCHED = TAILS + 3 * (LARGEST + 1)  # two trees
COUNT = MATCHED + 2 * 256
ROOM = 2 * COUNT  # bytes of them all

HALF = 8192 << 2  # a probability before its first use
