"""Where the state and the codes of a raw deflate stream are kept. Nothing but constants: the build puts them where they are used.

codes is an array of 16-bit words with two tables: of literals and lengths, from 0 on, and of distances, from DISTANCES on. A
table has 1 << width entries, looked up by so many bits of the input: value << 4 | length of the code. Where that is longer, or
there is none, LONG is set, and in place of the value stands what was looked up, its bits in the order of the code. 16 words
follow with how many codes there are of each length; then the first code that is longer than width, and where its value stands,
counted from these 16 words; then the values, in the order of their codes.
"""

# Indices of the state, 32-bit words before those of ``kinds``: bits that were taken from the input and not used, and how many;
# where the input goes on, where it ends, and behind what place no symbol is begun; how many bytes of output there were; whether a
# block goes on; of the match that goes on, how many bytes are left, and how far back it is: 0 for bytes of the input itself; from
# what place of the input on feed() must come before a number; how many numbers there are of those that are being read, what there
# is of the next one, and how many bits of it; where in the piece the bytes go that are asked for, where in what is held of the
# base those are that they are added to, and how many of them are still to come: but for words, none between two calls.
BITS = 0
HELD = 1
AT = 2
END = 3
LIMIT = 4
MADE = 5
OPEN = 6
LENGTH = 7
BACK = 8
LOW = 9
COUNT = 10
VALUE = 11
SHIFT = 12
TO = 13
FROM = 14
MANY = 15

PLAIN = 0  # what symbols are for: bytes
ADDED = 1  # bytes that are added to others
NUMBERS = 2
RUN = 3  # segments, as many as can be executed out of the stream and of what is held of the base

WINDOW_BITS = 10  # all the memory that a decoder on a small device has to give
WINDOW = 1 << WINDOW_BITS
WIDTH = 9  # bits that the table of literals and lengths is looked up by
LENGTHS_WIDTH = 7  # the same while there is the table of the lengths of codes in its place
DISTANCE_WIDTH = 5
LONG = 0x8000
FIRST_DISTANCE = 288  # values: bytes, 256 for the end of a block, lengths, and from here on distances
DISTANCES = (1 << WIDTH) + 18 + FIRST_DISTANCE
CODES = DISTANCES + (1 << DISTANCE_WIDTH) + 18 + 32
