"""What is reported goes to the console, and what is worth keeping to the event log as well."""

from .borrow import Borrowed

_PASSING = ("found", "healthy", "serving", "shadow", "waiting")  # of these the log knows nothing


class Log:
    """``log(event, **facts)`` tells ``console``, and the log in ``region`` (a Region, or None where the board has none).

    now: Clock.now. A log that can't be written stops nothing.
    """

    def __init__(self, console, region, now):
        self._console = console
        self.region = region
        self._now = now

    def __call__(self, event, **facts):
        if self.region and event not in _PASSING:
            try:
                with Borrowed("core.events") as events:
                    events.add(self.region, event, self._now(), facts)
            except Exception:  # whatever it is
                pass
        self._console(event, **facts)  # last: whoever reads it there finds it in the log

    def failures(self):
        """Faults in a row, as the last "uncounted" says; 0 where the log has none."""
        found = 0
        try:
            with Borrowed("core.events") as events:
                for event in events.read(self.region):
                    if event.event == "uncounted":
                        found = event.detail
        except Exception:  # no log, or one that can't be read
            pass
        return found

    def read(self):
        """The events, oldest first, as a list of dicts of plain values."""
        if not self.region:
            return []
        with Borrowed("core.events") as events:
            return [dict(zip(events.FIELDS, event)) for event in events.read(self.region)]
