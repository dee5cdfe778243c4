# SPDX-License-Identifier: Apache-2.0
"""Hours of real speech from three free games, as recordings to train on and to measure by.

    python tools/game_speech.py queen queen.1c --out SPEECH/training/amazon_queen
    python tools/game_speech.py sky sky.dnr sky.dsk --out SPEECH/testing/steel_sky
    python tools/game_speech.py urquan uqm-0.8.0-voice.uqm uqm-0.8.0-content.uqm \
        --out SPEECH/testing/urquan

Debian distributes them with their actors' voices: flight-of-the-amazon-queen (4.6 h, MP3 at
11 kHz), beneath-a-steel-sky (2.3 h, 8 bits at 11 kHz) and, in non-free, uqm-voice and uqm-content
(11.4 h, Vorbis at 11 kHz, CC BY-NC-SA 2.5: to measure by). Lines of the first two are joined, with
0.05 to 0.35 s between them, to recordings of a minute or more at 16 kHz, FLAC: of the first game
those whose texts have none of --without; of the second, whose texts are not known, all of
--shortest and longer (with 1.5 s no answer of one word, as "yes", is among them). What is said in
the third, some 19 s at a time, is a recording each, or each part of it without --without, named by
its character; TRANSCRIPTS.tsv says what it is. Nothing may be passed on in parts: the folders are
for one's own use.
"""

from __future__ import annotations

import argparse
import io
import itertools
import re
import struct
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile
from edge_lp.audio.resample import Convert, to_int16
from edge_lp.errors import EdgeLpError
from edge_lp.measure.transcripts import TEXTS
from edge_lp.runtime import SAMPLE_RATE

WORDS = "yes no up down left right on off stop go computer"
GAP = (0.05, 0.35)  # seconds between two lines
MINUTE = 60 * SAMPLE_RATE
QUIET = 30  # RMS below which a line is nothing
SPEECH_FILES = 50000  # number of the first resource that is speech
SKY_RATE = 11025
SKY_HEADER = 22
# name of a line, what stands beside it, and the rows under it
URQUAN_LINE = r"^#\(([^)]*)\)(.*)\n?((?:(?!#\().*\n?)*)"
GUARD = 0.2  # seconds from a row that is left out


def _words(text: str) -> set[str]:
    return set(re.findall("[a-z]+", text.lower()))


# ---------------------------------------------------------------------- Flight of the Amazon Queen


def queen_lines(path: Path, without: set[str]) -> Iterator[tuple[np.ndarray, int]]:
    """(samples int16, rate) of each line whose dialogue or scene has none of the words `without`.
    A resource file that ScummVM's tools have compressed: a table of (name, place, size), big
    endian; X.SB are MP3 streams. Numbers of a line: two digits of the dialogue, four of the
    sentence, J or P for who speaks, the part of the sentence; C... the scene's name first."""
    data = path.read_bytes()
    if data[:4] != b"QTBL" or len(data) < 15 or data[12] != 1:
        raise EdgeLpError(f"{path}: not the game's resources with MP3 sound (queen.1c, QTBL)")
    table, count = {}, struct.unpack(">H", data[13:15])[0]
    if len(data) < 15 + 21 * count:
        raise EdgeLpError(f"{path}: cut short, {len(data)} bytes: fetch it again")
    for i in range(count):
        name, _, at, size = struct.unpack(">12sBII", data[15 + 21 * i : 36 + 21 * i])
        if at + size > len(data):
            raise EdgeLpError(f"{path}: cut short, {len(data)} bytes: fetch it again")
        table[name.rstrip(b"\0").decode("ascii", "replace")] = data[at : at + size]
    texts = _queen_texts(table)
    scenes = sorted((k for k in texts if k[0] == "C"), key=len)
    for name in sorted(n[:-3] for n in table if n.endswith(".SB")):
        found = re.match(r"(\d\d[0-9A-F]{4})[JP]", name)
        sentence = found[1] if found else None
        if name[0] == "C":
            sentence = next((s for s in reversed(scenes) if name.startswith(s)), None)
        words = _words(" ".join(texts.get(sentence or "", [])))
        if words and not words & without:
            pcm, rate = soundfile.read(io.BytesIO(table[name + ".SB"]), dtype="int16")
            yield pcm, rate


