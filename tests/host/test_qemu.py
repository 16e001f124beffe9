"""Real MicroPython on Espressif's QEMU, where both are here: $MULLIGAN_ESP32_FIRMWARE names a combined .bin for the ESP32."""

import os
from pathlib import Path

import pytest

from host.serialdesk import attempt
from mulligan_host.virtual import qemu

_FIRMWARE = os.environ.get("MULLIGAN_ESP32_FIRMWARE", "")
_WHY = qemu.missing() or ("" if _FIRMWARE else "$MULLIGAN_ESP32_FIRMWARE names no firmware")

pytestmark = pytest.mark.skipif(bool(_WHY), reason=_WHY)


def test_mpremote_talks_to_real_micropython(tmp_path: Path) -> None:
    with qemu.running(Path(_FIRMWARE), tmp_path / "flash.bin") as port:
        tried = attempt("mpremote", ["connect", port, "exec", "import sys; print(sys.platform, 6 * 7)"], 120)
    assert (tried.code, tried.said.split()) == (0, ["esp32", "42"])
