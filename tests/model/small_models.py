# SPDX-License-Identifier: Apache-2.0
"""Small models for the tests of the format, and what a reader says of bytes."""

import struct
import zlib
from dataclasses import fields, replace

import numpy as np
from edge_lp import runtime
from edge_lp.errors import ModelError
from edge_lp.model.format import unpack
from edge_lp.model.spec import DetectorConfig, Matrix
from random_model import random_spec

CAUSES = {
    "magic": "not an .lpb model",
    "major": "another major version",
    "minor": "newer",
    "truncated": "cut off",
    "trailing": "appended",
    "checksum": "checksum mismatch",
    "format": "contradicts the .lpb format",
    "limit": "larger than this runtime",
    "frontend": "another front end",
}


def cause(reader, data):
    """The one cause that the reader's ModelError names, or None where it takes the bytes. Any other
    exception is a failure."""
    try:
        reader(data)
    except ModelError as e:
        named = [name for name, words in CAUSES.items() if words in str(e)]
        assert len(named) == 1 and "\n" not in str(e), str(e)
        return named[0]
    return None


def verdict(data):
    """What both readers say, which must be the same."""
    c = cause(runtime.Model, data)
    assert cause(unpack, data) == c
    return c


def sealed(data):
    """The same bytes with their size and their checksum put right."""
    data = data[:8] + struct.pack("<I", len(data)) + data[12:-4]
    return data + struct.pack("<I", zlib.crc32(data))


def small(**changes):
    """Two hidden layers and every coding: the second one's w is sparse. About 400 bytes."""
    spec = random_spec(7, (12, 14), 3, 2, **changes)
    if "layers" not in changes:
        spec.layers[1] = replace(
            spec.layers[1],
            w=Matrix(spec.layers[1].w.codes * (np.arange(14) % 4 == 0).astype(np.int8), 3),
        )
    return spec


WAKING = DetectorConfig((20, 45, 90), (0.5, 0.75), 7, 9, 5, wake_words=1, wake=500)


def small_1_1(**changes):
    return small(detector=WAKING, **changes)


def small_1_2(**changes):
    """Every second frame of even windows is a decision."""
    return small(detector=replace(WAKING, windows=(20, 44, 90), stride=2), **changes)


def same_spec(a, b):
    for f in fields(a):
        if f.name == "layers":
            assert len(a.layers) == len(b.layers)
            for x, y in zip(a.layers, b.layers):
                assert (
                    x.bias.tolist() == y.bias.tolist()
                    and x.bias_shift == y.bias_shift
                    and (x.u is None) == (y.u is None)
                )
                for m, n in ((x.w, y.w), (x.u, y.u)):
                    assert m is None or (
                        m.codes.tolist() == n.codes.tolist() and m.scale == n.scale
                    )
        elif f.name == "detector":
            # equal in the file's integers: a posterior is rounded to Q15
            x, y = (s.detector.integers(s.n_keywords) for s in (a, b))
            assert x == y
        else:
            assert getattr(a, f.name) == getattr(b, f.name), f.name
