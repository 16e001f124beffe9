"""Partition tables: ESP-IDF's bytes for each CSV, what is refused in one line, and the commands that read tables."""

import json
from pathlib import Path

import pytest

from host import firmwares
from host.models import Command
from mulligan.core import layout, partitions
from mulligan.core.errors import FormatError
from mulligan.core.partitions import Row, decode, encode
from mulligan_host import layouts, tables
from mulligan_host.partitions import DEFAULT, Place, find, read_csv, to_csv
from mulligan_host.resources import resource

SIZE = 4 * 1024 * 1024
GOLDEN = Path(__file__).parent / "data" / "partitions"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.bin"))
PLACES = {"bootloaders": Place(bootloader=0x1000, recovery=0x3F0000), "late-table": Place(0x10000)}
ARGUMENTS = {
    "bootloaders": ["--primary-bootloader-offset", "0x1000", "--recovery-bootloader-offset", "0x3f0000"],
    "late-table": ["--offset", "0x10000"],
    "no-md5": ["--disable-md5sum"],
}


def read(tmp_path: Path, text: str, size: int | None = SIZE) -> list[Row]:
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return read_csv(path, size)


@pytest.mark.parametrize("name", NAMES)
def test_the_generators_bytes(name: str, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "out.bin"
    command("partitions", "build", GOLDEN / f"{name}.csv", "-o", out, *ARGUMENTS.get(name, []))
    assert out.read_bytes() == (GOLDEN / f"{name}.bin").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_the_generators_csv(name: str, command: Command) -> None:
    rows = decode((GOLDEN / f"{name}.bin").read_bytes(), md5=name != "no-md5")
    back = (GOLDEN / f"{name}.back.csv").read_text(encoding="utf-8")
    assert to_csv(rows) == back
    if name not in PLACES:
        assert command("partitions", "show", GOLDEN / f"{name}.bin", "--csv") == back


@pytest.mark.parametrize("name", NAMES)
def test_what_it_wrote_is_read_back(name: str) -> None:
    """A table with its bootloaders filled in is again one, wherever they are."""
    place = PLACES.get(name, DEFAULT)
    rows = read_csv(GOLDEN / f"{name}.csv", place=place)
    if name != "bootloaders":  # there the sizes in the CSV are not read
        assert read_csv(GOLDEN / f"{name}.back.csv", place=place) == rows
    assert tables.read(str(GOLDEN / f"{name}.bin"), place).rows == rows


def test_a_table_without_its_md5_does_not_boot() -> None:
    """The tools read one; ESP-IDF's bootloader, as it is built by default, and so the virtual board's, does not."""
    with pytest.raises(FormatError):
        decode((GOLDEN / "no-md5.bin").read_bytes())


def test_there_are_golden_tables() -> None:
    assert len(NAMES) >= 14
    for name in NAMES:
        assert {path.name for path in GOLDEN.glob(f"{name}.*")} == {f"{name}.csv", f"{name}.bin", f"{name}.back.csv"}


def test_the_virtual_board_s_own_table() -> None:
    rows = read_csv(resource("partitions/virtual-4mb.csv"), SIZE)
    assert rows[-1].offset + rows[-1].size == SIZE
    assert decode(encode(rows)) == rows
    assert find(rows, "keys").subtype == layout.KEYS
    with pytest.raises(FormatError, match="no partition is named ota_7"):
        find(rows, "ota_7")


def test_the_environment_stands_in_for_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in ESP-IDF's build; a name that it does not know is left as it is, but at the start of a line."""
    monkeypatch.setenv("APP_SIZE", "192K")
    rows = read(tmp_path, "a$NO_SUCH, app, ota_0, , ${APP_SIZE}\n# $NO_SUCH\n")
    assert rows == [Row(0, 0x10, 0x10000, 0x30000, "a$NO_SUCH", 0)]
    with pytest.raises(FormatError, match=r"table\.csv:2: the environment has no variable NO_SUCH"):
        read(tmp_path, "\n$NO_SUCH, app, ota_0, , 64K")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ": no partitions"),
        ("# nothing", ": no partitions"),
        ("a", ":1: the type is left blank"),
        ("a, data", ":1: the size is left blank"),
        ("a, app, , , 64K", ":1: an app partition needs a subtype"),
        ("a, data, nvs, 0x9000", ":1: the size is left blank"),
        ("# x\nsixteen_letters_, data, nvs, , 12K", ":2: label 'sixteen_letters_' is longer than 15 bytes"),
        ("a, date, nvs, , 12K", "type 'date'"),
        ("a, 256, 0, , 12K", "type 0x100 is not from 0 to 0xff"),
        ("a, -1, 0, , 12K", "type -0x1 is not"),
        ("a, data, nv, , 12K", "subtype 'nv'"),
        ("a, app, ota_16, , 64K", "subtype 'ota_16'"),
        ("a, 0x40, nvs, , 12K", "subtype 'nvs'"),
        ("a, 0x40, 0x100, , 12K", "subtype 0x100"),
        ("a, data, nvs, x, 12K", "offset 'x'"),
        ("a, data, nvs, 010, 12K", "offset '010'"),
        ("a, data, nvs, , 12Q", "size '12Q'"),
        ("a, data, nvs, , 1.5M", "size '1.5'"),
        ("a, data, nvs, , K", "size ''"),
        ("a, data, fat, , -4096", "size -0x8000 is not from 0"),
        ("a, data, fat, , 5G", "size '5G'"),
        ("a, data, fat, 0x9100, 4K", "offset 0x9100 is not a multiple of 0x1000"),
        ("a, app, ota_0, 0x18000, 64K", "offset 0x18000 is not a multiple of 0x10000"),
        ("a, app, ota_0, , 65000", "size 0xfde8 of an app"),
        ("a, data, fat, 0x8000, 4K", "a: overlaps: it begins at 0x8000, and the partition table ends at 0x9000"),
        (
            "a, data, fat, , 8K\nb, data, fat, 0xa000, 4K",
            ":2: b: overlaps: it begins at 0xa000, and the row before ends at 0xb000",
        ),
        ("a, data, fat, 0x11000, 8K\nb, data, fat, 0x10000, 4K", ":2: b: overlaps"),
        ("a, data, fat, , 4M", ": a ends at 0x409000, the flash at 0x400000"),
        ("a, data, nvs, , 8K", "needs 0x3000"),
        ("a, data, ota, , 4K", "otadata has 0x2000"),
        ("a, data, tee_ota, , 4K", "TEE otadata has 0x2000"),
        ("a, data, ota, , 8K\nb, data, ota, , 8K", ":2: b: a second otadata"),
        ("a, data, tee_ota, , 8K\nb, data, 0x90, , 8K", ":2: b: a second TEE otadata"),
        ("a, data, fat, , 8K\na, data, fat, , 8K", ":2: a: a second partition of that name"),
        ("a, data, nvs, , 12K, secret", "flag 'secret'"),
        ("a, data, nvs, , 12K, # a remark", "flag '# a remark'"),
        ("a, data, ota, , 8K, readonly", "always written"),
        ("a, data, coredump, , 64K, readonly", "always written"),
        ("a, bootloader, primary", "--primary-bootloader-offset"),
        ("\n".join(f"p{i}, 0x40, 0, , 4K" for i in range(95)), ": 95 partitions, at most 94"),
    ],
)
def test_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FormatError) as e:
        read(tmp_path, text)
    assert said in str(e.value)
    assert str(e.value).startswith(f"{tmp_path / 'table.csv'}:")
    assert "\n" not in str(e.value)


