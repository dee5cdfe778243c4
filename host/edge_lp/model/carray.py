# SPDX-License-Identifier: Apache-2.0
"""A model as C source, for firmware that has no file system: export --format c."""

from __future__ import annotations

import re

from edge_lp import runtime
from edge_lp.errors import EdgeLpError
from edge_lp.model.format import unpack
from edge_lp.runtime import Model, version

# Bytes of stack that lp_spotter_init, the deepest of the calls that a program needs, may take on a
# 32-bit machine; it does not depend on the model. tests/project/test_embedding.py measures it.
STACK = 4096


def to_c(data: bytes, name: str = "edge_lp_model") -> str:
    """.lpb bytes -> C (and C++) source that defines `const uint8_t name[]` and `const size_t
    name_size`, ready for lp_model_open, and NAME_ARENA and NAME_STACK: bytes of memory, a multiple
    of 8, for lp_spotter_init with no flags, and of stack for any call of the runtime. Both are of
    this runtime; the source does not compile with another version's edge_lp.h, nor for vectors
    where the runtime here has none and so cannot tell what they take.

    The reader needs no alignment. ModelError for bytes that are no model, EdgeLpError for a name
    that C does not allow."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise EdgeLpError(
            f"{name!r} is not a C identifier: use letters, digits and _, a letter first"
        )
    spec, model = unpack(data), Model(data)
    board, vectors = ((model.ram(b)["spotter"] + 7) // 8 * 8 for b in (True, False))
    with_vectors = (
        f"#define {name.upper()}_ARENA {vectors}"
        if runtime.VECTORS
        else f"typedef char {name}_needs_an_export_on_a_machine_with_vectors[-1];"
    )
    test = " && ".join(
        f"LP_VERSION_{part} == {number}"
        for part, number in zip(("MAJOR", "MINOR", "PATCH"), version().split("."))
    )
    about = [
        f"{len(data)} bytes, CRC-32 {int.from_bytes(data[-4:], 'little'):08x}",
        "labels: " + ", ".join(spec.labels),
        *(f"{key}: {value}" for key, value in spec.provenance.items()),
    ]
    comment = "\n".join(" * " + _plain(line) for line in about)
    rows = "\n".join(
        "    " + ", ".join(f"0x{b:02x}" for b in data[i : i + 20]) + ","
        for i in range(0, len(data), 20)
    )
    return f"""/* A keyword model for edge-lp, made by edge-lp export --format c.
{comment} */
#include "edge_lp.h"

/* Bytes of memory for lp_spotter_init without flags, and of stack for any call of the runtime. */
#if LP_VECTORS
{with_vectors}
#else
#define {name.upper()}_ARENA {board}
#endif
#define {name.upper()}_STACK {STACK}
/* Not of this runtime: export the model again, with the edge-lp that the runtime is from. */
typedef char {name}_is_for_this_runtime[({test}) ? 1 : -1];

extern const uint8_t {name}[{len(data)}];
extern const size_t {name}_size;

const size_t {name}_size = {len(data)};
const uint8_t {name}[{len(data)}] = {{
{rows}
}};
"""


def _plain(text: str) -> str:
    """What may stand in a C comment: printable, and nothing that ends it, opens another one or is a
    trigraph."""
    return re.sub(
        r"(?<=[*/])(?=[*/])|\?(?=\?)", " ", "".join(c if c.isprintable() else "?" for c in text)
    ).replace("\\", "/")
