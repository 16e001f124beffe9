"""A release that is not to be installed just now: refused with its reason, looked at again later and later, then taken."""

from itertools import pairwise

from host.conftest import MakeRig
from host.rig import POLL_MS

LOW = """
import machine
level = [10]


@mulligan.probe("battery")
def battery():
    level.append(level[-1] + 10)
    return level[-1]


"""


def test_a_low_battery_puts_an_update_off(make_rig: MakeRig) -> None:
    """The probe says 20, 30, 40, 50: not now, not now, not now, now; with longer waits in between."""
    rig = make_rig(prelude=LOW)
    rig.on()
    rig.publish("1.1.0", preflight={"battery": 50, "network": ["wifi"]})
    with rig.unchanged():
        refused = [rig.wait("refused") for _ in range(3)]
        assert not [request for request in rig.web.requests if request.path.startswith("/artifacts")]
    assert [(each["code"], each["reason"]) for each in refused] == [
        ("38", f"battery: {level}, 50 needed") for level in (20, 30, 40)
    ]
    assert rig.wait("confirmed")["version"] == "1.1.0"
    at = [at for at, line in rig.events if line.startswith("mulligan: refused")]
    gaps = [(after - before) / 1000 for before, after in pairwise(at)]
    assert gaps[0] >= 2 * POLL_MS
    assert gaps[1] >= 4 * POLL_MS
