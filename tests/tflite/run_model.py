"""Run a model over raw inputs on MicroPython: ``run_model.py PACKAGE MODEL INPUTS OUTPUTS``, int8 bytes back to back in both.

PACKAGE is put on sys.path. From the second inference on the heap is locked where viper runs, so whatever allocates fails. Prints
the kind of kernels that ran, which a caller may insist on, and the reads of an inference.
"""

import sys


def main(package, model, inputs, outputs):
    sys.path[:] = [package, sys.argv[0].rpartition("/")[0] + "/..", ".frozen"]
    from micropython import heap_lock, heap_unlock

    from mulligan.tflite import interpreter, kernels
    from tflite.models import FileSource

    with FileSource(model) as source, open(inputs, "rb") as i, open(outputs, "wb") as o:
        engine = interpreter.Interpreter(source)
        viper = kernels.get("int8").__name__.endswith("_viper")
        x, y = engine.input(0), engine.output(0)
        locked = False
        while i.readinto(x) == len(x):
            source.reads = 0
            if locked:
                heap_lock()
            try:
                engine.invoke()
            finally:
                if locked:
                    heap_unlock()
            o.write(y)
            locked = viper
    print("viper" if viper else "plain", source.reads)


main(*sys.argv[1:])
