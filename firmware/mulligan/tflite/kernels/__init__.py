"""Kernels, by name: `get` finds them. `gemm`, `depthwise`, `pool`… are the plain ones, `gemm_viper`… the same in viper.

Every kernel is the function ``name(arena, weights, at, p)`` of the module of its name, and both kinds give the same bytes:

- ``arena``: the bytearray of activations, and behind them scratch;
- ``weights``: the layer's constants from byte ``at`` on, as they are in the file; any buffer where it has none;
- ``p``: an array("i") of the layer's parameters, as the module's docstring lists them.

int8 activations are held as ``value + 128`` (0 to 255, the int8 with its top bit flipped), because viper reads unsigned bytes.
Nothing is checked here: the layer's preparation (`ops`) has checked it all. The viper ones allocate nothing.
"""

_found = {}  # never forgotten: a port doesn't take the memory of machine code back


def get(name):
    """The module of the kernel: in viper where this port runs it, else plain."""
    if name not in _found:
        path = __name__ + "." + name
        try:
            _found[name] = __import__(path + "_viper", None, None, ("",))
        except (ImportError, SyntaxError, ValueError):  # CPython; no native emitter; an .mpy for another architecture
            _found[name] = __import__(path, None, None, ("",))
    return _found[name]
