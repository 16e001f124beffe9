from common import raises, rules
from mulligan.core import policy
from mulligan.core.errors import Expired, Frozen, PolicyError, Replayed, Unmet, WrongBoard
from mulligan.core.manifest import Artifact, Blob, Manifest
from mulligan.core.state import Entry, Image, State

RULES = rules(latency_us=0)
NOW = 1750000000


def release(sequence=5, counter=5, digest=b"n" * 32, expires=1800000000, boards=("virtual",), plane="model", requires=None):
    item = Artifact(plane, "digits", "1.1.0", counter, 100, digest, Blob(1, b""), None, requires or {}, RULES)
    return Manifest("1.1.0", sequence, 0, expires, boards, 3000, [item])


def state(sequence=4, floor=4, digest=b"o" * 32):
    entry = Entry("model", "digits", 0)
    entry.slot, entry.floor, entry.image = 0, floor, Image(100, floor, "1.0.0", digest)
    result = State()
    result.sequence = sequence
    result.entries = [entry]
    return result


def admit(manifest, known=None, now=NOW, versions=None, planes=("model",)):
    return policy.admit(manifest, known or state(), "virtual", now, versions or {"firmware": "1.25.0"}, planes)


def test_a_newer_release_is_wanted():
    assert [a.name for a in admit(release())] == ["digits"]


def test_what_is_confirmed_already_is_not_wanted():
    assert admit(release(digest=b"o" * 32)) == []


def test_a_device_with_nothing_takes_the_first():
    assert len(admit(release(), State())) == 1


def test_wrong_board():
    raises(WrongBoard, admit, release(boards=("esp32", "esp32s3")))


def test_expiry_by_the_best_time_known():
    raises(Expired, admit, release(expires=NOW - 1))
    assert admit(release(expires=NOW))
    assert admit(release(expires=NOW), None, None)
    # No clock is set, but the journal has seen a later time than the expiry: a freeze attack does not work by removing the clock.
    seen = state()
    seen.time = NOW + 1
    raises(Expired, admit, release(expires=NOW), seen, None)
    raises(Expired, admit, release(expires=NOW), seen, 1)


def test_replay_and_rollback():
    raises(Replayed, admit, release(sequence=3))
    assert admit(release(sequence=4))
    raises(Replayed, admit, release(counter=3))
    assert admit(release(counter=4))


def test_a_frozen_version_is_not_tried_again():
    known = state()
    known.entries[0].frozen = [b"n" * 8]
    raises(Frozen, admit, release(), known)
    assert admit(release(digest=b"m" * 32), known)


def test_dependencies():
    assert admit(release(requires={"firmware": "1.25.0"}))
    raises(Unmet, admit, release(requires={"firmware": "1.26.0"}))
    raises(Unmet, admit, release(requires={"app": "1.0.0"}))
    assert admit(release(requires={"model": "1.1.0"}))  # the release itself brings it


def test_a_plane_this_device_does_not_update():
    raises(PolicyError, admit, release(plane="firmware"))
