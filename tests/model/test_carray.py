# SPDX-License-Identifier: Apache-2.0
"""The C source of a model compiles, in C and in C++, to the model's bytes."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from edge_lp import runtime
from edge_lp.errors import EdgeLpError, ModelError
from edge_lp.model.carray import to_c
from edge_lp.model.format import pack
from edge_lp.runtime import Model
from paths import ROOT
from random_model import random_spec

RUNTIME = ROOT / "runtime"

MAIN = """
#include <stdio.h>
#include "model.h"
int main(void) { return fwrite(kws, 1, kws_size, stdout) != sizeof kws; }
"""


@pytest.mark.parametrize(
    "compiler, name",
    [(["gcc", "-std=c99", "-Wpedantic"], "main.c"), (["g++", "-Wpedantic"], "main.cpp")],
)
def test_compiles_to_the_same_bytes(tmp_path, compiler, name):
    if not shutil.which(compiler[0]):
        pytest.skip(f"{compiler[0]} is not installed")
    spec = random_spec(3, sizes=(8, 5), n_labels=3, n_keywords=1)
    hostile = {"name": "*/ #error /*", "note": "/*/ ??/ \\", "who": "*//*"}
    data = pack(
        replace(
            spec, labels=["ja", "*/", "nein\N{LATIN SMALL LETTER E WITH ACUTE}"], provenance=hostile
        )
    )
    (tmp_path / "model.h").write_text(to_c(data, "kws"), encoding="utf-8")
    (tmp_path / name).write_text(MAIN)
    subprocess.run(
        [*compiler, "-Wall", "-Wextra", "-Werror", "-I", RUNTIME, name, "-o", "main"],
        cwd=tmp_path,
        check=True,
    )
    assert subprocess.run([tmp_path / "main"], capture_output=True, check=True).stdout == data


@pytest.mark.parametrize("part", ["MAJOR", "MINOR", "PATCH"])
def test_sizes_are_of_one_runtime(tmp_path, part):
    """The memory is sized when the program is compiled: another runtime stops it there."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    source = to_c(pack(random_spec(3, sizes=(4, 4))), "kws")
    assert "#define KWS_ARENA " in source and "#define KWS_STACK 4096\n" in source
    (tmp_path / "kws.c").write_text(source)
    header = (RUNTIME / "edge_lp.h").read_text()
    command = ["gcc", "-std=c99", "-fsyntax-only", f"-I{RUNTIME}", "kws.c"]
    (tmp_path / "edge_lp.h").write_text(header)
    subprocess.run(command, cwd=tmp_path, check=True)
    (tmp_path / "edge_lp.h").write_text(
        re.sub(rf"(#define LP_VERSION_{part} \d+)", r"\g<1>7", header)
    )
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0 and "kws_is_for_this_runtime" in done.stderr


def test_a_machine_without_vectors_does_not_guess_their_memory(tmp_path, monkeypatch):
    """It wrote a board's size for them, which lp_spotter_init then refused when it ran."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    monkeypatch.setattr(runtime, "VECTORS", False)
    (tmp_path / "kws.c").write_text(to_c(pack(random_spec(3, sizes=(4, 4))), "kws"))
    command = ["gcc", "-std=c99", "-fsyntax-only", f"-I{RUNTIME}", "kws.c"]
    subprocess.run([*command, "-DLP_VECTORS=0"], cwd=tmp_path, check=True)
    done = subprocess.run(
        [*command, "-DLP_VECTORS=1"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode != 0 and "kws_needs_an_export_on_a_machine_with_vectors" in done.stderr


def test_memory_of_a_board_is_that_of_a_machine_without_vectors(tmp_path):
    """What is written for boards was larger by the front end's arrays for vectors."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    data = pack(random_spec(3, sizes=(4, 4)))
    (tmp_path / "kws.c").write_text(to_c(data, "kws"))
    (tmp_path / "main.c").write_text(
        """#include <stdio.h>
        #include "edge_lp.h"
        extern const uint8_t kws[];
        extern const size_t kws_size;
        int main(void) {
            lp_model m;
            size_t spotter = 0;
            if (lp_model_open(&m, kws, kws_size) || lp_spotter_size(&m, 0, &spotter)) return 1;
            printf("%zu %zu", lp_frontend_size(), spotter);
            return 0;
        }"""
    )
    command = ["gcc", "-std=c99", "-DLP_VECTORS=0", f"-I{RUNTIME}", "kws.c", "main.c", "-o", "main"]
    subprocess.run([*command, *sorted(RUNTIME.rglob("*.c"))], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "main"], capture_output=True, check=True, text=True).stdout
    ram = Model(data).ram()
    assert printed.split() == [str(ram["front end"]), str(ram["spotter"])]


def test_refuses_bad_names_and_bytes():
    data = pack(random_spec(3, sizes=(4, 4)))
    with pytest.raises(EdgeLpError, match="C identifier"):
        to_c(data, "2kws")
    with pytest.raises(ModelError, match="checksum"):
        to_c(data[:-1] + bytes([data[-1] ^ 1]))
