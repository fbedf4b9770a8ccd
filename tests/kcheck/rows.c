/* rows.c - checks of the kernels over one row: norms, activations, arithmetic, rope, softmax
 *
 * A tolerance bounds what two correct roundings of the formula can differ by: u = 2^-24 for each
 * operation, n u for a sum of n in any order, one ulp (2u) for e^x.  Besides agreeing with plain
 * C, a variant gives the same bits at any address, when y is an input, and (elementwise families,
 * which may be called on many rows at once) for an element alone.  SPDX-License-Identifier: MIT */
#include <float.h>
#include <string.h>

#include "kcheck.h"

enum { MAX_N = 4096, RAMP = KCHECK_SPECIAL + 1 /* uniform in +-110: all that e^x has */ };
enum { ELEMENTWISE = 1, TWO_INPUTS = 2, TWO_MODES = 4 };

static const double u = (double)FLT_EPSILON / 2, tiny = (double)FLT_TRUE_MIN;

typedef struct row {
    int n, mode; /* n even for rope; mode 1: without gain or bias, interleaved */
    const real *x, *b, *c;
} row;

typedef struct family {
    const char *name;
    int flags;
    void (*run)(ch_any_fn *fn, real *y, real stats[2], const row *in);
    /* tol[0..n-1] for y, tol[n], tol[n+1] for stats; 0: the same bits. */
    void (*tolerance)(double *tol, const row *in, const real *y);
} family;

/* ---- Norms --------------------------------------------------------------------------- */

static const real epsilon = REAL(1e-5);

static void run_rmsnorm(ch_any_fn *fn, real *y, real stats[2], const row *in)
{
    stats[0] = ((ch_rmsnorm_fn *)fn)(y, in->x, in->mode ? NULL : in->b, in->n, epsilon);
}

/* r carries half the sum's error; 5 u more on each side for /n, + eps, sqrt, 1/, and the products.
 */
static void tol_rmsnorm(double *tol, const row *in, const real *y)
{
    const double relative = (in->n + 10) * u;
    double squares = 0;
    for (int i = 0; i < in->n; i++) {
        squares += (double)in->x[i] * (double)in->x[i];
        tol[i] = relative * fabs((double)y[i]) + 4 * tiny;
    }
    tol[in->n] = relative / sqrt(squares / in->n + (double)epsilon);
}

static void run_layernorm(ch_any_fn *fn, real *y, real stats[2], const row *in)
{
    ((ch_layernorm_fn *)fn)(y, in->x, in->b, in->mode ? NULL : in->c, in->n, epsilon, stats);
}

/* A mean that is off by dm adds dm^2 to the variance; both bound r from two sides. */
static void tol_layernorm(double *tol, const row *in, const real *y)
{
    const int n = in->n;
    double sum = 0, size = 0, var = 0;
    for (int i = 0; i < n; i++) {
        sum += (double)in->x[i];
        size += fabs((double)in->x[i]);
    }
    const double mean = sum / n, dm = u * (size + fabs(mean)) + tiny;
    for (int i = 0; i < n; i++)
        var += ((double)in->x[i] - mean) * ((double)in->x[i] - mean) / n;
    const double low = var * (1 - (n + 4) * u), high = (var + dm * dm) * (1 + (n + 4) * u);
    const double r_high = (1 + 3 * u) / sqrt(low + (double)epsilon);
    const double r_low = (1 - 3 * u) / sqrt(high + (double)epsilon);
    for (int i = 0; i < n; i++) {
        const double d = fabs((double)in->x[i] - mean), g = fabs((double)in->b[i]);
        const double b = in->mode ? 0 : fabs((double)in->c[i]);
        tol[i] = d * g * (r_high - r_low) + 2 * (dm + u * (d + dm)) * r_high * g +
                 6 * u * (d * r_high * g + b) + 4 * tiny;
    }
    tol[n] = 2 * dm;
    tol[n + 1] = r_high - r_low;
    (void)y;
}

/* ---- Elementwise ----------------------------------------------------------------------- */

static void run_binary(ch_any_fn *fn, real *y, real stats[2], const row *in)
{
    ((ch_binary_fn *)fn)(y, in->x, in->b, in->n);
    (void)stats;
}

static void run_unary(ch_any_fn *fn, real *y, real stats[2], const row *in)
{
    ((ch_unary_fn *)fn)(y, in->x, in->n);
    (void)stats;
}

static const real factor = REAL(0.15), cap = REAL(30.0);