def test_bootloader_places(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a, bootloader, recovery")
    with pytest.raises(FormatError, match="--recovery-bootloader-offset"):
        read_csv(path, place=Place(bootloader=0x1000))
    with pytest.raises(FormatError, match="the bootloader at 0x8000 is not below the table at 0x8000"):
        read_csv(path, place=Place(bootloader=0x8000))


# Where a table is found


@pytest.fixture
def table() -> bytes:
    data: bytes = encode(read_csv(resource("partitions/virtual-4mb.csv"), SIZE))
    return data


@pytest.mark.parametrize(("before", "size"), [(0, 0x20000), (0x1000, 0x20000), (0x2000, 0x20000), (0, SIZE)])
def test_in_an_image(tmp_path: Path, command: Command, table: bytes, before: int, size: int) -> None:
    """As esptool merges it for each chip, and as it is read back whole."""
    path = tmp_path / "image.bin"
    image = bytearray(b"\xff" * size)
    image[0x8000 - before : 0x8000 - before + len(table)] = table
    path.write_bytes(image)
    found = json.loads(command("partitions", "show", path, "--json"))
    assert found["source"] == ("flash dump" if size == SIZE else "image")
    assert found["flash_size"] == SIZE
    assert [(row["label"], row["offset"]) for row in found["partitions"]] == [(row.label, row.offset) for row in decode(table)]
    row = next(row for row in found["partitions"] if row["label"] == "ota_1")
    assert (row["type_name"], row["subtype_name"], row["flags"]) == ("app", "ota_1", 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no partitions"),
        (b"\xe9" + bytes(100), "an app or a bootloader alone"),
        (b"\xff" * 0x20000, "neither a CSV nor anything else"),
        (b"\xaa\x50" * 2000, "is not UTF-8"),
        (b"\xff" * 0x8000 + b"\xaa\x50" + bytes(30) + bytes(32), "neither a row nor its end at +0x20"),
        (b"\xff" * 0x7000 + b"\xaa\x50\x01\x02", "no MD5 row"),
    ],
)
def test_no_table(tmp_path: Path, command: Command, content: bytes, said: str) -> None:
    path = tmp_path / "what.bin"
    path.write_bytes(content)
    assert said in command("partitions", "show", path, code=1)


