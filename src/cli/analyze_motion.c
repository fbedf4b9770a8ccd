/* analyze_motion.c - chalcis analyze convergence and trajectory
 *
 * SPDX-License-Identifier: MIT */
#include "cmd_analyze.h"

#include <math.h>
#include <string.h>

enum { SETS_MOST = 16, CLOSED_STEPS = 200, PLOT_STEPS = 60, SETTLING_MOST = 10000000 };

/* ---- Convergence --------------------------------------------------------------------------- */

struct row {
    const ch_published_set *set; /* NULL: parameters of one's own */
    ch_spectrum s;
    int64_t steps;
    double fixed_point, closed_error;
};

static struct row look_at(const ch_published_set *set, const ch_asked *a,
                          const ch_analyze_options *o)
{
    struct row r = {.set = set};
    ch_analyze_spectrum(&r.s, a->k.alpha, a->p);
    r.steps = ch_analyze_settling(a->k.alpha, a->p, o->tolerance, SETTLING_MOST);
    r.fixed_point = ch_analyze_fixed_point(&a->k);
    r.closed_error = ch_analyze_closed_error(&a->k, (ch_motion){o->x0, o->v0}, CLOSED_STEPS);
    return r;
}

/* "-" for what never comes. */
static const char *steps_text(char *out, size_t size, int64_t steps)
{
    snprintf(out, size, steps < 0 ? "-" : "%lld", (long long)steps);
    return out;
}

static void convergence_table(const struct row *rows, int n, const ch_analyze_options *o)
{
    char steps[24], rho[16];
    printf("steps from rest to %g of the first distance; %d steps by loop and by closed form\n\n"
           "set               alpha      p  published     rho   limit  at     steps        x*"
           "   error  regime\n", o->tolerance, CLOSED_STEPS);
    for (int i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        snprintf(rho, sizeof rho, "-");
        if (r->set && !isnan(r->set->rho))
            snprintf(rho, sizeof rho, "%.2f", r->set->rho);
        printf("%-16s  %5.4g  %5.4g  %9s  %6.4f  %6.4g  %3.0f %%  %6s  %8.4g  %6.1e  %s\n",
               r->set ? r->set->name : "(given)", r->s.alpha, r->s.p, rho, r->s.rho, r->s.limit,
               100 * r->s.reach, steps_text(steps, sizeof steps, r->steps), r->fixed_point,
               r->closed_error, ch_analyze_regime_name(r->s.regime));
    }
    for (int i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        if (!r->set)
            continue;
        const bool holds = ch_analyze_published_holds(r->set, &r->s);
        printf("%s%-16s  published as \"%s\": %s\n", i ? "" : "\n", r->set->name, r->set->label,
               holds ? "holds" : "does not hold");
    }
}

static json_t *row_json(const struct row *r)
{
    json_t *o = json_pack("{s:o, s:o, s:o, s:b, s:s, s:o, s:o, s:o, s:o}", "alpha",
                          ch_cli_number(r->s.alpha), "p", ch_cli_number(r->s.p), "rho",
                          ch_cli_number(r->s.rho), "stable", r->s.stable, "regime",
                          ch_analyze_regime_name(r->s.regime), "limit", ch_cli_number(r->s.limit),
                          "steps", r->steps < 0 ? json_null() : json_integer(r->steps),
                          "fixed_point", ch_cli_number(r->fixed_point), "closed_error",
                          ch_cli_number(r->closed_error));
    if (r->set)
        json_object_set_new(
            o, "published",
            json_pack("{s:s, s:s, s:o, s:b}", "name", r->set->name, "label", r->set->label, "rho",
                      ch_cli_number(r->set->rho), "holds",
                      ch_analyze_published_holds(r->set, &r->s)));
    return o;
}

static int draw_convergence(const ch_analyze_options *o, const ch_asked *a, bool point, ch_err *e)
{
    char path[4096];
    bool drawn;
    const ch_published_set own = {.name = "given", .alpha = a->k.alpha, .p = a->p};
    int n = 0;
    while (!point && ch_published_sets[n].name && !isnan(ch_published_sets[n].rho))
        n++;
    int rc = ch_cli_plot_path(path, sizeof path, o->plot, "convergence.svg", e);
    if (rc == CH_OK)
        rc = ch_analyze_plot_settling(&drawn, point ? &own : ch_published_sets, point ? 1 : n,
                                      PLOT_STEPS, path, e);
    if (rc == CH_OK)
        ch_cli_say_drawn(drawn, path);
    return rc;
}

