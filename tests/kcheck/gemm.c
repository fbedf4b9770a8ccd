/* gemm.c - products and activation rows against plain C
 *
 * All gemms are compared to the bit (their order is the contract), except gemm_bf16_avx512bf16,
 * whose order is VDPBF16PS's and which takes and leaves subnormals as zeros: there
 *     |error| <= 2 K eps sum|x w| + sum 2^-126 (|x| + |w| + 2).
 * Also: row m of a call with M rows has the bits of a call with that row alone, slices have the
 * bits of the whole, columns outside n0..n1 and everything outside the buffers stay as they were.
 * SPDX-License-Identifier: MIT */
#include "kcheck.h"

#include <stdio.h>
#include <string.h>

enum { SLOT_X, SLOT_W, SLOT_Y, SLOT_WANT, SLOT_ROW, SLOT_STORED, SLOT_REAL };

typedef struct problem {
    ch_panel_kind kind;
    int M, N, K, n0, n1, flags;
    kcheck_kind x_kind, w_kind;
    ptrdiff_t ldx, ldy; /* bytes; elements */
    const char *x;
    const void *w;
    bool to_the_bit;
} problem;

static ch_panel_kind kind_of(const ch_variant *v)
{
    return strstr(v->family, "q4") ? CH_PANEL_Q4 : strstr(v->family, "q8") ? CH_PANEL_Q8
         : strstr(v->family, "bf16") ? CH_PANEL_BF16 : CH_PANEL_F32;
}

static ch_row_fn *row_c(ch_panel_kind kind)
{
    return kind == CH_PANEL_F32 ? NULL : kind == CH_PANEL_BF16 ? ch_row_bf16_c : ch_row_q8_c;
}

static size_t element_align(ch_panel_kind kind)
{
    return kind == CH_PANEL_BF16 ? 2 : kind == CH_PANEL_F32 ? sizeof(real) : 4;
}

/* ---- Building a problem -------------------------------------------------------------------- */

static uint16_t scale_of(kcheck_kind kind, uint64_t *state)
{
    const uint32_t bits = kcheck_random(state);
    static const uint16_t specials[] = {0x7c00, 0xfc00, 0x7e00, 0x0000}; /* inf, -inf, NaN, 0 */
    switch (kind) {
    case KCHECK_EXTREME: return 0x7bff;
    case KCHECK_ALTERNATE: return bits % 2 ? 0x7bff : 0xfbff;
    case KCHECK_SUBNORMAL: return (uint16_t)(bits & 0x83ff);
    case KCHECK_ZERO: return (uint16_t)(bits & 0x8000);
    case KCHECK_SPECIAL: return bits % 8 == 0 ? specials[bits / 8 % 4] : 0x2e66;
    default: return (uint16_t)(bits % 0x7c00 | (bits >> 16 & 0x8000));
    }
}

/* The format that is packed into a kind of panels. */
static ch_dtype format_of(ch_panel_kind kind)
{
    int t = 0;
    while (ch_dtype_get((ch_dtype)t)->panel != kind)
        t++;
    return (ch_dtype)t;
}

/* Where a block has its binary16 scales: one or two from here, or none. */
static int scales_at(ch_dtype t, int *n)
{
    const bool minima =
        t == CH_Q4_1 || t == CH_Q5_1 || t == CH_Q2_K || t == CH_Q4_K || t == CH_Q5_K;
    *n = t == CH_MXFP4 ? 0 : minima ? 2 : 1;
    return t == CH_Q2_K ? 80 : t == CH_Q3_K ? 108 : t == CH_Q6_K ? 208 : 0;
}

/* Blocks of a format, the bytes of the kind too. */
static void fill_blocks(unsigned char *stored, size_t blocks, ch_dtype t, kcheck_kind kind,
                        uint64_t seed)
{
    const size_t bytes = (size_t)ch_dtype_get(t)->bytes;
    uint64_t state = seed + 77;
    for (size_t b = 0; b < blocks; b++, stored += bytes) {
        int n;
        const int at = scales_at(t, &n);
        for (size_t i = 0; i < bytes; i++) {
            const unsigned char random = (unsigned char)kcheck_random(&state);
            const unsigned char most = bytes == 34 ? 0x80 : 0xff,
                                other = bytes == 34 ? 0x7f : 0x0f;
            stored[i] = kind == KCHECK_EXTREME     ? most
                        : kind == KCHECK_ALTERNATE ? (i % 2 ? most : other)
                                                   : random;
        }
        for (int i = 0; i < n; i++) {
            const uint16_t scale = scale_of(kind, &state);
            memcpy(stored + at + 2 * i, &scale, sizeof scale);
        }
    }
}

