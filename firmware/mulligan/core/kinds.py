"""The numbers of a patch's segments. Nothing but constants: the build puts them where they are used."""

# Kinds. The length of the first nine is in bytes, that of the others in words of 32 bits.
LITERAL = 0  # bytes as they are
DIRECT8 = 1  # the same, modelled as int8 weights
WIDE8 = 2  # the same, as int8 weights that are spread over all values
REPEAT = 3  # earlier bytes of the artifact
COPY = 4  # bytes of the base
ADD8 = 5  # bytes of the base, with differences
DRIFT8 = 6  # the same, modelled as int8 weights
PRUNE8 = 7  # the same, many of which became 0
SCALE8 = 8  # int8 weights of the base, rescaled by channel, with differences
ADD32 = 9  # words of the base, with differences
FLOAT32 = 10  # the same, modelled as float32
MULADD32 = 11  # int32 of the base, rescaled by channel, with differences
FLOATMUL = 12  # float32 of the base or of the artifact, times a constant, with differences
KINDS = 13

# Contexts of the numbers. A kind's is the kind before it.
LENGTH = 13  # + kind
DISTANCE = 26  # + kind
BACK = 26  # + kind: REPEAT has no distance, FLOATMUL has both, by DISTANCE + 0
LAYOUT = 27  # run and place; + 1: channels
FACTOR = 39  # of SCALE8; + 1 of MULADD32; FLOATMUL's are + 2 and + 3

# What a coder and the decoder of segments share is in the words of one state, of which those before DONE are the coder's own.
DONE = 20  # bytes of the artifact that are decoded
STOP = 21  # where in it the chunk ends
FILL = 22  # bytes of the piece
KIND = 23  # of the segment that goes on
LEFT = 24  # bytes that it has still to yield
PLACE = 25  # where in the base it goes on
BASE = 26  # bytes of the base
OLD = 27  # from which byte on the base, with the artifact behind it, is held, or NOWHERE
READ = 28  # whether there is the head of the next segment
FIRST = 29  # of the numbers that were read, three at most: a head is a kind, a length less one and what the kind has next
LAST = 32  # how far back the last match of a packet was, and
BEFORE = 33  # the one before that
REST = 34  # bytes that are left of it
OLD_END = 35  # which byte ends what is held from OLD on
SINCE = 36  # from where on the artifact went through the piece
STATE = 37

OLDS = 512  # bytes that are held, at most
NOWHERE = 1 << 29

# How far run() came.
HUNGRY = 0  # feed() must come first
OTHERS = 1  # to a segment that takes more than the coder has
FULL = 2  # to the end of the piece, or of the chunk

BLOCK = 256  # bytes of words decoded at once
PIECE = 1024  # bytes given to the sink at once
MAX_CHANNELS = 256
MAX_SIZE = 1 << 28  # of a base, an artifact and what stands for a part of one
UNIT8 = 1 << 16  # a factor of SCALE8 that changes nothing
UNIT32 = 1 << 28  # the same of MULADD32
MAX_FACTOR8 = 1 << 22
MAX_FACTOR32 = 1 << 31
