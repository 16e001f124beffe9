import struct

from common import raises, rules
from mulligan import health
from mulligan.core import slot
from mulligan.core.errors import HealthError


class Engine:
    """Gives its input back, each byte ``off`` further. ``ins``, ``outs``: bytes of each of its inputs and outputs, 3 in all."""

    def __init__(self, off=0, ins=(3,), outs=(3,)):
        self._off = off
        self._given = bytearray(3)
        self._output = bytearray(3)
        self._ports = []
        for data, sizes in (self._given, ins), (self._output, outs):
            self._ports.append([memoryview(data)[sum(sizes[:i]) : sum(sizes[: i + 1])] for i in range(len(sizes))])
        self.resets = 0

    def input(self, i):
        return self._ports[0][i]

    def output(self, i):
        return self._ports[1][i]

    def reset(self):
        self.resets += 1

    def invoke(self):
        for at in range(3):
            self._output[at] = (self._given[at] + self._off) & 0xFF


class Candidate:
    def __init__(self, engine, exact):
        self.engine = engine
        self.exact = exact


class Clock:
    """Each inference takes the next of ``times``."""

    def __init__(self, times):
        self._times = list(times)

    def ticks_us(self):
        return 0

    def elapsed_us(self, since):
        return self._times.pop(0)


class Image:
    def __init__(self, data):
        self._data = data

    def readinto(self, at, buf):
        buf[:] = self._data[at : at + len(buf)]


GIVEN = bytes([10, 20, 0xF0])


def run(off, exact, tolerance=0, flags=0, vectors=None, judged=None, times=None, ins=(3,), outs=(3,)):
    vectors = vectors or [(GIVEN, GIVEN, 1)] * 4
    data = slot.build("m", "1.0.0", b"model", 16, vectors, [], [], 0, tolerance, flags)
    header = slot.parse(data, len(data))
    judged = judged or rules(correct=0, latency_us=0)
    clock = Clock(times or [1] * len(vectors))
    engine = Engine(off, ins, outs)
    checks = health.golden(Candidate(engine, exact), header, Image(data), judged, clock)
    while True:
        try:
            next(checks)
        except StopIteration as done:
            assert engine.resets == 1  # the app's first inference knows nothing of golden vectors
            return done.value[0]


def reason(*args):
    return str(raises(HealthError, run, *args))


def test_an_exact_engine_has_no_tolerance():
    assert run(0, True) == 4
    assert reason(1, True, 255, 0) == "golden: vector 1 of 4: wrong output"


def test_another_engine_has_the_images():
    assert run(0, False) == 4
    assert run(3, False, 3) == 4
    assert run(-3, False, 3) == 4
    assert reason(4, False, 3) == "golden: vector 1 of 4: an output byte off by 4, 3 allowed"
    assert reason(1, False) == "golden: vector 1 of 4: an output byte off by 1, 0 allowed"


def test_the_distance_is_that_of_signed_values():
    near = [(bytes([0xFF, 0, 0]), bytes([1, 2, 2]), None)]  # -1 and 1
    assert run(2, False, 2, 0, near) == 1
    far = [(bytes([127, 0, 0]), bytes([127, 0, 0]), None)]  # 127 + 1 is -128
    assert reason(1, False, 254, 0, far) == "golden: vector 1 of 1: an output byte off by 255, 254 allowed"
    assert run(1, False, 255, 0, far) == 1


def test_the_same_winner():
    tied = [(bytes([127, 126, 0]), bytes([127, 126, 0]), None)]  # one further, the second wins
    assert run(1, False, 255, 0, tied) == 1
    assert reason(1, False, 255, slot.SAME_WINNER, tied) == "golden: vector 1 of 1: another winner"


def test_the_type_of_the_first_output_says_who_wins():
    unsigned = [(bytes([200, 100, 0]), bytes([200, 100, 0]), 0)]
    judged = rules(correct=1, latency_us=0)
    assert run(0, True, 0, slot.UINT8, unsigned, judged) == 1
    assert reason(0, True, 0, 0, unsigned, judged) == "correct: 0 of 1 golden vectors right, 1 needed"
    assert reason(0, True, 0, slot.UINT8, [(bytes(3), bytes(3), 1)], judged) == "correct: 0 of 1 golden vectors right, 1 needed"
    across = [(bytes([127, 0, 0]), bytes([127, 0, 0]), None)]  # uint8s go on where int8s begin again
    assert run(1, False, 1, slot.UINT8, across) == 1
    assert health.winner(struct.pack("<3f", -2.5, 1e-3, -1e9), slot.FLOAT32) == 1


