# SPDX-License-Identifier: Apache-2.0
"""Sets the library's version everywhere it is written:  python tools/set_version.py 0.2.0

The model format, the front end and the protocol have versions of their own (SPEC.md, "Versions")
that a release does not touch.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# file, what stands before the version there, and what it is written as; exactly one place each
PLACES = [
    ("pyproject.toml", r'^version = "', "{0}.{1}.{2}"),
    ("CMakeLists.txt", r"^project\(edge_lp VERSION ", "{0}.{1}.{2}"),
    ("CITATION.cff", r"^version: ", "{0}.{1}.{2}"),
    ("idf_component.yml", r'^version: "', "{0}.{1}.{2}"),
    ("library.properties", r"^version=", "{0}.{1}.{2}"),
    ("library.json", r'^  "version": "', "{0}.{1}.{2}"),
    ("SPEC.md", r"^Library version ", "{0}.{1}.{2}"),
    ("SPEC.md", r"^\| library, .* \| ", "{0}.{1}.{2}"),
    ("runtime/edge_lp.h", r"^#define LP_VERSION_MAJOR ", "{0}"),
    ("runtime/edge_lp.h", r"^#define LP_VERSION_MINOR ", "{1}"),
    ("runtime/edge_lp.h", r"^#define LP_VERSION_PATCH ", "{2}"),
    ("CHANGELOG.md", r"^## (?=Unreleased$)", "Unreleased\n\n## {0}.{1}.{2}"),
]


def main(version: str, root: Path = ROOT) -> None:
    numbers = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", version)
    if not numbers:
        sys.exit(f"set_version: expected a version such as 0.2.0, found {version!r}")
    for name, before, form in PLACES:
        path = root / name
        text = path.read_text(encoding="utf-8")
        pattern = re.compile(f"({before})(?:[0-9.]+|Unreleased)", re.MULTILINE)
        text, n = pattern.subn(lambda m: m[1] + form.format(*numbers.groups()), text)
        if n != 1:
            sys.exit(f"set_version: {name} has {n} places like {before!r}, expected one")
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:2])
