/* i16.c - products of 16-bit panels, and their packing, against plain C to the bit
 *
 * Also: some of the rows, or of the columns, have the bits of the whole; a packing in pieces has
 * the bytes of one in a go; nothing outside n0..n1 or the buffers changes.
 * SPDX-License-Identifier: MIT */
#include "kcheck.h"

#include <stdio.h>
#include <string.h>

enum { SLOT_X, SLOT_W, SLOT_Y, SLOT_WANT, SLOT_REAL, GROUP = 128 };

typedef struct problem {
    int M, N, K, n0, n1, flags;
    kcheck_kind x_kind, w_kind;
    ptrdiff_t ldx, ldy;
    const char *x, *w;
} problem;

/* ---- Products ------------------------------------------------------------------------------ */

static const char *make_matrix(int slot, int N, int K, size_t gap, kcheck_kind kind, uint64_t seed)
{
    const size_t cells = (size_t)N * (size_t)K, bytes = ch_panel_bytes(CH_PANEL_I16, K);
    const size_t panels = ((size_t)N + CH_PANEL_ROWS - 1) / CH_PANEL_ROWS;
    real *values = kcheck_slot(SLOT_REAL, cells * sizeof *values, sizeof *values);
    char *out = kcheck_slot(slot, panels * bytes + (panels - 1) * gap, 64);
    kcheck_fill(values, cells, kind, seed);
    for (int n = 0; n < N; n += CH_PANEL_ROWS) {
        const int rows = CH_MIN(N - n, CH_PANEL_ROWS);
        ch_pack_i16_c(out + (size_t)(n / CH_PANEL_ROWS) * (bytes + gap), values + (size_t)n * K, K,
                      rows, K, 0, rows, 0, K);
    }
    return out;
}

static real before(int m, int n)
{
    return (real)(m * 31 + n) / 8;
}

static real *new_y(const problem *p, int slot)
{
    const size_t n = (size_t)(p->M - 1) * (size_t)p->ldy + (size_t)p->n1;
    real *y = kcheck_slot(slot, n * sizeof *y, sizeof *y);
    for (size_t i = 0; i < n; i++)
        y[i] = before((int)(i / (size_t)p->ldy), (int)(i % (size_t)p->ldy));
    return y;
}

static bool compare(const problem *p, const char *what, const real *y, const real *want)
{
    for (int m = 0; m < p->M; m++)
        for (int n = 0; n < (m + 1 < p->M ? (int)p->ldy : p->n1); n++) {
            const bool inside = n >= p->n0 && n < p->n1;
            const real a = y[m * p->ldy + n], b = inside ? want[m * p->ldy + n] : before(m, n);
            if (!kcheck_same(a, b))
                return kcheck_fail("%s: M %d N %d K %d n %d..%d flags %d x %s w %s: y[%d][%d] is "
                                   "%a, wanted %a",
                                   what, p->M, p->N, p->K, p->n0, p->n1, p->flags,
                                   kcheck_kind_names[p->x_kind], kcheck_kind_names[p->w_kind], m,
                                   n, (double)a, (double)b);
        }
    return true;
}

/* Panel of rows by panel of rows, and the columns in two halves. */
static void in_pieces(const problem *p, ch_gemm_fn *fn, real *y)
{
    const int middle = p->n0 + (p->n1 - p->n0) / 2 / CH_PANEL_ROWS * CH_PANEL_ROWS;
    for (int m = 0; m < p->M; m += CH_PANEL_ROWS) {
        const char *x = p->x + m / CH_PANEL_ROWS * p->ldx;
        const int rows = CH_MIN(p->M - m, CH_PANEL_ROWS);
        fn(y + m * p->ldy, p->ldy, x, p->ldx, p->w, rows, p->n0, middle, p->K, p->flags);
        fn(y + m * p->ldy, p->ldy, x, p->ldx, p->w, rows, middle, p->n1, p->K, p->flags);
    }
}

