"""The machine of p256_field as machine code. The plain form is in p256_plain.py.

A field element is 20 limbs of 13 bits, the lowest first, in words of 32 bits: v * 2**260 modulo p, from 0 to a bit over 2p. A
product of two limbs has 26 bits, so a column of 20 of them stays below 2**31, and nothing is carried while a product adds up. As
p is -1 modulo 2**96, the multiple of p that Montgomery's reduction adds is given by the lowest limb itself, and p + 1 =
2**256 - 2**224 + 2**192 + 2**96 makes it a few shifts (Montgomery, 1985).

In memory: the registers a to z, then p, then room for a product. None of it is allocated while a program runs.
"""

import micropython


def registers(p):
    """New registers: i is 1, k is 2**260, the others are 0."""
    words = bytearray(4 * 580)
    numbers = b"".join([n.to_bytes(32, "big") for n in (p, (1 << 260) % p, (1 << 520) % p)])
    run(words, b"{=in0 i=in1 k=in2 .", 0, numbers)
    return words


@micropython.viper
def run(t: ptr32, b: ptr32, a0: int, inputs: ptr8) -> int:
    """run(registers, program, at, inputs): see p256_field. The names are those of later use: the first three locals are fast."""
    registers = t
    scratch = ptr32(int(t) + 80 * 27)
    p = ptr32(int(t) + 80 * 26)
    program = ptr8(b)
    inputs = ptr8(int(inputs) + a0)
    while program[0] != 46:  # "."
        r = ptr32(int(registers) + (program[0] - 97) * 80)
        op = program[3]
        c = 0
        if op == 110:  # "n": load 32 bytes
            q = ptr8(int(inputs) + ((program[4] - 48) << 5) + 31)
            bits = 0
            i = 0
            while i < 19:
                while bits < 13:
                    c |= q[0] << bits
                    q = ptr8(int(q) - 1)
                    bits += 8
                r[i] = c & 8191
                c >>= 13
                bits -= 13
                i += 1
            r[19] = c | q[0] << bits
        else:
            a = ptr32(int(registers) + (program[2] - 97) * 80)
            b = ptr32(int(registers) + (program[4] - 97) * 80)
            if op == 42:  # "*"
                t = scratch
                i = 0
                while i < 19:
                    t[i] = 0
                    i += 1
                while i > 9:
                    a0 = a[0]
                    a1 = a[1]
                    t[0] = t[0] + a0 * b[0]
                    t[1] = t[1] + a0 * b[1] + a1 * b[0]
                    t[2] = t[2] + a0 * b[2] + a1 * b[1]
                    t[3] = t[3] + a0 * b[3] + a1 * b[2]
                    t[4] = t[4] + a0 * b[4] + a1 * b[3]
                    t[5] = t[5] + a0 * b[5] + a1 * b[4]
                    t[6] = t[6] + a0 * b[6] + a1 * b[5]
                    t[7] = t[7] + a0 * b[7] + a1 * b[6]
                    t[8] = t[8] + a0 * b[8] + a1 * b[7]
                    t[9] = t[9] + a0 * b[9] + a1 * b[8]
                    t[10] = t[10] + a0 * b[10] + a1 * b[9]
                    t[11] = t[11] + a0 * b[11] + a1 * b[10]
                    t[12] = t[12] + a0 * b[12] + a1 * b[11]
                    t[13] = t[13] + a0 * b[13] + a1 * b[12]
                    t[14] = t[14] + a0 * b[14] + a1 * b[13]
                    t[15] = t[15] + a0 * b[15] + a1 * b[14]
                    t[16] = t[16] + a0 * b[16] + a1 * b[15]
                    t[17] = t[17] + a0 * b[17] + a1 * b[16]
                    t[18] = t[18] + a0 * b[18] + a1 * b[17]
                    t[19] = a0 * b[19] + a1 * b[18]
                    t[20] = a1 * b[19]
                    m = t[0] & 8191
                    t[1] = t[1] + (t[0] >> 13)
                    t[7] = t[7] + (m << 5)
                    t[14] = t[14] + (m << 10)
                    t[17] = t[17] + (m << 13) - (m << 3)
                    t[18] = t[18] + (m << 13) - m
                    t[19] = t[19] + (m << 9) - m
                    m = t[1] & 8191
                    t[2] = t[2] + (t[1] >> 13)
                    t[8] = t[8] + (m << 5)
                    t[15] = t[15] + (m << 10)
                    t[18] = t[18] + (m << 13) - (m << 3)
                    t[19] = t[19] + (m << 13) - m
                    t[20] = t[20] + (m << 9) - m
                    t = ptr32(int(t) + 8)
                    a = ptr32(int(a) + 8)
                    i -= 1
                i = 0
                while i < 19:
                    c += t[i]
                    r[i] = c & 8191
                    c >>= 13
                    i += 1
                r[19] = c
            else:  # "+", "-": the sum, less p as often as leaves about p to 2p
                s = 0
                if op == 45:
                    s = -1
                bits = program[5] & 7
                n = ((a[19] + ((b[19] << bits) ^ s) - s) >> 9) - 1
                i = 0
                while i < 20:
                    c += a[i] + ((b[i] << bits) ^ s) - s - n * p[i]
                    r[i] = c & 8191
                    c >>= 13
                    i += 1
        if program[1] != 61:  # "=": nothing to check
            s = 0
            c = 0
            n = 0 - r[0] & 8191  # how many times p it is, if any
            if n > 2:
                s = 1
            else:
                i = 0
                while i < 20:
                    c += r[i] - n * p[i]
                    s |= c & 8191
                    c >>= 13
                    i += 1
            if program[1] == 63:  # "?": must be 0
                if s:
                    return 0
            elif s == 0:  # "!": must not
                return 0
        program = ptr8(int(program) + 6)
    return 1
