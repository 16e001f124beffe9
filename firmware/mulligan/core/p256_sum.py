"""A running sum of points of P-256, in Jacobian coordinates (x, y, z) for the point (x / z**2, y / z**3).

Formulas: Explicit-Formulas Database, dbl-2001-b (8 multiplications) and madd-2007-bl (11), for a = -3. The language is that of
p256_field. Only public data is handled, so nothing here is constant time.
"""

from .p256_curve import G, P, scaled
from .p256_field import registers, run
from .p256_programs import ADD, DOUBLE, HAS_X, OPPOSITE, START, SUBTRACT


class Sum:
    """Begins at infinity."""

    def __init__(self):
        self.registers = registers(P)
        self.infinite = True

    def double(self):
        if not self.infinite:
            run(self.registers, DOUBLE, 0, b"")

    def add(self, points, at, negative=False):
        """Add the scaled point at offset ``at`` of ``points``, or its negative: equal, opposite and infinite operands too."""
        if self.infinite:
            run(self.registers, START, at, points)
            if negative:
                run(self.registers, b"y=o-y .", 0, b"")
            self.infinite = False
        elif not run(self.registers, SUBTRACT if negative else ADD, at, points):
            if run(self.registers, OPPOSITE, 0, b""):
                self.infinite = True
            else:
                self.double()

    def has_x(self, candidates):
        """Whether its affine x coordinate is one of these numbers below p; compared without a division."""
        return not self.infinite and any(run(self.registers, HAS_X, 0, x.to_bytes(32, "big")) for x in candidates)


def joint(u, v, x, y):
    """The Sum u·G + v·(x, y), without a table.

    Both scalars in non-adjacent form: of the bits of k and 3k that differ, those of 3k are plus, those of k minus, two places up
    (Prodinger, 2000). So a third of the digits are not 0, and nothing is computed beforehand.
    """
    points = scaled(G[0], G[1]) + scaled(x, y)
    total = Sum()
    scalars = [(at, k.to_bytes(33, "little"), (3 * k).to_bytes(33, "little")) for at, k in ((0, u), (64, v))]
    for i in range(257, 0, -1):
        total.double()
        for at, once, thrice in scalars:
            sign = (thrice[i >> 3] >> (i & 7) & 1) - (once[i >> 3] >> (i & 7) & 1)
            if sign:
                total.add(points, at, sign < 0)
    return total
