"""Apps as artifacts, and how a release knows what it is given."""

import json
from pathlib import Path

import pytest

from host import planes
from host.models import Command
from host.rig import image
from mulligan.core.errors import FormatError, NoSlot
from mulligan_host import apps, artifacts, filesystem
from mulligan_host.artifacts import Part
from mulligan_host.errors import HostError
from mulligan_host.micropython import MicroPython


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    work = tmp_path / "app"
    (work / "lib").mkdir(parents=True)
    (work / "main.py").write_text("import util\n")
    (work / "util.py").write_text("X = 1\n")
    (work / "lib" / "table.bin").write_bytes(bytes(range(256)) * 20)
    return work


def test_an_image_is_the_same_each_time_and_holds_what_was_packed(directory: Path) -> None:
    packed = apps.pack(directory, "1.2.0")
    assert packed == apps.pack(directory, "1.2.0")
    app = apps.unpack(packed)
    assert (app.version, app.mpy) == ("1.2.0", 6)  # bytecode alone: of any architecture
    assert set(app.files) == {"main.py", "util.mpy", "lib/table.bin", apps.FACTS}
    assert app.files["main.py"] == b"import util\n"  # the firmware looks for it by this name
    assert app.files["lib/table.bin"] == bytes(range(256)) * 20
    assert len(packed) % filesystem.BLOCK == 0


def test_it_is_no_larger_than_it_has_to_be(directory: Path) -> None:
    files = apps.unpack(apps.pack(directory, "1.2.0")).files
    blocks = len(filesystem.smallest(files)) // filesystem.BLOCK
    with pytest.raises(NoSlot):
        filesystem.filesystem((blocks - 1) * filesystem.BLOCK, files, filesystem.BLOCK)


def test_native_code_names_its_architecture(directory: Path) -> None:
    (directory / "kernel.py").write_text("import micropython\n@micropython.viper\ndef f(x: int) -> int:\n    return x\n")
    assert apps.unpack(apps.pack(directory, "1.2.0", "xtensawin")).mpy == 0x2B06
    assert apps.unpack(apps.pack(directory, "1.2.0", "rv32imc")).mpy == 0x2F06
    with pytest.raises(FormatError, match="different"):
        apps.mpy_of([b"M\x06\x2b\x1f", b"M\x06\x2f\x1f"])
    assert apps.mpy_of([b"M\x06\x00\x1f", b"M\x06\x2b\x1f"]) == 0x2B06


def test_mistakes(directory: Path, tmp_path: Path) -> None:
    (directory / "main.py").rename(directory / "start.py")
    with pytest.raises(HostError, match=r"no main\.py"):
        apps.pack(directory, "1.2.0")
    (directory / "start.py").rename(directory / "main.py")
    (directory / apps.SCHEMA).write_text('{"typ": "object"}')
    with pytest.raises(FormatError, match="typ is not known"):
        apps.pack(directory, "1.2.0")
    for bad in (b"", bytes(4096), bytes(8) + b"littlefs" + bytes(4080)):
        with pytest.raises(FormatError):
            apps.unpack(bad)
    with pytest.raises(FormatError, match="mulligan app pack"):
        apps.unpack(filesystem.smallest({"main.py": b""}))


def test_a_release_knows_what_it_is_given(directory: Path, micropython32: MicroPython) -> None:
    model, app = image("1.0.0"), apps.pack(directory, "1.2.0")
    firmware = planes.system("1.26.0", micropython32).content
    config = b'{"level":1}'
    assert artifacts.recognise(model) == Part("model", "digits", "1.0.0", model)
    assert artifacts.recognise(app) == Part("app", "app", "1.2.0", app, 6)
    assert artifacts.recognise(firmware) == Part("firmware", "firmware", "1.26.0", firmware, 0x2B06)  # by its chip, an ESP32
    assert artifacts.recognise(firmware, "2.0.0", 7) == Part("firmware", "firmware", "2.0.0", firmware, 7)
    assert artifacts.recognise(config, "1.0.1") == Part("config", "config", "1.0.1", config)
    for content, version, said in (
        (model, "9.9.9", "by its slot image"),
        (app, "9.9.9", "by its image"),
        (config, "", "names no version"),
        (b"[]", "1.0.0", "not a JSON object"),
        (json.dumps({"a": "x" * 5000}).encode(), "1.0.0", "at most 4096"),
        (b"\xe9" + bytes(100), "1.0.0", "combined image"),
        (b"\x7fELF", "1.0.0", "JSON"),
    ):
        with pytest.raises((FormatError, HostError), match=said):
            artifacts.recognise(content, version)


def test_a_config_is_held_against_the_schema_of_the_app_beside_it(directory: Path) -> None:
    (directory / apps.SCHEMA).write_text('{"type":"object","properties":{"level":{"type":"integer","maximum":3}}}')
    app = artifacts.recognise(apps.pack(directory, "1.2.0"))
    artifacts.check_together([app, planes.config("1.0.0", level=3)])
    with pytest.raises(FormatError, match=r"config\.level: 4"):
        artifacts.check_together([app, planes.config("1.0.0", level=4)])
    with pytest.raises(HostError, match="one artifact of a name"):
        artifacts.check_together([planes.config("1.0.0", level=3), planes.config("1.0.1", level=3)])


def test_the_commands(directory: Path, tmp_path: Path, command: Command) -> None:
    output, releases = tmp_path / "app.img", tmp_path / "releases"
    assert "app 1.2.0, _mpy 6" in command("app", "pack", directory, "--version", "1.2.0", "-o", output)
    (tmp_path / "config.json").write_text('{"level":1}')
    built = command("release", "build", "--dir", releases, output, f"{tmp_path / 'config.json'}=1.3.0", "--board", "virtual")
    assert "app/app 1.2.0" in built
    assert "config/config 1.3.0" in built
    payload = json.loads((releases / "releases" / "1.2.0.json").read_bytes())
    assert [(a["plane"], a.get("mpy")) for a in payload["artifacts"]] == [("app", 6), ("config", None)]
    assert "names no version" in command(
        "release", "build", "--dir", releases, tmp_path / "config.json", "--board", "virtual", code=1
    )  # fmt: skip
