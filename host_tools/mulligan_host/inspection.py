"""What `mulligan release verify` looks at: every check that a device makes of a release, and those that it can only make later.

Each is made by the code that the device runs. Nothing of a manifest is used whose signature was not verified; what a failed
check leaves unknown is not made. Whether the artifacts are there and yield what was signed is looked at in every case where it
can be, so that one run shows all that is wrong.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from mulligan.core import jws, limits, manifest, order, p256, root, slot
from mulligan.core.errors import Expired, FormatError, NotOrdered, Replayed, RootError, SignatureError
from mulligan_host import ceremony, delta, files
from mulligan_host.errors import HostError, MulliganError


class Source(Protocol):
    """What a release directory has to tell: see mulligan_host.release.Directory."""

    def channel(self, channel: str) -> Path: ...

    def channel_order(self, channel: str) -> Path: ...

    def releases(self) -> list[manifest.Manifest]: ...

    def image(self, digest: bytes) -> bytes: ...

    def yielded(self, artifact: manifest.Artifact) -> bytes: ...

    def content(self, blob: manifest.Blob | manifest.Patch) -> bytes: ...


@dataclass(frozen=True)
class Check:
    """One check: its ``name``; ``ok``, None where it was not made; and why."""

    name: str
    ok: bool | None
    reason: str
    error: Exception | None = field(default=None, repr=False, compare=False)
    """What it failed by."""


class Inspection:
    """The checks of the manifest on ``channel`` of ``directory``, made.

    ``trusted`` says who may sign it: {kid: public key}, or a root, which is then checked too.
    """

    def __init__(self, directory: Source, channel: str, trusted: Mapping[str, bytes] | root.Signed) -> None:
        self.checks: list[Check] = []
        self.release: manifest.Manifest | None = None
        """What was signed, if it was."""
        self._directory = directory
        self._channel = channel
        self._path = directory.channel(channel)
        self._order_path = directory.channel_order(channel)
        self._root: root.Signed | None = None
        self._keys: Mapping[str, bytes]
        if isinstance(trusted, root.Signed):
            self._root, self._keys = trusted, root.keys_for(trusted.root, root.RELEASE)
        else:
            self._keys = trusted
        self._token = b""
        self._beside: bytes | None = None
        self._trust()
        if self.release is not None:
            self._make("expiry", self._expiry)
            self._make("floors", self._floors)
            self._order()
            for artifact in self.release.artifacts:
                self._artifact(artifact)

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if check.ok is False]

    def checked(self) -> manifest.Manifest:
        """Return the release if nothing failed. Raises: what the first failed check failed by."""
        if self.failed:
            assert self.failed[0].error is not None
            raise self.failed[0].error
        assert self.release is not None
        return self.release

    def plain(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "manifest": str(self._path),
            "release": self.release.release if self.release else None,
            "ok": not self.failed,
            "checks": [{"check": c.name, "ok": c.ok, "reason": c.reason} for c in self.checks],
        }

    def _make(self, name: str, step: Callable[[], str]) -> bool:
        """Note how ``step`` went, which returns the reason of its success."""
        try:
            self.checks.append(Check(name, True, step()))
        except (MulliganError, OSError) as e:
            reason = f"{e.filename}: {e.strerror}" if isinstance(e, OSError) and e.filename else str(e)
            self.checks.append(Check(name, False, " ".join(reason.split()), e))
        return self.checks[-1].ok is True

    def _trust(self) -> None:
        """The device's order: size, header, key, signature, and only then the content. The first that fails is the last."""
        steps = {
            **({"root": self._in_force} if self._root else {}),
            "size": self._size,
            "header": self._header,
            "key": self._key,
            "signature": self._signature,
            "hint": self._hint,
            "manifest": self._manifest,
        }
        broken = ""
        for name, step in steps.items():
            if broken:
                self.checks.append(Check(name, None, f"not made: {broken} failed"))
            elif not self._make(name, step):
                broken = name
        if broken:
            self.checks.append(Check("artifacts", None, "not made: nobody vouches for what the manifest says of them"))

    def _in_force(self) -> str:
        assert self._root is not None
        found, own = self._root.root, ceremony.quorum(self._root.root, self._root)
        if not own.met:
            raise RootError(f"no device takes root {found.number}: {own}")
        if found.expires and found.expires < time.time():
            raise Expired(
                f"root {found.number} has expired on {_date(found.expires)}; make the next one with mulligan keys rotate"
            )
        return f"root {found.number}, {own}; expires {_date(found.expires) if found.expires else 'never'}"

    def _size(self) -> str:
        self._token, self._beside = jws.split(files.read(self._path))
        if len(self._token) > limits.MAX_TOKEN:
            raise FormatError(f"{self._path}: {len(self._token)} characters, at most {limits.MAX_TOKEN} allowed")
        return f"{len(self._token)} of {limits.MAX_TOKEN} characters"

    def _header(self) -> str:
        return f"alg ES256 and kid {jws.key_id(self._token)}, nothing else"

    def _key(self) -> str:
        kid = jws.key_id(self._token)
        if kid not in self._keys:
            raise SignatureError(f"kid {kid} is not pinned here: {', '.join(self._keys)}")
        return f"kid {kid} is a release key of root {self._root.root.number}" if self._root else f"kid {kid} is pinned here"

    def _signature(self) -> str:
        jws.verify(self._token, self._keys)
        return "covers header and payload"

    def _hint(self) -> str:
        """It is nothing that a device relies on; but what is published should be what was signed."""
        if self._beside is None:
            return "none: devices find out for themselves what it would tell them"
        if not p256.holds(self._beside, jws.signature(self._token)):
            raise SignatureError("false: devices ignore it, and take longer; sign the release again")
        return "right: devices need not compute the inverse of s"

    def _manifest(self) -> str:
        self.release = manifest.parse(jws.verify(self._token, self._keys))
        found = self.release
        return f"release {found.release}, sequence {found.sequence}, for {', '.join(found.boards)}, in the strict format"

    def _expiry(self) -> str:
        assert self.release is not None
        left = self.release.expires - time.time()
        until = _date(self.release.expires)
        if left < 0:
            raise Expired(f"release {self.release.release} has expired on {until}; build and sign a new one")
        return f"may be installed until {until}, for {left / 86400:.0f} days"

    def _floors(self) -> str:
        """A device that confirmed an earlier release has its counters as floors."""
        assert self.release is not None
        earlier = [r for r in self._directory.releases() if r.sequence < self.release.sequence]
        for artifact in self.release.artifacts:
            for before in earlier:
                for other in before.artifacts:
                    if (other.plane, other.name) == (artifact.plane, artifact.name) and other.counter > artifact.counter:
                        raise Replayed(
                            f"{artifact.name} has counter {artifact.counter}, release {before.release} had {other.counter}: "
                            "devices that confirmed that one refuse this"
                        )
        return f"no counter is below that of the {len(earlier)} earlier releases here"

    def _order(self) -> None:
        """What a device that waits for an order makes of the one beside the manifest."""
        fleet = root.keys_for(self._root.root, root.FLEET) if self._root else {}
        if self._order_path.exists() and self._root is None:
            self.checks.append(Check("order", None, "not made: only a root says which fleet keys may sign it; give --root"))
        elif self._order_path.exists():
            found: list[order.Order] = []
            if self._make("order: signature", lambda: self._order_signature(fleet, found)):
                self._make("order: release", lambda: self._order_release(found[0]))
                self._make("order: expiry", lambda: _order_expiry(found[0]))
            else:
                self.checks.append(Check("order: release", None, "not made: order: signature failed"))
        elif fleet:
            self.checks.append(Check("order", None, "not made: there is none; devices that wait for one do not install this"))

    def _order_signature(self, fleet: Mapping[str, bytes], found: list[order.Order]) -> str:
        assert self._root is not None
        token = files.read(self._order_path)
        found.append(order.parse(jws.verify(token, fleet)))
        number = self._root.root.number
        return f"order {found[0].sequence}, {len(token)} characters; kid {jws.key_id(token)} is a fleet key of root {number}"

    def _order_release(self, found: order.Order) -> str:
        if found.manifest != sha256(jws.verify(self._token, self._keys)).digest():
            raise NotOrdered(f"order {found.sequence} is for another release than the one on the channel")
        if found.channel != self._channel:
            raise NotOrdered(f"order {found.sequence} is for the channel {found.channel}")
        return f"names this release by the SHA-256 of its payload; for {targets(found)}"

    def _artifact(self, artifact: manifest.Artifact) -> None:
        called = f"{artifact.plane}/{artifact.name}"
        new = b""

        def full() -> str:
            nonlocal new
            new = self._directory.yielded(artifact)
            return f"{artifact.full.size} bytes with the right hash; they yield the {artifact.size} bytes of {artifact.version}"

        if not self._make(f"{called}: full source", full):
            self.checks.append(Check(f"{called}: patches", None, "not made: there is nothing to compare what they yield with"))
            return
        if artifact.plane == "model":
            self._make(f"{called}: slot image", lambda: _slot_image(artifact, new))
        patches: list[manifest.Patch] = []

        def index() -> str:
            if artifact.patches is None:
                return "none: devices take the full source"
            patches.extend(manifest.parse_index(self._directory.content(artifact.patches)))
            return f"{len(patches)}, in an index of {artifact.patches.size} bytes with the right hash"

        self._make(f"{called}: patches", index)
        for patch in patches:
            self._make(f"{called}: patch from {patch.base.hex()[:12]}", lambda patch=patch: self._patch(patch, new))  # type: ignore[misc]

    def _patch(self, patch: manifest.Patch, new: bytes) -> str:
        base = self._directory.image(patch.base)
        if delta.apply(base, self._directory.content(patch)) != new:
            raise FormatError(f"the patch against {patch.base.hex()[:12]} yields something else")
        return f"{patch.size} bytes with the right hash; applied to its base they yield the artifact"


