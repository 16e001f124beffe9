"""Mulligan onto a board on a cable: the light install, or a package that the app slots carry.

The light install writes the package into ``vfs``, file by file, only what differs. It is for the desk. What it gives up: a power
cut while ``vfs`` is written, or a ``vfs`` that does not mount, leaves a board that has to be installed again; and releases do not
update the package. Where the app slots carry it, that comes once, with the first app and the journal; releases update it then.
"""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mulligan.core import layout
from mulligan.core.journal import Journal
from mulligan_host import provision
from mulligan_host.build import package
from mulligan_host.desk import board
from mulligan_host.desk.link import OURS, DeviceError, Link
from mulligan_host.errors import HostError

PACKAGE = "/" + provision.PACKAGE
BOOT, USER_BOOT, MAIN = "/boot.py", "/user_boot.py", "/main.py"
_DEFAULT = "# This file is executed on every boot"
"""What MicroPython writes into a new filesystem."""
_PIECE = 1024
_WIPE_SECONDS = 60.0  # for the largest slot, sector by sector
_SPARE_BLOCKS = 4  # for directories, and for the copy that is written before the old one goes

Progress = Callable[[str, int, int], None]


@dataclass
class Done:
    """What an install did."""

    package: str = ""
    """Where the package is: PACKAGE, in the app slots, or frozen in the firmware."""
    copied: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    """The user's files that stand in the place of ours: path to what was done about it."""
    provisioned: bool = False
    """Whether keys and journal, and the app that carries the package, were written; False: they were there."""


def install(link: Link, setup: provision.Setup, app: bytes | None, progress: Progress) -> Done:
    """Install on the board at the raw REPL of ``link``. ``app``: a main.py that takes the place of whatever is there.

    Raises: HostError where Mulligan can't run there, or vfs is too small; nothing was changed then. DeviceError, HostError later:
    a second install goes on where this one ended.
    """
    files = provision.files(setup)
    boot, main = files.pop("boot.py"), files.pop("main.py", None)
    rest = {f"/{name}": content for name, content in files.items()}
    seen = board.look(link, [BOOT, USER_BOOT, MAIN, *rest], [PACKAGE])
    board.require(seen, link.port)
    kept = board.journal(link)
    if kept and kept.state.on_trial():
        raise HostError(f"{link.port}: a version is on trial there: wait for its end (mulligan board status)")
    if setup.carried:
        _require_slots(link, setup, seen, kept)
    old_boot = _text(link, BOOT) if BOOT in seen.files else ""
    done = Done()
    wanted = dict(rest)
    if setup.carried:
        done.package = "in the app slots"
    elif link.run("frozen"):
        done.package = "frozen in the firmware"
    else:
        done.package = PACKAGE
        wanted |= {f"{PACKAGE}/{name}": content for name, content in package(seen.arch).items()}
    theirs = BOOT in seen.files and not old_boot.startswith((OURS, _DEFAULT)) and seen.files[BOOT] != _sha(boot)
    if theirs and USER_BOOT in seen.files:
        raise HostError(f"{link.port}: {BOOT} is yours, and so is {USER_BOOT}, its place beside ours: join them first")
    wanted[BOOT] = boot
    if app is not None:
        wanted[MAIN] = app
    elif main is None:  # the app brings its own
        pass
    elif MAIN not in seen.files:
        wanted[MAIN] = main
    elif seen.files[MAIN] != _sha(main):
        done.left[MAIN] = "yours is left alone: it has to call mulligan.step() or mulligan.run()"
    changed = {path: content for path, content in wanted.items() if seen.files.get(path) != _sha(content)}
    done.unchanged = sorted(set(wanted) - set(changed))
    _require_room(link, seen, changed)
    if theirs:
        link.execute(f"import os\nos.rename({BOOT!r}, {USER_BOOT!r})")
        done.left[BOOT] = f"yours is {USER_BOOT} now, and ours runs it"
    if setup.carried:  # before the boot.py that needs it
        done.provisioned = _provision(link, seen, setup, progress)
    # boot.py comes last: until then the board boots as it did before.
    order = sorted(changed, key=lambda path: (path == BOOT, path == MAIN, path))
    copy(link, {path: changed[path] for path in order}, progress)
    done.copied = order
    stale = sorted(path for path in seen.files if path.startswith(PACKAGE + "/") and path not in wanted)
    if stale and (done.package == PACKAGE or setup.carried):
        link.execute("import os\n" + "".join(f"os.remove({path!r})\n" for path in stale))
        done.removed = stale
    if not setup.carried:
        done.provisioned = _provision(link, seen, setup, progress)
    return done


