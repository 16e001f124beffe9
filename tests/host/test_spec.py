"""docs/SPEC.md says what the code does: every table of it is held against the module that defines the format."""

import ast
import base64
import copy
import json
import re
import struct
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from common import rules
from core import golden
from core.flash import Flash
from host.documents import ROOT, tables
from mulligan import settings
from mulligan.core import (
    base64url,
    chunks,
    errors,
    events,
    jws,
    keytables,
    kinds,
    manifest,
    order,
    p256_comb,
    patch,
    preflight,
    ranged,
    root,
    slot,
    state,
)
from mulligan.core.errors import FormatError, MulliganError, PatchError
from mulligan.core.journal import Journal
from mulligan_host import ceremony, keys, partitions, release

SPEC = tables(ROOT / "docs" / "SPEC.md")
_CODES = {"B": "u8", "H": "u16", "I": "u32"}

# Caption: the struct formats that follow one another there, from which offset on, and what stands behind them.
LAYOUTS: dict[str, tuple[list[tuple[str, int]], list[tuple[int, int, str]]]] = {
    "Root: header": ([(root.HEADER, 0)], []),
    "Root: key": ([(root.KEY, 0)], []),
    "Root: signature": ([(root.SIGNATURE, 0)], []),
    "Tables of keys: entry": ([(keytables.HEAD, 0)], []),
    "Comb table: header": ([(p256_comb.HEADER, 0)], []),
    "Journal: record header": ([(state._HEADER, 0)], []),
    "Journal: entry head": ([(state._ENTRY, 0)], []),
    "Journal: image": ([(state._IMAGE, 0)], []),
    "Journal: trial": ([(state._TRIAL, 0)], []),
    "Journal: frozen version": ([(state._DIGEST, 0)], []),
    "Journal: marks": ([("<16s8s", state.MARKS)], []),
    "Event log: record": ([(events._FORMAT, 0)], [(events._AT_CHECKSUM, 4, "u32")]),
    "Slot image: header": ([(slot._FORMAT, 0)], [(slot._AT_CHECKSUM, 4, "u32")]),
    "Patch: header": ([(patch.HEADER, 0)], []),
    "Patch: chunk table entry": ([(patch.TABLE_ENTRY, 0)], []),
}
FIELDS = ("Manifest: payload", "Order: payload", "Patch index: entry")
OTHERS = {
    "Partitions: virtual-4mb", "Comb table: sizes", "Patch: segments", "Release directory: files", "Configuration file: fields",
    "Error codes: classes", *FIELDS,
}  # fmt: skip
CONSTANTS = sorted(caption for caption in SPEC if caption.endswith((": limits", ": types")))


def test_no_table_goes_unread() -> None:
    assert set(SPEC) == {*LAYOUTS, *OTHERS, *CONSTANTS}


@pytest.mark.parametrize("caption", LAYOUTS)
def test_layouts(caption: str) -> None:
    formats, rest = LAYOUTS[caption]
    expected = []
    for layout, at in formats:
        for count, code in re.findall(r"(\d*)([A-Za-z])", layout):
            for _ in range(1 if code == "s" else int(count or 1)):
                size = struct.calcsize(f"<{count if code == 's' else ''}{code}")
                expected.append((at, size, "bytes" if code == "s" else _CODES[code]))
                at += size
    found = [(int(row["offset"]), int(row["size"]), row["type"]) for row in SPEC[caption]]
    assert found == expected + rest
    for (at, size, _), (following, _, _) in pairwise(found):
        assert at + size == following, f"{caption}: a gap or an overlap at {following}"


@pytest.mark.parametrize("caption", CONSTANTS)
def test_constants(caption: str) -> None:
    rows = SPEC[caption]
    assert rows
    for row in rows:
        name = row["constant"].strip("`")
        assert _constant(name) == ast.literal_eval(row["value"].strip("`")), name


