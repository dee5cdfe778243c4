/* SPDX-License-Identifier: Apache-2.0 */
/* A machine of WebAssembly for the runtime's test program: what it writes goes to the host. */
#include "hal.h"

__attribute__((import_module("host"), import_name("write"))) void host_write(const uint8_t *bytes,
                                                                             size_t n);

void hal_init(void) {}
void hal_write(const uint8_t *bytes, size_t n) { host_write(bytes, n); }
void hal_exit(int code) { (void)code; }
int main(void);
__attribute__((export_name("run"))) int run(void) { return main(); }
