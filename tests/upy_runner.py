"""Run the ``test_*`` functions of one file on MicroPython: ``upy_runner.py TEST_FILE PATH…``, each PATH put on sys.path.

Prints a traceback for each failure and last a line ``upy: N passed, M failed``, which the caller checks: a process that
ended early printed none.
"""

import gc
import sys


def main(test_file, *paths):
    directory, _, name = test_file.rpartition("/")
    sys.path[:] = list(paths) + [directory, ".frozen"]
    module = __import__(name[: -len(".py")])
    passed = failed = 0
    for attribute in sorted(dir(module)):
        test = getattr(module, attribute)
        if attribute.startswith("test_") and callable(test):
            gc.collect()
            try:
                test()
                passed += 1
            except Exception as e:
                failed += 1
                print("FAILED " + attribute)
                sys.print_exception(e)
    print("upy: {} passed, {} failed".format(passed, failed))
    return 0 if passed and not failed else 1


sys.exit(main(*sys.argv[1:]))
