import json
from hashlib import sha256

from common import raises
from core import golden
from mulligan import admission, settings
from mulligan.core import base64url
from mulligan.core.errors import Expired, MulliganError, NotOrdered, Replayed, WrongBoard
from mulligan.core.root import Root
from mulligan.core.state import State

ISSUED = 1750000000  # of the golden release
EXPIRES = 1790000000
CONFIG = settings.parse(b'{"board":"virtual","order":true}')


def ordered(**changes):
    doc = {
        "order": 1, "sequence": 7, "issued": ISSUED + 50, "expires": EXPIRES - 50, "channel": "stable",
        "manifest": base64url.encode(sha256(golden.PAYLOAD).digest()),
    }  # fmt: skip
    doc.update(changes)
    return json.dumps(doc).encode()


def judge(now, seen=0, order=None, issued=0, expires=0, state=None, payload=golden.PAYLOAD):
    """(whether the clock was good enough, the time and the order that the state then has)."""
    state = state or State()
    state.time = state.time or seen
    trusted = Root(3, issued, expires, 1, None, ())
    _, wanted, dated = admission.judge(payload, order, trusted, state, CONFIG, now, {"firmware": "1.25.0"}, ("model",), 0)
    assert [artifact.name for artifact in wanted] == ["digits"]
    return dated, state.time, state.order


def test_whose_time_it_is():
    """The clock's, unless something that was signed or that the journal has seen is later: then that, and it is said."""
    assert judge(ISSUED + 9) == (True, ISSUED + 9, 0)
    assert judge(None) == (False, ISSUED, 0)
    assert judge(ISSUED - 1) == (False, ISSUED, 0)
    for seen, issued, order, latest in (
        (ISSUED + 20, 0, None, 20), (0, ISSUED + 30, None, 30), (0, 0, ordered(), 50), (ISSUED + 90, ISSUED + 30, ordered(), 90),
    ):  # fmt: skip
        for now in (None, 0, ISSUED + latest - 1):
            assert judge(now, seen, order, issued)[:2] == (False, ISSUED + latest)
        assert judge(ISSUED + latest, seen, order, issued)[:2] == (True, ISSUED + latest)


def test_what_has_expired():
    assert judge(EXPIRES) and judge(None, EXPIRES)
    raises(Expired, judge, EXPIRES + 1)
    raises(Expired, judge, None, EXPIRES + 1)  # by what the journal has seen, whatever became of the clock
    raises(Expired, judge, ISSUED, EXPIRES + 1)
    assert judge(ISSUED + 5, 0, None, ISSUED, ISSUED + 5)
    raises(Expired, judge, ISSUED + 6, 0, None, ISSUED, ISSUED + 5)  # the root
    raises(Expired, judge, None, ISSUED + 6, None, ISSUED, ISSUED + 5)
    assert judge(EXPIRES - 50, 0, ordered())
    raises(Expired, judge, EXPIRES - 49, 0, ordered())


def test_the_sequence_of_an_order_rises():
    assert judge(ISSUED, 0, ordered()) == (False, ISSUED + 50, 7)
    state = State()
    state.order = 8
    raises(Replayed, judge, ISSUED, 0, ordered(), 0, 0, state)
    assert judge(ISSUED, 0, ordered(sequence=8), 0, 0, state)[2] == judge(ISSUED, 0, None, 0, 0, state)[2] == 8


def test_a_refusal_changes_nothing():
    other = json.loads(golden.PAYLOAD.decode())
    other["boards"] = ["other"]
    other = json.dumps(other).encode()
    named = base64url.encode(sha256(other).digest())
    for error, order, payload in (
        (NotOrdered, ordered(channel="beta"), golden.PAYLOAD),
        (NotOrdered, ordered(), other),
        (WrongBoard, ordered(manifest=named), other),
        (MulliganError, golden.PAYLOAD, golden.PAYLOAD),
    ):
        state = State()
        raises(error, judge, ISSUED + 99, 0, order, 0, 0, state, payload)
        assert (state.time, state.order, state.sequence) == (0, 0, 0)