def _queen_texts(table: dict[str, bytes]) -> dict[str, list[str]]:
    """The texts of each sentence of a dialogue (*.DOG), and of each scene (*.CUT)."""
    texts: dict[str, list[str]] = {}
    for name, data in table.items():
        body = data[20:]  # behind the container's header
        if name.endswith(".DOG") and len(body) >= 6:
            key = struct.unpack(">h", body[4:6])[0]
            for sentence, text in _strings(body):
                texts.setdefault(f"{key:02d}{sentence:04X}", []).append(text)
        if name.endswith(".CUT"):
            texts[name[:-4]] = [t.decode() for t in re.findall(rb"[\x20-\x7e]{3,}", body)]
    return texts


def _strings(body: bytes) -> Iterator[tuple[int, str]]:
    """(number, text) wherever a number of 16 bits, a length and so many printable characters, and
    no more, follow each other."""
    at = 0
    while at < len(body) - 4:
        end = at + 3 + body[at + 2]
        text = body[at + 3 : end]
        if len(text) > 1 and end <= len(body) and re.fullmatch(rb"[\x20-\x7e]+", text):
            if not re.match(rb"[\x20-\x7e]", body[end : end + 1]):
                yield struct.unpack(">H", body[at : at + 2])[0], text.decode()
                at = end
                continue
        at += 1


# ------------------------------------------------------------------------------ Beneath a Steel Sky


def sky_lines(index: Path, disk: Path) -> Iterator[tuple[np.ndarray, int]]:
    """(samples int16, rate) of each line. The index: a count, then for each resource its number (2
    bytes), place (3, in 16 bytes if the top bit is set) and size (3, of which 22 bits), little
    endian. Speech is 8 bits unsigned behind a header, packed or not."""
    entries, data = index.read_bytes(), disk.read_bytes()
    count = struct.unpack("<I", entries[:4])[0] if len(entries) >= 4 else 0
    if not count or len(entries) != 4 + 8 * count:
        raise EdgeLpError(f"{index}: not the game's index (sky.dnr)")
    for number, place, size in _resources(entries[4:]):
        if place + size > len(data):
            raise EdgeLpError(f"{disk}: cut short, {len(data)} bytes: fetch it again")
        body = data[place + SKY_HEADER : place + size]
        if number < SPEECH_FILES or size < SKY_HEADER + 2:
            continue
        samples = unpack(body) if body[:3] == b"RNC" else body
        yield (np.frombuffer(samples, np.uint8).astype(np.int16) - 128) * 256, SKY_RATE


def _resources(entries: bytes) -> Iterator[tuple[int, int, int]]:
    for i in range(0, len(entries), 8):
        number = int.from_bytes(entries[i : i + 2], "little")
        place = int.from_bytes(entries[i + 2 : i + 5], "little")
        size = int.from_bytes(entries[i + 5 : i + 8], "little") & 0x3FFFFF
        yield number, (place & 0x7FFFFF) * (16 if place >> 23 else 1), size