def test_a_table_that_breaks_a_rule(tmp_path: Path, command: Command) -> None:
    path = tmp_path / "table.bin"
    path.write_bytes(encode([Row(1, 2, 0x9000, 0x3000, "a", 0), Row(1, 0x81, 0xA000, 0x3000, "b", 0)]))
    assert "b: overlaps a" in command("partitions", "show", path, code=1)


def test_bad_command_lines(command: Command, tmp_path: Path) -> None:
    csv = resource("partitions/virtual-4mb.csv")
    for size in ("4", "four", "0MB", "4GB"):
        assert "a size such as 4MB" in command("partitions", "show", csv, "--flash-size", size, code=2)
    assert "a number such as 0x8000" in command("partitions", "show", csv, "--offset", "here", code=2)
    assert "no-such" in command("partitions", "show", "no-such", code=1)
    assert "no-such.csv" in command("partitions", "build", tmp_path / "no-such.csv", "-o", tmp_path / "out", code=1)
    assert "2MB" not in command("partitions", "build", csv, "-o", tmp_path / "out", "--flash-size", "2MB", code=1)
    assert not (tmp_path / "out").exists()


# What fits


def test_the_map_has_a_letter_for_each_cell(command: Command) -> None:
    """Of 4 KiB here: so many cells, so many pages of each partition."""
    said = command("partitions", "show", "virtual-4mb")
    drawn = "".join(line.split()[1] for line in said.splitlines() if line.startswith("0x"))
    assert len(drawn) == SIZE // 4096
    assert drawn.startswith("=" * 9 + "aaaabbcd")
    for letter, row in zip("abcdefghijklmno", read_csv(resource("partitions/virtual-4mb.csv")), strict=True):
        assert drawn.count(letter) == row.size // 4096
        assert any(line.split()[:2] == [letter, row.label] for line in said.splitlines())


def test_a_model_and_its_slot(command: Command, tmp_path: Path) -> None:
    arguments = ("partitions", "check", "virtual-4mb", "--board", "esp32", "--json")
    model = resource("models/digits-1.1.0.tflite")
    fits = json.loads(command(*arguments, "--model", model))
    assert fits["fits"]
    assert fits["free"] == 0
    (finding,) = [f for f in fits["findings"] if f["what"] == "digits-1.1.0.tflite in model_0"]
    assert finding["reason"].endswith(" left")
    two = command(*arguments, "--model", model, "--model", resource("models/digits-1.0.0.tflite"), code=1)
    assert "the table has 1 slot pairs for models" in two


