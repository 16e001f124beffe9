"""Verify the signatures in a file in every way there is: imported on CPython, and a program on MicroPython.

The file: u8 number of keys; for each its 64 bytes, u16 length of its table, and the table. Then cases to the end: u8 key (255:
its 64 bytes follow the hint), u8 whether the signature is good, digest, signature, u16 length of the hint, the hint.
"""

import struct
import sys


def run(path):
    """[verifications, wrong ones, cases decided by slopes]."""
    from mulligan.core import p256, p256_comb

    done = wrong = cases = 0
    with open(path, "rb") as file:
        keys = []
        for _ in range(file.read(1)[0]):
            public, length = struct.unpack("<64sH", file.read(66))
            keys.append((public, p256.Key(public, file.read(length))))
        hinted_has_x = p256_comb.Table.hinted_has_x
        decided = []

        def watched(self, *args):
            found = hinted_has_x(self, *args)
            decided.append(found is not None)
            return found

        p256_comb.Table.hinted_has_x = watched
        try:
            while True:
                head = file.read(100)
                if not head:
                    break
                number, good, digest, signature, length = struct.unpack("<BB32s64sH", head)
                hint = file.read(length)
                public, key = keys[number] if number != 255 else (file.read(64), None)
                results = [key.verify(digest, signature), key.verify(digest, signature, hint)] if key else []
                if key is None or cases % 4 == 0:
                    results.append(p256.verify(public, digest, signature))
                done += len(results)
                wrong += sum([result is not bool(good) for result in results])
                cases += 1
        finally:
            p256_comb.Table.hinted_has_x = hinted_has_x
    return [done, wrong, sum(decided)]


if sys.implementation.name == "micropython" and len(sys.argv) == 3:
    sys.path[:] = [sys.argv[1], ".frozen"]
    print(*run(sys.argv[2]))
