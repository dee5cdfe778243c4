/* SPDX-License-Identifier: Apache-2.0 */
/* The start of an Xtensa with register windows. A call by 8 turns the registers on by 8; what they
 * come to lie on is written to memory before, and read back behind the return: by the two vectors
 * here, as in Xtensa's ISA reference manual, "Windowed Register Option". Those for calls by 4 and
 * 12 are empty: gcc makes none. Instructions that the LX106's assembler has not got are numbers, as
 * in tools/windowed.py. */
#ifndef WINDOWS_H
#define WINDOWS_H

__asm__(".section .vectors, \"ax\"\n"
        ".macro op number\n"
        "    .byte \\number & 255, \\number >> 8 & 255, \\number >> 16\n"
        ".endm\n"
        ".macro s32e value, at, offset\n"
        "    op (0x490000 | (64 + \\offset) / 4 << 12 | \\at << 8 | \\value << 4)\n"
        ".endm\n"
        ".macro l32e value, at, offset\n"
        "    op (0x090000 | (64 + \\offset) / 4 << 12 | \\at << 8 | \\value << 4)\n"
        ".endm\n"
        "    j go\n" /* reset starts at the first byte */
        ".align 4\n"
        "base: .word vectors\n"
        "state: .word 0x40020\n" /* PS: windows on, user mode, no interrupt */
        "stack: .word stack_top\n"
        "next: .word enter\n"
        "go: l32r a0, base\n"
        "    wsr.vecbase a0\n"
        "    movi a0, 0\n"
        "    op 0x134800\n" /* wsr.windowbase a0 */
        "    movi a0, 1\n"
        "    op 0x134900\n" /* wsr.windowstart a0: this one window is in use */
        "    rsync\n"
        "    l32r a0, state\n"
        "    wsr.ps a0\n"
        "    rsync\n"
        "    l32r a1, stack\n"
        "    l32r a8, next\n"
        "    op 0x0008e0\n" /* callx8 a8 */
        ".org 0x400\n"
        "vectors:\n"
        ".org 0x480\n" /* overflow, 8 */
        "    s32e 0, 9, -16\n"
        "    l32e 0, 1, -12\n"
        "    s32e 1, 9, -12\n"
        "    s32e 2, 9, -8\n"
        "    s32e 3, 9, -4\n"
        "    s32e 4, 0, -32\n"
        "    s32e 5, 0, -28\n"
        "    s32e 6, 0, -24\n"
        "    s32e 7, 0, -20\n"
        "    op 0x003400\n" /* rfwo */
        ".org 0x4c0\n"      /* underflow, 8 */
        "    l32e 0, 9, -16\n"
        "    l32e 1, 9, -12\n"
        "    l32e 2, 9, -8\n"
        "    l32e 7, 1, -12\n"
        "    l32e 3, 9, -4\n"
        "    l32e 4, 7, -32\n"
        "    l32e 5, 7, -28\n"
        "    l32e 6, 7, -24\n"
        "    l32e 7, 7, -20\n"
        "    op 0x003500\n" /* rfwu */
        ".org 0x500\n"
        ".text\n");

#endif
