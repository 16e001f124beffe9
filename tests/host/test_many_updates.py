"""Many releases one after the other in one boot, in the heap of a stock ESP32: none leaves behind what stops the next."""

import re

from host.conftest import MakeRig
from host.rig import Rig, image, with_wrong_outputs
from mulligan_host import keys, release
from mulligan_host.virtual.board import NAMES

RIGHT = release.Health(correct=4)
LARGE = release.Health(correct=4, heap=8192)  # see demo.py
FAST = release.Health(correct=4, latency_us=60000, heap=8192)  # see demo.py


def good(rig: Rig, version: str, content: bytes, **order: object) -> None:
    """The release is taken, and serves."""
    rig.publish(version, content, **order)
    assert rig.wait("confirmed")["version"] == version
    rig.now(version)


def bad(rig: Rig, version: str, content: bytes, reason: str, **order: object) -> None:
    """The release is tried, and rolled back for ``reason``."""
    before = rig.served()
    rig.publish(version, content, **order)
    facts = rig.wait("rolled-back")
    assert facts["version"] == version
    assert facts["reason"].startswith(reason)
    assert rig.served() == before


def refused(rig: Rig, code: int) -> None:
    assert rig.wait("refused")["code"] == str(code)


def test_ten_releases_in_one_boot(make_rig: MakeRig) -> None:
    rig = make_rig(tls=True)
    assert rig.on() == "1.0.0"
    good(rig, "1.1.0", image("1.1.0"))
    bad(rig, "1.2.0", with_wrong_outputs(image("1.2.0", "1.0.0")), "golden")
    refused(rig, 35)  # frozen
    good(rig, "1.3.0", image("1.3.0", "1.0.0"))
    bad(rig, "1.4.0", image("1.4.0", "1.3.0-slow"), "latency_us", health=FAST)
    refused(rig, 35)
    rig.build("1.5.0", image("1.5.0", "1.1.0"))
    rig.directory.sign("1.5.0", keys.Signer.generate())
    refused(rig, 20)  # a stranger's
    good(rig, "1.6.0", image("1.6.0", "1.1.0"))
    good(rig, "1.7.0", image("1.7.0", "1.0.0"))
    good(rig, "1.8.0", image("1.8.0", "1.3.0-slow"), health=LARGE)
    bad(rig, "1.9.0", with_wrong_outputs(image("1.9.0", "1.1.0")), "golden")
    refused(rig, 35)
    good(rig, "1.10.0", image("1.10.0", "1.1.0"))
    assert [cause for cause, _ in rig.board.resets] == [1]
    for trouble in ("resetting", "waiting", "not-serving", "patch-failed"):
        assert rig.all(trouble) == [], trouble
    assert len(rig.all("activated")) == 9


COUNTING_BOOT = b"""
import micropython
micropython.qstr_info()
import mulligan
mulligan.boot()
"""
COUNTING_APP = b"""
import asyncio
import micropython
import mulligan
async def main():
    asyncio.create_task(mulligan.run())
    print("app: version=1.0.0")
    while mulligan.status()["artifacts"][0]["version"] != "1.1.0":
        await asyncio.sleep(0)
    micropython.qstr_info()
    print("app: version=1.1.0 ")
asyncio.run(main())
"""


def test_names(make_rig: MakeRig) -> None:
    """Those of the program fill MicroPython's pools of names up to the sixth: the seventh would take 9 KB."""
    rig = make_rig(extra={"boot.py": COUNTING_BOOT, "main.py": COUNTING_APP}, tls=True)
    rig.on()
    good(rig, "1.1.0", image("1.1.0"))
    counted = [int(found[1]) for line in rig.board.lines if (found := re.search(r"n_qstr=(\d+)", line))]
    assert NAMES // 2 < counted[-1] - counted[0] <= NAMES
