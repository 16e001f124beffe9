"""Semantic versions (semver.org 2.0.0) without build metadata."""

from .errors import FormatError

MAX_LENGTH = 24  # characters: the journal and the slot image hold a version in so many bytes
_IDENTIFIER = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-"


def parse(text):
    """A key that sorts as the version does. Raises: FormatError."""
    core, dash, pre = text.partition("-")
    numbers = core.split(".")
    if len(text) > MAX_LENGTH or len(numbers) != 3 or not all(_is_number(n) for n in numbers):
        raise FormatError("version " + repr(text) + " is not MAJOR.MINOR.PATCH[-PRERELEASE]")
    identifiers = pre.split(".") if dash else []
    for identifier in identifiers:
        if not identifier or any(c not in _IDENTIFIER for c in identifier) or _has_leading_zero(identifier):
            raise FormatError("version " + repr(text) + " has a bad pre-release")
    # No pre-release sorts after any; numbers sort before words (section 11).
    ranked = tuple((0, int(i), "") if _is_number(i) else (1, 0, i) for i in identifiers)
    return tuple(int(n) for n in numbers), not identifiers, ranked


def at_least(version, minimum):
    """True if ``version`` is not older than ``minimum`` (both str). Raises: FormatError."""
    return parse(version) >= parse(minimum)


def _is_number(text):
    return bool(text) and all(c in "0123456789" for c in text) and not _has_leading_zero(text)


def _has_leading_zero(text):
    return len(text) > 1 and text[0] == "0" and all(c in "0123456789" for c in text)
