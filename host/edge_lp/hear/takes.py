# SPDX-License-Identifier: Apache-2.0
"""A person says a word some twenty times, and each take that can be used becomes a file:
OUT/WORD/SPEAKER_NN.wav, the names by which training tells speakers apart.

Time is the sound's own: the countdown and the take are counted in samples, so a recording as the
device goes through the same steps. A take is on the disk as soon as it is good; whoever stops loses
nothing and goes on later with the same command."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from edge_lp.audio.playback import play
from edge_lp.audio.take import Take, judge
from edge_lp.errors import EdgeLpError
from edge_lp.files import check_writable, make_folder, write_file
from edge_lp.hear.listen import open_device
from edge_lp.measure.clips import NOISE, SPLITS
from edge_lp.runtime import SAMPLE_RATE
from edge_lp.text import console, notice, plain

COUNTDOWN = (3, 2, 1)
COUNT = SAMPLE_RATE // 2  # samples of each number
WINDOW = 5 * SAMPLE_RATE // 2  # samples of a take
REFUSED = 10  # takes in a row that could not be used: nobody is there, or something is broken
FLOOR = -60.0  # dB, left end of the meter


@dataclass(frozen=True)
class Series:
    """The takes of a word by a speaker."""

    word: str
    speaker: str
    folder: Path

    def numbers(self) -> list[int]:
        """Of the takes that are there, in any audio format."""
        name = re.compile(re.escape(self.speaker) + r"_(\d+)\.\w+")
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted(int(m[1]) for p in found if (m := name.fullmatch(p.name)))

    def keep(self, pcm: np.ndarray) -> Path:
        """Writes a take under the next number."""
        import soundfile

        wav = io.BytesIO()
        soundfile.write(wav, pcm, SAMPLE_RATE, subtype="PCM_16", format="WAV")
        number = max(self.numbers(), default=0) + 1
        return write_file(self.folder / f"{self.speaker}_{number:02d}.wav", wav.getvalue())


def series(word: str, out: str | Path, speaker: str | None) -> Series:
    """EdgeLpError: a word that no folder, a speaker that no file name can have; no such folder and
    none can be made."""
    word = word.strip()
    if not word or word != plain(word) or "/" in word or word[0] in "._" or word in SPLITS:
        raise EdgeLpError(
            f"{plain(word)!r} cannot be a word: its name is a folder's, with no / in it, no . or _ "
            f"at its start, and not {', '.join(SPLITS)} or {NOISE}"
        )
    name = _login() if speaker is None else speaker
    if not re.fullmatch(r"[^\W_]+", name) or name.isdigit() or name.lower() == word.lower():
        raise EdgeLpError(
            f"{plain(name)!r} cannot be a speaker's name: letters and digits, not digits alone and "
            "not the word itself; choose one with --speaker"
        )
    folder = make_folder(Path(out) / word)
    check_writable(folder / f"{name}.wav")
    return Series(word, name, folder)


def _login() -> str:
    import getpass

    try:
        return re.sub(r"[\W_]", "", getpass.getuser())
    except (KeyError, OSError):
        return ""


def record(
    word: str,
    out: str | Path,
    speaker: str | None = None,
    takes: int = 20,
    device: str = "mic",
    channel: int | None = None,
    ask: Callable[[], bool] | None = None,
) -> Path:
    """Guides a person until there are so many takes; returns their folder. device, channel: as
    open_device; ask: play each good take, and keep it only if this says so. EdgeLpError: also when
    nothing usable comes, or the sound ends, before that."""
    if ask and not (device == "mic" or device.startswith("mic:")):
        raise EdgeLpError(f"--play goes with a microphone; {device} is none")
    found = series(word, out, speaker)
    before = len(found.numbers())
    guide = Guide(found, takes)
    opening = partial(open_device, device, channel=channel, note=guide.note)
    try:
        while guide.left:
            with opening() as source:
                _takes(guide, iter(source.blocks), ask)
    finally:
        if done := len(found.numbers()):
            notice(
                f"{done} takes of {found.word!r} by {found.speaker} in {found.folder}"
                + (f", {done - before} of them new" if before else "")
                + (f"; go on to {takes} with the same command" if done < takes else "")
            )
        with contextlib.suppress(OSError):  # it holds something
            found.folder.rmdir()
    return found.folder


def _takes(guide: Guide, blocks: Iterator[np.ndarray], ask: Callable[[], bool] | None) -> None:
    """Take after take; with `ask`, up to one that is played: the microphone is closed then, so that
    it does not hear the loudspeaker."""
    samples = _Samples(blocks)
    while guide.left:
        with guide.line() as show:
            for count in COUNTDOWN:
                show(f"{count} ...")
                samples.take(COUNT)
            guide.sign(show)
            take = judge(samples.take(WINDOW, partial(guide.meter, show)))
        if take.fault:
            guide.refuse(take.fault)
        elif ask is None:
            guide.keep(take)
        else:
            break
    else:
        return
    play(take.word)
    if ask():
        guide.keep(take)
    else:
        guide.refuse("not kept", broken=False)


class _Samples:
    """Blocks, in portions."""

    def __init__(self, blocks: Iterator[np.ndarray]) -> None:
        self._blocks, self._rest = blocks, np.zeros(0, np.int16)

    def take(self, n: int, heard: Callable[[np.ndarray], None] = lambda pcm: None) -> np.ndarray:
        """The next n samples; EdgeLpError: there are none left."""
        parts, size = [self._rest], len(self._rest)
        while size < n:
            try:
                parts.append(next(self._blocks))
            except StopIteration:
                raise EdgeLpError(
                    "the sound ended before all takes were made; go on with another --device"
                ) from None
            size += len(parts[-1])
            heard(parts[-1])
        pcm = np.concatenate(parts)
        self._rest = pcm[n:]
        return pcm[:n]


class Guide:
    """What is said to the person, on stderr: on a terminal a line that changes, else only what
    matters. And what has been kept."""

    def __init__(self, series: Series, takes: int) -> None:
        self.series, self.takes = series, takes
        self.console = console(stderr=True)
        self._live = self.console.is_terminal and not self.console.is_dumb_terminal
        self._refused = 0
        self._told: set[str] = set()

    @property
    def left(self) -> int:
        return max(0, self.takes - len(self.series.numbers()))

    def note(self, line: str) -> None:
        """Once: the microphone is opened anew for each take that is played."""
        if line not in self._told:
            self._told.add(line)
            notice(line)

    def _head(self) -> str:
        return f"take {self.takes - self.left + 1} of {self.takes}: "

    @contextlib.contextmanager
    def line(self) -> Iterator[Callable[[str], None]]:
        """A function that shows a text behind the number of the take."""
        if not self._live:
            yield lambda text: None
            return
        from rich.live import Live

        with Live(console=self.console, auto_refresh=False, transient=True) as live:
            yield lambda text: live.update(self._head() + text, refresh=True)

    def sign(self, show: Callable[[str], None]) -> None:
        """Now."""
        show(self._wanted())
        if not self._live:
            notice(self._head() + self._wanted())

    def _wanted(self) -> str:
        return f"say {plain(self.series.word)!r} now"

    def meter(self, show: Callable[[str], None], pcm: np.ndarray) -> None:
        peak = 20 * np.log10(max(1, int(np.abs(pcm.astype(int)).max(initial=0))) / 32768)
        show(f"{self._wanted()}  {'▮' * round(20 * max(0.0, 1 - peak / FLOOR))}")

    def keep(self, take: Take) -> None:
        head, self._refused = self._head(), 0
        path = self.series.keep(take.word)
        long = " (training hears its loudest second)" if take.seconds > 1 else ""
        notice(
            f"{head}{take.seconds:.2f} s{long}, {take.level:.0f} dB, {take.contrast:.0f} dB over "
            f"the room: {path.name}"
        )

    def refuse(self, why: str, broken: bool = True) -> None:
        """EdgeLpError: too often in a row."""
        notice(f"{self._head()}again: {why}")
        self._refused = self._refused + 1 if broken else 0
        if self._refused == REFUSED:
            raise EdgeLpError(
                f"{REFUSED} takes in a row could not be used; look at the microphone ('edge-lp "
                "listen' shows its level) and go on with the same command"
            )