static bool check_one(const ch_variant *v, const ch_variant *c, problem p, uint64_t seed)
{
    ch_gemm_fn *fn = KCHECK_FN(ch_gemm_fn, v), *truth = KCHECK_FN(ch_gemm_fn, c);
    const size_t gap = seed % 3 * 64;
    p.ldy = p.N + (ptrdiff_t)(seed % 4);
    p.ldx = (ptrdiff_t)(ch_panel_bytes(CH_PANEL_I16, p.K) + gap);
    p.x = make_matrix(SLOT_X, p.M, p.K, gap, p.x_kind, seed + 1);
    p.w = make_matrix(SLOT_W, p.N, p.K, 0, p.w_kind, seed + 2);
    real *y = new_y(&p, SLOT_Y), *want = new_y(&p, SLOT_WANT);
    fn(y, p.ldy, p.x, p.ldx, p.w, 0, p.n0, p.n1, p.K, p.flags); /* no rows: nothing happens */
    fn(y, p.ldy, p.x, p.ldx, p.w, p.M, p.n0, p.n1, p.K, p.flags);
    truth(want, p.ldy, p.x, p.ldx, p.w, p.M, p.n0, p.n1, p.K, p.flags);
    if (!compare(&p, "value", y, want))
        return false;
    y = new_y(&p, SLOT_Y);
    in_pieces(&p, fn, y);
    return compare(&p, "in pieces", y, want) && kcheck_slots_whole();
}

static bool check_sizes(const ch_variant *v, const ch_variant *c, int M, int N, int K,
                        uint64_t *state)
{
    const uint32_t bits = kcheck_random(state);
    const int panels = (N + CH_PANEL_ROWS - 1) / CH_PANEL_ROWS;
    problem p = {.M = M, .N = N, .K = K, .n1 = N, .flags = (int)(bits % 2)};
    p.x_kind = (kcheck_kind)(bits / 2 % (KCHECK_KINDS + 1));
    p.w_kind = (kcheck_kind)(bits / 64 % (KCHECK_KINDS + 1));
    if (bits / 1024 % 2) {
        const int first = (int)(kcheck_random(state) % (uint32_t)panels);
        const int last = first + 1 + (int)(kcheck_random(state) % (uint32_t)(panels - first));
        p.n0 = first * CH_PANEL_ROWS;
        p.n1 = CH_MIN(last * CH_PANEL_ROWS, N);
    }
    return check_one(v, c, p, bits);
}

static bool check_gemm(const ch_variant *v, const ch_variant *c)
{
    uint64_t state = 1;
    for (const int *size = kcheck_sizes; *size; size++) {
        const int K = *size, M = 1 + (int)(kcheck_random(&state) % 20),
                  N = 1 + (int)(kcheck_random(&state) % (K > 300 ? 40 : 150));
        if (!check_sizes(v, c, M, N, K, &state) ||
            !check_sizes(v, c, 1 + M % 7, K, 1 + K % 40, &state))
            return false;
    }
    for (int M = 1; M <= 70; M++)
        if (!check_sizes(v, c, M, 33 + M % 80, 64 + 4 * M, &state))
            return false;
    for (kcheck_kind x = 0; x <= KCHECK_KINDS; x++)
        for (kcheck_kind w = 0; w <= KCHECK_KINDS; w++) {
            problem p = {.M = 21, .N = 75, .K = 300, .n1 = 75, .x_kind = x, .w_kind = w};
            if (!check_one(v, c, p, (uint64_t)(x * 16 + w)))
                return false;
        }
    return true;
}

/* ---- Packing ------------------------------------------------------------------------------- */

static bool is_transposed(const ch_variant *v)
{
    return strcmp(v->family, "pack_i16t") == 0;
}

/* Halves of a step, where rounding to even shows: the largest is 4095, the others x + 1/2. */
static void fill_halves(real *x, size_t cells, uint64_t *state)
{
    for (size_t i = 0; i < cells; i++)
        x[i] = i % 3 ? (real)(int)(kcheck_random(state) % 8190) / 2 : 4095;
}

