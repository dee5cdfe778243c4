/* SPDX-License-Identifier: Apache-2.0 */
/* ST B-L475E-IOT01A (UM2153): USART1, on PB6 and PB7, to the ST-LINK; two MP34DT01 on DATIN2. */
#define NAME "b-l475e-iot01a"
#define USART 0x40013800u
#define USART_IRQ 37
#define USART_ENABLE (RCC + 0x60) /* APB2ENR */
#define USART_ENABLE_BIT 14
#define MIC_IRQ 14 /* DMA1, fourth channel */
#define MIC_CHANNEL 2

enum { A = 0, B = 16, D = 48, E = 64 }; /* ports */
enum { PIN_TX = B + 6, PIN_RX = B + 7, PIN_CLOCK = E + 9, PIN_DATA = E + 7 };
enum { PIN_LED = B + 14, KEYWORD_PINS = 10 }; /* LD2 */

/* ARD-D2 to ARD-D11 */
static const unsigned char keyword_pins[KEYWORD_PINS] = {D + 14, B + 0, A + 3,  B + 4, B + 1,
                                                         A + 4,  B + 2, A + 15, A + 2, A + 7};
