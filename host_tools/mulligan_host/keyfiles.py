"""What a key file holds, in plain values: for people and for scripts. Nothing secret is among them."""

import stat
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mulligan.core import keyset, p256, root
from mulligan.core.p256_comb import MAGIC as TABLE
from mulligan.core.p256_comb import Table
from mulligan_host import ceremony, files, keys
from mulligan_host.errors import HostError, MulliganError

_MAX_SIZE = 1 << 20


def describe(path: Path, of: bytes | None = None, before: root.Signed | None = None) -> dict[str, Any]:
    """Return what the file holds: ``kind`` and what goes with it.

    ``of`` is the 64-byte public key that a table should be of; without it, a table is not checked. ``before`` is the root that a
    root should follow; without it, only its own signatures are counted.
    Raises: HostError where it is no key file; FormatError where it is a damaged one; OSError.
    """
    data = files.read(path, _MAX_SIZE)
    if data.startswith(TABLE):
        return _table(data, of)
    if data.startswith(root.MAGIC):
        return _root(ceremony.load(path), before)
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


def _root(signed: root.Signed, before: root.Signed | None) -> dict[str, Any]:
    found = signed.root
    quorums = ceremony.quorums(signed, before)
    return {
        "kind": "root",
        "number": found.number,
        "issued": found.issued,
        "expires": found.expires or None,
        "threshold": found.threshold,
        "ceiling": found.ceiling,
        "keys": [
            {
                "kid": keyset.key_id(key.public),
                "roles": [name for name, role in ceremony.ROLES.items() if key.roles & role],
                "public": key.public.hex(),
            }
            for key in found.keys
        ],
        "signatures": sorted(signed.signatures),
        "asked": [{"by": q.number, "needed": q.needed, "signed": q.signed, "missing": q.missing} for q in quorums],
        "complete": all(q.met for q in quorums) and (before is not None or found.number == 1),
    }
