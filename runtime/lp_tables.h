/* SPDX-License-Identifier: Apache-2.0 */
/* Made by runtime/make_tables.py; SPEC.md, "Front end", has the formulas. */
#ifndef LP_TABLES_H
#define LP_TABLES_H

#include <stdint.h>

/* clang-format off */

/* Turns by an angle: round(-2^15 cos) in the lower half, round(-2^15 sin) in the upper one; minus,
 * since 2^15 would not fit. Of pi j / 64, j = 0..63 */
static const uint32_t lp_turns[64] = {
    0x00008000, 0xf9b88027, 0xf374809e, 0xed388163, 0xe7078276, 0xe0e683d6, 0xdad88583, 0xd4e1877b,
    0xcf0489be, 0xc9468c4a, 0xc3a98f1d, 0xbe329236, 0xb8e39592, 0xb3c09930, 0xaecc9d0e, 0xaa0aa129,
    0xa57ea57e, 0xa129aa0a, 0x9d0eaecc, 0x9930b3c0, 0x9592b8e3, 0x9236be32, 0x8f1dc3a9, 0x8c4ac946,
    0x89becf04, 0x877bd4e1, 0x8583dad8, 0x83d6e0e6, 0x8276e707, 0x8163ed38, 0x809ef374, 0x8027f9b8,
    0x80000000, 0x80270648, 0x809e0c8c, 0x816312c8, 0x827618f9, 0x83d61f1a, 0x85832528, 0x877b2b1f,
    0x89be30fc, 0x8c4a36ba, 0x8f1d3c57, 0x923641ce, 0x9592471d, 0x99304c40, 0x9d0e5134, 0xa12955f6,
    0xa57e5a82, 0xaa0a5ed7, 0xaecc62f2, 0xb3c066d0, 0xb8e36a6e, 0xbe326dca, 0xc3a970e3, 0xc94673b6,
    0xcf047642, 0xd4e17885, 0xdad87a7d, 0xe0e67c2a, 0xe7077d8a, 0xed387e9d, 0xf3747f62, 0xf9b87fd9};
/* The same of 2 pi k / 512, k = 0..128, of which the Hann window is made, too */
static const uint32_t lp_bin_turns[129] = {
    0x00008000, 0xfe6e8002, 0xfcdc800a, 0xfb4a8016, 0xf9b88027, 0xf827803e, 0xf6958059, 0xf5058079,
    0xf374809e, 0xf1e480c8, 0xf05580f6, 0xeec6812a, 0xed388163, 0xebab81a0, 0xea1e81e2, 0xe892822a,
    0xe7078276, 0xe57d82c6, 0xe3f4831c, 0xe26d8377, 0xe0e683d6, 0xdf61843a, 0xdddc84a3, 0xdc598511,
    0xdad88583, 0xd95885fa, 0xd7d98676, 0xd65c86f6, 0xd4e1877b, 0xd3678805, 0xd1ef8894, 0xd0798927,
    0xcf0489be, 0xcd928a5a, 0xcc218afb, 0xcab28ba0, 0xc9468c4a, 0xc7db8cf8, 0xc6738dab, 0xc50d8e62,
    0xc3a98f1d, 0xc2488fdd, 0xc0e990a1, 0xbf8c9169, 0xbe329236, 0xbcda9307, 0xbb8593dc, 0xba3394b5,
    0xb8e39592, 0xb7969674, 0xb64c9759, 0xb5059843, 0xb3c09930, 0xb27f9a22, 0xb1409b17, 0xb0059c11,
    0xaecc9d0e, 0xad979e0f, 0xac659f14, 0xab36a01c, 0xaa0aa129, 0xa8e2a238, 0xa7bda34c, 0xa69ca463,
    0xa57ea57e, 0xa463a69c, 0xa34ca7bd, 0xa238a8e2, 0xa129aa0a, 0xa01cab36, 0x9f14ac65, 0x9e0fad97,
    0x9d0eaecc, 0x9c11b005, 0x9b17b140, 0x9a22b27f, 0x9930b3c0, 0x9843b505, 0x9759b64c, 0x9674b796,
    0x9592b8e3, 0x94b5ba33, 0x93dcbb85, 0x9307bcda, 0x9236be32, 0x9169bf8c, 0x90a1c0e9, 0x8fddc248,
    0x8f1dc3a9, 0x8e62c50d, 0x8dabc673, 0x8cf8c7db, 0x8c4ac946, 0x8ba0cab2, 0x8afbcc21, 0x8a5acd92,
    0x89becf04, 0x8927d079, 0x8894d1ef, 0x8805d367, 0x877bd4e1, 0x86f6d65c, 0x8676d7d9, 0x85fad958,
    0x8583dad8, 0x8511dc59, 0x84a3dddc, 0x843adf61, 0x83d6e0e6, 0x8377e26d, 0x831ce3f4, 0x82c6e57d,
    0x8276e707, 0x822ae892, 0x81e2ea1e, 0x81a0ebab, 0x8163ed38, 0x812aeec6, 0x80f6f055, 0x80c8f1e4,
    0x809ef374, 0x8079f505, 0x8059f695, 0x803ef827, 0x8027f9b8, 0x8016fb4a, 0x800afcdc, 0x8002fe6e,
    0x80000000};

