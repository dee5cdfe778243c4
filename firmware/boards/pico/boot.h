/* SPDX-License-Identifier: Apache-2.0 */
/* How an RP2040 starts; hal.c includes it. */
/* The second stage, which the bootrom runs: the flash becomes memory by the plain read command
 * (03h, 24 bits of address, one line, clock / 4), which every part knows. */
__asm__(".section .boot2, \"ax\"\n.thumb\n"
        "    ldr r3, =0x18000000\n" /* SSI */
        "    movs r1, #0\n"
        "    str r1, [r3, #8]\n" /* off */
        "    movs r1, #4\n"
        "    str r1, [r3, #0x14]\n" /* divisor */
        "    ldr r1, =0x001f0300\n"
        "    str r1, [r3]\n" /* words of 32 bits, a command in front of each */
        "    ldr r1, =0x03000218\n"
        "    movs r2, #0xf4\n"
        "    str r1, [r3, r2]\n" /* 03h, 24 bits of address */
        "    movs r1, #0\n"
        "    str r1, [r3, #4]\n" /* one word a command */
        "    movs r1, #1\n"
        "    str r1, [r3, #8]\n" /* on */
        "    ldr r0, =stack_top\n"
        "    msr msp, r0\n"
        "    ldr r0, =reset_handler\n"
        "    bx r0\n"
        ".ltorg\n.text\n");
