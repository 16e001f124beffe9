"""A small int8 TFLite interpreter for stock MicroPython, bit-exact with TFLite-Micro's reference kernels.

`interpreter` is the entrance (`Interpreter`, `inspect`). Below it, by role: `flatbuffer` and `graph` read the file, `arena` plans
the memory, `ops` checks each operator and makes its step, `steps` run, `channels` holds their per-channel constants, `quant` is
the arithmetic, and `viper` or `kernels` do the work. A model is data from outside: whatever it says is checked before a kernel
touches memory, and only `ModelError` or `Unsupported` comes out.
"""
