"""Roots made and signed on the host, by people who may sit apart: propose, sign in steps, see who is still to sign.

A root on its way is a file in the format of a signed root, with the signatures that it has so far. The bytes, and the rule for
when a device takes a root, are mulligan.core.root's.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from mulligan.core import keyset, keytables, p256, root
from mulligan_host import combs, files
from mulligan_host.errors import HostError, MulliganError
from mulligan_host.keys import Signer

ROLES: Mapping[str, int] = {"root": root.ROOT, "release": root.RELEASE, "fleet": root.FLEET}
_DAY = 86400


@dataclass(frozen=True)
class Sized:
    """A region of which nothing is known but how many bytes it has."""

    size: int


@dataclass(frozen=True)
class Change:
    """What the next root has otherwise than the one before it."""

    add: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    """Role: public keys, 64 bytes each, that get it beside what they have."""
    remove: Iterable[str] = ()
    """Key ids that lose every role."""
    threshold: int | None = None
    """How many root keys must sign; None: as before, or all of them in the first root."""
    days: int | None = None
    """How long anything may be installed under it; 0: for ever; None: as long as before."""
    ceiling: int | None = None
    """What sequences and floors come down to; see mulligan.core.root."""


@dataclass(frozen=True)
class Quorum:
    """How far the signatures go that one root asks for."""

    number: int
    """Of the root that asks."""
    needed: int
    signed: list[str]
    """Key ids of its root keys that have rightly signed."""
    missing: list[str]
    """Key ids of its other root keys."""

    @property
    def met(self) -> bool:
        return len(self.signed) >= self.needed

    def __str__(self) -> str:
        text = f"{len(self.signed)} of {self.needed} signatures that root {self.number} asks for"
        return text if self.met else f"{text}; can still sign: {', '.join(self.missing)}"


def load(path: Path) -> root.Signed:
    """Return the root in the file ``path``, whoever has signed it; without the tables that may follow it.

    Raises: HostError, FormatError, OSError.
    """
    data = files.read(path, keyset.MAX_FILE)
    try:
        signed: root.Signed = root.unpack(data)
    except MulliganError as e:
        raise HostError(f"{path}: {e}") from e
    if root.length(signed) + sum(keytables.KID + size for _, _, size in tables_behind(signed, data)) != len(data):
        raise HostError(f"{path}: something follows the root")
    return signed


def tables_behind(signed: root.Signed, data: bytes) -> list[tuple[str, int, int]]:
    """Return (kid, offset, bytes) of each table that follows the root ``signed`` in its file, ``data``."""

    def readinto(at: int, buf: bytearray) -> None:
        buf[:] = data[at : at + len(buf)]

    return list(keytables.entries(readinto, root.length(signed), len(data)))


def propose(before: root.Signed | None, change: Change) -> root.Signed:
    """Return the root to follow ``before``, or the first one, with no signature yet. Raises: HostError."""
    old = before.root if before else None
    if before and not quorum(before.root, before).met:
        raise HostError(f"root {before.root.number} is not in force: {quorum(before.root, before)}")
    roles = {key.public: key.roles for key in old.keys} if old else {}
    for kid in change.remove:
        public = next((public for public in roles if keyset.key_id(public) == kid), None)
        if public is None:
            raise HostError(f"key {kid} is not in root {old.number if old else 0}")
        del roles[public]
    for role, publics in change.add.items():
        for public in publics:
            roles[public] = roles.get(public, 0) | ROLES[role]
    threshold = change.threshold or (old.threshold if old else sum(bool(bits & root.ROOT) for bits in roles.values()))
    issued = int(time.time())
    lifetime = old.expires - old.issued if old and old.expires else 0
    if change.days is not None:
        lifetime = change.days * _DAY
    expires = issued + lifetime if lifetime else 0
    keys = [root.Key(public, bits) for public, bits in roles.items()]
    try:
        new = root.make(old.number + 1 if old else 1, issued, expires, threshold, change.ceiling, keys)
    except MulliganError as e:
        raise HostError(f"no root can be so: {e}") from e
    return root.Signed(new, root.encode(new), {})


def sign(signed: root.Signed, before: root.Signed | None, signers: Iterable[Signer]) -> root.Signed:
    """Return it with the signatures of ``signers`` too. Raises: HostError for one whose signature nobody asks for."""
    wanted = {**root.keys_for(signed.root, root.ROOT), **(root.keys_for(before.root, root.ROOT) if before else {})}
    signatures = dict(signed.signatures)
    for signer in signers:
        if signer.kid not in wanted:
            whose = f"root {signed.root.number}" + (f" and root {before.root.number}" if before else "; is --before missing?")
            raise HostError(f"{signer.name}: key {signer.kid} is no root key of {whose}")
        signatures[signer.kid] = signer.signature(root.signing_bytes(signed.body))
    return signed._replace(signatures=signatures)


def merge(signed: root.Signed, others: Iterable[root.Signed]) -> root.Signed:
    """Return it with the signatures that copies of it have got elsewhere. Raises: HostError for a copy of another root."""
    signatures = dict(signed.signatures)
    for other in others:
        if other.body != signed.body:
            raise HostError(
                f"the roots {signed.root.number} and {other.root.number} are not the same: signatures can't be put together"
            )
        signatures = {**other.signatures, **signatures}
    return signed._replace(signatures=signatures)


def first(signers: Sequence[Signer], release: Sequence[bytes], fleet: Sequence[bytes] = ()) -> bytes:
    """Return the file of a first root, signed: all of ``signers`` are its root keys. Raises: HostError."""
    new = propose(None, Change({"root": [signer.public for signer in signers], "release": release, "fleet": fleet}))
    return packed(sign(new, None, signers))


def quorum(asking: root.Root, signed: root.Signed) -> Quorum:
    """Return how many of the root keys of ``asking`` have signed."""
    digest = sha256(root.signing_bytes(signed.body)).digest()
    keys = root.keys_for(asking, root.ROOT)
    right = [k for k, public in keys.items() if k in signed.signatures and p256.verify(public, digest, signed.signatures[k])]
    return Quorum(asking.number, asking.threshold, right, [kid for kid in keys if kid not in right])


def quorums(signed: root.Signed, before: root.Signed | None) -> list[Quorum]:
    """Return what a device asks for: of the root before, where there is one, and of the root itself.

    Raises: HostError where ``before`` is not the root before it.
    """
    if before and before.root.number + 1 != signed.root.number:
        raise HostError(f"root {signed.root.number} does not follow root {before.root.number}")
    return [quorum(asking.root, signed) for asking in ((before, signed) if before else (signed,))]


def require(signed: root.Signed, before: root.Signed | None) -> None:
    """Raise HostError where a device that trusts ``before`` would not take it, or, without one, where it is not whole."""
    for asked in quorums(signed, before):
        if not asked.met:
            raise HostError(f"root {signed.root.number} is not signed yet: {asked}")


def packed(signed: root.Signed) -> bytes:
    """Return the bytes of the file."""
    data: bytes = root.pack(signed.body, signed.signatures)
    return data


def with_tables(signed: root.Signed, width: int) -> bytes:
    """Return the root, and behind it the tables of its keys for releases and orders; none for width 0. Raises: HostError."""
    return packed(signed) + combs.tables(signed.root, width)


def partition(signed: root.Signed, size: int, width: int) -> bytes:
    """Return the keys partition, ``size`` bytes, of a new board that trusts the root ``signed``, with tables of ``width``.

    They stand in both slots: what one loses the other still has, until the first rotation writes over it.
    Raises: HostError where no board would take it, or it does not fit.
    """
    require(signed, None)
    data, half, room = with_tables(signed, width), keyset.slot_size(Sized(size)), keyset.room(Sized(size))
    if len(data) > room:
        raise HostError(
            f"root {signed.root.number} has {len(data)} bytes with its tables, half of a keys partition of {size} has room for "
            f"{max(room, 0)}: make the partition larger, or the tables smaller (--width)"
        )
    return (2 * data.ljust(half, b"\xff")).ljust(size, b"\xff")
