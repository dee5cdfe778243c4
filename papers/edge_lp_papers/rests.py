# SPDX-License-Identifier: Apache-2.0
"""What a result rests on: its parameters and seed, the code that measured it, the files that were
read for it. Where one of these has changed, the result is made anew.

The code of an experiment is the source of the module of its `measure` and of all that it imports of
the papers and the trainer, wherever in them, without comments and docstrings. What only looks at
the numbers (compare, judge, draw) counts apart: a change there needs no new measurement."""

from __future__ import annotations

import ast
import hashlib
import importlib
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from edge_lp_papers.experiment import Experiment

PACKAGES = ("edge_lp_papers", "edge_lp_train")
FRAME = ("work", "processes", "experiment", "rests")  # runs experiments, and is none of them
# the C of these is equal to a twin in Python by test, whose source stands for it
TWINS = {"edge_lp_papers._spiker": "edge_lp_papers.spiker.twin"}


def rests_on(experiment: Experiment, size: dict[str, Any], seed: int, data: Path | None) -> dict:
    """In JSON's terms: parameters, seed, code, looks (the code with what draws and judges),
    inputs."""
    code, looks = digests(experiment)
    inputs = dict(experiment.inputs(data))
    return {"parameters": size, "seed": seed, "code": code, "looks": looks, "inputs": inputs}


def measured(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether the numbers of an earlier result are those that would be measured now. Inputs that
    cannot be seen now, as no --data was given, count as unchanged."""
    kept = before.get("inputs") or {}
    same = all(before.get(k) == now[k] for k in ("parameters", "seed", "code"))
    return same and all(kept.get(k) == v for k, v in now["inputs"].items())


def key(now: dict[str, Any]) -> str:
    """A name for code and inputs; parameters and seed are in each part's own."""
    return _digest(repr([now["code"], now["inputs"]]))


def fingerprint(path: Path) -> str:
    """Of a file its bytes, of a folder the names and sizes of all files in it."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    files = sorted(p for p in path.rglob("*") if p.is_file())
    return _digest("\n".join(f"{p.relative_to(path)} {p.stat().st_size}" for p in files))


def digests(experiment: Experiment) -> tuple[str, str]:
    """Of the code that measures, and of all the code."""
    looks = {_function(f).__name__ for f in (experiment.compare, experiment.judge, experiment.draw)}
    bare, whole = [], []
    for f in (experiment.measure, experiment.compare, experiment.judge, experiment.draw):
        start = _function(f).__module__
        sources = [_source(path) for _, path in sorted(_reached(start).items())]
        whole += [ast.unparse(tree) for tree in sources]
        if f is experiment.measure:
            bare = [ast.unparse(_without(tree, looks)) for tree in sources]
    return _digest("\n".join(bare)), _digest("\n".join(sorted(set(whole))))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _function(f: Any) -> Any:
    return _function(f.func) if isinstance(f, partial) else f


def _source(path: Path) -> ast.Module:
    """The tree without docstrings; comments are none of it anyway."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            if isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
                body[:] = body[1:] or [ast.Pass()]
    return tree


def _without(tree: ast.Module, names: set[str]) -> ast.Module:
    """Without the functions of these names, and without the EXPERIMENT."""

    def stays(node: ast.stmt) -> bool:
        targets = [getattr(t, "id", "") for t in getattr(node, "targets", [])]
        return getattr(node, "name", None) not in names and "EXPERIMENT" not in targets

    return ast.Module([n for n in tree.body if stays(n)], [])


def _reached(start: str) -> dict[str, Path]:
    """The modules that one reaches by imports, itself too, and where their sources are."""
    found: dict[str, Path] = {}
    todo = [start]
    while todo:
        name = TWINS.get(todo[-1], todo[-1])
        todo.pop()
        path = _file(name, start)
        if name not in found and path:
            found[name] = path
            todo += _imports(path)
    return found


def _imports(path: Path) -> Iterator[str]:
    """All that could be modules of ours: `from a import b` counts as a and as a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)


def _file(name: str, start: str) -> Path | None:
    """The source of a module of ours, without importing it; None: it is none, or of the frame that
    runs experiments."""
    package, *inside = name.split(".")
    if name == start and package not in PACKAGES:  # an experiment of somebody else's
        return Path(str(sys.modules[name].__file__))
    if package not in PACKAGES or not inside or inside[0] in FRAME:
        return None
    folders = [Path(p) for p in importlib.import_module(package).__path__]
    candidates = [folder.joinpath(*inside).with_suffix(".py") for folder in folders]
    return next((p for p in candidates if p.is_file()), None)
