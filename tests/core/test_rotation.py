"""Rotations on flash in memory: a journal and a keys partition, and roots from a server that may be a bad one."""

from hashlib import sha256

from common import raises, rules
from core import shamir
from core.flash import Cut, Flash, Region
from mulligan import rotation
from mulligan.core import keyset, keytables, p256, root
from mulligan.core.errors import FlashError, FormatError, NotFound, RootError, TransportError
from mulligan.core.journal import Journal
from mulligan.core.root import RELEASE, ROOT, Key
from mulligan.core.state import Entry, Image, Sealed

PUBLIC = [shamir.public(private) for private in range(1, 7)]
ISSUED = 1750000000
WIDTH = 2
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
        _made[name] = root.pack(body, {root.key_id(PUBLIC[i]): shamir.signed(i + 1, message) for i in signers})
    return _made[name]


def known_key(public, source, hint=None, seal=None):
    """p256.Key, each table computed once as well."""
    held = bytearray(source.size)
    source.readinto(0, held)
    question = public, bytes(held), bytes(seal or b"")
    if question not in _known:
        try:
            _known[question] = p256.Key(public, bytes(held), hint, seal)
        except FormatError as e:
            _known[question] = e
    if isinstance(_known[question], FormatError):
        raise _known[question]
    return _known[question]


keytables.Key = known_key


def value(generator):
    while True:
        try:
            next(generator)
        except StopIteration as done:
            return done.value


def table(key, of=None):
    """What follows a root as the table of PUBLIC[key]; it is that of PUBLIC[of]."""
    private = (key if of is None else of) + 1
    if private not in _made:
        _made[private] = shamir.comb_table(shamir.combs(shamir.multiple(private), WIDTH))
    return keytables.pack(root.key_id(PUBLIC[key]), _made[private])


class Body:
    def __init__(self, data):
        self.data = data
        self.size = len(data)
        self.at = 0
        self.closed = False

    def readinto(self, buf):
        assert not self.closed and self.at + len(buf) <= self.size
        if self.at + len(buf) > len(self.data):
            raise TransportError("link lost")
        buf[:] = self.data[self.at : self.at + len(buf)]
        self.at += len(buf)

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
        assert base == "http://releases/roots"
        number = int(number)
        self.asked.append(number)
        if number not in self.roots:
            raise NotFound("HTTP: status 404")
        if len(self.roots[number]) - start > limit:
            raise TransportError("too long")
        self.open.append(Body(self.roots[number][start:]))
        return self.open[-1]


class Lossy(Server):
    """Whose links are lost ``left`` bytes after the start of a range; 0: it has no ranges."""

    def __init__(self, roots, left):
        super().__init__(roots)
        self.left = left

    def get(self, url, start, limit):
        if start and not self.left:
            raise TransportError("HTTP: status 200, wanted a range")
        body = super().get(url, start, limit)
        if start:
            body.data = body.data[: self.left]
        return body


class Board:
    """A journal and a keys partition on one flash, and a model whose floor is 40; the first root in slot 0, sealed, ``tables``
    behind it."""

    def __init__(self, first, sealed=True, tables=b""):
        self.flash = Flash(2)
        self.keys = Region(self.flash, 2)
        self.keys.data[: len(first) + len(tables)] = first + tables
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
        changed = value(steps)
        assert all(body.closed for body in server.open)
        return changed

    def report(self, event, **facts):
        self.reports.append((event, facts.get("number", facts.get("name"))))

    def number(self):
        """Of the root that is trusted now."""
        return keyset.trusted(self.keys, Journal(self.flash).state.keys, p256.verify)[0].number

    def pinned(self, key=5):
        """Whether the key PUBLIC[key] is taken with a table, which is then the right one, and is not computed again."""
        public = PUBLIC[key]
        sealed = Journal(self.flash).state.keys
        for again in (False, True):
            operations = self.flash.operations
            steps = keytables.pinned(self.keys, sealed, root.key_id(public), public, self.report)
            found = value(steps)
            assert not again or self.flash.operations == operations
        if found is public:
            return False
        assert found.seal() == sha256(public + table(key)[keytables.KID :]).digest()
        return True

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
        (b"", FormatError), (b"\xff" * 600, FormatError), (b"\xff" * (keyset.MAX_FILE + 1), TransportError),
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
    for region in ("flash", "keys"):  # the journal's, or that of the roots alone
        board = Board(a_root(1))
        getattr(board, region).lie = True
        raises(FlashError, board.poll, Server({2: a_root(2, (1,), (0, 1))}))
        getattr(board, region).lie = False
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


def test_tables_come_behind_a_root():
    board = Board(a_root(1))
    server = Server({2: a_root(2, (1,), (0, 1)) + table(1) + table(5)})
    assert board.poll(server) is True
    assert (board.number(), board.facts(), board.reports) == (2, OLD, [("root", 2)])
    assert server.asked == [2, 2, 3]
    board.flash.operations = 0
    assert board.pinned() and board.pinned(1) and not board.pinned(0)
    assert board.flash.operations == 2  # one seal each
    assert board.poll(server) is False and board.pinned() and board.flash.operations == 2


def test_a_table_is_not_used_before_it_was_computed_again():
    """A seal counts where the device alone writes: what a file has behind its tables never comes to that place."""
    board = Board(a_root(1), True, table(5))
    assert board.pinned()
    slot = keyset.slot_size(board.keys)
    seal = bytes(board.keys.data[slot - keyset.SEAL * root.MAX_KEYS : slot][: keyset.SEAL])
    bad = bytearray(table(5))
    bad[100] ^= 1
    forged = sha256(PUBLIC[5] + bad[keytables.KID :]).digest()
    for beside in (seal, forged):
        board = Board(a_root(1))
        assert board.poll(Server({2: a_root(2) + bad + beside * 200})) is True
        assert not board.pinned()
        assert board.reports == [("root", 2), ("table-refused", root.key_id(PUBLIC[5]))]


