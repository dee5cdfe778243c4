/* SPDX-License-Identifier: Apache-2.0 */
/* micro:bit v1, an nRF51822: pins to the interface chip's virtual COM port. */
enum { PIN_TX = 24, PIN_RX = 25 };
