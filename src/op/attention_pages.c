/* attention_pages.c - attention over the pages of a cache, for inference
 *
 *     s_j = scale q . k_j - m_h (p - p_j) + log_count_j       over the keys that the row sees
 *         (or c tanh(scale q . k_j / c) in place of its first term)
 *     o = sum_j softmax(s)_j v_j
 *
 * A task is a few neighbouring rows of one sequence and one key head with its group of query heads;
 * it walks the view's keys in order, a stretch of CH_ATTENTION_KEYS at a time (attention_keys.c).
 * Per stretch: scores, their largest m' and e^(s - m'), then the sums so far (m, sum, acc) move to
 * the larger of m and m' (Milakov & Gimelshein 2018).  Rows of a task share the reading of keys and
 * values and nothing else: a score is of one row and one key, and what follows takes the keys up to
 * the last one that the row sees, so that later keys and other rows never touch its bits.  No page
 * is read that lies behind the windows of all rows.  Cost: 2 H E multiply-adds a key seen; keys and
 * values are read once per task.  SPDX-License-Identifier: MIT */
#include "attention.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

enum {
    ROWS_MOST = 8,    /* of a task */
    TASKS_ENOUGH = 4, /* for a thread, before a task gets more than one row */
    WEIGHTS = CH_ATTENTION_KEYS + 16, /* apart, so that there is room for one more number */
    COST_ENOUGH = 32768 /* multiply-adds, for which a thread is woken */
};

/* Of a task, per row and query head of the group, in this order; a thread has one. */
typedef struct sums {
    real *q, *acc; /* (padded): the query as scores take it; the sum of values */
    real *p;       /* (WEIGHTS): scores or weights, and the maximum so far */
    real *sum, *keep;
} sums;

typedef struct pages {
    const ch_run *run;
    const ch_tensor *q;
    ch_tensor *o;
    const ch_kv_view *views;
    const ch_rows *rows;
    ch_attention_spec spec;
    int group, padded; /* query heads of a key head; head width in scratch */
    sums *of;          /* by thread */
    int32_t *block;    /* where the rows of each task begin, and the end */
    int blocks;
} pages;

/* A task's rows. */
typedef struct some_rows {
    sums s;
    const ch_kv_view *view;
    int row0, n, kv;
} some_rows;

static sums take_sums(ch_arena *scratch, int heads, int padded)
{
    const size_t n = (size_t)heads, bytes = sizeof(real);
    sums s;
    s.q = ch_arena_take(scratch, ch_size_mul(n, (size_t)padded * bytes));
    s.acc = ch_arena_take(scratch, ch_size_mul(n, (size_t)padded * bytes));
    s.p = ch_arena_take(scratch, ch_size_mul(n, WEIGHTS * bytes));
    s.sum = ch_arena_take(scratch, n * bytes);
    s.keep = ch_arena_take(scratch, n * bytes);
    return s;
}

static void take_scratch(pages *a, ch_arena *scratch)
{
    const int threads = ch_pool_threads(a->run->pool), rows = CH_MIN(a->rows->n, (int)ROWS_MOST);
    a->block = ch_arena_take(scratch, ((size_t)a->rows->n + 1) * sizeof *a->block);
    a->of = ch_arena_take(scratch, (size_t)threads * sizeof *a->of);
    for (int t = 0; t < threads; t++) {
        const sums s = take_sums(scratch, rows * a->group, a->padded);
        if (ch_op_computes(a->run)) /* a measuring arena has no memory */
            a->of[t] = s;
    }
}

/* Rows side by side that belong to one sequence; one row each where there are few tasks.  No
 * result knows the cut. */
static int cut_rows(int32_t *block, const ch_rows *rows, int kv_heads, int threads)
{
    const int64_t most = (int64_t)rows->n * kv_heads / (TASKS_ENOUGH * CH_MAX(threads, 2));
    const int wanted = (int)CH_MAX(1, CH_MIN(most, ROWS_MOST));
    int n = 0;
    for (int t = 0; t < rows->n; t++)
        if (t == 0 || t - block[n - 1] == wanted || rows->seq[t] != rows->seq[t - 1])
            block[n++] = t;
    block[n] = rows->n;
    return n;
}

