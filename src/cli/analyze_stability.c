/* analyze_stability.c - chalcis analyze stability: a point in detail, or a grid row by row
 *
 * SPDX-License-Identifier: MIT */
#include "cmd_analyze.h"

#include <math.h>

enum { SWITCH_MOST = 16 };

/* ---- One point ----------------------------------------------------------------------------- */

struct point {
    ch_spectrum s;
    ch_safety safe;
    double bound; /* as published */
    bool admitted;
    ch_regime called;
    bool switches;
    double then_alpha, then_p;
    ch_switching worst;
};

static struct point look_at(const ch_asked *a, const ch_analyze_options *o)
{
    struct point q = {.switches = !isnan(o->then_p), .then_p = o->then_p};
    ch_analyze_spectrum(&q.s, a->k.alpha, a->p);
    ch_analyze_safety(&q.safe, a->k.alpha, a->p);
    q.bound = ch_analyze_published_bound(a->k.alpha);
    q.admitted = ch_analyze_published_stable(a->k.alpha, a->p);
    q.called = ch_analyze_published_regime(a->k.alpha, a->p);
    q.then_alpha = isnan(o->then_alpha) ? a->k.alpha : o->then_alpha;
    if (q.switches)
        ch_analyze_switching(&q.worst, (double[]){a->k.alpha, q.then_alpha},
                             (double[]){a->p, q.then_p}, SWITCH_MOST);
    return q;
}

static int point_json(const struct point *q)
{
    const ch_spectrum *s = &q->s;
    json_t *o = json_pack(
        "{s:o, s:o, s:o, s:o, s:b, s:s, s:[[o, o], [o, o]], s:o, s:o, s:o, s:o, s:o}", "alpha",
        ch_cli_number(s->alpha), "p", ch_cli_number(s->p), "rho", ch_cli_number(s->rho), "gap",
        ch_cli_number(s->gap), "stable", s->stable, "regime", ch_analyze_regime_name(s->regime),
        "eigenvalues", ch_cli_number(s->re[0]), ch_cli_number(s->im[0]), ch_cli_number(s->re[1]),
        ch_cli_number(s->im[1]), "limit", ch_cli_number(s->limit), "distance",
        ch_cli_number(s->limit - s->p), "sigma", ch_cli_number(s->reach), "critical",
        ch_cli_number(s->critical), "flip", ch_cli_number(s->flip));
    json_t *published = json_pack("{s:o, s:b, s:s}", "bound", ch_cli_number(q->bound), "stable",
                                  q->admitted, "regime", ch_analyze_regime_name(q->called));
    json_t *order = json_pack("{s:o, s:[o, o]}", "any", ch_cli_number(q->safe.any), "shared_r",
                              ch_cli_number(q->safe.least_r), ch_cli_number(q->safe.most_r));
    json_object_set_new(o, "published", published);
    json_object_set_new(o, "varying", order);
    if (q->switches)
        json_object_set_new(o, "then",
                            json_pack("{s:f, s:f, s:o, s:[i, i]}", "alpha", q->then_alpha, "p",
                                      q->then_p, "rate", ch_cli_number(q->worst.rate), "steps",
                                      q->worst.n1, q->worst.n2));
    return ch_cli_print_json(o);
}

static void print_eigenvalues(const ch_spectrum *s)
{
    if (s->im[0] != 0)
        printf("eigenvalues        %.6g +- %.6g i\n", s->re[0], fabs(s->im[0]));
    else
        printf("eigenvalues        %.6g, %.6g\n", s->re[0], s->re[1]);
}

static void print_orders(const struct point *q)
{
    if (q->safe.any < 1)
        printf("in any order       safe with all steps that have |t| + alpha < 1; here %.4g\n",
               q->safe.any);
    else
        printf("in any order       no: |t| + alpha is %.4g, and 1 is the most\n", q->safe.any);
    if (!isnan(q->safe.least_r))
        printf("without overshoot  with all steps that share an r of %.4g to %.4g\n",
               q->safe.least_r, q->safe.most_r);
    if (q->switches)
        printf("by turns           with alpha %g, p %g: %.6g a step (%d and %d at a time), %s\n",
               q->then_alpha, q->then_p, q->worst.rate, q->worst.n1, q->worst.n2,
               q->worst.rate < 1 ? "up to 16 steps each" : "which diverges");
}

static void point_table(const struct point *q)
{
    const ch_spectrum *s = &q->s;
    printf("alpha              %g\np                  %g\n", s->alpha, s->p);
    print_eigenvalues(s);
    printf("spectral radius    %.6g: %s, %s\n", s->rho, ch_analyze_regime_name(s->regime),
           s->stable ? "stable" : "not stable");
    printf("stable range       0 < p < %g; p is at %.1f %% of it\n", s->limit, 100 * s->reach);
    if (!isnan(s->critical))
        printf("critical lines     p1 = %.6g, p2 = %.6g\n", s->critical, s->flip);
    printf("published bound    p < %.6g says %s%s\n", q->bound, q->admitted ? "stable" : "unstable",
           q->admitted == s->stable ? "" : ": wrong");
    printf("published regime   alpha^2 against 4 p says %s\n", ch_analyze_regime_name(q->called));
    print_orders(q);
}

