from common import raises
from core import golden
from core.flash import Cut, Flash
from mulligan.core import events
from mulligan.core.errors import FlashError
from mulligan.core.events import Event, add, read

GOLDEN = Event(77, 1750000000, "rolled-back", "model", "digits", "1.2.0-bad", 90, 0, 346)


def confirmed(region, n, now=None):
    add(region, "confirmed", now, {"plane": "model", "name": "digits", "version": "1.0.{}".format(n), "ms": n})


def numbers(region):
    return [event.number for event in read(region)]


def test_golden():
    assert bytes(events.encode(GOLDEN)) == golden.EVENT
    assert events.decode(golden.EVENT) == GOLDEN
    for at in range(events.SIZE):
        damaged = bytearray(golden.EVENT)
        damaged[at] ^= 0x20
        assert events.decode(damaged) is None
    assert events.decode(bytearray(64)) is None and events.decode(bytearray(b"\xff" * 64)) is None


def test_what_is_told_can_be_read_in_its_order():
    flash = Flash(2)
    assert list(read(flash)) == []
    confirmed(flash, 1, 1750000000)
    add(flash, "refused", None, {"code": 35, "reason": "a secret place"})
    add(flash, "boot", None, {"action": "try", "cause": 3})
    first, second, third = read(flash)
    assert first == Event(1, 1750000000, "confirmed", "model", "digits", "1.0.1", 0, 0, 1)
    assert second == Event(2, 0, "refused", "", "", "", 35, 0, 0)
    assert third == Event(3, 0, "boot", "", "", "", 0, 3, 0)
    assert b"secret" not in bytes(flash.data)


def test_what_nobody_looks_for_is_left_out():
    flash = Flash(2)
    add(flash, "boot", None, {"action": "serve", "cause": 1})
    add(flash, "waiting", None, {"code": 60})
    add(flash, "refused", None, {"code": 35})
    for now in range(5):
        add(flash, "refused", now, {"code": 35})
    assert numbers(flash) == [1]
    add(flash, "refused", None, {"code": 34})
    add(flash, "refused", None, {"code": 35})
    add(flash, "boot", None, {"action": "serve", "cause": 3})
    assert numbers(flash) == [1, 2, 3, 4]


def test_the_ring_keeps_a_sector_at_least_and_costs_an_erase_for_64():
    flash = Flash(2)
    for n in range(1, 1001):
        confirmed(flash, n)
        assert numbers(flash)[-1] == n and numbers(flash) == list(range(max(1, n - len(numbers(flash)) + 1), n + 1))
        assert len(numbers(flash)) >= min(n, 64)
    assert flash.erases == -(-1000 // 64)


def test_a_cut_leaves_all_but_the_oldest_and_the_latest():
    flash = Flash(2)
    for n in range(1, 200):
        for keep in (0, 0.1, 0.9, 1):
            before = bytes(flash.data), numbers(flash)
            flash.cut_at, flash.keep = flash.operations + 1, keep
            raises(Cut, confirmed, flash, n)
            flash.cut_at = None
            after = numbers(flash)
            assert after == list(range(after[0], after[-1] + 1)) if after else n == 1
            assert not before[1] or after[-1] in (before[1][-1], before[1][-1] + 1)
            if keep != 0.9:
                flash.data[:] = before[0]
        confirmed(flash, n)
        assert list(read(flash))[-1].version == "1.0.{}".format(n)


def test_flash_that_fails_raises_our_error_and_nothing_is_lost():
    class Refusing(Flash):
        def program(self, at, buf):
            raise FlashError("EIO")

    flash = Refusing(2)
    raises(FlashError, confirmed, flash, 1)
    flash.lie = True
    Flash.program(flash, 0, b"x")
    assert numbers(flash) == []


def test_names_that_are_too_long_are_cut_off():
    flash = Flash(2)
    add(flash, "confirmed", None, {"name": "n" * 40, "version": "v" * 40, "ms": 1 << 40})
    (event,) = read(flash)
    assert (event.name, event.version, event.ms) == ("n" * 16, "v" * 24, 0)


def test_an_encrypted_log_passes_over_a_torn_record():
    """There, what was torn off can't be told from what is blank, and what is programmed over it does not read back."""

    class Torn(Flash):
        encrypted = True

        def program(self, at, buf):
            if at in self.torn:
                buf = bytes(len(buf))
            super().program(at, buf)

    flash = Torn(2)
    flash.torn = (64, 128)
    for n in range(1, 5):
        confirmed(flash, n)
        assert numbers(flash) == list(range(1, n + 1))
    flash.torn = range(0, 8192, 64)
    erases = flash.erases
    confirmed(flash, 9)
    assert flash.erases <= erases + 1