def test_what_the_layouts_add_up_to() -> None:
    """Sizes that several tables share."""
    full = struct.calcsize(root.HEADER) + root.MAX_KEYS * struct.calcsize(root.KEY)
    assert full + 1 + root.MAX_SIGNATURES * struct.calcsize(root.SIGNATURE) == root.MAX_LENGTH
    assert struct.calcsize(patch.HEADER) == chunks.HEADER_SIZE
    assert struct.calcsize(slot._FORMAT) == slot._AT_CHECKSUM == slot.HEADER_SIZE - 4
    assert struct.calcsize("<" + state._HEADER[1:]) == state.HEAD
    # A set of every entry on trial, each with two requirements, fits a record.
    texts = len(state.PLANES) + 2 * len("1.25.0")
    entry = sum(map(struct.calcsize, (state._ENTRY, state._TRIAL))) + 2 * (struct.calcsize(state._IMAGE) + texts) + 8
    assert state.HEAD + state.MAX_ENTRIES * entry + 4 <= state.MARKS
    assert (
        [rule[0] for rule in manifest.RULES] == [row["field"] for row in SPEC["Journal: trial"][2:]] == list(state.Rules._fields)
    )
    assert state.MARKS + state.STARTS + state.FAULTS <= state.RECORD
    assert "plane: " + ", ".join(f"{i} {plane}" for i, plane in enumerate(state.PLANES)) in _fields("Journal: entry head")
    assert patch.max_chunk(12) == 4096 * 9 // 8
    assert struct.calcsize(patch.TABLE_ENTRY) == chunks.ENTRY_SIZE


def test_checksums_cover_what_the_text_says() -> None:
    """A changed byte is refused exactly where the text puts it under the checksum, and let pass where it says `not read`."""
    head = golden.SLOT_IMAGE[:96]
    assert _damage_found(head, lambda raw: slot.parse(raw, 1 << 20), FormatError) == set(range(96))

    assert _damage_found(golden.RECORD, state.decode, FormatError) == set(range(len(golden.RECORD)))

    def header(raw: bytes) -> None:
        size = patch.table_size(raw[: chunks.HEADER_SIZE], 5096)
        patch.decode_header(raw[: chunks.HEADER_SIZE], raw[chunks.HEADER_SIZE : chunks.HEADER_SIZE + size])

    assert _damage_found(golden.PATCH[: 84 + 16], header, PatchError) == set(range(84 + 16))


def test_the_marks() -> None:
    """Starts and faults program the bytes of their own fields, from the first up; then a record with the counts follows."""
    flash = Flash(2)
    journal = Journal(flash)
    journal.state.entries.append(state.Entry("model", "digits", 0))
    journal.state.entries[0].begin(state.Image(1, 1, "1.0.0", bytes(32), {}, 0), 1, rules())
    journal.commit()
    for count in range(1, state.STARTS + 1):
        journal.mark_start()
        if count <= 3:
            journal.mark_fault()
        marks = flash.data[state.MARKS : state.MARKS + state.STARTS + state.FAULTS]
        assert [byte == 0x7F for byte in marks] == [i < count for i in range(16)] + [i < min(count, 3) for i in range(8)]
        assert set(marks) <= {0x7F, 0xFF}
        assert (journal.starts(), journal.faults()) == (count, min(count, 3))
    for bits in range(1, state.PARTS):
        journal.mark_spent()
        assert (flash.data[state.MARKS + state.STARTS - 1], journal.spent()) == (0x7F >> bits, bits)
    assert flash.data[state.MARKS + 24 : state.RECORD] == b""
    assert flash.data[state.RECORD :] == b"\xff" * (len(flash.data) - state.RECORD)
    journal.mark_start()
    assert (journal.starts(), journal.faults()) == (17, 3)
    number, held = state.decode(flash.data[state.RECORD :][: len(state.encode(journal.state, 2))])
    assert (number, held.starts, held.faults) == (2, 17 * state.WAKES, 3)


