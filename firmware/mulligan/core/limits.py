"""Limits that modules share which are not in memory at the same time."""

MAX_TOKEN = 4000  # characters of a signed manifest: what a hawkBit metadata value holds
MAX_HINT = 44  # characters of the signer hint beside it, its mark included
MAX_INDEX = 4096  # bytes of a patch index
