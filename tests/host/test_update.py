"""Whole updates on the virtual board: what is downloaded, what survives a bad link, and a power cut at every flash operation."""

import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from host.conftest import MakeRig
from host.rig import BOARD, HEALTH, Rig, chunk_sizes, image, reference
from mulligan.core import manifest
from mulligan_host import keys, release
from mulligan_host.server import Fault, Request, serve

ARTIFACTS = "/artifacts/"


SECTOR = 4096


def downloads(rig: Rig) -> list[Request]:
    return [request for request in rig.web.requests if request.path.startswith(ARTIFACTS)]


def is_at(request: Request, blob: manifest.Blob | manifest.Patch) -> bool:
    return request.path == f"{ARTIFACTS}{blob.sha256.hex()}"


def patch_of(rig: Rig, built: manifest.Manifest, needy: bool = False) -> manifest.Patch:
    """The patch of a release that every board has the heap for, or the ``needy`` one."""
    index = rig.directory.path / "artifacts" / built.artifacts[0].patches.sha256.hex()
    patch: manifest.Patch
    (patch,) = (patch for patch in manifest.parse_index(index.read_bytes()) if bool(patch.heap) == needy)
    return patch


def confirmed(rig: Rig, version: str) -> dict[str, str]:
    """Wait for the confirmation of ``version``; return the facts of its installation."""
    assert rig.wait("confirmed")["version"] == version
    rig.now(version)
    entry = rig.entry()
    assert (rig.version(), entry.trial, entry.frozen) == (version, None, [])
    assert rig.board.partition(f"model_{entry.slot}").startswith(image(version))
    return rig.all("installed")[-1]


@pytest.mark.parametrize("heap", [None, 512 * 1024], ids=["the board's", "plenty"])
def test_by_patch(make_rig: MakeRig, heap: int | None) -> None:
    """With the heap that a board has it is the patch of tier 1, with more the smaller one of tier 2."""
    rig = make_rig(tls=True, heap=heap)
    assert rig.on() == "1.0.0"
    built = rig.publish("1.1.0")
    installed = confirmed(rig, "1.1.0")
    patch = patch_of(rig, built, needy=heap is not None)
    assert patch.size <= patch_of(rig, built).size
    assert (installed["source"], installed["received"]) == ("patch", str(patch.size))
    assert patch.size < len(image("1.1.0")) // 5
    assert [request.sent for request in downloads(rig) if is_at(request, patch)] == [patch.size]
    assert not [request for request in downloads(rig) if is_at(request, built.artifacts[0].full)]
    assert not any("order" in request.path for request in rig.web.requests)  # it waits for none, so it asks for none
    state = rig.state()
    assert (state.sequence, rig.entry().floor, rig.entry().slot) == (built.sequence, built.artifacts[0].counter, 1)
    outputs = {line.split()[1].split("=")[1]: line.split("output=")[1] for _, line in rig.events if line.startswith("app: ")}
    assert outputs == {version: reference(version)[0][1].hex() for version in ("1.0.0", "1.1.0")}
    assert rig.restart() == "1.1.0"


