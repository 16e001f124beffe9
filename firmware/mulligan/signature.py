"""Signature: from the bytes of a token to its payload, or a refusal. What the payload means is left to `admission`, so that the
arithmetic has the heap to itself."""

from .core import jws, keyset, p256, root


def check(data, keys, sealed):
    """(payload, Root): what the token in ``data`` says, a hint beside it or not, signed by a release key of the root that
    is trusted, and that root.

    keys: the Region of the keys partition; sealed: State.keys. Raises: FormatError, SignatureError.
    """
    trusted, _ = keyset.trusted(keys, sealed, p256.verify)
    token, hint = jws.split(data)
    return jws.verify(token, root.keys_for(trusted, root.RELEASE), hint), trusted