int ch_cli_convergence(const ch_analyze_options *o)
{
    ch_asked a;
    bool point;
    ch_err e = {0};
    struct row rows[SETS_MOST];
    int n = 0;
    const int rc = ch_cli_asked(&a, &point, o);
    if (rc >= 0)
        return rc;
    if (!point && o->dt * o->gate == 0)
        return ch_cli_usage("analyze", "neither --dt nor --gate may be 0: nothing would move");
    if (point)
        rows[n++] = look_at(NULL, &a, o);
    for (const ch_published_set *s = ch_published_sets; !point && s->name && n < SETS_MOST; s++) {
        ch_asked one = {.k = a.k, .p = s->p};
        one.k.alpha = s->alpha;
        one.k.beta = s->p / (o->dt * o->gate);
        rows[n++] = look_at(s, &one, o);
    }
    int code = CH_EXIT_OK;
    if (o->json) {
        json_t *list = json_array();
        for (int i = 0; i < n; i++)
            json_array_append_new(list, row_json(&rows[i]));
        code = ch_cli_print_json(json_pack("{s:f, s:o}", "tolerance", o->tolerance, "sets", list));
    } else {
        convergence_table(rows, n, o);
    }
    fflush(stdout);
    if (code == CH_EXIT_OK && o->plot && draw_convergence(o, &a, point, &e) < 0)
        return ch_cli_fail(&e);
    return code;
}

/* ---- Trajectory ---------------------------------------------------------------------------- */

struct moment {
    ch_motion s;
    double energy, v;
    bool rises; /* the published energy, over the step before */
};

static struct moment see(const ch_asked *a, ch_motion s, double before)
{
    const double sigma = a->p / (2 * (1 + a->k.alpha)), x = ch_analyze_fixed_point(&a->k);
    const double energy = ch_analyze_published_energy(&a->k, s);
    return (struct moment){.s = s, .energy = energy, .rises = energy > before,
                           .v = ch_analyze_lyapunov(sigma, s.x - x, a->k.dt * a->k.gate * s.v)};
}

static void print_trajectory(const ch_asked *a, const ch_analyze_options *o)
{
    double before = (double)INFINITY, v_before = (double)INFINITY;
    int rises = 0, v_rises = 0;
    ch_motion s = {o->x0, o->v0};
    printf("alpha %g, p %g: energy as published, and V, which never rises in the region\n\n"
           " step             x             v        energy             V\n", a->k.alpha, a->p);
    for (int n = 0; n <= o->steps; n++) {
        const struct moment m = see(a, s, before);
        printf("%5d  %12.6g  %12.6g  %12.6g  %12.6g%s\n", n, m.s.x, m.s.v, m.energy, m.v,
               m.rises ? "  energy rises" : "");
        rises += m.rises;
        /* far below its first value V is rounding */
        v_rises += m.v > v_before * (1 + 1e-9) && m.v > 1e-300;
        before = m.energy;
        v_before = m.v;
        s = ch_analyze_step(&a->k, s);
    }
    printf("\nthe published energy rises in %d of %d steps, V in %d\n", rises, o->steps, v_rises);
}

static int trajectory_json(const ch_asked *a, const ch_analyze_options *o)
{
    static const char *const keys[] = {"x", "v", "energy", "V"};
    json_t *columns[CH_COUNT(keys)], *rising = json_array();
    for (size_t i = 0; i < CH_COUNT(keys); i++)
        columns[i] = json_array();
    double before = (double)INFINITY;
    ch_motion s = {o->x0, o->v0};
    for (int n = 0; n <= o->steps; n++) {
        const struct moment m = see(a, s, before);
        const double numbers[] = {m.s.x, m.s.v, m.energy, m.v};
        for (size_t i = 0; i < CH_COUNT(keys); i++)
            json_array_append_new(columns[i], ch_cli_number(numbers[i]));
        if (m.rises)
            json_array_append_new(rising, json_integer(n));
        before = m.energy;
        s = ch_analyze_step(&a->k, s);
    }
    json_t *all = json_pack("{s:o, s:o, s:o}", "alpha", ch_cli_number(a->k.alpha), "p",
                            ch_cli_number(a->p), "fixed_point",
                            ch_cli_number(ch_analyze_fixed_point(&a->k)));
    for (size_t i = 0; i < CH_COUNT(keys); i++)
        json_object_set_new(all, keys[i], columns[i]);
    json_object_set_new(all, "energy_rises", rising);
    return ch_cli_print_json(all);
}

int ch_cli_trajectory(const ch_analyze_options *o)
{
    ch_asked a;
    bool point, drawn;
    char path[4096];
    ch_err e = {0};
    int rc = ch_cli_asked(&a, &point, o);
    if (rc >= 0)
        return rc;
    if (!point)
        return ch_cli_usage("analyze", "trajectory wants a point: --alpha and --p (or --beta)");
    int code = CH_EXIT_OK;
    if (o->json)
        code = trajectory_json(&a, o);
    else
        print_trajectory(&a, o);
    fflush(stdout);
    if (code != CH_EXIT_OK || !o->plot)
        return code;
    rc = ch_cli_plot_path(path, sizeof path, o->plot, "energy.svg", &e);
    if (rc == CH_OK)
        rc = ch_analyze_plot_energy(&drawn, &a.k, (ch_motion){o->x0, o->v0}, o->steps, path, &e);
    if (rc < 0)
        return ch_cli_fail(&e);
    ch_cli_say_drawn(drawn, path);
    return code;
}
