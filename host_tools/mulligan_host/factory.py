"""A board as a factory programs it: all that `board flash` and `board install` leave on one, and what it is to serve first."""

from mulligan.core.errors import NoSlot
from mulligan_host import layouts, provision
from mulligan_host.build import package
from mulligan_host.filesystem import filesystem
from mulligan_host.flashing import Part, Plan
from mulligan_host.partitions import find


def parts(plan: Plan, setup: provision.Setup, program: bytes | None, frozen: bool) -> list[Part]:
    """What is written beside the parts of ``plan``: vfs, keys, the journal, and the slots of what ``setup`` has from the start.

    program: a main.py in place of the example; frozen: the firmware brings the package, so vfs needs none.
    Raises: FormatError, HostError, NoSlot for what the layout has no room for.
    """
    files = provision.files(setup)
    if program is not None:
        files["main.py"] = program
    if not frozen and not setup.carried:
        files |= {f"{provision.PACKAGE}/{name}": content for name, content in package(plan.board.arch).items()}
    regions = provision.regions(setup, plan.rows)
    vfs = find(plan.rows, layouts.VFS)
    try:
        regions[vfs.label] = filesystem(vfs.size, files)
    except NoSlot as e:
        raise NoSlot(
            f"{e}: take a layout with a larger vfs (on 4 MB desk-4mb, which MicroPython's OTA build fits), or firmware with "
            "Mulligan frozen in, and --frozen; or have the app slots carry the package, with --carried"
        ) from None
    return [Part(label, find(plan.rows, label).offset, content) for label, content in regions.items()]
