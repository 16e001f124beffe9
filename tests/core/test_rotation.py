"""Rotations on flash in memory: a journal and a keys partition, and roots from a server that may be a bad one."""

from hashlib import sha256

from common import raises, rules
from core import signing
from core.flash import Cut, Flash, Region
from mulligan import rotation
from mulligan.core import keyset, p256, root
from mulligan.core.errors import FlashError, FormatError, NotFound, RootError, TransportError
from mulligan.core.journal import Journal
from mulligan.core.root import RELEASE, ROOT, Key
from mulligan.core.state import Entry, Image, Sealed

PUBLIC = [signing.public(private) for private in range(1, 7)]
ISSUED = 1750000000
_made = {}


_known = {}


def verify(*question):
    """p256.verify, each signature once: the power is cut in hundreds of places, with the same few roots."""
    if question not in _known:
        _known[question] = p256.verify(*question)
    return _known[question]


rotation._verify = verify


def a_root(number, roots=(0,), signers=None, ceiling=None, release=5):
    """A packed root; the same one each time, as its signatures take a while."""
    signers = roots if signers is None else signers
    name = (number, roots, signers, ceiling, release)
    if name not in _made:
        keys = [Key(PUBLIC[i], ROOT) for i in roots] + [Key(PUBLIC[release], RELEASE)]
        body = root.encode(root.make(number, ISSUED, 0, len(roots), ceiling, keys))
        message = root.signing_bytes(body)
        _made[name] = root.pack(body, {root.key_id(PUBLIC[i]): signing.sign(i + 1, message) for i in signers})
    return _made[name]


class Body:
    def __init__(self, data):
        self.data = data
        self.size = len(data)
        self.closed = False

    def read(self):
        assert not self.closed
        return bytearray(self.data)

    def close(self):
        self.closed = True


class Server:
    """``roots``: {number: bytes}; ``asked``: the numbers it was asked for."""

    def __init__(self, roots):
        self.roots = roots
        self.asked = []
        self.open = []

    def get(self, url, start, limit):
        base, _, number = url.rpartition("/")
        assert (base, start) == ("http://releases/roots", 0)
        number = int(number)
        self.asked.append(number)
        if number not in self.roots:
            raise NotFound("HTTP: status 404")
        if len(self.roots[number]) > limit:
            raise TransportError("too long")
        self.open.append(Body(self.roots[number]))
        return self.open[-1]


class Board:
    """A journal and a keys partition on one flash, and a model whose floor is 40; the first root in slot 0, sealed."""

    def __init__(self, first, sealed=True):
        self.flash = Flash(2)
        self.keys = Region(self.flash, 2)
        self.keys.data[: len(first)] = first
        self.reports = []
        journal = Journal(self.flash)
        entry = Entry("model", "digits", 0)
        entry.slot, entry.floor, entry.hard_floor = 0, 40, 40
        entry.image = Image(100, 40, "1.0.0", b"m" * 32, {}, 0)
        journal.state.entries.append(entry)
        journal.state.sequence, journal.state.order, journal.state.time = 41, 42, ISSUED + 99
        if sealed:
            journal.state.keys = Sealed(0, len(first), sha256(first).digest())
        journal.commit()
        self.flash.operations = 0

    def poll(self, server):
        """Catch up as after a boot; whether something has changed."""
        steps = rotation.catch_up(self.keys, Journal(self.flash), server, "http://releases/", self.report)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                assert all(body.closed for body in server.open)
                return done.value

    def report(self, event, **facts):
        self.reports.append((event, facts.get("number")))

    def number(self):
        """Of the root that is trusted now."""
        return keyset.trusted(self.keys, Journal(self.flash).state.keys, p256.verify)[0].number

    def facts(self):
        state = Journal(self.flash).state
        entry = state.entries[0]
        return state.sequence, state.order, state.time, entry.floor, entry.hard_floor, entry.image.sha256


OLD = (41, 42, ISSUED + 99, 40, 40, b"m" * 32)


def test_nothing_new_costs_one_request_and_no_flash():
    board, server = Board(a_root(1)), Server({1: a_root(1)})
    assert board.poll(server) is False
    assert (server.asked, board.flash.operations, board.number()) == ([2], 0, 1)


