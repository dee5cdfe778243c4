# SPDX-License-Identifier: Apache-2.0
"""Frames on the serial line, and mu-law (SPEC.md, "Serial protocol")."""

from __future__ import annotations

import struct
import zlib

import numpy as np


def cobs_encode(data: bytes) -> bytes:
    """Consistent overhead byte stuffing: the result has no zero byte. The delimiter is not part of
    it."""
    out = bytearray()
    for run in data.split(b"\0"):
        while len(run) >= 254:
            out += b"\xff" + run[:254]
            run = run[254:]
        out += bytes([len(run) + 1]) + run
    return bytes(out)


def cobs_decode(data: bytes) -> bytes | None:
    """The inverse; None where a block is longer than what is there, or a zero byte is inside."""
    out, at = bytearray(), 0
    while at < len(data):
        code = data[at]
        block = data[at + 1 : at + code]
        if code == 0 or len(block) != code - 1 or 0 in block:
            return None
        out += block
        at += code
        if code != 255 and at < len(data):
            out.append(0)
    return bytes(out)


def encode_frame(kind: int, number: int, body: bytes) -> bytes:
    """One frame as it goes over the line, delimiter included."""
    payload = struct.pack("<BH", kind, number) + body
    return cobs_encode(payload + struct.pack("<I", zlib.crc32(payload))) + b"\0"


def decode_frame(data: bytes) -> tuple[int, int, bytes] | None:
    """The bytes between two delimiters -> type, number, body; None if anything is wrong."""
    payload = cobs_decode(data)
    if (
        payload is None
        or len(payload) < 7
        or zlib.crc32(payload[:-4]) != struct.unpack("<I", payload[-4:])[0]
    ):
        return None
    kind, number = struct.unpack("<BH", payload[:3])
    return kind, number, payload[3:-4]


# G.711 mu-law: the 256 values, and the borders between neighbours for the nearest code.
_CODES = ~np.arange(256, dtype=np.uint8)
_MAGNITUDES = (((_CODES & 15).astype(np.int32) * 8 + 132) << (_CODES >> 4 & 7)) - 132
MU_LAW = np.where(_CODES & 128, -_MAGNITUDES, _MAGNITUDES).astype(np.int16)
_ORDER = np.argsort(MU_LAW, kind="stable")
_BORDERS = (MU_LAW[_ORDER][1:].astype(np.int32) + MU_LAW[_ORDER][:-1]) / 2


def mu_law_encode(pcm: np.ndarray) -> np.ndarray:
    """int16 -> the nearest of the 256 codes, uint8. MU_LAW[codes] is what the board hears."""
    return _ORDER[np.searchsorted(_BORDERS, pcm)].astype(np.uint8)
