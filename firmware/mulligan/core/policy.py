"""May this device take this release? Pure: facts in, a decision out."""

from . import semver
from .errors import Expired, Frozen, PolicyError, Replayed, Unmet, WrongBoard


def admit(manifest, state, board, now, versions, planes):
    """The artifacts of ``manifest`` that ``board`` has yet to install: [Artifact], perhaps empty.

    state: the journal's State; now: seconds since 1970, or None where no clock is set, and then the latest time the journal has
    seen stands in; versions: {plane: version} of what runs; planes: those this device can update.
    Raises: WrongBoard, Expired, Replayed, Unmet, Frozen, PolicyError.
    """
    if board not in manifest.boards:
        raise WrongBoard("release {} is for {}, this is {}".format(manifest.release, "/".join(manifest.boards), board))
    if max(now or 0, state.time) > manifest.expires:
        raise Expired("release {} has expired: sign it anew, or set the clock right".format(manifest.release))
    if manifest.sequence < state.sequence:
        raise Replayed("release sequence {} is below {}, already confirmed".format(manifest.sequence, state.sequence))
    wanted = []
    for artifact in manifest.artifacts:
        entry = state.entry(artifact.plane, artifact.name)
        if artifact.plane not in planes:
            raise PolicyError("this device does not update the {} plane".format(artifact.plane))
        if entry and entry.image and entry.image.sha256 == artifact.sha256:
            continue
        if entry and artifact.counter < entry.floor:
            raise Replayed("{} has counter {}, the floor is {}".format(_called(artifact), artifact.counter, entry.floor))
        if entry and entry.is_frozen(artifact.sha256):
            raise Frozen("{} failed its trial here and is frozen: publish a newer one".format(_called(artifact)))
        _require(artifact, manifest, versions)
        wanted.append(artifact)
    return wanted


def _require(artifact, manifest, versions):
    offered = {a.plane: a.version for a in manifest.artifacts}
    for plane, lowest in artifact.requires.items():
        have = offered.get(plane) or versions.get(plane)
        if have is None or not semver.at_least(have, lowest):
            raise Unmet("{} needs {} {}, here is {}".format(_called(artifact), plane, lowest, have or "none"))


def _called(artifact):
    return artifact.name + " " + artifact.version
