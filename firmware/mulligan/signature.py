"""Signature: from the bytes of a token to its payload, or a refusal. What the payload means is left to `admission`, so that the
arithmetic has the heap to itself."""

from .core import jws, keyset, p256, root
from .core.errors import NotOrdered


def check(data, fleet, keys, sealed):
    """(payload, Root): what the token in ``data`` says, a hint beside it or not, signed by a release key of the root that
    is trusted, and that root.

    fleet: whether it is the order, by a fleet key, and empty where there is none; keys: the Region of the keys partition; sealed:
    State.keys. Raises: FormatError, SignatureError, NotOrdered.
    """
    if fleet and not data:
        raise NotOrdered("the channel has no order, and this device waits for one")
    trusted, _ = keyset.trusted(keys, sealed, p256.verify)
    token, hint = jws.split(data)
    return jws.verify(token, root.keys_for(trusted, root.FLEET if fleet else root.RELEASE), hint), trusted
