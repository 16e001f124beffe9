from common import raises, rules
from mulligan.core import policy, root
from mulligan.core.errors import Expired, Frozen, MulliganError, NotAvailable, PolicyError, Replayed, Unmet, WrongBoard
from mulligan.core.manifest import Artifact, Blob, Manifest
from mulligan.core.semver import at_least
from mulligan.core.state import PLANES, Entry, Image, State

RULES = rules(2, 8000, 4000, 8, 0)
NOW = 1750000000
FIRMWARE = {"firmware": "1.25.0"}


def artifact(plane="model", name="digits", version="1.1.0", counter=5, digest=b"n" * 32, requires=None, after=None, mpy=0):
    return Artifact(plane, name, version, counter, 100, digest, Blob(1, b""), None, requires or {}, after, 0, mpy, RULES)


def release(*artifacts, sequence=5, expires=1800000000, boards=("virtual",)):
    return Manifest("1.1.0", sequence, 0, expires, boards, 3000, list(artifacts) or [artifact()], {})


def state(sequence=4, floor=4, digest=b"o" * 32):
    result = State()
    result.sequence = sequence
    result.entries = [installed("model", "digits", "1.0.0", floor, digest)]
    return result


def installed(plane, name, version, floor=4, digest=b"o" * 32, requires=None, mpy=0):
    entry = Entry(plane, name, 0)
    entry.slot, entry.floor, entry.image = 0, floor, Image(100, floor, version, digest, requires or {}, mpy)
    return entry


def admit(manifest, known=None, now=NOW, versions=FIRMWARE, planes=("model",)):
    return policy.admit(manifest, known or state(), "virtual", now, versions, planes)


def test_a_newer_release_is_wanted():
    assert [a.name for a in admit(release())] == ["digits"]


def test_what_is_confirmed_already_is_not_wanted():
    assert admit(release(artifact(digest=b"o" * 32))) == []


def test_a_device_with_nothing_takes_the_first():
    assert len(admit(release(), State())) == 1
    assert len(admit(release(artifact(after="9.0.0")), State())) == 1


def test_wrong_board():
    raises(WrongBoard, admit, release(boards=("esp32", "esp32s3")))
    raises(WrongBoard, admit, release(boards=()))


def test_expiry_by_the_best_time_known():
    raises(Expired, admit, release(expires=NOW - 1))
    assert admit(release(expires=NOW))
    assert admit(release(expires=NOW), None, None)
    # No clock is set, but the journal has seen a later time than the expiry: a freeze attack does not work by removing the clock.
    seen = state()
    seen.time = NOW + 1
    raises(Expired, admit, release(expires=NOW), seen, None)
    raises(Expired, admit, release(expires=NOW), seen, 1)


def test_the_best_time():
    assert policy.best_time(None, 0) == (0, False)
    assert policy.best_time(None, NOW) == (NOW, False)
    assert policy.best_time(NOW - 1, NOW) == (NOW, False)
    assert policy.best_time(NOW, NOW) == (NOW, True)
    assert policy.best_time(NOW + 5, NOW) == (NOW + 5, True)


def test_replay_and_rollback():
    raises(Replayed, admit, release(sequence=3))
    assert admit(release(sequence=4))
    raises(Replayed, admit, release(artifact(counter=3)))
    assert admit(release(artifact(counter=4)))
    known = state()
    known.entries[0].hard_floor = 5
    raises(Replayed, admit, release(artifact(counter=4)), known)
    assert admit(release(artifact(counter=5)), known)


def test_after_a_ceiling_the_honest_release_is_taken():
    known = state(0xFFFFFFFF, 0xFFFFFFFF)
    raises(Replayed, admit, release(artifact(counter=5), sequence=5), known)
    root.lower(known, root.Root(2, NOW, 0, 1, 4, ()))
    assert admit(release(artifact(counter=5), sequence=5), known)
    raises(Replayed, admit, release(artifact(counter=3), sequence=5), known)
    raises(Replayed, admit, release(artifact(counter=5), sequence=3), known)


