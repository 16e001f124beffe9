"""QUANTIZE from float32 to int8 and between int8 and uint8, and DEQUANTIZE to float32: what stands at the ends of a model."""

from array import array

from ...core.model_errors import ModelError, Unsupported
from .. import fixedpoint, quant, single
from ..graph import FLOAT32, INT8, UINT8, type_name
from ..step import Step
from .layer import Layer, end, operands
from .lookup import Lookup

_DEQUANTIZE = 6


def prepare(graph, op, at):
    """See `ops`."""
    back = op.code == _DEQUANTIZE
    (x,), y = operands(graph, op, 1, 1, 38 if back else 89)
    if x.shape != y.shape:
        raise ModelError("QUANTIZE or DEQUANTIZE from %s to %s" % (x.shape, y.shape))
    xo, zx = end(graph, x, at)
    yo, zy = end(graph, y, at)
    places = xo, yo, x.elements
    types = x.type, y.type
    if back and y.type == FLOAT32 and x.type != FLOAT32:
        return Widen(places, quant.parts(graph.scale(x)), zx)
    if not back and types == (FLOAT32, INT8):
        return Quantise(places, quant.parts(graph.scale(y)), zy)
    if back or types not in ((INT8, INT8), (INT8, UINT8), (UINT8, INT8)):
        raise Unsupported("%s from %s to %s" % ("DEQUANTIZE" if back else "QUANTIZE", type_name(x.type), type_name(y.type)))
    (xm, xe), (ym, ye) = quant.parts(graph.scale(x)), quant.parts(graph.scale(y))
    scale = quant.multiplier(xm, ym, xe - ye)
    if scale[1] > 30:
        raise Unsupported("a QUANTIZE that multiplies by 2**%d" % scale[1])
    return Lookup(places, lambda d: fixedpoint.requantise(d, *scale), zx, zy)


class Quantise(Layer):
    """``places``: the kernel's X, Y, N; ``scale``: `quant.parts` of the output's; ``zero``: its zero point as the arena holds
    it.
    """

    def __init__(self, places, scale, zero):
        super().__init__(places[2])
        self._p = places + scale + (zero,)

    def load(self, rt):
        return Step(self.macs, rt.kernel("quantise").quantise, array("i", self._p))


class Widen(Layer):
    """As `Quantise`, with the input's scale and zero point."""

    def __init__(self, places, scale, zero):
        super().__init__(places[2])
        self._places = places
        self._scale = scale
        self._zero = zero

    def load(self, rt):
        p = array("i", bytes(4 * 259))
        p[0], p[1], p[2] = self._places
        for u in range(256):
            p[3 + u] = single.float32(u - self._zero, self._scale)
        return Step(self.macs, rt.kernel("widen").widen, p)
