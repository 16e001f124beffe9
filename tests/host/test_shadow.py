"""Shadow mode on the virtual board: a version on trial sees live inputs beside the confirmed one, and never answers the app."""

import re
from typing import Any

from host.conftest import MakeRig
from host.rig import HEALTH, NAME, Rig, image, reference
from host.test_rollback import CANDIDATE, causes, reason
from mulligan.core import slot
from mulligan_host.release import Health

RUNS = 6

# In main.py: which inputs the app gives, one after the other; it prints every answer with the version that it names.
INPUTS = """
from binascii import hexlify, unhexlify
inputs = [unhexlify(x) for x in "{inputs}".split()]


async def app():
    count = 0
    while True:
        with mulligan.model("digits") as m:
            output = m.invoke(inputs[count % len(inputs)])
            print("app: version={{}} input={{}} output={{}}".format(m.version, count % len(inputs), hexlify(output).decode()))
        count += 1
        await asyncio.sleep(0)
"""


def inputs(*indices: int) -> str:
    """A main.py that infers the reference's images of these numbers, in turn."""
    return INPUTS.format(inputs=" ".join(reference("1.0.0")[i][0].hex() for i in indices))


def shadowed(**changes: Any) -> Health:
    fields = {"correct": HEALTH.correct, "deadline_ms": 6000, "watchdog_ms": 4000, "shadow_runs": RUNS, **changes}
    return Health(**fields)


def only(rig: Rig, *versions: str) -> None:
    """Whatever the app was answered came from these versions, and is what each of them computes."""
    answers = [line for _, line in rig.events if line.startswith("app: ")]
    assert answers
    for line in answers:
        found = re.fullmatch(r"app: version=(\S+) (?:input=(\d) )?output=([0-9a-f]+)", line)
        assert found
        assert found[1] in versions, line
        model = "1.0.0" if found[1] == "1.0.0" else "1.1.0"
        assert found[3] == reference(model)[int(found[2] or 0)][1].hex(), line


def test_a_version_that_agrees_is_confirmed(make_rig: MakeRig) -> None:
    rig = make_rig(prelude=inputs(0))
    rig.on()
    rig.publish("1.1.0", health=shadowed(shadow_every=2))
    facts = rig.wait("shadow")
    rig.wait("confirmed")
    rig.now("1.1.0")
    assert (facts["runs"], facts["agreed"]) == (str(RUNS), str(RUNS))
    assert facts["exact"] == "0"  # another model: the same winner, other bytes
    assert 0 < int(facts["p50_us"]) <= int(facts["p99_us"])
    healthy = rig.at("^mulligan: healthy ")
    ended = rig.at("^mulligan: shadow ")
    live = [at for at, line in rig.events if line.startswith("app: ") and healthy < at < ended]
    assert len(live) >= 2 * RUNS - 1  # every second one
    only(rig, "1.0.0", "1.1.0")


