"""Preflight: whether now is the time for an update, by thresholds that the manifest signs and probes that the app gives.

A threshold whose probe there is not is passed over: a board without a battery has none that could be low.
"""

from .fields import U32, elements, integer, name

# Field, lowest, highest. battery: per cent, at least; mains: 1, only on external power; heap, storage: bytes free, at least;
# quiet_from, quiet_until: minutes of the UTC day between which nothing is installed.
LIMITS = (
    ("battery", 1, 100), ("mains", 0, 1), ("heap", 1, U32), ("storage", 1, U32),
    ("quiet_from", 0, 1439), ("quiet_until", 0, 1439),
)  # fmt: skip
KNOWN = tuple([limit[0] for limit in LIMITS]) + ("network",)  # types of network, one of which it must be


def parse(doc):
    """The thresholds that ``doc`` (a dict) spells, as a dict. Raises: FormatError."""
    found = {key: integer(doc, key, low, high) for key, low, high in LIMITS if key in doc}
    if "network" in doc:
        found["network"] = [name(kind) for kind in elements(doc["network"], "network", 4)]
    return found


def refusal(limits, probes, heap, now):
    """Why not now, or None. probes: {field: function without arguments}; heap: bytes free; now: seconds since 1970, or None."""
    asked = dict(probes)
    asked["heap"] = lambda: heap
    for key in ("battery", "heap", "storage"):
        if key in limits and key in asked:
            value = asked[key]()
            if value < limits[key]:
                return "{}: {}, {} needed".format(key, value, limits[key])
    if limits.get("mains") and "mains" in asked and not asked["mains"]():
        return "mains: not on external power"
    if "network" in limits and "network" in asked:
        kind = asked["network"]()
        if kind not in limits["network"]:
            return "network: {}, {} needed".format(kind, " or ".join(limits["network"]))
    if now is not None and "quiet_from" in limits and "quiet_until" in limits:
        start, end, minute = limits["quiet_from"], limits["quiet_until"], now // 60 % 1440
        if start <= minute < end if start <= end else minute >= start or minute < end:
            return "quiet hours: until {:02d}:{:02d} UTC".format(end // 60, end % 60)
    return None