static void run_scale(ch_any_fn *fn, real *y, real stats[2], const row *in)
{
    ((ch_scale_fn *)fn)(y, in->x, in->n, factor);
    (void)stats;
}

static void run_softcap(ch_any_fn *fn, real *y, real stats[2], const row *in)
{
    ((ch_softcap_fn *)fn)(y, in->x, in->n, factor, cap);
    (void)stats;
}

static void tol_same(double *tol, const row *in, const real *y)
{
    memset(tol, 0, (size_t)in->n * sizeof *tol);
    (void)y;
}

/* e^-a, 1 +, /, times b: 5 u on each side.  Near a = -88.7 one side's e^-a may be inf already. */
static void tol_swiglu(double *tol, const row *in, const real *y)
{
    for (int i = 0; i < in->n; i++)
        tol[i] = 10 * u * fabs((double)y[i]) + 3e-37 * fabs((double)in->b[i]) + 4 * tiny;
}

/* The argument z of x / (1 + e^-z) has 5 roundings: z 5 u in e^-z, which weighs w = 1 / (1 + e^z).
 */
static void tol_gelu(double *tol, const row *in, const real *y)
{
    for (int i = 0; i < in->n; i++) {
        const double x = (double)in->x[i], z = 1.5957691216057308 * (x + 0.044715 * x * x * x);
        const double w = 1 / (1 + exp(z));
        tol[i] = (10 * u * fabs(z) * w + 10 * u) * fabs((double)y[i]) + 1e-36;
    }
}

/* Both sides as tol_swiglu; near x = -88.7 one side's e^-x may be inf already. */
static void tol_sigmoid(double *tol, const row *in, const real *y)
{
    for (int i = 0; i < in->n; i++)
        tol[i] = 10 * u * fabs((double)y[i]) + 1e-38;
}

/* e^-|x| 2 u, z 2 u more, the series and the sum 4 u. */
static void tol_softplus(double *tol, const row *in, const real *y)
{
    for (int i = 0; i < in->n; i++)
        tol[i] = 8 * u * fabs((double)y[i]) + 4 * tiny;
}

/* The fit 1e-7 of P, e^(-x^2/2) 3 u, t and the polynomial 9 u. */
static void tol_gelu_erf(double *tol, const row *in, const real *y)
{
    for (int i = 0; i < in->n; i++)
        tol[i] = (1e-7 + 14 * u) * fabs((double)y[i]) + 1e-36;
}

static void tol_geglu(double *tol, const row *in, const real *y)
{
    tol_gelu(tol, in, y);
    for (int i = 0; i < in->n; i++)
        tol[i] += 2 * u * fabs((double)y[i]) + 1e-36 * fabs((double)in->b[i]) + 4 * tiny;
}

/* Both sides' tanh within 4 ulp, the product rounded. */
static void tol_softcap(double *tol, const row *in, const real *y)
{
    for (int i = 0; i < in->n; i++)
        tol[i] = 18 * u * fabs((double)y[i]) + 4 * (double)cap * tiny;
}

/* ---- Rope, softmax ----------------------------------------------------------------------- */

static void run_rope(ch_any_fn *fn, real *y, real stats[2], const row *in)
{
    memmove(y, in->x, (size_t)in->n * sizeof *y);
    ((ch_rope_fn *)fn)(y, in->b, in->c, in->n / 2, in->mode);
    (void)stats;
}

static void tol_rope(double *tol, const row *in, const real *y)
{
    for (int p = 0; p < in->n / 2; p++) {
        const int i = in->mode ? 2 * p : p, j = in->mode ? 2 * p + 1 : p + in->n / 2;
        const double a = fabs((double)in->x[i]), b = fabs((double)in->x[j]);
        const double c = fabs((double)in->b[p]), s = fabs((double)in->c[p]);
        tol[i] = 4 * u * (a * c + b * s) + 3 * tiny;
        tol[j] = 4 * u * (a * s + b * c) + 3 * tiny;
    }
    (void)y;
}

static void run_softmax(ch_any_fn *fn, real *y, real stats[2], const row *in)
{
    stats[0] = ((ch_softmax_fn *)fn)(y, in->x, in->n, &stats[1]);
}

static void tol_softmax(double *tol, const row *in, const real *y)
{
    double sum = 0;
    for (int i = 0; i < in->n; i++) {
        tol[i] = 5 * u * fabs((double)y[i]) + 2 * tiny;
        sum += fabs((double)y[i]);
    }
    tol[in->n] = (2 * in->n + 6) * u * sum + 2 * in->n * tiny;
    tol[in->n + 1] = tiny / 2; /* the same, but for a zero's sign */
}

