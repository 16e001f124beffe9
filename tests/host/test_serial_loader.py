"""The loaders' protocol, frame by frame: what is right, and above all what is wrong."""

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import closing
from functools import reduce
from operator import xor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulligan_host.virtual.flash import SECTOR, NorFlash, create
from mulligan_host.virtual.serial.registers import PROFILES, Registers
from mulligan_host.virtual.serial.rom import Loader, Op, Then
from mulligan_host.virtual.serial.stub import Stub

SIZE = 1 << 20
AT = 0x10000
MAC = bytes(range(6))
ROM_INVALID, ROM_FAILED, ROM_CHECKSUM, ROM_INFLATE = 5, 6, 7, 0x0B
STUB_LENGTH, STUB_CHECKSUM, STUB_FAILED, STUB_NO_BEGIN, STUB_INFLATE, STUB_TOO_MUCH, STUB_UNKNOWN = (
    0xC0, 0xC1, 0xC4, 0xC6, 0xC7, 0xC9, 0xFF,
)  # fmt: skip


@pytest.fixture
def flash(tmp_path: Path) -> Iterator[NorFlash]:
    create(tmp_path / "flash", b"\xff" * SIZE)
    with closing(NorFlash(tmp_path / "flash", SIZE)) as made:
        yield made


def loader(kind: type[Loader], flash: NorFlash, chip: str = "esp32") -> Loader:
    return kind(PROFILES[chip], flash, Registers(PROFILES[chip], MAC, flash.size), lambda: 115200, lambda baud: None)


@pytest.fixture
def rom(flash: NorFlash) -> Loader:
    return loader(Loader, flash)


@pytest.fixture
def stub(flash: NorFlash) -> Loader:
    return loader(Stub, flash)


def command(op: int, data: bytes = b"", checksum: int = 0, size: int | None = None) -> bytes:
    return struct.pack("<BBHI", 0, op, len(data) if size is None else size, checksum) + data


def ask(to: Loader, op: int, *words: int, block: bytes = b"") -> bytes:
    """Send one command and return the body of its one reply."""
    data = struct.pack(f"<{len(words)}I", *words) + block
    (reply,) = to.frame(command(op, data, reduce(xor, block, 0xEF)))
    kind, answered, size, _ = struct.unpack_from("<BBHI", reply)
    assert (kind, answered, size) == (1, op, len(reply) - 8)
    return reply[8:]


def why(to: Loader, body: bytes) -> int:
    """Return the reason in the status of a reply; 0 if all went well."""
    status = body[-to.STATUS :]
    if isinstance(to, Stub):
        return status[0]
    assert status[0] == (status[1] != 0)
    return status[1]


