# SPDX-License-Identifier: Apache-2.0
"""The model file: both readers, the writer, and SPEC.md say the same; nothing hostile gets through
or gets by unnamed."""

import re
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from edge_lp import runtime
from edge_lp.errors import EdgeLpError, ModelError
from edge_lp.model import find, format
from edge_lp.model.format import pack, unpack
from edge_lp.model.spec import FRONT_END, RANGES, DetectorConfig, Layer, Matrix
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import ROOT
from random_model import random_frames, random_spec
from small_models import same_spec, small
from support import raising

SPEC = (ROOT / "SPEC.md").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------ round trip --


@st.composite
def detectors(draw, n_keywords):
    stride = draw(st.sampled_from([1, 1, 2, 7, 200]))
    decisions = st.integers(1, 200 // stride)
    windows = sorted(draw(st.lists(decisions, min_size=1, max_size=4, unique=True)))
    n = n_keywords if n_keywords and draw(st.booleans()) else 1
    thresholds = draw(st.lists(st.floats(0, 1), min_size=n, max_size=n))
    frames, wake_words = st.integers(0, 65535), draw(st.integers(0, n_keywords))
    times = [draw(frames) for _ in range(3)]
    wake = draw(frames) if wake_words else 0
    windows = tuple(stride * w for w in windows)
    return DetectorConfig(windows, tuple(thresholds), *times, wake_words, wake, stride)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 33), min_size=1, max_size=7),
    st.integers(1, 64),
    st.floats(0, 1),
    st.data(),
)
def test_round_trip(seed, sizes, n_labels, density, data):
    words = data.draw(
        st.lists(
            st.text(min_size=1, max_size=60).filter(
                lambda s: s.isprintable() and len(s.encode("utf-8", "replace")) < 256
            ),
            min_size=n_labels,
            max_size=n_labels,
            unique=True,
        )
    )
    point = {
        name: data.draw(st.integers(*range_))
        for name, range_ in RANGES.items()
        if name not in ("synapse_shift", "output_shift")
    }
    n_keywords = data.draw(st.integers(0, n_labels))
    detector = data.draw(detectors(n_keywords))
    spec = random_spec(
        seed, sizes, n_labels, n_keywords, density, labels=words, detector=detector, **point
    )
    packed = pack(spec)
    q15 = detector.integers(n_keywords).thresholds
    plain = len(detector.windows) == 1 and not detector.wake_words and len(set(q15)) == 1
    assert tuple(packed[4:6]) == (1, 2 if detector.stride > 1 else 0 if plain else 1)
    same_spec(unpack(packed), spec)
    assert pack(unpack(packed)) == packed
    model = runtime.Model(packed)
    assert (
        model.labels == words
        and model.n_keywords == spec.n_keywords
        and model.detector == unpack(packed).detector
        and model.c.crc == zlib.crc32(packed[:-4])
    )
    for name in RANGES:
        assert getattr(model.c, name) == getattr(spec, name)


def test_the_smaller_coding_is_taken_and_a_standard_net_has_25_kb():
    dense, sparse = pack(random_spec(1)), pack(random_spec(1, density=0.1))
    assert 23000 < len(dense) < 25600 and len(sparse) < 8000
    kinds = [runtime.Model(d).c.layers[1].w.kind for d in (dense, sparse)]
    assert kinds[0] != kinds[1]


def test_any_alignment():
    """The C reader takes a model at any address."""
    packed, frames = pack(small()), random_frames(1, 3)
    expected = runtime.Net(runtime.Model(packed)).push(frames).tolist()
    from edge_lp._runtime import ffi, lib

    for shift in range(1, 8):
        buffer = ffi.new("uint8_t[]", b"\xff" * shift + packed)
        model = runtime.Model(packed)
        assert lib.lp_model_open(model.c, buffer + shift, len(packed)) == 0
        assert runtime.Net(model).push(frames).tolist() == expected


# ------------------------------------------------------------------------------ SPEC.md executed --


def example(coding):
    rows = re.findall(rf"^    {coding} +(codes|bytes) +(.*)$", SPEC, re.MULTILINE)
    codes = np.array([row.split() for kind, row in rows if kind == "codes"], np.int8)
    return codes, bytes.fromhex(next(row for kind, row in rows if kind == "bytes"))


@pytest.mark.parametrize(
    "coding, write, read",
    [
        ("dense", format.pack_dense, format.unpack_dense),
        ("sparse", format.pack_sparse, format.unpack_sparse),
    ],
)
def test_worked_examples(coding, write, read):
    codes, data = example(coding)
    assert write(codes) == data and read(data, *codes.shape).tolist() == codes.tolist()


