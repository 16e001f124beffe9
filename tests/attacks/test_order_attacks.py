"""Attacks on the fleet order, on a real agent that waits for one: refused by a code, and nothing on the board has changed."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from host.rig import BOARD, Rig, image
from mulligan.core import root
from mulligan.core.journal import Journal
from mulligan_host import ceremony, files, keys, release
from mulligan_host.micropython import MicroPython
from mulligan_host.models.source import ByteSource

TOLD = {"order": True, "group": "canary", "device": "a4cf12"}


class Ordered(Rig):
    """A board that waits for orders. ``fleet`` signs them; ``both`` has the roles of a release key and of a fleet key."""

    def __init__(self, work: Path, ports: list[MicroPython]) -> None:
        self.fleet = keys.Signer.generate()
        self.both = keys.Signer.generate()
        super().__init__(work, ports, released=False, told=TOLD)
        self.build("1.0.0", self.first)

    def first_root(self) -> bytes:
        return ceremony.first([self.root_signer], [self.signer.public, self.both.public], [self.fleet.public, self.both.public])

    def order(self, version: str, **targets: Any) -> bytes:
        """Order a release, beside the manifest; return the token."""
        self.directory.order(version, self.fleet, release.Targets(**targets))
        return files.read(self.directory.channel_order("stable"))

    def ordered(self, version: str) -> dict[str, Any]:
        """Return the payload of an order for a release, the next in sequence, to be tampered with."""
        self.order(version)
        last = max((self.directory.path / "orders").iterdir(), key=lambda path: int(path.stem))
        payload: dict[str, Any] = json.loads(last.read_bytes())
        return payload

    def show(self, token: bytes | None) -> None:
        """Put an order, or none, beside the manifest."""
        path = self.directory.channel_order("stable")
        if token is None:
            path.unlink(missing_ok=True)
        else:
            files.write(path, token)

    def forge_order(self, payload: dict[str, Any], signer: keys.Signer | None = None) -> None:
        self.show((signer or self.fleet).sign(json.dumps(payload).encode()))

    def polled(self) -> None:
        """Wait until a poll has begun and ended from now on."""
        asked = self._asked()
        while self._asked() < asked + 3:  # the first may have read the manifest before
            self.served()

    def _asked(self) -> int:
        return sum(request.path.endswith(".order.jws") for request in self.web.requests)

    def refuses(self, code: int, offer: Callable[[], object], event: str = "refused") -> str:
        """``offer`` the release 2.0.0 so; it is answered by ``code``, with no flash operation;
        return the reason."""
        before = self.operations(), self.entry().floor, self.state().order, len(self.all(event))
        with self.unchanged():
            offer()
            if files.read(self.directory.channel("stable")) == self.peace:
                self.directory.sign("2.0.0", self.signer)
            self.polled()
        answers = self.all(event)
        assert (self.operations(), self.entry().floor, self.state().order) == before[:3]
        assert len(answers) > before[3]
        assert answers[-1]["code"] == str(code), answers[-1]  # the last: by then, order and manifest are both in place
        return answers[-1]["reason"]

    withheld = b""
    peace = b""
    """The manifest that is not an attack."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, micropythons: list[MicroPython]) -> Iterator[Ordered]:
    """A board that took 1.1.0 by order 2. Order 1, which it never saw, is for 2.0.0, which is built and not on offer."""
    with Ordered(tmp_path_factory.mktemp("orders"), micropythons) as rig:
        rig.on()
        rig.build("1.1.0")
        rig.build("2.0.0", image("2.0.0", model="1.0.0"))
        rig.withheld = rig.order("2.0.0")
        rig.order("1.1.0")
        rig.directory.sign("1.1.0", rig.signer)
        rig.wait("confirmed")
        rig.peace = rig.directory.channel("stable").read_bytes()
        yield rig


@pytest.fixture
def rig(shared: Ordered) -> Iterator[Ordered]:
    yield shared
    files.write(shared.directory.channel("stable"), shared.peace)
    shared.order("1.1.0")
    shared.polled()


def test_a_missing_order(rig: Ordered) -> None:
    assert "no order" in rig.refuses(37, lambda: rig.show(None))


def test_mix_and_match_of_order_and_release(rig: Ordered) -> None:
    assert "another release" in rig.refuses(37, lambda: rig.order("1.1.0"))


def test_an_order_for_another_release_of_the_same_version(rig: Ordered) -> None:
    """The thief of a release key signs another 2.0.0 than the one that was ordered."""

    def other() -> None:
        rig.order("2.0.0")
        payload = rig.payload("2.0.0")
        rig.forge({**payload, "expires": payload["expires"] + 1})

    assert "another release" in rig.refuses(37, other)


def test_a_replayed_order(rig: Ordered) -> None:
    """An old order was withdrawn by a newer one, which the device has obeyed; the power was off since."""
    rig.board.power_off()

    def offer() -> None:
        rig.show(rig.withheld)
        rig.directory.sign("2.0.0", rig.signer)
        rig.on()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rig, "unchanged", contextlib.nullcontext)
        journal = rig.journal()
        assert "sequence 1 is below 2" in rig.refuses(33, offer)
        assert (rig.journal(), rig.served()) == (journal, "1.1.0")


