/* SPDX-License-Identifier: Apache-2.0 */
/* ST NUCLEO-L476RG (UM1724): USART2, on PA2 and PA3, to the ST-LINK. */
#define NAME "nucleo-l476rg"
#define USART 0x40004400u
#define USART_IRQ 38
#define USART_ENABLE (RCC + 0x58) /* APB1ENR1 */
#define USART_ENABLE_BIT 17
enum { PIN_TX = 2, PIN_RX = 3 };
