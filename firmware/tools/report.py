# SPDX-License-Identifier: Apache-2.0
"""What an image takes: flash, RAM and a bound of its stack; exit code 1 where a budget is exceeded.
The stack has no other budget than its size, in every program; without an image it prints which size
that has to be. Code and constants that a board copies to RAM (.ram_code) are told apart. Standard
library only.

The stack bound is the deepest path of the call graph that gcc writes (-fcallgraph-info=su), from
reset, plus the deepest interrupt handler, plus two exception frames and a margin for what has no
.ci file (start code, libgcc)."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

# hardware stacking and alignment: one interrupt, and one more for a fault
EXCEPTION = 2 * (32 + 8)
MARGIN = 64
INTERRUPTS = ("receive", "mic_interrupt")


def call_graph(objects):
    """Object files, each with its .ci beside it -> {function: bytes of its own frame}, {function:
    functions it calls}"""
    frames, calls = {}, {}
    for path in (Path(o).with_suffix(".ci") for o in objects):
        text = path.read_text() if path.exists() else ""  # assembled, not compiled
        for title, label in re.findall(r'node: \{ title: "([^"]+)" label: "([^"]*)"', text):
            bytes_ = re.search(r"(\d+) bytes \((static|dynamic)", label)
            if bytes_:
                frames[title] = int(bytes_[1])
                if bytes_[2] == "dynamic" and "bounded" not in label:
                    sys.exit(f"report: {title} has a stack frame without a bound")
        for source, target in re.findall(
            r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text
        ):
            calls.setdefault(source, set()).add(target)
    if any("__indirect_call" in targets for targets in calls.values()):
        sys.exit("report: a call through a pointer: no stack bound")
    return frames, calls


def deepest(function, frames, calls, path=()):
    if function in path:
        sys.exit(f"report: recursion through {function}: no stack bound")
    inner = [deepest(f, frames, calls, path + (function,)) for f in calls.get(function, ())]
    return frames.get(function, 0) + max(inner, default=0)


def stack_bound(objects):
    frames, calls = call_graph(objects)
    named = {f.split(":")[-1]: f for f in frames}
    start = next(f for f in ("reset_handler", "enter") if f in named)
    handlers = [deepest(named[i], frames, calls) for i in INTERRUPTS if i in named]
    return deepest(named[start], frames, calls) + max(handlers, default=0) + EXCEPTION + MARGIN


def sections(size, elf):
    out = subprocess.run([size, "-A", elf], check=True, capture_output=True, text=True).stdout
    return {m[1]: int(m[2]) for m in re.finditer(r"^(\.\w+)\s+(\d+)", out, re.M)}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("elf", nargs="?")
    p.add_argument("--size")
    p.add_argument("--sizes")
    p.add_argument("--objects", nargs="+", required=True)
    p.add_argument("--stack", type=int)
    p.add_argument("--flash-budget", type=int, default=sys.maxsize)
    p.add_argument("--ram-budget", type=int, default=sys.maxsize)
    a = p.parse_args()
    bound = stack_bound(a.objects)
    if not a.elf:
        print((bound + 7) // 8 * 8)  # it begins and ends at multiples of 8
        return 0
    elf = Path(a.elf)
    s = sections(a.size, a.elf)
    arena = int(re.search(r"ARENA_BYTES (\d+)", Path(a.sizes).read_text())[1])
    data, bss, copied = s.get(".data", 0), s.get(".bss", 0), s.get(".ram_code", 0)
    flash = s[".text"] + data + s.get(".boot2", 0) + copied
    ram = data + bss + a.stack
    budgets = [
        "" if limit == sys.maxsize else f", budget {limit}"
        for limit in (a.flash_budget, a.ram_budget)
    ]
    print(
        f"{elf}\n  flash {flash:6} bytes{budgets[0]}\n  RAM   {ram:6} bytes{budgets[1]}: "
        f".data {data}, .bss {bss} (runtime arena {arena}, the rest {bss - arena}), "
        f"stack {a.stack} (bound {bound})"
        + (f"; and {copied} bytes that are copied there to run" if copied else "")
    )
    over = [
        f"{what} is {found}, the budget {limit}: {do}say {name}=... on purpose"
        for what, found, limit, do, name in (
            ("flash", flash, a.flash_budget, "take a smaller model, or ", "FLASH_BUDGET"),
            ("RAM", ram, a.ram_budget, "take a smaller model, or ", "RAM_BUDGET"),
            ("the stack's bound", bound, a.stack, "", "STACK_BYTES"),
        )
        if found > limit
    ]
    for line in over:
        print(f"report: {line}", file=sys.stderr)
    if over:
        elf.unlink()
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
