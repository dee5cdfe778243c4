/* SPDX-License-Identifier: Apache-2.0 */
/* How an RP2350 starts; hal.c includes it. The bootrom looks for a block that says what this is
 * (datasheet 5.9, "Minimum viable image metadata": an executable, Arm, secure, RP2350) and goes in
 * by the vectors at the start of flash. All of them are in RAM, where hal_init moves to. */
__asm__(".section .boot, \"a\"\n"
        ".word stack_top, reset_handler, halt, halt\n"
        ".word 0xffffded3, 0x10210142, 0x000001ff, 0, 0xab123579\n"
        ".text\n");
