# SPDX-License-Identifier: Apache-2.0
"""Input spikes as a list, the way the core takes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edge_lp.binding import ffi, lib


class Listed(NamedTuple):
    """Input spikes that listed() made: nobody else holds them, and they need no check."""

    starts: np.ndarray
    axons: np.ndarray


def listed(spikes: np.ndarray) -> Listed:
    """spikes: (steps, axons) bool, at most 65536 axons."""
    flags = np.array(spikes, order="C").view(np.uint8)  # a copy: no thread changes it meanwhile
    starts = np.empty(len(flags) + 1, np.uint32)
    axons = np.empty(np.count_nonzero(flags) + 1, np.uint16)
    to = ffi.from_buffer("uint32_t[]", starts), ffi.from_buffer("uint16_t[]", axons)
    lib.axons_of(ffi.from_buffer("uint8_t[]", flags), *flags.shape, *to)
    return Listed(starts, axons[:-1])
