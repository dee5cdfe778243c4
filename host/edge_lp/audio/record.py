# SPDX-License-Identifier: Apache-2.0
"""What is heard, written to a file while it passes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from edge_lp.audio.blocks import Blocks
from edge_lp.errors import AudioError
from edge_lp.runtime import SAMPLE_RATE


class Recorder:
    """Writes the blocks that pass to a wav file: what was heard, sample by sample. A context
    manager; the file gets its name when it closes, if anything was heard."""

    def __init__(self, path: str | Path) -> None:
        import soundfile

        self.path = Path(path)
        self._part = self.path.with_name(self.path.name + ".part")
        self._heard = 0
        try:
            self._file = soundfile.SoundFile(
                str(self._part), "w", SAMPLE_RATE, 1, "PCM_16", format="WAV"
            )
        except soundfile.LibsndfileError:
            raise AudioError(
                f"{path}: cannot be written; choose a folder that exists and is writable"
            ) from None

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()
        if self._heard:
            self._part.replace(self.path)
        else:
            self._part.unlink()

    def through(self, blocks: Iterable[np.ndarray]) -> Blocks:
        for pcm in blocks:
            self._file.write(pcm)
            self._heard += len(pcm)
            yield pcm
