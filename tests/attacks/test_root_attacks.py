"""Attacks on the keys, on the real agent: a stolen key, a revoked one, roots that are skipped, replayed, forged, or withheld.

Each is refused by its code; the running set, the floors and the trusted root are as before.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.rig import Rig, image
from mulligan.core import keyset, p256, root
from mulligan_host import ceremony, files, keys
from mulligan_host.micropython import MicroPython
from mulligan_host.models.source import ByteSource
from mulligan_host.server import Fault

FLOORS = 0xFFFFFFFF


class Keyed(Rig):
    """A board whose root 1 has three root keys, of which two must sign, and a release key; root 1 is published."""

    def __init__(self, work: Path, ports: list[MicroPython]) -> None:
        self.roots = [keys.Signer.generate() for _ in range(3)]
        self.thief = keys.Signer.generate()
        super().__init__(work, ports, released=False)

    def first_root(self) -> bytes:
        change = ceremony.Change({"root": [s.public for s in self.roots], "release": [self.signer.public]}, threshold=2)
        return ceremony.packed(ceremony.sign(ceremony.propose(None, change), None, self.roots))

    def next_root(self, change: ceremony.Change, signers: list[keys.Signer] | None = None, after: bytes | None = None) -> bytes:
        """A signed root to follow ``after``, or else the first one."""
        before = root.unpack(after or self.root)
        new = ceremony.propose(before, change)
        return ceremony.packed(ceremony.sign(new, before, self.roots[:2] if signers is None else signers))

    def put_root(self, number: int, data: bytes) -> None:
        """Publish whatever it is, unchecked."""
        (self.directory.path / "roots").mkdir(exist_ok=True)
        files.write(self.directory.path / "roots" / str(number), data)

    def trusted(self) -> int:
        """The number of the root that the board goes by."""
        found, _ = keyset.trusted(ByteSource(self.board.partition("keys")), self.state().keys, p256.verify)
        number: int = found.number
        return number

    def refuses(self, code: int) -> str:
        """Wait for a refusal by ``code``; return its reason. Running set, floors and root are as they were."""
        before = self.journal(), self.board.partition("keys"), self.operations()
        answer = self.wait("refused")
        assert answer["code"] == str(code), answer
        assert (self.journal(), self.board.partition("keys"), self.operations()) == before
        return answer["reason"]


@pytest.fixture
def rig(tmp_path: Path, micropythons: list[MicroPython]) -> Iterator[Keyed]:
    with Keyed(tmp_path / "rig", micropythons) as rig:
        rig.build("1.0.0", image("1.0.0"))
        rig.on()
        yield rig


def test_a_stolen_release_key_rotates_nothing(rig: Keyed) -> None:
    """The thief of the release key makes a root of his own, and signs it with all he has."""
    mine = root.make(2, int(time.time()), 0, 1, None, [root.Key(rig.signer.public, root.ROOT | root.RELEASE)])
    body = root.encode(mine)
    rig.put_root(2, root.pack(body, {rig.signer.kid: rig.signer.signature(root.signing_bytes(body))}))
    rig.publish("1.1.0")
    assert "0 of 2 signatures that the old root asks for" in rig.refuses(21)
    assert (rig.trusted(), rig.version()) == (1, "1.0.0")


def test_one_root_key_twice_is_one(rig: Keyed) -> None:
    signed = root.unpack(rig.next_root(ceremony.Change({"release": [rig.thief.public]}), [rig.roots[0]]))
    mine = signed.signatures[rig.roots[0].kid]
    rig.put_root(2, root.pack(signed.body, {rig.roots[0].kid: mine, rig.roots[1].kid: mine}))
    rig.build("1.1.0")
    rig.directory.sign("1.1.0", rig.thief)
    assert "1 of 2" in rig.refuses(21)
    twice = root.pack(signed.body, {rig.roots[0].kid: mine})
    rig.put_root(2, twice[: len(signed.body)] + b"\2" + 2 * twice[-70:])
    assert "twice" in rig.refuses(10)
    assert (rig.trusted(), rig.version()) == (1, "1.0.0")


def test_a_root_that_is_skipped_or_replayed(rig: Keyed) -> None:
    second = rig.next_root(ceremony.Change(days=100))
    third = rig.next_root(ceremony.Change({"release": [rig.thief.public]}), after=second)
    rig.put_root(2, third)
    rig.publish("1.1.0")
    assert "root 3: not the one after root 1" in rig.refuses(21)
    rig.put_root(2, rig.root)
    assert "root 1: not the one after root 1" in rig.refuses(21)
    assert (rig.trusted(), rig.version()) == (1, "1.0.0")


def test_a_key_that_was_stolen_is_revoked_at_once(rig: Keyed) -> None:
    """Three rotations were missed; the last one lists another release key. What the old one signs is then worth nothing."""
    fresh = keys.Signer.generate()
    second = rig.next_root(ceremony.Change({"release": [fresh.public]}))
    third = rig.next_root(ceremony.Change(days=100), after=second)
    fourth = rig.next_root(ceremony.Change(remove=[rig.signer.kid]), after=third)
    for data in (second, third, fourth):
        rig.directory.add_root(data)
    before = rig.entry()
    rig.publish("1.1.0")  # by the stolen key
    answer = rig.wait("refused")
    assert (answer["code"], "not pinned" in answer["reason"]) == ("20", True)
    assert [facts["number"] for facts in rig.all("root")] == ["2", "3", "4"]
    entry = rig.entry()
    assert (entry.image, entry.floor, entry.trial, rig.trusted()) == (before.image, before.floor, None, 4)
    # What runs keeps running, and the fleet goes on with the new key.
    rig.now("1.0.0")
    rig.directory.sign("1.1.0", fresh)
    rig.wait("confirmed")
    assert (rig.version(), rig.restart()) == ("1.1.0", "1.1.0")


def test_recovery_from_fast_forward(rig: Keyed) -> None:
    """A stolen key drives sequence and floor to their ends; a root with a ceiling brings them back, and nothing older in."""
    rig.build("1.1.0")
    payload = {**rig.payload("1.1.0"), "sequence": FLOORS}
    payload["artifacts"][0]["counter"] = FLOORS
    rig.forge(payload)
    rig.wait("confirmed")
    assert (rig.state().sequence, rig.entry().floor) == (FLOORS, FLOORS)
    fresh = keys.Signer.generate()
    honest = rig.build("1.2.0", image("1.2.0", model="1.0.0"))
    rig.directory.sign("1.2.0", fresh)
    rig.refuses(20)  # nobody knows the new key yet
    second = rig.next_root(ceremony.Change({"release": [fresh.public]}, remove=[rig.signer.kid]))
    rig.directory.add_root(second)
    assert "below 4294967295" in _refusal(rig, "33")
    rig.directory.add_root(rig.next_root(ceremony.Change(ceiling=honest.sequence - 1), after=second))
    rig.wait("confirmed")
    assert (rig.version(), rig.state().sequence, rig.entry().floor) == ("1.2.0", honest.sequence, honest.sequence)
    rig.directory.sign("1.0.0", fresh)
    assert "sequence 1 is below" in _refusal(rig, "33")
    # The same root again, under the number that would be next.
    rig.put_root(4, (rig.directory.path / "roots" / "3").read_bytes())
    assert "root 3: not the one after root 3" in rig.refuses(21)
    assert rig.state().sequence == honest.sequence


def test_an_expired_root_installs_nothing_and_the_next_one_does(rig: Keyed) -> None:
    """Who withholds the next root can't go on for ever with a key that it would revoke."""
    past = int(time.time()) - 86400
    old = root.unpack(rig.root).root
    dying = root.Root(2, past - 86400, past, old.threshold, None, old.keys)
    body = root.encode(dying)
    message = root.signing_bytes(body)
    second = root.pack(body, {signer.kid: signer.signature(message) for signer in rig.roots})
    rig.directory.add_root(second)
    rig.publish("1.1.0")
    assert "root 2 has expired" in _refusal(rig, "32")
    assert rig.version() == "1.0.0"
    rig.directory.add_root(rig.next_root(ceremony.Change(days=100), after=second))
    rig.wait("confirmed")
    assert (rig.version(), rig.trusted()) == ("1.1.0", 3)


def test_a_root_that_cannot_be_asked_for_stops_the_update(rig: Keyed) -> None:
    """Only a server that says there is none is believed: a link that is lost just there is waited for."""
    rig.web.faults = lambda request: Fault(drop_after=0) if "/roots/" in request.path else None
    rig.put_root(2, rig.next_root(ceremony.Change(days=1)))
    rig.publish("1.1.0")
    rig.board.wait(r"^mulligan: waiting code=60 .*link lost")
    assert (rig.version(), rig.trusted()) == ("1.0.0", 1)
    rig.web.faults = None
    rig.wait("confirmed")
    assert rig.trusted() == 2


def _refusal(rig: Keyed, code: str) -> str:
    """The reason of the next refusal by ``code``."""
    while (answer := rig.wait("refused"))["code"] != code:
        assert answer["code"] in ("20", "33")
    return answer["reason"]
