# SPDX-License-Identifier: Apache-2.0
"""Writes a cffi module from C headers, so that Python cannot disagree with C.

python host/make_binding.py edge_lp._runtime OUT.c runtime/edge_lp.h host/frames.h
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
    module, out, *headers = sys.argv[1:]
    ffi = FFI()
    for header in headers:
        with open(header, encoding="utf-8") as f:
            ffi.cdef(cdef(f.read()))
    includes = "\n".join(f'#include "{os.path.basename(header)}"' for header in headers)
    ffi.set_source(module, includes, py_limited_api=True)
    ffi.emit_c_code(out)


if __name__ == "__main__":
    main()
