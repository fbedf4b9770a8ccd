/* attend.c - checks of score_* and mix_* over some stored keys or values
 *
 * Against plain C, whose widening is exact too: a sum of m products differs by at most m eps times
 * the sum of their magnitudes (m u for either side's order); score_q8_0 and mix_q8_0, of exact sums
 * in a fixed order, not at all.  And to the bit: a query row and a key alone give what they give
 * among others, at any address; nothing is read or written between rows.
 * SPDX-License-Identifier: MIT */
#include <float.h>
#include <string.h>

#include "kcheck.h"

enum { GROUPS = 19, KEYS = CH_MIX_KEYS, WIDTH = 512, GAP = 5 };
/* Stored patterns besides encoded values: any finite bits, and any bits at all. */
enum { FINITE_BITS = KCHECK_SPECIAL + 1, ANY_BITS, PATTERNS };

typedef struct page {
    ch_dtype t;
    int groups, n, width;
    ptrdiff_t ld; /* of s, or p */
    size_t row_bytes;
    const real *q; /* (groups, width): queries; keep[g] = q[g] for mix */
    bool integers; /* q8_0: exact */
    const unsigned char *rows; /* what its scores take in the place of q */
    const real *p; /* (groups, ld): weights for mix */
    const unsigned char *stored;
    real *out; /* (groups, ld) scores, or (groups, width) sums */
} page;

static const real scale = REAL(0.3);

static bool is_mix(const ch_variant *v) { return v->family[0] == 'm'; }

/* CH_DTYPES: a family whose name this file does not know. */
static ch_dtype stored_dtype(const ch_variant *v)
{
    ch_dtype t;
    return ch_dtype_by_name(&t, strchr(v->family, '_') + 1) ? t : CH_DTYPES;
}

static size_t out_count(const ch_variant *v, const page *a)
{
    return is_mix(v) ? (size_t)a->groups * (size_t)a->width
                     : (size_t)((a->groups - 1) * a->ld + a->n);
}

static void run(ch_any_fn *fn, bool mix, const page *a)
{
    const void *q = a->rows ? (const void *)a->rows : a->q, *v[KEYS];
    for (int j = 0; mix && j < a->n; j++) /* backwards: a variant must go by the pointers */
        v[j] = a->stored + (size_t)(a->n - 1 - j) * a->row_bytes;
    if (mix)
        ((ch_mix_fn *)fn)(a->out, a->q, a->p, a->ld, v, a->groups, a->n, a->width);
    else
        ((ch_score_fn *)fn)(a->out, a->ld, q, a->stored, a->groups, a->n, a->width, scale);
}

/* ---- What is stored --------------------------------------------------------------------- */

/* Random bits, finite and far from overflow in sums when pattern is FINITE_BITS. */
static void fill_bits(unsigned char *bytes, size_t n, ch_dtype t, int pattern, uint64_t seed)
{
    uint64_t state = seed;
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(kcheck_random(&state) >> 24);
    if (pattern == ANY_BITS)
        return;
    /* Clearing the top bit of the exponent halves the range: below 2 in all these formats. */
    const size_t unit = (size_t)ch_dtype_get(t)->bytes, at = t == CH_F32 ? 3 : 1;
    for (size_t i = 0; i + unit <= n; i += unit)
        bytes[i + at] &= 0xBF;
}

static void fill_stored(unsigned char *bytes, size_t n, ch_dtype t, int rows, int width,
                        int pattern, uint64_t seed)
{
    if (pattern > KCHECK_SPECIAL) {
        fill_bits(bytes, n, t, pattern, seed);
        return;
    }
    static real values[WIDTH];
    static float floats[WIDTH];
    for (int j = 0; j < rows; j++) {
        kcheck_fill(values, (size_t)width, (kcheck_kind)pattern, seed + (uint64_t)j);
        for (int e = 0; e < width; e++)
            floats[e] = (float)values[e];
        ch_dtype_get(t)->encode(bytes + (size_t)j * (n / (size_t)rows), floats, width);
    }
}

static real *input(int slot, size_t n, int pattern, uint64_t seed, size_t align)
{
    real *x = kcheck_slot(slot, n * sizeof *x, align);
    kcheck_fill(x, n, pattern > KCHECK_SPECIAL ? KCHECK_RANDOM : (kcheck_kind)pattern, seed);
    return x;
}

