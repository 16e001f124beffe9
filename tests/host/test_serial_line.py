"""The serial line's own rules: framing, EN and GPIO0 as the kits' circuit makes them of DTR and RTS, baud rates, faults."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulligan_host.virtual.serial import slip
from mulligan_host.virtual.serial.faults import Faults, Noise
from mulligan_host.virtual.serial.line import RUN_BAUD, Line


@pytest.fixture
def line() -> Iterator[Line]:
    with closing(Line()) as made:
        yield made


@given(st.lists(st.binary(min_size=1), max_size=5), st.integers(1, 9))
def test_frames_come_out_as_they_went_in(frames: list[bytes], piece: int) -> None:
    stream = b"".join(map(slip.encode, frames))
    decoder = slip.Decoder()
    assert [f for i in range(0, len(stream), piece) for f in decoder.feed(stream[i : i + piece])] == frames


@given(st.binary())
def test_noise_before_a_frame_does_not_lose_the_next_two(noise: bytes) -> None:
    decoder = slip.Decoder()
    decoder.feed(noise)
    assert decoder.feed(slip.encode(b"one") + slip.encode(b"two"))[-1] == b"two"


def test_a_frame_without_end_is_dropped() -> None:
    decoder = slip.Decoder()
    assert decoder.feed(b"\xc0" + b"x" * (slip.MAX_FRAME + 1)) == []
    assert decoder.feed(slip.encode(b"next")) == [b"next"]


# DTR and RTS in the order in which the tools set them, None leaving one as it is: esptool's resets, pyserial's open and close.
CLASSIC = [(False, None), (None, True), (False, None), (True, None), (None, False), (True, None), (False, None)]
TIGHT = [(False, False), (True, True), (False, True), (True, False), (False, False), (False, None)]
USB_JTAG = [(None, False), (False, None), (True, None), (None, False), (None, True), (False, None), (None, True), (False, None),
            (None, False)]  # fmt: skip
HARD = [(None, True), (None, False)]
OPEN = [(True, None), (None, True)]
CLOSE_MPREMOTE = [(None, False), (False, None)]
Steps = Sequence[tuple[bool | None, bool | None]]


def press(line: Line, steps: Steps) -> bool:
    """Do ``steps``; return whether the chip was reset by them."""
    line.take()
    for dtr, rts in steps:
        line.control(dtr=dtr, rts=rts)
    assert not line.held
    return line.take()[1]


@pytest.mark.parametrize("steps", [CLASSIC, TIGHT])
@pytest.mark.parametrize("opened", [[], OPEN])
def test_a_kit_enters_download_mode(line: Line, opened: Steps, steps: Steps) -> None:
    press(line, opened)
    assert press(line, steps)
    assert line.download
    assert press(line, HARD)
    assert not line.download


def test_a_usb_port_enters_download_mode() -> None:
    with closing(Line(usb=True)) as line:
        press(line, OPEN)
        assert press(line, USB_JTAG)
        assert line.download
        assert press(line, HARD)
        assert not line.download


def test_opening_and_closing_resets_nothing(line: Line) -> None:
    assert not press(line, OPEN)
    assert not press(line, CLOSE_MPREMOTE)


def test_a_pulled_plug_leaves_no_chip_in_reset(line: Line) -> None:
    line.connect(lambda data: None)
    line.control(rts=True)
    assert line.held
    line.disconnect()
    assert not line.held
    assert not line.download


def test_what_is_sent_into_a_reset_is_lost(line: Line) -> None:
    line.from_host(b"before")
    line.control(rts=True)
    line.from_host(b"within")
    line.control(rts=False)
    assert line.take() == (b"", True)
    line.from_host(b"after")
    assert line.take() == (b"after", False)


def test_only_one_host_at_a_time(line: Line) -> None:
    assert line.connect(lambda data: None)
    assert not line.connect(lambda data: None)
    line.disconnect()
    assert line.connect(lambda data: None)


@pytest.mark.parametrize(("host", "chip"), list(product([None, RUN_BAUD, int(RUN_BAUD * 1.02)], [None, RUN_BAUD])))
def test_ends_that_agree_understand_each_other(line: Line, host: int | None, chip: int | None) -> None:
    heard: list[bytes] = []
    line.connect(heard.append, host)
    line.chip_baud = chip
    line.send(b"hello")
    line.from_host(b"hello")
    assert heard == [b"hello"]
    assert line.take()[0] == b"hello"


def test_ends_that_do_not_agree_hear_noise(line: Line) -> None:
    heard: list[bytes] = []
    line.connect(heard.append, 4 * RUN_BAUD)
    line.send(b"hello")
    line.from_host(b"hello")
    assert b"hello" not in heard
    assert line.take()[0] not in (b"hello", b"")


def test_noise_is_the_same_each_time_and_as_much_as_asked_for() -> None:
    data = bytes(range(256)) * 40
    faults = Faults(drop=0.1, flip=0.1, seed=7)
    spoilt = Noise(faults, 0).spoil(data)
    assert spoilt == Noise(faults, 0).spoil(data) != Noise(faults, 1).spoil(data)
    assert 0.85 < len(spoilt) / len(data) < 0.95
    flipped = Noise(Faults(flip=0.1), 0).spoil(data)
    assert len(flipped) == len(data)
    assert 0.05 < sum(a != b for a, b in zip(flipped, data, strict=True)) / len(data) < 0.15
    assert Noise(Faults(), 0).spoil(data) == data
