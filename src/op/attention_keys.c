/* attention_keys.c - what a row sees of a cache, stretch by stretch (attention.h)
 *
 * Stretches are counted by keys, not by pages, so that no result knows the page size.
 * SPDX-License-Identifier: MIT */
#include "attention.h"

static const void *row_of(const void *const *page, ch_dtype t, const ch_kv_view *v,
                          const ch_piece *p, int kv)
{
    const int64_t at = ((int64_t)kv * v->page_size + p->row) * v->width;
    return (const char *)page[p->page] + ch_dtype_bytes(t, at);
}

const void *ch_op_key(const ch_kv_view *v, const ch_piece *p, int kv)
{
    return row_of(v->k, v->k_dtype, v, p, kv);
}

void ch_op_values(const void **row, const ch_kv_view *v, int kv, int first, int at, int n)
{
    const size_t bytes = ch_dtype_bytes(v->v_dtype, v->width);
    const int skipped = CH_MAX(first - at, 0);
    for (int j = skipped; j < n;) {
        const ch_piece p = ch_op_piece(v, at + j, at + n);
        const char *from = row_of(v->v, v->v_dtype, v, &p, kv);
        for (int i = 0; i < p.n; i++, j++)
            row[j] = from + (size_t)i * bytes;
    }
    for (int j = 0; j < skipped; j++)
        row[j] = row[skipped];
}

static bool seen(int32_t key, int32_t row, int window)
{
    return key >= 0 && key <= row && (window <= 0 || key > row - window);
}

static const float *counts(const ch_kv_view *v, const ch_piece *p)
{
    return v->log_count && v->log_count[p->page] ? v->log_count[p->page] + p->row : NULL;
}

ch_seen ch_op_see(const ch_kv_view *v, int at, int32_t row, int window)
{
    ch_seen s = {.view = v, .at = at, .row = row, .plain = true};
    const int n = CH_MIN(v->keys - at, (int)CH_ATTENTION_KEYS);
    int count = 0;
    for (int j = 0; j < n;) {
        const ch_piece p = ch_op_piece(v, at + j, at + n);
        const int32_t *pos = v->pos[p.page] + p.row;
        for (int i = 0; i < p.n; i++, j++) {
            const bool see = seen(pos[i], row, window);
            s.from = see && count == 0 ? j : s.from;
            s.n = see ? j + 1 : s.n;
            count += see;
        }
        s.plain = s.plain && !counts(v, &p);
    }
    s.plain = s.plain && count == s.n;
    return s;
}

void ch_op_seen_adjust(real *p, const ch_seen *s, int window, real slope)
{
    const ch_kv_view *v = s->view;
    for (int j = 0; j < s->n;) {
        const ch_piece part = ch_op_piece(v, s->at + j, s->at + s->n);
        const int32_t *pos = v->pos[part.page] + part.row;
        const float *log_count = counts(v, &part);
        for (int i = 0; i < part.n; i++, j++) {
            if (!seen(pos[i], s->row, window))
                p[j] = -(real)INFINITY;
            else
                p[j] += (log_count ? (real)log_count[i] : 0) - slope * (real)(s->row - pos[i]);
        }
    }
}

/* Positions rise, so a page's last valid key decides for all keys before it. */
int ch_op_first_key(const ch_kv_view *v, int32_t row, int window)
{
    if (window <= 0)
        return 0;
    int page = (v->keys + v->page_size - 1) / v->page_size;
    for (; page > 0; page--) {
        const int32_t *pos = v->pos[page - 1];
        int j = CH_MIN(v->page_size, v->keys - (page - 1) * v->page_size);
        while (j > 0 && pos[j - 1] < 0)
            j--;
        if (j > 0 && pos[j - 1] <= row - window)
            break;
    }
    return page * v->page_size;
}
