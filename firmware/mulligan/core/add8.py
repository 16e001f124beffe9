"""``add8(target, base, count)``: add the first ``count`` bytes of ``base`` to those of ``target``, modulo 256, in place."""

try:
    from .add8_viper import add8
except (ImportError, SyntaxError, ValueError):  # CPython; no native emitter; .mpy of another architecture

    def add8(target, base, count):
        for i in range(count):
            target[i] = target[i] + base[i] & 0xFF
