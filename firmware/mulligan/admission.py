"""Admission: from an authentic manifest to what this device will install, or a refusal."""

from hashlib import sha256

# fields only to come first: each import within an import takes C stack, of which there is little.
from .core import fields, manifest, policy  # noqa: F401
from .core.errors import Expired, TransportError


def judge(payload, ordered, trusted, state, config, now, versions, planes, mpy):
    """(release, artifacts, dated): what a manifest brings, and what of it is new; dated: whether the clock was
    good enough to judge its expiry by.

    payload: of a token whose signature holds under the Root ``trusted``; ordered: that of the order, or None where this device
    waits for none; config: a settings.Config; now: what the clock says, or None; the rest as in policy.admit(). One that lets
    the release in raises State.time and State.order, which go to flash with the next record, that of its activation at last.
    Raises: FormatError, PolicyError.
    """
    release = manifest.parse(payload)
    given = None
    if ordered is not None:
        from .core import order  # not before: the names that it brings stay, and most devices wait for none

        given = order.parse(ordered)
    # Whoever signed them could not have done so before these times.
    now, dated = policy.best_time(now, max(state.time, trusted.issued, release.issued, given.issued if given else 0))
    if trusted.expires and now > trusted.expires:
        raise Expired("root {} has expired: publish the next one, or set the clock right".format(trusted.number))
    if given:
        order.obey(given, payload, state.order, now, config)
    wanted = policy.admit(release, state, config.board, now, versions, planes, mpy)
    state.time = now  # which is before the release expires: however far a clock jumps, the next release is taken again
    if given:
        state.order = given.sequence  # which is not below
    return release, wanted, dated


def sources(artifact, base, index):
    """[Blob or Patch] to download, the first that memory allows: patches against the artifact of digest ``base``, the full one.

    ``index``: the patch index, whoever it came from. Raises: TransportError where it is not the one that was signed, FormatError.
    """
    if sha256(index).digest() != artifact.patches.sha256:
        raise TransportError("the patch index is not the one that the manifest names")
    return [patch for patch in manifest.parse_index(bytes(index)) if patch.base == base] + [artifact.full]
