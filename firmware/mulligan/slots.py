"""Which slot pair belongs to which model, and which of its two slots may be written."""

from .core.errors import NoSlot
from .core.state import MAX_ENTRIES, Entry


class Slots:
    """The slot pairs of the partition table: ``pairs`` is [(Region, Region)]."""

    def __init__(self, pairs):
        self._pairs = pairs

    def entry(self, state, plane, name):
        """The entry of ``name``, made anew in a free slot pair where ``state`` has none. Raises: NoSlot."""
        entry = state.entry(plane, name)
        if entry is None:
            free = [pair for pair in range(len(self._pairs)) if all(e.pair != pair for e in state.entries)]
            if not free or len(state.entries) == MAX_ENTRIES:
                raise NoSlot("no free slot pair for {} {}: the partition table has {}".format(plane, name, len(self._pairs)))
            entry = Entry(plane, name, free[0])
            state.entries.append(entry)
        return entry

    def active(self, entry):
        """The Region of the confirmed slot, or None."""
        return self._slot(entry, entry.slot) if entry.slot is not None else None

    def inactive(self, entry):
        """The Region that may be written."""
        return self._slot(entry, entry.inactive())

    def tried(self, entry):
        """The Region of the version on trial."""
        return self._slot(entry, entry.trial.slot)

    def _slot(self, entry, index):
        if entry.pair >= len(self._pairs):
            raise NoSlot("{}: its slot pair {} is not in the partition table".format(entry.name, entry.pair))
        return self._pairs[entry.pair][index]
