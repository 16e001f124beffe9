"""The host side of Mulligan: the command ``mulligan``, and what tests and rigs import.

Every byte format comes from ``mulligan.core``; nothing here restates one.
"""

__version__ = "0.1.0"
