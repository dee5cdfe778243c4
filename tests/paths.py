# SPDX-License-Identifier: Apache-2.0
"""Where things are, for all tests."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# recordings, golden cases and faults, which some machines have beside the project
SHARED = ROOT.parent / "shared"


def load(path):
    """A program of the build machine, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
