"""The machine of p256_field in plain integers: the registers a to z, then p, then 2**-260.

A program becomes a function of Python's own when it is first run, as looking at each instruction again takes longer than what it
does. Sums and differences stay as large as they come, and are reduced by the next product or check.
"""

_functions = {}  # of each program that was run


def registers(p):
    """New registers: i is 1, k is 2**260, the others are 0."""
    values = [0] * 26 + [p, pow(1 << 260, p - 2, p)]
    values[8] = 1
    values[10] = (1 << 260) % p
    return values


def run(registers, program, at, inputs):
    """See p256_field."""
    if program not in _functions:
        _functions[program] = _function(program)
    return _functions[program](registers, at, inputs)


def _function(program):
    """What ``program`` says, as a function of (registers, at, inputs)."""
    lines = ["def run(r, at, inputs):", " p, unscale = r[26:]"]
    for i in range(0, len(program) - 1, 6):
        to, check, a, op, b, shift = program[i : i + 6]
        to = "r[{}]".format(to - 97)
        if op == 110:  # "n"
            start = 32 * (b - 48)
            value = 'int.from_bytes(inputs[at + {} : at + {}], "big") * unscale % p'.format(start, start + 32)
        else:
            value = "r[{}] {} r[{}]".format(a - 97, chr(op), b - 97)
            if op == 42:  # "*"
                value += " % p"
            elif shift & 7:
                value += " * {}".format(1 << (shift & 7))
        lines.append(" {} = {}".format(to, value))
        if check != 61:  # "?" or "!", not "="
            lines.append(" if {}{} % p: return 0".format("not " * (check == 33), to))
    made = {}
    exec("\n".join(lines + [" return 1"]), made)
    return made["run"]