def test_three_rotations_are_caught_up_one_by_one():
    """Of a chain whose last root shares no key with the first."""
    chain = {2: a_root(2, (1,), (0, 1)), 3: a_root(3, (2,), (1, 2)), 4: a_root(4, (3,), (2, 3), None, 4)}
    board, server = Board(a_root(1)), Server(chain)
    assert board.poll(server) is True
    assert (server.asked, board.number(), board.facts()) == ([2, 3, 4, 5], 4, OLD)
    assert board.reports == [("root", 2), ("root", 3), ("root", 4)]
    found, _ = keyset.trusted(board.keys, Journal(board.flash).state.keys, p256.verify)
    assert root.keys_for(found, RELEASE) == {root.key_id(PUBLIC[4]): PUBLIC[4]}  # the other is revoked
    # An erase and a record in each partition: that is what a rotation costs.
    board.flash.operations = 0
    assert board.poll(server) is False and board.flash.operations == 0


def test_a_gap_in_the_chain_ends_it():
    chain = {2: a_root(2, (1,), (0, 1)), 4: a_root(4, (3,), (2, 3))}
    board = Board(a_root(1))
    assert board.poll(Server(chain)) is True and board.number() == 2


def test_what_is_not_the_next_root():
    good = a_root(2, (1,), (0, 1))
    for bad, error in (
        (a_root(1), RootError), (a_root(3, (1,), (0, 1)), RootError), (a_root(2, (1,), (0,)), RootError),
        (a_root(2, (1,), (1,)), RootError), (a_root(2, (1,), (5, 1)), RootError), (good[:-1], FormatError),
        (good + b"\0", FormatError), (b"", FormatError), (b"\xff" * 600, FormatError), (b"\xff" * 2486, TransportError),
    ):  # fmt: skip
        board = Board(a_root(1))
        raises(error, board.poll, Server({2: bad}))
        assert (board.flash.operations, board.number(), board.facts()) == (0, 1, OLD)
    # What was taken before the bad one stays.
    board = Board(a_root(1))
    raises(RootError, board.poll, Server({2: good, 3: a_root(3, (2,), (2,))}))
    assert (board.number(), board.facts()) == (2, OLD)


def test_a_ceiling_comes_with_the_record_of_its_root():
    board = Board(a_root(1))
    server = Server({2: a_root(2, (0,), (0,), 7)})
    assert board.poll(server) is True
    assert board.facts() == (7, 7, ISSUED, 7, 7, b"m" * 32)
    # And once: a replay of that root does nothing more.
    journal = Journal(board.flash)
    journal.state.sequence = 9
    journal.commit()
    server.roots[3] = server.roots[2]
    raises(RootError, board.poll, server)
    assert (board.number(), board.facts()[0]) == (2, 9)


def test_a_board_without_a_seal_gets_one():
    board = Board(a_root(1), False)
    assert board.poll(Server({})) is True
    assert Journal(board.flash).state.keys == Sealed(0, len(a_root(1)), sha256(a_root(1)).digest())
    assert board.poll(Server({})) is False


def test_flash_that_lies_is_found():
    board = Board(a_root(1))
    board.flash.lie = True
    raises(FlashError, board.poll, Server({2: a_root(2, (1,), (0, 1))}))
    board.flash.lie = False
    assert (board.number(), board.facts()) == (1, OLD)


def test_a_cut_anywhere_leaves_the_old_root_or_the_new():
    """Two rotations, the second with a ceiling; cut at each operation, and again at each one of the recovery."""
    server = Server({2: a_root(2, (1,), (0, 1)), 3: a_root(3, (1,), (1,), 7)})
    probe = Board(a_root(1))
    probe.poll(server)
    total = probe.flash.operations
    after = {1: OLD, 2: OLD, 3: (7, 7, ISSUED, 7, 7, b"m" * 32)}
    cuts = 0
    for first in range(1, total + 1):
        for keep in (0, 0.1, 0.5, 1):
            for second in range(total - first + 3):
                board = Board(a_root(1))
                for cut_at in (first, second):
                    board.flash.operations = 0
                    board.flash.cut_at, board.flash.keep = cut_at, keep
                    try:
                        board.poll(server)
                    except Cut:
                        cuts += 1
                    board.flash.cut_at = None
                    assert board.facts() == after[board.number()], (first, keep, second)
                board.poll(server)
                assert (board.number(), board.facts()) == (3, after[3]), (first, keep, second)
    assert total == 6 + 1 and cuts > 4 * total * 3, (total, cuts)


def test_rules_are_out_of_this():
    """A trial that the journal holds is not touched by a rotation."""
    board = Board(a_root(1))
    journal = Journal(board.flash)
    journal.state.entries[0].begin(Image(1, 41, "1.1.0", b"t" * 32, {}, 0), 43, rules(2, 1, 1000, 0, 0), 41)
    journal.commit()
    board.poll(Server({2: a_root(2, (1,), (0, 1))}))
    trial = Journal(board.flash).state.entries[0].trial
    assert (trial.image.counter, trial.sequence, trial.hard_floor) == (41, 43, 41)
