/* analyze.h - the mathematics of the integrator: one channel of a damped, driven recurrence
 *
 *     v <- alpha v + (1 - alpha) target - beta (x - mu)          alpha   inertia, 0 <= alpha < 1
 *     x <- x + dt gate v                                         p     = dt gate beta, the pull
 *
 * In e = x - x* and w = dt gate v (the last displacement) a step is the matrix
 *
 *     J = [ 1-p  alpha ]       trace t = 1 + alpha - p,  determinant alpha
 *         [ -p   alpha ]
 *
 * and everything here follows from these two numbers; docs/integrator.md has the proofs and what
 * of the published claims is true.  All functions are plain arithmetic in double and answer any
 * input: what is not a number, or has no meaning, comes back as CH_REGIME_NONE, NaN or infinity.
 * SPDX-License-Identifier: MIT */
#ifndef CH_ANALYZE_H
#define CH_ANALYZE_H

#include "base.h"

/* The parameters of one step of one channel. */
typedef struct ch_integrator {
    double alpha, beta, gate, dt, target, mu;
} ch_integrator;

static inline double ch_analyze_pull(const ch_integrator *k) { return k->dt * k->gate * k->beta; }

/* ---- One matrix (spectrum.c) --------------------------------------------------------------- */

/* The corrected theorem.  For 0 < alpha < 1, p1 = (1 - sqrt alpha)^2, p2 = (1 + sqrt alpha)^2: */
typedef enum ch_regime {
    CH_REGIME_NONE,        /* something is not a finite number */
    CH_REGIME_FROZEN,      /* p = 0: an eigenvalue 1, x is never pulled to x* */
    CH_REGIME_OVERDAMPED,  /* 0 < p < p1: both eigenvalues real and positive */
    CH_REGIME_CRITICAL,    /* p = p1: both sqrt alpha; the fastest without oscillation */
    CH_REGIME_OSCILLATING, /* p1 < p < p2: a complex pair, rho = sqrt alpha whatever p is */
    CH_REGIME_FLIPPED,     /* p = p2: both -sqrt alpha */
    CH_REGIME_ALTERNATING, /* p2 < p < 2 (1 + alpha): both real and negative */
    CH_REGIME_MIXED,       /* -1 < alpha < 0, stable: one of each sign */
    CH_REGIME_MARGINAL,    /* rho = 1, and not frozen */
    CH_REGIME_DIVERGING,   /* rho > 1 */
    CH_REGIMES
} ch_regime;

typedef struct ch_spectrum {
    double alpha, p;
    double re[2], im[2]; /* eigenvalues, the larger modulus first */
    double rho, gap;     /* spectral radius, and 1 - rho without cancellation */
    double critical, flip, limit; /* p1, p2 (NaN where alpha < 0) and 2 (1 + alpha) */
    double reach;        /* p / limit: the share of the stable range that is used */
    ch_regime regime;
    bool stable;         /* rho < 1, that is |alpha| < 1 and 0 < p < limit (Jury) */
} ch_spectrum;

void ch_analyze_spectrum(ch_spectrum *out, double alpha, double p);
const char *ch_analyze_regime_name(ch_regime r);

/* x* = mu + (1 - alpha) target / beta, where v* = 0; NaN where nothing pulls (p = 0). */
double ch_analyze_fixed_point(const ch_integrator *k);

/* ---- As published (published.c) ------------------------------------------------------------ */

/* The published bound dt < 2 / (beta sqrt(1 - alpha^2)) as one of p: too strict below
 * alpha = 0.8393, too loose above. */
double ch_analyze_published_bound(double alpha);
bool ch_analyze_published_stable(double alpha, double p);
/* The published criterion, alpha^2 against 4 p. */
ch_regime ch_analyze_published_regime(double alpha, double p);

typedef enum ch_claim {
    CH_CLAIM_STABLE,        /* "safe" */
    CH_CLAIM_NEAR_BOUND,    /* stable, with nine tenths of the range or more used */
    CH_CLAIM_UNSTABLE,
    CH_CLAIM_DAMPED,        /* does not oscillate */
    CH_CLAIM_NEAR_CRITICAL  /* p within a tenth of p1 */
} ch_claim;

