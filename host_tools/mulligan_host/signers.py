"""``--key``: one way to name what signs. A path is a PEM file; ``pkcs11:…`` a key in a token; ``command:…`` a command."""

from pathlib import Path

from mulligan_host import command, hsm, keys
from mulligan_host.keys import Ask, Signer

HELP = "What signs: a PEM file, a pkcs11: URI, or command:PUBLIC.pem:COMMAND (command-digest: to sign a SHA-256)."


def open_signer(key: str, ask: Ask, passphrase: str | None = None) -> Signer:
    """Return the signer that ``key`` names; ``passphrase`` is that of a PEM file. Raises: HostError, OSError."""
    if key.startswith(hsm.SCHEME):
        return hsm.open_signer(key, ask)
    if key.startswith((command.MESSAGE, command.DIGEST)):
        return command.open_signer(key)
    return keys.load_signer(Path(key), passphrase, ask)
