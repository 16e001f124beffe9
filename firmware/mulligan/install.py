"""From a patch on a server to a verified artifact in the inactive slot.

Progress is not recorded anywhere: the checks in the patch's chunk table tell which chunks the slot already holds, so a
download goes on where a power cut or a lost link stopped it, and costs no flash wear for it.
"""

from .core import patch
from .core.digest import digest_of
from .core.errors import FlashError, NoSlot, WrongBase
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
            header = self._header(body)
            self.chunks = patch.chunks(header)
            yield
            if header.base_size:
                yield from self._check_base(header)
            self._room.clear()
            decoder = Decoder(header, self._base, self._target)
            first = yield from self._resume_point(header)
            self.resumed_at = first
            if 0 < first < self.chunks:
                body.close()
                body = self._fetch(patch.start_of(header, first), body.tag)
                yield
                passed = memoryview(bytearray(patch.HEADER_SIZE))
                while body.skip(passed):
                    yield
            for index in range(first, self.chunks):
                self._at = index << header.chunk_bits
                yield from decoder.chunk(index, body, self._write)
                self.received += patch.size_in_patch(header, index)
        finally:
            body.close()
        yield from self._verify()

    def _header(self, body):
        head = bytearray(patch.HEADER_SIZE)
        body.readinto(head)
        table = bytearray(patch.table_size(head, self._size, self._digest))
        body.readinto(table)
        self.received += len(head) + len(table)
        return patch.decode_header(head, table)

    def _check_base(self, header):
        """The base is hashed from flash before anything is erased."""
        if self._base is None or header.base_size > self._base.size:
            raise WrongBase("patch: needs a base, and there is none")
        digest = yield from digest_of(self._base, header.base_size)
        if digest != header.base_sha256:
            raise WrongBase("patch: against another base than the one in " + self._base.label)

    def _resume_point(self, header):
        """The first chunk that the slot does not hold."""
        for index in range(self.chunks):
            digest = yield from digest_of(self._target, patch.chunk_length(header, index), index << header.chunk_bits)
            if digest[:4] != patch.check_of(header, index):
                return index
            yield
        return self.chunks

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
