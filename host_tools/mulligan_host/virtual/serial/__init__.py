"""The virtual board's serial line: RFC 2217 or a pty on the host's side, ROM loader, flasher stub and REPL on the chip's."""
