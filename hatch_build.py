"""What a wheel carries beside its two packages: the files that ``mulligan_host.resources`` looks up under ``data``.

A hook and not ``force-include``, so that an editable install reads the checkout and copies nothing.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_DATA = (
    "boards/*.toml",
    "examples/**/*.py",
    "firmware/*.json",
    "firmware/*.py",
    "firmware/carried/*.py",
    "models/*.json",
    "models/*.npz",
    "models/*.tflite",
    "partitions/*.csv",
)


class DataHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        root = Path(self.root)
        for pattern in _DATA:
            for path in sorted(root.glob(pattern)):
                build_data["force_include"][str(path)] = f"mulligan_host/data/{path.relative_to(root).as_posix()}"
