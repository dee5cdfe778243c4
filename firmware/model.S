/* SPDX-License-Identifier: Apache-2.0 */
    .section .rodata.model, "a"
    .balign 8
    .global model_bytes, model_end
model_bytes:
    .incbin MODEL_FILE
model_end:
#ifdef AUDIO_FILE
    .section .rodata.audio, "a"
    .balign 8
    .global audio_bytes, audio_end
audio_bytes:
    .incbin AUDIO_FILE
audio_end:
#endif
    .section .note.GNU-stack, "", %progbits
