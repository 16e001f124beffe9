"""From a patch on a server to a verified artifact in the inactive slot.

Progress is not recorded anywhere: the checks in the patch's chunk table tell which chunks the slot already holds, so a
download goes on where a power cut or a lost link stopped it, and costs no flash wear for it.
"""

from hashlib import sha256

from .core import patch
from .core.digest import digest_of
from .core.errors import FlashError, NoSlot, PatchError, WrongBase

SECTOR = 4096
_PIECE = 512


class Installer:
    """Writes one artifact into ``target`` (a Region), out of a patch against ``base``.

    base: the active slot's Region, for patches that need one, or None; size, digest: of the artifact, from the manifest.
    ``fetch(start, tag)`` opens the patch at byte ``start``, of the file of that ``tag``: readinto(buf), skip(buf), close(), tag.
    sector: a buffer of SECTOR bytes or more, used inside a step only; stream: a BytesIO, for one chunk of the patch; ``sample``
    is called where the heap is fullest.
    """

    def __init__(self, target, base, size, digest, fetch, sector, stream, sample):
        if size > target.size:
            raise NoSlot("{} bytes do not fit into {} of {} bytes".format(size, target.label, target.size))
        self._target = target
        self._base = base
        self._size = size
        self._digest = digest
        self._fetch = fetch
        self._sector = memoryview(sector)[:SECTOR]
        self._stream = stream
        self._sample = sample
        self._piece = memoryview(bytearray(_PIECE))
        self.received = 0  # bytes of the patch that were downloaded
        self.resumed_at = 0  # chunks that the slot held already
        self.chunks = 0

    def run(self):
        """A generator: each step blocks for one connect or one read of the network, or for writing or reading back one chunk.

        Ends when the slot holds the artifact, verified.

        Raises: TransportError, PatchError, WrongBase, FlashError. The slot is then incomplete and of no consequence:
        nothing points to it.
        """
        body = self._fetch(0, "")
        try:
            yield
            header = self._header(body)
            self.chunks = len(header.chunks)
            yield
            if header.base_size:
                yield from self._check_base(header)
            first = yield from self._resume_point(header)
            self.resumed_at = first
            if first:
                body.close()
                start = patch.HEADER_SIZE + 8 * len(header.chunks) + sum([size for size, _ in header.chunks[:first]])
                if first < len(header.chunks):
                    body = self._fetch(start, body.tag)
                    yield
                    while body.skip(self._piece):
                        yield
            yield from self._chunks(header, first, body)
        finally:
            body.close()
        yield from self._verify()

    def _header(self, body):
        head = bytearray(patch.HEADER_SIZE)
        body.readinto(head)
        table = bytearray(patch.table_size(head, self._size))
        body.readinto(table)
        self.received += len(head) + len(table)
        header = patch.decode_header(head, table)
        if header.new_sha256 != self._digest:
            raise PatchError("patch: yields another artifact than the manifest names")
        return header

    def _check_base(self, header):
        """The base is hashed from flash before anything is erased."""
        if self._base is None or header.base_size > self._base.size:
            raise WrongBase("patch: needs a base, and there is none")
        digest = yield from digest_of(self._base, header.base_size)
        if digest != header.base_sha256:
            raise WrongBase("patch: against another base than the one in " + self._base.label)

    def _resume_point(self, header):
        """The first chunk that the slot does not hold."""
        for index, (_, expected) in enumerate(header.chunks):
            at = index << header.chunk_bits
            left = patch.chunk_length(header, index)
            hasher = sha256()
            while left:
                piece = self._piece[: min(left, _PIECE)]
                self._target.readinto(at, piece)
                hasher.update(piece)
                at += len(piece)
                left -= len(piece)
            if patch.check(hasher) != expected:
                return index
            yield
        return len(header.chunks)

    def _chunks(self, header, first, body):
        """Fetch, decode and write the chunks from ``first`` on: a step is one piece fetched, or one chunk written."""
        decoder = patch.Decoder(header, self._base)
        stream = self._stream
        for index in range(first, len(header.chunks)):
            stream.seek(0)
            left = header.chunks[index][0]
            while left:
                piece = self._piece[: min(left, _PIECE)]
                body.readinto(piece)
                stream.write(piece)
                left -= len(piece)
                self.received += len(piece)
                yield
            stream.seek(0)
            writer = _Writer(self._target, index << header.chunk_bits, self._sector)
            self._sample()
            decoder.chunk(index, stream, writer.write)
            writer.flush()
            yield

    def _verify(self):
        """What counts is what flash holds, not what was sent there."""
        digest = yield from digest_of(self._target, self._size)
        if digest != self._digest:
            # Chunks that only looked right by their checksum must not be trusted again: spoil the first.
            self._target.erase(0)
            raise FlashError("{} does not hold what was written".format(self._target.label))


class _Writer:
    """Collects what a chunk yields into sectors; erases and programs each when more follows it, and the last on flush().

    So a damaged chunk of one sector, which is found damaged at its end, has cost no erase.
    """

    def __init__(self, target, at, sector):
        self._target = target
        self._at = at
        self._sector = sector
        self._fill = 0

    def write(self, data):
        at = 0
        while at < len(data):
            if self._fill == len(self._sector):
                self.flush()
            count = min(len(data) - at, len(self._sector) - self._fill)
            self._sector[self._fill : self._fill + count] = data[at : at + count]
            self._fill += count
            at += count

    def flush(self):
        if self._fill:
            self._target.erase(self._at)  # cut: an inactive slot with a torn sector, found by the chunk's checksum
            self._target.program(self._at, self._sector[: self._fill])  # cut: the same
            self._at += self._fill
            self._fill = 0
