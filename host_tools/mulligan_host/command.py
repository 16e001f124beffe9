"""Keys that an external command signs with: a cloud's KMS, or whatever tool a company has for its HSM.

The command gets what is to be signed on its standard input and writes the signature, in DER or as 64 bytes r‖s, to its standard
output; nothing else. Exit code 0 is success. No shell is in between.
"""

import os
import selectors
import shlex
import subprocess
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from mulligan_host.errors import HostError
from mulligan_host.keys import Signer, load_public

MESSAGE, DIGEST = "command:", "command-digest:"
"""The schemes: what the command gets, the message or the 32 bytes of its SHA-256."""
TIMEOUT_S = 120.0
"""Long enough for someone to touch a key."""
_MAX_OUTPUT = 4096  # bytes; a signature has 72 at most
_MAX_SAID = 200  # characters of its last words that are shown


def open_signer(text: str) -> Signer:
    """Return the signer that ``text`` names: scheme, the path of the public key in PEM, a colon, the command line.

    Raises: HostError, OSError.
    """
    scheme = DIGEST if text.startswith(DIGEST) else MESSAGE
    path, _, line = text.removeprefix(scheme).partition(":")
    try:
        words = shlex.split(line)
    except ValueError as e:
        raise HostError(f"{scheme} {line}: {e}") from e
    if not path or not words:
        raise HostError(f"{scheme} wants PUBLIC.pem, a colon and the command line: {scheme}release.pub.pem:kms-sign --key 7")

    def raw(message: bytes) -> bytes:
        return _run(words, sha256(message).digest() if scheme == DIGEST else message)

    return Signer(words[0], load_public(Path(path)), raw)


def _run(words: list[str], given: bytes) -> bytes:
    """Return what the command writes. Raises: HostError if it can't be run, fails, is too slow or writes too much."""
    with tempfile.TemporaryFile() as stdin:
        stdin.write(given)
        stdin.seek(0)
        try:
            process = subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        except OSError as e:
            raise HostError(f"{words[0]}: can't be run: {e.strerror}") from e
    deadline = time.monotonic() + TIMEOUT_S
    with process:
        try:
            output, said = _collect(process, words[0], deadline)
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as e:
            raise HostError(f"{words[0]}: gave no signature within {TIMEOUT_S:g} s") from e
        finally:
            process.kill()
    if code:
        last = (said.decode(errors="replace").strip().splitlines() or [""])[-1][:_MAX_SAID]
        raise HostError(f"{words[0]}: failed with exit code {code}{': ' + last if last else ''}")
    return output


def _collect(process: "subprocess.Popen[bytes]", name: str, deadline: float) -> tuple[bytes, bytes]:
    """Return both outputs, of the second one the end. Raises: HostError for too much of the first; TimeoutExpired."""
    assert process.stdout is not None
    assert process.stderr is not None
    got = {process.stdout: b"", process.stderr: b""}
    with selectors.DefaultSelector() as selector:
        for stream in got:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(name, TIMEOUT_S)
            for key, _ in ready:
                data = os.read(key.fd, _MAX_OUTPUT)
                stream = process.stdout if key.fileobj is process.stdout else process.stderr
                if not data:
                    selector.unregister(stream)
                got[stream] = (got[stream] + data)[-_MAX_OUTPUT - 1 :]
                if len(got[process.stdout]) > _MAX_OUTPUT:
                    raise HostError(f"{name}: wrote more than {_MAX_OUTPUT} bytes, and no signature is as long")
    return got[process.stdout], got[process.stderr]