static bool check_pack_one(const ch_variant *v, const ch_variant *c, int N, int K,
                           kcheck_kind kind, uint64_t *state)
{
    ch_pack_fn *fn = KCHECK_FN(ch_pack_fn, v), *truth = KCHECK_FN(ch_pack_fn, c);
    const bool t = is_transposed(v);
    const ptrdiff_t ld = (t ? N : K) + (ptrdiff_t)(kcheck_random(state) % 3);
    const size_t cells = (size_t)((t ? K : N) - 1) * (size_t)ld + (size_t)(t ? N : K);
    const size_t bytes = ch_panels_bytes(CH_PANEL_I16, N, K);
    real *x = kcheck_slot(SLOT_REAL, cells * sizeof *x, sizeof *x);
    unsigned char *out = kcheck_slot(SLOT_X, bytes, 64), *want = kcheck_slot(SLOT_W, bytes, 64);
    kcheck_fill(x, cells, kind, kcheck_random(state));
    if (kind == KCHECK_RANDOM && kcheck_random(state) % 2)
        fill_halves(x, cells, state);
    const int n = (int)(kcheck_random(state) % (uint32_t)(N / CH_PANEL_ROWS + 1)) * CH_PANEL_ROWS,
              k = (int)(kcheck_random(state) % (uint32_t)(K / GROUP + 1)) * GROUP;
    for (int i = 0; i < 4; i++)
        fn(out, x, ld, N, K, i & 1 ? n : 0, i & 1 ? N : n, i & 2 ? k : 0, i & 2 ? K : k);
    truth(want, x, ld, N, K, 0, N, 0, K);
    for (size_t i = 0; i < bytes; i++)
        if (out[i] != want[i])
            return kcheck_fail("N %d K %d values %s: byte %zu is %d, wanted %d", N, K,
                               kcheck_kind_names[kind], i, out[i], want[i]);
    return kcheck_slots_whole();
}

static bool check_pack(const ch_variant *v, const ch_variant *c)
{
    uint64_t state = 1;
    for (const int *size = kcheck_sizes; *size; size++)
        for (kcheck_kind kind = 0; kind <= KCHECK_KINDS; kind++) {
            const int other = 1 + (int)(kcheck_random(&state) % 70);
            if (!check_pack_one(v, c, other, *size, kind, &state) ||
                !check_pack_one(v, c, *size, other, kind, &state))
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
    ((ch_gemm_fn *)fn)(t->y, t->p.ldy, t->p.x, t->p.ldx, t->p.w, t->p.M, 0, t->p.N, t->p.K, 0);
}

static void time_gemm(const ch_variant *v, const ch_variant *c)
{
    static const int sizes[][3] = {{128, 96, 256}, {128, 256, 1024}, {128, 384, 384}};
    for (size_t i = 0; i < CH_COUNT(sizes); i++) {
        const int M = sizes[i][0], N = sizes[i][1], K = sizes[i][2];
        timed_gemm t = {.p = {.M = M, .N = N, .K = K, .n1 = N, .ldy = N}};
        char label[40];
        t.p.ldx = (ptrdiff_t)ch_panel_bytes(CH_PANEL_I16, K);
        t.p.x = make_matrix(SLOT_X, M, K, 0, KCHECK_RANDOM, 1);
        t.p.w = make_matrix(SLOT_W, N, K, 0, KCHECK_RANDOM, 2);
        t.y = new_y(&t.p, SLOT_Y);
        snprintf(label, sizeof label, "M %d, %d x %d", M, N, K);
        kcheck_time(label, v, c, run_gemm, &t, 2.0 * M * N * K, "GOP/s");
    }
}

typedef struct timed_pack {
    void *out;
    const real *x;
    int rows, columns;
    bool transposed;
} timed_pack;

static void run_pack(ch_any_fn *fn, void *arg)
{
    const timed_pack *t = arg;
    const int N = t->transposed ? t->columns : t->rows, K = t->transposed ? t->rows : t->columns;
    ((ch_pack_fn *)fn)(t->out, t->x, t->columns, N, K, 0, N, 0, K);
}

static void time_pack(const ch_variant *v, const ch_variant *c)
{
    enum { ROWS = 128, COLUMNS = 1024 };
    const size_t cells = (size_t)ROWS * COLUMNS;
    real *x = kcheck_slot(SLOT_REAL, cells * sizeof *x, sizeof *x);
    timed_pack t = {kcheck_slot(SLOT_X, ch_panels_bytes(CH_PANEL_I16, COLUMNS, ROWS), 64), x, ROWS,
                    COLUMNS, is_transposed(v)};
    kcheck_fill(x, cells, KCHECK_RANDOM, 0);
    kcheck_time("128 x 1024", v, c, run_pack, &t, (double)(cells * sizeof *x), "GB/s");
}

const kcheck_family kcheck_i16[] = {
    {"gemm_i16", check_gemm, time_gemm},
    {"pack_i16", check_pack, time_pack},
    {"pack_i16t", check_pack, time_pack},
    {0},
};
