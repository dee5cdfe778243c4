# SPDX-License-Identifier: Apache-2.0
"""What a keyword must not be taken for, made from the keyword itself.

A net that is trained on a word and on others far from it learns as little as tells them apart: the
first syllable, a vowel. So it also hears the word's beginning and its end alone, the word with a
third and more of its phonemes exchanged, and the words of the vocabulary that sound most like it;
of a phrase, its words alone, in another order, and with one of them exchanged."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from edge_lp.audio.synth import in_phonemes, phonemes

VOWELS = ("a", "A:", "E", "I", "i:", "0", "O:", "U", "u:", "V", "3:", "eI", "aI", "OI", "oU", "aU")
CONSONANTS = tuple("p b t d k g f v T D s z S Z tS dZ m n N l r w j h".split())
PART = (0.35, 0.75)  # of the phonemes: what counts as a part of a word, not as the word
EXCHANGED = (0.34, 0.6)  # share of the phonemes that a near miss has exchanged
NEAR_MISSES = 40  # of a keyword
NEIGHBOURS = 20  # words of the vocabulary
EXCHANGES = 8  # words that take the place of a phrase's word

Spoken = list[list[str]]  # words as phonemes


def sounds(texts: Sequence[str]) -> list[tuple[str, ...]]:
    """The phonemes of each text in a row, without stress: what is equal here sounds alike."""
    return [tuple(_plain(p) for word in spoken for p in word) for spoken in phonemes(texts)]


def near(keyword: str, keywords: Sequence[str], vocabulary: Sequence[str], seed: int) -> list[str]:
    """Texts to be spoken that nearly are a keyword, in plain letters or in espeak-ng's phonemes;
    none that sounds like any of the keywords."""
    rng = np.random.default_rng([seed, len(keyword)])
    spoken = phonemes([keyword])[0]
    made = [in_phonemes(w) for w in [*_parts(spoken), *_near_misses(spoken, rng)]]
    texts = [*made, *_phrases(keyword.split(), vocabulary, rng), *_neighbours(keyword, vocabulary)]
    return others(keywords, list(dict.fromkeys(texts)))


def others(keywords: Sequence[str], vocabulary: Sequence[str]) -> list[str]:
    """The texts of a vocabulary that sound like no keyword ("know" does where "no" is one)."""
    own = set(sounds(keywords))
    return [w for w, s in zip(vocabulary, sounds(vocabulary)) if s not in own]


def _plain(phoneme: str) -> str:
    return re.sub(r"[',%=#]", "", phoneme)


def _vowel(phoneme: str) -> bool:
    return _plain(phoneme)[:1] in tuple("aAeEiIoOuUV03@")


def _cut(spoken: Spoken, first: int, last: int) -> Spoken:
    """Phonemes first..last - 1, in their words."""
    out, at = [], 0
    for word in spoken:
        part = [p for i, p in enumerate(word, at) if first <= i < last]
        at += len(word)
        if part:
            out.append(part)
    return out


def _parts(spoken: Spoken) -> list[Spoken]:
    """Beginnings and ends."""
    n = sum(map(len, spoken))
    sizes = range(int(np.ceil(PART[0] * n)), int(PART[1] * n) + 1)
    cuts = [_cut(spoken, 0, k) for k in sizes] + [_cut(spoken, n - k, n) for k in sizes]
    return [c for c in cuts if any(_vowel(p) for w in c for p in w) and sum(map(len, c)) > 1]


def _near_misses(spoken: Spoken, rng: np.random.Generator) -> list[Spoken]:
    """The word with a vowel and others of its phonemes exchanged for others of their kind."""
    flat = [p for word in spoken for p in word]
    vowels = [i for i, p in enumerate(flat) if _vowel(p)]
    out = []
    for _ in range(NEAR_MISSES if vowels else 0):
        n = max(1, round(rng.uniform(*EXCHANGED) * len(flat)))
        first = int(rng.choice(vowels)) if rng.random() < 0.7 else int(rng.integers(len(flat)))
        rest = [i for i in rng.permutation(len(flat)).tolist() if i != first]
        changed = {i: _other(flat[i], rng) for i in [first, *rest[: n - 1]]}
        new = iter([changed.get(i, p) for i, p in enumerate(flat)])
        out.append([[next(new) for _ in word] for word in spoken])
    return out


def _other(phoneme: str, rng: np.random.Generator) -> str:
    kinds = VOWELS if _vowel(phoneme) else CONSONANTS
    stress = "'" if "'" in phoneme else ""
    return stress + str(rng.choice([k for k in kinds if k != _plain(phoneme)]))


def _phrases(words: list[str], vocabulary: Sequence[str], rng: np.random.Generator) -> list[str]:
    if len(words) < 2:
        return []
    out = [*words, " ".join(words[::-1])]
    for i in range(len(words)):
        for other in rng.choice(vocabulary, min(EXCHANGES, len(vocabulary)), replace=False):
            out.append(" ".join([*words[:i], str(other), *words[i + 1 :]]))
    return out


def _neighbours(keyword: str, vocabulary: Sequence[str]) -> list[str]:
    own, *found = sounds([keyword, *vocabulary])
    far = {w: distance(own, s) / max(len(own), len(s)) for w, s in zip(vocabulary, found)}
    return sorted(far, key=lambda w: (far[w], w))[:NEIGHBOURS]


def distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Levenshtein's: insertions, deletions and exchanges."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        left = row[0]
        row[0] = i
        for j, y in enumerate(b, 1):
            left, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, left + (x != y))
    return row[-1]
