# SPDX-License-Identifier: Apache-2.0
"""The model file against hostile bytes: a result, or the cause that both readers name."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from edge_lp import runtime
from edge_lp.errors import ModelError
from edge_lp.model import format
from edge_lp.model.format import pack, unpack
from edge_lp.model.spec import RANGES, DetectorConfig, Layer, Matrix
from random_model import random_frames, random_spec
from small_models import sealed, small, small_1_1, small_1_2, verdict
from twins import net as oracle


@pytest.mark.parametrize("model", [small, small_1_1, small_1_2])
def test_truncated_at_every_length(model):
    data = pack(model())
    for n in range(len(data)):
        assert verdict(data[:n]) == "truncated"
        if n >= 16:  # the header and the checksum put right: a field is missing
            assert verdict(sealed(data[:n])) in ("format", "limit", "frontend")


@pytest.mark.parametrize("model", [small, small_1_1, small_1_2])
@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_every_byte_flipped(model, flip):
    data = pack(model())
    for i in range(len(data)):
        found = verdict(data[:i] + bytes([data[i] ^ flip]) + data[i + 1 :])
        expected = (
            ["magic"]
            if i < 4
            else ["major"]
            if i == 4
            else ["truncated", "trailing"]
            if 8 <= i < 12
            else ["checksum"]
        )
        assert found in expected, f"byte {i}"


def test_bytes_appended():
    data = pack(small())
    for extra in (b"\0", b"\n", data, bytes(1000)):
        assert verdict(data + extra) == "trailing"


def test_other_files():
    for data in (
        b"RIFF" + bytes(100),
        b"\x89PNG\r\n\x1a\n" + bytes(50),
        b"L",
        bytes(16),
        b"\x89LPC" + bytes(20),
    ):
        assert verdict(data) == "magic"
    assert verdict(b"") == verdict(b"\x89LP") == verdict(b"\x89LPB") == "truncated"


def edit(data, layout, at, *values):
    out = bytearray(data)
    struct.pack_into("<" + layout, out, at, *values)
    return sealed(bytes(out))


def test_versions():
    data = pack(small())
    assert verdict(edit(data, "B", 4, 2)) == "major" and verdict(edit(data, "B", 4, 0)) == "major"
    for minor, model in enumerate((small, small_1_1, small_1_2)):
        own = pack(model())
        assert own[5] == minor and verdict(own) is None
        for other in range(3):  # without a section that it should have, or with one too many
            assert (verdict(edit(own, "B", 5, other)) == "format") == (other != minor)
        assert verdict(edit(own, "B", 5, 3)) == verdict(edit(own, "B", 5, 255)) == "minor"
    assert verdict(edit(data, "H", 6, 1)) == "format"
    for at, layout in ((12, "I"), (16, "H"), (18, "H"), (20, "H"), (22, "H")):
        assert (
            verdict(edit(data, layout, at, struct.unpack_from("<" + layout, data, at)[0] + 1))
            == "frontend"
        )
    for size in (0, 12, 15):
        assert verdict(data[:8] + struct.pack("<I", size) + data[12:]) == "truncated"


def test_every_field_at_and_beyond_its_extremes():
    data, at = pack(small()), 24
    for (name, (low, high)), code in zip(RANGES.items(), format.OPERATING_POINT.format[1:]):
        least, most = {"H": (0, 65535), "h": (-32768, 32767), "i": (-(2**31), 2**31 - 1)}[code]
        for value in {low, high, low - 1, high + 1, least, most}:
            if least <= value <= most:
                # these two are bound to the matrices' scales as well
                free = name not in ("synapse_shift", "output_shift")
                inside = low <= value <= high and (free or 0 <= value - 3 <= 12)
                assert verdict(edit(data, code, at, value)) == (None if inside else "format"), (
                    f"{name} = {value}"
                )
        at += struct.calcsize("<" + code)
    for offset, value, good in (
        (44, 0, False),
        (44, 1, True),
        (44, 200, True),
        (44, 201, False),
        (46, 32767, True),
        (46, 32768, False),
        (48, 65535, True),
        (50, 65535, True),
        (52, 65535, True),
        (54, 0, False),
        (54, 4, False),
        (56, 3, True),
        (56, 4, False),
    ):
        assert (verdict(edit(data, "H", offset, value)) is None) == good, f"{value} at {offset}"
    assert verdict(edit(data, "HH", 54, 65, 3)) == "limit"


def test_fields_of_1_1_at_and_beyond_their_extremes():
    """Windows behind the first, wake words, wake frames, the second keyword's threshold; and a 1.1
    file that holds nothing new is read as well."""
    data = pack(small_1_1())
    at = len(data) - 4 - 12
    assert struct.unpack_from("<6H", data, at) == (45, 90, 0, 1, 500, round(0.75 * 32767))
    good = (45, 90, 0, 1, 500, 100)
    for values, reads in (
        (good, True),
        ((45, 90, 200, 2, 65535, 32767), True),
        ((21, 0, 0, 1, 0, 0), True),
        ((0, 0, 0, 0, 0, 100), True),
        ((20, 0, 0, 1, 500, 100), False),  # not longer than the one before
        ((45, 45, 0, 1, 500, 100), False),
        ((45, 90, 201, 1, 500, 100), False),
        ((45, 0, 90, 1, 500, 100), False),
        ((0, 45, 90, 1, 500, 100), False),
        ((45, 90, 0, 3, 500, 100), False),  # wake words of two keywords
        ((45, 90, 0, 65535, 500, 100), False),
        ((45, 90, 0, 0, 500, 100), False),  # frames behind no wake word
        ((45, 90, 0, 1, 500, 32768), False),
    ):
        assert (verdict(edit(data, "6H", at, *values)) is None) == reads, values
    assert unpack(edit(data, "6H", at, 0, 0, 0, 0, 0, 16384)).detector.thresholds == (
        16384 / 32767,
    )
    assert verdict(sealed(data[:-4] + b"\0\0" + data[-4:])) == "format"


def test_the_field_of_1_2_at_and_beyond_its_extremes():
    """It divides all windows: 20, 44 and 90, or 200 alone."""
    data = pack(small_1_2())
    at = len(data) - 4 - 2
    assert struct.unpack_from("<H", data, at) == (2,)
    for stride in range(300):
        found = verdict(edit(data, "H", at, stride))
        assert (found is None) == (stride in (1, 2)) and found in (None, "format"), stride
    alone = edit(edit(data, "6H", at - 12, 0, 0, 0, 1, 500, 100), "H", 44, 200)
    for stride in (*range(300), 400, 32768, 65535):
        reads = stride > 0 and 200 % stride == 0
        assert (verdict(edit(alone, "H", at, stride)) is None) == reads, stride
    assert unpack(edit(alone, "H", at, 200)).detector.stride == 200
    assert verdict(sealed(data[:-4] + b"\0\0" + data[-4:])) == "format"
    assert verdict(sealed(data[:-6] + data[-4:])) == "format"


def test_no_keyword_at_all():
    """There is one threshold then too, the one in the header."""
    for windows in ((20,), (20, 60)):
        detector = DetectorConfig(windows, (0.5,), 7, 9, 5)
        data = pack(random_spec(7, (12,), 3, 0, detector=detector))
        assert verdict(data) is None and runtime.Model(data).detector == unpack(data).detector


def matrices(data, spec):
    """Offsets of the matrices in a file: (offset, n_in, n_out, shift or None)."""
    at, n_in = 58 + sum(1 + len(label.encode()) for label in spec.labels) + 2, 40
    for i, layer in enumerate(spec.layers):
        at += 4 + 2 * layer.n
        shift = (
            None
            if i == 0
            else spec.output_shift
            if i == len(spec.layers) - 1
            else spec.synapse_shift
        )
        for m, fan_in, top in ((layer.w, n_in, shift), (layer.u, layer.n, spec.synapse_shift)):
            if m is not None:
                yield at, fan_in, layer.n, top
                at += 6 + struct.unpack_from("<I", data, at + 2)[0]
        n_in = layer.n


@pytest.mark.parametrize("shift", [0, 3, 9, 12, 13, 15])
def test_scales_that_the_core_cannot_shift(shift):
    zero = [
        replace(layer, w=replace(layer.w, scale=shift), u=layer.u and replace(layer.u, scale=shift))
        for layer in small().layers
    ]
    spec = small(layers=zero, synapse_shift=shift, output_shift=shift)
    data = pack(spec)
    for at, _, _, top in matrices(data, spec):
        for scale in (0, 1, 2, 3, 4, 12, 13, 14, 15, 16, 255):
            good = top is None or 0 <= top - scale <= 12
            assert verdict(edit(data, "B", at + 1, scale)) == (None if good else "format")
        assert verdict(edit(data, "B", at, 2)) == "format"
        assert verdict(edit(data, "I", at + 2, 2**32 - 1)) == "format"


def test_every_unit_of_a_sparse_matrix():
    """Each offset one off, each target one past the end or not rising."""
    spec = small()
    data = pack(spec)
    at, n_in, n_out, _ = next(m for m in matrices(data, spec) if data[m[0]] == 1)
    at, units = at + 6, struct.unpack_from("<I", data, at + 2)[0] // 2
    offsets = struct.unpack_from(f"<{n_in + 1}H", data, at)
    assert offsets[0] == n_in + 1 and offsets[-1] == units and units > n_in + 10
    for i, offset in enumerate(offsets):
        moved = {j: edit(data, "H", at + 2 * i, offset + j) for j in (-1, 1)}
        assert not {verdict(d) for d in moved.values()} - {None, "format"}
        if i in (0, n_in):
            assert [verdict(d) for d in moved.values()] == ["format", "format"]
    for source in range(n_in):
        row = range(offsets[source], offsets[source + 1])
        for k in row:
            (entry,) = struct.unpack_from("<H", data, at + 2 * k)
            code, target = entry & ~0x1FFF, entry & 0x1FFF
            assert verdict(edit(data, "H", at + 2 * k, code | n_out)) == "format"
            assert (verdict(edit(data, "H", at + 2 * k, code | n_out - 1)) is None) == (
                k == row[-1]
            )
            if k > row[0]:
                (before,) = struct.unpack_from("<H", data, at + 2 * k - 2)
                assert verdict(edit(data, "H", at + 2 * k, code | before & 0x1FFF)) == "format"
            assert target < n_out


@pytest.mark.parametrize("byte", range(256))
def test_label_bytes(byte):
    """No control character reaches a terminal; what is not UTF-8 is shown as a replacement
    character by both readers."""
    data = bytearray(pack(small()))
    assert data[58:64] == b"\x05word0"
    data[60] = byte
    assert verdict(sealed(bytes(data))) == ("format" if byte < 32 or byte == 127 else None)
    if byte > 127:
        assert (
            unpack(sealed(bytes(data))).labels[0]
            == runtime.Model(sealed(bytes(data))).labels[0]
            == "w\ufffdrd0"
        )


def test_provenance_is_shown_safely():
    data = pack(small(provenance={"name": "abcdef", "other": "x"}))
    found = unpack(sealed(data.replace(b"abcdef", b"a\x1b[2J\xff"))).provenance
    assert found == {"name": "a\ufffd[2J\ufffd", "other": "x"}


def test_bound_of_the_sparse_coding():
    """A model with the largest sparse matrix there is, one entry more, and offsets that lie."""
    n = 1024
    codes = np.zeros((n, n), np.int8)
    # 64 to a row until the block is full: 65535 units
    codes.reshape(-1)[np.arange(65535 - n - 1) * 16] = 3
    block = format.pack_sparse(codes)
    assert (
        len(block) == format.SPARSE_BYTES
        and format.unpack_sparse(block, n, n).tolist() == codes.tolist()
    )
    codes[-1, -1] = 3
    with pytest.raises(ValueError, match="131072 bytes of sparse codes, expected at most 131070"):
        format.pack_sparse(codes)


@pytest.mark.parametrize("one_more", [0, 1])
def test_c1_a_large_sparse_layer_is_written_so_that_it_opens(one_more):
    """C1: 1024 units, 6 % of the codes not 0. Sparse is smaller than dense and its offsets no
    longer fit into 16 bits with one code more: then the matrix is dense."""
    n = 1024
    codes = np.zeros((n, n), np.int8)
    codes.reshape(-1)[np.arange(65535 - n - 1 + one_more) * 16] = 3
    good = small()
    wide = Layer(Matrix(np.ones((40, n), np.int8), 3), Matrix(codes, 3), np.zeros(n, np.int16), 0)
    out = Layer(Matrix(np.ones((n, 3), np.int8), 3), None, np.zeros(3, np.int16), 0)
    data = pack(replace(good, layers=[wide, out]))
    assert runtime.Model(data).coding(0, "u")[0] == ("dense" if one_more else "sparse")
    assert (unpack(data).layers[0].u.codes == codes).all()


def test_c1_what_is_packed_has_been_opened(monkeypatch):
    """C1: a writer that is wrong is found by the reader before anything is written."""
    monkeypatch.setattr(format, "SPARSE_BYTES", 10**6)
    codes = np.zeros((1024, 1024), np.int8)
    codes[:, :93] = 1  # 9 %
    layer = Layer(
        Matrix(np.ones((40, 1024), np.int8), 3), Matrix(codes, 3), np.zeros(1024, np.int16), 0
    )
    out = Layer(Matrix(np.ones((1024, 3), np.int8), 3), None, np.zeros(3, np.int16), 0)
    with pytest.raises(ModelError):
        pack(replace(small(), layers=[layer, out]))


def mutate(rng, data):
    """One to three changes of the kinds that fuzzers find: bytes, extreme words, cuts, copies."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at, kind = int(rng.integers(12, len(out) - 4)), int(rng.integers(0, 6))
        if kind == 0:
            out[at] = int(rng.integers(0, 256))
        elif kind == 1:
            out[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 2:
            out[at : at + 2] = struct.pack(
                "<H", int(rng.choice([0, 1, 0x7FFF, 0x8000, 0xFFFF, 1024, 1025]))
            )
        elif kind == 3:
            out[at : at + 4] = struct.pack(
                "<I", int(rng.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1, len(out)]))
            )
        elif kind == 4:
            del out[at : at + int(rng.integers(1, 9))]
        else:
            out[at:at] = out[at : at + int(rng.integers(1, 9))]
        if len(out) < 80:
            return data
    return sealed(bytes(out))


@pytest.mark.parametrize("seed", range(8))
def test_mutated_models_with_good_checksums(seed):
    """400 mutations a seed: both readers agree, and what they take runs as the twin does."""
    rng, frames, ran, refused = np.random.default_rng(seed), random_frames(seed, 2), 0, 0
    base = [
        pack(small(steps=3)),
        pack(random_spec(seed, (6,), 2, 1, steps=3)),
        pack(random_spec(seed, (11, 5, 4), 4, 4, 0.1, steps=3)),
        pack(small_1_1(steps=3)),
        pack(small_1_2(steps=3)),
    ]
    for _ in range(400):
        data = mutate(rng, base[int(rng.integers(0, len(base)))])
        if verdict(data):
            refused += 1
            continue
        ran += 1
        model, spec = runtime.Model(data), unpack(data)
        assert model.labels == spec.labels and model.detector == spec.detector
        logits = runtime.Net(model).push(frames)
        if spec.steps < 20:
            assert logits.tolist() == oracle.run(spec, frames).logits
        runtime.Spotter(model).push(np.zeros(480, np.int16))
    assert ran > 40 and refused > 40
