# SPDX-License-Identifier: Apache-2.0
"""What the filters of runtime/lp_audio.h pass, drawn from their integer taps:

python tools/audio_filters.py docs/audio-filters.png
"""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from twins import audio


def decibels(taps, rate, f):
    """Gain of a filter at frequencies in Hz, against that of 0 Hz."""
    n = np.arange(len(taps))
    h = np.exp(-2j * np.pi * np.outer(f, n) / rate) @ np.asarray(taps, float)
    return 20 * np.log10(np.maximum(abs(h) / abs(sum(taps)), 1e-6))


def boxes(f):
    """Four boxes of 32 bits at PDM_RATE."""
    box = np.ones(audio.BITS)
    return decibels(np.convolve(np.convolve(box, box), np.convolve(box, box)), audio.PDM_RATE, f)


def main(path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    f = np.linspace(0, 24000, 2401)
    third = decibels(audio.third(), 48000, f)
    curves = {
        "48 kHz: lp_decimate": (f, third),
        "PDM at 1.536 MHz: lp_pdm_pcm": (f, third + boxes(f)),
        "8 kHz: lp_interpolate": (f[f <= 8000], decibels(audio.half(), 16000, f[f <= 8000])),
    }
    figure, (whole, passes) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for name, (x, y) in curves.items():
        whole.plot(x / 1000, y, label=name, linewidth=1)
        passes.plot(x / 1000, y, linewidth=1)
    whole.set(xlabel="kHz", ylabel="dB", xlim=(0, 24), ylim=(-100, 5))
    passes.set(xlabel="kHz", xlim=(0, 8), ylim=(-3, 0.5), title="what passes")
    whole.legend(fontsize="small", loc="upper right")
    for axes in (whole, passes):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main(sys.argv[1])
