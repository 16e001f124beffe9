"""The loop of ADD8 segments as machine code, for ports with a native emitter. The plain form is in add8.py."""

import micropython


@micropython.viper
def add8(target: ptr8, base: ptr8, count: int):
    i = 0
    while i < count:
        target[i] = target[i] + base[i]
        i += 1