/* ---- A grid -------------------------------------------------------------------------------- */

static ch_tally row_of(const ch_grid *g, int i)
{
    ch_tally t = {0};
    for (int j = 0; j < g->ps; j++) {
        ch_spectrum s;
        ch_analyze_spectrum(&s, ch_analyze_grid_alpha(g, i), ch_analyze_grid_p(g, j));
        ch_analyze_count(&t, &s);
    }
    return t;
}

static void grid_table(const ch_grid *g)
{
    uint64_t n = 0, stable = 0, refused = 0, admitted = 0;
    printf("%d values of p from %g to %g for each alpha\n\n"
           "               published  over-  oscil-  alter-              published bound\n"
           "alpha   limit      bound damped  lating  nating  unstable  refuses  admits\n",
           g->ps, ch_analyze_grid_p(g, 0), g->p_most);
    for (int i = 0; i < g->alphas; i++) {
        const ch_tally t = row_of(g, i);
        const double alpha = ch_analyze_grid_alpha(g, i);
        const uint64_t *r = t.regime;
        printf("%5.3g  %6.3g  %9.4g  %5d  %6d  %6d  %8d  %7d  %6d\n", alpha, 2 * (1 + alpha),
               ch_analyze_published_bound(alpha),
               (int)(r[CH_REGIME_OVERDAMPED] + r[CH_REGIME_CRITICAL]),
               (int)r[CH_REGIME_OSCILLATING],
               (int)(r[CH_REGIME_ALTERNATING] + r[CH_REGIME_FLIPPED]), (int)(t.n - t.stable),
               (int)t.wrongly_unstable, (int)t.wrongly_stable);
        n += t.n;
        stable += t.stable;
        refused += t.wrongly_unstable;
        admitted += t.wrongly_stable;
    }
    printf("\n%d of %d points are stable; the published bound refuses %d of them and admits %d "
           "that are not\n", (int)stable, (int)n, (int)refused, (int)admitted);
}

static int grid_json(const ch_grid *g)
{
    json_t *alphas = json_array(), *ps = json_array(), *rows = json_array();
    ch_tally all = {0};
    for (int j = 0; j < g->ps; j++)
        json_array_append_new(ps, json_real(ch_analyze_grid_p(g, j)));
    for (int i = 0; i < g->alphas; i++) {
        json_t *rho = json_array();
        json_array_append_new(alphas, json_real(ch_analyze_grid_alpha(g, i)));
        for (int j = 0; j < g->ps; j++) {
            ch_spectrum s;
            ch_analyze_spectrum(&s, ch_analyze_grid_alpha(g, i), ch_analyze_grid_p(g, j));
            ch_analyze_count(&all, &s);
            json_array_append_new(rho, ch_cli_number(s.rho));
        }
        json_array_append_new(rows, rho);
    }
    json_t *regimes = json_object();
    for (int r = 0; r < CH_REGIMES; r++)
        if (all.regime[r])
            json_object_set_new(regimes, ch_analyze_regime_name((ch_regime)r),
                                json_integer((json_int_t)all.regime[r]));
    return ch_cli_print_json(json_pack(
        "{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "points", (json_int_t)all.n, "stable",
        (json_int_t)all.stable, "published_refuses", (json_int_t)all.wrongly_unstable,
        "published_admits", (json_int_t)all.wrongly_stable, "regimes", regimes, "alphas", alphas,
        "ps", ps, "rho", rows));
}

static int draw(const ch_analyze_options *o, ch_err *e)
{
    char path[4096];
    bool drawn;
    int rc = ch_cli_plot_path(path, sizeof path, o->plot, "stability.svg", e);
    if (rc == CH_OK)
        rc = ch_analyze_plot_map(&drawn, &o->grid, path, e);
    if (rc < 0)
        return rc;
    ch_cli_say_drawn(drawn, path);
    rc = ch_cli_plot_path(path, sizeof path, o->plot, "eigenvalues.svg", e);
    if (rc == CH_OK)
        rc = ch_analyze_plot_eigenvalues(&drawn, path, e);
    if (rc == CH_OK)
        ch_cli_say_drawn(drawn, path);
    return rc;
}

int ch_cli_stability(const ch_analyze_options *o)
{
    ch_asked a;
    bool point;
    ch_err e = {0};
    int rc = ch_cli_asked(&a, &point, o);
    if (rc >= 0)
        return rc;
    if (point) {
        const struct point q = look_at(&a, o);
        rc = CH_EXIT_OK;
        if (o->json)
            rc = point_json(&q);
        else
            point_table(&q);
    } else if (o->json) {
        rc = grid_json(&o->grid);
    } else {
        grid_table(&o->grid);
        rc = CH_EXIT_OK;
    }
    fflush(stdout);
    if (rc == CH_EXIT_OK && o->plot && draw(o, &e) < 0)
        return ch_cli_fail(&e);
    return rc;
}
