# SPDX-License-Identifier: Apache-2.0
"""One file for each figure or table: what is measured, what was published, how the two are drawn
and judged."""
