# SPDX-License-Identifier: Apache-2.0
"""The firmware without a board: built for a model, started in QEMU or as a process, reachable at a
pseudo-terminal."""

from __future__ import annotations

import os
import pty
import re
import selectors
import shutil
import subprocess
import tempfile
import time
import tty
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_lp.board.discover import links
from edge_lp.errors import EdgeLpError, MissingDependency
from edge_lp.text import notice

# Through a multiplexer, for its buffer: a bare pty hands over one byte a turn, too slow for audio.
# -echr 256: it has no escape character.
THROUGH_A_BUFFER = "-echr 256 -chardev pty,id=line,mux=on -serial chardev:line"
# QEMU's STM32 USART does not tell its line that it has room again, and without a reason to look
# QEMU sleeps with the next byte before it. A filter of packets that there are none of has a timer.
LOOKING_EVERY_20_US = (
    "-serial pty -netdev hubport,id=none,hubid=0 "
    "-object filter-buffer,id=look,netdev=none,queue=rx,interval=20"
)


@dataclass(frozen=True)
class Target:
    """board: a folder of firmware/boards. run: how its image is started, {elf} or {uf2} is the
    image. ticks: instructions in a tick when run with `counting` (QEMU's -icount, one instruction a
    fixed virtual time). own: the emulator has the board's own microphone, which hears the file that
    it is given last, and the board's line is the emulator's stdin and stdout. small: it has no
    memory for the core beside the kernel. line: QEMU's options for its line on a pseudo-terminal.
    since: the first version of QEMU that has it. timed: its clock runs, so that a recording can
    take a microphone's place. more: variables of the Makefile."""

    board: str
    compiler: str
    run: tuple[str, ...]
    packages: str
    cross: str = ""
    counting: tuple[str, ...] = ()
    instructions_per_tick: float = 0.0
    own: bool = False
    small: bool = False
    line: str = THROUGH_A_BUFFER
    since: str = ""
    timed: bool = True
    more: tuple[str, ...] = ()


def _arm(board: str, machine: str, **more: Any) -> Target:
    return Target(
        board,
        "arm-none-eabi-gcc",
        ("qemu-system-arm", "-M", machine, "-kernel", "{elf}"),
        "gcc-arm-none-eabi qemu-system-arm",
        **more,
    )


def _mps2(board: str, machine: str, hz: float = 25e6, **more: Any) -> Target:
    # The timer counts hz; shift=6 makes an instruction 64 ns, so at 25 MHz a tick is 40/64 of one.
    counting = ("-icount", "shift=6,sleep=off")
    return _arm(board, machine, counting=counting, instructions_per_tick=1e9 / hz / 64, **more)


def _pico(**more: Any) -> Target:
    run = ("node", "{tools}/pico.cjs", "{uf2}")
    return Target("pico", "arm-none-eabi-gcc", run, "gcc-arm-none-eabi nodejs", own=True, **more)


def _user(cross: str, emulator: str, packages: str) -> Target:
    return Target("posix", f"{cross}gcc", (emulator, "{elf}"), packages, cross=cross)


TARGETS = {
    # code for a Cortex-M0+, on an M3, which can run it: QEMU has no M0+ whose instructions count
    "m0": _mps2("m3", "mps2-an385", more=("CPU=-mcpu=cortex-m0plus -mthumb",)),
    "m3": _mps2("m3", "mps2-an385"),
    "m4": _mps2("m4", "mps2-an386"),
    "m7": _mps2("m7", "mps2-an500"),
    "m33": _mps2("m33", "mps2-an505"),
    "m55": _mps2("m55", "mps3-an547", 32e6),
    "microbit": _arm("microbit", "microbit", small=True),
    "h405": _arm("h405", "netduinoplus2", line="-serial pty", timed=False),
    "iot01a": _arm("iot01a", "b-l475e-iot01a", line=LOOKING_EVERY_20_US, since="9.1", timed=False),
    "rv32": Target(
        "rv32",
        "riscv64-unknown-elf-gcc",
        ("qemu-system-riscv32", "-M", "virt", "-m", "16", "-bios", "none", "-kernel", "{elf}"),
        "gcc-riscv64-unknown-elf qemu-system-misc",
        counting=("-icount", "shift=0,sleep=off"),
        instructions_per_tick=1.0,
    ),
    "pico": _pico(),
    "pico-pdm": _pico(more=("MICROPHONE=pdm",)),
    "xtensa": Target(
        "xtensa",
        "xtensa-lx106-elf-gcc",
        ("qemu-system-xtensa", "-M", "sim", "-cpu", "lx106", "-kernel", "{elf}"),
        "gcc-xtensa-lx106 qemu-system-misc",
    ),
    "dc233c": Target(
        "dc233c",
        "xtensa-lx106-elf-gcc",
        ("qemu-system-xtensa", "-M", "sim", "-cpu", "dc233c", "-kernel", "{elf}"),
        "gcc-xtensa-lx106 qemu-system-misc",
    ),
    "posix": Target("posix", "cc", ("{elf}",), "gcc libc6-dev"),
    "aarch64": _user(
        "aarch64-linux-gnu-",
        "qemu-aarch64-static",
        "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static",
    ),
    "s390x": _user(
        "s390x-linux-gnu-",
        "qemu-s390x-static",
        "gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user-static",
    ),
    "mips": _user(
        "mips-linux-gnu-",
        "qemu-mips-static",
        "gcc-mips-linux-gnu libc6-dev-mips-cross qemu-user-static",
    ),
}


