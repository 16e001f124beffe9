"""The CSV reader: what it fills in, and what it refuses in one line."""

from pathlib import Path

import pytest

from mulligan.core.errors import FormatError
from mulligan.core.partitions import Row, decode, encode
from mulligan_host.partitions import find, read_csv
from mulligan_host.resources import resource

SIZE = 4 * 1024 * 1024


def read(tmp_path: Path, text: str, size: int = SIZE) -> list[Row]:
    path = tmp_path / "table.csv"
    path.write_text(text)
    return read_csv(path, size)


def test_the_virtual_board_s_own_table() -> None:
    rows = read_csv(resource("partitions/virtual-4mb.csv"), SIZE)
    assert rows == [
        Row(1, 0x02, 0x9000, 0x4000, "nvs", 0),
        Row(1, 0x00, 0xD000, 0x2000, "otadata", 0),
        Row(1, 0x01, 0xF000, 0x1000, "phy_init", 0),
        Row(0, 0x10, 0x10000, 0x180000, "ota_0", 0),
        Row(0, 0x11, 0x190000, 0x180000, "ota_1", 0),
        Row(0x40, 0x00, 0x310000, 0x4000, "journal", 0),
        Row(0x40, 0x01, 0x314000, 0x2000, "keys", 0),
        Row(0x40, 0x10, 0x316000, 0x20000, "model_0", 0),
        Row(0x40, 0x10, 0x336000, 0x20000, "model_1", 0),
        Row(0x40, 0x09, 0x356000, 0x1000, "config_0", 0),
        Row(0x40, 0x09, 0x357000, 0x1000, "config_1", 0),
        Row(0x40, 0x08, 0x358000, 0x28000, "app_0", 0),
        Row(0x40, 0x08, 0x380000, 0x28000, "app_1", 0),
        Row(0x40, 0x02, 0x3A8000, 0x2000, "events", 0),
        Row(1, 0x81, 0x3AA000, 0x56000, "vfs", 0),
    ]
    assert rows[-1].offset + rows[-1].size == SIZE
    assert decode(encode(rows)) == rows
    assert find(rows, "keys").offset == 0x314000
    with pytest.raises(FormatError, match="no partition is named app_2"):
        find(rows, "app_2")


def test_blank_offsets_units_and_flags(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        "# comment\n\n nvs , data, nvs, , 12K, encrypted:readonly\nfactory, app, factory, , 1M\nx, 0xFE, 7, , 0x1000,\n",
    )
    assert rows == [
        Row(1, 2, 0x9000, 0x3000, "nvs", 3),
        Row(0, 0, 0x10000, 0x100000, "factory", 0),  # 0xC000 rounded up to 64 KiB
        Row(0xFE, 7, 0x110000, 0x1000, "x", 0),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no partitions"),
        ("a, data, nvs, 0x9000", "4 fields"),
        ("a, data, nvs, 0x9000, 12K, , more", "7 fields"),
        (", data, nvs, , 12K", "label ''"),
        ("sixteen_letters_, data, nvs, , 12K", "label 'sixteen_letters_'"),
        ("a, date, nvs, , 12K", "type 'date'"),
        ("a, 0x02, 0, , 12K", "type 0x2"),
        ("a, 0xff, 0, , 12K", "type 0xff"),
        ("a, data, nv, , 12K", "subtype 'nv'"),
        ("a, 0x40, 0xff, , 12K", "subtype 0xff"),
        ("a, data, nvs, x, 12K", "offset 'x'"),
        ("a, data, nvs, , 12Q", "size '12Q'"),
        ("a, data, nvs, , ", "size ''"),
        ("a, data, nvs, , K", "size 'K'"),
        ("a, data, fat, , 0", "size 0x0"),
        ("a, data, fat, , -4096", "not a multiple of 0x1000 above zero"),
        ("a, data, fat, , 4097", "size 0x1001"),
        ("a, data, fat, 0x9100, 4K", "offset 0x9100"),
        ("a, app, ota_0, 0x18000, 64K", "offset 0x18000 is not a multiple of 0x10000"),
        ("a, data, fat, 0x8000, 4K", "inside bootloader or table"),
        ("a, data, fat, , 4M", "ends at 0x409000"),
        ("a, data, nvs, , 8K", "needs 0x3000"),
        ("a, data, ota, , 4K", "0x2000"),
        ("a, data, ota, , 8K\nb, data, ota, , 8K", "second otadata"),
        ("a, data, fat, , 8K\na, data, fat, , 8K", "second partition of that name"),
        ("a, data, fat, 0x10000, 8K\nb, data, fat, 0x11000, 8K", "b: overlaps a"),
        ("a, data, fat, 0x11000, 8K\nb, data, fat, 0x10000, 8K", "b: overlaps a"),
        ("a, data, nvs, , 12K, secret", "flag 'secret'"),
        ("\n".join(f"p{i}, 0x40, 0, , 4K" for i in range(96)), "96 partitions"),
    ],
)
def test_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FormatError) as e:
        read(tmp_path, text)
    assert said in str(e.value)
    assert str(e.value).startswith(f"{tmp_path / 'table.csv'}:")
    assert "\n" not in str(e.value)
