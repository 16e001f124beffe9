"""Making patches, and what they are made of. The bytes are those of mulligan.core, whose decoder also checks each patch made."""

from .container import apply, read_header
from .maker import CHUNK_BITS, FULL_CHUNK_BITS, MAX_ARTIFACT, Made, compare, make

__all__ = ["CHUNK_BITS", "FULL_CHUNK_BITS", "MAX_ARTIFACT", "Made", "apply", "compare", "make", "read_header"]
