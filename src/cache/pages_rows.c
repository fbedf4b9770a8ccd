/* pages_rows.c - writing rows into pages, and what attention reads of them
 *
 * Token t of a layer is row t % page_size of page t / page_size; each of its kv_heads heads is one
 * stored row of `width` elements.  Writing is part of every step of every layer, so it allocates
 * nothing and converts through a buffer on the stack.  Padding of plain formats was zeroed with the
 * page and is left alone; a last block that is not whole is encoded with zeros behind.
 * SPDX-License-Identifier: MIT */
#include "page_store.h"

#include <assert.h>
#include <string.h>

/* n reals as one stored row. */
static void put_row(unsigned char *to, const page_side *s, const real *x, int n)
{
    enum { CHUNK = 256 }; /* whole blocks of every format */
    if (s->plain) {
        memcpy(to, x, (size_t)n * sizeof *x);
        return;
    }
    if (s->put) {
        s->put(to, x, n);
        return;
    }
    const int block = s->info->block;
    for (int at = 0; at < n; at += CHUNK) {
        const int take = CH_MIN(n - at, (int)CHUNK), whole = (int)ch_round_up(take, block);
        float part[CHUNK];
        for (int i = 0; i < take; i++)
            part[i] = (float)x[at + i];
        for (int i = take; i < whole; i++)
            part[i] = 0;
        s->info->encode(to + (size_t)(at / block) * (size_t)s->info->bytes, part, whole);
    }
}

void ch_pages_write(ch_state *s, int layer, int at, int n, const real *k, const real *v,
                    ptrdiff_t ld, const int32_t *pos)
{
    const page_state *p = (const page_state *)s;
    const ch_cache *c = p->cache;
    const int size = c->options.page_size, width = c->options.head_width;
    assert(at >= 0 && n >= 0 && n <= p->layers[layer].keys - at);
    for (int i = 0; i < n; i++, k += ld, v += ld) {
        const int32_t id = page_ids(p, (at + i) / size)[layer];
        const int row = (at + i) % size;
        assert(page_is_private(c, id));
        for (int h = 0; h < c->options.kv_heads; h++) {
            put_row(page_row(c, id, &c->k, h, row), &c->k, k + (ptrdiff_t)h * width, width);
            put_row(page_row(c, id, &c->v, h, row), &c->v, v + (ptrdiff_t)h * width, width);
        }
        page_pos(c, id)[row] = pos[i];
    }
}

void ch_pages_view(ch_kv_view *out, const ch_state *s, int layer, int length)
{
    const page_state *p = (const page_state *)s;
    const ch_cache *c = p->cache;
    *out = (ch_kv_view){
        .page_size = c->options.page_size,
        .kv_heads = c->options.kv_heads,
        .width = c->width,
        .keys = CH_MIN(length, p->layers[layer].keys),
        .k_dtype = c->options.k_dtype,
        .v_dtype = c->options.v_dtype,
        .k = p->layers[layer].k,
        .v = p->layers[layer].v,
        .pos = p->layers[layer].pos,
    };
}
