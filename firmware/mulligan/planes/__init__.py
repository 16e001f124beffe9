"""What is different about each plane, asked before a version of it is activated: one module each, in memory only then.

``check(ports, entry, image, rules, items)`` looks at what the inactive slot of ``entry`` holds, verified and not yet activated:
could it run here at all? ``items``: the whole set that is about to be activated, as for `trials.begin`.
Raises: FormatError, ModelError, Unsupported, HealthError, Unmet: it can't pass here whatever comes; FlashError.
"""
