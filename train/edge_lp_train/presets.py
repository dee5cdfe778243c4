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


@dataclass(frozen=True)
class TrainConfig:
    words: tuple[str, ...] = COMMANDS
    hidden: tuple[int, ...] = (128, 128)
    delta: int = 64  # decay of every compartment; tau = 4096 / delta steps
    steps: int = 14  # core steps a frame; alpha = (1 - delta / 4096) ** steps
    sub_steps: int = 2  # of the float net, a frame
    float_epochs: int = 45
    qat_epochs: int = 25
    clips_per_epoch: int = 12800
    batch: int = 128
    rate: float = 3e-3  # Adam, cosine decay to 0
    qat_rate: float = 1e-3
    label_smoothing: float = 0.05
    unknown_share: float = 0.17  # of an epoch's clips
    silence_share: float = 0.06
    # of the 3-bit stage's clips: pieces of continuous speech, as unknown
    speech_share: float = 0.10
    # synthesised clips a keyword, ten times as many of other words, and phrases; 0 = none
    synth_clips: int = 60
    # frames: a clip starts up to this late in its sequence, behind noise or another word
    context: int = 40
    noise_probability: float = 0.6
    snr: tuple[float, float] = (3.0, 35.0)  # dB
    gain: tuple[float, float] = (-25.0, 6.0)  # dB
    stretch: tuple[float, float] = (0.88, 1.13)
    shift: float = 0.1  # s, either way
    window: int = 60  # detector defaults: frames averaged,
    threshold: float = 0.7  # posterior,
    refractory: int = 50  # frames without a further event,
    latency: int = 43  # frames from a word's middle to its best posterior,
    hold: int = 20  # frames for which that must stay unbeaten
    licence: str = ""  # of the training data, for the model's provenance
    seed: int = 1

    @property
    def labels(self) -> tuple[str, ...]:
        return (*self.words, UNKNOWN, SILENCE)

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
                f"{path.parent} is not a run directory: it has no {path.name}; name one that "
                "edge-lp train made"
            ) from None
        except (ValueError, TypeError) as e:
            raise EdgeLpError(
                f"{path} is not a training configuration of this version ({e}); train again in a "
                "new directory"
            ) from None


@dataclass(frozen=True)
class Preset:
    config: TrainConfig = field(default_factory=TrainConfig)
    about: str = ""


PRESETS = {
    "commands12": Preset(
        TrainConfig(licence="trained on CC BY 4.0 recordings (Speech Commands, Warden 2018)"),
        "ten commands, unknown and silence: the 12 classes of Speech Commands",
    ),
}


def configure(
    preset: str | None = None, words: tuple[str, ...] | None = None, **changes: object
) -> TrainConfig:
    """A preset's configuration (commands12 unless named), with words and other fields changed."""
    name = preset or "commands12"
    if name not in PRESETS:
        raise EdgeLpError(f"no preset {name!r}; there is {', '.join(PRESETS)}")
    config = PRESETS[name].config
    if words:
        if len(set(words)) != len(words):
            raise EdgeLpError(f"a word is named twice in {','.join(words)}; name each once")
        config = replace(config, words=tuple(words), licence="")
    return replace(config, **{k: v for k, v in changes.items() if v is not None})  # type: ignore[arg-type]
