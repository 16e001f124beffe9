"""Rotation: from the root that this device trusts to the newest one there is, one number at a time."""

from hashlib import sha256

from .core import keyset, root
from .core.errors import FlashError, FormatError, NotFound


def catch_up(region, journal, client, url, report):
    """A generator whose value is whether the trusted root has changed. Each step verifies one signature, or writes a root.

    region: the keys partition; client: get(url, start, limit) as http.Client; url: of the release directory. A root is
    verified in memory, written beside the one that is trusted, read back, and then one journal record makes it the trusted one,
    its ceiling applied.
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
            data = _read(client, url, current.number + 1)
        except NotFound:
            return changed
        yield
        current = yield from root.accepting(current, root.unpack(data), _verify)
        sealed = _write(region, 1 - sealed.slot, data)
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
    body = client.get("{}roots/{}".format(url, number), 0, root.MAX_LENGTH)
    try:
        data = body.read()
    finally:
        body.close()
    if root.length(root.unpack(data)) != len(data):
        raise FormatError("root {}: bytes after its end".format(number))
    return data


def _write(region, slot, data):
    """The Sealed of ``data`` in the slot that is not trusted."""
    at = slot * keyset.slot_size(region)
    region.erase(at)  # cut: the slot holds neither; the trusted one is as it was
    region.program(at, data)  # cut: a torn root, which nothing names
    digest = sha256(data).digest()
    if keyset.digest(region, slot, len(data)) != digest:
        raise FlashError("keys: slot {} does not hold what was written".format(slot))
    return keyset.Sealed(slot, len(data), digest)
