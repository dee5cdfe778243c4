# SPDX-License-Identifier: Apache-2.0
"""A training that goes on where it was stopped: what each epoch found, the weights and the state of
the optimiser are kept behind it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def _state(model: Any) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def resume(model: Any, path: Path) -> list[dict[str, Any]]:
    """What the epochs so far have found; the compiled model is as it was behind them."""
    from edge_lp_train.files import read_arrays

    model.optimizer.build(model.trainable_variables)
    if not path.is_file():
        return []
    kept = read_arrays(path, ["records"])
    for i, v in enumerate(_state(model)):
        v.assign(kept[f"v{i}"])
    return json.loads(str(kept["records"]))


def keep(model: Any, path: Path, records: list[dict[str, Any]]) -> None:
    from edge_lp_train.files import write_arrays

    arrays = {f"v{i}": np.asarray(v) for i, v in enumerate(_state(model))}
    write_arrays(path, {"records": np.array(json.dumps(records)), **arrays})