static const family families[] = {
    {"rmsnorm", TWO_MODES, run_rmsnorm, tol_rmsnorm},
    {"layernorm", TWO_MODES, run_layernorm, tol_layernorm},
    {"swiglu", ELEMENTWISE | TWO_INPUTS, run_binary, tol_swiglu},
    {"geglu", ELEMENTWISE | TWO_INPUTS, run_binary, tol_geglu},
    {"add", ELEMENTWISE | TWO_INPUTS, run_binary, tol_same},
    {"multiply", ELEMENTWISE | TWO_INPUTS, run_binary, tol_same},
    {"scale", ELEMENTWISE, run_scale, tol_same},
    {"softcap", ELEMENTWISE, run_softcap, tol_softcap},
    {"gelu", ELEMENTWISE, run_unary, tol_gelu},
    {"gelu_erf", ELEMENTWISE, run_unary, tol_gelu_erf},
    {"sigmoid", ELEMENTWISE, run_unary, tol_sigmoid},
    {"softplus", ELEMENTWISE, run_unary, tol_softplus},
    {"relu2", ELEMENTWISE, run_unary, tol_same},
    {"rope", TWO_MODES, run_rope, tol_rope},
    {"softmax", 0, run_softmax, tol_softmax},
};

/* ---- The check ----------------------------------------------------------------------------- */

static const family *family_of(const ch_variant *v)
{
    for (size_t i = 0; i < CH_COUNT(families); i++)
        if (!strcmp(families[i].name, v->family))
            return &families[i];
    return NULL;
}

static real *input(int slot, int n, int kind, uint64_t seed, size_t align)
{
    real *x = kcheck_slot(slot, (size_t)n * sizeof *x, align);
    kcheck_fill(x, (size_t)n, kind == RAMP ? KCHECK_RANDOM : (kcheck_kind)kind, seed);
    for (int i = 0; kind == RAMP && i < n; i++)
        x[i] *= 110;
    return x;
}

static bool agree(real a, real b, double tolerance)
{
    return isfinite(b) && tolerance != 0 ? kcheck_close(a, b, tolerance) : kcheck_same(a, b);
}

static bool same_rows(const real *a, const real *b, int n)
{
    for (int i = 0; i < n; i++)
        if (!kcheck_same(a[i], b[i]))
            return false;
    return true;
}

static bool check_alias(const ch_variant *v, const family *f, const row *in, const real *want)
{
    real stats[2] = {0}, *y = kcheck_slot(5, (size_t)in->n * sizeof *y, sizeof *y);
    row moved = *in;
    memcpy(y, in->x, (size_t)in->n * sizeof *y);
    moved.x = y;
    f->run(v->fn, y, stats, &moved);
    if (!same_rows(y, want, in->n))
        return kcheck_fail("%s: n %d: other bits when y is x", v->name, in->n);
    if (!(f->flags & TWO_INPUTS))
        return true;
    memcpy(y, in->b, (size_t)in->n * sizeof *y);
    moved = *in;
    moved.b = y;
    f->run(v->fn, y, stats, &moved);
    return same_rows(y, want, in->n) ||
           kcheck_fail("%s: n %d: other bits when y is b", v->name, in->n);
}

static bool check_alone(const ch_variant *v, const family *f, const row *in, const real *want)
{
    for (int i = 0; i < in->n; i++) {
        real y = 0, stats[2] = {0};
        f->run(v->fn, &y, stats, &(row){.n = 1, .x = in->x + i, .b = in->b + i});
        if (!kcheck_same(y, want[i]))
            return kcheck_fail("%s: n %d: [%d] is %a, alone %a", v->name, in->n, i,
                               (double)want[i], (double)y);
    }
    return true;
}