/* Everything but `out`.  Gaps between the rows of p are NaN: reading one shows. */
static void page_fill(page *a, const ch_variant *v, int pattern, size_t align)
{
    const ch_dtype_info *info = ch_dtype_get(a->t);
    const size_t bytes = a->row_bytes * (size_t)a->n,
                 weights = (size_t)((a->groups - 1) * a->ld + a->n);
    unsigned char *stored = kcheck_slot(0, bytes,
                                        align > sizeof(real) ? align
                                        : info->block > 1    ? 2
                                                             : (size_t)info->bytes);
    fill_stored(stored, bytes, a->t, a->n, a->width, pattern, 11);
    a->stored = stored;
    a->q = input(1, (size_t)(is_mix(v) ? a->groups : a->groups * a->width), pattern, 12, align);
    a->rows = NULL;
    if (a->integers && !is_mix(v)) {
        const size_t row = ch_row_bytes(CH_PANEL_Q8, a->width);
        unsigned char *rows = kcheck_slot(7, (size_t)a->groups * row, align);
        for (int g = 0; g < a->groups; g++)
            ch_row_q8_c(rows + (size_t)g * row, a->q + (ptrdiff_t)g * a->width, a->width);
        a->rows = rows;
    }
    real *p = input(2, weights, is_mix(v) ? pattern : KCHECK_RANDOM, 13, align);
    for (size_t i = 0; i < weights; i++)
        if ((ptrdiff_t)i % a->ld >= a->n)
            p[i] = NAN;
    a->p = p;
}

static void fill_out(real *out, const ch_variant *v, const page *a, int pattern)
{
    const size_t n = out_count(v, a);
    kcheck_fill(out, n,
                is_mix(v) && pattern < KCHECK_SPECIAL ? (kcheck_kind)pattern : KCHECK_RANDOM, 14);
}

/* ---- Tolerance ----------------------------------------------------------------------------- */

static double tolerance(const ch_variant *v, const page *a, const real *before, int g, int i)
{
    static float row[WIDTH];
    const ch_dtype_info *info = ch_dtype_get(a->t);
    double size = 0;
    if (is_mix(v)) {
        const int block = i / info->block * info->block;
        size = fabs((double)before[g * a->width + i] * (double)a->q[g]);
        for (int j = 0; j < a->n; j++) {
            info->decode(row,
                         a->stored + (size_t)(a->n - 1 - j) * a->row_bytes +
                             ch_dtype_bytes(a->t, block),
                         info->block);
            size += fabs((double)a->p[g * a->ld + j] * (double)row[i - block]);
        }
        return (double)FLT_EPSILON * (a->n + 2) * size + (double)FLT_TRUE_MIN * (a->n + 2);
    }
    info->decode(row, a->stored + (size_t)i * a->row_bytes, a->width);
    for (int e = 0; e < a->width; e++)
        size += fabs((double)a->q[g * a->width + e] * (double)row[e]);
    return (double)FLT_EPSILON * (a->width + 2) * size * (double)scale +
           (double)FLT_TRUE_MIN * (a->width + 2);
}

/* ---- The check ---------------------------------------------------------------------------- */

static bool agree(const ch_variant *v, const page *a, const real *before, const real *got,
                  const real *want, int pattern)
{
    const ptrdiff_t ld = is_mix(v) ? a->width : a->ld;
    const int n = is_mix(v) ? a->width : a->n;
    for (int g = 0; g < a->groups; g++)
        for (int i = 0; i < ld && g * ld + i < (ptrdiff_t)out_count(v, a); i++) {
            const ptrdiff_t at = g * ld + i;
            if (kcheck_same(got[at], i < n ? want[at] : before[at]))
                continue;
            if (i >= n)
                return kcheck_fail("%s: wrote between rows", v->name);
            const double most = a->integers ? 0 : tolerance(v, a, before, g, i);
            if (!isfinite(want[at]) || !kcheck_close(got[at], want[at], most))
                return kcheck_fail("%s: groups %d, n %d, width %d, pattern %d: [%d][%d] is %a, c "
                                   "%a, tolerance %.2g",
                                   v->name, a->groups, a->n, a->width, pattern, g, i,
                                   (double)got[at], (double)want[at], most);
        }
    return true;
}

/* Each row alone, and for scores each key alone. */
static bool check_alone(const ch_variant *v, const page *a, const real *before, const real *all)
{
    real *out = kcheck_slot(6, (size_t)CH_MAX(a->width, a->n) * sizeof *out, sizeof *out);
    for (int g = 0; g < a->groups; g++) {
        const int n = is_mix(v) ? a->width : a->n;
        const ptrdiff_t at = g * (is_mix(v) ? a->width : a->ld);
        page one = *a;
        one.groups = 1;
        one.out = out;
        one.q = a->q + (is_mix(v) ? g : g * a->width);
        if (a->rows)
            one.rows = a->rows + (size_t)g * ch_row_bytes(CH_PANEL_Q8, a->width);
        one.p = a->p + g * a->ld;
        memcpy(out, before + at, (size_t)n * sizeof *out);
        run(v->fn, is_mix(v), &one);
        for (int j = 0; !is_mix(v) && j < n; j++) {
            real s = 0;
            page key = one;
            key.n = 1;
            key.stored += (size_t)j * a->row_bytes;
            key.out = &s;
            run(v->fn, false, &key);
            if (!kcheck_same(s, out[j]))
                return kcheck_fail("%s: n %d, width %d: key %d alone has other bits", v->name, n,
                                   a->width, j);
        }
        for (int i = 0; i < n; i++)
            if (!kcheck_same(out[i], all[at + i]))
                return kcheck_fail("%s: groups %d, n %d, width %d: row %d alone has other bits",
                                   v->name, a->groups, a->n, a->width, g);
    }
    return true;
}

