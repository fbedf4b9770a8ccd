/* attention_pages.c - attention over the pages of a cache, for inference
 *
 *     s_j = scale q . k_j - m_h (p - p_j) + log_count_j       over the keys that the row sees
 *         (or c tanh(scale q . k_j / c) in place of its first term)
 *     o = sum_j softmax(s)_j v_j
 *
 * A task is one row and one key head with its group of query heads; it walks the view's pages in
 * order, CH_ATTENTION_KEYS keys at a time.  Per stretch: scores, their largest m' and e^(s - m'),
 * then the sums so far (m, sum, acc) move to the larger of m and m' (Milakov & Gimelshein 2018).
 * Kernels are called with the keys up to the last one that the row sees and a stretch without any
 * is passed over: later keys, and other rows, never touch its bits.  The walk starts at the first
 * page that reaches into the row's window.  Cost: 2 H E multiply-adds a key seen; keys and values
 * are read once per key head.  SPDX-License-Identifier: MIT */
#include "attention.h"

#include <string.h>

typedef struct pages {
    const ch_run *run;
    const ch_tensor *q;
    ch_tensor *o;
    const ch_kv_view *views;
    const ch_rows *rows;
    ch_attention_spec spec;
    int group, padded; /* query heads of a key head; head width in scratch */
    real *scratch;     /* per row and key head */
    size_t reals;      /* of one */
} pages;

/* The scratch of a row and key head, one entry (or one row) a query head. */
typedef struct sums {
    real *q, *acc; /* (group, width) */
    real *p;       /* (group, CH_ATTENTION_KEYS) */
    real *max, *sum, *keep;
} sums;

static size_t scratch_reals(int group, int padded)
{
    return (size_t)group * (2 * (size_t)padded + CH_ATTENTION_KEYS + 3);
}

static sums open_sums(const pages *a, const ch_kv_view *view, int64_t row, int kv)
{
    const int group = a->group, E = a->spec.width;
    sums s = {.q = a->scratch + (size_t)(row * a->spec.kv_heads + kv) * a->reals};
    s.acc = s.q + (ptrdiff_t)group * a->padded;
    s.p = s.acc + (ptrdiff_t)group * a->padded;
    s.max = s.p + (ptrdiff_t)group * CH_ATTENTION_KEYS;
    s.sum = s.max + group;
    s.keep = s.sum + group;
    memset(s.q, 0, (size_t)group * (size_t)view->width * sizeof(real));
    memset(s.acc, 0, (size_t)group * (size_t)view->width * sizeof(real));
    for (int g = 0; g < group; g++) {
        memcpy(s.q + (ptrdiff_t)g * view->width,
               ch_tensor_row(a->q, row) + ((ptrdiff_t)kv * group + g) * E,
               (size_t)E * sizeof(real));
        s.max[g] = -(real)INFINITY;
        s.sum[g] = 0;
    }
    return s;
}

/* Keys of one page, from the one numbered `from`. */
typedef struct stretch {
    const int32_t *pos;
    const float *log_count; /* NULL: none */
    int n;                  /* up to the last key seen */
    bool all;               /* are seen */
} stretch;

static bool seen(int32_t key, int32_t row, int window)
{
    return key >= 0 && key <= row && (window <= 0 || key > row - window);
}

static stretch look(const ch_kv_view *view, int page, int from, int n, int32_t row, int window)
{
    stretch s = {.pos = view->pos[page] + from};
    if (view->log_count && view->log_count[page])
        s.log_count = view->log_count[page] + from;
    int count = 0;
    for (int j = 0; j < n; j++) {
        const bool see = seen(s.pos[j], row, window);
        count += see;
        s.n = see ? j + 1 : s.n;
    }
    s.all = count == s.n;
    return s;
}

static void adjust(real *p, const stretch *s, int32_t row, int window, real slope)
{
    for (int j = 0; j < s->n; j++) {
        if (!seen(s->pos[j], row, window))
            p[j] = -(real)INFINITY;
        else
            p[j] += (s->log_count ? (real)s->log_count[j] : 0) - slope * (real)(row - s->pos[j]);
    }
}

/* p: scores of head g become weights relative to max[g], which moves; keep[g]: the factor for what
 * is summed so far. */
static void weigh(const ch_kernels *k, const sums *s, int g, int n)
{
    real *p = s->p + (ptrdiff_t)g * CH_ATTENTION_KEYS, max;
    real sum = k->softmax(p, p, n, &max);
    s->keep[g] = 1;
    if (max > s->max[g]) {
        s->keep[g] = real_exp(s->max[g] - max);
        s->max[g] = max;
    } else {
        const real factor = real_exp(max - s->max[g]);
        for (int j = 0; j < n; j++)
            p[j] *= factor;
        sum *= factor;
    }
    s->sum[g] = s->sum[g] * s->keep[g] + sum;
}

