"""The user's side: an asyncio app beside ``mulligan.run()``, and one that steps by itself, both on the virtual board."""

import dataclasses
from pathlib import Path

import pytest

from mulligan_host import ceremony, keys, pack, provision, release, server
from mulligan_host.micropython import MicroPython
from mulligan_host.models.samples import Samples, load_samples
from mulligan_host.resources import resource
from mulligan_host.virtual.board import VirtualBoard

ASYNC_APP = b"""
import asyncio
import mulligan

async def infer():
    version = None
    while True:
        with mulligan.model("digits") as m:
            scores = m.invoke(bytes(64))
            before = m.version
            await asyncio.sleep_ms(0)
            assert m.version == before, "swapped inside a with block"
            if before != version:
                version = before
                print("now", version, len(scores), m.labels[9])
        await asyncio.sleep_ms(0)

async def main():
    await asyncio.gather(infer(), mulligan.run())

asyncio.run(main())
"""

NO_MODEL_APP = b"""
import mulligan
from mulligan.core.errors import NotAvailable
try:
    mulligan.model("speech")
except NotAvailable as e:
    print("none:", e.code, e)
print("wait", mulligan.step() > 0, mulligan.status()["artifacts"][0]["version"])
"""


def _image(version: str, samples: Samples) -> bytes:
    tflite = resource(f"models/digits-{version}.tflite").read_bytes()
    return pack.pack(tflite, "digits", version, samples, list("0123456789"))


@pytest.fixture(scope="module")
def images() -> dict[str, bytes]:
    samples = load_samples(resource("models/golden.npz"))
    few = Samples(samples.x[:2])
    return {version: _image(version, few) for version in ("1.0.0", "1.1.0")}


@pytest.mark.parametrize("native", [True, False], ids=["viper", "plain"])
def test_an_asyncio_app_infers_through_an_update(
    native: bool, tmp_path: Path, images: dict[str, bytes], micropythons: list[MicroPython], micropython32: MicroPython
) -> None:
    """Also where the port has no native emitter, which are 64-bit ones (AArch64): then the package holds no viper code."""
    if native and not micropython32.has_native:
        pytest.skip(f"{micropython32.label} has no native emitter: only the plain kernels run here")
    mp = micropython32 if native else dataclasses.replace(micropythons[0], has_native=False)
    signer = keys.create(tmp_path / "key.pem")
    directory = release.Directory(tmp_path / "releases")
    for image in images.values():
        built = directory.build(release.Order(image, ["virtual"], release.Health(correct=2)))
    directory.sign(built.release, signer)
    with server.serve(directory.path) as web:
        setup = provision.Setup(
            "virtual",
            ceremony.first([signer], [signer.public]),
            images["1.0.0"],
            web.url + "/",
            web.ca_der,
            poll_ms=200,
            files={"main.py": ASYNC_APP},
        )
        provision.virtual_flash(tmp_path / "flash.bin", setup, mp)
        with VirtualBoard(tmp_path / "flash.bin", [mp], wall_watchdog=5) as board:
            board.power_on()
            board.wait("^now 1.0.0 10 9$")
            board.wait("^mulligan: confirmed .*version=1.1.0")
            board.wait("^now 1.1.0 10 9$")
            assert len(board.resets) == 1  # a model is swapped without a reset


def test_an_app_without_its_model_or_a_server(tmp_path: Path, images: dict[str, bytes], micropython32: MicroPython) -> None:
    setup = provision.Setup(
        "virtual", ceremony.first([keys.Signer.generate()], []), images["1.0.0"], files={"main.py": NO_MODEL_APP}
    )
    provision.virtual_flash(tmp_path / "flash.bin", setup, micropython32)
    with VirtualBoard(tmp_path / "flash.bin", [micropython32]) as board:
        board.power_on()
        assert "none: 80 no confirmed model speech on this device" in board.wait("^none: ")
        assert board.wait("^wait ") == "wait True 1.0.0"