def targets(found: order.Order) -> str:
    """Return whom an order is for, in words."""
    lists = {"boards": found.boards, "groups": found.groups, "devices": found.devices}
    named = [f"{key} {', '.join(named) or 'none'}" for key, named in lists.items() if named is not None]
    return "; ".join(named) or f"every device of {found.channel}"


def _order_expiry(found: order.Order) -> str:
    until = _date(found.expires)
    if found.expires < time.time():
        raise Expired(f"order {found.sequence} has expired on {until}; give it anew with mulligan release order")
    return f"stands until {until}"


def _date(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M UTC}"


def _slot_image(artifact: manifest.Artifact, image: bytes) -> str:
    header = slot.parse(image, len(image))
    if header.length != len(image):
        raise FormatError(f"slot image: {len(image)} bytes, its header says {header.length}")
    if (header.name, header.version) != (artifact.name, artifact.version):
        raise HostError(f"holds {header.name} {header.version}, the manifest says {artifact.name} {artifact.version}")
    if artifact.rules.correct > header.golden:
        raise HostError(f"{artifact.rules.correct} golden vectors must be right, it has {header.golden}: no trial can pass")
    digest = sha256(image).hexdigest()[:12]
    return f"{header.name} {header.version}, {header.golden} golden vectors, SHA-256 {digest}…"
