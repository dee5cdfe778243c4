# SPDX-License-Identifier: Apache-2.0
"""What the runtime may need, and that the documents' numbers are the code's."""

import re
import shutil
import subprocess
import sys

import pytest
from edge_lp import binding, runtime
from edge_lp.model import format, spec
from paths import ROOT
from twins import detector as detector_twin
from twins import frontend as frontend_twin

RUNTIME = ROOT / "runtime"
HEADER = (RUNTIME / "edge_lp.h").read_text(encoding="utf-8")
SPEC = (ROOT / "SPEC.md").read_text(encoding="utf-8")
SOURCES = sorted(RUNTIME.glob("*.c"))


# ----------------------------------------------------------------------------------------- the C --


def code_of(text):
    """C without comments and blank lines."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return [line for line in text.split("\n") if line.strip()]


def test_the_header_is_small():
    assert len(code_of(HEADER)) <= 200


def test_no_float_no_library():
    for path in [*SOURCES, *RUNTIME.glob("*.h")]:
        code = "\n".join(code_of(path.read_text(encoding="utf-8")))
        assert not re.search(r"\b(float|double|malloc|calloc|free|printf|memcpy|memset)\b", code), (
            path.name
        )
        assert not re.search(r"\d\.\d", re.sub(r'"[^"\n]*"', "", code)), path.name
        assert set(re.findall(r"#\s*include\s*<(.*?)>", code)) <= {"stddef.h", "stdint.h"}, (
            path.name
        )


def compilers():
    for cc, nm in (
        ("gcc", "nm"),
        ("clang", "nm"),
        ("arm-none-eabi-gcc", "arm-none-eabi-nm"),
        ("riscv64-unknown-elf-gcc", "riscv64-unknown-elf-nm"),
    ):
        flags = {
            "arm-none-eabi-gcc": ["-mcpu=cortex-m4", "-mthumb"],
            "riscv64-unknown-elf-gcc": ["-march=rv32imac", "-mabi=ilp32"],
        }.get(cc, [])
        yield pytest.param([cc, *flags], nm, id=cc)


@pytest.mark.parametrize("compiler, nm", list(compilers()))
def test_objects_need_nothing_and_keep_nothing(tmp_path, compiler, nm):
    """Strict C99 without a warning; no writable data; no symbol from outside but memcpy and memset;
    no global that no header declares."""
    if not shutil.which(compiler[0]) or not shutil.which(nm):
        pytest.skip(f"{compiler[0]} is not installed")
    flags = [
        "-std=c99",
        "-O2",
        "-ffreestanding",
        "-DLP_NO_CLONES",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Wshadow",
        "-Wstrict-prototypes",
        "-Werror",
    ]
    symbols = []
    for path in SOURCES:
        subprocess.run(
            [*compiler, *flags, "-c", path, "-o", tmp_path / f"{path.stem}.o"], check=True
        )
        listing = subprocess.run(
            [nm, tmp_path / f"{path.stem}.o"], capture_output=True, text=True, check=True
        ).stdout
        symbols += [line.split()[-2:] for line in listing.splitlines()]
    defined = {name for kind, name in symbols if kind == "T"}
    arithmetic = {
        "__aeabi_lmul",
        "__aeabi_llsr",
        "__aeabi_llsl",
        "__aeabi_lasr",
        "__muldi3",
        "__lshrdi3",
        "__ashldi3",
        "__ashrdi3",
    }  # libgcc's 64 bits
    needed = {name for kind, name in symbols if kind == "U"} - defined
    assert needed <= {"memcpy", "memset"} | arithmetic
    assert not [(kind, name) for kind, name in symbols if kind in "DdBbCGgSs"], "writable data"
    headers = HEADER + "".join(
        (RUNTIME / name).read_text(encoding="utf-8")
        for name in ("lp_core.h", "lp_detect.h", "lp_drive.h", "lp_sd.h")
    )
    assert defined == set(
        re.findall(r"^[a-z][\w *]*\b(lp_\w+)\([^;{]*\);", "\n".join(code_of(headers)), re.M)
    ), "the prototypes of the header and of lp_core, _detect, _drive, _sd are what is exported"


@pytest.mark.parametrize(
    "compiler",
    [
        ["gcc", "-x", "c", "-std=c99"],
        ["g++", "-x", "c++", "-std=c++11"],
        ["clang", "-x", "c", "-std=c99"],
    ],
    ids=lambda c: c[0],
)
def test_the_header_alone(compiler):
    if not shutil.which(compiler[0]):
        pytest.skip(f"{compiler[0]} is not installed")
    subprocess.run(
        [
            *compiler,
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            "-fsyntax-only",
            f"-I{RUNTIME}",
            "-",
        ],
        input='#include "edge_lp.h"\n',
        text=True,
        check=True,
    )


def test_tables_are_made_by_their_script():
    made = subprocess.run(
        [sys.executable, RUNTIME / "make_tables.py"], capture_output=True, text=True, check=True
    ).stdout
    assert made == (RUNTIME / "lp_tables.h").read_text(encoding="utf-8")


def table(name):
    return [
        int(x)
        for x in re.findall(
            r"-?\d+",
            re.search(
                rf"\b{name}\[\d+\] = \{{(.*?)\}}", (RUNTIME / "lp_tables.h").read_text(), re.DOTALL
            )[1],
        )
    ]


def test_tables_are_the_twin_s():
    """The mel triangles and the logarithm of C and of the twin, which has them from the formulas in
    SPEC.md."""
    bins = sorted(frontend_twin.POSITION)
    starts, weights = table("lp_mel_start"), table("lp_mel_weight")
    assert weights == [round(256 * (frontend_twin.POSITION[k] % 1)) for k in bins]
    segments = [int(frontend_twin.POSITION[k]) for k in bins]
    assert starts == [bins[0] + sum(s < b for s in segments) for b in range(42)]
    assert table("lp_log2_fraction") == frontend_twin.LOG2


# ----------------------------------------------------------------------------------- the numbers --

CONSTANTS = {
    name: int(value.strip("()"))
    for name, value in re.findall(r"^#define (LP_\w+) +(\(?-?\d+\)?)", HEADER, re.MULTILINE)
}


def test_constants_in_the_specification():
    written = re.findall(r"`(LP_\w+)`\s=\s(−?\d+)", SPEC)
    assert len(written) >= 8
    for name, value in written:
        assert CONSTANTS[name] == int(value.replace("−", "-")), name
    unknown = set(re.findall(r"\bLP_[A-Z0-9_]+\b", SPEC)) - set(
        re.findall(r"\bLP_[A-Z0-9_]+\b", HEADER)
    )
    assert not unknown


def test_versions_in_the_specification():
    c = CONSTANTS
    library = f"{c['LP_VERSION_MAJOR']}.{c['LP_VERSION_MINOR']}.{c['LP_VERSION_PATCH']}"
    model = f"{c['LP_FORMAT_MAJOR']}.{c['LP_FORMAT_MINOR']}"
    assert (
        f"Library version {library}, model format {model}, front end {c['LP_FRONTEND_VERSION']}, "
        "protocol" in SPEC
    )
    assert re.search(rf"^\| library.*\| {re.escape(library)} \|", SPEC, re.MULTILINE) and re.search(
        rf"^\| model format.*\| {re.escape(model)} \|", SPEC, re.MULTILINE
    )
    assert runtime.version() == library
    for path, pattern in (
        ("pyproject.toml", r'^version = "(.*)"'),
        ("CMakeLists.txt", r"VERSION (\d+\.\d+\.\d+)"),
    ):
        assert (
            re.search(pattern, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)[1]
            == library
        )


def test_python_and_c_have_the_same_limits():
    c = CONSTANTS
    assert spec.FRONT_END == (
        c["LP_SAMPLE_RATE"],
        c["LP_WINDOW"],
        c["LP_HOP"],
        c["LP_FEATURES"],
        c["LP_FRONTEND_VERSION"],
    )
    assert (format.MAJOR, format.MINOR) == (c["LP_FORMAT_MAJOR"], c["LP_FORMAT_MINOR"])
    assert (spec.MAX_LAYERS, spec.MAX_UNITS, spec.MAX_LABELS) == (
        c["LP_MAX_LAYERS"],
        c["LP_MAX_UNITS"],
        c["LP_MAX_LABELS"],
    )
    assert spec.MAX_WINDOW == c["LP_MAX_WINDOW"]
    assert (frontend_twin.WINDOW, frontend_twin.HOP, frontend_twin.BANDS) == (
        c["LP_WINDOW"],
        c["LP_HOP"],
        c["LP_FEATURES"],
    )
    assert detector_twin.LARGEST == spec.THRESHOLD_ONE == 32767


def test_arithmetic_examples_in_the_specification():
    """The table "Arithmetic": each example, computed by the twins' functions."""
    from twins.net import decay, wrap

    calculator = {
        "rnd": frontend_twin.rnd,
        "decay": decay,
        "wrap24": lambda x: wrap(x, 24),
        "wrap16": lambda x: wrap(x, 16),
    }
    section = re.search(r"## Arithmetic\n(.*?)\n## ", SPEC, re.DOTALL)[1]
    examples = [
        row.rsplit("|", 2)[1].strip()
        for row in section.split("\n")
        if row.startswith("| `") and "=" in row.rsplit("|", 2)[1]
    ]
    assert len(examples) >= 6
    for example in examples:
        left, right = (side.replace("−", "-").replace("^", "**") for side in example.split(" = "))
        if " / " in left:  # toward zero
            a, b = left.split(" / ")
            left = f"int({a} / {b})"
        assert eval(left, calculator) == eval(right, calculator), example


