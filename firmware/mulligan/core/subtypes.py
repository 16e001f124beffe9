"""Mulligan's own partitions: what the rows of the partition table are that the device finds, and the host lays out."""

TYPE = 0x40  # a custom type of ESP-IDF
JOURNAL = 0x00
KEYS = 0x01
EVENTS = 0x02
MODEL = 0x10  # the subtype of the first pair of slots; the next pair has the next
APP = 0x20
CONFIG = 0x30
