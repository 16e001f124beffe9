"""Run a model over raw inputs on MicroPython: ``run_model.py PACKAGE MODEL INPUTS OUTPUTS``, int8 bytes back to back in both.

PACKAGE is put on sys.path. Prints the kind of kernels that ran, which a caller may insist on.
"""

import sys


def main(package, model, inputs, outputs):
    sys.path[:] = [package, sys.argv[0].rpartition("/")[0] + "/..", ".frozen"]
    from mulligan.tflite import interpreter, kernels
    from tflite.models import FileSource

    with FileSource(model) as source, open(inputs, "rb") as i, open(outputs, "wb") as o:
        engine = interpreter.Interpreter(source)
        x = engine.input(0)
        while i.readinto(x) == len(x):
            engine.invoke()
            o.write(engine.output(0))
    print("viper" if kernels.get("int8").__name__.endswith("_viper") else "plain")


main(*sys.argv[1:])
