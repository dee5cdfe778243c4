/* SPDX-License-Identifier: Apache-2.0 */
/* What the compiler makes code for, as far as a user's program must know it too: sizes of memory
 * depend on it (model.h of edge-lp export --format c). */
#ifndef LP_MACHINE_H
#define LP_MACHINE_H

/* Does the compiler vectorise for this machine? Where it does, weights are unpacked into memory. */
#if defined(LP_VECTORS) /* set when it was built */
#elif defined(__SSE2__) || defined(__ARM_NEON) || defined(__ALTIVEC__) || \
    defined(__riscv_vector) || defined(__wasm_simd128__)
#define LP_VECTORS 1
#else
#define LP_VECTORS 0
#endif

/* On a machine whose int has 16 bits the same code computes other numbers: it does not compile. */
typedef char lp_int_has_32_bits[sizeof(int) >= 4 ? 1 : -1];

#endif