def test_from_slot_to_slot_and_back(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.on()
    for version, slot in (("1.1.0", 1), ("1.4.0", 0), ("1.5.0", 1)):
        rig.publish(version, image(version, model="1.0.0" if slot == 0 else "1.1.0"))
        assert rig.wait("confirmed")["version"] == version
        assert rig.entry().slot == slot
        assert rig.all("installed")[-1]["source"] == "patch"


def test_full_where_the_base_is_unknown(make_rig: MakeRig) -> None:
    rig = make_rig(model=image("0.9.0", model="1.0.0"), released=False)
    assert rig.on() == "0.9.0"
    rig.build("1.0.0")
    built = rig.publish("1.1.0")
    assert built.artifacts[0].patches is not None
    installed = confirmed(rig, "1.1.0")
    assert (installed["source"], installed["received"]) == ("full", str(built.artifacts[0].full.size))


def test_first_model_of_a_blank_board(make_rig: MakeRig) -> None:
    rig = make_rig(tls=True, blank=True)
    assert rig.on() == "None"
    rig.publish("1.0.0")
    assert confirmed(rig, "1.0.0")["source"] == "full"
    assert rig.entry().slot == 0
    assert rig.restart() == "1.0.0"


def test_a_second_model_without_a_slot_pair_is_refused(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.on()
    with rig.unchanged():
        rig.publish("2.0.0", image("2.0.0", model="1.0.0", name="other"))
        refused = rig.wait("refused")
    assert refused["code"] == "36"
    assert not downloads(rig)


def test_an_unchanged_release_is_not_downloaded_again(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.on()
    rig.publish("1.1.0")
    confirmed(rig, "1.1.0")
    done = len(downloads(rig))
    journal = rig.journal()
    polls = len(rig.web.requests)
    rig.restart()
    while len(rig.web.requests) < polls + 3:
        rig.served()
    assert len(downloads(rig)) == done
    assert rig.journal() == journal
    assert len(rig.all("found")) == 1


def test_over_plain_http(make_rig: MakeRig) -> None:
    rig = make_rig(tls=False)
    rig.on()
    rig.publish("1.1.0")
    assert confirmed(rig, "1.1.0")["source"] == "patch"


def test_server_down_at_boot_then_up(make_rig: MakeRig) -> None:
    rig = make_rig(tls=True)
    rig.publish("1.1.0")
    rig.web.faults = lambda request: Fault(drop_after=0)
    assert rig.on() == "1.0.0"
    rig.wait("waiting")
    rig.wait("waiting")
    assert rig.served() == "1.0.0"
    rig.web.faults = None
    confirmed(rig, "1.1.0")
    assert not rig.all("rolled-back")


def test_nothing_listens_at_boot(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.close_server()
    with_server_gone = rig.on()
    assert with_server_gone == "1.0.0"
    assert rig.wait("waiting")["code"] == "60"
    assert rig.served() == "1.0.0"


# A bad link


def test_a_dropped_link_goes_on_at_the_last_whole_chunk(make_rig: MakeRig) -> None:
    rig = make_rig(tls=True, model=image("0.9.0", model="1.0.0"), released=False)
    rig.on()
    patch = rig.build("1.1.0").artifacts[0].full  # its chunks are sectors, a patch's much more
    sizes = chunk_sizes(rig.directory, patch)
    head = patch.size - sum(sizes)
    whole = 5  # the link ends inside the sixth
    # Slowly, because what is received and not yet read is lost with the link.
    faults = [Fault(drop_after=head + sum(sizes[:whole]) + sizes[whole] // 2, drip=(128, 0.02))]
    rig.web.faults = lambda request: faults.pop() if is_at(request, patch) and faults else None
    rig.directory.sign("1.1.0", rig.signer)
    rig.wait("found")
    assert rig.wait("waiting")["code"] == "60"
    installed = confirmed(rig, "1.1.0")
    resumed = int(installed["resumed"])
    assert 0 < resumed <= whole
    assert int(installed["received"]) == patch.size - sum(sizes[:resumed])
    ranges = [request.range for request in downloads(rig) if is_at(request, patch)]
    assert ranges == [None, None, f"bytes={head + sum(sizes[:resumed])}-"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(redirect="/artifacts/elsewhere"), "status 302"),
        (Fault(content_length=100), "shorter"),
        (Fault(content_length=1 << 20), "at most"),
        (Fault(drop_after=10), "link lost"),
        (Fault(drop_after=0), "link lost"),
    ],
    ids=["redirect", "too short", "too long", "truncated", "nothing"],
)
def test_a_bad_answer_is_waited_out(make_rig: MakeRig, fault: Fault, reason: str) -> None:
    rig = make_rig()
    rig.on()
    patch = patch_of(rig, rig.build("1.1.0"))
    rig.web.faults = lambda request: fault if is_at(request, patch) else None
    rig.directory.sign("1.1.0", rig.signer)
    rig.wait("found")
    with rig.unchanged():
        waiting = rig.wait("waiting")
    assert waiting["code"] == "60"
    assert reason in waiting["reason"]
    rig.web.faults = None
    confirmed(rig, "1.1.0")


def test_a_steady_trickle_is_enough(make_rig: MakeRig) -> None:
    rig = make_rig(tls=True)
    rig.on()
    rig.web.faults = lambda request: Fault(drip=(100, 0.002))
    rig.publish("1.1.0")
    assert confirmed(rig, "1.1.0")["resumed"] == "0"


def test_a_patch_that_changed_on_the_server_gives_way_to_the_full_artifact(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.on()
    built = rig.build("1.1.0")
    patch = patch_of(rig, built)
    path = rig.directory.path / "artifacts" / patch.sha256.hex()
    data = bytearray(path.read_bytes())
    data[-20] ^= 0x10
    path.write_bytes(data)
    rig.directory.sign("1.1.0", rig.signer)
    assert rig.wait("patch-failed")["code"] == "40"
    installed = confirmed(rig, "1.1.0")
    assert (installed["source"], installed["resumed"]) == ("full", "7")  # what the patch wrote is right up to its damage


def test_a_damaged_full_artifact_costs_one_sector_at_most_and_is_tried_again(make_rig: MakeRig) -> None:
    rig = make_rig(model=image("0.9.0", model="1.0.0"), released=False)
    rig.on()
    built = rig.build("1.1.0")
    path = rig.directory.path / "artifacts" / built.artifacts[0].full.sha256.hex()
    good = path.read_bytes()
    bad = bytearray(good)
    bad[200] ^= 0x10  # in the first chunk
    path.write_bytes(bad)
    rig.directory.sign("1.1.0", rig.signer)
    erases = rig.board.flash.counters.erases
    with rig.unchanged():
        assert rig.wait("refused")["code"] == "40"
        assert rig.wait("refused")["code"] == "40"
    assert rig.board.flash.counters.erases <= erases + 3  # the first sector of the event log, and that of the slot each time
    path.write_bytes(good)
    confirmed(rig, "1.1.0")


# Power cuts


@pytest.mark.powerloss
def test_a_power_cut_at_every_flash_operation(make_rig: MakeRig, tmp_path: Path, every: bool) -> None:
    """At each operation of an update, before it, inside and after: old or new serves, and new is confirmed in the end."""
    rig, template, patch, clean = prepared(make_rig, tmp_path)
    points = [(operation, keep) for operation in range(1, clean + 1) for keep in (0.0, 0.5, 1.0)]
    for operation, keep in points if every else points[1::43]:
        rig.load(template)
        rig.board.cut_power(operation, keep)
        rig.board.power_on()
        assert "power cut" in rig.board.wait_off(), (operation, keep)
        held, sizes = rig.board.partition("model_1"), chunk_sizes(rig.directory, patch)
        written = next(i for i in range(len(sizes), -1, -1) if held.startswith(image("1.1.0")[: i * SECTOR]))
        rig.events.clear()
        assert rig.on() in ("1.0.0", "1.1.0"), (operation, keep)
        ends_on_new(rig)
        for installed in rig.all("installed"):
            assert int(installed["resumed"]) == written, (operation, keep)
            assert int(installed["received"]) == patch.size - sum(sizes[:written]), (operation, keep)


@pytest.mark.powerloss
def test_killed_at_random_moments(
    make_rig: MakeRig, tmp_path: Path, every: bool, record_property: Callable[[str, int], None]
) -> None:
    """SIGKILL at any moment of an update, again and again until it is done: old or new serves, new is confirmed in the end."""
    rig, template, _, _ = prepared(make_rig, tmp_path)
    chance = random.Random(1)
    kills = 0
    while kills < (200 if every else 4):
        rig.load(template)
        while True:
            since = time.monotonic()
            assert rig.on() in ("1.0.0", "1.1.0")
            boot = time.monotonic() - since
            if rig.version() == "1.1.0" and not rig.entry().trial:
                break
            rig.board.power_off()
            rig.board.power_on()
            time.sleep(chance.uniform(0, 4 * boot))
            rig.board.power_off()
            kills += 2
        ends_on_new(rig)
    record_property("SIGKILLs on the virtual board", kills)


def prepared(make_rig: MakeRig, tmp_path: Path) -> tuple[Rig, Path, manifest.Blob, int]:
    """A board with an update on offer, the file of its flash before, the patch, and the flash operations that it takes.

    The patch is the full artifact, whose chunks are sectors.
    """
    rig = make_rig(model=image("1.0.0"), released=False)
    rig.on()  # the first boot writes otadata
    rig.board.power_off()
    template = tmp_path / "template.bin"
    shutil.copyfile(rig.path, template)
    patch = rig.publish("1.1.0").artifacts[0].full
    before = rig.operations()
    rig.on()
    rig.wait("confirmed")
    return rig, template, patch, rig.operations() - before


def ends_on_new(rig: Rig) -> None:
    """The update goes on by itself: 1.1.0 ends up confirmed, in service and whole, 1.0.0 untouched beside it."""
    rig.now("1.1.0")
    entry = rig.entry()
    assert (rig.version(), entry.trial, entry.frozen, entry.slot) == ("1.1.0", None, [], 1)
    assert rig.board.partition("model_1").startswith(image("1.1.0"))
    assert rig.board.partition("model_0").startswith(image("1.0.0"))


# A heap in pieces

TIGHT = """
import machine
from mulligan import agent

real, calls = bytearray, []


def tight(size):
    if {when}:
        raise MemoryError
    room = real(size)
    calls.append(size)  # not one that fails: a smaller one follows
    return room


agent.bytearray = tight
"""


def test_a_heap_in_pieces_after_an_update_is_put_together_by_a_reset(make_rig: MakeRig) -> None:
    rig = make_rig(prelude=TIGHT.format(when="calls and machine.reset_cause() == 1"))
    rig.on()
    rig.publish("1.1.0")
    confirmed(rig, "1.1.0")
    rig.publish("1.4.0", image("1.4.0", model="1.0.0"))
    for _ in range(2):
        assert "MemoryError" in rig.wait("waiting")["reason"]
    rig.wait("resetting")
    assert rig.wait("confirmed")["version"] == "1.4.0"
    assert [cause for cause, _ in rig.board.resets] == [1, 2]


def test_a_heap_that_is_too_small_does_not_reset_the_board(make_rig: MakeRig) -> None:
    rig = make_rig(prelude=TIGHT.format(when="True"))
    rig.on()
    with rig.unchanged():
        rig.publish("1.1.0")
        for _ in range(6):
            assert "MemoryError" in rig.wait("waiting")["reason"]
    assert [cause for cause, _ in rig.board.resets] == [1]


# The command


def test_mulligan_board_virtual(tmp_path: Path) -> None:
    """A board made by the command lives through a power cut and takes its update, over three runs."""
    signer = keys.create(tmp_path / "k.pem")
    (tmp_path / "old.mslt").write_bytes(image("1.0.0"))
    directory = release.Directory(tmp_path / "rel")
    for version in ("1.0.0", "1.1.0"):
        directory.build(release.Order(image(version), [BOARD], HEALTH))
    directory.sign("1.1.0", signer)

    def run(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "mulligan_host", "board", "virtual", "flash", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    with serve(directory.path) as web:
        (tmp_path / "ca.der").write_bytes(web.ca_der)
        made = ["--key", "k.pub.pem", "--model", "old.mslt", "--url", web.url, "--ca", "ca.der", "--poll-ms", "100"]
        code, said = run(*made, "--power-cut", "30")
        assert (code, "board: power cut after 512 of 1024 bytes" in said) == (0, True), said
        code, said = run("--until", r"^app: version=1\.1\.0 ")
        assert (code, "mulligan: confirmed name=digits version=1.1.0" in re.sub(r"ms=\d+ ", "", said)) == (0, True), said
    code, said = run("--until", "serving name=digits slot=1 version=1.1.0")
    assert code == 0, said
    code, said = run("--until", "never printed", "--timeout", "1")
    assert (code, said.splitlines()[-1]) == (1, "error: no console line matched 'never printed' within 1 s"), said


def test_ctrl_c_ends_a_board(tmp_path: Path) -> None:
    keys.create(tmp_path / "k.pem")
    command = [sys.executable, "-m", "mulligan_host", "board", "virtual", "flash", "--key", "k.pub.pem"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("mulligan: boot"):
                break
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert rest.splitlines()[-1].startswith("board: power off")
