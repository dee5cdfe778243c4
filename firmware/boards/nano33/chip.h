/* SPDX-License-Identifier: Apache-2.0 */
/* Arduino Nano 33 BLE Sense, its schematic (ABX00031): pins TX and RX, the MP34DT05 and its supply,
 * the yellow light. */
#define VTOR 0xe000ed08u
#define MIC_IRQ 29
#define LAST_IRQ MIC_IRQ
enum { PIN_TX = 32 + 3, PIN_RX = 32 + 10, PIN_CLOCK = 26, PIN_DATA = 25, PIN_POWER = 17 };
enum { PIN_LED = 13 };
