"""Read the texts in a file with the strict reader: imported on CPython, and a program on MicroPython.

A line is a text in hex, a blank, and what it says as spelled() gives it; "refused" for one that is to be refused.
"""

import sys
from binascii import hexlify, unhexlify


def spelled(value):
    """A value of JSON in one word, the same on every Python: strings are hex, members are in order, and 1 is not True."""
    if isinstance(value, dict):
        return "{" + ",".join(sorted([spelled(key) + ":" + spelled(item) for key, item in value.items()])) + "}"
    if isinstance(value, list):
        return "[" + ",".join([spelled(item) for item in value]) + "]"
    return '"' + hexlify(value.encode()).decode() if isinstance(value, str) else str(value)


def run(path):
    """[texts, those that were taken, lines that are wrong]."""
    from mulligan.core import strictjson
    from mulligan.core.errors import FormatError

    texts = taken = 0
    wrong = []
    with open(path) as file:
        for line in file:
            raw, _, expected = line.strip("\n").partition(" ")
            try:
                found = spelled(strictjson.loads(unhexlify(raw)))
                taken += 1
            except FormatError:
                found = "refused"
            texts += 1
            if found != expected:
                wrong.append((unhexlify(raw), expected, found))
    return [texts, taken, wrong]


if sys.implementation.name == "micropython" and len(sys.argv) == 3:
    sys.path[:] = [sys.argv[1], ".frozen"]
    print(*run(sys.argv[2]))
