# SPDX-License-Identifier: Apache-2.0
"""P1's analog sigma-delta networks, simulated in steps of 1 us: `neuron` has the parameters and
their mismatch, `layer` the simulator in C, `twin` the same in NumPy, `rnn` the networks of Tables 1
and 2."""
