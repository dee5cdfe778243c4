# SPDX-License-Identifier: Apache-2.0
"""Writes a cffi module from a C header, so that Python cannot disagree with C.

python host/make_binding.py edge_lp._runtime runtime/edge_lp.h OUT.c
"""

import os
import re
import sys

from cffi import FFI


def cdef(header: str) -> str:
    """The declarations between the header's cdef marks, in the dialect that cffi parses."""
    begin, end = header.index("/* cdef:"), header.index("/* cdef end */")
    text = header[begin:end]
    values = {
        name: value.strip("()")
        for name, value in re.findall(r"^#define (LP_\w+) +(\(?-?\d+\)?)", text, re.M)
    }
    text = re.sub(r"\[(LP_\w+)\]", lambda m: f"[{values[m[1]]}]", text)
    return re.sub(r"^#define (LP_\w+) .*$", r"#define \1 ...", text, flags=re.M)


def main() -> None:
    module, header, out = sys.argv[1:]
    ffi = FFI()
    with open(header, encoding="utf-8") as f:
        ffi.cdef(cdef(f.read()))
    ffi.set_source(module, f'#include "{os.path.basename(header)}"', py_limited_api=True)
    ffi.emit_c_code(out)


if __name__ == "__main__":
    main()
