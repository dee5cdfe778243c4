/* SPDX-License-Identifier: Apache-2.0 */
/* Runs where the firmware is built: prints what a model needs, as a header. Structures of 64-bit
 * machines are never smaller than a 32-bit board's, so the number is a bound. */
#include "edge_lp.h"
#include "reply.h"
#include <stdio.h>

static uint8_t bytes[1 << 22];

int main(int argc, char **argv)
{
    lp_model model;
    size_t need, n;
    FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!f) {
        fprintf(stderr, "arena: cannot read %s\n", argc == 2 ? argv[1] : "(no file given)");
        return 2;
    }
    n = fread(bytes, 1, sizeof bytes, f);
    int e = lp_model_open(&model, bytes, n);
    if (!e) e = lp_spotter_size(&model, 0, &need);
    if (e) {
        fprintf(stderr,
                "arena: %s is not a model that this runtime can run (status %d of edge_lp.h)\n",
                argv[1], e);
        return 2;
    }
    printf("#define ARENA_BYTES %zu\n#define REPLY_BODY %zu\n", need, reply_body(&model));
    return 0;
}
