"""May this device take this release? Pure: facts in, a decision out."""

from . import semver
from .errors import Expired, Frozen, NotAvailable, PolicyError, Replayed, Unmet, WrongBoard

ROLLBACK_ORDER = ("config", "model", "app", "firmware")  # of what was activated separately: what is changed most easily first


def best_time(clock, seen):
    """(seconds since 1970, whether the clock gave it): the best time known.

    clock: what the device's clock says, or None where it was never set; seen: the latest time that is proven to be past, by the
    journal or by what was signed. A clock before that is wrong, and then the time is at least ``seen``.
    """
    if clock is None or clock < seen:
        return seen, False
    return clock, True


def admit(manifest, state, board, now, versions, planes, mpy=0):
    """The artifacts of ``manifest`` that ``board`` has yet to install: [Artifact], perhaps empty.

    state: the journal's State; now: the best time known, or None; it is never before the latest time the journal has seen;
    versions: {plane: version} of what runs on planes that the journal has no image of; planes: those this device can update;
    mpy: sys.implementation._mpy of the firmware that runs.
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
    _agree(_present(wanted, state, versions, mpy))
    return wanted


def revert(entry, state, versions, mpy=0):
    """May ``entry`` go back to its spare? Raises: NotAvailable, Replayed, Unmet."""
    spare = entry.spare
    if spare is None:  # as it is while another is on trial
        raise NotAvailable("{}: no other version is held to go back to".format(entry.name))
    if spare.counter < entry.hard_floor:
        raise Replayed("{} has counter {}, the hard floor is {}".format(_called(entry, spare), spare.counter, entry.hard_floor))
    back = _Part(entry.plane, _called(entry, spare), spare.version, spare.requires, spare.mpy, True)
    _agree([back] + _present([], state, versions, mpy, entry))


def to_fall_back(state, versions, mpy=0):
    """The entry that goes back first where what is confirmed keeps failing, or None where none can."""
    for plane in ROLLBACK_ORDER:
        for entry in state.entries:
            if entry.plane == plane and entry.spare:
                try:
                    revert(entry, state, versions, mpy)
                    return entry
                except PolicyError:
                    pass
    return None


def _follow(entry, artifact):
    """May ``artifact`` take the place of what ``entry`` has? Raises: Replayed, Frozen, Unmet."""
    floor = max(entry.floor, entry.hard_floor)
    if artifact.counter < floor:
        raise Replayed("{} has counter {}, the floor is {}".format(_called(artifact, artifact), artifact.counter, floor))
    if entry.is_frozen(artifact.sha256):
        raise Frozen("{} failed its trial here and is frozen: publish a newer one".format(_called(artifact, artifact)))
    if artifact.after and entry.image and not semver.at_least(entry.image.version, artifact.after):
        raise Unmet(
            "{} can only follow {} or newer, here is {}: install that before".format(
                _called(artifact, artifact), artifact.after, entry.image.version
            )
        )


class _Part:
    """A version on the device, as it would be after an update: ``new`` where the update brings it."""

    def __init__(self, plane, called, version, requires, mpy, new):
        self.plane = plane
        self.called = called
        self.version = version
        self.requires = requires
        self.mpy = mpy
        self.new = new


def _present(wanted, state, versions, mpy, without=None):
    """Everything that is on the device once ``wanted`` is installed, less the entry ``without``: [_Part]."""
    parts = [_Part(a.plane, _called(a, a), a.version, a.requires, a.mpy, True) for a in wanted]
    replaced = [(a.plane, a.name) for a in wanted] + ([(without.plane, without.name)] if without else [])
    for entry in state.entries:
        if entry.image and (entry.plane, entry.name) not in replaced:
            image = entry.image
            parts.append(_Part(entry.plane, _called(entry, image), image.version, image.requires, image.mpy, False))
    known = [part.plane for part in parts] + ([without.plane] if without else [])
    for plane, version in versions.items():
        if plane not in known:
            parts.append(_Part(plane, plane, version, {}, mpy if plane == "firmware" else 0, False))
    return parts


def _agree(parts):
    """Is all there together that needs each other? Raises: Unmet.

    Looked at are what the new parts need, and what those that stay need of a plane with a new part.
    """
    for part in parts:
        for plane, lowest in part.requires.items():
            others = [other for other in parts if other.plane == plane]
            if not part.new and not any(other.new for other in others):
                continue
            if not others or not all(semver.at_least(other.version, lowest) for other in others):
                here = ", ".join([other.version for other in others]) or "none"
                raise Unmet("{} needs {} {}, there would be {}".format(part.called, plane, lowest, here))
    for app in [part for part in parts if part.plane == "app"]:
        for firmware in [part for part in parts if part.plane == "firmware"]:
            if (app.new or firmware.new) and not _runs(app.mpy, firmware.mpy):
                raise Unmet(
                    "{} is compiled for _mpy {}, {} has {}: release both together".format(
                        app.called, app.mpy, firmware.called, firmware.mpy
                    )
                )


def _runs(app, firmware):
    """Whether .mpy files of ``app`` run on ``firmware``, both as sys.implementation._mpy; 0 is not known.

    Source: MicroPython, py/persistentcode.h: byte 0 the version of the format, bits 8 and 9 the sub-version of native code, bits
    10 to 15 its architecture. Without native code an app has neither.
    """
    return not app or not firmware or (app == firmware if app >> 8 else app == firmware & 0xFF)


def _called(entry, image):
    return entry.name + " " + image.version