def test_several_inputs_and_outputs():
    vectors = [(bytes([1, 2, 3]), bytes([1, 2, 3]), 0), (bytes([9, 8, 7]), bytes([9, 8, 7]), 1)]
    for ins, outs in (((1, 2), (1, 2)), ((1, 1, 1), (2, 1)), ((3,), (2, 1)), ((2, 1), (3,))):
        assert run(0, True, 0, 0, [(GIVEN, GIVEN, None)] * 2, None, None, ins, outs) == 2
        assert reason(1, True, 0, 0, vectors, None, None, ins, outs) == "golden: vector 1 of 2: wrong output"
    # The winner is one of the first output.
    assert run(0, True, 0, 0, vectors, None, None, (3,), (2, 1)) == 0
    assert run(0, True, 0, 0, [(bytes([1, 2, 3]), bytes([1, 2, 3]), 1)], None, None, (3,), (2, 1)) == 1
    for ins, outs in (((1, 1), (3,)), ((3,), (2,)), ((1,), (1, 2))):
        assert "do not fit" in reason(0, True, 0, 0, vectors, None, None, ins, outs)


def test_labels_are_judged_as_soon_as_it_is_certain():
    wrong = [(GIVEN, GIVEN, 0)] * 2 + [(GIVEN, GIVEN, 1)] * 2
    assert run(0, True, 0, 0, wrong, rules(correct=2, latency_us=0)) == 2
    assert reason(0, True, 0, 0, wrong, rules(correct=4, latency_us=0)) == "correct: 0 of 1 golden vectors right, 4 needed"
    assert reason(0, True, 0, 0, wrong, rules(correct=3, latency_us=0)) == "correct: 0 of 2 golden vectors right, 3 needed"


def test_percentiles():
    latencies = health.Latencies(100)
    for us in range(100, 0, -1):
        latencies.add(us)
    assert [latencies.percentile(p) for p in (1, 50, 90, 99, 100)] == [1, 50, 90, 99, 100]
    assert latencies.facts() == {"p50_us": 50, "p90_us": 90, "p99_us": 99}


def judged_at(times, planned, **limits):
    """After how many of ``times`` it is certain, and why; None where it never is."""
    latencies = health.Latencies(planned)
    for count, us in enumerate(times, 1):
        latencies.add(us)
        try:
            latencies.judge(rules(**limits))
        except HealthError as e:
            return count, str(e)
    return None


def test_a_percentile_fails_as_soon_as_too_many_are_slow():
    none = {"latency_us": 0}
    assert judged_at([9] * 5 + [1] * 5, 10, p50_us=8, **none) is None
    assert judged_at([9] * 6 + [1] * 4, 10, p50_us=8, **none) == (6, "p50_us: 9 us for an inference, 8 allowed")
    assert judged_at([1] * 9 + [9], 10, latency_us=8) is None
    assert judged_at([9, 1, 9], 10, latency_us=8) == (3, "latency_us: 9 us for an inference, 8 allowed")
    assert judged_at([1, 1, 9], 10, p99_us=8, **none) == (3, "p99_us: 9 us for an inference, 8 allowed")
    assert judged_at([9] + [1] * 99, 100, p99_us=8, **none) is None
    assert judged_at([8] * 100, 100, p50_us=8, p99_us=8, latency_us=8) is None


def test_memory():
    health.memory(rules(arena=100, heap=50), 100, 50)
    health.memory(rules(), 1 << 20, 0)
    assert str(raises(HealthError, health.memory, rules(arena=100), 101, 0)) == "arena: 101 bytes, 100 allowed"
    assert str(raises(HealthError, health.memory, rules(heap=50), 0, 49)) == "heap: 49 bytes free, 50 needed"


def shadow(outputs, **given):
    """A Shadow of one input byte and as many outputs as the first of ``outputs``, which are (confirmed's, candidate's)."""
    header = slot.parse(slot.build("m", "1.0.0", b"m", 16, [(b"1", outputs[0][0], None)], [], [], 0, 2), 1 << 20)
    return health.Shadow(header, rules(latency_us=0, shadow_runs=len(outputs), **given))


class Scripted:
    def __init__(self, outputs):
        self._outputs = list(outputs)
        self._given = bytearray(1)

    def input(self, i):
        return (self._given,)[i]

    def invoke(self):
        self._output = self._outputs.pop(0)

    def ran(self):
        self.invoke()
        return self

    def output(self, i):
        return (self._output,)[i]