static bool check_case(const ch_variant *v, const ch_variant *c, const family *f, int n, int mode,
                       int kind)
{
    static double tol[MAX_N + 2];
    static real first[MAX_N];
    for (int round = 0; round < 2; round++) {
        const size_t align = round ? sizeof(real) : 64, bytes = (size_t)n * sizeof(real);
        kcheck_slots_clear();
        const row in = {n, mode, input(0, n, kind, (uint64_t)n, align),
                        input(1, n, f->flags & TWO_INPUTS ? kind : KCHECK_RANDOM, 7, align),
                        input(2, n, KCHECK_RANDOM, 8, align)};
        real *want = kcheck_slot(3, bytes, align), *got = kcheck_slot(4, bytes, align);
        real want_stats[2] = {0}, got_stats[2] = {0};
        f->run(c->fn, want, want_stats, &in);
        f->run(v->fn, got, got_stats, &in);
        tol[n] = tol[n + 1] = 0;
        f->tolerance(tol, &in, want);
        for (int i = 0; i < n + 2; i++) {
            const real a = i < n ? got[i] : got_stats[i - n],
                       b = i < n ? want[i] : want_stats[i - n];
            if (!agree(a, b, tol[i]))
                return kcheck_fail("%s: n %d, mode %d, kind %d: [%d] is %a, c %a, tolerance %.2g",
                                   v->name, n, mode, kind, i, (double)a, (double)b, tol[i]);
        }
        if (round && !same_rows(got, first, n))
            return kcheck_fail("%s: n %d, kind %d: the address changes bits", v->name, n, kind);
        memcpy(first, got, bytes);
        if (!check_alias(v, f, &in, got) || !kcheck_slots_whole())
            return false;
        if (f->flags & ELEMENTWISE && n <= 100 && !check_alone(v, f, &in, got))
            return false;
    }
    return true;
}

static bool check_no_values(const ch_variant *v)
{
    real x[70], max = 0;
    for (int n = 1; n <= 70; n++) {
        for (int i = 0; i < n; i++)
            x[i] = -INFINITY;
        const real sum = KCHECK_FN(ch_softmax_fn, v)(x, x, n, &max);
        for (int i = 0; i < n; i++)
            if (!kcheck_same(x[i], 0))
                return kcheck_fail("%s: %d times -inf: [%d] is %a", v->name, n, i, (double)x[i]);
        if (!kcheck_same(sum, 0) || max != -INFINITY)
            return kcheck_fail("%s: %d times -inf: sum %a, max %a", v->name, n, (double)sum,
                               (double)max);
    }
    return true;
}

static bool check(const ch_variant *v, const ch_variant *c)
{
    const family *f = family_of(v);
    bool good = strcmp(f->name, "softmax") != 0 || check_no_values(v);
    for (int i = 0; kcheck_sizes[i] != 0; i++) {
        const int n = f->run == run_rope ? 2 * kcheck_sizes[i] : kcheck_sizes[i];
        if (n > MAX_N)
            return kcheck_fail("%s: rows.c has no room for n %d", v->name, n);
        for (int kind = 0; kind <= RAMP; kind++)
            for (int mode = 0; mode < (f->flags & TWO_MODES ? 2 : 1); mode++)
                good = check_case(v, c, f, n, mode, kind) && good;
    }
    return good;
}

/* ---- Time --------------------------------------------------------------------------------- */

typedef struct timed {
    const family *f;
    row in;
    real *y;
} timed;

static void run_timed(ch_any_fn *fn, void *arg)
{
    const timed *t = arg;
    real stats[2];
    t->f->run(fn, t->y, stats, &t->in);
}

static void time_rows(const ch_variant *v, const ch_variant *c)
{
    const family *f = family_of(v);
    const bool rope = f->run == run_rope;
    static const int sizes[2][2] = {{512, 4096}, {64, 128}};
    for (int i = 0; i < 2; i++)
        for (int mode = 0; mode < (rope ? 2 : 1); mode++) {
            const int n = sizes[rope][i];
            timed t = {f,
                       {n, mode, input(0, n, KCHECK_RANDOM, 1, 64),
                        input(1, n, KCHECK_RANDOM, 2, 64), input(2, n, KCHECK_RANDOM, 3, 64)},
                       kcheck_slot(4, (size_t)n * sizeof(real), 64)};
            char label[40];
            snprintf(label, sizeof label, "n %d%s", n,
                     rope ? (mode ? " interleaved" : " halves") : "");
            kcheck_time(label, v, c, run_timed, &t, n, "G/s");
        }
}

const kcheck_family kcheck_rows[] = {
    {"rmsnorm", check, time_rows}, {"layernorm", check, time_rows}, {"swiglu", check, time_rows},
    {"geglu", check, time_rows},   {"add", check, time_rows},       {"multiply", check, time_rows},
    {"scale", check, time_rows},   {"softcap", check, time_rows},   {"gelu", check, time_rows},
    {"gelu_erf", check, time_rows},
    {"sigmoid", check, time_rows},
    {"softplus", check, time_rows},
    {"relu2", check, time_rows},
    {"rope", check, time_rows},    {"softmax", check, time_rows},   {0},
};
