# SPDX-License-Identifier: Apache-2.0
"""The frozen description of a training run: everything that decides its result, as one readable
JSON file beside the weights."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edge_lp.errors import EdgeLpError

COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
UNKNOWN, SILENCE = "_unknown_", "_silence_"
MAX_WAKE = 655.0  # seconds: a model file counts up to 65535 frames


@dataclass(frozen=True)
class TrainConfig:
    words: tuple[str, ...] = COMMANDS
    hidden: tuple[int, ...] = (128, 128)
    feed_forward: int = 0  # hidden layers from the first on that have no recurrence (lpFF)
    delta: int = 128  # decay of every compartment; tau = 4096 / delta steps
    steps: int = 7  # core steps a frame; alpha = (1 - delta / 4096) ** steps
    sub_steps: int = 2  # of the float net, a frame
    coarse_epochs: int = 18  # of the float stage, at first, with one sub-step: half the time
    float_epochs: int = 28  # coarse ones included; 0: 3 bits from the float weights of --start
    qat_epochs: int = 16
    spiking_epochs: int = 0  # behind these, of the net as the core runs it
    clips_per_epoch: int = 12800
    reuse: int = 4  # epochs in which a sequence is seen, each time with other masks
    batch: int = 128
    rate: float = 3e-3  # Adam, cosine decay to 0
    qat_rate: float = 1e-3
    wake: tuple[str, ...] = ()  # wake words, the first of words: the others count behind one
    wake_seconds: float = 5.0  # for which they count
    wake_weight: float = 3.0  # sequences of a wake word for each of a command
    wake_snr: tuple[float, float] = (-8.0, 25.0)  # dB: it is called over noise, from far away
    halves: tuple[str, ...] = ()  # long keywords of which a half alone is drawn as unknown
    label_smoothing: float = 0.05
    unknown_share: float = 0.16  # of an epoch's sequences
    silence_share: float = 0.10
    speech_share: float = 0.22  # pieces of continuous speech, as unknown
    detector_loss: float = 0.15  # share of the loss that comes from the detector's own score
    speech_loss: float = 0.5  # the same in continuous speech
    wake_loss: float = 0.5  # the same of wake words
    distil: float = 0.5  # share of the 3-bit stage's loss: the float net's posterior
    activity: float = 0.0  # weight in the loss of the synapses that a step works on (losses.py)
    patience: int = 0  # epochs without a better check that end a stage; 0: all are run
    teacher: float = 0.4  # share of the teacher's posterior in a clip's target, if there is one
    said: tuple[str, ...] = ()  # keywords that need no recordings: voices speak them
    synth_clips: int = 0  # synthesised clips a keyword, more of near misses and others (voices.py)
    clip: int = 100  # frames of a word's clip; longer where the words are (data.clip_frames)
    held: float = 0.0  # share of the training speakers that is set aside to be checked on
    context: int = 24  # frames: a clip starts up to this late in its sequence
    noise_probability: float = 0.8
    babble_share: float = 0.2  # of the noise: several voices
    room_probability: float = 0.3
    low_pass_probability: float = 0.2
    snr: tuple[float, float] = (-3.0, 30.0)  # dB
    gain: tuple[float, float] = (-25.0, 6.0)  # dB
    stretch: tuple[float, float] = (0.85, 1.18)
    warp: tuple[float, float] = (0.9, 1.1)  # of the bands: other vocal tracts
    shift: float = 0.1  # s, either way
    windows: tuple[int, ...] = (20, 45, 90)  # detector defaults: frames averaged,
    threshold: float = 0.93  # posterior,
    refractory: int = 50  # frames without a further event,
    latency: int = 34  # frames from a word's middle to its best posterior,
    hold: int = 3  # frames for which that must stay unbeaten,
    stride: int = 1  # and one decision in so many frames; it divides the windows
    licence: str = ""  # of the training data, for the model's provenance
    seed: int = 1

    @property
    def stages(self) -> tuple[int, int, int, int]:
        """Epochs of the coarse, the float, the 3-bit and the spiking stage."""
        coarse = max(0, min(self.coarse_epochs, self.float_epochs - 1))
        return coarse, self.float_epochs - coarse, self.qat_epochs, self.spiking_epochs

    @property
    def labels(self) -> tuple[str, ...]:
        return (*self.words, UNKNOWN, SILENCE)

    def check(self) -> None:
        """EdgeLpError in one line: what no net can be trained with."""
        reserved = [w for w in self.words if w in (UNKNOWN, SILENCE) or not w.strip()]
        if reserved or not self.words:
            named = ", ".join(f'"{w}"' for w in reserved)
            raise EdgeLpError(f"{named or 'nothing'} cannot be a keyword; name a word that is said")
        for name in (
            "coarse_epochs",
            "float_epochs",
            "spiking_epochs",
            "activity",
            "patience",
            "synth_clips",
            "seed",
        ):
            if getattr(self, name) < 0:
                raise EdgeLpError(f"{name} is {getattr(self, name)}, expected 0 or more")
        for name in ("qat_epochs", "batch", "reuse"):
            if getattr(self, name) < 1:
                raise EdgeLpError(f"{name} is {getattr(self, name)}, expected 1 or more")
        if self.wake != self.words[: len(self.wake)]:
            raise EdgeLpError(
                f"the wake words {', '.join(self.wake)} are not the first of the keywords "
                f"{', '.join(self.words)}; put them there"
            )
        if self.stride < 1 or any(w % self.stride for w in self.windows):
            raise EdgeLpError(f"stride is {self.stride}, expected a divisor of {self.windows}")
        if not 0 <= self.wake_seconds <= MAX_WAKE:
            raise EdgeLpError(f"wake_seconds is {self.wake_seconds}, expected 0 to {MAX_WAKE:g}")
        if self.said and not self.synth_clips:
            raise EdgeLpError(f"nobody speaks {', '.join(self.said)}: --synth is 0; expected some")
        if strange := [w for w in self.halves if w not in self.words]:
            raise EdgeLpError(f"{', '.join(strange)} is no keyword, so it has no halves")
        if not self.hidden or min(self.hidden) < 1:
            raise EdgeLpError(f"--hidden {self.hidden}: expected units of 1 or more, as 128,128")
        if not 0 <= self.feed_forward <= len(self.hidden):
            raise EdgeLpError(
                f"{self.feed_forward} feed-forward layers, expected 0 to {len(self.hidden)}"
            )
        least = max(self.batch, self.reuse)
        if self.clips_per_epoch < least:
            raise EdgeLpError(
                f"clips_per_epoch is {self.clips_per_epoch}, expected {least} or more"
            )
        if not 0 <= self.held <= 0.5:
            raise EdgeLpError(f"held is {self.held}, expected a share of 0 to 0.5")
        if not (self.rate > 0 and self.qat_rate > 0):
            raise EdgeLpError(f"a rate of {min(self.rate, self.qat_rate)}, expected one above 0")

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> "TrainConfig":
        try:
            raw: dict[str, Any] = json.loads(path.read_text())
            fields: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()
            }
            return cls(**fields)
        except FileNotFoundError:
            raise EdgeLpError(
                f"{path.parent} is not a run directory: it has no {path.name}; "
                "name one that edge-lp train made"
            ) from None
        except (ValueError, TypeError) as e:
            raise EdgeLpError(
                f"{path} is not a training configuration of this version ({e}); "
                "train again in a new directory"
            ) from None


@dataclass(frozen=True)
class Preset:
    config: TrainConfig = field(default_factory=TrainConfig)
    about: str = ""


DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
OTHERS = (
    *("backward", "bed", "bird", "cat", "dog", "follow", "forward", "happy", "house", "learn"),
    *("marvin", "sheila", "tree", "visual", "wow"),
)
_LICENCE = "trained on CC BY 4.0 recordings (Speech Commands, Warden 2018)"
_MEASURED = TrainConfig(held=0.03, licence=_LICENCE)
_EVERY_FOURTH = replace(_MEASURED, windows=(16, 60, 120), stride=4)
PRESETS = {
    "commands12": Preset(
        replace(_EVERY_FOURTH, steps=6, activity=1.0, threshold=0.87, latency=39),
        "ten commands, unknown and silence: the 12 classes of Speech Commands",
    ),
    "computer": Preset(
        replace(
            _MEASURED,
            words=("computer", *COMMANDS),
            wake=("computer",),
            halves=("computer",),
            said=("computer",),
            synth_clips=240,
            steps=6,
            activity=0.5,
        ),
        "the wake word computer and the ten commands",
    ),
    "tiny": Preset(
        replace(_EVERY_FOURTH, hidden=(64, 64), threshold=0.835, latency=40),
        "the classes of commands12 in 8 KB",
    ),
    "paper": Preset(
        replace(_MEASURED, hidden=(128, 512, 512), feed_forward=1, delta=64, steps=14),
        "Boeshertz et al. 2024: lpFF 128, two lpRNN of 512, tau 64; 345 KB, no board's size",
    ),
    "digits10": Preset(
        replace(_EVERY_FOURTH, words=DIGITS, threshold=0.82, latency=40),
        "the digits zero to nine",
    ),
    "commands35": Preset(
        replace(
            _MEASURED,
            words=(*COMMANDS, *DIGITS, *OTHERS),
            hidden=(160, 160),
            float_epochs=60,
            qat_epochs=30,
            # so many words leave fewer places for others: there are none in the data set
            unknown_share=0.05,
        ),
        "all 35 words of Speech Commands; needs the whole data set",
    ),
}


SAID_CLIPS = 400  # synthesised clips of a keyword that is given as text

# A first model in some five minutes: a fourth of commands12's sequences in half of its steps. Small
# batches, as the rate needs steps to grow to its value (stage.WARM_UP) and to fall again.
QUICK = {
    "clips_per_epoch": 6400,
    "batch": 64,
    "coarse_epochs": 14,
    "float_epochs": 18,
    "qat_epochs": 6,
}


# of other words than a preset's, whose detector was chosen on its own
_DETECTOR: dict[str, Any] = {
    k: getattr(TrainConfig(), k) for k in ("windows", "threshold", "latency", "stride")
}


def configure(
    preset: str | None = None,
    words: tuple[str, ...] | None = None,
    quick: bool = False,
    wake: tuple[str, ...] | None = None,
    said: tuple[str, ...] | None = None,
    **changes: object,
) -> TrainConfig:
    """A preset's configuration (commands12 unless named), with words and other fields changed.
    wake: wake words, which become the first of the words; a half of one is no keyword. said: more
    keywords, or all, that voices speak."""
    name = preset or "commands12"
    if name not in PRESETS:
        raise EdgeLpError(f"no preset {name!r}; there is {', '.join(PRESETS)}")
    config = PRESETS[name].config
    if words:
        if len(set(words)) != len(words):
            raise EdgeLpError(f"a word is named twice in {','.join(words)}; name each once")
        config = replace(config, words=tuple(words), wake=(), halves=(), licence="", **_DETECTOR)
    if said:
        there = config.words if preset or words else ()
        more = tuple(w for w in dict.fromkeys(said) if w not in there)
        config = replace(config, words=(*there, *more), said=tuple(dict.fromkeys(said)), licence="")
        config = config if preset else replace(config, **_DETECTOR)
        config = replace(config, synth_clips=SAID_CLIPS)
    if wake:
        wake = tuple(dict.fromkeys(wake))
        others = tuple(w for w in config.words if w not in wake)
        config = replace(config, words=(*wake, *others), wake=wake, halves=wake)
    changes = (QUICK if quick else {}) | {k: v for k, v in changes.items() if v is not None}
    return replace(config, **changes)  # type: ignore[arg-type]
