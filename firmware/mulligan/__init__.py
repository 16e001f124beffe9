"""Mulligan on the device: updates that always get a second shot.

>>> with mulligan.model("digits") as m:
...     scores = m.invoke(pixels)
>>> mulligan.step()  # or: await mulligan.run()

Importing does nothing; the first call boots the device's side (boot.py makes it early).
"""

__version__ = "0.1.0"


def _device():
    import sys

    if "mulligan.board" not in sys.modules:  # the first call
        import gc

        # Without it the collector only runs when the heap is full, and what stays is then scattered all over it.
        if gc.threshold() < 0:
            gc.threshold(4096)
        from .settle import settle

        settle()
    from .board import device

    return device()


def boot():
    """Decide what this boot is to do: go on with a trial, roll it back, or just serve. Call it first, in boot.py."""
    _device()


def model(name):
    """A context manager for the model in service under ``name``: the same version until the ``with`` block ends.

    Raises: NotAvailable where there is none.
    """
    return _device().serving.model(name)


def step():
    """Do one bounded bit of update work; returns the milliseconds until there is more to do."""
    return _device().step()


def run():
    """A coroutine that steps for ever: ``await mulligan.run()``, or make it a task."""
    return _device().run()


def status():
    """Planes, versions, slots, trial, floors and heap, as a dict of plain values."""
    return _device().status()
