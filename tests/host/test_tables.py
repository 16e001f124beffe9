"""Comb tables beside the keys, on the real agent: a signature is verified with one, and an update never depends on it."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from attacks.test_root_attacks import Keyed
from host.conftest import MakeRig
from host.rig import Rig, image
from mulligan.core import keyset, keytables, p256_comb, root
from mulligan_host import ceremony, combs, keys
from mulligan_host.micropython import MicroPython

WIDTH = 3


@pytest.fixture
def rig(tmp_path: Path, micropythons: list[MicroPython]) -> Iterator[Keyed]:
    with Keyed(tmp_path / "rig", micropythons) as rig:
        rig.build("1.0.0", image("1.0.0"))
        rig.on()
        yield rig


def seals(rig: Rig, slot: int = 0) -> bytes:
    """What the keys partition holds of the seals of a slot."""
    content = rig.board.partition("keys")
    end = len(content) // 2 * (slot + 1)
    return content[end - keyset.SEAL * root.MAX_KEYS : end]


def taken(rig: Rig, version: str) -> str:
    """Wait until release ``version`` is confirmed; return by what its signature was verified."""
    assert rig.wait("confirmed")["version"] == version
    found = rig.all("found")[-1]
    assert found["version"] == version
    return found["by"]


@pytest.mark.parametrize("bits", [32, 64])
def test_an_update_by_table(make_rig: MakeRig, bits: int) -> None:
    rig = make_rig(tls=True, bits=bits)
    assert set(seals(rig)) == {0xFF}
    rig.on()
    rig.publish("1.1.0")
    assert taken(rig, "1.1.0") == "table"
    assert rig.all("table-refused") == []
    key = rig.signer.public
    seal = sha256(key + combs.table(key, combs.DEFAULT_WIDTH)).digest()
    assert seals(rig) == seal.ljust(keyset.SEAL * root.MAX_KEYS, b"\xff")
    # It was checked once: what a reset leaves is used as it is, and nothing more is written there.
    before = rig.board.partition("keys")
    rig.restart()
    rig.publish("1.2.0", image("1.2.0", model="1.0.0"))
    assert taken(rig, "1.2.0") == "table"
    assert rig.board.partition("keys") == before


def test_a_board_without_tables(make_rig: MakeRig) -> None:
    rig = make_rig(told={"width": 0})
    rig.on()
    before = rig.board.partition("keys")
    rig.publish("1.1.0")
    assert taken(rig, "1.1.0") == "key"
    assert rig.board.partition("keys") == before


def test_a_damaged_table_is_reported_once_and_done_without(make_rig: MakeRig) -> None:
    """Before its check, and after it: an update goes through in both cases."""
    for checked in (False, True):
        rig = make_rig()
        if checked:
            rig.on()
            rig.publish("1.1.0")
            assert taken(rig, "1.1.0") == "table"
            rig.board.power_off()
        at = rig.address("keys") + len(rig.root) + keytables.KID + p256_comb.HEADER_SIZE + 999
        (byte,) = rig.board.flash.peek(at, 1)
        rig.board.flash.poke(at, bytes([byte ^ 1]))
        rig.on()
        for version, model in (("1.2.0", "1.0.0"), ("1.3.0", "1.1.0")):
            rig.publish(version, image(version, model=model))
            assert taken(rig, version) == "key"
            (report,) = rig.all("table-refused")
            assert report["name"] == rig.signer.kid


def test_tables_travel_with_a_root(rig: Keyed) -> None:
    """A new release key comes with its table; a table of another key in its place is not taken, and the root is."""
    fresh, other = keys.Signer.generate(), keys.Signer.generate()
    second = root.unpack(rig.next_root(ceremony.Change({"release": [fresh.public]}, remove=[rig.signer.kid])))
    rig.directory.add_root(ceremony.with_tables(second, WIDTH))
    rig.build("1.1.0")
    rig.directory.sign("1.1.0", fresh)
    assert taken(rig, "1.1.0") == "table"
    data = rig.next_root(ceremony.Change({"release": [other.public]}, remove=[fresh.kid]), after=ceremony.packed(second))
    rig.put_root(3, data + keytables.pack(other.kid, combs.table(fresh.public, WIDTH)))
    rig.build("1.2.0", image("1.2.0", model="1.0.0"))
    rig.directory.sign("1.2.0", other)
    assert taken(rig, "1.2.0") == "key"
    assert rig.trusted() == 3
    assert [report["name"] for report in rig.all("table-refused")] == [other.kid]
    assert seals(rig).startswith(bytes(keyset.SEAL) + b"\xff")


def test_a_table_and_its_own_seal_from_a_thief(rig: Keyed) -> None:
    """Who holds the server can make any table, and its seal; a seal counts only where the device alone writes."""
    second = rig.next_root(ceremony.Change(days=100))
    bad = bytearray(combs.table(rig.signer.public, WIDTH))
    bad[-1] ^= 1
    seal = sha256(rig.signer.public + bad).digest()
    rig.put_root(2, second + keytables.pack(rig.signer.kid, bytes(bad)) + seal * 256)
    rig.publish("1.1.0")
    assert taken(rig, "1.1.0") == "key"
    assert (rig.trusted(), len(rig.all("table-refused"))) == (2, 1)
    assert seals(rig, 1).startswith(bytes(keyset.SEAL) + b"\xff")
