"""Unpack the distribution's own ``micropython`` package into the cache, on Debian and its family, without root.

apt does the work, in directories of ours: it reads the machine's configured source with only the suite replaced, resolves
the dependencies against an empty status file (so that libc comes too), checks the signatures with the keys that the source
names, and downloads. ``dpkg -x`` unpacks; the program is then started through its own loader. Nothing on the system changes.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mulligan_host.errors import HostError
from mulligan_host.resources import cache_directory

_APT = Path("/etc/apt")
_OS_RELEASE = Path("/etc/os-release")

# Suites that carry MicroPython >= 1.23, the first that answers wins; and where in the archive it is.
_SUITES = {"debian": ("trixie",), "ubuntu": ("resolute", "questing", "plucky")}
_COMPONENTS = {"debian": "main", "ubuntu": "main universe"}
_ROLLING = {"stable", "testing", "unstable", "sid"}
_SIBLINGS = {"amd64": "i386", "arm64": "armhf"}

# #clear: the machine's hooks would tidy the machine's own cache, and its default release is not in our source.
_CONFIGURATION = """
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
#clear APT::Architectures;
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Default-Release "";
APT::Immediate-Configure "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "1";
Dir::Cache "{work}/cache";
Dir::Cache::archives "{work}/archives";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{work}/sources.d";
Dir::Log "{work}/log";
Dir::State "{work}/state";
Dir::State::lists "{work}/lists";
Dir::State::status "{work}/state/status";
"""


def native_architecture() -> str:
    """Return dpkg's name for this machine's architecture. Raises: HostError where there is no apt."""
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise HostError(f"this machine has no {tool}, so none can be unpacked from a Debian package")
    return _run("dpkg", "--print-architecture").strip()


def sibling_architecture() -> str:
    """Return the 32-bit architecture whose programs this machine's processor runs too. Raises: HostError if none."""
    native = native_architecture()
    try:
        return _SIBLINGS[native]
    except KeyError:
        raise HostError(f"{native} has no 32-bit sibling") from None


def unpacked(architecture: str, accept: Callable[[tuple[str, ...]], object]) -> tuple[str, ...]:
    """Return the words that start the packaged MicroPython of ``architecture``, unpacked first if it is not in the cache.

    ``accept`` is given those words before the result is kept, and raises HostError if they will not do. Safe to call from
    several processes at once; interrupted at any point, it leaves nothing that a later call would take for whole.

    Raises: HostError with the reason if it can't be had.
    """
    cache = cache_directory()
    home = cache / f"micropython-{architecture}"
    with _locked(cache / f"micropython-{architecture}.lock"):
        if home.is_dir():
            try:
                accept(_command(home))
            except HostError:
                shutil.rmtree(home)  # damaged, or no longer good enough
            else:
                return _command(home)
        unavailable = cache / f"micropython-{architecture}.unavailable"
        if unavailable.is_file():
            raise HostError(unavailable.read_text().strip())
        for leftover in cache.glob(f".micropython-{architecture}-*"):
            shutil.rmtree(leftover)  # of a call that was killed; the lock says that nobody is at work in it
        with tempfile.TemporaryDirectory(dir=cache, prefix=f".micropython-{architecture}-") as work:
            try:
                root = _fetch(Path(work), architecture, accept)
            except _Unavailable as e:
                unavailable.write_text(f"{e} (remove {unavailable} to look again)\n")
                raise
            root.rename(home)
    return _command(home)


class _Unavailable(HostError):
    """An archive answered, and what it has will not do. Worth remembering, unlike a network that is down."""


def _fetch(work: Path, architecture: str, accept: Callable[[tuple[str, ...]], object]) -> Path:
    """Return a directory under ``work`` with the packages unpacked, proven by ``accept``."""
    family, stanzas = sources(_OS_RELEASE.read_text(), _APT)
    reasons: list[HostError] = []
    for suite in _SUITES[family]:
        for number, stanza in enumerate(stanzas):
            attempt = work / f"{suite}-{number}"
            attempt.mkdir()
            try:
                root = _download(attempt, architecture, f"{stanza}Suites: {suite}\nComponents: {_COMPONENTS[family]}\n")
                try:
                    accept(_command(root))
                except HostError as e:
                    raise _Unavailable(str(e).replace(str(root), suite)) from e
            except HostError as e:
                reasons.append(e)
            else:
                return root
    raise next((reason for reason in reasons if isinstance(reason, _Unavailable)), reasons[0])


def archives(work: Path, package: str) -> list[Path]:
    """Download ``package`` of this machine's own release, and what it depends on, to under ``work``; return the .deb files.

    Raises: HostError with the reason if it can't be had.
    """
    os_release = _OS_RELEASE.read_text()
    family, stanzas = sources(os_release, _APT)
    stanza = f"{stanzas[0]}Suites: {_codename(os_release)}\nComponents: {_COMPONENTS[family]}\n"
    return _archives(work, native_architecture(), stanza, package)


def _download(work: Path, architecture: str, stanza: str) -> Path:
    for package in _archives(work, architecture, stanza, "micropython"):
        _run("dpkg", "-x", str(package), str(work / "root"))
    return work / "root"