def test_partition_layout() -> None:
    rows = partitions.read_csv(ROOT / "partitions" / "virtual-4mb.csv", 4 << 20)
    numbers = ("type", "subtype", "offset", "size")
    found = [(row["label"], *(int(row[key], 0) for key in numbers)) for row in SPEC["Partitions: virtual-4mb"]]
    assert found == [(row.label, row.type, row.subtype, row.offset, row.size) for row in rows]


def test_sizes_of_comb_tables_and_hints() -> None:
    sizes = [tuple(int(row[key]) for key in ("width", "columns d", "bytes of the table", "bytes of a hint"))
             for row in SPEC["Comb table: sizes"]]  # fmt: skip
    found = [(w, p256_comb.spacing(w), p256_comb.table_size(w), p256_comb.hint_size(w)) for w in range(4, 9)]
    assert sizes == found
    assert struct.calcsize(p256_comb.HEADER) == p256_comb.HEADER_SIZE


def test_the_contexts_of_numbers() -> None:
    """The figures of the text: "Contexts of numbers"."""
    assert (kinds.LENGTH, kinds.DISTANCE, kinds.FACTOR, kinds.KINDS) == (13, 26, 39, 13)
    assert (kinds.BACK + kinds.REPEAT, kinds.BACK, kinds.LAYOUT) == (29, 26, 27)
    assert ranged.TABLES.tolist()[18:] == [0] * 13 + [1, 1, 2, 3, 3]
    text = (ROOT / "docs" / "SPEC.md").read_text(encoding="utf-8")
    assert ", ".join(map(str, ranged.TABLES.tolist()[:18])) in text


def test_segment_kinds() -> None:
    values = {row["kind"].strip("`"): int(row["value"]) for row in SPEC["Patch: segments"]}
    assert all(getattr(kinds, kind) == value for kind, value in values.items())
    assert list(values.values()) == list(range(kinds.KINDS))


@pytest.mark.parametrize("caption", FIELDS)
def test_fields_and_their_limits(caption: str) -> None:
    """The lowest and the highest value are taken; what is just outside or of another type is refused, as is a missing field."""
    parse, document, names = _documents(caption)
    for row in SPEC[caption]:
        path = row["field"].strip("`")
        low, high = int(row["lowest"]), int(row["highest"])
        good, bad = _values(row["type"], low, high)
        for value in good:
            parse(_with(document, path, value))
        for value in [*bad, None, True, 1.5]:
            with pytest.raises(FormatError):
                parse(_with(document, path, value))
        without = _with(document, path, _MISSING)
        if row["required"] == "yes":
            with pytest.raises(FormatError):
                parse(without)
        else:
            parse(without)
    assert names == {row["field"].strip("`").split(".")[-1] for row in SPEC[caption]}


def test_jws_header_limit() -> None:
    limit = jws._MAX_HEADER
    with pytest.raises(FormatError, match="header too long"):
        jws.verify(b"A" * (limit + 1) + b".AA.AA", {})
    with pytest.raises(FormatError, match="JSON"):
        jws.verify(b"A" * limit + b".AA.AA", {})


def test_index_has_at_most_32_entries() -> None:
    text = (ROOT / "docs" / "SPEC.md").read_text(encoding="utf-8")
    most = re.search(r"An index has at most (\d+) entries", text)
    assert most
    one = json.loads(golden.PATCH_INDEX)
    assert len(manifest.parse_index(json.dumps(one * int(most[1])).encode())) == int(most[1])
    with pytest.raises(FormatError):
        manifest.parse_index(json.dumps(one * (int(most[1]) + 1)).encode())