typedef struct ch_published_set {
    const char *name, *label;
    double alpha, p, rho; /* rho as it was printed; NaN: none was */
    ch_claim claim;       /* what the label says */
} ch_published_set;
extern const ch_published_set ch_published_sets[]; /* ends with name == NULL */
bool ch_analyze_published_holds(const ch_published_set *set, const ch_spectrum *s);

/* ---- Many steps with the same parameters (closed.c) ---------------------------------------- */

/* With U_0 = 0, U_1 = 1, U_(n+1) = t U_n - alpha U_(n-1) and G_n = U_1 + ... + U_n the power
 * J^n is U_n J - alpha U_(n-1) I.  By doubling: some twenty operations for each binary digit of n,
 * and no case for each regime. */
typedef struct ch_powers {
    double u, u_next, g; /* U_n, U_(n+1), G_n */
    double kept;         /* 1 - p G_n: the share of x0 - x* that n steps from rest leave */
} ch_powers;
void ch_analyze_powers(ch_powers *out, double alpha, double p, int64_t n);

typedef struct ch_motion {
    double x, v;
} ch_motion;
/* n steps at once: with F = (1 - alpha) target - beta (x0 - mu)
 *     x = x0 + dt gate (G_n F + alpha U_n v0),   v = U_n F + (U_(n+1) - (1 - p) U_n) v0 */
ch_motion ch_analyze_jump(const ch_integrator *k, ch_motion from, int64_t n);
/* One step, as the model takes it. */
ch_motion ch_analyze_step(const ch_integrator *k, ch_motion from);
/* The largest distance between loop and closed form over n steps, as a share of the largest state
 * seen so far. */
double ch_analyze_closed_error(const ch_integrator *k, ch_motion from, int n);

/* Steps from rest after which |x - x*| <= tolerance |x0 - x*| for good; -1: more than `most`. */
int64_t ch_analyze_settling(double alpha, double p, double tolerance, int64_t most);

/* ---- Energies (energy.c) ------------------------------------------------------------------- */

/* As published, (x - mu)^2 / 2 + (v - target)^2 / 2: may rise, and need not end at 0. */
double ch_analyze_published_energy(const ch_integrator *k, ch_motion s);

/* With sigma = p / (2 (1 + alpha)), 0 < sigma < 1,
 *     V = (e - w/2)^2 + (1 - sigma) / sigma (w/2)^2
 *     V(next) - V = -(1 - alpha) / (2 p) (w_next + w)^2
 * and (1 - sigma) e^2 <= V.  NaN outside 0 < sigma < 1. */
double ch_analyze_lyapunov(double sigma, double e, double w);

/* ---- Parameters that change from step to step (varying.c) ---------------------------------- */

/* Three kinds of sets in which any step may follow any other. */
typedef struct ch_safety {
    /* |t| + alpha.  Where it is below 1 (2 alpha < p < 2) two steps multiply
     * max(|e_n|, |e_(n-1)|) by no more than the larger of theirs. */
    double any;
    /* p <= (1 - r) (1 - alpha / r), alpha <= r < 1: steps that share such an r multiply
     * max(|e_n|, |e_n - r e_(n-1)| / (1 - r)) by no more than 1 - p, and do not overshoot.  The
     * interval of r, which is that between real positive eigenvalues; NaN: none. */
    double least_r, most_r;
    /* p / (2 (1 + alpha)): where all steps have the same, below 1, V never rises. */
    double sigma;
} ch_safety;
void ch_analyze_safety(ch_safety *out, double alpha, double p);

/* The largest factor by which two steps with one sigma and alphas of [0, alpha_most] can multiply
 * sqrt V: below 1 for 0 < sigma < 1 and alpha_most < 1, so any such sequence converges. */
double ch_analyze_two_steps(double sigma, double alpha_most);

/* From rest, after n steps of any kind, |e_n| <= growth |e_0| with
 *     growth = exp(half the sum of all falls of logit sigma from step to step) / sqrt(1 - sigma_n)
 * Begins with a structure that is all zero; each call takes one step and returns the bound after
 * it, INFINITY once a step lay outside 0 < sigma < 1, -1 < alpha <= 1. */
