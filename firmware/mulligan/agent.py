"""The agent: polls the release channel, and takes a release from the signature to the confirmed set. One step at a time."""

from binascii import hexlify
from hashlib import sha256

from . import trials
from .borrow import Borrowed
from .core.errors import (
    Expired,
    FlashError,
    FormatError,
    HealthError,
    ModelError,
    MulliganError,
    NotFound,
    NotNow,
    PatchError,
    PolicyError,
    TransportError,
    described,
)
from .core.limits import MAX_HINT, MAX_INDEX, MAX_TOKEN
from .core.state import Image

_ROOM = 2560  # bytes kept free for the decoder
_RETRY_MS = 1000  # after a lost link; doubled each time, up to the poll interval
_MOST_LATER = 64  # polls, and a quarter of that
_MOST_REST = 1023  # polls between two attempts
_YIELD_MS = 0  # what a step returns while there is more to do at once
_IDLE_MS = 60000  # between two looks where there is no release directory


class Agent:
    """``config``: a settings.Config; ``keys``: the Region of the keys partition; ``ports``: as for trial.Trials.

    ``client``: get(url, start, limit, tag) gives the Body of a file of the release directory as http.Client does, or raises
    TransportError. Without a URL in ``config`` there is no directory to poll.
    """

    def __init__(self, config, keys, client, ports):
        self._config = config
        self._keys = keys
        self._client = client
        self._ports = ports
        self._journal, self._slots, self._serving, self._system, self._clock, self._report = ports
        self._settled = None, False  # digest of the manifest (and order) that this device answered for good, and if it said no
        self._last = None  # that of the one polled last
        self._later = 1  # polls until a release is looked at again whose preflight said not now
        self._tired = 0  # polls that passed before the last attempt, after flash that failed or a download that was spoilt
        self._rest = self._journal.state.rest  # polls to let pass before it is tried again, after a trial without a verdict

    def steps(self, source=None):
        """An endless generator. Each step gives the milliseconds until the next is due: 0 while there is work.

        source: another client, which the first poll asks in place of the network: so a release comes by cable.

        The longest a step blocks: one connect, one head of an answer and one read (the client's timeout each); or one sector of
        flash, erased, and 1,024 bytes decoded and programmed; or one inference.
        """
        network, retry_ms, tried = self._client, _RETRY_MS, False
        while True:
            try:
                if self._journal.lost:
                    self._journal.find()
                # A trial that the journal holds comes first, and so one that a poll has just begun is run at once.
                while self._journal.state.on_trial():
                    tried = True
                    yield from trials.attempt(self._ports, self._probe)
                    self._rest = self._journal.state.rest
                if source or self._config.url:
                    self._client = source or network
                    try:
                        for _ in self._poll(source is None):
                            yield _YIELD_MS
                    finally:
                        self._client, source = network, None
                if self._journal.state.on_trial():
                    yield _YIELD_MS  # the stack still refers to what the poll held
                    continue
                self._later = 1
                wait_ms, retry_ms = self._config.poll_ms if self._config.url else _IDLE_MS, _RETRY_MS
            except Exception as e:  # whatever goes wrong in an update, the app goes on
                if isinstance(e, MulliganError) and not isinstance(e, (TransportError, FlashError)):
                    wait_ms = self._config.poll_ms
                    if isinstance(e, NotNow):  # later and later, and not the whole fleet at once
                        self._later = min(2 * self._later, _MOST_LATER)
                        wait_ms *= self._later
                        wait_ms += self._clock.ticks_us() % (wait_ms // 4 + 1)
                    self._report("refused", code=e.code, reason=e)
                else:
                    if tried and retry_ms > 2 * _RETRY_MS and isinstance(e, MemoryError):
                        # For the third time. What a trial since the boot has left in the heap may stand in the way until the next
                        # reset; and if that does not help, there is no second: nothing was tried since.
                        self._report("resetting", reason=described(e))
                        self._system.reset()
                    wait_ms = min(retry_ms, self._config.poll_ms)
                    retry_ms *= 2
                    self._report("waiting", code=getattr(e, "code", 0), ms=wait_ms, reason=described(e))
            if self._config.report and self._report.region:
                yield _YIELD_MS
                self._tell()
            yield from self._pause(wait_ms)

    def _tell(self):
        """What is new in the event log, to whom it is for."""
        try:
            with Borrowed("upstream") as upstream:
                upstream.send(self._report, self._config, self._client)
        except Exception:  # what nobody is told of stops nothing
            pass

    def _pause(self, wait_ms):
        waited_ms = 0
        since = self._clock.ticks_ms()
        while waited_ms < wait_ms:
            yield wait_ms - waited_ms
            now = self._clock.ticks_ms()
            waited_ms += self._clock.elapsed_ms(since)
            since = now

    def _probe(self):
        """Raises: TransportError where the release directory is not reached."""
        self._read(self._config.url + self._config.channel + ".jws", MAX_TOKEN + MAX_HINT)

    def _poll(self, linked):
        """Take the channel's release if there is a new one. linked: whether from the network.

        Raises: MulliganError, the running set unchanged.
        """
        channel = self._config.url + self._config.channel
        token = self._read(channel + ".jws", MAX_TOKEN + MAX_HINT)
        digest = sha256(token)
        order = None
        if self._config.order:
            yield
            order = self._read_order(channel + ".order.jws")
            digest.update(order)
        digest = digest.digest()
        settled, refused = self._settled
        settled = settled == digest
        if settled and not refused:
            return
        yield
        # Never by a root that is older than need be. What was refused may be right under the next one.
        changed = yield from self._rotate()
        if settled and not changed:
            return
        self._settled = None, False  # a refusal under the root before must not stand in the way of a retry
        if digest != self._last and self._last is not None:
            self._rest = self._journal.state.rest = self._tired = 0
        self._last = digest
        if self._rest and linked:
            self._rest -= 1
            return
        yield
        try:
            if order is not None:
                order = (yield from self._check(order, True))[0]
                yield
            payload, trusted, by = yield from self._check(token, False)
            del token
            yield
            sequence, wanted = self._judge(payload, order, trusted, by)
            del payload, order, trusted
            for i in range(len(wanted)):
                yield
                wanted[i] = self._sourced(wanted[i])
        except (Expired, TransportError, FlashError, NotNow):
            raise  # the clock may yet be set, the index may yet come, the flash may do it the next time
        except MulliganError:
            self._settled = digest, True
            raise
        if not wanted:
            self._settled = digest, False
            return
        yield
        try:
            yield from self._install(sequence, wanted, linked)
        except (FormatError, ModelError, HealthError, PolicyError):  # of what the slots hold, verified: it will never do here
            self._settled = digest, False
            raise
        except (FlashError, PatchError):  # each attempt erases again, a worn sector or all for a spoilt download: fewer and fewer
            self._tired = min(2 * self._tired + 1, _MOST_REST)
            self._rest = self._tired
            raise
        self._tired = 0

    # What is borrowed is borrowed in a frame of its own, which would hold it until it ends.

    def _rotate(self):
        with Borrowed("rotation") as rotation:
            return (yield from rotation.catch_up(self._keys, self._journal, self._client, self._config.url, self._report))

    def _check(self, token, fleet):
        with Borrowed("signature") as signature:
            return (yield from signature.check(token, fleet, self._keys, self._journal.state.keys, self._report))

    def _judge(self, payload, order, trusted, by):
        """(sequence of the release, [artifact to install])."""
        with Borrowed("admission") as admission:
            state, system = self._journal.state, self._system
            release, wanted, dated = admission.judge(
                payload, order, trusted, state, self._config, self._clock.now(), system.versions, self._slots.planes(), system.mpy
            )
        for artifact in wanted:
            self._report("found", release=release.release, name=artifact.name, version=artifact.version, dated=int(dated), by=by)
        if wanted and release.preflight:
            with Borrowed("core.preflight") as preflight:
                heap, now = self._system.sample_heap(), self._clock.now()
                reason = preflight.refusal(release.preflight, self._serving.probes, heap, now)
            if reason:
                raise NotNow(reason)
        return release.sequence, wanted

    def _sourced(self, artifact):
        """(artifact, [what to download of it]): a patch if there is one against what the active slot holds, and the full one."""
        entry = self._journal.state.entry(artifact.plane, artifact.name)
        index = artifact.patches
        if index is None or not entry or entry.image is None or index.size > MAX_INDEX:
            return artifact, [artifact.full]
        index = self._read_blob(index)  # before the module comes in: both take their memory, if not at the same time
        with Borrowed("admission") as admission:
            return artifact, admission.sources(artifact, entry.image.sha256, index)

    def _install(self, sequence, wanted, linked):
        items = []
        for artifact, sources in wanted:
            entries = [item[0] for item in items]
            entry = self._slots.entry(self._journal.state, artifact.plane, artifact.name, entries)
            # In a frame of its own, which holds what was borrowed until it ends: to look at it takes that memory again.
            yield from self._download(artifact, entry, sources)
            yield
            image = Image(artifact.size, artifact.counter, artifact.version, artifact.sha256, artifact.requires, artifact.mpy)
            items.append((entry, image, artifact.rules, artifact.hard_floor))
        trials.begin(self._ports, items, sequence, linked)

    def _download(self, artifact, entry, sources):
        # Before the module comes in, while there is a large enough piece of heap.
        room = []
        for blob in sources:
            try:
                room.append(bytearray(_ROOM if blob is artifact.full else max(_ROOM, blob.heap)))
                break
            except MemoryError:
                if blob is artifact.full:
                    raise
        with Borrowed("install") as install:
            if blob is not artifact.full:
                try:
                    yield from self._fetch(install, artifact, entry, blob, room)
                except (PatchError, MemoryError) as e:
                    if isinstance(e, MemoryError):
                        if not blob.heap:
                            raise  # the full one takes as much
                        e = PatchError("patch: out of memory")
                    self._report("patch-failed", code=e.code, reason=e)
                    blob = artifact.full
                    room = [bytearray(_ROOM)]
            if blob is artifact.full:
                yield from self._fetch(install, artifact, entry, blob, room)

    def _fetch(self, install, artifact, entry, blob, room):
        def fetch(start, tag):
            return self._client.get(self._artifact_url(blob), start, blob.size, tag)

        target, base = self._slots.inactive(entry), self._slots.active(entry)
        installer = install.Installer(
            target, base, artifact.size, artifact.sha256, fetch, room, self._system.sample_heap
        )
        yield from installer.run()
        self._report(
            "installed",
            name=artifact.name,
            version=artifact.version,
            source="full" if blob is artifact.full else "patch",
            received=installer.received,
            size=artifact.size,
            chunks=installer.chunks,
            resumed=installer.resumed_at,
        )

    def _read(self, url, limit):
        body = self._client.get(url, 0, limit)
        try:
            return body.read()
        finally:
            body.close()

    def _read_order(self, url):
        """The order beside the manifest; b"" where there is none."""
        try:
            return self._read(url, MAX_TOKEN)
        except NotFound:
            return b""

    def _read_blob(self, blob):
        return self._read(self._artifact_url(blob), blob.size)

    def _artifact_url(self, blob):
        return self._config.url + "artifacts/" + hexlify(blob.sha256).decode()