def test_a_frozen_version_is_not_tried_again():
    known = state()
    known.entries[0].frozen = [b"n" * 8]
    raises(Frozen, admit, release(), known)
    assert admit(release(artifact(digest=b"m" * 32)), known)


def test_a_version_that_must_be_passed_through():
    for after, taken in (("1.0.0", True), ("0.9.0", True), ("1.0.0-rc.1", True), ("1.0.1", False), ("1.10.0", False)):
        if taken:
            assert admit(release(artifact(after=after)))
        else:
            raises(Unmet, admit, release(artifact(after=after)))


def test_what_the_new_one_needs():
    assert admit(release(artifact(requires={"firmware": "1.25.0"})))
    raises(Unmet, admit, release(artifact(requires={"firmware": "1.26.0"})))
    raises(Unmet, admit, release(artifact(requires={"app": "1.0.0"})))
    assert admit(release(artifact(requires={"model": "1.1.0"})))  # the release itself brings it
    raises(Unmet, admit, release(artifact(requires={"model": "1.1.1"})))


def test_what_the_others_need_of_the_new_one():
    known = state()
    known.entries.append(installed("app", "app", "2.0.0", requires={"model": "1.1.0"}))
    assert admit(release(artifact(version="1.1.0")), known)
    raises(Unmet, admit, release(artifact(version="1.1.0-rc.1")), known)
    # The release replaces the one that asks for too much.
    both = release(artifact(version="1.0.9"), artifact("app", "app", "1.9.0", digest=b"a" * 32))
    assert len(admit(both, known, planes=("model", "app"))) == 2


def test_a_grievance_between_others_stops_nothing():
    known = state()
    known.entries.append(installed("config", "config", "1.0.0", requires={"firmware": "9.0.0"}))
    known.entries += [installed("app", "app", "1.0.0", mpy=6), installed("firmware", "f", "1.25.0", mpy=5)]
    assert admit(release(), known)
    raises(Unmet, admit, release(artifact(requires={"config": "1.0.1"})), known)


def test_every_model_must_be_new_enough():
    known = state()
    known.entries.append(installed("model", "wake", "0.5.0"))
    raises(Unmet, admit, release(artifact("app", "app", requires={"model": "0.6.0"})), known, NOW, FIRMWARE, ("app",))
    assert admit(release(artifact("app", "app", requires={"model": "0.5.0"})), known, planes=("app",))


def test_dependencies_against_their_definition():
    """Every pair of requirements between two planes and versions, old and new: taken exactly if all that is new fits."""
    versions = ("1.0.0", "1.1.0", "2.0.0")
    count = 0
    for old_app in versions:
        for app_needs in (None,) + versions:
            for new_model in versions:
                for model_needs in (None,) + versions:
                    for new_app in (None,) + versions:
                        known = state()
                        asks = {"model": app_needs} if app_needs else {}
                        known.entries.append(installed("app", "app", old_app, requires=asks))
                        wants = {"app": model_needs} if model_needs else {}
                        items = [artifact(version=new_model, requires=wants)]
                        if new_app:
                            items.append(artifact("app", "app", new_app, digest=b"a" * 32))
                        fits = not model_needs or at_least(new_app or old_app, model_needs)
                        fits = fits and (new_app is not None or not app_needs or at_least(new_model, app_needs))
                        try:
                            taken = len(admit(release(*items), known, planes=("model", "app"))) == len(items)
                        except Unmet:
                            taken = False
                        assert taken == fits, (old_app, app_needs, new_model, model_needs, new_app)
                        count += 1
    assert count == 3 * 4 * 3 * 4 * 4


def test_planes_this_device_does_not_update():
    for plane in PLANES:
        if plane == "model":
            assert admit(release(artifact(plane)))
        else:
            raises(PolicyError, admit, release(artifact(plane)))


