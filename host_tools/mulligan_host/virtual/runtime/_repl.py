"""The REPL over the serial line, friendly and raw, with raw paste: MicroPython's unix port has no raw one before 1.27.

Source: MicroPython 1.25, shared/runtime/pyexec.c: the same bytes in, the same bytes out. What differs: the friendly REPL has no
history and no completion, and code is compiled when all of it has come.
"""

import io
import sys

import _virtual
import machine
from _virtual import call

_WINDOW = 128
_CTRL_A = 1
_CTRL_B = 2
_CTRL_C = 3
_CTRL_D = 4
_CTRL_E = 5
_COMPOUND = ("@", "if ", "while ", "for ", "try:", "with ", "def ", "class ", "async ")

_stdin = sys.stdin.buffer
_stdout = sys.stdout.buffer
_byte = bytearray(1)


def serve(names):
    """Run code from the line in ``names`` until a reset."""
    raw = call(_virtual.RAW, 2)
    while True:
        try:
            call(_virtual.RAW, raw)
            raw = (_raw if raw else _friendly)(names)
        except KeyboardInterrupt:  # it came too late for the code that it was meant for
            call(_virtual.KBD, _virtual.NO_KEY, 1)


def _write(data):
    done = 0
    while done < len(data):
        done += _stdout.write(data[done:])


def _read():
    if not _stdin.readinto(_byte):
        sys.exit()  # the board is gone
    return _byte[0]


def _soft_reset():
    _write(b"MPY: soft reboot\r\n")
    machine.soft_reset()


def _execute(source, kind, names, cooked):
    """Run ``source``; return the exception it ended with, or None."""
    try:
        call(_virtual.KBD, _CTRL_C, cooked)
        exec(compile(source, "<stdin>", kind), names)
        return None
    except SystemExit:
        call(_virtual.KBD, _virtual.NO_KEY, cooked)
        _soft_reset()
    except BaseException as e:
        return e
    finally:
        call(_virtual.KBD, _virtual.NO_KEY, cooked)


def _raw(names):
    """The raw REPL; returns when the friendly one is asked for."""
    _write(b"raw REPL; CTRL-B to exit\r\n>")
    line = bytearray()
    while True:
        c = _read()
        if c == _CTRL_A:
            if len(line) == 2 and line[0] == _CTRL_E:
                if line[1] == 0x41:
                    _write(b"R\x01")
                    _run_raw(_pasted(), names)
                else:
                    _write(b"R\x00")
                _write(b">")
            else:
                _write(b"raw REPL; CTRL-B to exit\r\n>")
            line = bytearray()
        elif c == _CTRL_B:
            _write(b"\r\n")
            return 0
        elif c == _CTRL_C:
            line = bytearray()
        elif c == _CTRL_D:
            _write(b"OK")
            if not line:
                _write(b"\r\n")
                _soft_reset()
            source = bytes(line)
            line = None
            _run_raw(source, names)
            line = bytearray()
            _write(b">")
        else:
            line.append(c)


def _run_raw(source, names):
    error = KeyboardInterrupt() if source is None else _execute(source, "exec", names, 0)
    _write(b"\x04")
    if error is not None:
        _report(error)
    _write(b"\x04")


def _pasted():
    """Take code by raw paste, whose flow the windows control; None if Ctrl-C ended it."""
    _write(bytes((_WINDOW & 0xFF, _WINDOW >> 8, 1)))
    source = bytearray()
    left = _WINDOW
    while True:
        c = _read()
        if c in (_CTRL_C, _CTRL_D):
            _write(b"\x04")
            return bytes(source) if c == _CTRL_D else None
        source.append(c)
        left -= 1
        if not left:
            _write(b"\x01")
            left = _WINDOW


def _friendly(names):
    """The friendly REPL; returns when the raw one is asked for."""
    version = sys.version.split("; ")[1]
    _write(("\r\n%s; virtual board with ESP32\r\n" % version).encode())
    _write(b'Type "help()" for more information.\r\n')
    while True:
        _write(b">>> ")
        source = _line(names)
        if source is None:
            return 1
        while _goes_on(source):
            _write(b"... ")
            more = _line(names)
            if more is None:
                return 1
            source += "\n" + more
        if source.strip():
            _show(source, "single", names)


def _show(source, kind, names):
    error = _execute(source, kind, names, 1)
    if error is not None:
        _report(error)


def _report(error):
    """Print an exception; the frames of this module, which on the chip are C, are left out."""
    text = io.StringIO()
    sys.print_exception(error, text)
    for line in text.getvalue().rstrip().split("\n"):
        if not line.startswith('  File "_repl"'):
            print(line)


def _line(names):
    """One line with the control keys of an empty one; None when the raw REPL is asked for."""
    line = bytearray()
    while True:
        c = _read()
        if c == _CTRL_A and not line:
            _write(b"\r\n")
            return None
        if c == _CTRL_B and not line:
            _write(b"\r\n>>> ")
        elif c == _CTRL_C:
            _write(b"\r\n>>> ")
            line = bytearray()
        elif c == _CTRL_D and not line:
            _write(b"\r\n")
            _soft_reset()
        elif c == _CTRL_E and not line:
            _show(_paste(), "exec", names)
            return ""
        elif c in (8, 127):
            if line:
                line = line[:-1]
                _write(b"\b \b")
        elif c == 13:
            _write(b"\r\n")
            return line.decode()
        elif c >= 32 or c == 9:
            line.append(c)
            _write(bytes((c,)))


def _paste():
    _write(b"\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== ")
    source = bytearray()
    while True:
        c = _read()
        if c == _CTRL_C:
            _write(b"\r\n")
            return ""
        if c == _CTRL_D:
            _write(b"\r\n")
            return bytes(source)
        source.append(10 if c == 13 else c)
        _write(b"\r\n=== " if c == 13 else bytes((c,)))


def _goes_on(source):
    """Whether more lines must follow: what is open is not closed, or no empty line has ended a block (py/repl.c)."""
    depth = sum(source.count(c) for c in "([{") - sum(source.count(c) for c in ")]}")
    if depth > 0 or source.count('"""') % 2 or source.count("'''") % 2 or source.endswith("\\"):
        return True
    return not source.endswith("\n") and source.startswith(_COMPOUND)
