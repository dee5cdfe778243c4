# SPDX-License-Identifier: Apache-2.0
"""The C side of the board: images build within their budgets, and one test program computes the
same on every machine."""

import os
import re
import shutil
import struct
import subprocess
import zlib
from contextlib import closing
from dataclasses import replace

import pytest
from edge_lp.board import count, emulate, verify
from edge_lp.board.session import ALL_OUTPUTS, Board
from edge_lp.errors import EdgeLpError
from edge_lp.model.find import read_model
from edge_lp.model.format import pack
from edge_lp.model.spec import DetectorConfig
from edge_lp.runtime import Model
from expected import is_expected, listed
from paths import ROOT
from random_model import random_spec
from twins import audio, detector

# CRC-32 of the features of test_runtime's first second; made by firmware/tools/runtime_test.c with
# the front end as it was first committed (front end 1).
FRONT_END_1 = "7ad80a32"
# The whole spotter with random_spec(1), a 1.0 model, and the core alone; made with library 0.1.0.
SPOTTER_0_1, CORE_0_1 = "1b62ac1c", "e3674dfc"


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")


def need_board(name):
    try:
        return emulate.target(name)
    except EdgeLpError as e:
        pytest.skip(str(e))


@pytest.fixture(scope="module")
def model():
    return pack(random_spec(1))


def make(folder, model, *variables):
    need("make", "cc")
    (folder / "m.lpb").write_bytes(model)
    return subprocess.run(
        [
            "make",
            "-s",
            "-C",
            str(ROOT / "firmware"),
            f"MODEL={folder / 'm.lpb'}",
            f"BUILD={folder}",
            *variables,
        ],
        capture_output=True,
        text=True,
    )


def test_m4_image_within_budget(tmp_path, model):
    need("arm-none-eabi-gcc")
    done = make(tmp_path, model, "BOARD=m4")
    assert done.returncode == 0, done.stderr
    flash, flash_budget = map(
        int, re.search(r"flash +(\d+) bytes, budget (\d+)", done.stdout).groups()
    )
    ram, ram_budget = map(int, re.search(r"RAM +(\d+) bytes, budget (\d+)", done.stdout).groups())
    stack, bound = map(int, re.search(r"stack (\d+) \(bound (\d+)\)", done.stdout).groups())
    assert (flash_budget, ram_budget) == (48 * 1024, 16 * 1024)
    assert 30_000 < flash <= flash_budget and 11_000 < ram <= ram_budget and 300 < bound <= stack


def test_over_budget_fails_with_both_numbers(tmp_path, model):
    need("arm-none-eabi-gcc")
    done = make(tmp_path, model, "BOARD=m4", "RAM_BUDGET=11000", "FLASH_BUDGET=30000")
    assert done.returncode != 0 and not (tmp_path / "firmware.elf").exists()
    assert re.search(r"flash is \d+, the budget 30000", done.stderr) and re.search(
        r"RAM is \d+, the budget 11000", done.stderr
    )