static void make_weights(problem *p, uint64_t seed)
{
    const size_t cells = (size_t)p->N * (size_t)p->K;
    void *w = kcheck_slot(SLOT_W, ch_panels_bytes(p->kind, p->N, p->K), 64);
    if (p->kind == CH_PANEL_F32 || p->kind == CH_PANEL_BF16) {
        real *values = kcheck_slot(SLOT_REAL, cells * sizeof *values, sizeof *values);
        kcheck_fill(values, cells, p->w_kind, seed + 1);
        if (p->kind == CH_PANEL_F32) {
            ch_panel_pack_real(w, values, p->K, 1, p->N, p->K, 0, p->N);
        } else {
            uint16_t *stored = kcheck_slot(SLOT_STORED, cells * sizeof *stored, sizeof *stored);
            ch_dtype_get(CH_BF16)->encode(stored, values, (int64_t)cells);
            ch_panel_pack(w, CH_BF16, stored, (size_t)p->K * sizeof *stored, p->N, p->K, 0, p->N);
        }
    } else {
        const ch_dtype t = format_of(p->kind);
        const size_t row = ch_dtype_bytes(t, p->K);
        unsigned char *stored = kcheck_slot(SLOT_STORED, (size_t)p->N * row, 1);
        fill_blocks(stored, cells / (size_t)ch_dtype_get(t)->block, t, p->w_kind, seed + 1);
        ch_panel_pack(w, t, stored, row, p->N, p->K, 0, p->N);
    }
    p->w = w;
}

/* Rows `ldx` bytes apart, the last one ending where its format ends. */
static void make_rows(problem *p, uint64_t seed)
{
    const size_t align = element_align(p->kind), need = ch_row_bytes(p->kind, p->K);
    const size_t used = p->kind == CH_PANEL_F32 ? (size_t)p->K * sizeof(real)
                      : p->kind == CH_PANEL_BF16 ? (size_t)(p->K + p->K % 2) * 2 : need;
    p->ldx = (ptrdiff_t)(need + seed % 3 * align);
    char *x = kcheck_slot(SLOT_X, (size_t)(p->M - 1) * (size_t)p->ldx + used, align);
    real *values = kcheck_slot(SLOT_REAL, (size_t)p->K * sizeof *values, sizeof *values);
    char *row = kcheck_slot(SLOT_ROW, need, 8);
    for (int m = 0; m < p->M; m++) {
        kcheck_fill(values, (size_t)p->K, p->x_kind, seed + 100 + (uint64_t)m);
        if (row_c(p->kind))
            row_c(p->kind)(row, values, p->K);
        memcpy(x + m * p->ldx, row_c(p->kind) ? row : (const char *)values, used);
    }
    p->x = x;
}

/* ---- Comparing ----------------------------------------------------------------------------- */

static bool say(const problem *p, const char *what, int m, int n, real got, real want)
{
    return kcheck_fail(
        "%s: M %d N %d K %d n %d..%d flags %d x %s w %s: y[%d][%d] is %a, wanted %a", what, p->M,
        p->N, p->K, p->n0, p->n1, p->flags, kcheck_kind_names[p->x_kind],
        kcheck_kind_names[p->w_kind], m, n, (double)got, (double)want);
}

static double tolerance(const problem *p, int m, int n, real before)
{
    if (p->to_the_bit)
        return 0;
    real *w = kcheck_slot(SLOT_REAL, (size_t)p->K * sizeof *w, sizeof *w);
    const uint16_t *x = (const uint16_t *)(const void *)(p->x + m * p->ldx);
    double sum = 0, flushed = 0;
    ch_panel_unpack_row(w, p->kind, p->w, p->K, n);
    for (int k = 0; k < p->K; k++) {
        const double a = fabs((double)ch_bf16_to_f32(x[k])), b = fabs((double)w[k]);
        sum += a * b;
        flushed += (double)FLT_MIN * (a + b + 2);
    }
    return 2 * p->K * (double)FLT_EPSILON * (sum + fabs((double)before)) + flushed;
}

