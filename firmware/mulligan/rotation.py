"""Rotation: from the root that this device trusts to the newest one there is, one number at a time."""

from hashlib import sha256

from .core import keyset, root
from .core.errors import FlashError, NotFound, TransportError

_PIECE = 512


def catch_up(region, journal, client, url, report):
    """A generator whose value is whether the trusted root has changed. Each step verifies one signature, or writes one sector.

    region: the keys partition; client: get(url, start, limit) as http.Client; url: of the release directory. A root is
    verified in memory, written beside the one that is trusted with the tables that follow it, read back, and then one journal
    record makes it the trusted one, its ceiling applied.
    Raises: FormatError, RootError, TransportError, FlashError; the roots taken before that stay.
    """
    current, sealed = keyset.trusted(region, journal.state.keys, _verify)
    changed = sealed != journal.state.keys
    if changed:
        journal.state.keys = sealed
        journal.commit()  # cut before: the same root proves itself again; after: the journal names it
    while True:
        yield
        try:
            data, more = _read(client, url, current.number + 1)
        except NotFound:
            return changed
        yield
        current = yield from root.accepting(current, root.unpack(data), _verify)
        sealed = yield from _write(region, 1 - sealed.slot, data)
        if more:
            try:
                yield from _write_tables(region, sealed, client, url, current.number)
            except TransportError as e:  # a root must not wait for them
                report("tables-lost", number=current.number, reason=e)
        journal.state.keys = sealed
        root.lower(journal.state, current)
        journal.commit()  # cut before: the old root, and one beside it that nothing names; after: the new root
        changed = True
        report("root", number=current.number, keys=len(current.keys))


def _verify(public_key, digest, signature):
    """p256.verify; where the journal's seal holds and there is no next root, as nearly always, it is not needed."""
    from .core import p256

    return p256.verify(public_key, digest, signature)


def _read(client, url, number):
    """(signed root, whether anything follows it)."""
    body = _open(client, url, number, 0)
    try:
        data = bytearray(min(body.size, root.MAX_LENGTH))
        body.readinto(data)
    finally:
        body.close()
    length = root.length(root.unpack(data))
    return bytes(data[:length]), body.size > length


def _open(client, url, number, start):
    return client.get("{}roots/{}".format(url, number), start, keyset.MAX_FILE)


def _write(region, slot, data):
    """A generator whose value is the Sealed of ``data`` in the slot that is not trusted."""
    at = slot * keyset.slot_size(region)
    for offset in range(0, keyset.slot_size(region), keyset.SECTOR):
        region.erase(at + offset)  # cut: the slot holds neither; the trusted one is as it was
        yield
    region.program(at, data)  # cut: a torn root, which nothing names
    digest = sha256(data).digest()
    if keyset.digest(region, slot, len(data)) != digest:
        raise FlashError("keys: slot {} does not hold what was written".format(slot))
    return keyset.Sealed(slot, len(data), digest)


def _write_tables(region, sealed, client, url, number):
    """A generator: what follows the root in its file, behind it in its slot, as far as there is room. Each step is one read."""
    at = sealed.slot * keyset.slot_size(region) + sealed.length
    body = _open(client, url, number, sealed.length)
    try:
        left = min(body.size, keyset.room(region) - sealed.length)
        piece = memoryview(bytearray(_PIECE))
        while left:
            yield
            part = piece[: min(_PIECE, left)]
            body.readinto(part)
            region.program(at, part)  # cut: part of a table, which nothing names
            at += len(part)
            left -= len(part)
    finally:
        body.close()