typedef struct ch_growth {
    double falls, logit;
    uint64_t steps;
    bool outside;
} ch_growth;
double ch_analyze_growth(ch_growth *g, double alpha, double p);

/* rho of the product of n1 steps with (alpha1, p1) and n2 with (alpha2, p2), n1 and n2 up to most,
 * the worst of them by step: rho^(1 / (n1 + n2)). */
typedef struct ch_switching {
    double rate;
    int n1, n2;
} ch_switching;
void ch_analyze_switching(ch_switching *out, const double alpha[2], const double p[2], int most);

/* Parameters inside a region from two free numbers, with gradients that are bounded. */
typedef enum ch_inside {
    CH_INSIDE_STABLE,   /* alpha = A s(a), sigma = m + (A - m) s(b), p = 2 (1 + alpha) sigma */
    CH_INSIDE_ANY,      /* alpha = A s(a), t = (A - alpha) tanh b, p = 1 + alpha - t */
    CH_INSIDE_MONOTONE  /* alpha = A r s(a), p = (1 - r) (1 - alpha / r) (m + (A - m) s(b)) */
} ch_inside;
typedef struct ch_inside_point {
    double alpha, p;
    double dalpha_da, dp_da, dp_db;
} ch_inside_point;
/* A = 1 - margin, m = margin (0 < margin < 1/2), s the logistic function, r of CH_INSIDE_MONOTONE
 * only. */
void ch_analyze_inside(ch_inside_point *out, ch_inside how, double a, double b, double margin,
                       double r);

/* ---- What a grid, or a model, has (tally.c) ------------------------------------------------ */

/* One step of one channel as a model took it.  Samples of one (layer, token, channel) that follow
 * each other with step + 1 are one sequence. */
typedef struct ch_sample {
    int layer, channel;
    int64_t token, step;
    ch_integrator k;
} ch_sample;

typedef struct ch_tally {
    uint64_t n, regime[CH_REGIMES];
    uint64_t stable, published_stable; /* by the exact region, by the published bound */
    uint64_t wrongly_stable, wrongly_unstable; /* where the published bound errs */
    double rho_sum, rho_most, reach_least, reach_most;
    double growth_most; /* of the sequences: ch_analyze_growth, in the displacements w */
} ch_tally;
void ch_analyze_count(ch_tally *t, const ch_spectrum *s);
/* One sequence, step by step: begins with a structure that is all zero; z: of this step.  Returns
 * the bound after it, as ch_analyze_growth. */
typedef struct ch_following {
    ch_growth g;
    double stride; /* dt gate of the step before */
} ch_following;
double ch_analyze_follow(ch_following *f, ch_tally *t, ch_spectrum *z, const ch_integrator *k);
/* Into tallies[layer], those outside 0..n_layers-1 into none; returns how many were counted. */
size_t ch_analyze_count_samples(ch_tally *tallies, int n_layers, const ch_sample *samples,
                                size_t n);

/* ---- Drawings (plot_regions.c, plot_motion.c) ---------------------------------------------- */

typedef struct ch_grid {
    int alphas, ps;
    double p_most; /* alpha = i / (alphas - 1), p = p_most (j + 1) / ps */
} ch_grid;
static inline double ch_analyze_grid_alpha(const ch_grid *g, int i)
{
    return g->alphas > 1 ? (double)i / (g->alphas - 1) : 0;
}
static inline double ch_analyze_grid_p(const ch_grid *g, int j)
{
    return g->p_most * (j + 1) / g->ps;
}

/* Each writes the image, its data and its script (report.h: ch_report_draw). */
int ch_analyze_plot_map(bool *drawn, const ch_grid *g, const char *path, ch_err *e);
int ch_analyze_plot_eigenvalues(bool *drawn, const char *path, ch_err *e);
int ch_analyze_plot_settling(bool *drawn, const ch_published_set *sets, int n, int steps,
                             const char *path, ch_err *e);
int ch_analyze_plot_energy(bool *drawn, const ch_integrator *k, ch_motion from, int steps,
                           const char *path, ch_err *e);

#endif