def test_an_order_that_was_withdrawn_while_nothing_was_installed(rig: Ordered) -> None:
    """An order with nothing to do is not written to flash, and yet not gone back behind."""
    old = rig.order("2.0.0")
    rig.order("1.1.0")
    rig.polled()
    assert "is below" in rig.refuses(33, lambda: rig.show(old))


@pytest.mark.parametrize(
    "targets",
    [
        {"groups": ["beta"]}, {"devices": ["a4cf13", "a4cf1"]}, {"boards": ["esp32"]},
        {"boards": ["canary"], "groups": ["a4cf12"], "devices": [BOARD]},
    ],
    ids=lambda targets: "-".join(targets),
)  # fmt: skip
def test_an_order_for_other_devices(rig: Ordered, targets: dict[str, list[str]]) -> None:
    assert "other devices" in rig.refuses(37, lambda: rig.order("2.0.0", **targets))


def test_an_order_for_another_channel(rig: Ordered) -> None:
    """What beta is ordered to take, shown on stable."""

    def moved() -> None:
        rig.directory.order("2.0.0", rig.fleet, channel="beta")
        rig.show(files.read(rig.directory.channel_order("beta")))

    assert "other devices" in rig.refuses(37, moved)


def test_an_expired_order(rig: Ordered) -> None:
    payload = rig.ordered("2.0.0")
    past = int(time.time()) - 60
    assert "has expired" in rig.refuses(32, lambda: rig.forge_order({**payload, "issued": past - 60, "expires": past}))


def test_an_order_by_a_release_key(rig: Ordered) -> None:
    payload = rig.ordered("2.0.0")
    assert "not pinned" in rig.refuses(20, lambda: rig.forge_order(payload, rig.signer))


def test_a_manifest_by_a_fleet_key(rig: Ordered) -> None:
    def offer() -> None:
        rig.order("2.0.0")
        rig.directory.sign("2.0.0", rig.fleet)

    assert "not pinned" in rig.refuses(20, offer)


@pytest.mark.parametrize("signature", [b"", b"A" * 86, b"A" * 85])
def test_an_order_with_its_signature_stripped(rig: Ordered, signature: bytes) -> None:
    signed = rig.order("2.0.0").rpartition(b".")[0]
    rig.refuses(20 if len(signature) != 85 else 10, lambda: rig.show(signed + b"." + signature))


def test_an_order_without_a_signature(rig: Ordered) -> None:
    signed = rig.order("2.0.0").rpartition(b".")[0]
    rig.refuses(10, lambda: rig.show(signed))


def test_an_order_that_was_changed(rig: Ordered) -> None:
    rig.order("2.0.0", groups=["beta"])
    one, other = (rig.order("2.0.0", groups=[group]).split(b".") for group in ("beta", "canary"))
    rig.refuses(20, lambda: rig.show(b".".join((other[0], other[1], one[2]))))


def test_a_manifest_for_an_order(rig: Ordered) -> None:
    """By a key that may sign both."""
    manifest = rig.both.sign(rig.directory.payload("2.0.0"))
    assert "order: " in rig.refuses(10, lambda: rig.show(manifest))


def test_an_order_for_a_manifest(rig: Ordered) -> None:
    """By a key that may sign both."""
    order = rig.both.sign(json.dumps(rig.ordered("2.0.0")).encode())

    def swapped() -> None:
        rig.offer(order)
        rig.order("2.0.0")

    assert "mulligan is not an integer" in rig.refuses(10, swapped)


def test_an_order_with_a_condition_that_is_not_known(rig: Ordered) -> None:
    payload = rig.ordered("2.0.0")
    assert "percent" not in rig.refuses(10, lambda: rig.forge_order({**payload, "percent": 1}))


def test_an_endless_order(rig: Ordered) -> None:
    assert "at most" in rig.refuses(60, lambda: rig.show(b"A" * 4001), "waiting")


def test_an_order_by_a_revoked_key(tmp_path: Path, micropythons: list[MicroPython]) -> None:
    """First what is right: an order is waited for and obeyed, and costs no record of its own; then its key is revoked."""
    with Ordered(tmp_path / "rig", micropythons) as rig:
        rig.on()
        rig.publish("1.1.0")
        assert "no order" in rig.wait("refused")["reason"]
        rig.order("1.1.0", devices=["a4cf12"])
        rig.wait("activated")
        assert rig.state().order == 1
        rig.wait("confirmed")
        assert (rig.version(), rig.state().order, Journal(ByteSource(rig.journal()))._number) == ("1.1.0", 1, 3)
        assert rig.restart() == "1.1.0"
        first = root.unpack(rig.root)
        new = ceremony.propose(first, ceremony.Change({"fleet": [keys.Signer.generate().public]}, [rig.fleet.kid]))
        rig.directory.add_root(ceremony.packed(ceremony.sign(new, first, [rig.root_signer])))
        rig.build("2.0.0", image("2.0.0", model="1.0.0"))
        rig.order("2.0.0")
        rig.directory.sign("2.0.0", rig.signer)
        while (answer := rig.wait("refused"))["code"] != "20":
            assert answer["code"] == "37"
        assert "not pinned" in answer["reason"]
        assert (rig.version(), rig.entry().floor, rig.state().order) == ("1.1.0", 2, 1)
