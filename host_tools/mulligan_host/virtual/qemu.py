"""Real MicroPython firmware on an emulated ESP32: QEMU with Espressif's machine ``esp32``, where it is on the PATH."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mulligan_host import files
from mulligan_host.errors import HostError
from mulligan_host.virtual.flash import SIZE_4MB, create

PROGRAM = "qemu-system-xtensa"
_IMAGE_OFFSET = 0x1000  # of a combined image, on an ESP32
_START_SECONDS = 20.0
_POLL_SECONDS = 0.1


def missing() -> str | None:
    """Return why there is no such QEMU here; None if there is."""
    program = shutil.which(PROGRAM)
    if program is None:
        return f"{PROGRAM} is not on the PATH: build it from Espressif's fork of QEMU"
    said = subprocess.run([program, "-machine", "help"], capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    if not any(line.split()[:1] == ["esp32"] for line in said.splitlines()):
        return f"{program} has no machine esp32: it takes Espressif's fork of QEMU"
    return None


@contextmanager
def running(firmware: Path, flash: Path) -> Iterator[str]:
    """Run ``firmware``, a combined .bin or a whole flash, from the flash file ``flash``: it stays, and one that is there is run
    as it is. The value is the URL of its serial port, which has no DTR and RTS.

    Raises: HostError where there is no QEMU for it, or it does not start.
    """
    why = missing()
    if why:
        raise HostError(why)
    if not flash.exists():
        image = files.read(firmware)
        offset = 0 if len(image) == SIZE_4MB else _IMAGE_OFFSET
        if offset + len(image) > SIZE_4MB:
            raise HostError(f"{firmware}: {len(image)} bytes do not fit the {SIZE_4MB} of the emulated flash")
        create(flash, (b"\xff" * offset + image).ljust(SIZE_4MB, b"\xff"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [PROGRAM, "-nographic", "-machine", "esp32", "-monitor", "none", "-drive", f"file={flash},if=mtd,format=raw",
         "-serial", f"tcp:127.0.0.1:{port},server=on,wait=off"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        _await(process, port)
        yield f"socket://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            assert process.stderr is not None
            said = process.stderr.read().decode(errors="replace").strip().splitlines()
            raise HostError(f"{PROGRAM} ended: {said[-1] if said else f'exit code {process.returncode}'}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(_POLL_SECONDS)
    raise HostError(f"{PROGRAM} does not listen within {_START_SECONDS:g} s")
