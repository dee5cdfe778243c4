# SPDX-License-Identifier: Apache-2.0
"""The .lpb model file in Python: a second reader, and the only writer. Written from SPEC.md, "Model
file", not from the C.

    spec = unpack(read_model("commands12"))
    write_model("kws.lpb", pack(spec))"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

from edge_lp.errors import ModelError
from edge_lp.model.spec import (
    FEATURES,
    FRONT_END,
    MAX_LABELS,
    MAX_LAYERS,
    MAX_SHIFT,
    MAX_UNITS,
    MAX_WINDOWS,
    RANGES,
    DetectorConfig,
    DetectorIntegers,
    Layer,
    Matrix,
    ModelSpec,
)

MAGIC = b"\x89LPB"
MAJOR, MINOR = 1, 2  # the newest that is read; written is the lowest that holds the model
SPARSE_BYTES = 131070  # offsets are 16 bits wide, in units of 2 bytes
OPERATING_POINT = struct.Struct("<HHHhHHHHi")


def _dense_places(n_out: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Words of 32 bits in a row, and for each target its word and its lowest bit."""
    words = -(-n_out // 10)
    target = np.arange(n_out)
    pair = target // 2
    return words, pair % words, (3 * (pair // words) + 16 * (target % 2)).astype(np.uint32)


def pack_dense(codes: np.ndarray) -> bytes:
    """(n_in, n_out) codes -> rows of 32-bit words, ten codes a word (SPEC.md, "Dense coding")."""
    n_in, n_out = codes.shape
    words, word, bit = _dense_places(n_out)
    rows = np.zeros((n_in, words), np.uint32)
    np.bitwise_or.at(rows.T, word, ((codes + 4).astype(np.uint32) << bit).T)
    return rows.astype("<u4").tobytes()


def unpack_dense(data: bytes, n_in: int, n_out: int) -> np.ndarray:
    """The inverse of pack_dense. ModelError where the length is another."""
    words, word, bit = _dense_places(n_out)
    if len(data) != 4 * n_in * words:
        raise _format(
            f"a dense {n_in} x {n_out} matrix has {len(data)} bytes, expected {4 * n_in * words}"
        )
    rows = np.frombuffer(data, "<u4").reshape(n_in, words)
    return ((rows[:, word] >> bit & 7).astype(np.int8) - 4).astype(np.int8)


def pack_sparse(codes: np.ndarray) -> bytes:
    """(n_in, n_out) codes -> n_in + 1 offsets, then one 16-bit entry for each code that is not 0
    (SPEC.md, "Sparse coding"). ValueError for more than the offsets' 16 bits can count."""
    size = 2 * (len(codes) + 1 + np.count_nonzero(codes))
    _require(size <= SPARSE_BYTES, f"{size} bytes of sparse codes, expected at most {SPARSE_BYTES}")
    source, target = np.nonzero(codes)
    entries = (codes[source, target] + 4).astype(np.uint16) << 13 | target.astype(np.uint16)
    offsets = len(codes) + 1 + np.concatenate(([0], np.cumsum(np.count_nonzero(codes, axis=1))))
    return offsets.astype("<u2").tobytes() + entries.astype("<u2").tobytes()


def unpack_sparse(data: bytes, n_in: int, n_out: int) -> np.ndarray:
    """The inverse of pack_sparse. ModelError where an offset or a target is out of place."""
    if len(data) % 2 or not 2 * (n_in + 1) <= len(data) <= SPARSE_BYTES:
        raise _format(
            f"a sparse {n_in} x {n_out} matrix has {len(data)} bytes, expected an even number "
            f"from {2 * (n_in + 1)} to {SPARSE_BYTES}"
        )
    units = np.frombuffer(data, "<u2").astype(np.int64)
    offsets, entries = units[: n_in + 1], units[n_in + 1 :]
    counts = np.diff(offsets)
    if offsets[0] != n_in + 1 or offsets[-1] != len(units) or (counts < 0).any():
        raise _format("the offsets of a sparse matrix do not rise from its first entry to its end")
    source, target = np.repeat(np.arange(n_in), counts), entries & 0x1FFF
    if (target >= n_out).any() or ((np.diff(target) <= 0) & (np.diff(source) == 0)).any():
        raise _format(f"the targets in a row of a sparse matrix do not rise, or pass {n_out - 1}")
    codes = np.zeros((n_in, n_out), np.int8)
    codes[source, target] = (entries >> 13) - 4
    return codes


class Unwritable(ModelError, ValueError):
    """A spec that is no model. A foreign file may be read and still be one."""


def _require(good: bool, message: str) -> None:
    if not good:
        raise Unwritable(message)


def _matrix(name: str, m: Matrix, n_in: int, n_out: int, shift: int | None) -> bytes:
    codes = np.asarray(m.codes)
    _require(
        codes.shape == (n_in, n_out), f"{name} has shape {codes.shape}, expected {(n_in, n_out)}"
    )
    _require(codes.dtype.kind in "iu", f"{name} has codes of type {codes.dtype}, expected integers")
    _require(
        codes.min() >= -4 and codes.max() <= 3,
        f"{name} has codes from {codes.min()} to {codes.max()}, expected -4 to 3",
    )
    _require(0 <= m.scale <= 255, f"{name} has scale {m.scale}, expected 0 to 255")
    if shift is not None:
        _require(
            0 <= shift - m.scale <= MAX_SHIFT,
            f"{name} has scale {m.scale}, expected {max(0, shift - MAX_SHIFT)} to {shift}, its "
            "shift on the core",
        )
    data, coding = pack_dense(codes), 0
    size = 2 * (n_in + 1 + np.count_nonzero(codes))
    if size < len(data) and size <= SPARSE_BYTES:
        data, coding = pack_sparse(codes), 1
    return struct.pack("<BBI", coding, m.scale, len(data)) + data


def _layers(spec: ModelSpec) -> bytes:
    _require(
        2 <= len(spec.layers) <= MAX_LAYERS,
        f"{len(spec.layers)} layers, expected 2 to {MAX_LAYERS}, the output one included",
    )
    out, n_in = [struct.pack("<H", len(spec.layers))], FEATURES
    for i, layer in enumerate(spec.layers):
        last, name = layer is spec.layers[-1], f"layer {i}"
        bias, n = np.asarray(layer.bias), layer.n
        _require(1 <= n <= MAX_UNITS, f"{name} has {n} units, expected 1 to {MAX_UNITS}")
        _require(bias.shape == (n,), f"{name}: bias has shape {bias.shape}, expected {(n,)}")
        _require(
            bias.dtype.kind in "iu" and bias.min() >= -32768 and bias.max() <= 32767,
            f"{name}: bias must be integers from -32768 to 32767",
        )
        _require(
            0 <= layer.bias_shift <= 7, f"{name}: bias_shift is {layer.bias_shift}, expected 0 to 7"
        )
        if last:
            _require(
                layer.u is None and n == len(spec.labels),
                f"the output layer has {n} units{' and a recurrence' if layer.u else ''}, "
                f"expected {len(spec.labels)}, one a label, without recurrence",
            )
        shift = None if i == 0 else spec.output_shift if last else spec.synapse_shift
        out += [
            struct.pack("<HBB", n, layer.u is not None, layer.bias_shift),
            bias.astype("<i2").tobytes(),
            _matrix(f"{name}: w", layer.w, n_in, n, shift),
        ]
        if layer.u is not None:
            out.append(_matrix(f"{name}: u", layer.u, n, n, spec.synapse_shift))
        n_in = n
    return b"".join(out)


def _labels(spec: ModelSpec) -> bytes:
    n = len(spec.labels)
    _require(1 <= n <= MAX_LABELS, f"{n} labels, expected 1 to {MAX_LABELS}")
    _require(0 <= spec.n_keywords <= n, f"{spec.n_keywords} keywords of {n} labels")
    _require(len(set(spec.labels)) == n, "a label is there twice")
    out = [struct.pack("<HH", n, spec.n_keywords)]
    for label in spec.labels:
        text = label.encode()
        _require(
            1 <= len(text) <= 255 and label.isprintable(),
            f"label {label!r} must be 1 to 255 bytes of printable UTF-8",
        )
        out.append(bytes([len(text)]) + text)
    return b"".join(out)


def _provenance(provenance: dict[str, str]) -> bytes:
    for key, value in provenance.items():
        _require(
            key != "" and ":" not in key and (key + value).isprintable(),
            f"provenance {key!r}: {value!r} must be one line of printable text, the key without a "
            "colon",
        )
    text = "".join(f"{key}: {value}\n" for key, value in provenance.items()).encode()
    return struct.pack("<I", len(text)) + text


def _detector(d: DetectorConfig, n_keywords: int) -> tuple[bytes, list[bytes]]:
    """The detector's fields of a 1.0 file, and what each further minor version adds, up to the last
    one that is needed: 1.1 unless one window, one threshold for all and no wake word say it, 1.2
    unless every frame is a decision."""
    x = d.integers(n_keywords)
    (window, *windows), (threshold, *thresholds) = x.windows, x.thresholds
    first = struct.pack("<HHHHH", window, threshold, x.refractory, x.latency, x.hold)
    more = (*windows, x.wake_words, x.wake, *thresholds)
    added = [struct.pack(f"<{len(more)}H", *more), struct.pack("<H", x.stride)]
    if x.stride == 1:
        plain = not any(windows) and not x.wake_words and set(thresholds) <= {threshold}
        del added[0 if plain else 1 :]
    return first, added


def pack(spec: ModelSpec) -> bytes:
    """The .lpb bytes of a model; each matrix in the smaller of its two codings, the file in the
    lowest minor version that holds the model. ValueError names the field that is out of its range.
    What is returned, unpack() has read."""
    for name, (least, greatest) in RANGES.items():
        value = getattr(spec, name)
        _require(least <= value <= greatest, f"{name} is {value}, expected {least} to {greatest}")
    detector, added = _detector(spec.detector, spec.n_keywords)
    body = b"".join(
        (
            struct.pack("<IHHHH", *FRONT_END),
            OPERATING_POINT.pack(*(getattr(spec, name) for name in RANGES)),
            detector,
            _labels(spec),
            _layers(spec),
            _provenance(spec.provenance),
            *added,
        )
    )
    head = MAGIC + struct.pack("<BBHI", MAJOR, len(added), 0, 12 + len(body) + 4)
    data = head + body + struct.pack("<I", zlib.crc32(head + body))
    unpack(data)
    return data


def _format(what: str) -> ModelError:
    return ModelError(f"{what}: a field contradicts the .lpb format, export the model again")


def _limit(what: str) -> ModelError:
    return ModelError(f"{what}: well-formed, but larger than this runtime can run")


class _Cursor:
    def __init__(self, data: bytes, at: int, end: int):
        self.data, self.at, self.end = data, at, end

    def take(self, n: int) -> bytes:
        if self.end - self.at < n:
            raise _format(f"{n} bytes wanted at offset {self.at}, {self.end - self.at} there")
        self.at += n
        return self.data[self.at - n : self.at]

    def fields(self, layout: struct.Struct | str) -> tuple[int, ...]:
        layout = layout if isinstance(layout, struct.Struct) else struct.Struct(layout)
        return layout.unpack(self.take(layout.size))


def _read_matrix(c: _Cursor, n_in: int, n_out: int) -> Matrix:
    coding, scale, size = c.fields("<BBI")
    data = c.take(size)
    if coding > 1:
        raise _format(f"coding {coding}, expected 0 (dense) or 1 (sparse)")
    return Matrix((unpack_sparse if coding else unpack_dense)(data, n_in, n_out), scale)


def _read_layer(c: _Cursor, n_in: int) -> Layer:
    n, flags, bias_shift = c.fields("<HBB")
    if flags > 1 or n < 1 or bias_shift > 7:
        raise _format(f"a layer of {n} units with flags {flags} and bias_shift {bias_shift}")
    if n > MAX_UNITS:
        raise _limit(f"a layer has {n} units, at most {MAX_UNITS}")
    bias = np.frombuffer(c.take(2 * n), "<i2").astype(np.int16)
    w = _read_matrix(c, n_in, n)
    return Layer(w, _read_matrix(c, n, n) if flags else None, bias, bias_shift)


def _check_shift(m: Matrix, shift: int) -> None:
    if not 0 <= shift - m.scale <= MAX_SHIFT:
        raise _format(
            f"scale {m.scale} with a shift of {shift}, expected a difference of 0 to {MAX_SHIFT}"
        )


def _read_layers(c: _Cursor, n_labels: int, synapse_shift: int, output_shift: int) -> list[Layer]:
    (n_layers,) = c.fields("<H")
    if n_layers < 2:
        raise _format(f"{n_layers} layers, expected at least 2")
    if n_layers > MAX_LAYERS:
        raise _limit(f"{n_layers} layers, at most {MAX_LAYERS}")
    layers: list[Layer] = []
    n_in = FEATURES
    for i in range(n_layers):
        layer, last = _read_layer(c, n_in), i == n_layers - 1
        if last and (layer.u is not None or layer.n != n_labels):
            raise _format(
                f"an output layer of {layer.n} units for {n_labels} labels, or a recurrent one"
            )
        if i:
            _check_shift(layer.w, output_shift if last else synapse_shift)
        if layer.u is not None:
            _check_shift(layer.u, synapse_shift)
        layers.append(layer)
        n_in = layer.n
    return layers


def _read_labels(c: _Cursor) -> tuple[list[str], int]:
    n_labels, n_keywords = c.fields("<HH")
    if n_labels < 1 or n_keywords > n_labels:
        raise _format(f"{n_keywords} keywords of {n_labels} labels")
    if n_labels > MAX_LABELS:
        raise _limit(f"{n_labels} labels, at most {MAX_LABELS}")
    labels = []
    for _ in range(n_labels):
        text = c.take(c.take(1)[0])
        if not text or any(byte < 0x20 or byte == 0x7F for byte in text):
            raise _format("an empty label, or one with a control character")
        labels.append(text.decode("utf-8", "replace"))
    return labels, n_keywords


def _read_detector(n_keywords: int, *fields: Any) -> DetectorConfig:
    config = DetectorConfig.of(DetectorIntegers(*fields))
    try:
        config.integers(n_keywords)
    except ValueError as e:
        raise _format(str(e)) from None
    return config


def _check_frame(data: bytes) -> None:
    """Magic, versions, size and checksum: each its own message."""
    if data[:4] != MAGIC[: len(data)]:
        raise ModelError(f"not an .lpb model: it begins with {data[:4]!r}, expected {MAGIC!r}")
    if len(data) < 16:
        raise ModelError(
            f"{len(data)} bytes are shorter than an .lpb header: the file is cut off, copy or "
            "export it again"
        )
    major, minor, reserved, size = struct.unpack("<BBHI", data[4:12])
    if major != MAJOR:
        raise ModelError(
            f"format {major}.{minor}: written for another major version than {MAJOR}, export the "
            "model again"
        )
    if len(data) < size or size < 16:
        raise ModelError(
            f"{len(data)} bytes, shorter than the header's {size}: the file is cut off, copy or "
            "export it again"
        )
    if len(data) > size:
        raise ModelError(
            f"{len(data)} bytes, longer than the header's {size}: something was appended, copy or "
            "export it again"
        )
    if zlib.crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        raise ModelError("checksum mismatch: the file is damaged, copy or export it again")
    if minor > MINOR:
        raise ModelError(
            f"format {major}.{minor}: written for a newer one than {MAJOR}.{MINOR}, upgrade edge-lp"
        )
    if reserved:
        raise _format("bytes 6 and 7 are not 0")


def unpack(data: bytes) -> ModelSpec:
    """The model in .lpb bytes. ModelError for anything that runtime.Model refuses too, with the
    same cause."""
    data = bytes(data)
    _check_frame(data)
    c = _Cursor(data, 12, len(data) - 4)
    front_end = c.fields("<IHHHH")
    if front_end != FRONT_END:
        raise ModelError(
            f"trained with another front end: {front_end}, expected {FRONT_END}; train or export "
            "the model again"
        )
    point = dict(zip(RANGES, c.fields(OPERATING_POINT)))
    for name, (least, greatest) in RANGES.items():
        if not least <= point[name] <= greatest:
            raise _format(f"{name} is {point[name]}, expected {least} to {greatest}")
    window, threshold, *times = c.fields("<HHHHH")
    detector = _read_detector(1, [window], 1, *times, 0, 0, [threshold])
    labels, n_keywords = _read_labels(c)
    layers = _read_layers(c, len(labels), point["synapse_shift"], point["output_shift"])
    text = c.take(c.fields("<I")[0]).decode("utf-8", "replace")
    if data[5] >= 1:
        *windows, wake_words, wake = c.fields(f"<{MAX_WINDOWS - 1 + 2}H")
        thresholds = [threshold, *c.fields(f"<{max(0, n_keywords - 1)}H")]
        (stride,) = c.fields("<H") if data[5] >= 2 else (1,)
        windows.insert(0, window)
        detector = _read_detector(n_keywords, windows, stride, *times, wake_words, wake, thresholds)
    if c.at != c.end:
        raise _format(f"{c.end - c.at} bytes behind the last field")
    shown = "".join(x if x.isprintable() or x == "\n" else "\ufffd" for x in text)
    provenance = {
        key: value for key, _, value in (line.partition(": ") for line in shown.split("\n") if line)
    }
    return ModelSpec(
        labels=labels,
        n_keywords=n_keywords,
        layers=layers,
        provenance=provenance,
        detector=detector,
        **point,
    )
