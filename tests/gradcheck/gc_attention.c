/* gc_attention.c - rotary positions, attention, and attention over pages against its training twin
 *
 * SPDX-License-Identifier: MIT */
#include "gradcheck.h"

#include <string.h>

/* ---- rope --------------------------------------------------------------------------------- */

typedef struct rope_case {
    ch_tensor *a, *b; /* what turns is their sum: it must be fresh */
    int heads;
    ch_rope rope;
    real *cosines, *sines;
} rope_case;

static double rope_loss(ch_run *r, void *arg)
{
    const rope_case *c = arg;
    ch_tensor *x = ch_op_add(r, c->a, c->b);
    ch_op_rope(r, x, c->heads, &c->rope, c->cosines, c->sines);
    return gc_sum(r, x);
}

static void rope(int T, int heads, int width, int dims, bool interleaved)
{
    gc g;
    char what[80];
    snprintf(what, sizeof what, "rope T %d heads %d width %d dims %d %s", T, heads, width, dims,
             interleaved ? "interleaved" : "halves");
    gc_open(&g, what);
    rope_case c = {gc_input(&g, "a", T, heads * width),
                   gc_input(&g, "b", T, heads * width),
                   heads,
                   {.dims = dims, .interleaved = interleaved, .base = 10000},
                   NULL,
                   NULL};
    int32_t *pos = gc_ints(&g, T);
    for (int t = 0; t < T; t++)
        pos[t] = t * t;
    c.cosines = gc_take(&g, (size_t)(T * dims / 2) * sizeof(real));
    c.sines = gc_take(&g, (size_t)(T * dims / 2) * sizeof(real));
    ch_op_rope_table(c.cosines, c.sines, &c.rope, pos, T);
    gc_check(&g, rope_loss, &c);
    gc_close(&g);
}

void check_rope(void **state)
{
    (void)state;
    for (int interleaved = 0; interleaved < 2; interleaved++) {
        rope(1, 1, 2, 2, interleaved);
        rope(9, 3, 10, 10, interleaved);
        rope(33, 2, 12, 6, interleaved); /* the rest of the head stays */
        rope(3, 2, 7, 0, interleaved);
    }
}

/* ---- attention ---------------------------------------------------------------------------- */

typedef struct attention_case {
    ch_tensor *q, *k, *v;
    ch_rows rows;
    ch_attention_spec spec;
} attention_case;

static double attention_loss(ch_run *r, void *arg)
{
    const attention_case *c = arg;
    const ch_rows rows = gc_rows(r, &c->rows);
    return gc_sum(r, ch_op_attention(r, c->q, c->k, c->v, &rows, &c->spec));
}

static attention_case open_attention(gc *g, const int *documents, ch_attention_spec spec)
{
    attention_case c = {.rows = gc_documents(g, documents), .spec = spec};
    c.q = gc_input(g, "q", c.rows.n, spec.heads * spec.width);
    c.k = gc_input(g, "k", c.rows.n, spec.kv_heads * spec.width);
    c.v = gc_input(g, "v", c.rows.n, spec.kv_heads * spec.width);
    return c;
}

static const struct {
    const char *what;
    int documents[6];
    ch_attention_spec spec;
} attentions[] = {
    {"one row", {1}, {1, 1, 1, 1, 0, 0, false}},
    {"one document", {40}, {2, 2, 8, 0.35, 0, 0, false}},
    {"grouped heads, odd width", {7, 1, 9}, {6, 2, 5, 0.4, 0, 0, false}},
    {"one key head", {33, 2}, {4, 1, 17, 0.25, 0, 0, false}},
    {"documents across blocks", {20, 1, 30, 40, 6}, {2, 1, 4, 0.5, 0, 0, false}},
    {"window", {70, 5}, {2, 1, 6, 0.4, 7, 0, false}},
    {"window wider than documents", {12, 20}, {2, 2, 4, 0.4, 100, 0, false}},
    {"window of one", {5}, {2, 2, 4, 0.4, 1, 0, false}},
    {"alibi", {3, 36}, {4, 2, 6, 0.4, 0, 0, true}},
    {"alibi and window", {50}, {3, 3, 16, 0.25, 20, 0, true}},
    {"capped scores", {3, 70}, {4, 2, 6, 1.5, 0, 2, false}},
    {"capped scores, window, alibi", {50}, {3, 3, 16, 0.5, 20, 4, true}},
};

