"""Nothing. Where the package is compiled this module holds the names of those that load a model and of the families of operators
that most have, so that importing it brings all of them at once: see mulligan_host.build.
"""

#: These modules: their paths within the package.
MODULES = ""
