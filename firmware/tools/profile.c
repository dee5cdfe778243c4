/* SPDX-License-Identifier: Apache-2.0 */
/* A QEMU plugin (TCG, plugin API 1) that counts executed instructions by address: a line "address
 * count" each, in the file OUT.
 *   cc -shared -fPIC profile.c -o profile.so;  qemu-system-arm -plugin ./profile.so,out=OUT ...
 * Debian ships QEMU with plugins but without their header, hence the prototypes here. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
enum { INLINE_ADD_U64 = 0 };
typedef void (*translated)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*ended)(qemu_plugin_id_t, void *);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, ended, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, int, void *, uint64_t);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define SLOTS \
    (1u << 20) /* by address / 2, from the start of the flash; the images here are smaller */
static uint64_t counts[SLOTS];
static char out[4096];

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t slot = (qemu_plugin_insn_vaddr(insn) & 0x7fffffff) / 2;
        if (slot < SLOTS)
            qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, &counts[slot], 1);
    }
}

static void finish(qemu_plugin_id_t id, void *unused)
{
    (void)id, (void)unused;
    FILE *f = fopen(out, "w");
    if (!f) return;
    for (uint64_t i = 0; i < SLOTS; i++)
        if (counts[i]) fprintf(f, "%" PRIx64 " %" PRIu64 "\n", 2 * i, counts[i]);
    fclose(f);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id,
                                                               const struct qemu_info *info,
                                                               int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], "out=", 4)) snprintf(out, sizeof out, "%s", argv[i] + 4);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return out[0] ? 0 : -1;
}
