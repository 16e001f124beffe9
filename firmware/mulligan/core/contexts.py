"""Patch tier 2: what its models remember, and where. The models: ``entropy``; the bytes: docs/SPEC.md, "Patch, tier 2"."""

from array import array

# Indices of the coder's state, 32-bit words before those of ``kinds``. WORDS: for each of four sets of words, whether its last
# difference was not 0, and how many bits it had.
RANGE, CODE, AT, END, LIMIT, RATE, MEAN, CLASS, SIGN, PRUNED, CHANGED, WORDS = range(12)

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
COUNT = MANTISSA + 72
ROOM = 2 * COUNT  # bytes of them all

HALF = 8192 << 2  # a probability before its first use

#: For weights: classes of the running mean of |difference| end at these, in 1/64; then the shift of each one's Golomb code.
TABLES = array(
    "H",
    (
        1, 3, 6, 11, 18, 27, 38, 52, 72, 100, 140, 200, 300, 480, 900, 1600, 2600, 65535,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 3,
    ),
)  # fmt: skip
