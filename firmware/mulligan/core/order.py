"""The fleet order: who gets a release, and until when. JSON in a compact JWS by a fleet key; fields: docs/SPEC.md, "Order".

A manifest is never an order, nor an order a manifest: each has its own version field, other keys sign them, and what has a field
that is not an order's is no order. So it has no ``critical`` either: a reader that overlooked a condition would install too much.
"""

from collections import namedtuple
from hashlib import sha256

from . import strictjson
from .errors import Expired, FormatError, NotOrdered, Replayed
from .fields import U32, elements, hashed, integer, name

VERSION = 1
MAX_ID = 64  # characters of a channel, a device and a group
MAX_TARGETS = 128  # boards, groups and devices, of each

_FIELDS = ("order", "sequence", "issued", "expires", "manifest", "channel", "boards", "groups", "devices")

# manifest: SHA-256 of the payload that a release key signed; boards, groups, devices: lists, or None where it has none.
Order = namedtuple("Order", ("sequence", "issued", "expires", "manifest", "channel", "boards", "groups", "devices"))


def parse(payload):
    """The Order that ``payload`` (bytes, already authenticated) spells. Raises: FormatError."""
    doc = strictjson.loads(payload)
    if not isinstance(doc, dict) or any(field not in _FIELDS for field in doc):
        raise FormatError("order: not an object of {} alone".format(", ".join(_FIELDS)))
    integer(doc, "order", VERSION, VERSION)
    return Order(
        integer(doc, "sequence", 1, U32),
        integer(doc, "issued", 0, U32),
        integer(doc, "expires", 0, U32),
        hashed(doc, "manifest"),
        name(doc.get("channel"), MAX_ID),
        _targets(doc, "boards"),
        _targets(doc, "groups"),
        _targets(doc, "devices"),
    )


def _targets(doc, key):
    if key not in doc:
        return None
    return [name(value, MAX_ID) for value in elements(doc[key], key, MAX_TARGETS)]


def names(order, config):
    """Whether ``order`` has no list, or one that names the device of ``config`` (board, group, device)."""
    if order.boards is None and order.groups is None and order.devices is None:
        return True
    own = ((order.boards, config.board), (order.groups, config.group), (order.devices, config.device))
    return any(found is not None and mine in found for found, mine in own)


def obey(order, payload, highest, now, config):
    """Return if ``order`` lets this device take the release of ``payload``, the bytes that a release key signed.

    highest: of State.order; now: the best time known, seconds since 1970; config: of this device (channel, board, group, device).
    Raises: NotOrdered, Expired, Replayed.
    """
    if order.manifest != sha256(payload).digest():
        raise NotOrdered("order {} is for another release than the one on the channel".format(order.sequence))
    if order.channel != config.channel or not names(order, config):
        raise NotOrdered("order {} is for other devices".format(order.sequence))
    if now > order.expires:
        raise Expired("order {} has expired: give it anew, or set the clock right".format(order.sequence))
    if order.sequence < highest:
        raise Replayed("order sequence {} is below {}, already obeyed".format(order.sequence, highest))
