/* grads.c - checks of the kernels of training: weigh, weigh_grad, transpose, *_grad
 *
 * Tolerances as in rows.c: u = 2^-24 for each operation of either side, one ulp (2 u) for e^x, n u
 * for a sum of n in any order.  Besides agreeing with plain C, a variant gives the same bits at any
 * address, leaves what is around its outputs alone, and adds where it is asked to.
 * SPDX-License-Identifier: MIT */
#include <float.h>
#include <string.h>

#include "kcheck.h"

enum { MAX_N = 1101, INPUTS = 3, RAMP = KCHECK_SPECIAL + 1 /* uniform in +-80 */ };

static const double u = (double)FLT_EPSILON / 2, tiny = (double)FLT_TRUE_MIN;

typedef struct call {
    int n, mode;       /* bit 0: alibi, no gain, or add to da; bit 1: add to db */
    const real *in[INPUTS];
    real *out[2];      /* hold values that may be added to */
    real stats[2];
} call;

typedef struct family {
    const char *name;
    int modes, outputs;
    void (*run)(ch_any_fn *fn, call *c);
    /* Of out[k][i]; from the inputs, and what out held before. */
    double (*tolerance)(const call *c, real before, real after, int k, int i);
} family;

/* ---- weigh, weigh_grad -------------------------------------------------------------------- */

static const real scale = REAL(0.5), lse = REAL(60.3), delta = REAL(0.24), eps = REAL(1e-5);

static ch_exponent exponent_of(const call *c)
{
    return (ch_exponent){scale, c->mode & 1 ? REAL(0.07) : 0, 3 + c->n};
}

/* How far two exponents of element i may be from each other: two products, a difference, and
 * `more` terms of that size. */
static double exponent_error(const call *c, int i, double more)
{
    const ch_exponent z = exponent_of(c);
    const double product = fabs((double)c->in[0][i] * (double)z.scale),
                 slope = fabs((double)z.slope * (z.distance - i));
    return 2 * u * (2 * product + 2 * slope + more);
}

static void run_weigh(ch_any_fn *fn, call *c)
{
    const ch_exponent z = exponent_of(c);
    memcpy(c->out[0], c->in[0], (size_t)c->n * sizeof(real));
    c->stats[0] = ((ch_weigh_fn *)fn)(c->out[0], c->out[0], c->n, &z, &c->stats[1]);
}

static double tol_weigh(const call *c, real before, real after, int k, int i)
{
    double most = 0;
    for (int j = 0; j < c->n; j++)
        most = CH_MAX(most, isfinite(c->in[0][j]) ? exponent_error(c, j, 0) : 0);
    const double shift = fabs((double)c->stats[1]), e = 2 * most + 2 * u * shift;
    (void)before, (void)k, (void)i;
    return (double)after * (e * (1 + e) + 6 * u) + 2 * tiny;
}

static void run_weigh_grad(ch_any_fn *fn, call *c)
{
    const ch_exponent z = exponent_of(c);
    memcpy(c->out[0], c->in[0], (size_t)c->n * sizeof(real));
    memcpy(c->out[1], c->in[1], (size_t)c->n * sizeof(real));
    ((ch_weigh_grad_fn *)fn)(c->out[0], c->out[1], c->n, &z, lse, delta);
}

static double tol_weigh_grad(const call *c, real before, real after, int k, int i)
{
    const double e = exponent_error(c, i, 2 * (double)lse);
    (void)before;
    return fabs((double)after) * (e * (1 + e) + (k ? 12 : 6) * u) +
           2 * tiny * (1 + (k ? fabs((double)c->in[1][i]) : 0));
}

/* ---- Gradients ------------------------------------------------------------------------------ */

static void run_binary(ch_any_fn *fn, call *c)
{
    ((ch_binary_grad_fn *)fn)(c->out[0], c->out[1], c->in[0], c->in[1], c->in[2], c->n, c->mode);
}

/* s = 1 / (1 + e^-a) is 4 u off, 1 - s by 4 u s; an e^-a near float's end may be inf on one side.
 */
static double tol_swiglu(const call *c, real before, real after, int k, int i)
{
    const double a = (double)c->in[0][i], b = (double)c->in[1][i], dy = fabs((double)c->in[2][i]);
    const double s = 1 / (1 + exp(-a)), rest = 1 / (1 + exp(a));
    const double terms = k ? fabs(a * s) : fabs(b) * (s + fabs(a) * s * (rest + 4 * u));
    const double hard = k ? 0 : fabs(b) * fabs(a) * s * 4 * u;
    return dy * (20 * u * terms + 2 * hard + 3e-37 * (1 + fabs(a)) * (k ? 1 : fabs(b))) +
           2 * u * (fabs((double)before) + fabs((double)after)) + 8 * tiny * (1 + dy);
}