def target(name: str) -> Target:
    """ "m4" or "qemu:m4" -> its target. EdgeLpError: no such board. MissingDependency: a tool that
    is not installed."""
    t = TARGETS.get(name.removeprefix("qemu:"))
    if t is None:
        raise EdgeLpError(f"no board {name!r} to emulate: expected one of {', '.join(TARGETS)}")
    for tool in ("make", "cc", "python3", t.compiler, t.run[0]):
        if tool != "{elf}" and not shutil.which(tool):
            raise MissingDependency(
                f"board {name} needs {tool}: apt-get install make gcc python3 {t.packages}"
            )
    if t.since and not _is_since(t.run[0], t.since):
        raise MissingDependency(f"board {name} needs QEMU {t.since} or newer: {t.run[0]} is older")
    if t.own and not _modules():
        raise MissingDependency(
            f"board {name} needs rp2040js: npm install rp2040js, and NODE_PATH=.../node_modules"
        )
    return t


def _is_since(qemu: str, version: str) -> bool:
    said = subprocess.run([qemu, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"version (\d+)\.(\d+)", said)
    return found is not None and [*map(int, found.groups())] >= [*map(int, version.split("."))]


def _modules() -> str:
    """The folder in which rp2040js is: of NODE_PATH, or where this project's tests put it."""
    named = os.environ.get("NODE_PATH", "").split(os.pathsep)
    folders = [*filter(None, named), str(sources() / "build" / "npm" / "node_modules")]
    return next((f for f in folders if (Path(f) / "rp2040js").is_dir()), "")


def sources() -> Path:
    """The folder that has firmware/ and runtime/: in the package, or the project it was installed
    from."""
    package = Path(__file__).resolve().parents[1]
    for root in (package / "c", package.parents[1]):
        if (root / "firmware" / "Makefile").is_file() and (
            root / "runtime" / "edge_lp.h"
        ).is_file():
            return root
    raise MissingDependency(
        "the firmware's sources are not installed with this package: install edge-lp from its "
        "source tree"
    )


def run_command(t: Target, elf: Path, line: str = "") -> list[str]:
    """What runs an image. line: QEMU's options for the serial line of an emulated machine; by
    default it is stdin and stdout. The program may end the machine with an exit code."""
    places = {"elf": elf, "uf2": elf.with_suffix(".uf2"), "tools": sources() / "firmware" / "tools"}
    command = [part.format(**places) for part in t.run]
    if t.own:
        command = ["env", f"NODE_PATH={_modules()}", *command]
    if command[0].startswith("qemu-system"):
        line = f"{line or '-serial stdio'} -semihosting-config enable=on,target=native"
        command += ["-display", "none", "-monitor", "none", *line.split()]
    return command


def build_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder to build in. make takes a space, $, # or : in a name for its own: in that case not
    where TMPDIR says."""
    plain = re.fullmatch(r"[\w/.+,@~-]+", tempfile.gettempdir(), re.ASCII)
    return tempfile.TemporaryDirectory(prefix="edge-lp-", dir=None if plain else "/tmp")


def build(
    t: Target,
    model: bytes,
    folder: Path,
    program: str = "firmware",
    audio: bytes | None = None,
    core: bool = True,
    more: Sequence[str] = (),
) -> tuple[Path, str]:
    """Builds an image with the model (and 16 kHz int16 audio) in its flash -> the ELF file, and
    what the build said. Budgets are not applied here. core: link the core beside the kernel, so
    that any model that opens runs; without, as `make` builds it. more:
    other variables of the Makefile."""
    (folder / "model.lpb").write_bytes(model)
    variables = [
        f"BOARD={t.board}",
        f"MODEL={folder / 'model.lpb'}",
        f"BUILD={folder}",
        f"PROGRAM={program}",
        "FLASH_BUDGET=4194304",
        "RAM_BUDGET=4194304",
        *(("CORE=1",) if core and not t.small else ()),
        *t.more,
        *more,
    ]
    if t.cross:
        variables.append(f"CROSS={t.cross}")
    if audio is not None:
        (folder / "audio.pcm").write_bytes(audio)
        variables.append(f"AUDIO={folder / 'audio.pcm'}")
    done = subprocess.run(
        ["make", "-s", "-C", str(sources() / "firmware"), *variables],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise EdgeLpError(
            f"the firmware does not build for {t.board}: {lines[0] if lines else 'make failed'}"
        )
    return folder / f"{program}.elf", done.stdout


class Emulator:
    """A running board: `with Emulator("m4", model_bytes) as e:` and then Board(e.port). pcm: (n,)
    int16 at 16 kHz, what its microphone hears each time it is switched on, then silence; None: it
    has no microphone, or that hears silence. options: more of the emulator's. said: its last words,
    when it has ended."""

    def __init__(
        self,
        name: str,
        model: bytes,
        pcm: np.ndarray | None = None,
        options: Sequence[str] = (),
        start_timeout: float = 30.0,
    ) -> None:
        self.name, self._model, self._timeout = name.removeprefix("qemu:"), model, start_timeout
        self._audio = None if pcm is None else pcm.astype("<i2").tobytes()
        self._options = options
        self.port, self.link, self.said = "", Path(), ""
        self._lines: list[int] = []

    def __enter__(self) -> "Emulator":
        t = target(self.name)
        if self._audio is not None and not t.timed:
            raise EdgeLpError(
                f"board {self.name} has no clock in its emulator, so no recording can take its "
                "microphone's place: take another board, or send it samples"
            )
        self._folder = build_folder()
        self._process: subprocess.Popen[bytes] | None = None
        try:
            folder, flash = Path(self._folder.name), None if t.own else self._audio
            elf, self.report = build(t, self._model, folder, audio=flash)
            if t.own:
                (folder / "microphone.pcm").write_bytes(self._audio or b"")
                self._start([*run_command(t, elf), str(folder / "microphone.pcm")])
                self._make_link()
                return self
            command = [*run_command(t, elf, t.line), *self._options]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            self.port = self._find_port()
            self._make_link()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self, command: list[str]) -> None:
        """An emulator whose line is its stdin and stdout, on a pseudo-terminal."""
        master, slave = pty.openpty()
        self._lines = [master, slave]  # open to the end: a host may come and go
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self._process = subprocess.Popen(
            command, stdin=master, stdout=master, stderr=subprocess.PIPE
        )

    def __exit__(self, *_: object) -> None:
        if self.link.is_symlink():
            self.link.unlink()
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            for stream in filter(None, (self._process.stdout, self._process.stderr)):
                self.said = stream.read().decode(errors="replace")
                stream.close()
        for line in self._lines:
            os.close(line)
        self._folder.cleanup()

    def wait(self) -> None:
        """Until the emulator ends by itself."""
        assert self._process
        self._process.wait()

    def _find_port(self) -> str:
        assert self._process and self._process.stdout
        said, end = b"", time.monotonic() + self._timeout
        with selectors.DefaultSelector() as wait:
            wait.register(self._process.stdout, selectors.EVENT_READ)
            while time.monotonic() < end:
                if wait.select(0.1):
                    more = os.read(self._process.stdout.fileno(), 4096)
                    said += more
                    found = re.search(rb"(/dev/\S+)\s", said)
                    if found:
                        return found[1].decode()
                    if not more:
                        break
        raise EdgeLpError(
            f"the emulator of {self.name} did not start: "
            f"{said.decode(errors='replace').strip() or 'it said nothing'}"
        )

    def _make_link(self) -> None:
        try:
            self.link = links() / f"{self.name}-{os.getpid()}-{Path(self.port).name}"
            self.link.symlink_to(self.port)
        except (OSError, EdgeLpError) as e:
            notice(f"note: 'edge-lp devices' will not list this board: {e}")
