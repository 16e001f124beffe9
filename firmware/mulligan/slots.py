"""Which slot pair belongs to which artifact, and which of its two slots may be written."""

from .core.errors import NoSlot
from .core.state import MAX_ENTRIES, Entry


class Slots:
    """The slot pairs of the partition table: ``pairs`` is {plane: [(Region, Region)]}.

    running: the firmware slot that runs, or None where there is no pair of them; ``pending``: whether the bootloader would abort
    it, and start the other one; carrier: the app slot that the package came from, None where that is another place.
    """

    def __init__(self, pairs, running, carrier=None):
        self._pairs = pairs
        self.running = running
        self.carrier = carrier
        self.pending = False

    def planes(self):
        """The planes that can be updated here."""
        return [plane for plane in self._pairs if plane != "firmware" or self.running is not None]

    def entry(self, state, plane, name, others=()):
        """The entry of ``name``; where ``state`` has none, a new one in a slot pair that is free, also of those in ``others``: it
        is in the state once it is on trial. Raises: NoSlot."""
        entry = state.entry(plane, name)
        if entry is None:
            pairs = self._pairs.get(plane, ())
            there = state.entries + [other for other in others if other not in state.entries]
            taken = [other.pair for other in there if other.plane == plane]
            free = [pair for pair in range(len(pairs)) if pair not in taken]
            if not free or len(there) >= MAX_ENTRIES:
                raise NoSlot("no free slot pair for {} {}: the partition table has {}".format(plane, name, len(pairs)))
            entry = Entry(plane, name, free[0])
            if plane == "firmware":
                entry.slot = self.running
        return entry

    def active(self, entry):
        """The Region of the confirmed slot, or None."""
        return self._slot(entry, entry.slot) if entry.slot is not None else None

    def inactive(self, entry):
        """The Region that may be written. Raises: NoSlot where that is the firmware that runs, or would take over."""
        if entry.plane == "firmware" and (self.pending or entry.inactive() == self.running):
            raise NoSlot("firmware: what runs is not confirmed, so that neither slot may be written")
        return self._slot(entry, entry.inactive())

    def tried(self, entry):
        """The Region of the version on trial, or of the one to go back to."""
        return self._slot(entry, entry.inactive())

    def _slot(self, entry, index):
        pairs = self._pairs.get(entry.plane, ())
        if entry.pair >= len(pairs):
            raise NoSlot("{}: its slot pair {} is not in the partition table".format(entry.name, entry.pair))
        return pairs[entry.pair][index]
