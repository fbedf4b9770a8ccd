/* weight.c - weights brought into the panels that kernels read
 *
 * SPDX-License-Identifier: MIT */
#include "op.h"

enum {
    PACK_BLOCK = 64,      /* rows a task packs, whole panels */
    PACK_BAND = 16 << 20, /* bytes until the source is told to be done with */
};

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
    int task0; /* of the band */
} packing;

static void pack(void *arg, int task, int thread)
{
    (void)thread;
    const packing *p = arg;
    const ch_tensor *s = &p->w->stored;
    const int rows = (int)s->dim[0], n0 = (p->task0 + task) * PACK_BLOCK;
    ch_panel_pack(p->panels, s->dtype, s->data, ch_tensor_row_bytes(s), rows, (int)s->dim[1], n0,
                  CH_MIN(n0 + PACK_BLOCK, rows));
}

void ch_weight_pack(ch_weight *w, void *memory, ch_pool *pool, ch_packed_fn *packed, void *arg)
{
    const size_t row_bytes = ch_tensor_row_bytes(&w->stored), rows = (size_t)w->stored.dim[0];
    const int tasks = (int)((rows + PACK_BLOCK - 1) / PACK_BLOCK);
    const int few = (int)(PACK_BAND / CH_MAX(row_bytes * PACK_BLOCK, 1));
    const int band = packed ? CH_MAX(few, 4 * ch_pool_threads(pool)) : CH_MAX(tasks, 1);
    for (int task = 0; task < tasks; task += band) {
        packing p = {w, memory, task};
        ch_pool_run(pool, pack, &p, CH_MIN(band, tasks - task));
        const size_t first = (size_t)task * PACK_BLOCK, n = (size_t)band * PACK_BLOCK;
        if (packed)
            packed(arg, (const char *)w->stored.data + first * row_bytes,
                   CH_MIN(n, rows - first) * row_bytes);
    }
    w->kind = ch_dtype_get(w->stored.dtype)->panel;
    w->panels = memory;
}
