/* SPDX-License-Identifier: Apache-2.0 */
/* firmware/model.S in the words of WebAssembly, where symbols have types and sizes. */
    .section .rodata.model,"",@
    .p2align 3
    .globl model_bytes
    .globl model_end
    .type model_bytes,@object
    .type model_end,@object
model_bytes:
    .incbin MODEL_FILE
    .size model_bytes, . - model_bytes
model_end:
    .int8 0
    .size model_end, 1
