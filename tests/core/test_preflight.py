from common import raises
from mulligan.core.errors import FormatError
from mulligan.core.preflight import KNOWN, parse, refusal

NOON = 1750000000 // 86400 * 86400 + 12 * 3600


def test_thresholds_and_their_probes():
    cases = (
        ("battery", 30, 29, 30), ("mains", 1, False, True), ("storage", 1000, 999, 1000), ("network", ["wifi"], "lte", "wifi"),
    )  # fmt: skip
    for key, limit, bad, good in cases:
        limits = parse({key: limit})
        assert refusal(limits, {key: lambda value=bad: value}, 0, None).startswith(key)
        assert refusal(limits, {key: lambda value=good: value}, 0, None) is None
        assert refusal(limits, {}, 0, None) is None  # nobody there who could tell
    assert refusal(parse({"heap": 1000}), {}, 999, None) == "heap: 999, 1000 needed"
    assert refusal(parse({"heap": 1000}), {}, 1000, None) is None
    assert refusal(parse({}), {"battery": lambda: 0}, 0, NOON) is None
    assert refusal(parse({"mains": 0}), {"mains": lambda: False}, 0, None) is None


def test_quiet_hours_also_over_midnight():
    for start, end, quiet in ((11, 13, True), (12, 13, True), (13, 11, False), (22, 6, False), (22, 13, True), (10, 12, False)):
        limits = parse({"quiet_from": start * 60, "quiet_until": end * 60})
        reason = refusal(limits, {}, 0, NOON)
        assert (reason is not None) == quiet, (start, end)
        assert refusal(limits, {}, 0, None) is None  # no clock, no quiet hours
    assert refusal(parse({"quiet_from": 0}), {}, 0, NOON) is None


def test_what_is_no_threshold():
    for doc in ({"battery": 0}, {"battery": 101}, {"battery": "30"}, {"mains": 2}, {"quiet_from": 1440}, {"network": "wifi"},
                {"network": [1]}, {"network": ["a b"]}, {"heap": True}):  # fmt: skip
        raises(FormatError, parse, doc)
    assert parse({"colour": 1}) == {}
    assert len(KNOWN) == 7