def test_c6_documents_that_are_named_are_in_the_tree():
    """C6: comments cited pages that only their authors had; and tests by names that were gone."""
    text = (".py", ".c", ".h", ".md", ".toml", ".txt", ".cff", ".ino")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = listed.stdout.splitlines()
    names = {path.rpartition("/")[2] for path in files}
    for path in files:
        if path.endswith(text) and (ROOT / path).is_file():
            said = (ROOT / path).read_text(encoding="utf-8")
            assert set(re.findall(r"\b[\w-]+\.md\b", said)) <= names, path
            if not path.endswith("test_setup.py"):  # it makes projects of its own
                code = r"\b(?:test_\w+|\w+_test|fuzz_\w+|lp_\w+|edge_lp\w*)\.(?:py|c|h)\b"
                assert set(re.findall(code, said)) <= names, path


def test_c6_the_header_says_what_a_board_brings():
    """C6: docs/board.md counted eleven functions."""
    hal = "\n".join(code_of((ROOT / "firmware" / "hal.h").read_text(encoding="utf-8")))
    functions, constants = re.findall(r"\bhal_\w+\(", hal), re.findall(r"^extern const", hal, re.M)
    words = dict(zip(range(1, 13), "one two three four five six seven eight nine ten".split()))
    text = " ".join((ROOT / "docs" / "board.md").read_text(encoding="utf-8").split())
    said = f"{words[len(functions)]} small functions and {words[len(constants)]} constants"
    assert said in text


def test_a_status_in_words_is_the_headers():
    """lp_status.h says what edge_lp.h's comments say, of every status."""
    listed = re.search(r"typedef enum \{\s*LP_OK = 0,(.*?)\} lp_status;", HEADER, re.S)[1]
    said = dict(re.findall(r"(LP_E_\w+) = -\d+,? +/\* (.*?) \*/", listed))
    words = (RUNTIME / "lp_status.h").read_text(encoding="utf-8")
    assert dict(re.findall(r'case (LP_E_\w+): return "(.*)";', words)) == said and len(said) == 12


def test_every_status_has_its_own_words():
    statuses = set(re.findall(r"\bLP_E_\w+(?= = -\d)", HEADER))
    package = ROOT / "host" / "edge_lp"
    source = "".join(
        (package / f"{name}.py").read_text() for name in ("binding", "core", "runtime")
    )
    assert {s for s in statuses if f"lib.{s}" in source} == statuses
    messages = [message for _, message in binding._MESSAGES.values()]
    # LP_E_OVERFLOW has its place and value instead
    assert len(set(messages)) == len(messages) >= len(statuses) - 1
