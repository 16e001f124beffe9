"""Arithmetic modulo p of P-256, by programs of a small machine: machine code where the port has it, else plain integers.

A program is text, six characters an instruction, and a dot at the end:

    d=z*z     d is z times z; + and - likewise. Registers are a to z.
    x=x-b3    x less 2**3 times b. The digit stands where the blank does, for + and - only, and is at most 3.
    x=in0     x is the number in the 32 bytes, big-endian, of input 0; at most input 9.
    e!u-x     as with =, but stop if it is 0 modulo p.
    e?u-x     as with =, but stop unless it is 0 modulo p.

``registers(p)`` are new registers, with i for 1, k for 2**260, and 0 in the others. ``run(registers, program, at, inputs)``, with
input 0 at offset ``at`` of ``inputs``, returns 1, or 0 if it stopped. Nobody checks that a program is well-formed and that its
inputs are there: programs are constants, and the callers know their lengths.

Inputs are scaled: they hold a number times 2**260 modulo p. A plain number is loaded and then multiplied by k.
"""

try:
    from .p256_viper import registers, run
except (ImportError, SyntaxError, ValueError):  # CPython; no native emitter; .mpy of another architecture
    from .p256_plain import registers, run

__all__ = ("registers", "run")
