"""What the tests that run on both CPython and MicroPython share."""


def raises(error, function, *args):
    """Call ``function(*args)``; return the ``error`` it raises, or fail if it raises none."""
    try:
        function(*args)
    except error as e:
        return e
    raise AssertionError("nothing raised, expected " + error.__name__)
