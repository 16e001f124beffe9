"""Upstream: the event log, as far as the fleet's server does not know it yet, in one POST."""

import json

from .core import events
from .core.errors import MulliganError, TransportError

MOST = 16  # events in a POST; the rest waits for the next


def send(log, config, client):
    """POST what is new in the event log to ``config.report``. Where that fails, it is new the next time as well.

    log: a logbook.Log with a region; client: post(url, body). {"board": …, "device": …, "events": [{field of Event: value}, …]}
    """
    known = max([0] + [event.ms for event in events.read(log.region) if event.event == "sent"])
    fresh = []
    for event in events.read(log.region):
        if event.number > known and event.event != "sent" and len(fresh) < MOST:
            fresh.append(event)
    if not fresh:
        return
    told = [dict(zip(events.FIELDS, event)) for event in fresh]
    try:
        client.post(config.report, json.dumps({"board": config.board, "device": config.device, "events": told}).encode())
    except TransportError:
        return
    try:
        events.add(log.region, "sent", None, {"number": fresh[-1].number & 0xFFFF, "ms": fresh[-1].number})
    except MulliganError:
        pass