def _archives(work: Path, architecture: str, stanza: str, package: str) -> list[Path]:
    for name in ("archives/partial", "cache", "lists/partial", "log", "sources.d", "state", "root"):
        (work / name).mkdir(parents=True)
    (work / "state/status").touch()
    (work / "sources.d/mulligan.sources").write_text(stanza)
    configuration = work / "apt.conf"
    configuration.write_text(_CONFIGURATION.format(work=work, architecture=architecture))
    options = ("-q", "-c", str(configuration))
    # Any failure to fetch an index is an error: apt's default is to go on with what it has.
    _run("apt-get", *options, "-o", "APT::Update::Error-Mode=any", "update")
    if f"\nPackage: {package}\n" not in "\n" + _run("apt-cache", *options[1:], "show", package, check=False):
        raise _Unavailable(f"the archive has no {package} package for {architecture}")
    _run("apt-get", *options, "install", "--download-only", "-y", "--no-install-recommends", package)
    return sorted((work / "archives").glob("*.deb"))


def _command(root: Path) -> tuple[str, ...]:
    """Return the words that start the program in ``root`` through the loader, and with the libraries, beside it."""
    program = root / "usr/bin/micropython"
    loaders = sorted(root.glob("usr/lib*/ld-linux*.so.*")) or sorted(root.glob("lib*/ld-linux*.so.*"))
    libraries = sorted({str(path.parent) for path in root.glob("**/libc.so.*")})
    if not (program.is_file() and loaders and libraries):
        raise HostError(f"{root} does not hold a whole MicroPython package")
    return (str(loaders[0]), "--library-path", ":".join(libraries), str(program))


def sources(os_release: str, apt: Path) -> tuple[str, list[str]]:
    """Return the family (``debian`` or ``ubuntu``) and the archives that the machine is configured to use.

    Each archive is a deb822 stanza without ``Suites`` and ``Components``; the likeliest come first.

    Args: the text of os-release, and the directory that is apt's ``/etc/apt``.
    Raises: HostError if the machine is of neither family, or names no archive for its own release.
    """
    facts = _facts(os_release)
    likes = f"{facts.get('ID', '')} {facts.get('ID_LIKE', '')}".split()
    family = next((name for name in ("ubuntu", "debian") if name in likes), None)
    if family is None:
        raise HostError("this machine is neither Debian nor Ubuntu nor of their family")
    codename = _codename(os_release)
    found: list[str] = []
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        parse = {".list": _one_line, ".sources": _deb822}.get(path.suffix)
        for entry in parse(path.read_text()) if parse else ():
            suites = set(entry["suites"].split())
            if suites & {codename, *_ROLLING} and "main" in entry["components"].split():
                stanza = "Types: deb\nTargets: Packages\n" + "".join(
                    f"{name}: {entry[key]}\n"
                    for name, key in (("URIs", "uris"), ("Signed-By", "signed-by"), ("Trusted", "trusted"))
                    if key in entry
                )
                stanza = stanza.replace(" file:", " copy:")  # apt leaves packages from file: where they are
                if stanza not in found:
                    found.append(stanza)
    if not found:
        raise HostError(f"apt is configured with no archive for {codename or 'this release'}: see {apt}/sources.list.d")
    return family, found


def _facts(os_release: str) -> dict[str, str]:
    return dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', os_release, re.MULTILINE))


def _codename(os_release: str) -> str:
    facts = _facts(os_release)
    return facts.get("UBUNTU_CODENAME") or facts.get("DEBIAN_CODENAME") or facts.get("VERSION_CODENAME", "")


def _one_line(text: str) -> Iterator[dict[str, str]]:
    """Yield the ``deb [options] URI suite component…`` lines of a .list file (sources.list(5))."""
    for line in text.splitlines():
        match = re.fullmatch(r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+(.*)", line.partition("#")[0].strip())
        if match is None or match[2].startswith("cdrom:"):
            continue
        options = dict(option.split("=", 1) for option in (match[1] or "").split() if "=" in option)
        entry = {"uris": match[2], "suites": match[3], "components": match[4]}
        if "signed-by" in options:
            entry["signed-by"] = options["signed-by"].replace(",", " ")
        if "trusted" in options:
            entry["trusted"] = options["trusted"]
        yield entry


def _deb822(text: str) -> Iterator[dict[str, str]]:
    """Yield the enabled binary stanzas of a .sources file (sources.list(5)), field names in lower case."""
    for paragraph in re.split(r"\n\s*\n", "\n".join(line for line in text.splitlines() if not line.startswith("#"))):
        # A continuation line starts with a space; a key in place of a file name has many.
        fields = re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)$", paragraph, re.MULTILINE)
        entry = {name.lower(): value.rstrip() for name, value in fields}
        enabled = entry.get("enabled", "yes").lower() in ("yes", "true", "1", "on", "with", "enable")
        if enabled and "deb" in entry.get("types", "").split() and {"uris", "suites", "components"} <= entry.keys():
            yield entry


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path``; the kernel lets go of it if this process dies."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(*command: str, check: bool = True) -> str:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment)
    if check and done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("E:")] or done.stderr.splitlines()
        raise HostError(f"{command[0]} failed: {said[0].removeprefix('E: ') if said else f'exit code {done.returncode}'}")
    return done.stdout