def test_tables_that_are_none():
    """Damaged, of another key, of a key that is not in the root, cut short, of another format: reported at most once."""
    kid = root.key_id(PUBLIC[5])
    for tables, refused in (
        (b"", 0), (b"\0", 0), (table(5)[:-1], 1), (b"\xff" * 700, 0), (table(5)[6:], 0), (table(5, 4), 1), (b"x" + table(5), 0),
        (table(5)[:10] + b"\2" + table(5)[11:], 0), (table(5)[:11] + b"\1" + table(5)[12:], 0), (table(5)[:-1] + b"\0", 1),
        (table(5)[:11] + b"\x08" + table(5)[12:], 0), (table(5)[:11] + b"\3" + table(5)[12:] * 3, 1), (table(4), 0),
    ):  # fmt: skip
        board = Board(a_root(1))
        assert board.poll(Server({2: a_root(2) + tables})) is True, tables
        assert (board.number(), board.facts(), board.pinned()) == (2, OLD, False)
        assert board.reports == [("root", 2)] + [("table-refused", kid)] * refused, tables
    board = Board(a_root(1), True, table(4, 3) + table(5))
    assert board.pinned() and not board.pinned(4) and board.pinned()
    assert board.reports == [("table-refused", root.key_id(PUBLIC[4]))]


def test_a_table_that_rots_is_reported_once_and_not_used():
    for at in (0, 1, 6, 8, 12, 15, 100, 269):
        board = Board(a_root(1), True, table(5))
        assert board.pinned()
        board.keys.data[len(a_root(1)) + at] ^= 0x10
        assert not board.pinned() and not board.pinned() and board.number() == 1
        assert len(board.reports) == (at >= 12), at  # before, there is no table of this key any more
    # Its seal: a bit that programming can clear again is cleared, and else the table is as good as none.
    for was in (0, 1):
        board = Board(a_root(1), True, table(5))
        assert board.pinned()
        place = keyset.room(board.keys)
        board.keys.data[place] ^= next(1 << bit for bit in range(8) if board.keys.data[place] >> bit & 1 == was)
        assert board.pinned() is (was == 0)
        assert len(board.reports) == was


def test_more_tables_than_there_is_room_for():
    """Those that fit are taken, and never more than twelve, as many as a root has keys."""
    board = Board(a_root(1))
    assert board.poll(Server({2: a_root(2) + table(5) + table(0) * 20})) is True
    assert board.number() == 2 and board.pinned() and board.pinned(0)
    room = keyset.slot_size(board.keys) + keyset.room(board.keys)
    seals = board.keys.data[room : room + keyset.SEAL * root.MAX_KEYS]
    hashes = [sha256(PUBLIC[key] + table(key)[keytables.KID :]).digest() for key in (5, 0)]
    assert bytes(seals) == hashes[0] + hashes[1] + b"\xff" * (keyset.SEAL * 10)  # and not one byte of the file


def test_a_root_does_not_wait_for_its_tables():
    """Where the server has no ranges, or the link is lost in the middle of them."""
    for left in (0, 100):
        board, server = Board(a_root(1)), Lossy({2: a_root(2) + table(5)}, left)
        assert board.poll(server) is True and not board.pinned()
        assert board.reports[:2] == [("tables-lost", 2), ("root", 2)]
        assert (board.number(), board.facts()) == (2, OLD)


def test_a_cut_anywhere_leaves_a_table_that_is_right_or_none():
    """A root with tables of which one is false, and their seals; cut at each operation, and again at each one of the recovery."""
    server = Server({2: a_root(2, (1,), (0, 1), 7) + table(0) + table(5) + table(1, 2)})
    after = {1: OLD, 2: (7, 7, ISSUED, 7, 7, b"m" * 32)}

    def update(board):
        board.poll(server)
        return [board.pinned(key) for key in (0, 1, 5)]

    probe = Board(a_root(1), True, table(5))
    assert update(probe) == [True, False, True]
    total = probe.flash.operations
    for first in range(1, total + 1):
        for keep in (0, 0.1, 0.5, 1):
            for second in range(total - first + 3):
                board = Board(a_root(1), True, table(5))
                for cut_at in (first, second):
                    board.flash.operations = 0
                    board.flash.cut_at, board.flash.keep = cut_at, keep
                    try:
                        update(board)
                    except Cut:
                        pass
                    board.flash.cut_at = None
                    assert board.facts() == after[board.number()], (first, keep, second)
                assert update(board) == [True, False, True], (first, keep, second)
                assert (board.number(), board.facts()) == (2, after[2]), (first, keep, second)
    # An erase, the root, two pieces of tables, a record; and what became of three tables.
    assert total == 5 + 3, total


def test_rules_are_out_of_this():
    """A trial that the journal holds is not touched by a rotation."""
    board = Board(a_root(1))
    journal = Journal(board.flash)
    journal.state.entries[0].begin(Image(1, 41, "1.1.0", b"t" * 32, {}, 0), 43, rules(2, 1, 1000, 0, 0), 41)
    journal.commit()
    board.poll(Server({2: a_root(2, (1,), (0, 1))}))
    trial = Journal(board.flash).state.entries[0].trial
    assert (trial.image.counter, trial.sequence, trial.hard_floor) == (41, 43, 41)
