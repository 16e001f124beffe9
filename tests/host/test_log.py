"""The event log of a board: read over the cable, told to a server, and the worse for no failure of either."""

import ast
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from host.conftest import MakeRig
from host.rig import Rig, image, with_wrong_outputs

SHOW = "import mulligan\nprint('log:', mulligan.log())\n"


def shown(rig: Rig) -> list[dict[str, Any]]:
    """Switch the board off and on; return what its app then reads."""
    rig.board.power_off()
    rig.board.power_on()
    line = rig.board.wait("^log: ")
    found: list[dict[str, Any]] = ast.literal_eval(line.removeprefix("log: "))
    return found


def turns(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["event"], event["version"]) for event in events]


def test_what_happened_can_be_read_after_a_restart(make_rig: MakeRig) -> None:
    rig = make_rig(prelude=SHOW)
    rig.on()
    rig.publish("1.1.0")
    rig.wait("confirmed")
    rig.publish("1.2.0", with_wrong_outputs(image("1.2.0", model="1.0.0")))
    rig.wait("rolled-back")
    rig.wait("refused")
    events = shown(rig)
    assert turns(events) == [
        ("installed", "1.1.0"),
        ("activated", "1.1.0"),
        ("confirmed", "1.1.0"),
        ("installed", "1.2.0"),
        ("activated", "1.2.0"),
        ("rolled-back", "1.2.0"),
        ("refused", ""),
    ]
    assert [event["number"] for event in events] == list(range(1, 8))
    assert events[2]["ms"] > 0
    assert events[-1]["code"] == 35
    log = rig.board.partition("events")
    for secret in (rig.web.url.encode(), b"http", rig.signer.public, rig.signer.public[:16]):
        assert secret not in log
    assert shown(rig) == events  # a boot that just serves writes nothing


@contextmanager
def collector() -> Iterator[tuple[str, list[dict[str, Any]], list[int]]]:
    """A server that takes reports: (url, what came, the statuses that it answers with before 204)."""
    came: list[dict[str, Any]] = []
    statuses: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = statuses.pop(0) if statuses else 204
            if status == 204:
                came.append(body)
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("localhost", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}/events", came, statuses
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_server_is_told_once_and_again_where_it_failed(make_rig: MakeRig) -> None:
    with collector() as (url, came, statuses):
        statuses += [503, 500]
        rig = make_rig(told={"report": url, "device": "board-1"}, prelude=SHOW)
        rig.on()
        rig.publish("1.1.0")
        rig.wait("confirmed")
        polls = len(rig.web.requests)
        while len(rig.web.requests) < polls + 6:
            rig.served()
        events = [event for report in came for event in report["events"]]
        assert turns(events) == [("installed", "1.1.0"), ("activated", "1.1.0"), ("confirmed", "1.1.0")]
        assert (came[0]["board"], came[0]["device"]) == ("virtual", "board-1")
        assert statuses == []
        assert turns(shown(rig))[-1] == ("sent", "")
        polls = len(rig.web.requests)
        while len(rig.web.requests) < polls + 3:
            rig.served()
        assert [event for report in came for event in report["events"]] == events


def test_no_server_for_reports_stops_no_update(make_rig: MakeRig) -> None:
    rig = make_rig(told={"report": "http://localhost:9/"})
    rig.on()
    rig.publish("1.1.0")
    assert rig.wait("confirmed")["version"] == "1.1.0"
    rig.publish("1.4.0", image("1.4.0", model="1.0.0"))
    assert rig.wait("confirmed")["version"] == "1.4.0"
