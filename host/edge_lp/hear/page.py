# SPDX-License-Identifier: Apache-2.0
"""What is heard, as the web page shows it: records of frames, detections and notices as JSON.

A record is little-endian: int16[40] log-mels Q10, uint16[labels] posteriors Q15, uint16 frames left
in which commands count behind a wake word, uint8[neurons] activations, 255 for a spike. A message
of bytes is some records, and a message of text one JSON object: hello, event, note, thresholds,
skipped or end."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from edge_lp.errors import EdgeLpError, MissingDependency
from edge_lp.hear.detect import BoardEar, Heard, HostEar
from edge_lp.runtime import FEATURES

PORT = 8765
FRAMES = 4  # in a message, 40 ms


def parse_address(web: str) -> tuple[str, int]:
    """[HOST:]PORT -> this machine's own address, unless another one is named."""
    host, _, port = web.rpartition(":")
    if not port.isdecimal() or int(port) > 65535 or web.startswith(":"):
        raise EdgeLpError(f"--web {web}: not an address; expected [HOST:]PORT, {PORT}")
    return host.strip("[]") or "127.0.0.1", int(port)


class Page:
    """Shows in pages what it also gives to `lines`, which has one line of each thing. A context
    manager: take() each block. wait: until somebody looks, so that a recording does not pass
    unseen."""

    def __init__(
        self, lines: Any, ear: HostEar | BoardEar, name: str, address: str, wait: bool
    ) -> None:
        try:
            from edge_lp.hear.web import WebServer
        except ModuleNotFoundError as e:
            raise MissingDependency(
                f"--web needs the Python package {e.name}: pip install 'edge-lp[web]'"
            ) from None
        self._lines, self._ear, self._name, self._wait = lines, ear, name, wait
        self.source, self.buffer, self.over, self.quiet = "", 0.0, False, False
        self._records, self._frames, self._lost = b"", 0, 0
        self._neurons = 0 if isinstance(ear, BoardEar) else sum(ear.neurons)
        model = b"" if isinstance(ear, BoardEar) else ear.data
        self.server = WebServer(*parse_address(address), self._hello, model)

    def __enter__(self) -> Page:
        self.server.__enter__()
        self._lines.note(f"open {self.server.address}")
        while self._wait and not self.server.opened.wait(0.2):
            pass
        return self

    def __exit__(self, *exc: object) -> None:
        self._flush()
        self.server.publish({"end": True}, keep=True)
        self.server.__exit__()

    def _hello(self) -> dict:
        c = self._ear.config
        return {
            "source": self.source,
            "model": self._name,
            "labels": self._ear.labels,
            "keywords": len(self._ear.keywords),
            "neurons": self._neurons,
            "thresholds": self._thresholds(),
            "wake_words": c.wake_words,
            "wake": c.wake,
        }

    def _thresholds(self) -> list[float]:
        return np.resize(self._ear.config.thresholds, len(self._ear.keywords)).tolist()

    # -- what listen() gives

    def keep(self, pcm: np.ndarray) -> None:
        self._lines.keep(pcm)

    def note(self, line: str) -> None:
        self._lines.note(line)
        self.server.publish({"note": line}, keep=True)

    def take(self, pcm: np.ndarray, heard: Heard, work: float, lost: int) -> None:
        self._lines.take(pcm, heard, work, lost)
        while not self.server.asked.empty():
            self._obey(self.server.asked.get())
        if lost > self._lost:
            self._lost = lost
            self.server.publish({"lost": lost})
        self._add(heard)
        for d in heard.detections:
            self._flush()  # the picture of a word comes before the word
            self.server.publish({"event": asdict(d)}, keep=True)
        if self._frames >= FRAMES:
            self._flush()

    def _add(self, heard: Heard) -> None:
        activity = b""
        if heard.layers:
            byte = 254 * np.sqrt(np.clip(np.concatenate(heard.layers), 0, 1))
            activity = np.where(np.concatenate(heard.spikes), 255, byte).astype(np.uint8).tobytes()
        for features, posteriors in zip(heard.features, heard.posteriors):
            assert len(features) == FEATURES
            self._records += b"".join(
                (
                    features.astype("<i2").tobytes(),
                    np.rint(posteriors * 32767).astype("<u2").tobytes(),
                    min(heard.awake, 65535).to_bytes(2, "little"),
                    activity,
                )
            )
            self._frames += 1

    def _flush(self) -> None:
        if self._records:
            self.server.publish(self._records)
            self._records, self._frames = b"", 0

    def _obey(self, asked: Any) -> None:
        """{"threshold": [keyword, posterior]}; what is anything else is nothing."""
        try:
            keyword, posterior = asked["threshold"]
            values = self._thresholds()
            if type(keyword) is not int or not 0 <= keyword < len(values):
                return
            if not (math.isfinite(posterior) and 0 <= posterior <= 1):
                return
        except (TypeError, KeyError, ValueError, OverflowError):
            return
        values[keyword] = float(posterior)
        self._ear.configure(replace(self._ear.config, thresholds=tuple(values)))
        self.server.publish({"thresholds": values})
