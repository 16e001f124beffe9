"""What a key file holds, in plain values: for people and for scripts. Nothing secret is among them."""

import stat
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mulligan.core import keyset, p256
from mulligan.core.p256_comb import MAGIC as TABLE
from mulligan.core.p256_comb import Table
from mulligan_host import files, keys
from mulligan_host.errors import HostError, MulliganError

_MAX_SIZE = 1 << 20


def describe(path: Path, of: bytes | None = None) -> dict[str, Any]:
    """Return what the file holds: ``kind`` and what goes with it.

    ``of`` is the 64-byte public key that a table should be of; without it, a table is not checked.
    Raises: HostError where it is no key file; FormatError where it is a damaged one; OSError.
    """
    data = files.read(path, _MAX_SIZE)
    if data.startswith(TABLE):
        return _table(data, of)
    if b"PRIVATE KEY-----" in data:
        return _private(path, data)
    if b"PUBLIC KEY-----" in data:
        return _public(keys.load_public(path))
    raise HostError(f"{path}: neither a key in PEM, nor a table, nor a root")


def _public(public: bytes) -> dict[str, Any]:
    return {"kind": "public key", "kid": keyset.key_id(public), "public": public.hex()}


def _private(path: Path, data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": "private key", "mode": f"{stat.S_IMODE(path.stat().st_mode):04o}", "encrypted": False}
    try:
        load_pem_private_key(data, None)
    except TypeError:
        return {**found, "encrypted": True}  # whose it is, only the passphrase tells, or the public key beside it
    except ValueError as e:
        raise HostError(f"{path}: not a private key in PEM") from e
    signer = keys.load_signer(path)
    return {**found, "kid": signer.kid, "public": signer.public.hex()}


def _table(data: bytes, of: bytes | None) -> dict[str, Any]:
    found = {"kind": "table", "width": Table(data).width, "bytes": len(data)}
    if of is not None:
        try:
            p256.Key(of, data)
        except MulliganError as e:
            raise HostError(f"not the table of key {keyset.key_id(of)}: {e}") from e
        found["kid"] = keyset.key_id(of)
    return found
