"""Health checks: does a version on trial compute what it should, often enough right, fast enough, in the memory it may have?

Each failed rule names itself, with its figure and its limit, as soon as it is certain to fail.
"""

import struct
from array import array

from .core import slot
from .core.errors import HealthError


def memory(rules, arena, free):
    """Judge what the version takes: ``arena`` bytes of it, and ``free`` bytes of heap left beside it. Raises: HealthError."""
    if 0 < rules.arena < arena:
        raise HealthError("arena: {} bytes, {} allowed".format(arena, rules.arena))
    if free < rules.heap:
        raise HealthError("heap: {} bytes free, {} needed".format(free, rules.heap))


def golden(candidate, header, image, rules, clock):
    """A generator that runs every golden vector of the slot ``image`` on a Served, one a step, and judges them by ``rules``.

    header: the slot image's Header; image: readinto(offset, buf) over it. Its value: (vectors with their label, Latencies).
    Raises: HealthError as soon as it is certain that the version fails.
    """
    engine = candidate.engine
    for port, size in (engine.input, header.input_size), (engine.output, header.output_size):
        if sum([len(part) for part in _all(port)]) != size:
            raise HealthError("golden: vectors that do not fit the model's inputs and outputs")
    latencies = Latencies(header.golden)
    correct = 0
    expected = bytearray(header.output_size)
    label = bytearray(2)
    at = header.golden_at
    for index in range(header.golden):
        for given in _all(engine.input):
            image.readinto(at, given)
            at += len(given)
        image.readinto(at, expected)
        image.readinto(at + header.output_size, label)
        at += header.output_size + 2
        latencies.add(_timed(engine, clock))
        wrong = _difference(candidate, header, expected)
        if wrong:
            raise HealthError("golden: vector {} of {}: {}".format(index + 1, header.golden, wrong))
        wanted = struct.unpack("<H", label)[0]
        if wanted == slot.NO_LABEL or wanted == winner(engine.output(0), header.flags):
            correct += 1
        if correct + header.golden - index - 1 < rules.correct:
            raise HealthError("correct: {} of {} golden vectors right, {} needed".format(correct, index + 1, rules.correct))
        latencies.judge(rules)
        yield
    engine.reset()  # what a model remembers of golden vectors is not the app's
    return correct, latencies