/* round(2^14 log2(1 + i / 32)), i = 0..32 */
static const uint16_t lp_log2_fraction[33] = {
    0, 727, 1433, 2118, 2784, 3432, 4062, 4676, 5274, 5858, 6428, 6984,
    7527, 8059, 8578, 9086, 9584, 10071, 10549, 11017, 11476, 11926, 12368, 12802,
    13228, 13646, 14057, 14461, 14858, 15249, 15634, 16012, 16384};

/* 40 triangles, equally spaced in mel = 2595 log10(1 + f / 700) from 60 to
 * 7800 Hz, peak 1. Segment b, between the peaks of bands b - 1 and b, is the bins
 * lp_mel_start[b] .. lp_mel_start[b + 1] - 1; bin k adds lp_mel_weight[k - lp_mel_start[0]] / 256
 * of its power to band b and the rest to band b - 1. */
static const uint8_t lp_mel_start[42] = {
    2, 4, 5, 7, 9, 11, 13, 15, 17, 19, 22, 25,
    27, 30, 34, 37, 40, 44, 48, 53, 57, 62, 67, 72,
    78, 84, 91, 97, 105, 112, 120, 129, 138, 148, 158, 169,
    181, 193, 206, 220, 235, 250};
static const uint8_t lp_mel_weight[248] = {
    14, 189, 101, 6, 162, 57, 202, 87, 223, 99, 227, 96,
    217, 79, 194, 49, 158, 9, 112, 214, 57, 153, 248, 85,
    176, 9, 96, 181, 9, 91, 172, 251, 73, 149, 224, 42,
    114, 186, 0, 69, 137, 204, 14, 79, 143, 206, 12, 74,
    134, 194, 253, 55, 112, 169, 224, 23, 78, 132, 185, 237,
    33, 84, 135, 185, 234, 27, 75, 123, 171, 217, 8, 53,
    99, 144, 188, 232, 20, 63, 105, 148, 189, 231, 16, 57,
    97, 137, 176, 215, 254, 37, 75, 113, 150, 188, 224, 5,
    41, 77, 113, 148, 183, 218, 253, 31, 65, 99, 132, 165,
    198, 231, 7, 40, 72, 103, 135, 166, 197, 228, 3, 33,
    63, 93, 123, 153, 182, 211, 240, 13, 42, 70, 98, 127,
    154, 182, 210, 237, 8, 35, 62, 89, 115, 142, 168, 194,
    220, 245, 15, 41, 66, 91, 116, 141, 166, 190, 215, 239,
    7, 31, 55, 79, 102, 126, 149, 172, 196, 219, 242, 8,
    31, 53, 76, 98, 120, 142, 164, 186, 208, 230, 251, 17,
    38, 59, 80, 101, 122, 143, 164, 184, 205, 225, 246, 10,
    30, 50, 70, 90, 110, 129, 149, 168, 188, 207, 226, 245,
    9, 28, 46, 65, 84, 103, 121, 140, 158, 177, 195, 213,
    231, 249, 11, 29, 47, 65, 82, 100, 117, 135, 152, 170,
    187, 204, 221, 238, 255, 16, 33, 50, 67, 83, 100, 116,
    133, 149, 166, 182, 198, 214, 230, 246};

#endif
