"""What the tests that run on both CPython and MicroPython share."""

from mulligan.core.state import Rules


def raises(error, function, *args):
    """Call ``function(*args)``; return the ``error`` it raises, or fail if it raises none."""
    try:
        function(*args)
    except error as e:
        return e
    raise AssertionError("nothing raised, expected " + error.__name__)


def rules(attempts=2, deadline_ms=8000, watchdog_ms=4000, correct=8, latency_us=60000, **more):
    """Rules of a trial; what is not given is no limit."""
    given = dict.fromkeys(
        ("p50_us", "p99_us", "arena", "heap", "shadow_runs", "live_runs", "live_errors", "live_drift", "confirm"), 0
    )
    given.update({"shadow_every": 1, "shadow_agree": 1000})
    given.update(more)
    return Rules(attempts, deadline_ms, watchdog_ms, correct, latency_us, **given)
