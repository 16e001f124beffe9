"""A small int8 TFLite interpreter for stock MicroPython, bit-exact with TFLite-Micro's reference kernels.

`interpreter` is the entrance (`Interpreter`); `loader.inspect` only looks at a model. While a model is loaded, `flatbuffer` and
`graph` read the file, `ops` checks each operator, `channels` works out its constants and `arena` plans the memory, with `quant`'s
arithmetic. Then all that is forgotten; each layer that is left, a `step`, calls one of the `kernels` on what `runtime` holds.
A model is data from outside: whatever it says is checked before a kernel touches memory, and only `ModelError` or `Unsupported`
comes out.
"""
