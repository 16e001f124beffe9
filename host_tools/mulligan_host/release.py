"""Releases: a static directory that any web server can serve.

    artifacts/HEX          patches and patch indexes, by their SHA-256
    releases/VERSION.json  the payload that a signature covers
    roots/NUMBER           signed roots, for devices to catch up on
    CHANNEL.jws            the manifest that devices of the channel poll
    CHANNEL.order.jws      the order of a fleet key beside it: which of them are to take it
    orders/NUMBER.json     the payload of each order

Everything a manifest names is in place before the manifest is, so a device never sees half a release.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from mulligan.core import base64url, manifest, root, semver, slot
from mulligan.core import order as orders
from mulligan.core import patch as patch_format
from mulligan.core.errors import FormatError, MulliganError
from mulligan_host import ceremony, combs, delta, files
from mulligan_host.artifacts import Part, check_together, recognise
from mulligan_host.errors import HostError
from mulligan_host.inspection import Inspection
from mulligan_host.keys import Signer

# What a device must have free in one piece for a patch of tier 2: what an installation takes at most, and the next pool of names.
# The least heap has no such piece beside an app and an agent over TLS: it takes the patch of tier 1.
_HEAP = 32768
_ENTRY = 160  # bytes of a patch's entry in the index: it must save more than that
_BASES = 3  # how many earlier versions of an artifact get a patch of their own


@dataclass(frozen=True)
class Health:
    """How a device judges the trial; see mulligan.core.manifest.Rules. ``heap``: what the next update needs, unless told."""

    correct: int
    latency_us: int = 0
    attempts: int = 2
    deadline_ms: int = 10000
    watchdog_ms: int = 8000
    p50_us: int = 0
    p99_us: int = 0
    arena: int = 0
    heap: int = 12288
    shadow_runs: int = 0
    shadow_every: int = 1
    shadow_agree: int = 1000
    live_runs: int = 0
    live_errors: int = 0
    live_drift: int = 0
    confirm: int = 0


@dataclass(frozen=True)
class Order:
    """What a release is to be: one artifact or several, for which boards, judged how, and until when it may be installed."""

    what: bytes | Sequence[Part]
    """A model slot image, or the parts of a set."""
    boards: list[str]
    health: Health
    version: str | None = None
    days: int = 365
    boot_ms: int = 3000
    requires: dict[str, str] = field(default_factory=dict)
    after: str = ""
    """The lowest version that it may take the place of; "" for any."""
    hard_floor: int = 0
    """Once it is confirmed, nothing with a lower counter may run again; 0 for no such floor."""
    preflight: Mapping[str, int | list[str]] = field(default_factory=dict)
    """Thresholds under which it is not installed yet; see mulligan.core.preflight."""


@dataclass(frozen=True)
class Targets:
    """Whom a fleet order is for: whoever one of them names; every device of the channel where all are empty."""

    boards: Sequence[str] = ()
    groups: Sequence[str] = ()
    devices: Sequence[str] = ()


class Directory:
    """The release directory at ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def build(self, order: Order) -> manifest.Manifest:
        """Write the artifacts and the payload of a new release, one sequence above the last. Unsigned, so no device sees it.

        Raises: FormatError, HostError, OSError.
        """
        parts = [recognise(order.what)] if isinstance(order.what, bytes) else list(order.what)
        if not parts:
            raise HostError("a release has one artifact at least")
        check_together(parts)
        version = order.version or parts[0].version
        earlier = self.releases() if self.path.is_dir() else []
        if any(r.release == version for r in earlier):
            raise HostError(f"{self.path}: release {version} is there already: releases never change")
        sequence = max((r.sequence for r in earlier), default=0) + 1
        defaults = {key: default for key, _, _, default in manifest.RULES}
        health = {key: value for key, value in asdict(order.health).items() if value != defaults[key]}
        for part in parts:
            _judge(part, order.health)
        if order.days < 1:
            raise HostError(f"a release that may be installed for {order.days} days is none; give it one at least")
        now = int(time.time())
        blobs: list[bytes] = []

        def blob(data: bytes) -> dict[str, Any]:
            blobs.append(data)
            return {"size": len(data), "sha256": base64url.encode(sha256(data).digest())}

        def described(part: Part) -> dict[str, Any]:
            artifact: dict[str, Any] = {
                "plane": part.plane,
                "name": part.name,
                "version": part.version,
                "counter": sequence,
                "size": len(part.content),
                "sha256": base64url.encode(sha256(part.content).digest()),
                "full": blob(delta.make(b"", part.content)),
                "requires": order.requires,
                "health": health,
            }
            if order.after:
                artifact["after"] = order.after
            if order.hard_floor:
                artifact["hard_floor"] = order.hard_floor
            if part.mpy:
                artifact["mpy"] = part.mpy
            patches = self._patches(part, earlier)
            if patches:
                index = [{"base": base64url.encode(base), **blob(data), **heap} for base, data, heap in patches]
                artifact["patches"] = blob(_canonical(index))
            return artifact

        payload = {
            "mulligan": manifest.VERSION,
            "release": version,
            "sequence": sequence,
            "issued": now,
            "expires": now + 86400 * order.days,
            "boards": order.boards,
            "boot_ms": order.boot_ms,
            "artifacts": [described(part) for part in parts],
            **({"preflight": dict(order.preflight)} if order.preflight else {}),
        }
        raw = _canonical(payload)
        built: manifest.Manifest = manifest.parse(raw)
        # All is known to be in order; nothing was written yet.
        self._make()
        for data in blobs:
            files.write(self.path / "artifacts" / sha256(data).hexdigest(), data)
        files.write(self._payload(version), raw)
        return built

    def sign(self, release: str, signer: Signer, channel: str = "stable") -> Path:
        """Sign a built release and publish it on ``channel``, a hint beside it. Raises: HostError, FormatError, OSError."""
        token = combs.hinted(signer.sign(self.payload(release)))
        path = self.channel(channel)
        files.write(path, token)
        return path

    def order(
        self, release: str, signer: Signer, targets: Targets | None = None, days: int = 30, channel: str = "stable"
    ) -> orders.Order:
        """Sign an order for a built release, one number above the last, and publish it on ``channel``.

        Raises: HostError, FormatError, OSError.
        """
        if days < 1:
            raise HostError(f"an order that stands for {days} days is none; give it one at least")
        path = self.channel_order(channel)
        numbers = [int(old.stem) for old in (self.path / "orders").glob("*.json") if old.stem.isdecimal()]
        now = int(time.time())
        payload: dict[str, Any] = {
            "order": orders.VERSION,
            "sequence": max(numbers, default=0) + 1,
            "issued": now,
            "expires": now + 86400 * days,
            "manifest": base64url.encode(sha256(self.payload(release)).digest()),
            "channel": channel,
            **{key: list(named) for key, named in asdict(targets or Targets()).items() if named},
        }
        raw = _canonical(payload)
        given: orders.Order = orders.parse(raw)
        token = signer.sign(raw)
        self._make()
        files.write(self.path / "orders" / f"{given.sequence}.json", raw, replace=False)
        files.write(path, token)
        return given

    def add_root(self, data: bytes) -> Path:
        """Publish a signed root, and the tables behind it, under its number; the one before it, if it is here, must allow it.

        Raises: FormatError, HostError, OSError.
        """
        signed: root.Signed = root.unpack(data)
        number = signed.root.number
        before = self.path / "roots" / str(number - 1)
        ceremony.require(signed, ceremony.load(before) if before.is_file() else None)
        path = self.path / "roots" / str(number)
        if path.is_file() and ceremony.load(path) != signed:
            raise HostError(f"{path}: another root {number} is there already: roots never change")
        self._make()
        files.write(path, data)
        return path

    def verify(self, channel: str, keys: Mapping[str, bytes]) -> manifest.Manifest:
        """Return the manifest on ``channel`` if every check of an Inspection holds. Raises: MulliganError, OSError."""
        return Inspection(self, channel, keys).checked()

    def payload(self, release: str) -> bytes:
        """Return the payload of a built release. Raises: HostError."""
        path = self._payload(release)
        if not path.is_file():
            known = ", ".join(r.release for r in self.releases()) or "none"
            raise HostError(f"{self.path}: no release {release} (there are: {known}); build it first")
        return files.read(path)

    def channel(self, channel: str) -> Path:
        """Return where the manifest of ``channel`` is."""
        if not channel.isidentifier():
            raise HostError(f"channel {channel!r}: letters, digits and _ only")
        return self.path / f"{channel}.jws"

    def channel_order(self, channel: str) -> Path:
        """Return where the fleet order of ``channel`` is, if there is one."""
        return self.channel(channel).with_suffix(".order.jws")

    def releases(self) -> list[manifest.Manifest]:
        """Return the built releases by sequence. Raises: FormatError naming the file that is not one; HostError."""
        if not self.path.is_dir():
            raise HostError(f"{self.path}: no such directory; mulligan release build makes one")
        found = []
        for path in (self.path / "releases").glob("*.json"):
            try:
                found.append(manifest.parse(files.read(path)))
            except MulliganError as e:
                raise FormatError(f"{path}: {e}") from e
        return sorted(found, key=lambda r: r.sequence)

    def image(self, digest: bytes) -> bytes:
        """Return the artifact with that SHA-256, of any release here. Raises: HostError, FormatError, OSError."""
        for release in self.releases():
            for artifact in release.artifacts:
                if artifact.sha256 == digest:
                    return self.yielded(artifact)
        raise HostError(f"{self.path}: no release holds the artifact {digest.hex()[:12]}")

    def yielded(self, artifact: manifest.Artifact) -> bytes:
        """Return what the full source of ``artifact`` yields, as it was signed. Raises: FormatError, OSError."""
        new = delta.apply(b"", self.content(artifact.full))
        if len(new) != artifact.size or sha256(new).digest() != artifact.sha256:
            raise FormatError(f"{artifact.name} {artifact.version}: the full source yields something else")
        return new

    def content(self, blob: manifest.Blob | manifest.Patch) -> bytes:
        """Return the bytes of ``blob``, whose hash is right. Raises: FormatError, OSError."""
        path = self.path / "artifacts" / blob.sha256.hex()
        data = files.read(path)
        if len(data) != blob.size or sha256(data).digest() != blob.sha256:
            raise FormatError(f"{path}: not the bytes that its name promises; copy it again from where it was built")
        return data

    def latest(self, plane: str, name: str) -> bytes | None:
        """Return the artifact in the last release that has one of that plane and name; None if there is none.

        Raises: FormatError, HostError, OSError.
        """
        releases = self.releases() if self.path.is_dir() else []
        found = [a for r in releases for a in r.artifacts if (a.plane, a.name) == (plane, name)]
        return self.yielded(found[-1]) if found else None

    def _make(self) -> None:
        """Make the directory, inside one that is there."""
        for path in (self.path, self.path / "artifacts", self.path / "releases", self.path / "roots", self.path / "orders"):
            path.mkdir(exist_ok=True)

    def _patches(self, part: Part, earlier: list[manifest.Manifest]) -> list[tuple[bytes, bytes, dict[str, int]]]:
        """Make (base's SHA-256, patch, what else its entry says) from the last versions of the artifact; keep what pays.

        That is what is smaller than the full one; and before it, what is smaller still and needs more of the device.
        """
        image = part.content
        digests = [a.sha256 for r in earlier for a in r.artifacts if (a.plane, a.name) == (part.plane, part.name)]
        digests = list(dict.fromkeys(reversed(digests)))
        full = len(delta.make(b"", image))
        entries = []
        for digest in digests[:_BASES]:
            if digest == sha256(image).digest():
                continue
            base = self.image(digest)
            small, plain = (delta.make(base, image, (tier,)) for tier in (patch_format.TIER_RANGE, patch_format.TIER_DEFLATE))
            least = min(len(plain), full)
            if len(small) + _ENTRY < least:
                entries.append((digest, small, {"heap": _HEAP}))
            if len(plain) < full:
                entries.append((digest, plain, {}))
        return entries

    def _payload(self, release: str) -> Path:
        semver.parse(release)
        return self.path / "releases" / f"{release}.json"


def _judge(part: Part, health: Health) -> None:
    """Raises: HostError where the rules can't be met."""
    if part.plane != "model":
        return
    header = slot.parse(part.content, len(part.content))
    if not 0 <= health.correct <= header.golden:
        raise HostError(f"{health.correct} correct golden vectors asked for, the image has {header.golden}")
    if 0 < health.arena < header.arena:
        raise HostError(f"{header.name} needs {header.arena} bytes of arena, {health.arena} are allowed")


def _canonical(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
