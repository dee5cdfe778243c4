# SPDX-License-Identifier: Apache-2.0
"""Which recordings are for training, which for validation, which for testing: no speaker and no
copy of a recording is in two of them (but takes of a word that only one or two people speak), and
every word is in all of them if that can be."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_lp.errors import AudioError
from edge_lp.measure import clips as words
from edge_lp.measure.clips import SILENCE, SPLITS, walk
from edge_lp.measure.transcripts import speaker_of
from edge_lp.text import Notice, notice

TRAINING, VALIDATION, TESTING = SPLITS
LISTS = {VALIDATION: "validation_list.txt", TESTING: "testing_list.txt"}
FEW_TAKES = 10  # of a word that one or two people speak, from which on takes are split
SHARE = 0.1  # of a word's clips, for validation and for testing each


@dataclass(frozen=True)
class Clip:
    path: Path
    word: str
    split: str
    speaker: str


@dataclass
class Split:
    """clips, sorted by split, word and path; skipped: what was passed over and why; rule: how the
    splits came about, in words."""

    clips: list[Clip]
    skipped: list[tuple[Path, str]]
    rule: str


def which_set(name: str, validation_percent: float = 10.0, testing_percent: float = 10.0) -> str:
    """Speech Commands' own rule: the SHA-1 of a file name up to `_nohash_` decides, so a speaker
    stays in one split (Warden 2018, section 6)."""
    key = hashlib.sha1(re.sub(r"_nohash_.*$", "", name).encode()).hexdigest()
    percent = int(key, 16) % (2**27) * (100.0 / (2**27 - 1))
    if percent < validation_percent:
        return VALIDATION
    return TESTING if percent < validation_percent + testing_percent else TRAINING


def split_clips(root: Path) -> Split:
    """Every recording below a folder of words. The splits are its folders training, validation and
    testing if there; else its lists validation_list.txt and testing_list.txt; else, for names as
    in Speech Commands, that data set's rule; else a tenth of every word each, by speakers."""
    found = walk(root)
    skipped = list(found.skipped)
    files = [(c.path, c.word, c.split) for c in found.clips if c.word != "_silence_"]
    listed = {s: _listed(root, name) for s, name in LISTS.items()}
    speakers = [speaker_of(p) for p, *_ in files]
    if any(split for *_, split in files):
        rule = "the folders' names"
        chosen = [split or TRAINING for *_, split in files]
    elif any(listed.values()):
        rule = "validation_list.txt and testing_list.txt"
        names = [f"{p.relative_to(root).as_posix()}" for p, *_ in files]
        chosen = [next((s for s in LISTS if n in listed[s]), TRAINING) for n in names]
        skipped = [(p, why) for p, why in skipped if p.name not in LISTS.values()]
    elif files and all("_nohash_" in p.name for p, *_ in files):
        rule = "Speech Commands' hash of the speaker"
        chosen = [which_set(p.name) for p, *_ in files]
    else:
        rule = "a tenth of every word, by speakers"
        chosen = _stratified([(who, w) for who, (_, w, _) in zip(speakers, files)])
    clips = [Clip(p, w, s, who) for (p, w, _), s, who in zip(files, chosen, speakers)]
    clips = _without_copies(clips, skipped)
    return Split(
        sorted(clips, key=lambda c: (SPLITS.index(c.split), c.word, c.path)), skipped, rule
    )


def find_split(
    root: str | Path, split: str, labels: Sequence[str], note: Notice = notice
) -> list[tuple[Path, int]]:
    """clips.find_clips for one of the splits that training makes of a folder: the held-out clips
    of what was trained on. AudioError: there are none."""
    made = split_clips(Path(root))
    found = [words.Clip(c.path, c.word, split) for c in made.clips if c.split == split]
    found += [c for c in walk(root).clips if c.word in SILENCE and c.split == split]
    if not found:
        raise AudioError(f"{root}: no clips are for {split} ({made.rule})")
    note(f"note: {root}: {len(found)} clips for {split}, by {made.rule}")
    return words.labelled(root, words.Found(found, made.skipped), labels, note)


def _listed(root: Path, name: str) -> set[str]:
    path = root / name
    return set(path.read_text(encoding="utf-8").split()) if path.is_file() else set()


def _stratified(clips: list[tuple[str, str]]) -> list[str]:
    """The split of each (speaker, word). Speakers are taken in the order of their names' hashes;
    one goes where a word of theirs still lacks clips, while training keeps some of each. A word of
    one or two speakers is split by takes."""
    of_speaker: dict[str, Counter[str]] = defaultdict(Counter)
    speakers: dict[str, set[str]] = defaultdict(set)
    for speaker, word in clips:
        of_speaker[speaker][word] += 1
        speakers[word].add(speaker)
    total = Counter(word for _, word in clips)
    lacks = {
        s: {w: max(1, round(SHARE * n)) if len(speakers[w]) > 2 else 0 for w, n in total.items()}
        for s in LISTS
    }
    left, place = Counter(total), dict.fromkeys(of_speaker, TRAINING)
    for speaker in sorted(of_speaker, key=lambda s: hashlib.sha1(s.encode()).digest()):
        words = of_speaker[speaker]
        for s in LISTS:
            wanted = any(lacks[s][w] > 0 for w in words)
            if wanted and all(left[w] - n > total[w] // 2 for w, n in words.items()):
                place[speaker] = s
                left.subtract(words)
                for w, n in words.items():
                    lacks[s][w] -= n
                break
    out, seen = [], Counter[str]()
    for speaker, word in clips:
        # one or two people's own word: a tenth of their takes is better than nothing to check on
        few = len(speakers[word]) <= 2 and total[word] >= FEW_TAKES
        out.append({3: VALIDATION, 7: TESTING}.get(seen[word] % 10, TRAINING) if few
                   else place[speaker])  # fmt: skip
        seen[word] += 1
    return out


def _size(path: Path) -> int:
    return path.stat().st_size


def _some_bytes(path: Path) -> bytes:
    """A page from the middle of a file: recordings differ there, so few are read to their end."""
    with open(path, "rb", buffering=0) as f:
        f.seek(f.seek(0, os.SEEK_END) // 2)
        return f.read(4096)


def _all_bytes(path: Path) -> bytes:
    return hashlib.sha1(path.read_bytes()).digest()


def _alike(clips: list[Clip], key: Callable[[Path], Hashable]) -> list[list[Clip]]:
    """The clips by their keys, where clips of several splits have the same."""
    groups: dict[Hashable, list[Clip]] = defaultdict(list)
    for c in clips:
        groups[key(c.path)].append(c)
    return [g for g in groups.values() if len({c.split for c in g}) > 1]


def _without_copies(clips: list[Clip], skipped: list[tuple[Path, str]]) -> list[Clip]:
    """Of files with the same bytes in several splits, those in the one furthest from training."""
    groups = [clips]
    for key in (_size, _some_bytes, _all_bytes):
        groups = [g for group in groups for g in _alike(group, key)]
    dropped = set()
    for copies in groups:
        last = max(SPLITS.index(c.split) for c in copies)
        for c in copies:
            if SPLITS.index(c.split) != last:
                dropped.add(c)
                skipped.append((c.path, f"a copy of it is for {SPLITS[last]}"))
    return [c for c in clips if c not in dropped]
