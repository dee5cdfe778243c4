# SPDX-License-Identifier: Apache-2.0
"""A training that goes on where it was stopped: what each epoch found, the weights and the state of
the optimiser are kept behind it, in a file of the part's, and the CPU time until then."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from edge_lp_papers.work import Part


def _state(model: Any) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def resume(model: Any, part: Part, name: str) -> list[dict[str, Any]]:
    """What the epochs so far have found; the compiled model is as it was behind them."""
    from edge_lp_train.files import read_arrays

    model.optimizer.build(model.trainable_variables)
    path = part.path(f"{name}.npz")
    if not path.is_file():
        return []
    kept = read_arrays(path, ["records", "seconds"])
    for i, v in enumerate(_state(model)):
        v.assign(kept[f"v{i}"])
    part.seconds = max(part.seconds, float(kept["seconds"]))
    return json.loads(str(kept["records"]))


def keep(model: Any, part: Part, name: str, records: list[dict[str, Any]]) -> None:
    from edge_lp_train.files import write_arrays

    arrays = {f"v{i}": np.asarray(v) for i, v in enumerate(_state(model))}
    told = {"records": np.array(json.dumps(records)), "seconds": np.array(part.spent())}
    write_arrays(part.path(f"{name}.npz"), {**told, **arrays})
