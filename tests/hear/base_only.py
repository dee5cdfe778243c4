# SPDX-License-Identifier: Apache-2.0
"""`python base_only.py ARGUMENTS...` is `edge-lp ARGUMENTS...` after `pip install edge-lp`: what
comes with an extra only cannot be imported."""

import importlib.abc
import re
import sys
from importlib.metadata import requires

NAMES = {
    re.match(r"[\w-]+", line)[0].replace("-", "_")
    for line in requires("edge-lp")
    if "extra" in line
}


class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


if __name__ == "__main__":
    sys.meta_path.insert(0, Absent())
    from edge_lp.cli import main

    main()
