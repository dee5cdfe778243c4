# SPDX-License-Identifier: Apache-2.0
"""python -m edge_lp: the command line."""

from edge_lp.cli import main

main()
