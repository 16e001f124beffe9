"""Health checks: does a model on trial compute what it should, often enough right, and fast enough?"""

import struct

from .core import slot
from .core.errors import HealthError


def check(engine, header, image, rules, clock):
    """A generator that runs every golden vector of the slot ``image`` on ``engine``, one a step, and judges them by ``rules``.

    header: the slot image's Header; image: readinto(offset, buf) over it. Its value: the Result.
    Raises: HealthError as soon as it is certain that the version fails.
    """
    result = Result(header.golden)
    given = engine.input(0)
    if len(given) != header.input_size or len(engine.output(0)) != header.output_size:
        raise HealthError("golden vectors do not fit the model's input and output")
    expected = bytearray(header.output_size)
    label = bytearray(2)
    at = header.golden_at
    for index in range(header.golden):
        image.readinto(at, given)
        image.readinto(at + header.input_size, expected)
        image.readinto(at + header.input_size + header.output_size, label)
        at += header.input_size + header.output_size + 2
        started = clock.ticks_us()
        engine.invoke()
        result.latencies.append(clock.elapsed_us(started))
        output = engine.output(0)
        if bytes(output) != expected:
            raise HealthError("golden vector {} of {}: wrong output".format(index + 1, header.golden))
        wanted = struct.unpack("<H", label)[0]
        if wanted == slot.NO_LABEL or wanted == winner(output):
            result.correct += 1
        result.judge(rules, index + 1)
        yield
    return result


class Result:
    """correct: golden vectors with their label; latencies: of each inference, in microseconds."""

    def __init__(self, total):
        self.total = total
        self.correct = 0
        self.latencies = []

    def judge(self, rules, done):
        """Raises: HealthError if the ``done`` vectors so far already miss ``rules``, whatever the rest will give."""
        if self.correct + self.total - done < rules.correct:
            raise HealthError("{} of {} golden vectors right, {} needed".format(self.correct, done, rules.correct))
        slow = sum([1 for t in self.latencies if t > rules.latency_us]) if rules.latency_us else 0
        if slow * 10 > self.total:
            raise HealthError("{} us for an inference, {} allowed".format(self.p90_us(), rules.latency_us))

    def p90_us(self):
        """The 9th decile of the latencies (nearest rank)."""
        ordered = sorted(self.latencies)
        return ordered[(9 * len(ordered) + 9) // 10 - 1]


def winner(output):
    """The index of the largest int8 in ``output``."""
    return max(range(len(output)), key=lambda i: output[i] ^ 0x80)