static double tol_geglu(const call *c, real before, real after, int k, int i)
{
    const double x = (double)c->in[0][i], b = fabs((double)c->in[1][i]),
                 dy = fabs((double)c->in[2][i]);
    const double z = 1.5957691216057308 * (x + 0.044715 * x * x * x),
                 slope = 1.5957691216057308 * (1 + 3 * 0.044715 * x * x);
    const double left = 1 / (1 + exp(-z)), right = 1 / (1 + exp(z)), e = 12 * u * fabs(z) + 8 * u;
    const double bend = fabs(x) * left * (right + 4 * u) * slope;
    const double of_a = 2 * left * e + 2 * bend * (e + 12 * u) + fabs(x) * left * 8 * u * slope +
                        3e-37 * (1 + fabs(x) * slope);
    const double of_b = fabs(x) * (2 * left * e + 3e-37);
    return dy * (k ? of_b : b * of_a) + 4 * u * (fabs((double)before) + fabs((double)after)) +
           8 * tiny * (1 + dy) * (1 + b);
}

static void run_unary(ch_any_fn *fn, call *c)
{
    ((ch_unary_grad_fn *)fn)(c->out[0], c->in[0], c->in[1], c->n, c->mode & 1);
}

/* The exponent -z of c has 6 roundings and weighs 1 - c in c; x z' multiplies c (1 - c). */
static double tol_gelu(const call *c, real before, real after, int k, int i)
{
    const double x = (double)c->in[0][i], dy = fabs((double)c->in[1][i]);
    const double z = 1.5957691216057308 * (x + 0.044715 * x * x * x),
                 slope = 1.5957691216057308 * (1 + 3 * 0.044715 * x * x);
    const double left = 1 / (1 + exp(-z)), right = 1 / (1 + exp(z)), e = 12 * u * fabs(z) + 8 * u;
    const double of_c = 2 * left * e, bend = fabs(x) * left * (right + 4 * u) * slope;
    (void)k;
    return dy * (of_c + 2 * bend * (e + 12 * u) + fabs(x) * left * 8 * u * slope +
                 3e-37 * (1 + fabs(x) * slope)) +
           2 * u * (fabs((double)before) + fabs((double)after)) + 8 * tiny * (1 + dy);
}

static double tol_same(const call *c, real before, real after, int k, int i)
{
    (void)c, (void)before, (void)after, (void)k, (void)i;
    return 0;
}

static void run_rmsnorm(ch_any_fn *fn, call *c)
{
    double squares = 0;
    for (int i = 0; c->stats[0] == 0 && i < c->n; i++)
        squares += (double)c->in[0][i] * (double)c->in[0][i];
    if (c->stats[0] == 0)
        c->stats[0] = (real)(1 / sqrt(squares / c->n + (double)eps));
    ((ch_rmsnorm_grad_fn *)fn)(c->out[0], c->out[1], c->in[0], c->mode & 1 ? NULL : c->in[1],
                               c->in[2], c->stats[0], c->n, c->mode & 2);
}

/* The sum is n u of its terms' sizes off, and weighs x r^3 / n. */
static double tol_rmsnorm(const call *c, real before, real after, int k, int i)
{
    const bool gain = !(c->mode & 1);
    const double r = (double)c->stats[0], x = (double)c->in[0][i], dy = (double)c->in[2][i];
    const double sizes = 2 * u * (fabs((double)before) + fabs((double)after)) + 4 * tiny;
    if (k)
        return 6 * u * fabs(dy * x * r) + sizes;
    double sum = 0;
    for (int j = 0; j < c->n; j++)
        sum += fabs((gain ? (double)c->in[1][j] : 1) * (double)c->in[2][j] * (double)c->in[0][j]);
    const double back = fabs(x) * r * r * r * (sum + c->n * tiny) / c->n;
    return 2 * u * ((c->n + 8) * back + 4 * fabs(r * dy * (gain ? (double)c->in[1][i] : 1))) +
           sizes + 4 * tiny * (1 + r * r * r * fabs(x));
}