def test_release_directory(tmp_path: Path) -> None:
    """Two releases, a patch and its index: every file is one of the table's, and every line of the table has a file."""
    signer = keys.create(tmp_path / "key.pem")
    directory = release.Directory(tmp_path / "releases")
    for version in ("1.0.0", "1.1.0"):
        vectors = [(bytes(4), bytes(2), 0)]
        image = slot.build("digits", version, bytes(range(256)) * 20, 512, vectors, [], [3])
        directory.build(release.Order(image, ["virtual"], release.Health(correct=1)))
        directory.sign(version, signer)
    directory.order("1.1.0", signer)
    directory.add_root(ceremony.first([signer], [signer.public]))
    files = [path.relative_to(directory.path).as_posix() for path in directory.path.rglob("*") if path.is_file()]
    patterns = [row["pattern"].strip("`") for row in SPEC["Release directory: files"]]
    assert [sum(bool(re.fullmatch(pattern, name)) for pattern in patterns) for name in files] == [1] * len(files)
    assert all(any(re.fullmatch(pattern, name) for name in files) for pattern in patterns)


def test_configuration_file() -> None:
    table = SPEC["Configuration file: fields"]
    assert {row["field"].strip("`"): ast.literal_eval(row["default"].strip("`")) for row in table} == settings.FIELDS


def test_error_codes() -> None:
    found = {
        name: (str(cls.code), "" if cls is MulliganError else cls.__bases__[0].__name__)
        for name, cls in vars(errors).items()
        if isinstance(cls, type) and issubclass(cls, MulliganError)
    }
    table = SPEC["Error codes: classes"]
    assert {row["class"].strip("`"): (row["code"], row["base"].strip("`")) for row in table} == found
    assert len({code for code, _ in found.values()}) == len(found)


_MISSING = object()


def _constant(name: str) -> object:
    module, _, attribute = name.rpartition(".")
    if module.startswith("port."):  # needs the chip to be imported
        path = ROOT / "firmware" / "mulligan" / (module.replace(".", "/") + ".py")
        return _module_constants(ast.parse(path.read_text(encoding="utf-8")))[attribute]
    full = f"mulligan.core.{module}" if find_spec(f"mulligan.core.{module}") else f"mulligan.{module}"
    value: object = getattr(import_module(full), attribute)
    return value


def _module_constants(tree: ast.Module) -> dict[str, object]:
    found: dict[str, object] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value.value
    return found


def _fields(caption: str) -> list[str]:
    return [row["field"] for row in SPEC[caption]]


def _damage_found(data: bytes, read: Callable[[bytes], object], error: type[MulliganError]) -> set[int]:
    """Return the offsets at which a flipped bit makes ``read`` raise ``error``."""
    found = set()
    for at in range(len(data)):
        bad = bytearray(data)
        bad[at] ^= 0x40
        try:
            read(bytes(bad))
        except error:
            found.add(at)
    return found


def _documents(caption: str) -> tuple[Callable[[Any], object], Any, set[str]]:
    """Return the parser of that table's document, an example with every field, and the names of all its fields."""
    golden_order = base64url.decode(golden.ORDER.decode().split(".")[1])
    kinds: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
        "Manifest: payload": (golden.PAYLOAD, manifest.parse),
        "Order: payload": (golden_order, order.parse),
        "Patch index: entry": (golden.PATCH_INDEX, manifest.parse_index),
    }
    raw, parser = kinds[caption]
    document: Any = json.loads(raw)
    names: set[str] = set()
    if caption == "Manifest: payload":
        document["critical"] = ["expires"]
        document["preflight"] = {**{key: low for key, low, _ in preflight.LIMITS}, "network": ["wifi"]}
        document["artifacts"][0]["health"].update({key: default for key, _, _, default in manifest.RULES if default is not None})
        assert set(document) == {*manifest._KNOWN, "critical"}
        item = document["artifacts"][0]
        item.update({"after": "1.0.0", "hard_floor": 1, "mpy": 6, "critical": ["after"]})
        assert set(item) == {*manifest._ARTIFACT, "critical"}
        names = {*document, *document["preflight"], *item, *item["full"], *item["health"]}
    elif caption == "Order: payload":
        document["boards"] = ["virtual"]
        names = set(document)
        assert names == set(order._FIELDS)
    else:
        document = {**document[0], "heap": 32768}
        names = set(document)
        assert names == set(manifest._PATCH)

    def parse(doc: Any) -> object:
        wrapped = [doc] if caption == "Patch index: entry" else doc
        return parser(json.dumps(wrapped).encode())

    return parse, document, names