/* A query head as scores take it: reals, or integers for keys of q8_0; `room`: padded reals. */
static void put_query(const pages *a, const some_rows *b, int head, const real *from, real *room)
{
    const int E = a->spec.width, W = b->view->width;
    memcpy(room, from, (size_t)E * sizeof(real));
    memset(room + E, 0, (size_t)(W - E) * sizeof(real));
    if (b->view->k_dtype == CH_Q8_0)
        a->run->kernels->row_q8((char *)b->s.q + (size_t)head * ch_row_bytes(CH_PANEL_Q8, W), room,
                                W);
    else
        memcpy(b->s.q + (ptrdiff_t)head * W, room, (size_t)W * sizeof(real));
}

static some_rows open_rows(const pages *a, int block, int kv, int thread)
{
    const int row0 = a->block[block], group = a->group;
    const some_rows b = {.s = a->of[thread],
                         .view = &a->views[a->rows->seq[row0]],
                         .row0 = row0,
                         .n = a->block[block + 1] - row0,
                         .kv = kv};
    for (int i = 0; i < b.n * group; i++) {
        const real *q = ch_tensor_row(a->q, row0 + i / group);
        put_query(a, &b, i, q + ((ptrdiff_t)kv * group + i % group) * a->spec.width, b.s.acc);
        b.s.p[(ptrdiff_t)i * WEIGHTS + CH_ATTENTION_KEYS] = -(real)INFINITY;
        b.s.sum[i] = 0;
    }
    memset(b.s.acc, 0, (size_t)(b.n * group) * (size_t)b.view->width * sizeof(real));
    return b;
}

/* p: scores of head g become weights relative to the maximum so far, which moves; keep[g]: the
 * factor for what is summed so far.  The maximum stands behind the scores, so that one function
 * gives all exponentials; it was written there when the last stretch was done, since a vector that
 * is read just after one of its elements was written waits. */
static void weigh(const ch_kernels *k, const sums *s, int g, int n)
{
    real *p = s->p + (ptrdiff_t)g * WEIGHTS, *last = p + CH_ATTENTION_KEYS, max;
    p[n] = *last;
    const real sum = k->softmax(p, p, n + 1, &max);
    s->keep[g] = p[n];
    s->sum[g] = s->sum[g] * p[n] + (sum - p[n]);
    *last = max;
}

/* The scores of a row become weights. */
static void weigh_row(const pages *a, const some_rows *b, int r, const ch_seen *keys)
{
    const ch_kernels *k = a->run->kernels;
    const real cap = a->spec.softcap;
    for (int g = 0; g < a->group; g++) {
        real *p = b->s.p + (ptrdiff_t)(r * a->group + g) * WEIGHTS;
        if (cap > 0)
            k->softcap(p, p, keys->n, 1 / cap, cap);
        if (a->spec.alibi || !keys->plain)
            ch_op_seen_adjust(p, keys, a->spec.window,
                              ch_op_attention_slope(&a->spec, b->kv * a->group + g));
        weigh(k, &b->s, r * a->group + g, keys->n);
    }
}

/* Of n keys from `at` on; those before `first` are not read, nobody sees them. */
static void score(const pages *a, const some_rows *b, int first, int at, int n)
{
    const ch_kv_view *view = b->view;
    ch_score_fn *fn = ch_kernel_score(a->run->kernels, view->k_dtype);
    const int skipped = CH_MAX(first - at, 0);
    for (int i = 0; i < b->n * a->group; i++)
        for (int j = 0; j < skipped; j++)
            b->s.p[(ptrdiff_t)i * WEIGHTS + j] = -(real)INFINITY;
    for (int j = skipped; j < n;) {
        const ch_piece p = ch_op_piece(view, at + j, at + n);
        fn(b->s.p + j, WEIGHTS, b->s.q, ch_op_key(view, &p, b->kv), b->n * a->group, p.n,
           view->width, a->spec.scale);
        j += p.n;
    }
}

/* Rows [r, end), which see the same keys.  Before the first of them stands that one's value: a
 * weight of zero would not undo what is infinite. */
static void mix_rows(const pages *a, const some_rows *b, int r, int end, const ch_seen *keys,
                     const void *const *value)
{
    const void *mine[CH_ATTENTION_KEYS];
    const ptrdiff_t head = (ptrdiff_t)r * a->group;
    const int W = b->view->width;
    for (int j = 0; keys->from > 0 && j < keys->n; j++)
        mine[j] = value[CH_MAX(j, keys->from)];
    ch_kernel_mix(a->run->kernels, b->view->v_dtype)(
        b->s.acc + head * W, b->s.keep + head, b->s.p + head * WEIGHTS, WEIGHTS,
        keys->from > 0 ? mine : value, (end - r) * a->group, keys->n, W);
}