def test_a_firmware_and_its_slots(command: Command, tmp_path: Path) -> None:
    """The generic build fits the layout that is for it alone; given as a combined image or as an app."""
    path = tmp_path / "fw.bin"
    for content in (firmwares.combined(), firmwares.app()):
        path.write_bytes(content)
        said = json.loads(command("partitions", "check", "4mb", "--firmware", path, "--json"))
        found = {f["what"]: f["reason"] for f in said["findings"]}
        for slot in ("ota_0", "ota_1"):
            assert found[f"firmware in {slot}"] == "1698016 bytes of 1769472, 71456 left"
        assert "firmware in ota_0: 1698016 bytes of 1572864, 125152 too many" in command(
            "partitions", "check", "4mb-ota", "--firmware", path, code=1
        )


def test_check_names_what_is_too_large_and_what_is_missing() -> None:
    rows = [
        Row(0, 0x10, 0x10000, 0x20000, "ota_0", 0),
        Row(64, 0x10, 0x30000, 0x2000, "m", 0),
        Row(64, 0x10, 0x32000, 4096, "n", 0),
    ]
    found = {f.what: f for f in layouts.check(rows, 0x32000, models=[("digits", 4097)])}
    assert found["flash"].fits is False
    assert found["digits in m"].reason == "4097 bytes of 4096, 1 too many"
    advice = " ".join(f.reason for f in layouts.check(rows, SIZE) if f.fits is None)
    for said in (
        "no vfs",
        "fewer than two ota slots",
        "no journal",
        "no keys",
        "the app plane",
        "the config plane",
        "m and n are not",
    ):
        assert said in advice
    rows = [Row(5, 0, 0x9000, 0, "nvs", 0)]
    advice = " ".join(f.reason for f in layouts.check(rows, SIZE) if f.fits is None)
    for said in ("kept for ESP-IDF", "not whole sectors", "a subtype that it does not have"):
        assert said in advice


# What changes


def test_diff_says_what_is_lost(tmp_path: Path, command: Command) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("nvs,data,nvs,,16K\na,data,fat,0x20000,64K\nb,data,fat,,64K\nc,data,fat,,64K\nd,data,fat,,64K\n")
    new.write_text("nvs,data,nvs,,16K\ne,data,fat,0x20000,64K\nb,data,fat,,128K\nc,data,fat,,64K\nf,data,fat,,64K\n")
    said = {
        (c["old"] or c["new"])["label"]: (c["change"], c["loses"])
        for c in json.loads(command("partitions", "diff", old, new, "--json"))
    }
    assert said == {
        "nvs": ("kept", False),
        "a": ("renamed", False),
        "b": ("resized", True),
        "c": ("moved", True),
        "d": ("lost", True),
        "f": ("added", False),
        "vfs": ("moved", True),
    }
    lines = command("partitions", "diff", old, new)
    assert "moved    c                 0x40000 64 KiB -> 0x50000 64 KiB" in lines
    assert lines.endswith("what they hold is lost: b, c, d, vfs\n")
    assert command("partitions", "diff", old, old).endswith("nothing is lost\n")


def test_diff_knows_the_vfs_that_has_no_row(command: Command) -> None:
    """MicroPython 1.26 and newer makes it of all that is behind the last partition."""
    stock = GOLDEN / "micropython-4m-ota.csv"
    changes = json.loads(command("partitions", "diff", stock, "virtual-4mb", "--json"))
    (vfs,) = [c for c in changes if c["old"] and c["old"]["label"] == "vfs"]
    assert (vfs["change"], vfs["old"]["offset"], vfs["old"]["size"]) == ("moved", 0x310000, 0xF0000)
    assert [c["old"]["label"] for c in changes if c["change"] == "kept"] == ["nvs", "otadata", "phy_init", "ota_0", "ota_1"]


def test_the_table_holds_no_more_than_the_generator_s() -> None:
    assert partitions.ROWS_MAX == 94
