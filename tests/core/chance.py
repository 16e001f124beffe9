"""Numbers by chance, for tests in the common dialect."""


class Random:
    """The same on every machine: 31-bit linear congruences (numbers of glibc's TYPE_0)."""

    def __init__(self, seed):
        self.seed = seed

    def __call__(self, limit):
        self.seed = (self.seed * 1103515245 + 12345) & 0x7FFFFFFF
        return (self.seed >> 8) % limit

    def bytes(self, count):
        return bytearray([self(256) for _ in range(count)])
