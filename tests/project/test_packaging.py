# SPDX-License-Identifier: Apache-2.0
"""The wheel: one for every Python from 3.10 on, with the models and the C sources of the boards and
nothing else, and the tool runs from it."""

import os
import shutil
import subprocess
import sys
import zipfile

import numpy as np
from paths import ROOT


def test_one_wheel_for_every_python(wheel):
    assert wheel.name.startswith("edge_lp-") and "-cp310-abi3-linux_" in wheel.name


def test_what_is_in_it(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    binaries = {"edge_lp/_runtime", "edge_lp_train/_scan", "edge_lp_papers/_spiker"}
    assert (
        {f"{b}.abi3.so" for b in binaries} <= set(names)
        and "edge_lp/models/commands12.lpb" in names
        and any(n.endswith("licenses/LICENSE") for n in names)
    )
    top = {n.split("/")[0] for n in names}
    packages = {"edge_lp", "edge_lp_train", "edge_lp_papers"}
    assert top == {*packages, next(n for n in top if n.endswith(".dist-info"))}
    sources = {
        f"{p.parent.name}/{p.name}"
        for folder in ("host/edge_lp", "train/edge_lp_train", "papers/edge_lp_papers")
        for p in (ROOT / folder).glob("*.py")
    }
    assert sources <= set(names)
    # what `edge-lp emulate` builds from, and what `edge-lp new-project` writes
    assert {"edge_lp/c/runtime/edge_lp.h", "edge_lp/c/firmware/Makefile"} <= set(names)
    host, projects = ROOT / "host", ROOT / "host/edge_lp/board/projects"
    templates = {str(p.relative_to(host)) for p in projects.rglob("*") if p.is_file()}
    example = "edge_lp/c/esp-idf/i2s_microphone/main/main.c"
    assert {"edge_lp/c/src/edge_lp_fast.h", example, *templates} <= set(names)
    assert len(templates) > 12
    # what `edge-lp listen --web` serves, the WebAssembly where it can be built
    page = {"index.html", "style.css", "app.js", "picture.js", "sources.js", "spotter.js"}
    assert {f"edge_lp/web/{name}" for name in page | {"worklet.js"}} <= set(names)
    built = shutil.which("clang") and shutil.which("wasm-ld")
    assert ("edge_lp/web/edge_lp.wasm" in names) == bool(built)
    assert not [
        n
        for n in names
        if n.endswith((".wav", ".flac", ".ogg", ".pyc", ".o", ".elf"))
        or n.endswith(".c")
        and not n.startswith(("edge_lp/c/", "edge_lp/board/projects/"))
    ]
    assert wheel.stat().st_size < 1_000_000


def test_the_tool_runs_from_it(wheel, tmp_path):
    """Unpacked into an empty folder, in front of everything else: help, version, and a model read
    by the C runtime in the wheel."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = """if True:
        import sys
        sys.path[:0] = [sys.argv.pop(1)]
        # -S: site-packages without its .pth files, which would bring in an editable installation
        sys.path.append(sys.argv.pop(1))
        from edge_lp.cli import main
        assert sys.modules['edge_lp'].__file__.startswith(sys.path[0])
        main()"""
    for words, says in [
        (["--help"], "listen"),
        (["--version"], wheel.name.split("-")[1]),
        (["inspect", "commands12"], "yes"),
    ]:
        done = subprocess.run(
            [sys.executable, "-S", "-c", code, str(tmp_path), np.__path__[0] + "/..", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "120"},
        )
        assert done.returncode == 0 and says in done.stdout, done.stderr