void check_attention(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(attentions); i++)
        for (int frozen = 0; frozen < 4; frozen++) {
            gc g;
            gc_open(&g, attentions[i].what);
            const attention_case c =
                open_attention(&g, attentions[i].documents, attentions[i].spec);
            ch_tensor *none[] = {NULL, c.q, c.k, c.v};
            if (frozen)
                none[frozen]->grad = g.leaf[frozen - 1].grad = NULL;
            if (!frozen || i == 2)
                gc_check(&g, attention_loss, (void *)(uintptr_t)&c);
            gc_close(&g);
        }
}

/* ---- attention_pages ---------------------------------------------------------------------- */

/* Pages by hand: the keys of one sequence, `junk` invalid ones after each, head widths padded to a
 * multiple of 8. */
static ch_kv_view make_view(gc *g, const attention_case *c, int row0, int rows, int page_size,
                            int junk)
{
    const int K = c->spec.kv_heads, E = c->spec.width, width = (int)ch_round_up(E, 8),
              keys = rows * (1 + junk);
    const int pages = (keys + page_size - 1) / page_size;
    const size_t page_reals = (size_t)(K * page_size * width);
    void **k = gc_take(g, (size_t)pages * sizeof *k), **v = gc_take(g, (size_t)pages * sizeof *v);
    int32_t **pos = gc_take(g, (size_t)pages * sizeof *pos);
    for (int p = 0; p < pages; p++) {
        k[p] = gc_take(g, page_reals * sizeof(real));
        v[p] = gc_take(g, page_reals * sizeof(real));
        pos[p] = gc_ints(g, page_size);
    }
    for (int i = 0; i < keys; i++) {
        const int p = i / page_size, j = i % page_size, row = row0 + i / (1 + junk);
        const bool valid = i % (1 + junk) == 0;
        pos[p][j] = valid ? c->rows.pos[row] : -1;
        for (int h = 0; h < K; h++)
            for (int e = 0; e < E; e++) {
                const ptrdiff_t at = ((ptrdiff_t)h * page_size + j) * width + e;
                ((real *)k[p])[at] = valid ? ch_tensor_row(c->k, row)[h * E + e] : 3;
                ((real *)v[p])[at] = valid ? ch_tensor_row(c->v, row)[h * E + e] : 1e3;
            }
    }
    return (ch_kv_view){.page_size = page_size,
                        .kv_heads = K,
                        .width = width,
                        .keys = keys,
                        .k_dtype = CH_REAL,
                        .v_dtype = CH_REAL,
                        .k = (const void *const *)k,
                        .v = (const void *const *)v,
                        .pos = (const int32_t *const *)pos};
}

static void compare(gc *g, attention_case *c, const int *documents, int page_size, int junk)
{
    ch_kv_view views[8];
    int32_t *seq = gc_ints(g, c->rows.n);
    for (int i = 0, row = 0; documents[i]; row += documents[i++]) {
        views[i] = make_view(g, c, row, documents[i], page_size, junk);
        for (int t = 0; t < documents[i]; t++)
            seq[row + t] = i;
    }
    c->rows.seq = seq;
    ch_run r = {.scratch = &g->memory, .pool = g->pool, .kernels = &g->kernels};
    const ch_tensor *twin = ch_op_attention(&r, c->q, c->k, c->v, &c->rows, &c->spec);
    const ch_tensor *paged = ch_op_attention_pages(&r, c->q, views, &c->rows, &c->spec);
    for (int64_t i = 0; i < ch_tensor_count(twin); i++) {
        const real a = ((real *)twin->data)[i], b = ((real *)paged->data)[i];
        if (!(fabs(a - b) <=
              1e-12 * CH_MAX(1, fabs(a)))) /* values are of order 1, sums at most 100 long */
            fail_msg("%s, pages of %d, junk %d: element %lld: training %.17g, pages %.17g",
                     g->what, page_size, junk, (long long)i, a, b);
    }
}

void check_attention_pages(void **state)
{
    (void)state;
    static const int page_sizes[] = {1, 4, 32, 40, 64, 128};
    for (size_t i = 0; i < CH_COUNT(attentions); i++)
        for (size_t p = 0; p < CH_COUNT(page_sizes); p++)
            for (int junk = 0; junk < 3; junk += 2) {
                gc g;
                gc_open(&g, attentions[i].what);
                attention_case c = open_attention(&g, attentions[i].documents, attentions[i].spec);
                compare(&g, &c, attentions[i].documents, page_sizes[p], junk);
                gc_close(&g);
            }
}
