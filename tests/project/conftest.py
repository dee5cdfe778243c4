# SPDX-License-Identifier: Apache-2.0
"""The container file of examples/serve, and the wheel that is built as it says."""

import re
import shutil
import subprocess
import sys

import pytest
from paths import ROOT


@pytest.fixture(scope="session")
def container():
    """(name, arguments) of each instruction; a line's end in a backslash joins it to the next."""
    text = (ROOT / "examples" / "serve" / "Containerfile").read_text(encoding="utf-8")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if re.match("[A-Z]", line)]
    return [tuple(line.split(None, 1)) for line in lines]


@pytest.fixture(scope="session")
def wheel(container, tmp_path_factory):
    """Built from what is copied into the container, no more."""
    pytest.importorskip(
        "scikit_build_core", reason="scikit-build-core is not installed: pip install 'edge-lp[dev]'"
    )
    out = tmp_path_factory.mktemp("wheel")
    (out / "source").mkdir()
    for name, rest in container:
        if name == "COPY" and "--from" not in rest:
            *sources, target = rest.split()
            for source in sources:
                if (ROOT / source).is_dir():
                    ignore = shutil.ignore_patterns("build", "__pycache__")
                    shutil.copytree(ROOT / source, out / target.lstrip("/"), ignore=ignore)
                else:
                    shutil.copy(ROOT / source, out / target.lstrip("/"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps"]
    subprocess.run(
        [*command, "--wheel-dir", out, out / "source"], check=True, capture_output=True, text=True
    )
    (found,) = out.glob("*.whl")
    return found