class Shadow:
    """Live inputs that a version on trial sees as well: copies of the app's, each with the confirmed version's output.

    Holds one at a time, and takes the next only when that was judged. RAM: inputs, outputs, and 4 bytes for each run.
    """

    def __init__(self, header, rules):
        self._tolerance = header.tolerance
        self._flags = header.flags
        self._every = rules.shadow_every
        self._rules = rules
        self._input = memoryview(bytearray(header.input_size))
        self._expected = memoryview(bytearray(header.output_size))
        self._full = False
        self._passed = 0  # live inputs since the last one taken
        self.latencies = Latencies(rules.shadow_runs)
        self.runs = 0
        self.agreed = 0
        self.exact = 0

    def offer(self, data, engine):
        """Called after each inference of the app: copies every so manieth. ``data``: its inputs; ``engine``: the confirmed
        version's, with its outputs.
        """
        self._passed += 1
        if self._passed >= self._every and not self._full:
            _join(data, self._input)
            _join(_all(engine.output), self._expected)
            self._full = True
            self._passed = 0

    def steps(self, engine, clock, guard):
        """A generator that runs ``engine`` on what was offered, one a step, until enough were seen.

        ``guard(running)`` is told when the version begins to run and when it has. Raises: HealthError as soon as it is certain
        that too few agree, or too many are slow.
        """
        runs = self._rules.shadow_runs
        most = runs - -(-runs * self._rules.shadow_agree // 1000)  # that may disagree
        while self.runs < runs:
            if self._full:
                at = 0
                for given in _all(engine.input):
                    given[:] = self._input[at : at + len(given)]
                    at += len(given)
                guard(True)
                self.latencies.add(_timed(engine, clock))
                guard(False)
                self._compare(_all(engine.output))
                self._full = False
                if self.runs - self.agreed > most:
                    raise HealthError(
                        "shadow_agree: {} of {} live inputs disagree, {} of {} may".format(
                            self.runs - self.agreed, self.runs, most, runs
                        )
                    )
                self.latencies.judge(self._rules)
            yield

    def _compare(self, outputs):
        """Agreement is the same winner; where there is but one value, a distance within the image's tolerance."""
        self.runs += 1
        output = outputs[0]
        expected = self._expected[: len(output)]
        distance = _distance(outputs, self._expected, self._flags)
        if not distance:
            self.exact += 1
            self.agreed += 1
        elif len(output) > (4 if self._flags & slot.FLOAT32 else 1):
            self.agreed += winner(output, self._flags) == winner(expected, self._flags)
        else:
            self.agreed += distance <= self._tolerance


class Latencies:
    """How long the inferences took, of ``planned`` in all, in microseconds. Allocates at the beginning only."""

    def __init__(self, planned):
        self._sorted = array("I", bytes(4 * planned))
        self._planned = planned
        self._count = 0

    def add(self, us):
        at = self._count
        while at and self._sorted[at - 1] > us:
            self._sorted[at] = self._sorted[at - 1]
            at -= 1
        self._sorted[at] = us
        self._count += 1

    def percentile(self, percent):
        """Of those so far, by nearest rank."""
        return self._sorted[-(-percent * self._count // 100) - 1]

    def facts(self):
        """For a report: three percentiles of those so far, in microseconds."""
        return {"p{}_us".format(p): self.percentile(p) for p in (50, 90, 99)} if self._count else {}

    def judge(self, rules):
        """Raises: HealthError if a percentile of all that are planned is above its limit, whatever the rest will give."""
        for name, percent, limit in (
            ("p50_us", 50, rules.p50_us), ("latency_us", 90, rules.latency_us), ("p99_us", 99, rules.p99_us)
        ):  # fmt: skip
            may = self._planned - -(-percent * self._planned // 100)  # be slower than the limit
            if limit and self._count > may and self._sorted[self._count - 1 - may] > limit:
                figure = self._sorted[self._count - 1 - may]
                raise HealthError("{}: {} us for an inference, {} allowed".format(name, figure, limit))


def winner(output, flags):
    """The index of the largest number in ``output``, which `slot`'s ``flags`` say the type of."""
    if flags & slot.FLOAT32:
        numbers = array("f", bytes(output))
        return max(range(len(numbers)), key=lambda i: numbers[i])
    flip = 0 if flags & slot.UINT8 else 0x80
    return max(range(len(output)), key=lambda i: output[i] ^ flip)


def _all(port):
    """[the memoryview of each] of ``port``, an engine's input or output."""
    found = []
    try:
        while True:
            found.append(port(len(found)))
    except IndexError:
        return found


def _join(parts, whole):
    """Copy the ``parts`` into ``whole``, one after the other. Raises: ValueError where they don't fill it."""
    at = 0
    for part in parts:
        whole[at : at + len(part)] = part
        at += len(part)


def _timed(engine, clock):
    started = clock.ticks_us()
    engine.invoke()
    return clock.elapsed_us(started)


def _difference(candidate, header, expected):
    """What is wrong with the outputs, or None: nothing may be on an exact engine, on another what the slot image allows."""
    outputs = _all(candidate.engine.output)
    distance = _distance(outputs, expected, header.flags)
    if not distance:
        return None
    if candidate.exact:
        return "wrong output"
    if distance > header.tolerance:
        return "an output byte off by {}, {} allowed".format(distance, header.tolerance)
    flags = header.flags
    if flags & slot.SAME_WINNER and winner(outputs[0], flags) != winner(expected[: len(outputs[0])], flags):
        return "another winner"
    return None


def _distance(outputs, expected, flags):
    """The largest difference of the bytes of ``outputs``, one after the other, from those ``expected``: of int8s, or uint8s."""
    flip = 0 if flags & slot.UINT8 else 0x80
    most = at = 0
    for output in outputs:
        if output != expected[at : at + len(output)]:
            for value in output:
                most = max(most, abs((value ^ flip) - (expected[at] ^ flip)))
                at += 1
        else:
            at += len(output)
    return most


class Live:
    """Inferences of the app, answered by a version on trial: how many raise, how long they take, and what they answer."""

    def __init__(self, header, rules, image, clock, engine):
        self._clock = clock
        self._planned = rules.live_runs
        self._golden = header.golden
        self._flags = header.flags
        expected = bytearray(len(engine.output(0)))
        self._expected = [0] * len(expected)  # how many golden vectors have each winner
        self._winners = [0] * len(expected)
        self.latencies = Latencies(rules.live_runs)
        self.runs = 0
        self.errors = 0
        at = header.golden_at + header.input_size
        for _ in range(header.golden):
            image.readinto(at, expected)
            self._expected[winner(expected, self._flags)] += 1
            at += header.input_size + header.output_size + 2

    def invoke(self, engine):
        """In place of engine.invoke(). Raises: what that raises."""
        if self.runs == self._planned:
            engine.invoke()
            return
        self.runs += 1
        try:
            self.latencies.add(_timed(engine, self._clock))
            self._winners[winner(engine.output(0), self._flags)] += 1
        except Exception:
            self.errors += 1
            raise

    def judge(self, rules):
        """Whether all were seen. Raises: HealthError as soon as it is certain that the version fails."""
        if self.errors > rules.live_errors:
            raise HealthError("live_errors: {} of {} inferences raised, {} may".format(self.errors, self.runs, rules.live_errors))
        self.latencies.judge(rules)
        if self.runs < self._planned:
            return False
        drift = self._drift()
        if rules.live_drift and drift > rules.live_drift:
            raise HealthError("live_drift: winners differ by {} per mille, {} may".format(drift, rules.live_drift))
        return True

    def _drift(self):
        """The total variation distance of the two distributions of winners, per mille."""
        seen = sum(self._winners)
        if not seen:
            return 1000
        off = sum([abs(a * self._golden - b * seen) for a, b in zip(self._winners, self._expected)])
        return 1000 * off // (2 * seen * self._golden)