class _Bits:
    """Bits from the lowest of words of 16 bits, which are taken when they are needed: bytes that
    are copied as they are stand between the words."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.left, self.n = data, 0, 0, 0

    def take(self, n: int) -> int:
        while self.n < n:
            self.left |= int.from_bytes(self.data[self.at : self.at + 2], "little") << self.n
            self.at += 2
            self.n += 16
        value = self.left & ((1 << n) - 1)
        self.left >>= n
        self.n -= n
        return value

    def raw(self, n: int) -> bytes:
        self.at += n
        return self.data[self.at - n : self.at]

    def code(self, table: dict[tuple[int, int], int]) -> int:
        """A Huffman code; above 1 the index says how many bits the number has."""
        code = length = 0
        while (length, code) not in table:
            if length > 16:
                raise EdgeLpError("packed speech: a code that its table does not have")
            code |= self.take(1) << length
            length += 1
        index = table[length, code]
        return index if index < 2 else 1 << (index - 1) | self.take(index - 1)

    def table(self) -> dict[tuple[int, int], int]:
        """{(length, code, its first bit lowest): index}, canonical."""
        lengths = [self.take(4) for _ in range(self.take(5))]
        codes, code = {}, 0
        for length in range(1, 16):
            for index in (i for i, n in enumerate(lengths) if n == length):
                codes[length, int(f"{code:0{length}b}"[::-1], 2)] = index
                code += 1
            code <<= 1
        return codes


def unpack(data: bytes) -> bytes:
    """RNC ProPack, method 1: blocks of literal runs and of copies of what came before, LZ77 with
    three Huffman tables a block. EdgeLpError if the length is not what the header says."""
    if len(data) < 18 or data[:4] != b"RNC\1":
        raise EdgeLpError("packed speech: not RNC ProPack's method 1")
    length, blocks = int.from_bytes(data[4:8], "big"), data[17]
    bits, out = _Bits(data[18:]), bytearray()
    bits.take(2)
    for _ in range(blocks):
        runs, offsets, lengths = bits.table(), bits.table(), bits.table()
        for left in range(bits.take(16), 0, -1):
            out += bits.raw(bits.code(runs))
            if left > 1:
                offset, n = bits.code(offsets) + 1, bits.code(lengths) + 2
                if offset > len(out):
                    raise EdgeLpError("packed speech: a copy of what is not there")
                piece = out[-offset:]
                out += (piece * (n // offset + 1))[:n]
    if len(out) != length:
        raise EdgeLpError(f"packed speech: {len(out)} bytes where {length} were promised")
    return bytes(out)


# ------------------------------------------------------------------------------ The Ur-Quan Masters


def urquan_lines(
    voice: Path, content: Path, without: set[str]
) -> Iterator[tuple[str, str, np.ndarray, int]]:
    """(name, text, samples int16, rate) of each line, or of the parts of it that have none of the
    words `without`. Archives of Ogg files, of texts with "#(LINE)  file.ogg" above each, and of
    tables of how many ms each row of a text takes but the last; the voices' own texts count more
    than the content's."""
    texts: dict[str, tuple[str, str]] = {}  # of character/file: its line, its text
    times: dict[str, list[int]] = {}  # of character/line
    voices = _archive(voice)
    for archive in (_archive(content), voices):
        for name in archive.namelist():
            if found := re.search(r"([^/]+)/\1\.(txt|ts)$", name):
                said = archive.read(name).decode("utf-8", "replace").replace("\r", "")
                for key, head, rows in re.findall(URQUAN_LINE, said, re.M):
                    if found[2] == "ts":
                        times[f"{found[1]}/{key}"] = [int(n) for n in re.findall(r"\d+", head)]
                    for sound in re.findall(r"[\w-]+(?=\.ogg)", head):
                        texts[f"{found[1]}/{sound}"] = f"{found[1]}/{key}", rows
    sounds = sorted(n for n in voices.namelist() if n.endswith(".ogg"))
    if not sounds:
        raise EdgeLpError(f"{voice}: no .ogg files in it; expected the game's voices (uqm-voice)")
    for name in sounds:
        character, sound = name[: -len(".ogg")].split("/")[-2:]
        if f"{character}/{sound}" not in texts:
            continue
        line, text = texts[f"{character}/{sound}"]
        rows = [r for r in text.split("\n") if r.strip()]
        pcm, rate = soundfile.read(io.BytesIO(voices.read(name)), dtype="int16")
        ends = np.cumsum(times.get(line, [])) * rate // 1000
        if len(ends) != len(rows) - 1:  # not told where its rows end
            rows, ends = [" ".join(rows)], np.zeros(0, int)
        for i, (first, last) in enumerate(_runs([_words(r).isdisjoint(without) for r in rows])):
            start = 0 if first == 0 else int(ends[first - 1]) + int(GUARD * rate)
            end = len(pcm) if last == len(rows) else int(ends[last - 1]) - int(GUARD * rate)
            part = "" if last - first == len(rows) else f"-{i}"
            if end - start >= rate:
                said = " ".join(" ".join(rows[first:last]).split())
                yield f"{sound}{part}", said, pcm[start:end], rate


def _runs(good: list[bool]) -> Iterator[tuple[int, int]]:
    """(first, last + 1) of each run of what is good."""
    for is_good, run in itertools.groupby(enumerate(good), lambda x: x[1]):
        if is_good:
            which = [i for i, _ in run]
            yield which[0], which[-1] + 1


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as e:
        raise EdgeLpError(f"{path}: {e}; expected an archive of the game (.uqm)") from None


