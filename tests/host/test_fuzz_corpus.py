"""Each parser that reads from outside, fed with a kept corpus and with what many quick mutations make of it.

The corpus has an input for each way in which a parser ever answered: each error, and each kind of success. ``make fuzz`` mutates
``$FUZZ_MUTATIONS`` times (1,000,000 over all parsers if not set), ``make test`` 30,000 times; with ``FUZZ_KEEP=1`` an answer that
was never seen adds its input to the corpus.
"""

import base64
import json
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core import golden
from host.test_fuzz import _PARSERS
from mulligan.core import events, state
from mulligan.core.errors import MulliganError
from mulligan.core.journal import Journal
from mulligan_host.models.source import ByteSource
from powerloss import device

pytestmark = pytest.mark.fuzz

CORPUS = Path(__file__).parent / "data" / "corpus.json"
KEPT: dict[str, list[str]] = json.loads(CORPUS.read_text(encoding="utf-8")) if CORPUS.is_file() else {}
WEIGHTS = {"root": 0.01, "patch": 0.3, "HTTP response": 0.4, "journal": 0.3}
"""How many inputs a parser gets of what the others get: these take longer, or verify signatures."""
_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+|'[^']*'|\"[^\"]*\"")


def _journal(data: bytes) -> object:
    """Two sectors, as many bytes of them as there are; what is found is a state, whatever they hold."""
    found = Journal(ByteSource(data[:8192].ljust(8192, b"\xff")))
    return found.state.entries != []


def _event(data: bytes) -> object:
    return events.decode(bytearray(data[:64].ljust(64, b"\xff"))) is not None


_HTTP = b'HTTP/1.1 206 Partial\r\nContent-Length: 150\r\nETag: "one"\r\nContent-Range: bytes 50-199/200\r\n\r\n'


@pytest.fixture(scope="module")
def parsers() -> Iterator[dict[str, tuple[Callable[[bytes], object], bytes]]]:
    record = bytes(state.encode(state.State(), 7))
    with device.wired(), device.online(device.Site({})):
        http: Any = __import__("mulligan.port.http", fromlist=["_response"])

        class Stream:
            def __init__(self, data: bytes) -> None:
                self._rest = memoryview(data)

            def readinto(self, buffer: memoryview) -> int:
                count = min(len(buffer), len(self._rest))
                buffer[:count] = self._rest[:count]
                self._rest = self._rest[count:]
                return count

        def response(data: bytes) -> object:
            size, ahead, tag = http._response(http.Link(Stream(data), 1000, None, lambda: None), 50, 200, '"one"')
            assert 0 <= size <= 150
            assert ahead in (0, 50)
            return bool(ahead), bool(tag)

        yield {
            **_PARSERS,
            "journal": (_journal, record.ljust(2048, b"\xff") + record),
            "event": (_event, golden.EVENT),
            "HTTP response": (response, _HTTP),
        }


NAMES = [*_PARSERS, "journal", "event", "HTTP response"]


def answer(parse: Callable[[bytes], object], data: bytes) -> str:
    """What kind of answer a parser gives: its error without the figures, or that it takes it."""
    try:
        found = parse(data)
    except MulliganError as e:
        return f"{type(e).__name__}: {_NUMBERS.sub('#', str(e))}"
    return f"taken: {found}" if isinstance(found, bool | tuple) and len(str(found)) < 20 else "taken"


def mutated(chance: random.Random, seeds: list[bytes]) -> bytes:
    """One of the seeds, changed in one to four places."""
    raw = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(raw) + 1)
        kind = chance.randrange(7)
        if kind == 0 and at < len(raw):
            raw[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            raw[at : at + 1] = bytes([chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))])
        elif kind == 2:
            del raw[at : at + chance.randint(1, 8)]
        elif kind == 3:
            raw[at:at] = chance.randbytes(chance.randint(1, 8))
        elif kind == 4:
            other = chance.choice(seeds)
            start = chance.randrange(len(other) + 1)
            raw[at : at + 16] = other[start : start + 16]
        elif kind == 5 and at + 4 <= len(raw):
            raw[at : at + 4] = chance.choice((b"\xff" * 4, bytes(4), b"\x00\x00\x00\x80", b"\x01\x00\x00\x00"))
        else:
            raw[at:] = b""
    return bytes(raw)


@pytest.mark.parametrize("name", NAMES)
def test_only_our_errors_come_out_of_mutations(
    name: str,
    parsers: dict[str, tuple[Callable[[bytes], object], bytes]],
    record_property: Callable[[str, int], None],
    request: pytest.FixtureRequest,
) -> None:
    parse, good = parsers[name]
    seeds = [good, *map(base64.b64decode, KEPT.get(name, []))]
    known = {answer(parse, seed) for seed in seeds}
    whole = os.environ.get("FUZZ_MUTATIONS", "1000000" if request.config.getoption("markexpr") == "fuzz" else "30000")
    weights = sum(WEIGHTS.get(each, 1.0) for each in NAMES)
    count = int(int(whole) * WEIGHTS.get(name, 1.0) / weights) + 1
    chance = random.Random(f"{name} {whole}")
    fresh = []
    for _ in range(count):
        data = mutated(chance, seeds)
        given = answer(parse, data)
        if given not in known and len(data) < 4096:
            known.add(given)
            fresh.append(data)
    if os.environ.get("FUZZ_KEEP") and fresh:
        kept = json.loads(CORPUS.read_text(encoding="utf-8")) if CORPUS.is_file() else {}
        kept[name] = sorted({*kept.get(name, []), *(base64.b64encode(data).decode() for data in fresh)})
        CORPUS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    record_property("mutations of inputs, fed to parsers", count + len(seeds))


def test_the_corpus_is_of_these_parsers() -> None:
    assert set(KEPT) <= set(NAMES)
    assert all(KEPT[name] == sorted(set(KEPT[name])) for name in KEPT)
    assert sum(map(len, KEPT.values())) > 100