def shown(outputs, **given):
    """Run them all; (agreed, exact), or the reason of the failure. The app offers two inputs before each step."""
    watched = shadow(outputs, **given)
    guarded = []
    steps = watched.steps(Scripted([candidate for _, candidate in outputs]), Clock([1] * 99), guarded.append)
    offers = [confirmed for confirmed, _ in outputs]
    try:
        for _ in steps:
            if offers:
                watched.offer([b"x"], Scripted([offers.pop(0)]).ran())
                watched.offer([b"y"], Scripted([b"\0" * len(outputs[0][0])]).ran())  # one waits already: not taken
    except HealthError as e:
        return str(e)
    assert guarded == [True, False] * len(outputs)
    return watched.agreed, watched.exact


def test_agreement():
    same, near, other = (b"\1\2", b"\1\2"), (b"\1\2", b"\0\5"), (b"\1\2", b"\3\2")
    assert shown([same] * 3) == (3, 3)
    assert shown([same, near, near]) == (3, 1)
    assert shown([same, other, same]) == "shadow_agree: 1 of 2 live inputs disagree, 0 of 3 may"
    assert shown([same, other, same], shadow_agree=666) == (2, 2)
    assert shown([other, other, same], shadow_agree=666) == "shadow_agree: 2 of 2 live inputs disagree, 1 of 3 may"
    assert shown([other] * 3, shadow_agree=0) == (0, 0)


def test_agreement_of_a_single_value_is_a_distance():
    assert shown([(b"\5", b"\7"), (b"\xff", b"\1")]) == (2, 0)
    assert shown([(b"\5", b"\10")]) == "shadow_agree: 1 of 1 live inputs disagree, 0 of 1 may"


def test_every_so_manieth():
    watched = shadow([(b"\1\2", b"\1\2")] * 3, shadow_every=3)
    taken = []
    steps = watched.steps(Scripted([b"\1\2"] * 3), Clock([1] * 3), lambda running: taken.append(offered) if running else None)
    offered = 0
    for _ in steps:
        offered += 1
        watched.offer([b"x"], Scripted([b"\1\2"]).ran())
    assert taken == [3, 6, 9]


def live(outputs, times=None, fails=(), **limits):
    """Judge the answers ``outputs`` of an app's inferences; golden vectors whose winners are 0, 1, 1, 2."""
    winners = [bytes([0x7F if i == w else 0x80 for i in range(3)]) for w in range(3)]
    data = slot.build("m", "1.0.0", b"model", 16, [(winners[w], winners[w], None) for w in (0, 1, 1, 2)], [], [])
    judged = rules(correct=0, latency_us=limits.pop("latency_us", 0), live_runs=len(outputs), **limits)
    engine = Engine()
    watch = health.Live(slot.parse(data, len(data)), judged, Image(data), Clock(times or [1] * len(outputs)), engine)
    done = False
    for at, wanted in enumerate(outputs):
        assert not watch.judge(judged)
        engine.input(0)[:] = winners[wanted]
        if at in fails:
            engine.invoke = lambda: 1 // 0
            raises(ZeroDivisionError, watch.invoke, engine)
            del engine.invoke
        else:
            watch.invoke(engine)
        done = at == len(outputs) - 1
    assert done
    return watch.judge(judged)


def test_live_runs_that_answer_like_the_golden_vectors():
    assert live([0, 1, 1, 2] * 3, live_drift=1)
    assert live([0] * 4)  # without a limit


def test_live_runs_with_other_winners():
    # 0, 0, 0, 0 against 0, 1, 1, 2: three quarters of the mass lie elsewhere.
    assert live([0] * 4, live_drift=750)
    said = str(raises(HealthError, lambda: live([0] * 4, live_drift=749)))
    assert said == "live_drift: winners differ by 750 per mille, 749 may"


def test_live_runs_that_raise():
    assert live([0, 1, 1, 2], fails=(1,), live_errors=1)
    said = str(raises(HealthError, lambda: live([0, 1, 1, 2], fails=(1,))))
    assert said == "live_errors: 1 of 2 inferences raised, 0 may"


def test_live_runs_that_are_slow():
    said = str(raises(HealthError, lambda: live([0, 1, 1, 2], times=[5, 50, 5, 5], latency_us=9)))
    assert said == "latency_us: 50 us for an inference, 9 allowed"