static const family families[] = {
    {"weigh", 2, 1, run_weigh, tol_weigh},
    {"weigh_grad", 2, 2, run_weigh_grad, tol_weigh_grad},
    {"swiglu_grad", 4, 2, run_binary, tol_swiglu},
    {"geglu_grad", 4, 2, run_binary, tol_geglu},
    {"multiply_grad", 4, 2, run_binary, tol_same},
    {"gelu_grad", 2, 1, run_unary, tol_gelu},
    {"relu2_grad", 2, 1, run_unary, tol_same},
    {"rmsnorm_grad", 4, 2, run_rmsnorm, tol_rmsnorm},
};

static const family *family_of(const ch_variant *v)
{
    for (size_t i = 0; i < CH_COUNT(families); i++)
        if (strcmp(families[i].name, v->family) == 0)
            return &families[i];
    return NULL;
}

/* ---- Against plain C ---------------------------------------------------------------------- */

static void fill(real *x, int n, int kind, uint64_t seed)
{
    kcheck_fill(x, (size_t)n, kind == RAMP ? KCHECK_RANDOM : (kcheck_kind)kind, seed);
    for (int i = 0; kind == RAMP && i < n; i++)
        x[i] *= 80;
}

static call open_call(const family *f, int n, int mode, int kind, size_t align, int slot)
{
    call c = {.n = n, .mode = mode};
    for (int k = 0; k < INPUTS; k++) {
        real *x = kcheck_slot(k, (size_t)n * sizeof *x, align);
        fill(x, n, k == 0 || kind <= KCHECK_WIDE ? kind : KCHECK_RANDOM, (uint64_t)(n + k));
        c.in[k] = x;
    }
    for (int k = 0; k < f->outputs; k++) {
        c.out[k] = kcheck_slot(slot + k, (size_t)n * sizeof(real), align);
        kcheck_fill(c.out[k], (size_t)n, KCHECK_RANDOM, 9 + (uint64_t)k);
    }
    return c;
}

static bool agree(real a, real b, double tolerance)
{
    if (isfinite(b) && tolerance > 0 && isfinite(tolerance))
        return kcheck_close(a, b, tolerance);
    return !isfinite(tolerance) || kcheck_same(a, b);
}

static bool check_case(const ch_variant *v, const ch_variant *plain, const family *f, int n,
                       int mode, int kind)
{
    static real first[2][MAX_N], before[2][MAX_N];
    for (int round = 0; round < 2; round++) {
        kcheck_slots_clear();
        const size_t align = round ? sizeof(real) : 64;
        call want = open_call(f, n, mode, kind, align, 3), got = want;
        for (int k = 0; k < f->outputs; k++) {
            memcpy(before[k], want.out[k], (size_t)n * sizeof(real));
            got.out[k] = kcheck_slot(5 + k, (size_t)n * sizeof(real), align);
            memcpy(got.out[k], want.out[k], (size_t)n * sizeof(real));
        }
        f->run(plain->fn, &want);
        f->run(v->fn, &got);
        for (int k = 0; k < f->outputs; k++) {
            for (int i = 0; i < n; i++) {
                const real a = got.out[k][i], b = want.out[k][i];
                const double tol = f->tolerance(&want, before[k][i], b, k, i);
                if (!agree(a, b, tol))
                    return kcheck_fail("%s: n %d, mode %d, kind %d: %d [%d] is %a, c %a, within "
                                       "%.2g", v->name, n, mode, kind, k, i, (double)a, (double)b,
                                       tol);
            }
            if (round && memcmp(first[k], got.out[k], (size_t)n * sizeof(real)) != 0 &&
                kind != KCHECK_SPECIAL)
                return kcheck_fail("%s: n %d: the address changes bits", v->name, n);
            memcpy(first[k], got.out[k], (size_t)n * sizeof(real));
        }
        const double slack = (n + 20) * u * fabs((double)want.stats[0]);
        if (f->run == run_weigh && kind != KCHECK_SPECIAL && kind < KCHECK_WIDE &&
            !(fabs((double)got.stats[0] - (double)want.stats[0]) <= 4 * slack))
            return kcheck_fail("%s: n %d: sum %a, c %a", v->name, n, (double)got.stats[0],
                               (double)want.stats[0]);
        if (!kcheck_slots_whole())
            return false;
    }
    return true;
}

static bool check(const ch_variant *v, const ch_variant *plain)
{
    const family *f = family_of(v);
    bool good = true;
    for (int i = 0; kcheck_sizes[i] != 0; i++)
        for (int kind = 0; kind <= RAMP; kind++)
            for (int mode = 0; mode < f->modes; mode++) {
                const int n = kcheck_sizes[i];
                if (n > MAX_N)
                    return kcheck_fail("%s: grads.c has no room for n %d", v->name, n);
                good = check_case(v, plain, f, n, mode, kind) && good;
            }
    return good;
}

