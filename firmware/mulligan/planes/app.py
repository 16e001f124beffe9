"""The app plane: a read-only littlefs image that mounts, and whose schema the config fits that is to stand beside it."""

from ..core import strictjson
from ..core.errors import FormatError

SCHEMA = "config.schema.json"  # in the root of the app: what the config must look like
_HERE = "/candidate"


def check(ports, entry, image, rules, items):
    """As `planes` says."""
    state, slots = ports[0].state, ports[1]
    wanted = schema(ports, items)  # also mounts it
    config = state.only("config")
    if config and config.image and not any(item[0] is config for item in items):
        from . import config as plane

        plane.fits(plane.read(slots.active(config), config.image), wanted)


def schema(ports, items):
    """The schema of the app that will run beside ``items``, theirs or the confirmed one's; None where it has none.

    Raises: FormatError for an app that does not mount, or a schema that is none.
    """
    state, slots, system = ports[0].state, ports[1], ports[3]
    entry = state.only("app")
    new = [item for item in items if item[0].plane == "app"]
    if new:
        region, image = slots.inactive(new[0][0]), new[0][1]
    elif entry and entry.image:
        region, image = slots.active(entry), entry.image
    else:
        return None
    try:
        system.mount(region, image.length, _HERE)
    except OSError as e:
        raise FormatError("app: no littlefs image of {} bytes: {}".format(image.length, e))
    try:
        if new and slots.carrier is not None and not system.carries(_HERE):
            raise FormatError("app: without the mulligan package, which the app slots of this board carry: app pack --package")
        try:
            with open(_HERE + "/" + SCHEMA, "rb") as f:
                raw = f.read()
        except OSError:
            return None
    finally:
        system.unmount(_HERE)
    return strictjson.loads(raw)
