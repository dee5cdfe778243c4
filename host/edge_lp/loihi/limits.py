# SPDX-License-Identifier: Apache-2.0
"""What a Loihi-1 neurocore holds, each number named once (SPEC.md, "Core: limits").

Sources: Davies et al. 2018; the register widths and counts of nengo-loihi's block validator and
hardware allocator (where the two differ, the smaller number).
"""

from __future__ import annotations

import numpy as np

from edge_lp.errors import EdgeLpError

CORES = 128  # a chip
COMPARTMENTS = 1024  # and all that follows: a core
INPUT_AXONS = 4096
OUTPUT_AXONS = 4096
SYNAPSE_WORDS = 16384  # of 64 bits: 128 KB
PROFILES = 32  # distinct (decay_u, decay_v, refractory)
THRESHOLDS = 8  # distinct threshold mantissas
FORMATS = 7  # distinct synapse formats; entry 0 of the table's 8 is unused
ACCUMULATORS = 8192  # delay slots of all compartments; at least 8 each

DECAY = (0, 4096)  # effective: register + offset
NOISE_EXPONENT, NOISE_OFFSET = (0, 20), (0, 7)
THRESHOLD = (0, 131071)  # mantissa of 17 bits, << 6
BIAS_MANTISSA = (-4096, 4095)
BIAS_EXPONENT = (0, 7)
REFRACTORY = (1, 64)
U = (1 - 2**23, 2**23 - 1)
DELAY = (0, 62)
WEIGHT_BITS = (1, 2, 3, 4, 5, 6, 8)
WEIGHT_EXPONENT = (-8, 7)
V_FLOORS = tuple(1 - 2**k for k in range(24))  # -(2^negVmLimit) + 1, 24 bits wide
V_CEILINGS = tuple(2 ** (9 + 2 * k) - 1 for k in range(8))  # 2^(9 + 2 posVmLimit) - 1


class LimitError(EdgeLpError):
    """More than the chip, or one of its registers, holds. The message has both numbers."""


def check_range(what: str, values: object, limits: tuple[int, int]) -> np.ndarray:
    """A read-only copy of values as int64, every one an integer within limits, both inclusive; else
    LimitError naming the first that is not."""
    try:
        a = np.asarray(values)
    except ValueError:  # rows of different lengths
        raise LimitError(f"{what} is no array, expected rows of one length") from None
    if a.size and a.dtype.kind not in "iub":
        raise LimitError(
            f"{what} has type {a.dtype}, expected integers from {limits[0]} to {limits[1]}"
        )
    if a.size and (a.min() < limits[0] or a.max() > limits[1]):
        at = np.argwhere((a < limits[0]) | (a > limits[1]))[0]
        where = f" at {', '.join(map(str, at))}" if a.ndim else ""
        raise LimitError(
            f"{what} is {a[tuple(at)]}{where}, its limits are {limits[0]} and {limits[1]}"
        )
    checked = a.astype(np.int64)
    checked.flags.writeable = False
    return checked


def check_number(what: str, value: object, limits: tuple[int, int]) -> int:
    """value, if it is one integer within limits, both inclusive; else LimitError."""
    if type(value) is int and limits[0] <= value <= limits[1]:
        return value
    a = check_range(what, value, limits)
    if a.ndim:
        raise LimitError(f"{what} has shape {a.shape}, expected one number")
    return int(a)


def check_each(what: str, value: object, limits: tuple[int, int], n: int) -> int | np.ndarray:
    """One integer, or a read-only array (n,) of them, within limits, both inclusive; else
    LimitError."""
    a = check_range(what, value, limits)
    if a.shape not in ((), (n,)):
        raise LimitError(f"{what} has shape {a.shape}, expected one number or ({n},)")
    return a if a.ndim else int(a)


def check_flag(what: str, value: object, more: str = "") -> bool:
    """more: what else it may be, for the message."""
    if not isinstance(value, (bool, np.bool_)):
        raise LimitError(f"{what} is {value!r}, expected True or False{more}")
    return bool(value)


def check_at_most(what: str, found: int, limit: int) -> None:
    if found > limit:
        raise LimitError(f"{found} {what}, the limit is {limit}")


def axon_words(n: int, bits: int) -> int:
    """64-bit words that one axon's n synapses of `bits` bits take: blocks of at most 64, each with
    10 bits of header, each rounded up."""
    full, rest = divmod(n, 64)
    return full * -(-(64 * bits + 10) // 64) + (-(-(rest * bits + 10) // 64) if rest else 0)


def synapse_words(
    fan_out: np.ndarray, n_dst: int, weight_bits: int, delays: bool
) -> tuple[int, str]:
    """Words of a connection with fan_out[i] stored synapses of source i, and the coding that takes
    fewer: dense (no index, every target stored) or sparse (6 to 12 index bits each). delays: 6 more
    bits a synapse."""
    bits = weight_bits + (6 if delays else 0)
    dense = int((fan_out > 0).sum()) * axon_words(n_dst, bits)
    index = max(6, (n_dst - 1).bit_length())
    sizes, times = np.unique(fan_out, return_counts=True)
    sparse = sum(axon_words(n, bits + index) * k for n, k in zip(sizes.tolist(), times.tolist()))
    return (dense, "dense") if dense <= sparse else (sparse, "sparse")


def delay_slots(delay: int) -> int:
    """Accumulators of a compartment whose longest synaptic delay is `delay`: a power of two, two
    more than the delay at least."""
    return max(8, 1 << (delay + 1).bit_length())