static void add_stretch(const pages *a, const ch_kv_view *view, const sums *s, int page, int from,
                        int n, int32_t row, int kv)
{
    const ch_kernels *k = a->run->kernels;
    const stretch keys = look(view, page, from, n, row, a->spec.window);
    if (!keys.n)
        return;
    const int64_t at = ((int64_t)kv * view->page_size + from) * view->width;
    const char *key = (const char *)view->k[page] + ch_dtype_bytes(view->k_dtype, at);
    const char *value = (const char *)view->v[page] + ch_dtype_bytes(view->v_dtype, at);
    ch_kernel_score(k, view->k_dtype)(s->p, CH_ATTENTION_KEYS, s->q, key, a->group, keys.n,
                                      view->width, a->spec.scale);
    const bool plain = keys.all && !keys.log_count && !a->spec.alibi;
    const real cap = a->spec.softcap;
    for (int g = 0; g < a->group; g++) {
        real *p = s->p + (ptrdiff_t)g * CH_ATTENTION_KEYS;
        if (cap > 0)
            k->softcap(p, p, keys.n, 1 / cap, cap);
        if (!plain)
            adjust(p, &keys, row, a->spec.window,
                   ch_op_attention_slope(&a->spec, kv * a->group + g));
        weigh(k, s, g, keys.n);
    }
    ch_kernel_mix(k, view->v_dtype)(s->acc, s->keep, s->p, CH_ATTENTION_KEYS, value, a->group,
                                    keys.n, view->width);
}

/* All before it lies behind the window.  Positions rise, so a page's last valid key decides. */
static int first_page(const ch_kv_view *view, int32_t row, int window)
{
    if (window <= 0)
        return 0;
    int page = (view->keys + view->page_size - 1) / view->page_size;
    for (; page > 0; page--) {
        const int32_t *pos = view->pos[page - 1];
        int j = CH_MIN(view->page_size, view->keys - (page - 1) * view->page_size);
        while (j > 0 && pos[j - 1] < 0)
            j--;
        if (j > 0 && pos[j - 1] <= row - window)
            break;
    }
    return page;
}

static void attend(const pages *a, int64_t row, int kv)
{
    const ch_kv_view *view = &a->views[a->rows->seq[row]];
    const int32_t pos = a->rows->pos[row];
    const int E = a->spec.width;
    const sums s = open_sums(a, view, row, kv);
    int at = first_page(view, pos, a->spec.window) * view->page_size;
    for (; at < view->keys; at += view->page_size) {
        const int keys = CH_MIN(view->page_size, view->keys - at);
        for (int from = 0; from < keys; from += CH_ATTENTION_KEYS)
            add_stretch(a, view, &s, at / view->page_size, from,
                        CH_MIN(keys - from, CH_ATTENTION_KEYS), pos, kv);
    }
    for (int g = 0; g < a->group; g++) {
        real *o = ch_tensor_row(a->o, row) + ((ptrdiff_t)kv * a->group + g) * E;
        const real *acc = s.acc + (ptrdiff_t)g * view->width;
        for (int e = 0; e < E; e++)
            o[e] = s.sum[g] == 0 ? 0 : acc[e] / s.sum[g];
    }
}

static void attend_some(void *arg, int64_t item0, int64_t item1)
{
    const pages *a = arg;
    for (int64_t i = item0; i < item1; i++)
        attend(a, i / a->spec.kv_heads, (int)(i % a->spec.kv_heads));
}

/* That a row sees at most; where later keys are in the view already, a few more than it does. */
static int keys_seen(const pages *a, int row)
{
    const int keys = a->views[a->rows->seq[row]].keys;
    return a->spec.window > 0 ? CH_MIN(keys, a->spec.window) : keys;
}

static int most_keys(const pages *a)
{
    int most = 0;
    for (int t = 0; t < a->rows->n; t++)
        most = CH_MAX(most, keys_seen(a, t));
    return most;
}

static void count(const pages *a)
{
    if (!a->run->profile)
        return;
    double macs = 0, bytes = 0;
    for (int t = 0; t < a->rows->n; t++) {
        const ch_kv_view *v = &a->views[a->rows->seq[t]];
        const int64_t n = (int64_t)keys_seen(a, t) * v->width;
        macs += 2.0 * (double)n * a->spec.heads;
        bytes += (double)(ch_dtype_bytes(v->k_dtype, n) + ch_dtype_bytes(v->v_dtype, n)) *
                 a->spec.kv_heads;
    }
    ch_op_count(a->run, CH_OP_attention_pages, macs, bytes);
}

ch_tensor *ch_op_attention_pages(ch_run *r, const ch_tensor *q, const ch_kv_view *views,
                                 const ch_rows *rows, const ch_attention_spec *s)
{
    const ch_op_timer t = ch_op_begin(r);
    const int group = s->heads / s->kv_heads;
    const int padded = (int)ch_round_up(s->width, 32); /* enough for every stored format */
    pages a = {.run = r,
               .q = q,
               .views = views,
               .rows = rows,
               .spec = *s,
               .group = group,
               .padded = padded,
               .reals = scratch_reals(group, padded)};
    a.o = ch_op_output(r, rows->n, (int64_t)s->heads * s->width);
    const size_t mark = ch_arena_mark(r->scratch);
    const int64_t items = (int64_t)rows->n * s->kv_heads;
    a.scratch = ch_arena_take(r->scratch, ch_size_mul((size_t)items, a.reals * sizeof(real)));
    if (ch_op_computes(r)) {
        ch_op_for_rows(r, items, 2.0 * group * s->width * most_keys(&a), attend_some, &a);
        count(&a);
    }
    ch_arena_reset(r->scratch, mark);
    ch_op_end(r, t, CH_OP_attention_pages, 0, 0);
    return a.o;
}
