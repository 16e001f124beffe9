"""The machine of p256_field in plain integers: the registers a to z, each below p, then p, then 2**-260."""


def registers(p):
    """New registers: i is 1, k is 2**260, the others are 0."""
    values = [0] * 26 + [p, pow(1 << 260, p - 2, p)]
    values[8] = 1
    values[10] = (1 << 260) % p
    return values


def run(registers, program, at, inputs):
    """See p256_field."""
    p, unscale = registers[26:]
    for i in range(0, len(program) - 1, 6):
        op = program[i + 3]
        if op == 110:  # "n"
            start = at + 32 * (program[i + 4] - 48)
            value = int.from_bytes(inputs[start : start + 32], "big") * unscale % p
        else:
            a = registers[program[i + 2] - 97]
            b = registers[program[i + 4] - 97] << (program[i + 5] & 7)
            value = (a * b if op == 42 else a + b if op == 43 else a - b) % p
        registers[program[i] - 97] = value
        check = program[i + 1]
        if (check == 63 and value) or (check == 33 and not value):  # "?", "!"
            return 0
    return 1