static bool check_case(const ch_variant *v, const ch_variant *c, page a, int pattern)
{
    static real first[GROUPS * (WIDTH + KEYS + GAP)];
    const size_t bytes = out_count(v, &a) * sizeof(real);
    for (int round = 0; round < 2; round++) {
        const size_t align = round ? sizeof(real) : 64;
        kcheck_slots_clear();
        page_fill(&a, v, pattern, align);
        real *want = kcheck_slot(3, bytes, align), *got = kcheck_slot(4, bytes, align);
        real *before = kcheck_slot(5, bytes, align);
        fill_out(before, v, &a, pattern);
        a.out = memcpy(want, before, bytes);
        run(c->fn, is_mix(v), &a);
        a.out = memcpy(got, before, bytes);
        run(v->fn, is_mix(v), &a);
        if (!agree(v, &a, before, got, want, pattern) || !check_alone(v, &a, before, got))
            return false;
        for (size_t i = 0; round && i < out_count(v, &a); i++)
            if (!kcheck_same(got[i], first[i]))
                return kcheck_fail("%s: n %d, width %d: the address changes bits", v->name, a.n,
                                   a.width);
        memcpy(first, got, bytes);
        if (!kcheck_slots_whole())
            return false;
    }
    return true;
}

static bool check(const ch_variant *v, const ch_variant *c)
{
    static const int widths[] = {8, 16, 24, 32, 40, 56, 64, 80, 96, 128, 256, 264, WIDTH};
    static const int counts[] = {1,  2,  3,  4,  5,  7,  8,  9,   16,
                                 17, 31, 32, 33, 49, 65, 95, 100, 127, KEYS};
    const ch_dtype t = stored_dtype(v);
    if (t == CH_DTYPES)
        return kcheck_fail("%s: %s ends in no dtype", v->name, v->family);
    const int block = ch_dtype_get(t)->block;
    bool good = true;
    for (size_t w = 0; w < CH_COUNT(widths); w++)
        for (size_t k = 0; k < CH_COUNT(counts); k++) {
            if (widths[w] % block != 0)
                continue;
            for (int pattern = 0; pattern < PATTERNS; pattern++) {
                /* Any bits of f32 and bf16 hold numbers whose sums overflow in one order only. */
                if (pattern == ANY_BITS && (t == CH_F32 || t == CH_BF16))
                    continue;
                const int groups = 1 + (int)(w + 2 * k + (size_t)pattern) % GROUPS;
                const page a = {.t = t,
                                .integers = t == CH_Q8_0,
                                .groups = groups,
                                .n = counts[k],
                                .width = widths[w],
                                .ld = counts[k] + (k % 2 ? GAP : 0),
                                .row_bytes = ch_dtype_bytes(t, widths[w])};
                good = check_case(v, c, a, pattern) && good;
            }
        }
    return good;
}

/* ---- Time --------------------------------------------------------------------------------- */

typedef struct timed {
    page a;
    bool mix;
} timed;

static void run_timed(ch_any_fn *fn, void *arg)
{
    const timed *t = arg;
    run(fn, t->mix, &t->a);
}

static void time_attend(const ch_variant *v, const ch_variant *c)
{
    static const int sizes[][2] = {{1, 64}, {3, 64}, {4, 64}, {7, 64}, {8, 128}, {64, 64}};
    for (size_t i = 0; i < CH_COUNT(sizes); i++) {
        const ch_dtype t = stored_dtype(v);
        page a = {.t = t,
                  .integers = t == CH_Q8_0,
                  .groups = sizes[i][0],
                  .n = is_mix(v) ? KEYS : 32,
                  .width = sizes[i][1],
                  .ld = is_mix(v) ? KEYS : 32,
                  .row_bytes = ch_dtype_bytes(t, sizes[i][1])};
        page_fill(&a, v, KCHECK_RANDOM, 64);
        a.out = kcheck_slot(4, out_count(v, &a) * sizeof(real), 64);
        fill_out(a.out, v, &a, KCHECK_RANDOM);
        timed arg = {a, is_mix(v)};
        char label[40];
        snprintf(label, sizeof label, "groups %d, %d keys, width %d", a.groups, a.n, a.width);
        kcheck_time(label, v, c, run_timed, &arg, 2.0 * a.groups * a.n * a.width, "Gflop/s");
    }
}

const kcheck_family kcheck_attend[] = {
    {"score_f32", check, time_attend},
    {"score_f16", check, time_attend},
    {"score_bf16", check, time_attend},
    {"score_q8_0", check, time_attend},
    {"mix_f32", check, time_attend},
    {"mix_f16", check, time_attend},
    {"mix_bf16", check, time_attend},
    {"mix_q8_0", check, time_attend},
    {"mix_q4_0", check, time_attend},
    {0},
};