/* One output is not wanted: the other is as before. */
static bool check_wanted(const ch_variant *v, const ch_variant *plain)
{
    const family *f = family_of(v);
    bool good = check(v, plain);
    for (int n = 1; n < 70; n += 17)
        for (int k = 0; k < 2; k++) {
            kcheck_slots_clear();
            call c = open_call(f, n, 0, KCHECK_RANDOM, sizeof(real), 3);
            f->run(v->fn, &c);
            call one = open_call(f, n, 0, KCHECK_RANDOM, sizeof(real), 5);
            one.out[1 - k] = NULL;
            f->run(v->fn, &one);
            if (memcmp(c.out[k], one.out[k], (size_t)n * sizeof(real)) != 0)
                good = kcheck_fail("%s: n %d: output %d alone has other bits", v->name, n, k);
            good = kcheck_slots_whole() && good;
        }
    return good;
}

static bool check_transpose(const ch_variant *v, const ch_variant *plain)
{
    (void)plain;
    bool good = true;
    for (int rows = 1; rows <= 70; rows += rows < 20 ? 1 : 7)
        for (int cols = 1; cols <= 70; cols += cols < 20 ? 1 : 7)
            for (int gap = 0; gap < 4; gap += 3) {
                kcheck_slots_clear();
                const ptrdiff_t ldx = cols + gap, ldy = rows + gap;
                const size_t nx = (size_t)((rows - 1) * ldx + cols),
                             ny = (size_t)((cols - 1) * ldy + rows);
                real *x = kcheck_slot(0, nx * sizeof *x, sizeof *x);
                real *y = kcheck_slot(1, ny * sizeof *y, sizeof *y);
                kcheck_fill(x, nx, KCHECK_WIDE, 1);
                memset(y, 0, ny * sizeof *y);
                KCHECK_FN(ch_transpose_fn, v)(y, ldy, x, ldx, rows, cols);
                for (int r = 0; r < rows; r++)
                    for (int c = 0; c < cols; c++)
                        if (!kcheck_same(y[c * ldy + r], x[r * ldx + c]))
                            return kcheck_fail("%s: %d x %d: (%d, %d)", v->name, rows, cols, r, c);
                for (int c = 0; c + 1 < cols; c++)
                    for (int g = 0; g < gap; g++)
                        if (!kcheck_same(y[c * ldy + rows + g], 0))
                            return kcheck_fail("%s: %d x %d: writes between", v->name, rows, cols);
                good = kcheck_slots_whole() && good;
            }
    return good;
}

/* ---- Time --------------------------------------------------------------------------------- */

typedef struct timed {
    const family *f;
    call c;
} timed;

static void run_timed(ch_any_fn *fn, void *arg)
{
    timed *t = arg;
    t->f->run(fn, &t->c);
}

static void time_rows(const ch_variant *v, const ch_variant *plain)
{
    const family *f = family_of(v);
    static const int sizes[] = {64, 1024};
    for (size_t i = 0; i < CH_COUNT(sizes); i++) {
        timed t = {f, open_call(f, sizes[i], 0, KCHECK_RANDOM, 64, 3)};
        char label[40];
        snprintf(label, sizeof label, "n %d", sizes[i]);
        kcheck_time(label, v, plain, run_timed, &t, sizes[i], "G/s");
    }
}

static void run_transpose(ch_any_fn *fn, void *arg)
{
    real **x = arg;
    ((ch_transpose_fn *)fn)(x[1], 64, x[0], 64, 64, 64);
}

static void time_transpose(const ch_variant *v, const ch_variant *plain)
{
    real *x[2] = {kcheck_slot(0, 16384, 64), kcheck_slot(1, 16384, 64)};
    kcheck_time("64 x 64", v, plain, run_transpose, x, 4096, "G/s");
}

const kcheck_family kcheck_grads[] = {
    {"weigh", check, time_rows},
    {"weigh_grad", check, time_rows},
    {"transpose", check_transpose, time_transpose},
    {"swiglu_grad", check_wanted, time_rows},
    {"geglu_grad", check_wanted, time_rows},
    {"multiply_grad", check_wanted, time_rows},
    {"gelu_grad", check, time_rows},
    {"relu2_grad", check, time_rows},
    {"rmsnorm_grad", check_wanted, time_rows},
    {0},
};
