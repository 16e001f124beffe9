"""The fixtures of whole updates."""

from host.conftest import make_rig

__all__ = ["make_rig"]
