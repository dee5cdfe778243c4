# SPDX-License-Identifier: Apache-2.0
"""gcc for an Xtensa with register windows, of a gcc whose assembler has none:

    windowed.py xtensa-lx106-elf-gcc -mabi=windowed ...        # as that gcc is called

gcc itself compiles for both; the five instructions that only such a core has are handed to the
assembler as numbers (Xtensa ISA reference manual, RRR, BRI12 and CALLX formats). A call of a
function goes through a8, which the call overwrites. Standard library only."""

import re
import subprocess
import sys


def register(name):
    return 1 if name == "sp" else int(name.removeprefix("a"))


def number(n, size=3):
    return "\t.byte " + ", ".join(f"0x{n >> 8 * i & 255:02x}" for i in range(size))


def line(text):
    """One line of gcc's assembly -> lines that the other assembler takes."""
    found = re.match(r"\t(entry|call\w+|retw\S*|movsp)\b\s*(\S*?)(?:,\s*(\S+))?\s*$", text)
    if not found:
        return text
    what, first, second = found.groups()
    if what == "entry":
        return number(int(second) // 8 << 12 | register(first) << 8 | 0x36)
    if what == "callx8":
        return number(register(first) << 8 | 0xE0)
    if what == "call8":
        return f"\tmovi\ta8, {first}\n" + number(8 << 8 | 0xE0)
    if what == "retw":
        return number(0x90)
    if what == "retw.n":
        return number(0xF01D, 2)
    sys.exit(f"windowed: no number for '{text.strip()}'")


def main(command):
    if "-c" not in command or not any(a.endswith(".c") for a in command):
        return subprocess.call(command)
    out = command.index("-o") + 1
    assembly = command[out].removesuffix(".o") + ".s"
    compile_ = ["-S" if a == "-c" else a for a in command]
    compile_[out] = assembly
    if subprocess.call(compile_):
        return 1
    with open(assembly, encoding="utf-8") as f:
        lines = [line(text.rstrip("\n")) for text in f]
    with open(assembly, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    flags = [a for a in command if a.startswith("-m")]
    return subprocess.call([command[0], *flags, "-c", assembly, "-o", command[out]])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
