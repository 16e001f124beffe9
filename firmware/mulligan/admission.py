"""Admission: from the bytes of a manifest to what this device will install, or a refusal."""

from hashlib import sha256

from .core import jws, keyset, manifest, policy
from .core.errors import FormatError, TransportError

MAX_INDEX = 4096  # bytes of a patch index


def judge(token, keys, state, board, now, versions, planes):
    """(release, artifact): what the signed manifest ``token`` brings; artifact None where there is nothing new.

    keys: readinto(offset, buf) over the keys partition; the rest as in policy.admit(). Nothing of the content is used before
    its signature is checked. Raises: FormatError, SignatureError, PolicyError.
    """
    raw = bytearray(keyset.MAX_LENGTH)
    keys.readinto(0, raw)
    release = manifest.parse(jws.verify(token, keyset.decode(raw)))
    wanted = policy.admit(release, state, board, now, versions, planes)
    if len(wanted) > 1:
        raise FormatError("a release of more than one new artifact needs a newer Mulligan on the device")
    return release, wanted[0] if wanted else None


def source(artifact, base, read):
    """The Blob or Patch to download: a patch against the artifact with digest ``base``, or else the full one.

    ``read(blob)`` fetches the patch index. Raises: TransportError, FormatError.
    """
    if artifact.patches is None or base is None or artifact.patches.size > MAX_INDEX:
        return artifact.full
    raw = read(artifact.patches)
    if sha256(raw).digest() != artifact.patches.sha256:
        raise TransportError("the patch index is not the one that the manifest names")
    for patch in manifest.parse_index(bytes(raw)):
        if patch.base == base:
            return patch
    return artifact.full
