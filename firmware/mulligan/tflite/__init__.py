"""A small int8 TFLite interpreter for stock MicroPython, bit-exact with TFLite-Micro's reference kernels.

`interpreter` is the entrance (`Interpreter`), and all that stays in memory, beside the `kernels` that a model takes; `loader`
says how a model is loaded, and `loader.inspect` only looks at one. A model is data from outside: whatever it says is checked
before a kernel touches memory, and only `ModelError` or `Unsupported` comes out.
"""