# ------------------------------------------------------------------------------------- recordings


def _resampled(pcm: np.ndarray, rate: int) -> np.ndarray:
    return to_int16(Convert(rate, 1)(pcm[:, None] / 32768, last=True))


def write_lines(lines: Iterable[tuple[str, str, np.ndarray, int]], out: Path) -> tuple[int, float]:
    """Writes each line as OUT/NAME.flac and all texts; returns lines and hours."""
    out.mkdir(parents=True, exist_ok=True)
    table, samples = ["file\ttext"], 0
    for name, text, pcm, rate in lines:
        heard = _resampled(pcm, rate)
        soundfile.write(out / f"{name}.flac", heard, SAMPLE_RATE, subtype="PCM_16")
        table.append(f"{name}.flac\t{text}")
        samples += len(heard)
        print(f"\r{len(table) - 1} recordings", end="", file=sys.stderr, flush=True)
    (out / TEXTS).write_text("\n".join(table) + "\n")
    print(file=sys.stderr)
    return len(table) - 1, samples / SAMPLE_RATE / 3600


def join(
    lines: Iterable[tuple[np.ndarray, int]], out: Path, shortest: float, seed: int = 2
) -> tuple[int, float]:
    """Writes the lines of `shortest` seconds and more as recordings OUT/000.flac ...; returns lines
    and hours."""
    rng = np.random.default_rng(seed)
    out.mkdir(parents=True, exist_ok=True)
    parts: list[np.ndarray] = []
    count = files = samples = 0

    def write() -> None:
        nonlocal files, samples
        pcm = np.concatenate(parts)
        soundfile.write(out / f"{files:03d}.flac", pcm, SAMPLE_RATE, subtype="PCM_16")
        files, samples = files + 1, samples + len(pcm)
        parts.clear()

    for pcm, rate in lines:
        if len(pcm) < rate * shortest or np.sqrt(np.mean(np.square(pcm, dtype=float))) < QUIET:
            continue
        gap = np.zeros(int(SAMPLE_RATE * rng.uniform(*GAP)), np.int16)
        parts += [_resampled(pcm, rate), gap]
        count += 1
        if sum(map(len, parts)) > MINUTE:
            write()
            print(f"\r{files} recordings", end="", file=sys.stderr, flush=True)
    if parts:
        write()
    print(file=sys.stderr)
    return count, samples / SAMPLE_RATE / 3600


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    games = parser.add_subparsers(dest="game", required=True)
    queen = games.add_parser("queen", help="Flight of the Amazon Queen, with its texts")
    queen.add_argument("resources", type=Path, help="queen.1c")
    queen.add_argument("--without", default=WORDS, help=f"words not to be said (default: {WORDS})")
    sky = games.add_parser("sky", help="Beneath a Steel Sky")
    sky.add_argument("index", type=Path, help="sky.dnr")
    sky.add_argument("disk", type=Path, help="sky.dsk")
    urquan = games.add_parser("urquan", help="The Ur-Quan Masters, with its texts")
    urquan.add_argument("voice", type=Path, help="uqm-0.8.0-voice.uqm")
    urquan.add_argument("content", type=Path, help="uqm-0.8.0-content.uqm")
    urquan.add_argument("--without", default="", help="words not to be said (default: none)")
    for p in (queen, sky):
        p.add_argument("--shortest", type=float, default=0.2, help="seconds of a line (0.2)")
    for p in (queen, sky, urquan):
        p.add_argument("--out", type=Path, required=True, help="folder for the recordings")
    a = parser.parse_args()
    try:
        if a.game == "queen":
            count, hours = join(queen_lines(a.resources, _words(a.without)), a.out, a.shortest)
        elif a.game == "urquan":
            count, hours = write_lines(urquan_lines(a.voice, a.content, _words(a.without)), a.out)
        else:
            count, hours = join(sky_lines(a.index, a.disk), a.out, a.shortest)
    except (EdgeLpError, OSError) as e:
        print(f"game_speech: {e}", file=sys.stderr)
        return 2
    print(f"{count} lines, {hours:.2f} h: {a.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