/* The starting value of y[m][n]: what is added to, and what may not change elsewhere. */
static real before(int m, int n)
{
    return (real)(m * 31 + n) / 8;
}

static size_t fill_y(const problem *p, real *y)
{
    const size_t n = (size_t)(p->M - 1) * (size_t)p->ldy + (size_t)p->n1;
    for (size_t i = 0; i < n; i++)
        y[i] = before((int)(i / (size_t)p->ldy), (int)(i % (size_t)p->ldy));
    return n;
}

static real *new_y(const problem *p, int slot)
{
    real *y = kcheck_slot(
        slot, ((size_t)(p->M - 1) * (size_t)p->ldy + (size_t)p->n1) * sizeof(real), sizeof(real));
    fill_y(p, y);
    return y;
}

static bool compare(const problem *p, const real *y, const real *want)
{
    for (int m = 0; m < p->M; m++)
        for (int n = 0; n < (m + 1 < p->M ? (int)p->ldy : p->n1); n++) {
            const real a = y[m * p->ldy + n], b = want[m * p->ldy + n];
            if (n < p->n0 || n >= p->n1) {
                if (!kcheck_same(a, before(m, n)))
                    return say(p, "outside", m, n, a, before(m, n));
            } else if (!p->to_the_bit &&
                       !isfinite(b)) { /* inf times a subnormal is NaN where that is a zero */
                if (isfinite(a))
                    return say(p, "special", m, n, a, b);
            } else if (!kcheck_same(a, b) &&
                       !kcheck_close(a, b, tolerance(p, m, n, before(m, n)))) {
                return say(p, "value", m, n, a, b);
            }
        }
    return true;
}

/* Each row alone, and both halves of the columns, give the bits that the whole call gave. */
static bool check_invariance(const problem *p, ch_gemm_fn *fn, const real *y)
{
    const int middle = p->n0 + (p->n1 - p->n0) / 2 / CH_PANEL_ROWS * CH_PANEL_ROWS;
    for (int m = 0; m < p->M; m++) {
        real *row = kcheck_slot(SLOT_ROW, (size_t)p->n1 * sizeof *row, sizeof *row);
        for (int n = 0; n < p->n1; n++)
            row[n] = before(m, n);
        fn(row, 0, p->x + m * p->ldx, 0, p->w, 1, p->n0, middle, p->K, p->flags);
        fn(row, 0, p->x + m * p->ldx, 0, p->w, 1, middle, p->n1, p->K, p->flags);
        for (int n = p->n0; n < p->n1; n++)
            if (!kcheck_same(row[n], y[m * p->ldy + n]))
                return say(p, "row alone", m, n, row[n], y[m * p->ldy + n]);
    }
    return true;
}

static bool check_one(const ch_variant *v, const ch_variant *c, problem p, uint64_t seed)
{
    ch_gemm_fn *fn = KCHECK_FN(ch_gemm_fn, v), *truth = KCHECK_FN(ch_gemm_fn, c);
    p.flags |= (int)p.kind << CH_GEMM_KIND;
    p.to_the_bit = strcmp(v->isa, "avx512bf16") != 0;
    p.ldy = p.N + (ptrdiff_t)(seed % 4);
    make_weights(&p, seed);
    make_rows(&p, seed);
    real *y = new_y(&p, SLOT_Y), *want = new_y(&p, SLOT_WANT);
    fn(y, p.ldy, p.x, p.ldx, p.w, 0, p.n0, p.n1, p.K, p.flags); /* no rows: nothing happens */
    fn(y, p.ldy, p.x, p.ldx, p.w, p.M, p.n0, p.n1, p.K, p.flags);
    truth(want, p.ldy, p.x, p.ldx, p.w, p.M, p.n0, p.n1, p.K, p.flags);
    return compare(&p, y, want) && check_invariance(&p, fn, y) && kcheck_slots_whole();
}

/* ---- Sizes --------------------------------------------------------------------------------- */