def write(to: Loader, data: bytes, at: int = AT, block: int = 0x400) -> None:
    blocks = -(-len(data) // block)
    assert why(to, ask(to, Op.FLASH_BEGIN, len(data), blocks, block, at)) == 0
    for i in range(blocks):
        piece = data[i * block : (i + 1) * block]
        assert why(to, ask(to, Op.FLASH_DATA, len(piece), i, 0, 0, block=piece)) == 0


@pytest.mark.parametrize("kind", [Loader, Stub])
def test_a_block_whose_reply_got_lost_comes_again(flash: NorFlash, kind: type[Loader]) -> None:
    to = loader(kind, flash)
    data = os.urandom(5000)
    packed = zlib.compress(data)
    half = len(packed) // 2
    assert why(to, ask(to, Op.FLASH_DEFL_BEGIN, 0x2000, 2, half + 1, AT)) == 0
    for sequence, piece in ((0, packed[:half]), (0, packed[:half]), (1, packed[half:]), (1, packed[half:])):
        assert why(to, ask(to, Op.FLASH_DEFL_DATA, len(piece), sequence, 0, 0, block=piece)) == 0
    assert flash.peek(AT, len(data)) == data


def test_the_rom_erases_at_begin_and_the_stub_as_it_goes(flash: NorFlash) -> None:
    for kind, erased in ((Loader, 4), (Stub, 1)):
        flash.poke(AT, bytes(4 * SECTOR))
        to = loader(kind, flash)
        ask(to, Op.FLASH_BEGIN, 4 * SECTOR, 16, 0x400, AT)
        ask(to, Op.FLASH_DATA, 0x400, 0, 0, 0, block=bytes(0x400))
        kept = [flash.peek(AT + i * SECTOR, SECTOR)[0x400:] == bytes(SECTOR - 0x400) for i in range(4)]
        assert kept.count(False) == erased


def test_over_what_is_not_erased_only_bits_are_cleared(rom: Loader, flash: NorFlash) -> None:
    ask(rom, Op.FLASH_BEGIN, 0x400, 1, 0x400, AT)
    for data in (b"\xf0", b"\x3f"):
        ask(rom, Op.FLASH_DATA, 1, 0, 0, 0, block=data)
    assert flash.peek(AT, 1) == b"\x30"


def test_what_the_rom_refuses(rom: Loader, flash: NorFlash) -> None:
    """With the codes of the protocol's description; the flash is as it was."""
    before = flash.peek(0, SIZE)
    assert why(rom, ask(rom, Op.FLASH_DATA, 4, 0, 0, 0, block=b"data")) == ROM_FAILED  # no begin
    assert why(rom, ask(rom, Op.FLASH_BEGIN, SECTOR, 1, 0x400, SIZE)) == ROM_FAILED  # past the end
    assert why(rom, ask(rom, Op.FLASH_BEGIN, SECTOR)) == ROM_INVALID  # too short
    assert why(rom, ask(rom, Op.READ_FLASH_SLOW, 0, 65)) == ROM_FAILED
    assert why(rom, ask(rom, Op.SPI_FLASH_MD5, SIZE - 1, 2, 0, 0)) == ROM_FAILED
    assert why(rom, ask(rom, Op.WRITE_REG, 1, 2, 3)) == ROM_INVALID
    ask(rom, Op.FLASH_BEGIN, 4, 1, 0x400, AT)
    block = struct.pack("<4I", 4, 0, 0, 0) + b"data"
    (wrong,) = rom.frame(command(Op.FLASH_DATA, block, 0))
    assert wrong[-4:] == bytes((1, ROM_CHECKSUM, 0, 0))
    (wrong,) = rom.frame(command(Op.FLASH_DATA, block, 0, size=3))
    assert wrong[-4:] == bytes((1, ROM_INVALID, 0, 0))
    assert why(rom, ask(rom, Op.FLASH_DATA, 5, 0, 0, 0, block=b"data")) == ROM_INVALID
    assert why(rom, ask(rom, Op.FLASH_DATA, 5, 0, 0, 0, block=b"data!")) == ROM_FAILED  # more than announced
    ask(rom, Op.FLASH_DEFL_BEGIN, 4, 1, 0x400, AT)
    assert why(rom, ask(rom, Op.FLASH_DEFL_DATA, 4, 0, 0, 0, block=b"junk")) == ROM_INFLATE
    assert flash.peek(0, SIZE) == before


@pytest.mark.parametrize("op", [Op.ERASE_FLASH, Op.ERASE_REGION, Op.READ_FLASH, Op.RUN_USER_CODE, Op.GET_SECURITY_INFO, 0x77])
def test_the_rom_has_no_such_command(rom: Loader, op: int, flash: NorFlash) -> None:
    replies = list(rom.frame(command(op, bytes(16))))
    assert len(replies) == 8  # as esptool's comment on it says, each of 14 bytes with its two ENDs
    assert set(replies) == {struct.pack("<BBHI", 1, 0, 4, 0) + bytes((1, ROM_INVALID, 0, 0))}


def test_what_the_stub_refuses(stub: Loader, flash: NorFlash) -> None:
    before = flash.peek(0, SIZE)
    assert why(stub, ask(stub, Op.FLASH_DATA, 4, 0, 0, 0, block=b"data")) == STUB_NO_BEGIN
    assert why(stub, ask(stub, Op.ERASE_REGION, AT + 1, SECTOR)) == STUB_FAILED
    assert why(stub, ask(stub, Op.ERASE_REGION, SIZE - SECTOR, 2 * SECTOR)) == STUB_FAILED
    assert why(stub, ask(stub, Op.READ_FLASH, 0, 16, 0, 64)) == STUB_LENGTH
    assert why(stub, ask(stub, Op.READ_FLASH_SLOW, 0, 64)) == STUB_UNKNOWN
    assert why(stub, ask(stub, 0x77)) == STUB_UNKNOWN
    ask(stub, Op.FLASH_BEGIN, 4, 1, 0x400, AT)
    (wrong,) = stub.frame(command(Op.FLASH_DATA, struct.pack("<4I", 4, 0, 0, 0) + b"data", 0))
    assert wrong[-2:] == bytes((STUB_CHECKSUM, 0))
    assert why(stub, ask(stub, Op.FLASH_DATA, 5, 0, 0, 0, block=b"data!")) == STUB_TOO_MUCH
    ask(stub, Op.FLASH_DEFL_BEGIN, 4, 1, 0x400, AT)
    assert why(stub, ask(stub, Op.FLASH_DEFL_DATA, 4, 0, 0, 0, block=b"junk")) == STUB_INFLATE
    assert flash.peek(0, SIZE) == before


def test_a_fast_read_waits_for_its_acknowledgements(stub: Loader, flash: NorFlash) -> None:
    data = os.urandom(5 * 0x1000)
    flash.poke(AT, data)
    replies = list(stub.frame(command(Op.READ_FLASH, struct.pack("<4I", AT, len(data), 0x1000, 2))))
    got = replies[1:]
    assert len(got) == 2  # no more in flight than asked for
    while sum(map(len, got)) < len(data):
        more = list(stub.frame(struct.pack("<I", len(got) * 0x1000)))
        assert len(more) <= 2
        got += more
    assert b"".join(got) == data
    (digest,) = stub.frame(struct.pack("<I", len(data)))
    assert digest == bytes.fromhex(ask(loader(Loader, flash), Op.SPI_FLASH_MD5, AT, len(data), 0, 0)[:32].decode())
    assert why(stub, ask(stub, Op.READ_REG, 0)) == 0  # it listens to commands again


def test_a_read_that_is_given_up_does_not_stay(stub: Loader) -> None:
    list(stub.frame(command(Op.READ_FLASH, struct.pack("<4I", 0, 0x8000, 0x1000, 1))))
    assert len(list(stub.frame(command(Op.SYNC, b"\x07\x07\x12\x20" + b"\x55" * 32)))) == 8


def test_sync_tells_rom_from_stub(rom: Loader, stub: Loader) -> None:
    sync = command(Op.SYNC, b"\x07\x07\x12\x20" + b"\x55" * 32)
    assert {struct.unpack_from("<I", reply, 4)[0] != 0 for reply in rom.frame(sync)} == {True}
    assert {struct.unpack_from("<I", reply, 4)[0] for reply in stub.frame(sync)} == {0}


@pytest.mark.parametrize(
    ("entry", "then"), [(0x40080010, Then.STUB), (0x40070000, Then.CRASH), (0, Then.STAY)], ids=["loaded", "elsewhere", "stay"]
)
def test_where_a_loaded_program_begins(rom: Loader, entry: int, then: Then) -> None:
    ask(rom, Op.MEM_BEGIN, 0x100, 1, 0x1800, 0x40080000)
    ask(rom, Op.MEM_DATA, 0x100, 0, 0, 0, block=bytes(0x100))
    assert why(rom, ask(rom, Op.MEM_END, int(not entry), entry)) == 0
    assert rom.then is then


def test_security_info_where_the_chip_has_it(flash: NorFlash) -> None:
    for chip, number in (("esp32s3", 9), ("esp32c3", 5)):
        body = ask(loader(Loader, flash, chip), Op.GET_SECURITY_INFO)
        assert struct.unpack_from("<I", body, 12)[0] == number
        assert len(body) == 20 + 4


@given(st.lists(st.one_of(st.binary(max_size=40), st.builds(command, st.integers(0, 255), st.binary(max_size=40))), max_size=20))
@settings(deadline=None)
def test_no_frame_is_more_than_it_can_take(frames: list[bytes]) -> None:
    """Whatever comes, it answers or is silent, and is as ready as before."""
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        create(Path(directory) / "flash", b"\xff" * SECTOR * 4)
        with closing(NorFlash(Path(directory) / "flash", SECTOR * 4)) as flash:
            for kind in (Loader, Stub):
                to = loader(kind, flash)
                for frame in frames:
                    assert all(reply[0] == 1 or isinstance(to, Stub) for reply in to.frame(frame))
                write(to, b"still here", at=0)
                assert flash.peek(0, 10) == b"still here"
