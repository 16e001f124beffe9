"""QUANTIZE from float32 to int8 and between int8 and uint8, and DEQUANTIZE to float32: what stands at the ends of a model."""

from ...core.model_errors import ModelError, Unsupported
from .. import fixedpoint, quant, single
from ..codes import DEQUANTIZE, FLOAT32, INT8, UINT8
from .layer import activation, layer, operands, type_name
from .lookup import lookup


def prepare(op, xs, ys):
    """See `ops`."""
    back = op.code == DEQUANTIZE
    (x,), y = operands(xs, ys, 1, 1)
    if x.shape != y.shape:
        raise ModelError("QUANTIZE or DEQUANTIZE from %s to %s" % (x.shape, y.shape))
    zx, zy = _end(x), _end(y)
    n = x.elements
    places = (0, x.index), (1, y.index)
    types = x.type, y.type
    if back and y.type == FLOAT32 and x.type != FLOAT32:
        scale = quant.parts(x.scale)
        return layer(n, "widen", [0, 0, n] + [single.float32(u - zx, scale) for u in range(256)], places)
    if not back and types == (FLOAT32, INT8):
        return layer(n, "quantise", (0, 0, n) + quant.parts(y.scale) + (zy,), places)
    if back or types not in ((INT8, INT8), (INT8, UINT8), (UINT8, INT8)):
        raise Unsupported("%s from %s to %s" % ("DEQUANTIZE" if back else "QUANTIZE", type_name(x.type), type_name(y.type)))
    (xm, xe), (ym, ye) = quant.parts(x.scale), quant.parts(y.scale)
    scale = quant.multiplier(xm, ym, xe - ye)
    if scale[1] > 30:
        raise Unsupported("a QUANTIZE that multiplies by 2**%d" % scale[1])
    return lookup(x, y, lambda d: fixedpoint.requantise(d, *scale), zx, zy)


def _end(tensor):
    """The zero point, as the arena holds it, of an activation of int8, uint8 or float32 (0)."""
    if not tensor.data and tensor.type == FLOAT32:
        return 0
    if not tensor.data and tensor.type == UINT8 and tensor.scales == 1:
        return tensor.zero
    return activation(tensor) + 128
