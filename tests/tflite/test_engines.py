import os
import struct

from common import raises
from mulligan.core import slot
from mulligan.core.errors import ModelError, Unsupported
from mulligan.core.state import Image
from mulligan.core.window import Window
from mulligan.engines import builtin, emlearn, microlite, native, openmv
from mulligan.serving import Serving
from tflite.fakes import Crash, Emlearn, Microlite, Module, OpenMV
from tflite.models import DATA, MODELS, BytesSource, Random, load

DIGITS = load(MODELS + "digits-1.0.0.tflite")
OTHER = load(MODELS + "digits-1.1.0.tflite")
STREAM = load(DATA + "stream.tflite")
TINY = b"MAIX" + struct.pack("<HH", 16, 4) + bytes([(i * 37) & 0xFF for i in range(64)])


class Region(BytesSource):
    label = "model_0"


def region(model=DIGITS, inputs=64, outputs=10, **given):
    image = slot.build("m", "1.0.0", model, 12288, [(bytes(inputs), bytes(outputs), None)], ["a"], [3], **given)
    return Region(image)


def opened(source):
    """(source of the model, Header) of a slot image."""
    header = slot.parse(slot_bytes(source), source.size)
    return Window(source, header.model_at, header.model_size), header


def slot_bytes(source):
    head = bytearray(slot.HEADER_SIZE)
    source.readinto(0, head)
    return head


def agrees(engine, other, size, runs=20):
    """The two give the same bytes for random inputs; an input is filled before each run, as it is used up."""
    random = Random(7)
    for _ in range(runs):
        given = random.fill(bytearray(size))
        for each in (engine, other):
            each.input(0)[:] = given
            each.invoke()
        assert bytes(engine.output(0)) == bytes(other.output(0))


def reference(model=DIGITS):
    return builtin.load(BytesSource(model))


def test_builtin():
    source, header = opened(region())
    builtin.check(source, header)
    agrees(builtin.load(source, bytearray(header.arena), None, header), reference(), 64, 3)
    small = slot.parse(slot_bytes(Region(slot.build("m", "1.0.0", DIGITS, 100, [(b"1", b"2", None)], [], []))), 1 << 20)
    assert "the slot image says 100" in str(raises(Unsupported, builtin.check, source, small))


def test_microlite():
    source, header = opened(region(native_arena=Microlite.needs))
    with Module("microlite", interpreter=Microlite):
        microlite.check(source, header)
        engine = microlite.load(source, None, None, header)
        assert Microlite.made[-1] == (len(DIGITS), Microlite.needs)
        agrees(engine, reference(), 64)
        assert engine.describe().arena == Microlite.needs
        engine.bind(bytearray(10))
        agrees(engine, reference(), 64, 2)


def test_microlite_that_fails_to_invoke():
    source, header = opened(region(native_arena=Microlite.needs))
    with Module("microlite", interpreter=Microlite):
        engine = microlite.load(source, None, None, header)
        Microlite.fails = True
        try:
            raises(ModelError, engine.invoke)
        finally:
            Microlite.fails = False


def test_microlite_never_makes_an_interpreter_that_would_crash():
    made = len(Microlite.made)
    with Module("microlite", interpreter=Microlite):
        for given, error in (
            ({}, Unsupported),  # how much arena is not known
            ({"native_arena": 80}, Unsupported),  # not even the largest layer
            ({"native_arena": 20000, "inputs": 65}, ModelError),  # sizes that the tensors do not have
            ({"native_arena": 20000, "outputs": 11}, ModelError),
            ({"native_arena": 20000, "model": b"\0" * 40}, ModelError),
        ):
            source, header = opened(region(**given))
            raises(error, microlite.check, source, header)
            raises(error, microlite.load, source, None, None, header)
        assert len(Microlite.made) == made
        # What no adapter can see: an arena that is plausible and yet too small. The chip's reset is then the verdict.
        source, header = opened(region(native_arena=Microlite.needs - 1))
        raises(Crash, microlite.load(source, None, None, header).invoke)


def test_openmv():
    path = "mulligan-model_0.tflite"
    here = os.getcwd()
    os.chdir("/tmp")
    try:
        with Module("ml", Model=OpenMV):
            source, header = opened(region())
            openmv.check(source, header)
            agrees(openmv.load(source, None, None, header), reference(), 64)
            before = os.stat(path)
            with open(path, "rb") as f:
                assert f.read() == DIGITS
            agrees(openmv.load(source, None, None, header), reference(), 64, 2)
            assert os.stat(path)[:2] == before[:2]
            with open(path, "wb") as f:
                f.write(DIGITS[:-100])  # as a power cut leaves it
            agrees(openmv.load(source, None, None, header), reference(), 64, 2)
            source, header = opened(region(OTHER))
            agrees(openmv.load(source, None, None, header), reference(OTHER), 64, 2)
            source, header = opened(region(b"\0" * 40))
            raises(ModelError, openmv.load, source, None, None, header)
            for OpenMV.dtypes in (("f", "b"), ("b", "h")):
                source, header = opened(region())
                raises(Unsupported, openmv.load, source, None, None, header)
    finally:
        OpenMV.dtypes = ("b", "b")
        os.remove(path)
        os.chdir(here)