static void random_slice(problem *p, uint64_t *state)
{
    const int panels = (p->N + CH_PANEL_ROWS - 1) / CH_PANEL_ROWS;
    const int first = (int)(kcheck_random(state) % (uint32_t)panels);
    const int last = first + 1 + (int)(kcheck_random(state) % (uint32_t)(panels - first));
    p->n0 = first * CH_PANEL_ROWS;
    p->n1 = CH_MIN(last * CH_PANEL_ROWS, p->N);
}

/* One size for M, N, K each; kinds, flags and slices go round as the sizes do. */
static bool check_sizes(const ch_variant *v, const ch_variant *c, ch_panel_kind kind, int M, int N,
                        int K, uint64_t *state)
{
    const uint32_t bits = kcheck_random(state);
    const int block = ch_dtype_get(format_of(kind))->block;
    problem p = {.kind = kind,
                 .M = M,
                 .N = N,
                 .K = (K + block - 1) / block * block,
                 .n1 = N,
                 .flags = (int)(bits % 2)};
    p.x_kind = (kcheck_kind)(bits / 2 % (KCHECK_KINDS + 1));
    p.w_kind = (kcheck_kind)(bits / 64 % (KCHECK_KINDS + 1));
    if (bits / 1024 % 2)
        random_slice(&p, state);
    return check_one(v, c, p, bits);
}

static bool check_kind(const ch_variant *v, const ch_variant *c, ch_panel_kind kind)
{
    const int few = kind > CH_PANEL_I16 ? 5 : 1; /* eleven kinds share one family's time */
    const int K0 = ch_dtype_get(format_of(kind))->block == 256 ? 768 : 352;
    uint64_t state = 1;
    for (const int *size = kcheck_sizes; *size; size++) {
        const int K = *size;
        const int M = 1 + (int)(kcheck_random(&state) % (K > 300 ? 4 : 17));
        const int N = 1 + (int)(kcheck_random(&state) % (K > 300 ? 40 : 100));
        if (kind > CH_PANEL_I16 && K > 600)
            break;
        if (!check_sizes(v, c, kind, M, N, K, &state) ||
            !check_sizes(v, c, kind, 1, N, K, &state) ||
            !check_sizes(v, c, kind, 1 + M % 7, *size, 1 + K % 40, &state))
            return false;
    }
    for (int M = 1; M <= 70; M += M < 14 ? 1 : few) /* every height of tile, and several tiles */
        if (!check_sizes(v, c, kind, M, 33 + M % 16, 64 + M, &state))
            return false;
    for (kcheck_kind x = 0; x <= KCHECK_KINDS; x++)
        for (kcheck_kind w = 0; w <= KCHECK_KINDS; w++) {
            problem p = {
                .kind = kind, .M = 5, .N = 43, .K = K0, .n1 = 43, .x_kind = x, .w_kind = w};
            if ((x + w) % (unsigned)few == 0 && !check_one(v, c, p, (uint64_t)(x * 16 + w)))
                return false;
        }
    return true;
}

static bool check_gemm(const ch_variant *v, const ch_variant *c)
{
    if (!strstr(v->family, "block"))
        return check_kind(v, c, kind_of(v));
    for (int kind = CH_PANEL_Q4_1; kind < CH_PANELS; kind++)
        if (!check_kind(v, c, (ch_panel_kind)kind))
            return kcheck_fail("panels of %s", ch_dtype_get(format_of((ch_panel_kind)kind))->name);
    return true;
}

static size_t row_bytes(const ch_variant *v, int K)
{
    return strcmp(v->family, "row_f16") == 0 ? (size_t)K * sizeof(uint16_t)
                                             : ch_row_bytes(kind_of(v), K);
}

