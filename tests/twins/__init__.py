# SPDX-License-Identifier: Apache-2.0
"""Integer twins of the C runtime, written from SPEC.md in plain Python: slow, exact, and apart from
the C on purpose.

Python's integers have no width, so what a twin computes cannot overflow: where the C equals it, the
C did not either.
"""