def test_a_refusal_changes_nothing():
    for bad in (release(sequence=3), release(expires=1), release(boards=()), release(artifact(counter=1))):
        known = state()
        raises(MulliganError, admit, bad, known)
        entry = known.entries[0]
        assert (known.sequence, known.time, entry.floor, entry.slot, entry.trial, entry.frozen) == (4, 0, 4, 0, None, [])


def test_what_a_firmware_and_an_app_compile_for():
    xtensa, bytecode = 10 << 10 | 3 << 8 | 6, 6
    both = ("firmware", "app", "model")
    for app, firmware, fits in (
        (0, xtensa, True), (bytecode, xtensa, True), (xtensa, xtensa, True), (xtensa, 0, True),
        (5, xtensa, False), (xtensa, 11 << 10 | 3 << 8 | 6, False), (xtensa, 10 << 10 | 2 << 8 | 6, False), (xtensa, 6, False),
    ):  # fmt: skip
        known = state()
        new = [artifact("app", "app", mpy=app)]
        cases = [(release(*new), known, firmware)]  # against what runs
        cases.append((release(artifact("firmware", "f", digest=b"f" * 32, mpy=firmware), *new), known, 99))  # in one release
        held = state()
        held.entries.append(installed("app", "app", "1.0.0", mpy=app))
        cases.append((release(artifact("firmware", "f", digest=b"f" * 32, mpy=firmware)), held, 99))  # the app stays
        for manifest, before, mpy in cases:
            try:
                taken = len(policy.admit(manifest, before, "virtual", NOW, FIRMWARE, both, mpy)) == len(manifest.artifacts)
            except Unmet:
                taken = False
            assert taken == fits, (app, firmware, mpy)


def test_going_back_by_hand():
    known = state()
    entry = known.entries[0]
    raises(NotAvailable, policy.revert, entry, known, FIRMWARE)
    entry.spare = Image(100, 3, "0.9.0", b"s" * 32, {"firmware": "1.25.0"}, 0)
    policy.revert(entry, known, FIRMWARE)
    raises(Unmet, policy.revert, entry, known, {"firmware": "1.24.0"})
    known.entries.append(installed("app", "app", "1.0.0", requires={"model": "1.0.0"}))
    raises(Unmet, policy.revert, entry, known, FIRMWARE)  # what stays needs the newer one
    known.entries.pop()
    entry.hard_floor = 4
    raises(Replayed, policy.revert, entry, known, FIRMWARE)
    entry.hard_floor = 3
    policy.revert(entry, known, FIRMWARE)
    entry.begin(entry.spare, 1, RULES)
    raises(NotAvailable, policy.revert, entry, known, FIRMWARE)


def test_the_order_in_which_planes_fall_back():
    known = State()
    expected = []
    for plane in ("firmware", "model", "app", "config"):
        entry = installed(plane, plane, "1.0.0")
        entry.spare = Image(1, 3, "0.9.0", b"s" * 32, {}, 0)
        known.entries.append(entry)
    while True:
        entry = policy.to_fall_back(known, FIRMWARE)
        if entry is None:
            break
        expected.append(entry.plane)
        entry.fall_back(True)
        assert (entry.image.version, entry.spare, entry.frozen, entry.floor, entry.slot) == ("0.9.0", None, [b"o" * 8], 4, 1)
    assert tuple(expected) == policy.ROLLBACK_ORDER
    # One that what stays depends on is passed over.
    known.entries[0].spare = Image(1, 3, "0.1.0", b"s" * 32, {}, 0)
    known.entries[1].spare = Image(1, 3, "0.1.0", b"s" * 32, {}, 0)
    known.entries[1].image.requires["model"] = "0.9.0"
    known.entries[2].image.requires["model"] = "0.9.0"
    assert policy.to_fall_back(known, FIRMWARE).plane == "firmware"