def _require_slots(link: Link, setup: provision.Setup, seen: board.Seen, kept: Journal | None) -> None:
    """Raise HostError unless app slots are there for a package that they carry, and what a journal says is the same."""
    if len(seen.partition(layout.APP)) != 2 or not seen.partition(layout.STARTS):
        raise HostError(
            f"{link.port}: its partition table is none for app slots that carry the package: give it 4mb-carried, 8mb or 16mb "
            "with mulligan board flash"
        )
    provision.regions(setup, seen.partitions)  # that it fits
    if kept and kept.state.entries and not kept.state.only("app"):
        raise HostError(
            f"{link.port}: was set up without an app, and keeps its journal: esptool erase-flash, board flash, and again"
        )


def _provision(link: Link, seen: board.Seen, setup: provision.Setup, progress: Progress) -> bool:
    """Write keys, the app and the journal where they are blank; the journal last, as it makes the others count."""
    if not link.run("poke", layout.JOURNAL):
        return False
    subtypes = {row.label: row.subtype for row in seen.partitions}
    regions = [(subtypes[label], content) for label, content in provision.regions(setup, seen.partitions).items()]
    for subtype, content in sorted(regions, key=lambda region: region[0] == layout.JOURNAL):
        if not link.run("poke", subtype):
            link.execute(
                f"wipe({subtype})", timeout=_WIPE_SECONDS
            )  # without a journal nothing vouches for it: an earlier install was cut short here
        _put(link, subtype, content, progress)
    return True


def _put(link: Link, subtype: int, content: bytes, progress: Progress) -> None:
    """Write ``content`` to a blank partition, the first of that subtype, by functions of runtime/poke.py, which is still there.

    Raises: HostError if it arrived damaged.
    """
    for at in range(0, len(content), _PIECE):
        piece = content[at : at + _PIECE]
        if piece.strip(b"\xff"):
            link.execute(f"put_at({subtype}, {at}, {piece!r})")
        progress("writing", min(at + _PIECE, len(content)), len(content))
    if link.execute(f"print(digest({subtype}, {len(content)}))").strip() != _sha(content):
        raise HostError(f"{link.port}: what was written to flash arrived damaged: check the cable, and try again")


def copy(link: Link, files: Mapping[str, bytes], progress: Progress) -> None:
    """Copy each under another name, verify it, and then put it in its place: no file is ever half there.

    Raises: HostError where vfs is full, or one arrived damaged; DeviceError.
    """
    parents = {parent.as_posix() for path in files for parent in Path(path).parents} - {"/"}
    link.run("files", sorted(parents))
    total, done = sum(map(len, files.values())), 0
    for path, content in files.items():
        try:
            for at in range(0, len(content), _PIECE) or [0]:
                piece = b64encode(content[at : at + _PIECE]).decode()
                last = f"\nprint(settle({path!r}, {_sha(content)!r}))" if at + _PIECE >= len(content) else ""
                said = link.execute(f"put({path!r}, {not at}, {piece!r}){last}")
                done += len(content[at : at + _PIECE])
                progress("copying", done, total)
        except DeviceError as e:
            if "ENOSPC" in str(e) or "OSError: 28" in str(e):
                raise HostError(f"{link.port}: {path}: vfs is full: remove files, or flash a layout with a larger one") from None
            raise
        if said.strip() != "True":
            raise HostError(f"{link.port}: {path} arrived damaged: check the cable, and try again")


def _require_room(link: Link, seen: board.Seen, files: Mapping[str, bytes]) -> None:
    needed = _SPARE_BLOCKS + sum(-(-len(content) // seen.block) for content in files.values())
    # What is replaced gives its blocks back, one file at a time.
    freed = sum(1 for path in files if path in seen.files)
    if files and needed - freed > seen.free:
        has, needs = seen.free * seen.block // 1024, (needed - freed) * seen.block // 1024
        what = "remove files" if needed - freed <= seen.blocks else "the layout is not for it"
        raise HostError(
            f"{link.port}: vfs has {has} of {seen.blocks * seen.block // 1024} KiB free, this needs {needs}: {what}, or flash a "
            "layout with a larger vfs (on 4 MB desk-4mb, which MicroPython's OTA build fits), or firmware with Mulligan frozen in"
        )


def _text(link: Link, path: str) -> str:
    """The beginning of a file on the board."""
    try:
        return link.execute(f"print(open({path!r}).read(64), end='')")
    except DeviceError:
        return ""


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
