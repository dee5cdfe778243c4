/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between a microphone and the 16 kHz that the front end takes: 48 kHz, 8 kHz, and the
 * bits of a PDM microphone. Integers only, no tables in RAM; what is not called is not linked.
 *
 * Each takes a stream in pieces of any length, with the same samples for any cut. All its memory is
 * a struct of the caller's; one of zeros is at its start. A call with a NULL pointer gives 0.
 * Stack: at most 256 bytes. The filters are symmetric, so every frequency is delayed alike.
 * docs/embedding.md draws what they pass; tests/twins/audio.py is the same in Python. */
#ifndef LP_AUDIO_H
#define LP_AUDIO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LP_DECIMATOR_SPAN 73
#define LP_INTERPOLATOR_SPAN 32
#define LP_PDM_RATE 1536000 /* bits a second: 96 a sample of 16 kHz, 12 bytes */

/* 48 kHz -> 16 kHz: -0.1 dB at 7 kHz, -6 at 8, below -40 from 9 on, below -60 from 10; 0.75 ms. */
typedef struct {
    int16_t past[2 * LP_DECIMATOR_SPAN]; /* each sample twice, so that the last ones lie in a row */
    uint16_t at, phase;
} lp_decimator;
/* n samples -> how many are in out, which has room for n / 3 + 1 and may be pcm itself. */
size_t lp_decimate(lp_decimator *decimator, const int16_t *pcm, size_t n, int16_t *out);

/* 8 kHz -> 16 kHz: flat to 3.6 kHz, what is above 4.4 below -45 dB; 2 ms. */
typedef struct {
    int16_t past[2 * LP_INTERPOLATOR_SPAN];
    uint16_t at;
} lp_interpolator;
/* n samples -> 2 n in out, which is not pcm. */
size_t lp_interpolate(lp_interpolator *interpolator, const int16_t *pcm, size_t n, int16_t *out);

/* PDM at LP_PDM_RATE -> 16 kHz: four integrators and combs to 48 kHz, the mean taken away (a
 * high-pass at 7.5 Hz: such microphones have an offset), then the decimator. -0.4 dB at 4 kHz, -1.2
 * at 7. */
typedef struct {
    lp_decimator to_16k;
    uint32_t integrator[4], comb[4]; /* modulo 2^32 */
    int32_t mean;                    /* Q10 of the level at 48 kHz */
    uint8_t phase;                   /* bytes of the next sample at 48 kHz */
    /* 0..4, yours to set: bits by which the samples are louder. 0: ones only are full scale; 4 for
     * speech at a metre, which such a microphone gives some 60 dB below it. Louder than full scale
     * is clipped. */
    uint8_t gain;
} lp_pdm;
/* n bytes, the first bit in the highest place (SPI, I2S and a PIO that shifts left) -> how many
 * samples are in pcm, which has room for n / 12 + 1. */
size_t lp_pdm_pcm(lp_pdm *pdm, const uint8_t *bits, size_t n, int16_t *pcm);

#ifdef __cplusplus
}
#endif
#endif
