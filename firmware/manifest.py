# For a firmware build that freezes Mulligan: make FROZEN_MANIFEST=…/firmware/manifest.py
package("mulligan", base_path=".")  # noqa: F821