def test_the_same_model_is_exact(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.on()
    rig.publish("1.1.0", image("1.1.0", model="1.0.0"), health=shadowed())
    facts = rig.wait("shadow")
    rig.wait("confirmed")
    assert (facts["runs"], facts["agreed"], facts["exact"]) == (str(RUNS),) * 3


def disagreeing() -> bytes:
    """The wrong model with golden vectors and labels as it computes them: only the live inputs can tell."""
    good = image("1.1.0", model="1.2.0-bad")
    header = slot.parse(good, len(good))
    given = [(x, y, None) for x, y, _ in reference("1.2.0-bad")]
    model = good[header.model_at : header.model_at + header.model_size]
    built: bytes = slot.build(NAME, "1.1.0", model, header.arena, given, [], [3])
    return built


def test_a_version_that_disagrees_is_rolled_back_at_once(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.on()
    built = rig.publish("1.1.0", disagreeing(), health=shadowed(shadow_agree=900))
    rig.wait("healthy")
    rig.wait("rolled-back")
    rig.now("1.0.0")
    assert reason(rig) == "shadow_agree: 1 of 1 live inputs disagree, 0 of 6 may"
    assert rig.all("shadow")[-1]["runs"] == "1"
    assert rig.entry().frozen == [built.artifacts[0].sha256[:8]]
    only(rig, "1.0.0")


def test_as_many_as_may_disagree(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.on()
    rig.publish("1.1.0", disagreeing(), health=shadowed(shadow_agree=500))
    rig.wait("rolled-back")
    assert reason(rig) == "shadow_agree: 4 of 4 live inputs disagree, 3 of 6 may"


def slow_when(runs: str) -> str:
    """Runs of a version on trial that take 500 ms more each."""
    return CANDIDATE.format(fault="pass") + (
        f"""
class Slow(Candidate):
    def invoke(self):
        self.runs += 1
        if {runs}:
            machine.virtual.work(6000000)
        self.engine.invoke()


builtin.load = lambda *args, **options: Slow(load(*args, **options))
"""
    )


def test_a_version_that_is_slow_on_live_inputs(make_rig: MakeRig) -> None:
    rig = make_rig(prelude=slow_when("self.runs > 4"))
    rig.on()
    rig.publish("1.1.0", health=shadowed(latency_us=60000))
    rig.wait("healthy")
    rig.wait("rolled-back")
    assert re.fullmatch(r"latency_us: \d{6} us for an inference, 60000 allowed", reason(rig))
    assert len(rig.entry().frozen) == 1
    only(rig, "1.0.0")


def test_a_version_that_hangs_on_a_live_input(make_rig: MakeRig) -> None:
    """The watchdog stands over each of its inferences with its own time, not with the rest of the deadline."""
    hang = (
        CANDIDATE.format(fault="pass")
        .replace("self.runs == 2", "self.runs == 6")
        .replace("pass", "\n            while True: pass")
    )
    rig = make_rig(prelude=hang)
    rig.on()
    built = rig.publish("1.1.0", health=shadowed(deadline_ms=3_600_000, watchdog_ms=1000))
    rig.wait("rolled-back")
    rig.now("1.0.0")
    assert reason(rig) == "2 failed starts, the last by watchdog reset"
    assert causes(rig) == [1, 3, 3]
    assert rig.entry().frozen == [built.artifacts[0].sha256[:8]]
    assert rig.at("^mulligan: rolled-back ") - rig.at("^mulligan: activated ") < 10_000_000
    only(rig, "1.0.0")


def test_an_exception_on_a_live_input(make_rig: MakeRig) -> None:
    rig = make_rig(prelude=CANDIDATE.format(fault="raise ValueError('live')").replace("self.runs == 2", "self.runs == 6"))
    rig.on()
    rig.publish("1.1.0", health=shadowed())
    rig.wait("rolled-back")
    assert reason(rig) == "ValueError: live"
    assert rig.all("shadow")[-1]["runs"] == "1"
    only(rig, "1.0.0")


def test_a_power_cut_in_the_middle(make_rig: MakeRig) -> None:
    """The trial starts again, golden vectors and all, and is confirmed."""
    rig = make_rig()
    rig.on()
    seen = []

    def cut(line: str) -> None:
        if line.startswith("mulligan: healthy "):
            seen.append(line)
        elif seen and len(seen) < 4:
            seen.append(line)
            if len(seen) == 4:
                rig.board.power_off()

    rig.on_event = cut
    rig.publish("1.1.0", health=shadowed(shadow_runs=20))
    rig.board.wait_off()
    assert not rig.all("shadow")
    assert rig.entry().trial
    assert rig.on() == "1.0.0"
    assert rig.wait("shadow")["runs"] == "20"
    rig.wait("confirmed")
    rig.now("1.1.0")
    assert rig.entry().frozen == []
    only(rig, "1.0.0", "1.1.0")


IDLE = """
async def app():
    with mulligan.model("digits") as m:
        print("app: version={} output={}".format(m.version, hexlify(m.invoke(unhexlify("INPUT"))).decode()))
    while True:
        await asyncio.sleep(0)
"""


def test_an_app_that_never_infers_is_not_the_versions_fault(make_rig: MakeRig) -> None:
    """Rolled back without blame at the deadline; tried again, after more and more polls."""
    rig = make_rig(prelude=IDLE)
    rig.on()
    rig.publish("1.1.0", health=shadowed(deadline_ms=2000))
    for _ in range(3):
        rig.wait("rolled-back")
        assert reason(rig) == "shadow_runs: 0 of 6 live inputs seen within 2000 ms"
        assert rig.entry().frozen == []
    assert causes(rig) == [1]
    begun = [at for at, line in rig.events if line.startswith("mulligan: activated ")]
    ended = [at for at, line in rig.events if line.startswith("mulligan: rolled-back ")]
    rests = [second - first for first, second in zip(ended, begun[1:], strict=False)]
    assert len(rests) >= 2
    assert rests[1] > 1.5 * rests[0] > 0
    assert rig.version() == "1.0.0"


def test_a_newer_release_does_not_wait_for_that(make_rig: MakeRig) -> None:
    rig = make_rig(prelude=IDLE)
    rig.on()
    rig.publish("1.1.0", health=shadowed(deadline_ms=2000))
    for _ in range(3):
        rig.wait("rolled-back")
    rig.publish("1.1.1", image("1.1.1", model="1.1.0"))
    begun = len(rig.all("activated"))
    assert rig.wait("confirmed")["version"] == "1.1.1"
    assert len(rig.all("activated")) <= begun + 2  # one more of the old one may have been on its way


HOLDS = """
held = mulligan.model("digits").__enter__()


async def app():
    while True:
        output = held.invoke(unhexlify("INPUT"))
        print("app: version={} output={}".format(held.version, hexlify(output).decode()))
        await asyncio.sleep(0)
"""


def test_an_app_that_holds_the_with_block(make_rig: MakeRig) -> None:
    """It is shadowed all the same; the new version then waits for it, and no longer than the deadline."""
    rig = make_rig(prelude=HOLDS)
    rig.on()
    rig.publish("1.1.0", health=shadowed(deadline_ms=4000))
    assert rig.wait("shadow")["runs"] == str(RUNS)
    rig.wait("rolled-back")
    assert reason(rig) == "passed, but the app did not let go of the old version within 4000 ms"
    assert rig.entry().frozen == []
    only(rig, "1.0.0")


def test_an_app_that_pauses_for_longer_than_the_watchdog_is_left_alone(make_rig: MakeRig) -> None:
    """Between its own inferences a version on trial has no claim on the app's time."""
    pause = """
async def app():
    while True:
        with mulligan.model("digits") as m:
            print("app: version={} output={}".format(m.version, hexlify(m.invoke(unhexlify("INPUT"))).decode()))
        if any(a["shadow"] for a in mulligan.status()["artifacts"]):
            machine.virtual.idle(3000)
        await asyncio.sleep(0)
"""
    rig = make_rig(prelude="import machine\n" + pause)
    rig.on()
    rig.publish("1.1.0", health=shadowed(deadline_ms=60000, watchdog_ms=1500))
    rig.wait("confirmed")
    assert causes(rig) == [1]


def test_status_tells_of_it(make_rig: MakeRig) -> None:
    tell = """
async def tell():
    last = None
    while True:
        shadow = mulligan.status()["artifacts"][0]["shadow"]
        if shadow != last:
            last = shadow
            facts = ",".join("{}-{}".format(key, shadow[key]) for key in sorted(shadow)) if shadow else "none"
            print("app: version=- output=" + facts)
        await asyncio.sleep(0)


_main = asyncio.run
asyncio.run = lambda main: _main(asyncio.gather(main, tell()))
"""
    rig = make_rig(prelude=tell)
    rig.on()
    rig.publish("1.1.0", health=shadowed())
    rig.board.wait("^app: version=- output=agreed-3,exact-0,runs-3")
    rig.board.wait("^app: version=- output=none")
    rig.wait("confirmed")


def test_a_first_version_has_nothing_to_be_compared_with(make_rig: MakeRig) -> None:
    rig = make_rig(blank=True)
    rig.on()
    rig.publish("1.0.0", health=shadowed())
    rig.wait("confirmed")
    assert not rig.all("shadow")


def test_a_version_of_another_shape_is_refused_before_activation(make_rig: MakeRig) -> None:
    """Its output has two values more than the confirmed one's golden vectors say."""
    rig = make_rig()
    good = image("1.1.0")
    header = slot.parse(good, len(good))
    model = good[header.model_at : header.model_at + header.model_size]
    other = slot.build(NAME, "1.1.0", model, header.arena, [(bytes(64), bytes(12), None)], [], [3])
    rig.on()
    with rig.unchanged():
        rig.publish("1.1.0", other, health=Health(0, shadow_runs=3))
        facts = rig.wait("refused")
    assert facts["code"] == "71"
    assert facts["reason"] == "shadow_runs: it takes 64 bytes and gives 12, 1.0.0 takes 64 and gives 10"
    assert not rig.all("activated")