def test_content_decides(tmp_path, model):
    """C4: in the same BUILD, another model, other audio and other flags are built in even where the
    file given is older; and the same once more is built from nothing anew."""
    need("arm-none-eabi-gcc")
    other, elf = pack(random_spec(2)), tmp_path / "count.elf"
    (tmp_path / "old").mkdir()
    for name, data in (("m.lpb", other), ("a.pcm", b"quiet" * 4), ("b.pcm", b"loud!" * 4)):
        (tmp_path / "old" / name).write_bytes(data)
        os.utime(tmp_path / "old" / name, (0, 0))

    def image(lpb, audio, *variables):
        done = make(
            tmp_path, model, "BOARD=m4", "PROGRAM=count", f"MODEL={lpb}",
            f"AUDIO={tmp_path / 'old' / audio}", *variables,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return elf.read_bytes()

    first = image(tmp_path / "m.lpb", "a.pcm")
    assert model in first and other not in first and b"quietquiet" in first
    when = elf.stat().st_mtime_ns
    assert image(tmp_path / "m.lpb", "a.pcm") == first and elf.stat().st_mtime_ns == when
    second = image(tmp_path / "old" / "m.lpb", "b.pcm")
    assert other in second and model not in second and b"loud!loud!" in second
    assert len(image(tmp_path / "old" / "m.lpb", "b.pcm", "OPT=-Os")) < len(second)


@pytest.mark.parametrize("n_labels, longest", [(64, 3), (2, 200)])
def test_replies_are_sized_by_the_model(tmp_path, n_labels, longest):
    """What the session keeps to answer again is as long as this model's longest reply, and every
    output can be asked for at once; it was 512 bytes four times."""
    spec = random_spec(4, sizes=(8, 8), n_labels=n_labels, n_keywords=1)
    labels = [f"{i:0{longest}}" for i in range(n_labels)]
    model = pack(replace(spec, labels=labels))
    assert make(tmp_path, model, "BOARD=posix").returncode == 0
    sizes = (tmp_path / "sizes.h").read_text()
    assert f"#define REPLY_BODY {max(107 + 6 * n_labels, longest)}\n" in sizes
    with emulate.Emulator("posix", model) as e, Board(e.port) as board:
        assert board.labels == labels
        board.configure(ALL_OUTPUTS)
        assert len(list(board.push(count.babble(1)[:1600]))) == 10


def test_a_damaged_model_in_flash_is_told(tmp_path, model):
    """As SPEC.md numbers it: the firmware said "failed with runtime status" of a model."""
    assert make(tmp_path, model, "BOARD=posix").returncode == 0
    image = (tmp_path / "firmware.elf").read_bytes()
    assert image.count(model) == 1
    (tmp_path / "firmware.elf").write_bytes(
        image.replace(model, model[:-1] + bytes([model[-1] ^ 1]))
    )
    process = subprocess.Popen([tmp_path / "firmware.elf"], stdout=subprocess.PIPE, text=True)
    try:
        port = process.stdout.readline().split()[1]
        board = Board(port)
        with pytest.raises(EdgeLpError, match=r"cannot run the model in its flash \(status -8\)"):
            board.hello()
        board.close()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("program", ["firmware", "count", "runtime_test", "audio"])
def test_every_stack_has_a_bound(tmp_path, model, program):
    """C5: no program is built whose deepest path does not fit; count and runtime_test were. Unless
    it is given, the stack is as large as its bound."""
    need("arm-none-eabi-gcc")
    (tmp_path / "a.pcm").write_bytes(bytes(320))
    variables = ("BOARD=m4", f"PROGRAM={program}", f"AUDIO={tmp_path / 'a.pcm'}")
    done = make(tmp_path, model, *variables)
    assert done.returncode == 0, done.stderr
    stack, bound = map(int, re.search(r"stack (\d+) \(bound (\d+)\)", done.stdout).groups())
    assert 300 < bound <= stack < bound + 8
    done = make(tmp_path, model, *variables, f"STACK_BYTES={bound - 1}")
    assert done.returncode != 0 and not (tmp_path / f"{program}.elf").exists()
    assert f"the stack's bound is {bound}, the budget {bound - 1}" in done.stderr


@pytest.mark.parametrize(
    "variables,message",
    [
        (("BOARD=m5",), "no board 'm5'"),
        (("MODEL=/nowhere.lpb",), "is not a file"),
        (("BOARD=m4", "CROSS=no-such-"), "needs the compiler no-such-gcc"),
    ],
)
def test_wrong_variables(tmp_path, model, variables, message):
    done = make(tmp_path, model, *variables)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1


def test_damaged_model_is_not_built_in(tmp_path, model):
    done = make(tmp_path, model[:-1], "BOARD=posix")
    assert done.returncode != 0 and "not a model that this runtime can run" in done.stderr


# Of the shipped model, in bytes: what it came down to, so that it does not grow unseen.
ARENA, FIRMWARE_RAM, FIRMWARE_FLASH = 9_632, 14_096, 41_984
# Boards that no test runs within their budgets, microphones included.
BUILT = ("nucleo", "h405", "iot01a", "nano33", "xiao", "microbit", "xtensa", "pico2", "pico2 pdm",
         "pico pdm")  # fmt: skip


@pytest.mark.parametrize("name", BUILT)
def test_boards_that_are_only_built_are_in_their_budgets(tmp_path, name):
    """With the shipped model, as `make` builds them, which fails over a budget or a stack."""
    need("arm-none-eabi-gcc")
    board, *microphone = name.split()
    variables = [f"BOARD={board}", *(f"MICROPHONE={m}" for m in microphone)]
    done = make(tmp_path, read_model("commands12"), *variables)
    assert done.returncode == 0 and done.stderr == ""
    ram = int(re.search(r"RAM +\d+ bytes, budget (\d+)", done.stdout)[1])
    assert ram == 16 * 1024


def test_the_shipped_model_takes_what_it_took(tmp_path):
    """On a Cortex-M4: flash, RAM with the stack, and the arena."""
    need("arm-none-eabi-gcc")
    budgets = (f"RAM_BUDGET={FIRMWARE_RAM}", f"FLASH_BUDGET={FIRMWARE_FLASH}")
    done = make(tmp_path, read_model("commands12"), "BOARD=m4", *budgets)
    assert done.returncode == 0, done.stderr
    assert int(re.search(r"arena (\d+)", done.stdout)[1]) <= ARENA


def test_tiny_leaves_a_micro_bit_room(tmp_path):
    """Of 16 KB, for an application beside the whole firmware."""
    need("arm-none-eabi-gcc")
    done = make(tmp_path, read_model("tiny"), "BOARD=microbit", f"RAM_BUDGET={16384 - 4600}")
    assert done.returncode == 0, done.stderr


def test_a_pico_2_starts_and_is_a_pico_2(tmp_path, model):
    """Flash begins with the stack, the way in, and the block that the RP2350's bootrom looks for;
    the addresses are that chip's, not the RP2040's of the folder that the code is in."""
    need("arm-none-eabi-gcc")
    assert make(tmp_path, model, "BOARD=pico2").returncode == 0
    uf2 = (tmp_path / "firmware.uf2").read_bytes()
    first, uf2 = uf2[:512], uf2[512:]  # RP2350-E10: the absolute family's, to be ignored
    assert struct.unpack_from("<8I", first) == (
        0x0A324655, 0x9E5D5157, 0xA000, 0x10FFFF00, 256, 0, 2, 0xE48BFF57,
    )  # fmt: skip
    assert first[32:288] == b"\xef" * 256 and first[288:292] == struct.pack("<I", 0x9957E304)
    assert struct.unpack_from("<II", uf2, 20) == (0, len(uf2) // 512)
    assert struct.unpack_from("<I", uf2, 28) == (0xE48BFF59,)  # RP2350, Arm, secure
    image = b"".join(uf2[at + 32 : at + 288] for at in range(0, len(uf2), 512))
    stack, start, *_ = struct.unpack_from("<4I", image)
    assert 0x20000000 < stack <= 0x20082000 and 0x10000000 < start < 0x10001000 and start & 1
    assert struct.unpack_from("<5I", image, 16) == (
        0xFFFFDED3, 0x10210142, 0x000001FF, 0, 0xAB123579,
    )  # fmt: skip
    uart, old_uart = (struct.pack("<I", base) for base in (0x40070000, 0x40034000))
    words = [image[at : at + 4] for at in range(0, len(image), 4)]
    assert old_uart not in words and any(w[2:] == uart[2:] for w in words)


@pytest.mark.parametrize(
    "name, said, words, page",
    [
        ("microbit", "microbit", "commands12", "board-nrf.md"),
        ("microbit", "microbit", "tiny", "board-nrf.md"),
        ("h405", "stm32-h405", "commands12", "board-stm32.md"),
    ],
)
def test_a_board_runs_a_shipped_model(name, said, words, page, monkeypatch):
    """Every frame is the host's; on a micro:bit in 16 KB of RAM, all of it. What is printed is what
    the board's page says."""
    need_board(name)
    model = read_model(words)
    with emulate.Emulator(name, model) as e, closing(Board(e.port)) as board:
        assert board.hello(patience=60).name == said
        (verdict,) = verify.verify(Model(model), board, [("babble", count.babble(1))])
        statistics = board.statistics()
        stack = int(re.search(r"stack (\d+) ", e.report)[1])
        is_expected(page, listed(monkeypatch, f"{e.port}", board), str(verdict))
    assert verdict.difference is None and verdict.frames == 100
    assert statistics["lost"] == 0 and 0 < statistics["stack"] <= stack


def test_runtime_objects(tmp_path):
    """No data, no undefined symbols but the two that gcc itself asks for, and no more code than
    this (Cortex-M4, -Os)."""
    need("arm-none-eabi-gcc")
    code, limit = 0, 23_000
    defined, undefined = set(), set()
    for source in sorted((ROOT / "runtime").glob("*.c")):
        out = tmp_path / f"{source.stem}.o"
        subprocess.run(
            [
                "arm-none-eabi-gcc",
                "-mcpu=cortex-m4",
                "-mthumb",
                "-std=c99",
                "-Os",
                "-ffreestanding",
                "-Wall",
                "-Wextra",
                "-Wpedantic",
                "-Werror",
                "-c",
                str(source),
                "-o",
                str(out),
            ],
            check=True,
        )
        text, data, bss = map(
            int,
            subprocess.check_output(["arm-none-eabi-size", str(out)], text=True)
            .splitlines()[1]
            .split()[:3],
        )
        assert data == bss == 0, source.name
        code += text
        for line in subprocess.check_output(["arm-none-eabi-nm", str(out)], text=True).splitlines():
            kind, name = line.split()[-2:]
            (undefined if kind == "U" else defined).add(name)
    assert undefined - defined <= {"memcpy", "memset"} and 10_000 < code <= limit


def run_test_program(t, folder, model, *variables):
    folder.mkdir()
    (folder / "m.lpb").write_bytes(model)
    done = make(
        folder,
        model,
        f"BOARD={t.board}",
        "PROGRAM=runtime_test",
        *([f"CROSS={t.cross}"] if t.cross else []),
        *variables,
    )
    assert done.returncode == 0, done.stderr
    command = emulate.run_command(t, folder / "runtime_test.elf")
    ran = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900
    )
    assert ran.returncode == 0 and ran.stdout.endswith("passed\n"), ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def reference(tmp_path_factory, model):
    return run_test_program(need_board("posix"), tmp_path_factory.mktemp("posix") / "b", model)


def test_front_end_is_still_version_1(reference):
    assert f"front_end {FRONT_END_1}\n" in reference


def test_a_1_0_model_gives_the_same_bits_as_ever(reference):
    assert f"\nspotter {SPOTTER_0_1}\ncore {CORE_0_1}\n" in reference


@pytest.mark.parametrize("name, shortest, stride", [("detector", 3, 1), ("every_second", 4, 2)])
def test_the_detectors_digest_is_the_twins(reference, name, shortest, stride):
    """What runtime_test.c feeds its detector, to the twin: so every board equals the twin."""
    state = 11

    def draw():
        nonlocal state
        state = (1664525 * state + 1013904223) % 2**32
        return state >> 8

    logits, leader = [], 0
    for t in range(1200):
        if t % 24 == 0:
            leader = draw() % 6
        logits.append([draw() % 1024 - 512 + 1500 * (i == leader) for i in range(6)])
    thresholds = tuple(t / 32767 for t in (9000, 12000, 15000, 18000))
    config = DetectorConfig((shortest, 10, 40), thresholds, 8, 5, 3, 1, 60, stride)
    events, posteriors = detector.detect(logits, 4, config)
    came = {e.frame + -(-config.hold // stride) * stride: e for e in events}
    assert len(events) > 10 and {e.wake for e in events} == {True, False}
    data, awake = b"", 0
    for t, row in enumerate(posteriors):
        awake = max(0, awake - stride * ((t + 1) % stride == 0))
        if t in came and came[t].wake:
            awake = config.wake
        data += struct.pack("<6HI", *row, awake)
        if t in came:
            data += struct.pack("<IIHHH", *vars(came[t]).values())
    assert f"\n{name} {zlib.crc32(data):08x}\n" in reference


def test_the_audios_digest_is_the_twins(reference):
    """What runtime_test.c feeds its rate changers and its PDM microphone, to the twins."""
    state, noise = 13, []
    for _ in range(2000):
        state = (1664525 * state + 1013904223) % 2**32
        noise.append((state >> 8) % 65536 - 32768)
    slow, bits = audio.interpolate(noise), bytes(x % 256 for x in noise)
    data, fast, heard = b"", audio.decimate(noise), audio.pdm_pcm(bits, 2)
    for t in range(40):
        for came, per in ((fast, (50, 3)), (slow, (100, 1)), (heard, (50, 12))):
            first, end = (i * per[0] // per[1] for i in (t, t + 1))
            data += struct.pack(f"<{end - first}h", *came[first:end])
    assert f"\naudio {zlib.crc32(data):08x}\n" in reference


MACHINES = "m4 h405 m3 m7 m33 m55 pico rv32 xtensa dc233c aarch64 s390x mips"


@pytest.mark.parametrize("name", MACHINES.split())
def test_same_digest_everywhere(tmp_path, model, reference, name):
    assert run_test_program(need_board(name), tmp_path / "b", model) == reference


def test_same_digest_with_neon(tmp_path, model, reference):
    """As a wheel for AArch64 is compiled: the kernel with vectors, which takes more memory."""
    variables = ("KERNEL=", "OPT=-O3")
    ran = run_test_program(need_board("aarch64"), tmp_path / "b", model, *variables)
    assert ran == reference


def test_same_digest_in_webassembly(tmp_path, model, reference):
    """As the web page is built, run by node."""
    need("clang", "wasm-ld", "node")
    (tmp_path / "m.lpb").write_bytes(model)
    page = ROOT / "tests" / "web"
    build = [
        ROOT / "host" / "web" / "wasm.sh",
        tmp_path / "t.wasm",
        "-DARENA_BYTES=262144",  # with vectors it takes more than a board
        f'-DMODEL_FILE="{tmp_path / "m.lpb"}"',
        f"-I{ROOT / 'firmware'}",
        page / "digest_model.S",
        page / "digest_hal.c",
        ROOT / "firmware" / "tools" / "runtime_test.c",
        *sorted((ROOT / "runtime" / "audio").glob("*.c")),
    ]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ran = subprocess.run(
        ["node", page / "digest.mjs", tmp_path / "t.wasm"], capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout) == (0, reference), ran.stderr


def test_same_digest_as_arduino_builds_it(tmp_path, model, reference):
    """C11: all at -Os, and src/ raises what runs in every frame by itself."""
    variables = ("RUNTIME=../src", "OPT=-Os")
    assert run_test_program(need_board("m4"), tmp_path / "b", model, *variables) == reference


def sanitized(compiler, folder, model, *sources):
    """A program of this machine with the runtime, the model in it and the kernel of boards, that
    stops at the first undefined behaviour."""
    make(folder, model, "BOARD=posix")
    flags = ["-std=c99", "-g", "-O1", "-Wall", "-Wextra", "-DLP_NO_CLONES", "-DLP_VECTORS=0"]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    flags += ["-Iruntime", "-Ifirmware", "-include", f"{folder / 'sizes.h'}"]
    flags += [f'-DMODEL_FILE="{folder / "m.lpb"}"']
    runtime = sorted((ROOT / "runtime").rglob("*.c"))
    command = [compiler, *flags, *sources, "firmware/model.S", *runtime, "-o", folder / "program"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "program"


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_under_sanitizers(tmp_path, model, reference, compiler):
    need(compiler)
    hal = ("firmware/boards/posix/hal.c", "firmware/microphones/none.c")
    program = sanitized(compiler, tmp_path, model, "firmware/tools/runtime_test.c", *hal)
    ran = subprocess.run([program], capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, reference), ran.stderr[-2000:]


def test_session_survives_anything(tmp_path, model):
    """The seeded form of the fuzz harness, under sanitizers."""
    need("clang")
    sources = ("tests/c/fuzz_session.c", *(f"firmware/{n}.c" for n in ("session", "spot", "frame")))
    program = sanitized("clang", tmp_path, model, *sources)
    ran = subprocess.run([program, "2000"], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr[-2000:]
    said = r"2000 inputs, (\d+) configured, (\d+) frames of the microphone\n"
    assert all(int(n) > 50 for n in re.fullmatch(said, ran.stdout).groups()), ran.stdout


def test_counts_repeat_and_are_of_the_right_work(model):
    """Two runs agree to the instruction; RV32 and the code for an M0+ compute what M4 does."""
    t = [need_board(n) for n in ("m4", "rv32")]
    pcm = count.babble(1)
    a, b = count.count("m4", model, pcm), count.count("m4", model, pcm)
    assert a == b and len(t) == 2
    assert a["total"] == a["front_end"] + a["network"] + a["detector"] and a["front_end"] > 1e6
    for name in ("rv32", "m0"):
        other = count.count(name, model, pcm, functions=False)
        assert [other[k] for k in ("crc", "spikes", "synops")] == [
            a[k] for k in ("crc", "spikes", "synops")
        ]
        assert other["total"] > 1.2 * a["total"]  # it is other code
    # functions are counted from the start on, in which reach() bounds the net once
    work = sum(n for name, n in a["functions"].items() if name != "reach")
    assert abs(work - a["total"]) < 0.1 * a["total"]
