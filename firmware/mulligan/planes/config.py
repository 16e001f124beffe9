"""The config plane: a JSON object, in the strict kind of `core.strictjson`, that fits the schema which the app brings."""

from ..core import schema, strictjson
from ..core.errors import FormatError
from . import app


def check(ports, entry, image, rules, items):
    """As `planes` says."""
    slots = ports[1]
    fits(read(slots.inactive(entry), image), app.schema(ports, items))


def fits(config, wanted):
    """Raises: FormatError, naming what in ``config`` does not fit the schema ``wanted``; None is for any."""
    if wanted is not None:
        schema.check(wanted, config, "config")


def read(region, image):
    """The dict that the config ``image`` in ``region`` spells. Raises: FormatError, FlashError."""
    raw = bytearray(image.length)
    region.readinto(0, raw)
    config = strictjson.loads(raw)
    if not isinstance(config, dict):
        raise FormatError("config: not a JSON object")
    return config