def _with(document: Any, path: str, value: object) -> Any:
    """Return a copy of ``document`` with ``value`` at ``path``, or without what stands there."""
    changed = copy.deepcopy(document)
    at = changed
    *parents, last = path.split(".")
    for parent in parents:
        at = at[parent.removesuffix("[]")]
        at = at[0] if isinstance(at, list) else at
    if value is _MISSING:
        del at[last]
    else:
        at[last] = value
    return changed


def _values(kind: str, low: int, high: int) -> tuple[list[object], list[object]]:
    """Return values of ``kind`` that must be taken, and others that must be refused."""
    source: dict[str, object] = {"size": 1, "sha256": _hash(1)}
    rules = {key: lowest for key, lowest, _, _ in manifest.RULES}
    needed = {key: lowest for key, lowest, _, default in manifest.RULES if default is None}
    item = json.loads(golden.PAYLOAD)["artifacts"][0]
    planes = dict.fromkeys(state.PLANES, "1.0.0")
    if kind == "integer":
        return [low, high], [low - 1, high + 1, str(low)]
    if kind == "version":
        assert low == len("1.0.0")  # no version is shorter
        longest = "1.0.0-" + "a" * (high - 6)
        return ["1.0.0", longest], [longest + "a", "1.0", "01.0.0", "1.0.0+build", ""]
    if kind == "name":
        return ["a" * low, "~" * high], ["a" * (low - 1), "a" * (high + 1), "a b", "é"]
    if kind == "hash":
        assert low == high == len(_hash(1))
        return [_hash(0), _hash(255)], [_hash(1)[:-1], _hash(1) + "A", _hash(1) + "=", ""]
    if kind == "plane":
        assert sorted(map(len, state.PLANES)) == [low, 5, 6, high]
        return list(state.PLANES), ["", "cloud", "Model"]
    if kind == "names":
        return [["a"] * low, ["a"] * high], [*_shorter(["a"] * low), ["a"] * (high + 1), [1], "a", {}]
    if kind == "ids":
        return [["a" * order.MAX_ID] * low, ["a"] * high], [["a"] * (high + 1), [""], ["a" * (order.MAX_ID + 1)], [1], "a", {}]
    if kind in ("fields", "artifact fields"):
        known = ["release" if kind == "fields" else "plane"] * (high + 1)
        return [known[:low], known[:high]], [*_shorter(known[:low]), known, ["colour"], "release"]
    if kind == "artifacts":
        named = [{**item, "name": f"m{i}"} for i in range(high + 1)]
        return [named[:low], named[:high]], [*_shorter(named[:low]), named, [item, item], [1], {}]
    if kind == "requires":
        assert (low, high) == (0, len(planes))
        return [{}, planes], [{"cloud": "1.0.0"}, {"app": 1}, {"app": "1"}, []]
    if kind == "preflight":
        limits: dict[str, object] = {**{key: least for key, least, _ in preflight.LIMITS}, "network": ["wifi"]}
        assert (low, high) == (0, len(limits))
        return [{}, limits], [[], 1]
    if kind == "source":
        assert len(source) == low == high
        return [source], [{}, {"size": 1}, []]
    assert kind == "health", kind
    assert (len(needed), len(rules)) == (low, high)
    return [rules, needed], [{}, []]


def _shorter(shortest: list[Any]) -> list[object]:
    """Return the list that is one too short, if there can be one."""
    return [shortest[1:]] if shortest else []


def _hash(byte: int) -> str:
    return base64.urlsafe_b64encode(bytes([byte]) * 32).decode().rstrip("=")
