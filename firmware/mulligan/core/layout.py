"""Which partitions are Mulligan's: by type and subtype, never by label. docs/SPEC.md, "Partitions"."""

TYPE = 0x40  # of all of them: a custom type of ESP-IDF
JOURNAL = 0x00
KEYS = 0x01
EVENTS = 0x02  # the event log
STARTS = 0x03  # starts of a package that the app slots carry, which never came up
APP = 0x08  # the two slots of the app
APP_BLOCK = 512  # bytes of a block of the littlefs in them
CONFIG = 0x09  # the two slots of the config
MODEL = 0x10  # the two slots of the first model; the next pair has the next subtype
