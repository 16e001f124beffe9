"""The numbers of a patch's segments. Nothing but constants: the build puts them where they are used."""

# Kinds. The length of the first eight is in bytes, that of the others in words of 32 bits.
LITERAL = 0  # bytes as they are
DIRECT8 = 1  # the same, modelled as int8 weights
REPEAT = 2  # earlier bytes of the artifact
COPY = 3  # bytes of the base
ADD8 = 4  # bytes of the base, with differences
DRIFT8 = 5  # the same, modelled as int8 weights
PRUNE8 = 6  # the same, many of which became 0
SCALE8 = 7  # int8 weights of the base, rescaled by channel, with differences
ADD32 = 8  # words of the base, with differences
FLOAT32 = 9  # the same, modelled as float32
MULADD32 = 10  # int32 of the base, rescaled by channel, with differences
FLOATMUL = 11  # float32 of the base or of the artifact, times a constant, with differences
KINDS = 12

# Contexts of the numbers. A kind's is the kind before it.
LENGTH = 12  # + kind
DISTANCE = 24  # + kind
BACK = 24  # + kind: REPEAT has no distance, FLOATMUL has both, by DISTANCE + 0
LAYOUT = 25  # run and place; + 1: channels
FACTOR = 36  # of SCALE8; + 1 of MULADD32; FLOATMUL's are + 2 and + 3

BLOCK = 256  # bytes of words decoded at once
PIECE = 1024  # bytes given to the sink at once
MAX_CHANNELS = 256
MAX_SIZE = 1 << 28  # of a base, an artifact and what stands for a part of one
UNIT8 = 1 << 16  # a factor of SCALE8 that changes nothing
UNIT32 = 1 << 28  # the same of MULADD32
MAX_FACTOR8 = 1 << 22
MAX_FACTOR32 = 1 << 31