static void mix(const pages *a, const some_rows *b, const ch_seen *keys, const void *const *value)
{
    for (int r = 0, end; r < b->n; r = end) {
        for (end = r + 1; end < b->n && keys[end].n == keys[r].n && keys[end].from == keys[r].from;)
            end++;
        if (keys[r].n)
            mix_rows(a, b, r, end, &keys[r], value);
    }
}

static void add_stretch(const pages *a, const some_rows *b, int first, int at)
{
    const void *value[CH_ATTENTION_KEYS];
    ch_seen keys[ROWS_MOST];
    int most = 0;
    for (int r = 0; r < b->n; r++) {
        keys[r] = ch_op_see(b->view, at, a->rows->pos[b->row0 + r], a->spec.window);
        most = CH_MAX(most, keys[r].n);
    }
    if (!most)
        return;
    score(a, b, first, at, most);
    for (int r = 0; r < b->n; r++)
        if (keys[r].n)
            weigh_row(a, b, r, &keys[r]);
    ch_op_values(value, b->view, b->kv, first, at, most);
    mix(a, b, keys, value);
}

static void attend(const pages *a, int block, int kv, int thread)
{
    const some_rows b = open_rows(a, block, kv, thread);
    const ch_kv_view *view = b.view;
    const int E = a->spec.width;
    int first = view->keys;
    for (int r = 0; r < b.n; r++)
        first = CH_MIN(first, ch_op_first_key(view, a->rows->pos[b.row0 + r], a->spec.window));
    for (int at = first - first % CH_ATTENTION_KEYS; at < view->keys; at += CH_ATTENTION_KEYS)
        add_stretch(a, &b, first, at);
    for (int i = 0; i < b.n * a->group; i++) {
        real *o = ch_tensor_row(a->o, b.row0 + i / a->group) +
                  ((ptrdiff_t)kv * a->group + i % a->group) * E;
        const real *acc = b.s.acc + (ptrdiff_t)i * view->width;
        for (int e = 0; e < E; e++)
            o[e] = b.s.sum[i] == 0 ? 0 : acc[e] / b.s.sum[i];
    }
}

/* Tasks of one key head stand together: they read the same pages. */
static void attend_task(void *arg, int task, int thread)
{
    const pages *a = arg;
    attend(a, task % a->blocks, task / a->blocks, thread);
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

static void run_tasks(pages *a)
{
    const int64_t tasks = (int64_t)a->blocks * a->spec.kv_heads;
    const double cost = 2.0 * a->rows->n * a->spec.heads * a->spec.width * most_keys(a);
    assert(tasks <= INT_MAX);
    ch_pool_run(cost < COST_ENOUGH ? NULL : a->run->pool, attend_task, a, (int)tasks);
}

static void count(const pages *a)
{
    if (!a->run->profile)
        return;
    double macs = 0, bytes = 0;
    for (int b = 0; b < a->blocks; b++) {
        const int row0 = a->block[b];
        const ch_kv_view *v = &a->views[a->rows->seq[row0]];
        const int64_t n = (int64_t)keys_seen(a, row0) * v->width;
        macs += 2.0 * (double)n * a->spec.heads * (a->block[b + 1] - row0);
        bytes += (double)(ch_dtype_bytes(v->k_dtype, n) + ch_dtype_bytes(v->v_dtype, n)) *
                 a->spec.kv_heads;
    }
    ch_op_count(a->run, CH_OP_attention_pages, macs, bytes);
}

ch_tensor *ch_op_attention_pages(ch_run *r, const ch_tensor *q, const ch_kv_view *views,
                                 const ch_rows *rows, const ch_attention_spec *s)
{
    const ch_op_timer t = ch_op_begin(r);
    pages a = {.run = r,
               .q = q,
               .views = views,
               .rows = rows,
               .spec = *s,
               .group = s->heads / s->kv_heads,
               .padded = (int)ch_round_up(s->width, 32)}; /* enough for every stored format */
    a.o = ch_op_output(r, rows->n, (int64_t)s->heads * s->width);
    const size_t mark = ch_arena_mark(r->scratch);
    take_scratch(&a, r->scratch);
    if (ch_op_computes(r)) {
        a.blocks = cut_rows(a.block, rows, s->kv_heads, ch_pool_threads(r->pool));
        run_tasks(&a);
        count(&a);
    }
    ch_arena_reset(r->scratch, mark);
    ch_op_end(r, t, CH_OP_attention_pages, 0, 0);
    return a.o;
}