static bool check_row(const ch_variant *v, const ch_variant *c)
{
    const ch_panel_kind kind = kind_of(v);
    uint64_t state = 1;
    for (const int *size = kcheck_sizes; *size; size++)
        for (kcheck_kind k = 0; k <= KCHECK_KINDS; k++) {
            const int K = kind == CH_PANEL_Q8 ? *size * 32 : *size;
            const size_t bytes = row_bytes(v, K);
            real *x = kcheck_slot(SLOT_REAL, (size_t)K * sizeof *x, sizeof *x);
            unsigned char *out = kcheck_slot(SLOT_X, bytes, 8),
                          *want = kcheck_slot(SLOT_WANT, bytes, 8);
            kcheck_fill(x, (size_t)K, k, kcheck_random(&state));
            for (int i = 0; i < K; i += 3) /* halves, where rounding to even shows */
                x[i] = k == KCHECK_RANDOM
                           ? (real)(int)(kcheck_random(&state) % 255) / 2 - REAL(63.5)
                           : x[i];
            KCHECK_FN(ch_row_fn, v)(out, x, K);
            KCHECK_FN(ch_row_fn, c)(want, x, K);
            for (size_t i = 0; i < bytes; i++)
                if (out[i] != want[i])
                    return kcheck_fail("K %d values %s: byte %zu is %d, wanted %d", K,
                                       kcheck_kind_names[k], i, out[i], want[i]);
            if (!kcheck_slots_whole())
                return false;
        }
    return true;
}

/* ---- Time ---------------------------------------------------------------------------------- */

typedef struct timed_gemm {
    problem p;
    real *y;
} timed_gemm;

static void run_gemm(ch_any_fn *fn, void *arg)
{
    const timed_gemm *t = arg;
    ((ch_gemm_fn *)fn)(t->y, t->p.ldy, t->p.x, t->p.ldx, t->p.w, t->p.M, 0, t->p.N, t->p.K,
                       (int)t->p.kind << CH_GEMM_KIND);
}

static void time_kind(const ch_variant *v, const ch_variant *c, ch_panel_kind kind)
{
    static const int sizes[][3] = {
        {1, 2048, 2048}, {64, 2048, 2048}, {1, 256, 1024}, {64, 256, 1024}};
    for (size_t i = 0; i < CH_COUNT(sizes); i++) {
        const int M = sizes[i][0], N = sizes[i][1], K = sizes[i][2];
        if (kind > CH_PANEL_I16 && (M == 1) != (N == 2048)) /* plain C takes its time there */
            continue;
        timed_gemm t = {.p = {.kind = kind, .M = M, .N = N, .K = K, .n1 = N, .ldy = N}};
        char label[40];
        make_weights(&t.p, 0);
        make_rows(&t.p, 0);
        t.y = new_y(&t.p, SLOT_Y);
        if (kind > CH_PANEL_I16)
            snprintf(label, sizeof label, "%s M %d, %d x %d", ch_dtype_get(format_of(kind))->name,
                     M, N, K);
        else
            snprintf(label, sizeof label, "M %d, %d x %d", M, N, K);
        if (M == 1)
            kcheck_time(label, v, c, run_gemm, &t, (double)ch_panels_bytes(t.p.kind, N, K),
                        "GB/s");
        else
            kcheck_time(label, v, c, run_gemm, &t, 2.0 * M * N * K, "GOP/s");
    }
}

static void time_gemm(const ch_variant *v, const ch_variant *c)
{
    if (!strstr(v->family, "block")) {
        time_kind(v, c, kind_of(v));
        return;
    }
    for (int kind = CH_PANEL_Q4_1; kind < CH_PANELS; kind++)
        time_kind(v, c, (ch_panel_kind)kind);
}

typedef struct timed_row {
    void *out;
    const real *x;
    int K;
} timed_row;

static void run_row(ch_any_fn *fn, void *arg)
{
    const timed_row *t = arg;
    ((ch_row_fn *)fn)(t->out, t->x, t->K);
}

static void time_row(const ch_variant *v, const ch_variant *c)
{
    enum { K = 2048 };
    real *x = kcheck_slot(SLOT_REAL, K * sizeof *x, sizeof *x);
    timed_row t = {kcheck_slot(SLOT_X, row_bytes(v, K), 8), x, K};
    kcheck_fill(x, K, KCHECK_RANDOM, 0);
    kcheck_time("K 2048", v, c, run_row, &t, (double)K * sizeof *x, "GB/s");
}

const kcheck_family kcheck_gemm[] = {
    {"gemm_f32", check_gemm, time_gemm}, {"gemm_bf16", check_gemm, time_gemm},
    {"gemm_q8", check_gemm, time_gemm},  {"gemm_q4", check_gemm, time_gemm},
    {"gemm_block", check_gemm, time_gemm},
    {"row_bf16", check_row, time_row},   {"row_q8", check_row, time_row},
    {"row_f16", check_row, time_row},
    {0},
};
