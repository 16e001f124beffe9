"""Mulligan on the device: updates that always get a second shot.

>>> with mulligan.model("digits") as m:
...     scores = m.invoke(pixels)
>>> mulligan.step()  # or: await mulligan.run()

Importing does nothing; the first call boots the device's side (boot.py makes it early).
"""

__version__ = "0.1.0"


def _device(*carried):
    import sys

    if "mulligan.board" not in sys.modules:  # the first call
        import gc

        # Without it the collector only runs when the heap is full, and what stays is then scattered all over it.
        if gc.threshold() < 0:
            gc.threshold(4096)
        from .settle import settle

        settle()
    from .board import device

    return device(*carried)


def boot(slot=None, tried=False):
    """Decide what this boot is to do: go on with a trial, roll it back, or just serve. Call it first, in boot.py.

    slot: the app slot that carries this package, if one does. Where the app in the other slot is to be tried, with the package
    that it carries, returns that slot, for that package's boot() to be called with it and ``tried``; else None.
    Does not return where the agent is to be alone, as everything else has failed too often, a pin is held or somebody asked.
    """
    device = _device(slot, tried)
    if device.recovering:
        device.recover()
    return device.heir


def model(name):
    """A context manager for the model in service under ``name``: the same version until the ``with`` block ends.

    Raises: NotAvailable where there is none.
    """
    return _device().serving.model(name)


def step():
    """Do one bounded bit of update work; returns the milliseconds until there is more to do."""
    return _device().step()


def config():
    """The config in service: a dict. It is another one after an update. Raises: NotAvailable where there is none."""
    found = _device().serving.config
    if found is None:
        from .core.errors import NotAvailable

        raise NotAvailable("no confirmed config on this device")
    return found


def check(name):
    """Decorate a function without arguments that says whether all is well: ``@mulligan.check("camera")``. Trials ask it."""

    def register(function):
        _device().serving.checks[name] = function
        return function

    return register


def probe(name):
    """Decorate a function without arguments that a release's preflight may ask: ``@mulligan.probe("battery")`` in per cent,
    ``"mains"`` true on external power, ``"storage"`` in bytes free, ``"network"`` a type such as ``"wifi"``."""

    def register(function):
        _device().serving.probes[name] = function
        return function

    return register


def confirm():
    """What is on trial is good: for releases whose rules ask the app. Without it they are rolled back at their deadline."""
    _device().confirm()


def rollback(plane, name=None):
    """Go back to the version before, by hand: see `byhand.rollback`."""
    _device().by_hand("rollback", plane, name)


def thaw(plane):
    """Let versions of ``plane`` be tried again that have failed here."""
    _device().by_hand("thaw", plane)


def recovery():
    """Reset, and come up with the agent alone and nothing of the app; a power cycle ends it."""
    _device().by_hand("recovery")


def take(source):
    """Have the next steps take a release from ``source``, once, in place of the network: get(url, start, limit, tag) as of
    `port.http.Client`, and raising NotFound where there is no such file."""
    _device().take(source)


def run():
    """A coroutine that steps for ever: ``await mulligan.run()``, or make it a task."""
    return _device().run()


def status():
    """Planes, versions, slots, trial, floors and heap, as a dict of plain values."""
    return _device().status()


def log():
    """The event log: a list of dicts of plain values, oldest first. Fields: docs/SPEC.md, "Event log"."""
    return _device().log()
