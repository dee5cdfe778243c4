# SPDX-License-Identifier: Apache-2.0
"""Where things are, for all tests."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# recordings, golden cases and faults, which some machines have beside the project
SHARED = ROOT.parent / "shared"
