"""May this device take this release? Pure: facts in, a decision out."""

from . import semver
from .errors import Expired, Frozen, PolicyError, Replayed, Unmet, WrongBoard


def best_time(clock, seen):
    """(seconds since 1970, whether the clock gave it): the best time known.

    clock: what the device's clock says, or None where it was never set; seen: the latest time that is proven to be past, by the
    journal or by what was signed. A clock before that is wrong, and then the time is at least ``seen``.
    """
    if clock is None or clock < seen:
        return seen, False
    return clock, True


def admit(manifest, state, board, now, versions, planes):
    """The artifacts of ``manifest`` that ``board`` has yet to install: [Artifact], perhaps empty.

    state: the journal's State; now: the best time known, or None; it is never before the latest time the journal has seen;
    versions: {plane: version} of what runs on planes that the journal has no entry of; planes: those this device can update.
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
        if artifact.plane not in planes:
            raise PolicyError("this device does not update the {} plane".format(artifact.plane))
        entry = state.entry(artifact.plane, artifact.name)
        if not (entry and entry.image and entry.image.sha256 == artifact.sha256):
            if entry:
                _follow(entry, artifact)
            wanted.append(artifact)
    _require(wanted, state, versions)
    return wanted


def _follow(entry, artifact):
    """May ``artifact`` take the place of what ``entry`` has? Raises: Replayed, Frozen, Unmet."""
    floor = max(entry.floor, entry.hard_floor)
    if artifact.counter < floor:
        raise Replayed("{} has counter {}, the floor is {}".format(_called(artifact), artifact.counter, floor))
    if entry.is_frozen(artifact.sha256):
        raise Frozen("{} failed its trial here and is frozen: publish a newer one".format(_called(artifact)))
    if artifact.after and entry.image and not semver.at_least(entry.image.version, artifact.after):
        raise Unmet(
            "{} can only follow {} or newer, here is {}: install that before".format(
                _called(artifact), artifact.after, entry.image.version
            )
        )


def _require(wanted, state, versions):
    """Would all be together that needs each other, once ``wanted`` is installed? Raises: Unmet.

    Looked at are what the new artifacts need, and what those that stay need of a plane with a new artifact.
    """
    # (plane, called, version, requires, new) of everything that would then be on the device.
    present = [(a.plane, _called(a), a.version, a.requires, True) for a in wanted]
    replaced = [(a.plane, a.name) for a in wanted]
    for entry in state.entries:
        if entry.image and (entry.plane, entry.name) not in replaced:
            image = entry.image
            present.append((entry.plane, entry.name + " " + image.version, image.version, image.requires, False))
    known = [plane for plane, _, _, _, _ in present]
    present += [(plane, plane, version, {}, False) for plane, version in versions.items() if plane not in known]
    for _, called, _, requires, new in present:
        for plane, lowest in requires.items():
            others = [(version, touched) for where, _, version, _, touched in present if where == plane]
            if not new and not any(touched for _, touched in others):
                continue
            if not others or not all(semver.at_least(version, lowest) for version, _ in others):
                here = ", ".join([version for version, _ in others]) or "none"
                raise Unmet("{} needs {} {}, there would be {}".format(called, plane, lowest, here))


def _called(artifact):
    return artifact.name + " " + artifact.version