def stream_outputs(engine):
    """Of a few inferences, one after the other."""
    random = Random(5)
    found = []
    for _ in range(4):
        random.fill(engine.input(0))
        engine.invoke()
        found.append(bytes(engine.output(0)))
    return found


def test_a_model_that_remembers_is_begun_anew_or_refused():
    memory = reference(STREAM)
    sizes = len(memory.input(0)), len(memory.output(0))
    first = stream_outputs(memory)
    assert stream_outputs(memory) != first
    here = os.getcwd()
    os.chdir("/tmp")
    try:
        source, header = opened(region(STREAM, *sizes, native_arena=20000))
        with Module("ml", Model=OpenMV):
            for engine in (builtin.load(source), openmv.load(source, None, None, header)):
                for _ in range(2):
                    assert stream_outputs(engine) == first
                    engine.reset()
        with Module("microlite", interpreter=Microlite):
            made = len(Microlite.made)
            for function in (microlite.check, lambda source, header: microlite.load(source, None, None, header)):
                assert "remembers" in str(raises(Unsupported, function, source, header))
            assert len(Microlite.made) == made
    finally:
        os.remove("mulligan-model_0.tflite")
        os.chdir(here)


def test_openmv_does_not_write_a_file_that_is_right():
    class Counted(Region):
        def readinto(self, offset, buf):
            self.reads = getattr(self, "reads", 0) + 1
            Region.readinto(self, offset, buf)

    path = "/tmp/mulligan-engine-test"
    try:
        source = Counted(DIGITS)
        openmv._copy(source, path)
        twice = source.reads
        source.reads = 0
        openmv._copy(source, path)
        assert source.reads == -(-len(DIGITS) // 512) == twice
    finally:
        os.remove(path)


def test_emlearn():
    source, header = opened(region(TINY, 16, 4, tolerance=2))
    with Module("emlearn_cnn_int8", new=Emlearn):
        emlearn.check(source, header)
        engine = emlearn.load(source, None, None, header)
        direct = Emlearn(_array(TINY))
        random = Random(3)
        for _ in range(20):
            given = random.fill(bytearray(16))
            engine.input(0)[:] = given
            engine.invoke()
            floats = _array(bytes(16), "f")
            direct.run(_array([byte ^ 0x80 for byte in given]), floats)
            wanted = [min(127, round(256 * value) - 128) & 0xFF for value in floats]
            assert bytes(engine.output(0)) == bytes(wanted)
        assert engine.describe().arena == 2 * len(TINY)
        for model, inputs, outputs in ((b"MAIX1234", 16, 4), (TINY, 16, 5)):
            source, header = opened(region(model, inputs, outputs))
            raises(ModelError, emlearn.load, source, None, None, header)
        source, header = opened(region(TINY, 15, 4))
        raises(ModelError, emlearn.load(source, None, None, header).invoke)


def _array(values, code="B"):
    from array import array

    return array(code, values)


def test_firmware_without_the_module():
    source, header = opened(region(native_arena=20000))
    for engine in (microlite, openmv, emlearn):
        assert "this firmware has no module" in str(raises(Unsupported, engine.check, source, header))
        raises(Unsupported, engine.load, source, None, None, header)


def name_of(chosen):
    return chosen.__name__.rpartition(".")[2]


def test_the_choice():
    plain, known, tiny = opened(region()), opened(region(native_arena=20000)), opened(region(TINY, 16, 4))
    assert name_of(native.choose("", *plain)) == name_of(native.choose("", *known)) == "builtin"
    assert name_of(native.choose("", *tiny)) == "emlearn"
    with Module("microlite", interpreter=Microlite):
        assert name_of(native.choose("", *plain)) == "builtin"
        assert name_of(native.choose("", *known)) == "microlite"
        assert name_of(native.choose("builtin", *known)) == "builtin"
        with Module("omv"):
            assert name_of(native.choose("", *plain)) == "openmv"
            assert name_of(native.choose("emlearn", *plain)) == "emlearn"


def image(source):
    return Image(source.size, 1, "1.0.0", bytes(32), {}, 0)


def test_serving_runs_what_was_chosen_and_shares_its_arena_with_the_builtin_one_only():
    serving = Serving(None)
    least = len(serving.arena)
    big = Region(slot.build("m", "1.0.0", DIGITS, 3 * least, [(bytes(64), bytes(10), None)], [], [3], native_arena=20000))
    with Module("microlite", interpreter=Microlite):
        served = serving.load(big, image(big))[1]
        assert not served.exact and len(serving.arena) == least
    serving.engine = "builtin"
    served = serving.load(big, image(big))[1]
    assert served.exact and len(serving.arena) == 3 * least
    small = region()
    serving.put("small", serving.load(small, image(small))[1])
    serving.trim()
    assert len(serving.arena) == max(least, serving.served("small").shared)
    with serving.model("small") as m:
        other = reference()
        other.input(0)[:] = bytes(64)
        other.invoke()
        assert bytes(m.invoke(bytes(64))) == bytes(other.output(0))
