"""An example: put tests of your own firmware in its place.

The fixtures are `board`, `boards`, `power` and `release`; the serial log of each test is kept in .hil/.
"""

import pytest

READY = r'Type "help\(\)"'


@pytest.fixture
def running(board):
    """A board at MicroPython's prompt; it is flashed if nothing on it gets there."""
    board.reset()
    try:
        board.wait(READY, timeout=5)
    except Exception:
        board.flash()
        board.reset()
        board.wait(READY)
    return board


def test_it_computes(running):
    assert running.exec("print(6 * 7)").split() == ["42"]


def test_a_file_survives_every_reset(running, power):
    """How far the test is stands on the board: a step may reset it, or cut its power."""
    for step in running.steps("write", "reset", "power"):
        if step == "write":
            running.exec("with open('kept.txt', 'w') as f: f.write('kept')")
        elif step == "reset":
            running.reset()
            running.wait(READY)
        elif running.spec.switched:
            power.cycle()
            running.reset()  # a port that goes with the power may be back too late for what the board says first
            running.wait(READY)
    assert running.exec("print(open('kept.txt').read())").split() == ["kept"]
    running.exec("import os; os.remove('kept.txt')")
