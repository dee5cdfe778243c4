/* SPDX-License-Identifier: Apache-2.0 */
/* All that a board brings. Nothing else in firmware/ or runtime/ knows the hardware. */
#ifndef HAL_H
#define HAL_H

#include <stddef.h>
#include <stdint.h>

void hal_init(void); /* clocks, serial line, tick counter */
int hal_read(void);  /* the next byte that came in, or -1 */
/* bytes that came in and found no room, since the start */
uint32_t hal_lost(void);
/* sleep until a byte may have come; may return early */
void hal_wait(void);
void hal_write(const uint8_t *bytes, size_t n); /* returns when the line has taken them */
uint32_t hal_ticks(void);                       /* counts up and wraps */
/* most bytes of stack ever in use; 0 where it is not measured */
size_t hal_stack_used(void);
void hal_exit(int code); /* ends an emulation; on a real board: stops */

extern const char hal_name[]; /* at most 15 characters */
extern const uint32_t hal_tick_hz;
extern const uint32_t hal_receive_bytes; /* how much may be under way to the board */

#endif
