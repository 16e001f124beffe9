"""From a patch on a server to a verified artifact in the inactive slot.

Progress is not recorded anywhere: the checks in the patch's chunk table tell which chunks the slot already holds, so a
download goes on where a power cut or a lost link stopped it, and costs no flash wear for it.
"""

from .borrow import Borrowed
from .core import chunks
from .core.digest import digest_of
from .core.errors import FlashError, NoSlot
from .core.segments import Decoder

SECTOR = 4096
_ALIGN = 16  # bytes: what an encrypted partition is written in


class Installer:
    """Writes one artifact into ``target`` (a Region), out of a patch against ``base``.

    base: the active slot's Region, for patches that need one, or None; size, digest: of the artifact, from the manifest.
    ``fetch(start, tag)`` opens the patch at byte ``start``, of the file of that ``tag``: readinto(buf), skip(buf), close(), tag.
    room: a list of memory that the decoder may have; ``sample`` is called where the heap is fullest.
    """

    def __init__(self, target, base, size, digest, fetch, room, sample):
        if size > target.size:
            raise NoSlot("{} bytes do not fit into {} of {} bytes".format(size, target.label, target.size))
        self._target = target
        self._base = base
        self._size = size
        self._digest = digest
        self._fetch = fetch
        self._room = room
        self._sample = sample
        self._at = 0  # where the next piece of the artifact goes
        self.received = 0  # bytes of the patch that were downloaded
        self.resumed_at = 0  # chunks that the slot held already
        self.chunks = 0

    def run(self):
        """A generator: each step blocks for one connect, one read of the network, or one sector erased and part of it written.

        Ends when the slot holds the artifact, verified.

        Raises: TransportError, PatchError, WrongBase, FlashError. The slot is then incomplete and of no consequence:
        nothing points to it.
        """
        body = self._fetch(0, "")
        try:
            yield
            header, first = yield from self._begin(body)
            self.received += chunks.start_of(header, 0)
            self.chunks = chunks.count_of(header)
            self.resumed_at = first
            self._room.clear()
            decoder = Decoder(header, self._base, self._target)
            if 0 < first < self.chunks:
                body.close()
                body = self._fetch(chunks.start_of(header, first), body.tag)
                yield
                passed = memoryview(bytearray(chunks.HEADER_SIZE))
                while body.skip(passed):
                    yield
            for index in range(first, self.chunks):
                self._at = index << header.chunk_bits
                yield from decoder.chunk(index, body, self._write)
                self.received += chunks.size_in_patch(header, index)
        finally:
            body.close()
        yield from self._verify()

    def _begin(self, body):
        """In a frame of its own, which holds what was borrowed until it ends."""
        with Borrowed("resume") as resume:
            return (yield from resume.begin(body, self._target, self._base, self._size, self._digest))

    def _write(self, piece):
        """Program what comes next. A cut anywhere leaves an inactive slot that does not hold the chunk, as its check tells."""
        if self._at % SECTOR == 0:
            self._sample()
            self._target.erase(self._at)
        size = len(piece)
        if size % _ALIGN:  # the end of the artifact
            piece = bytes(piece) + b"\xff" * (-size % _ALIGN)
        self._target.program(self._at, piece)
        self._at += size

    def _verify(self):
        """What counts is what flash holds, not what was sent there."""
        digest = yield from digest_of(self._target, self._size)
        if digest != self._digest:
            # Chunks that only looked right by their checksum must not be trusted again: spoil the first.
            self._target.erase(0)
            raise FlashError("{} does not hold what was written".format(self._target.label))
