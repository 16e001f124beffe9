"""The resolver: the order it looks in, what it passes over, and that its cache is whole or not there."""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mulligan_host import debian
from mulligan_host.errors import HostError
from mulligan_host.micropython import MicroPython, probe
from mulligan_host.resources import cache_directory

has_apt = pytest.mark.skipif(
    not (shutil.which("apt-get") and shutil.which("dpkg-deb") and debian._OS_RELEASE.is_file()),
    reason="needs apt and dpkg: this machine is not of the Debian family",
)


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def old(path: Path) -> Path:
    return script(path, "echo micropython 1 22 2 64 2822 1")


def real(path: Path, mp: MicroPython) -> Path:
    return script(path, f'exec {shlex.join(mp.argv)} "$@"')


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``mulligan`` with no network and no other environment than PATH, HOME and what is given."""
    return subprocess.run(
        [sys.executable, "-m", "mulligan_host", *arguments],
        env={
            "PATH": os.defpath,
            "HOME": os.environ["HOME"],
            "http_proxy": "http://127.0.0.1:9",
            "https_proxy": "http://127.0.0.1:9",
            **environment,
        },
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def test_what_is_found_runs(micropythons: list[MicroPython]) -> None:
    assert [mp.bits for mp in micropythons] in ([64, 32], [64], [32])
    for mp in micropythons:
        program = "import sys; print(sys.implementation.name, sys.implementation._mpy)"
        done = subprocess.run([*mp.argv, "-c", program], capture_output=True, text=True)
        assert done.stdout.split() == ["micropython", str(mp.mpy)]
        assert mp.version >= (1, 23)
        assert mp.label == f"unix{mp.bits}"


def test_heap_option_holds(micropython32: MicroPython, tmp_path: Path) -> None:
    (tmp_path / "free.py").write_text("import gc; print(gc.mem_free())")
    sizes = [
        int(subprocess.run(micropython32.command(tmp_path / "free.py", heap=heap), capture_output=True).stdout)
        for heap in ("128k", "4M")
    ]
    assert sizes[0] < 128 * 1024 < 3 * 1024 * 1024 < sizes[1]


def test_named_first(micropythons: list[MicroPython], tmp_path: Path) -> None:
    named = real(tmp_path / "a place" / "mine", micropythons[0])
    real(tmp_path / "bin" / "micropython", micropythons[0])
    done = command("micropython", "--json", MICROPYTHON=str(named), PATH=f"{tmp_path}/bin:{os.defpath}")
    assert json.loads(done.stdout)[0]["argv"] == [str(named)]
    done = command("micropython", "--json", MICROPYTHON=shlex.join(micropythons[0].argv))
    assert json.loads(done.stdout)[0]["argv"] == list(micropythons[0].argv)


@pytest.mark.parametrize("name", ["gone", "old", "liar", "silent", "crash"])
def test_named_and_wrong_is_an_error(name: str, tmp_path: Path) -> None:
    old(tmp_path / "old")
    script(tmp_path / "liar", "echo CPython 3 11 0 64 0 0")
    script(tmp_path / "silent", "true")
    script(tmp_path / "crash", "kill -SEGV $$")
    done = command("micropython", MICROPYTHON=str(tmp_path / name))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert str(tmp_path / name) in done.stderr


def test_path_second(micropythons: list[MicroPython], tmp_path: Path) -> None:
    found = real(tmp_path / "micropython", micropythons[0])
    done = command("micropython", "--json", PATH=f"{tmp_path}:{os.defpath}")
    assert json.loads(done.stdout)[0]["argv"] == [str(found)]


def test_old_on_path_is_passed_over_and_nothing_else_is_an_error(tmp_path: Path) -> None:
    path = old(tmp_path / "bin" / "micropython")
    # No apt here, as on a machine of another family.
    done = command("micropython", PATH=str(path.parent), MULLIGAN_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 1
    passed_over, error = done.stderr.splitlines()
    assert "1.22.2" in passed_over
    assert str(path) in passed_over
    assert "older than 1.23" in passed_over
    assert error.startswith("error: no MicroPython 1.23 or newer")
    assert all(way in error for way in ("apt", "brew", "$MICROPYTHON"))


@has_apt
def test_no_network_and_no_cache_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    if shutil.which("micropython", path=os.defpath):
        pytest.skip("this machine has a micropython on its default PATH")
    done = command("micropython", MULLIGAN_CACHE=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("error: no MicroPython")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []


def test_probe_refuses_what_is_no_micropython() -> None:
    with pytest.raises(HostError, match="is not a MicroPython"):
        probe((sys.executable,))


class Archive:
    """A Debian archive on this disk, and an /etc/apt that names it, for the real apt."""

    def __init__(self, directory: Path, architecture: str) -> None:
        self.directory = directory
        self.architecture = architecture
        self.apt = directory / "etc-apt"
        self.apt.mkdir()
        self.os_release = directory / "os-release"
        self.os_release.write_text("ID=debian\nVERSION_CODENAME=bookworm\n")
        (self.apt / "sources.list").write_text(f"deb [trusted=yes] file:{directory}/archive bookworm main\n")
        self.publish("")

    def publish(self, packages: str) -> None:
        suite = self.directory / "archive/dists/trixie"
        index = suite / f"main/binary-{self.architecture}/Packages"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_text(packages)
        digest = hashlib.sha256(index.read_bytes()).hexdigest()
        (suite / "Release").write_text(
            f"Suite: trixie\nCodename: trixie\nComponents: main\nArchitectures: {self.architecture}\n"
            "Date: Sat, 01 Jan 2022 00:00:00 UTC\n"
            f"SHA256:\n {digest} {index.stat().st_size} {index.relative_to(suite)}\n"
        )

    def package(self, tree: Path) -> None:
        """Publish ``tree`` as the package micropython."""
        work = self.directory / "package"
        shutil.copytree(tree, work, symlinks=True)
        control = f"Package: micropython\nVersion: 1\nArchitecture: {self.architecture}\nMaintainer: x <x@example.org>\n"
        (work / "DEBIAN").mkdir()
        (work / "DEBIAN/control").write_text(control + "Description: x\n")
        pool = self.directory / "archive/micropython.deb"
        subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "-b", work, pool], check=True, capture_output=True)
        shutil.rmtree(work)
        digest = hashlib.sha256(pool.read_bytes()).hexdigest()
        self.publish(f"{control}Filename: micropython.deb\nSize: {pool.stat().st_size}\nSHA256: {digest}\nDescription: x\n\n")


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    directory = tmp_path / "archive"
    directory.mkdir()
    archive = Archive(directory, debian.native_architecture())
    monkeypatch.setattr(debian, "_APT", archive.apt)
    monkeypatch.setattr(debian, "_OS_RELEASE", archive.os_release)
    monkeypatch.setenv("MULLIGAN_CACHE", str(tmp_path / "cache"))
    return archive


def a_package(directory: Path) -> Path:
    """The files that ``debian`` expects in a package; its loader only has to answer."""
    tree = directory / "tree"
    for name in ("usr/bin/micropython", "usr/lib/ld-linux.so.2", "usr/lib/some-gnu/libc.so.6"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        script(tree / name, "echo 1")
    return tree


def runs(argv: tuple[str, ...]) -> None:
    if subprocess.run(argv, capture_output=True).stdout != b"1\n":
        raise HostError("does not run")


def in_cache() -> list[str]:
    return sorted(path.name for path in cache_directory().iterdir() if path.suffix != ".lock")


@has_apt
def test_unpacks_once_whoever_asks(archive: Archive, tmp_path: Path) -> None:
    archive.package(a_package(tmp_path))
    native = archive.architecture
    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(lambda _: debian.unpacked(native, runs), range(4)))
    assert len(answers) == 1
    assert in_cache() == [f"micropython-{native}"]
    shutil.rmtree(archive.directory)  # the network is gone
    assert debian.unpacked(native, runs) in answers


@has_apt
def test_what_a_killed_call_left_is_not_taken_for_whole(archive: Archive, tmp_path: Path) -> None:
    archive.package(a_package(tmp_path))
    native = archive.architecture
    leftover = cache_directory() / f".micropython-{native}-killed" / "root"
    leftover.mkdir(parents=True)
    debian.unpacked(native, runs)
    assert in_cache() == [f"micropython-{native}"]


@has_apt
def test_a_damaged_cache_is_replaced(archive: Archive, tmp_path: Path) -> None:
    archive.package(a_package(tmp_path))
    native = archive.architecture
    argv = debian.unpacked(native, runs)
    for broken in (lambda: script(Path(argv[0]), "exit 1"), lambda: Path(argv[-1]).unlink()):
        broken()
        assert debian.unpacked(native, runs) == argv
        runs(argv)


@has_apt
def test_a_package_that_will_not_do_is_not_kept(archive: Archive, tmp_path: Path) -> None:
    tree = a_package(tmp_path)
    script(tree / "usr/lib/ld-linux.so.2", "exit 1")
    archive.package(tree)
    for _ in range(2):
        with pytest.raises(HostError, match="does not run"):
            debian.unpacked(archive.architecture, runs)
        assert in_cache() == [f"micropython-{archive.architecture}.unavailable"]


@has_apt
def test_a_changed_package_is_refused(archive: Archive, tmp_path: Path) -> None:
    archive.package(a_package(tmp_path))
    package = archive.directory / "archive/micropython.deb"
    package.write_bytes(package.read_bytes()[:-1] + b"!")
    with pytest.raises(HostError, match="apt-get failed"):
        debian.unpacked(archive.architecture, runs)
    assert in_cache() == []


@has_apt
def test_no_such_package_is_remembered_but_no_archive_is_not(archive: Archive) -> None:
    native = archive.architecture
    (archive.directory / "archive").rename(archive.directory / "away")
    with pytest.raises(HostError, match="apt-get failed"):
        debian.unpacked(native, runs)
    assert in_cache() == []
    (archive.directory / "away").rename(archive.directory / "archive")
    with pytest.raises(HostError, match=f"no micropython package for {native}"):
        debian.unpacked(native, runs)
    assert in_cache() == [f"micropython-{native}.unavailable"]
    shutil.rmtree(archive.directory)
    with pytest.raises(HostError, match=f"no micropython package for {native}.*remove"):
        debian.unpacked(native, runs)


DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n'
UBUNTU = "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\nUBUNTU_CODENAME=noble\n"
MINT = 'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_CODENAME=zara\nUBUNTU_CODENAME=noble\n'


def sources(directory: Path, os_release: str, **files: str) -> tuple[str, list[str]]:
    (directory / "sources.list.d").mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / "sources.list.d" / name.replace("_", ".")).write_text(text)
    return debian.sources(os_release, directory)


def test_sources_deb822(tmp_path: Path) -> None:
    text = (
        "# the archive\nTypes: deb deb-src\n# a comment inside\nURIs: http://mirror.example/debian\n"
        "Suites: bookworm bookworm-updates\nComponents: main contrib\nSigned-By: /k.gpg\nArchitectures: amd64\n\n"
        "Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nComponents: main\n\n"
        "Enabled: no\nTypes: deb\nURIs: http://off.example/\nSuites: bookworm\nComponents: main\n"
    )
    stanza = "Types: deb\nTargets: Packages\nURIs: http://mirror.example/debian\nSigned-By: /k.gpg\n"
    assert sources(tmp_path, DEBIAN, debian_sources=text) == ("debian", [stanza])


def test_sources_deb822_with_the_key_inside(tmp_path: Path) -> None:
    key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEY865UxYJKwYBBAHaRw8BAQ\n -----END PGP PUBLIC KEY BLOCK-----"
    text = f"Types: deb\nURIs: mirror+file:/etc/apt/mirrors\nSuites: noble\nComponents: main\nSigned-By:{key}\n"
    family, stanzas = sources(tmp_path, UBUNTU, ubuntu_sources=text)
    assert family == "ubuntu"
    assert stanzas == [f"Types: deb\nTargets: Packages\nURIs: mirror+file:/etc/apt/mirrors\nSigned-By: {key}\n"]


def test_sources_one_line(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(
        "deb cdrom:[Debian 12]/ bookworm main\n#deb http://off.example/ noble main\n"
        "deb [arch=amd64 signed-by=/a.gpg,/b.gpg] http://mirror.example/ubuntu noble main restricted # note\n"
        "deb http://mirror.example/ubuntu noble universe\ndeb-src http://mirror.example/ubuntu noble main\n"
        "deb http://mirror.example/ubuntu noble-updates main\n"
    )
    stanza = "Types: deb\nTargets: Packages\nURIs: http://mirror.example/ubuntu\nSigned-By: /a.gpg /b.gpg\n"
    assert sources(tmp_path, MINT, other_list="deb http://vendor.example/apt vendor-noble main\n", notes_txt="deb") == (
        "ubuntu",
        [stanza],
    )


@pytest.mark.parametrize("os_release", ["ID=fedora\n", "", DEBIAN])
def test_sources_of_another_machine(os_release: str, tmp_path: Path) -> None:
    with pytest.raises(HostError):
        sources(tmp_path, os_release)
