# SPDX-License-Identifier: Apache-2.0
"""The figures and tables of the two papers that edge-lp stands on, re-run.

P1: Nair & Indiveri, "High-performance RNNs with spiking neurons". P2: Boeshertz, Indiveri, Nair,
Renner, ICONS 2024, arXiv 2407.13534. `edge-lp reproduce` is the way in; papers/README.md says how
an experiment is added."""
