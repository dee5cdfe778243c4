# SPDX-License-Identifier: Apache-2.0
"""Where models are: a file, a run directory of training, or one that ships with the package."""

from __future__ import annotations

from pathlib import Path

from edge_lp.errors import ModelError
from edge_lp.files import write_file
from edge_lp.runtime import Model

MODELS = Path(__file__).resolve().parents[1] / "models"  # beside the package's own folders


def shipped_models() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(f.stem for f in MODELS.glob("*.lpb"))


def resolve_model(name: str | Path) -> Path:
    """A file, a run directory (its model.lpb), or the name of a shipped model -> the file.
    ModelError says what was looked for."""
    path = Path(name)
    if path.is_dir():
        if (path / "model.lpb").is_file():
            return path / "model.lpb"
        raise ModelError(
            f"{path} is a directory without a model.lpb: give a finished run (edge-lp train), or "
            "an .lpb file"
        )
    if path.is_file():
        return path
    if str(name) in shipped_models():
        return MODELS / f"{name}.lpb"
    raise ModelError(
        f"no model {str(name)!r}: expected a file, a run directory or a shipped model "
        f"({', '.join(shipped_models()) or 'none here'})"
    )


def read_model(name: str | Path) -> bytes:
    """The bytes behind resolve_model(name), which the C runtime accepts. ModelError with the file's
    name otherwise."""
    path = resolve_model(name)
    try:
        return Model(path.read_bytes()).bytes
    except OSError as e:
        raise ModelError(f"cannot read {path}: {e.strerror or e}") from e
    except ModelError as e:
        raise ModelError(f"{path}: {e}") from None


def float_weights(model: str | Path) -> Path:
    """The float weights that belong to a model: weights_float.npz in its run directory, or NAME.npz
    beside NAME.lpb. ModelError: neither is there."""
    path = resolve_model(model)
    for candidate in (path.with_name("weights_float.npz"), path.with_suffix(".npz")):
        if candidate.is_file():
            return candidate
    raise ModelError(
        f"{model}: no float weights beside it; expected weights_float.npz in a run directory, or "
        f"{path.with_suffix('.npz').name}"
    )


def write_model(path: str | Path, data: bytes) -> Path:
    """Writes .lpb bytes through a temporary file. EdgeLpError where that is not possible."""
    return write_file(path, data)
