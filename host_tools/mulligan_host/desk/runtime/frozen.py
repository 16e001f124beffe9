# Whether the firmware brings Mulligan: it is found where only frozen modules are.
import sys


def frozen():
    path, before = sys.path[:], sys.modules.pop("mulligan", None)
    sys.path[:] = [p for p in path if p.lstrip("/").startswith(".frozen")]
    try:
        __import__("mulligan")
        return True
    except ImportError:
        return False
    finally:
        sys.path[:] = path
        sys.modules.pop("mulligan", None)
        if before:
            sys.modules["mulligan"] = before
