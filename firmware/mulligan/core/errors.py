"""The error tree: one class per kind of refusal, each with a stable numeric code.

A code never changes meaning once released: fleets report it upstream and tests assert it. The message says what was wrong,
where, and what to do; it is the only positional argument. What a model may raise stands in `model_errors`, as that is all of the
tree that the interpreter takes into memory.
"""

from .model_errors import ModelError as ModelError
from .model_errors import MulliganError as MulliganError
from .model_errors import NoMemory as NoMemory
from .model_errors import Unsupported as Unsupported


class FormatError(MulliganError):
    """Bytes that do not follow their format: bad magic, version, length, checksum or limit."""

    code = 10


class SignatureError(MulliganError):
    """A signature that is missing, malformed, by an unknown key, or false."""

    code = 20


class RootError(SignatureError):
    """A root that may not take the place of the one that is trusted: not the very next, or without its thresholds."""

    code = 21


class PolicyError(MulliganError):
    """A well-formed, correctly signed request that this device must refuse. Base of the reasons below."""

    code = 30


class WrongBoard(PolicyError):
    code = 31


class Expired(PolicyError):
    code = 32


class Replayed(PolicyError):
    """A release sequence or an artifact counter below what the device has already confirmed."""

    code = 33


class Unmet(PolicyError):
    """A dependency on another plane that the device does not satisfy."""

    code = 34


class Frozen(PolicyError):
    """A version that failed its trial by its own fault, and is not tried again."""

    code = 35


class NoSlot(PolicyError):
    """No slot pair for the artifact, or the artifact is larger than its slot."""

    code = 36


class NotOrdered(PolicyError):
    """No order of the fleet for this device and this release, on a device that waits for one."""

    code = 37


class NotNow(PolicyError):
    """A threshold of the release's preflight is not met: it is looked at again, later and later."""

    code = 38


class PatchError(MulliganError):
    """A patch that is damaged, or that yields something other than it promises."""

    code = 40


class WrongBase(PatchError):
    """A patch against another base than the one in the slot."""

    code = 41


class FlashError(MulliganError):
    """Flash that refused an operation, or that does not hold what was written."""

    code = 50


class TransportError(MulliganError):
    """The network or the server failed; worth another try later."""

    code = 60


class Untrusted(TransportError):
    """No TLS: a certificate, a host name or an authority that is not to be trusted, theirs or ours."""

    code = 61


class ClockUnset(Untrusted):
    """A certificate that can't be judged, as the clock of this device was never set."""

    code = 62


class NotFound(TransportError):
    """The server has no such file."""

    code = 63


class NotAvailable(MulliganError):
    """Nothing to serve: no confirmed model of that name, or the feature is not configured."""

    code = 80


class HealthError(MulliganError):
    """A health check that failed. ``args[0]`` says which and by how much."""

    code = 90


def described(reason):
    """One line for a report: the message, and before it the type of an error whose message does not say enough alone."""
    text = str(reason)
    if isinstance(reason, Exception) and not isinstance(reason, (HealthError, TransportError)):
        return type(reason).__name__ + (": " + text if text else "")
    return text