def test_dense_place_of_every_target_as_written():
    for n in range(1, 45):
        for i in range(n):
            codes = np.full((1, n), -4, np.int8)
            codes[0, i] = 3
            w, p = -(-n // 10), i // 2
            words = [0] * w
            words[p % w] = 7 << 3 * (p // w) + 16 * (i % 2)
            assert format.pack_dense(codes) == struct.pack(f"<{w}I", *words)


def test_offsets_in_the_table():
    """The fixed part of the table "Model file": each offset follows from the types before it, and
    each field is where it says."""
    table = re.search(r"\| offset \| type \| field \|\n(.*?)\n\n", SPEC, re.DOTALL)[1]
    spec = small(drive_shift=-9, detector=DetectorConfig((31,), (0.25,), 7, 9, 5))
    sizes = {"u8": "B", "u16": "H", "u32": "I", "i16": "h", "i32": "i", "u8[4]": "4s"}
    data, at = pack(spec), 0
    for offset, types, text in re.findall(
        r"^\| (\d+) \| ([\w\[\], ]+) \| (.*) \|$", table, re.MULTILINE
    ):
        assert int(offset) == at, text
        layout = "<" + "".join(sizes[t] for t in types.split(", "))
        values = struct.unpack_from(layout, data, at)
        at += struct.calcsize(layout)
        name = text.split(",")[0]
        if name in RANGES:
            assert values == (getattr(spec, name),)
            low, high = (
                eval(x.replace("−", "-").replace("^", "**"))
                for x in re.search(r", ([^,]+)\.\.(.+)$", text).groups()
            )
            assert (low, high) == RANGES[name]
        elif name.startswith("front end"):
            assert values == FRONT_END == tuple(int(x) for x in re.findall(r"\d+", text))
        elif name.startswith("detector"):
            assert values == (31, round(0.25 * 32767), 7, 9, 5)
        elif name.startswith("labels"):
            assert values == (3, 2)
        elif name.startswith("size"):
            assert values == (len(data),)
        elif name.startswith("format"):
            assert values == (1, 0)
    assert at == 58


# ---------------------------------------------------------------------------------------- writer --


def test_pack_says_what_is_wrong():
    good = small()
    w, wide = good.layers[0].w, good.layers[1]
    wrong = {
        "delta is 0, expected 1 to 4096": replace(good, delta=0),
        "ceiling is 8388608": replace(good, ceiling=2**23),
        "threshold is 1.5": replace(good, detector=replace(good.detector, thresholds=(1.5,))),
        "windows are (201,) frames, expected 1 to 4 that rise within 1 to 200": replace(
            good, detector=replace(good.detector, windows=(201,))
        ),
        "stride is 2 frames, expected 1 or more that divides its windows (20, 45)": replace(
            good, detector=replace(good.detector, windows=(20, 45), stride=2)
        ),
        "stride is 0 frames": replace(good, detector=replace(good.detector, stride=0)),
        "windows are (30, 20) frames": replace(
            good, detector=replace(good.detector, windows=(30, 20))
        ),
        "3 detector thresholds, 2 keywords": replace(
            good, detector=replace(good.detector, thresholds=(0.1, 0.2, 0.3))
        ),
        "3 wake words of 2 keywords": replace(good, detector=replace(good.detector, wake_words=3)),
        "but there is no wake word": replace(good, detector=replace(good.detector, wake=5)),
        "latency is -1 frames, expected 0 to 65535": replace(
            good, detector=replace(good.detector, latency=-1)
        ),
        "0 labels": replace(good, labels=[]),
        "there twice": replace(good, labels=["a", "b", "a"]),
        "printable": replace(good, labels=["a", "b\n", "c"]),
        "4 keywords of 3 labels": replace(good, n_keywords=4),
        "one a label": replace(good, labels=["a", "b", "c", "d"]),
        "1 layers, expected 2 to 8": replace(good, layers=good.layers[2:]),
        "codes from -4 to 4": replace(
            good,
            layers=[
                replace(good.layers[0], w=Matrix(w.codes * 0 + np.arange(12) % 2 * 8 - 4, 3)),
                *good.layers[1:],
            ],
        ),
        "type float64": replace(
            good, layers=[replace(good.layers[0], w=Matrix(w.codes * 1.0, 3)), *good.layers[1:]]
        ),
        "has scale 4, expected 0 to 3": replace(
            good, layers=[good.layers[0], replace(wide, w=Matrix(wide.w.codes, 4)), good.layers[2]]
        ),
        "shape (40, 12), expected (12, 12)": replace(
            good, layers=[good.layers[0], replace(wide, w=w, bias=wide.bias[:12]), good.layers[2]]
        ),
        "bias has shape (3,)": replace(
            good, layers=[replace(good.layers[0], bias=good.layers[0].bias[:3]), *good.layers[1:]]
        ),
        "bias_shift is 8": replace(
            good, layers=[replace(good.layers[0], bias_shift=8), *good.layers[1:]]
        ),
        "without recurrence": replace(
            good,
            layers=[
                *good.layers[:2],
                replace(good.layers[2], u=Matrix(np.zeros((3, 3), np.int8), 3)),
            ],
        ),
        "1025 units": replace(
            good,
            layers=[
                Layer(Matrix(np.zeros((40, 1025), np.int8), 3), None, np.zeros(1025, np.int16), 0),
                good.layers[2],
            ],
        ),
        "one line": replace(good, provenance={"note": "two\nlines"}),
    }
    for words, spec in wrong.items():
        with pytest.raises(ValueError, match=re.escape(words)):
            pack(spec)


def test_write_and_find(tmp_path, monkeypatch):
    data = pack(small())
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(ModelError, match="without a model.lpb"):
        find.resolve_model(run)
    assert find.write_model(run / "model.lpb", data) == run / "model.lpb"
    assert [p.name for p in run.iterdir()] == ["model.lpb"]
    assert find.read_model(str(run)) == find.read_model(run / "model.lpb") == data
    with pytest.raises(
        ModelError, match="no model 'nothing': expected a file, a run directory or a shipped model"
    ):
        find.resolve_model("nothing")
    with pytest.raises(EdgeLpError, match="cannot write"):
        find.write_model(tmp_path / "absent" / "model.lpb", data)
    (run / "model.lpb").write_bytes(b"old")
    monkeypatch.setattr("os.replace", raising(OSError(28, "No space left on device")))
    with pytest.raises(EdgeLpError, match="No space left"):
        find.write_model(run / "model.lpb", data)
    assert [p.name for p in run.iterdir()] == ["model.lpb"] and (
        run / "model.lpb"
    ).read_bytes() == b"old"


def test_shipped_models_open():
    for name in find.shipped_models():
        data = find.read_model(name)
        same_spec(unpack(data), unpack(pack(unpack(data))))
        assert runtime.Model(data).labels == unpack(data).labels
