/* SPDX-License-Identifier: Apache-2.0 */
/* Seeed XIAO nRF52840 Sense, its schematic (v1.1): pins D6 and D7, the MSM261D3526H1CPM and its
 * supply, the red light. */
#define VTOR 0xe000ed08u
#define MIC_IRQ 29
#define LAST_IRQ MIC_IRQ
enum { PIN_TX = 32 + 11, PIN_RX = 32 + 12, PIN_CLOCK = 32, PIN_DATA = 16, PIN_POWER = 32 + 10 };
enum { PIN_LED = 26 };
