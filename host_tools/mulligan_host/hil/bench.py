"""Boards brought up for a run, and put away after it: virtual ones are made, QEMU is started, real ones are only connected to."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from mulligan_host.hil.board import Board, Power
from mulligan_host.hil.rig import QEMU, VIRTUAL, Spec
from mulligan_host.micropython import resolve
from mulligan_host.virtual import image, qemu
from mulligan_host.virtual.board import VirtualBoard
from mulligan_host.virtual.flash import SIZE_4MB, create
from mulligan_host.virtual.serial.line import Line
from mulligan_host.virtual.serial.rfc2217 import Server


@contextmanager
def set_up(spec: Spec, work: Path, skip: Callable[[str], None]) -> Iterator[Board]:
    """Bring up the board of ``spec``; its files, if it has any, are in ``work``. A virtual board is erased, and on.

    Raises: HostError.
    """
    with ExitStack() as stack:
        virtual: Any = None
        port, stock = spec.port, spec.firmware
        if spec.port == VIRTUAL:
            ports = resolve()
            mp = next((mp for mp in ports if mp.bits == 32), ports[0])
            line = Line()
            stack.callback(line.close)
            create(work / "flash.bin", b"\xff" * SIZE_4MB)
            server = stack.enter_context(Server(line))
            port = server.url

            def watch(said: str) -> None:
                if said.startswith(("board: power off", "board: power cut")):
                    server.unplug()  # a board that is powered by its cable takes the port with it

            virtual = stack.enter_context(
                VirtualBoard(work / "flash.bin", [mp], line=line, wall_watchdog=spec.watchdog, on_line=watch)
            )
            if not stock:
                stock = str(work / "firmware.bin")
                Path(stock).write_bytes(image.stock(mp))
            virtual.power_on()
        elif spec.port == QEMU:
            port = stack.enter_context(qemu.running(Path(spec.firmware), work / "flash.bin"))
        board = Board(spec, port, Power(spec, virtual, skip), stock)
        stack.callback(board.console.close)
        yield board
