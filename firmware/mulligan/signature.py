"""Signature: from the bytes of a token to its payload, or a refusal. What the payload means is left to `admission`, so that the
arithmetic has the heap to itself."""

from .core import jws, keyset, keytables, p256, root
from .core.errors import NotOrdered


def check(data, fleet, keys, sealed, report):
    """A generator whose value is (payload, Root, by): what the token in ``data`` says, a hint beside it or not, signed by a key
    of the root that is trusted; that root; and by what it was verified, the ``key`` alone or its ``table``.

    fleet: whether it is the order, by a fleet key, and empty where there is none; keys: the Region of the keys partition; sealed:
    State.keys. A step verifies one signature or checks one table. Raises: FormatError, SignatureError, NotOrdered, FlashError.
    """
    if fleet and not data:
        raise NotOrdered("the channel has no order, and this device waits for one")
    trusted, sealed = keyset.trusted(keys, sealed, p256.verify)
    token, hint = jws.split(data)
    pinned = root.keys_for(trusted, root.FLEET if fleet else root.RELEASE)
    kid = jws.key_id(token)
    by = "key"
    if kid in pinned:
        public = pinned[kid]
        pinned[kid] = yield from keytables.pinned(keys, sealed, kid, public, report)
        if pinned[kid] is not public:
            by = "table"
            yield
    return jws.verify(token, pinned, hint), trusted, by
