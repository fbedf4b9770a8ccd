/* weight.c - weights brought into the panels that kernels read
 *
 * SPDX-License-Identifier: MIT */
#include "op.h"

enum { PACK_BLOCK = 64 }; /* rows a task packs, whole panels */

size_t ch_weight_packed_bytes(const ch_weight *w)
{
    if (w->stored.rank != 2)
        return 0; /* vectors are used as they are */
    const ch_panel_kind kind = ch_dtype_get(w->stored.dtype)->panel;
    return ch_panels_bytes(kind, (int)ch_weight_rows(w), (int)ch_weight_width(w));
}

typedef struct packing {
    const ch_weight *w;
    void *panels;
} packing;

static void pack(void *arg, int task, int thread)
{
    (void)thread;
    const packing *p = arg;
    const ch_tensor *s = &p->w->stored;
    const int rows = (int)s->dim[0], n0 = task * PACK_BLOCK;
    ch_panel_pack(p->panels, s->dtype, s->data, ch_tensor_row_bytes(s), rows, (int)s->dim[1], n0,
                  CH_MIN(n0 + PACK_BLOCK, rows));
}

void ch_weight_pack(ch_weight *w, void *memory, ch_pool *pool)
{
    packing p = {w, memory};
    ch_pool_run(pool, pack, &p, (int)((ch_weight_rows(w) + PACK_BLOCK - 1) / PACK_BLOCK));
    w->kind = ch_dtype_get(w->stored.dtype)->panel;
    w->panels = memory;
}
