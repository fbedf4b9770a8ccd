/* analyze_model.c - chalcis analyze -m: what the steps are that a model takes
 *
 * SPDX-License-Identifier: MIT */
#include "cmd_analyze.h"
#include "observe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { QUANTILES = 3, MOMENTS = 10 };
static const double shares[QUANTILES] = {0.1, 0.5, 0.9};

typedef struct looking {
    const ch_analyze_options *o;
    ch_model *m;
    ch_tokenizer *tk;
    ch_pool *pool;
    ch_observed seen;
    float *left; /* of one moment, by token */
    ch_err e;
} looking;

/* What is worth a column, by kind of model. */
static const struct {
    ch_observable what;
    const char *name;
    bool published, blocks; /* models that have it */
} columns[] = {
    {CH_SEEN_ALPHA, "alpha", true, true}, {CH_SEEN_BETA, "beta", true, false},
    {CH_SEEN_GATE, "gate", true, false},  {CH_SEEN_GAIN, "gain", false, true},
    {CH_SEEN_P, "p", true, true},         {CH_SEEN_RHO, "rho", true, true},
};

static bool has(const looking *g, size_t column)
{
    return g->seen.gates ? columns[column].published : columns[column].blocks;
}

static void quantiles_of(double q[QUANTILES], const looking *g, const float *x, size_t n)
{
    ch_analyze_quantiles(q, shares, QUANTILES, &g->seen, x, n);
}

static json_t *quantiles_json(const looking *g, const float *x, size_t n)
{
    double q[QUANTILES];
    quantiles_of(q, g, x, n);
    return json_pack("[o, o, o]", ch_cli_number(q[0]), ch_cli_number(q[1]), ch_cli_number(q[2]));
}

static double percent(uint64_t part, uint64_t all)
{
    return all ? 100 * (double)part / (double)all : (double)NAN;
}

/* ---- Stability ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    unsigned regimes; /* bits */
} regimes[] = {
    {"frozen", 1U << CH_REGIME_FROZEN},
    {"overdamped", 1U << CH_REGIME_OVERDAMPED | 1U << CH_REGIME_CRITICAL},
    {"oscillating", 1U << CH_REGIME_OSCILLATING},
    {"alternating", 1U << CH_REGIME_FLIPPED | 1U << CH_REGIME_ALTERNATING},
    {"outside", 1U << CH_REGIME_MARGINAL | 1U << CH_REGIME_DIVERGING | 1U << CH_REGIME_NONE},
};

static uint64_t steps_in(const ch_tally *t, size_t which)
{
    uint64_t n = 0;
    for (unsigned r = 0; r < CH_REGIMES; r++)
        n += regimes[which].regimes >> r & 1 ? t->regime[r] : 0;
    return n;
}

static void print_stability(const looking *g)
{
    const ch_observed *s = &g->seen;
    printf("layer ");
    for (size_t c = 0; c < CH_COUNT(columns); c++)
        if (has(g, c))
            printf("  %10s 10, 50, 90 %%", columns[c].name);
    printf("\n");
    for (int l = 0; l < s->layers; l++) {
        printf("%5d ", l);
        for (size_t c = 0; c < CH_COUNT(columns); c++) {
            double q[QUANTILES];
            if (!has(g, c))
                continue;
            quantiles_of(q, g, s->layer[l].seen[columns[c].what], s->layer[l].n);
            printf("  %7.4g %7.4g %7.4g", q[0], q[1], q[2]);
        }
        printf("\n");
    }
    printf("\n         0 < p < 2 (1 + alpha)       share of steps by the lines (1 -+ sqrt alpha)^2"
           "   |e_n| / |e_0| has%s\nlayer    steps    pairs      ",
           s->gates || s->closed ? "" : ", for an x* that rests,");
    for (size_t r = 0; r < CH_COUNT(regimes); r++)
        printf("  %11s", regimes[r].name);
    printf("   a bound  at most\n");
    for (int l = 0; l < s->layers; l++) {
        const ch_observed_layer *at = &s->layer[l];
        printf("%5d %7.2f%% %7.2f%%      ", l, percent(at->tally.stable, at->tally.n),
               percent(at->inside, at->pairs));
        for (size_t r = 0; r < CH_COUNT(regimes); r++)
            printf("  %10.2f%%", percent(steps_in(&at->tally, r), at->tally.n));
        printf("  %7.2f%%  %7.4g\n", percent(at->bounded, at->pairs), at->growth);
    }
}

static json_t *stability_json(const looking *g, const ch_observed_layer *l)
{
    json_t *o = json_object(), *by = json_object();
    for (size_t c = 0; c < CH_COUNT(columns); c++)
        if (has(g, c))
            json_object_set_new(o, columns[c].name,
                                quantiles_json(g, l->seen[columns[c].what], l->n));
    for (size_t r = 0; r < CH_COUNT(regimes); r++)
        json_object_set_new(by, regimes[r].name,
                            json_integer((json_int_t)steps_in(&l->tally, r)));
    json_object_set_new(o, "steps_seen", json_integer((json_int_t)l->tally.n));
    json_object_set_new(o, "steps_inside", json_integer((json_int_t)l->tally.stable));
    json_object_set_new(o, "pairs", json_integer((json_int_t)l->pairs));
    json_object_set_new(o, "pairs_inside", json_integer((json_int_t)l->inside));
    json_object_set_new(o, "regimes", by);
    json_object_set_new(o, "pairs_bounded", json_integer((json_int_t)l->bounded));
    json_object_set_new(o, "growth", ch_cli_number(l->growth));
    return o;
}

/* ---- Convergence ---------------------------------------------------------------------------- */

static uint64_t arrived(const ch_observed_layer *l)
{
    uint64_t n = 0;
    for (size_t i = 0; i < l->n_pairs; i++)
        n += l->needed[i] <= (float)l->steps;
    return n;
}

/* What is beyond the steps that were taken is not known. */
static const char *steps_text(char out[16], double steps, int most)
{
    if (isinf(steps))
        snprintf(out, 16, most < 0 ? "never" : ">%d", most);
    else
        snprintf(out, 16, "%.0f", ceil(steps));
    return out;
}

static void print_convergence(const looking *g)
{
    const ch_observed *s = &g->seen;
    char text[16];
    printf("steps to %g of |x_0 - x*|, of each token and channel\n\n"
           "              by rho alone                as it went                 got there\n"
           "layer  steps    10 %%    50 %%    90 %%    10 %%    50 %%    90 %%   in its steps\n",
           s->tolerance);
    for (int l = 0; l < s->layers; l++) {
        const ch_observed_layer *at = &s->layer[l];
        double q[QUANTILES], is[QUANTILES];
        quantiles_of(q, g, at->predicted, at->n_pairs);
        quantiles_of(is, g, at->needed, at->n_pairs);
        printf("%5d  %5d", l, at->steps);
        for (int i = 0; i < QUANTILES; i++)
            printf("  %6s", steps_text(text, q[i], -1));
        const int known = s->closed ? -1 : s->gates ? at->steps : at->steps - 1;
        for (int i = 0; i < QUANTILES; i++)
            printf("  %6s", steps_text(text, is[i], known));
        printf("  %12.2f%%\n", percent(arrived(at), at->n_pairs));
    }
}

static json_t *convergence_json(const looking *g, const ch_observed_layer *l)
{
    return json_pack("{s:o, s:o, s:o}", "predicted", quantiles_json(g, l->predicted, l->n_pairs),
                     "needed", quantiles_json(g, l->needed, l->n_pairs), "arrived",
                     ch_cli_number(percent(arrived(l), l->n_pairs) / 100));
}

/* ---- Trajectory ----------------------------------------------------------------------------- */

/* The first steps, then wider apart; returns how many. */
static int moments(int at[MOMENTS], int most)
{
    static const int usual[] = {1, 2, 3, 5, 10, 20, 50, 100, 150, 255};
    int n = 0;
    if (most <= MOMENTS)
        while (n < most)
            at[n] = n + 1, n++;
    else
        while (n < MOMENTS - 1 && usual[n] < most)
            at[n] = usual[n], n++;
    if (n < MOMENTS && (n == 0 || at[n - 1] < most))
        at[n++] = most;
    return n;
}

static void print_trajectory(const looking *g)
{
    const ch_observed *s = &g->seen;
    int most = 1, at[MOMENTS];
    for (int l = 0; l < s->layers; l++)
        most = CH_MAX(most, s->layer[l].steps);
    const int n = moments(at, most);
    printf("|x_k - x*| / |x_0 - x*| of the tokens: median (10 %%, 90 %%)\n\nlayer");
    for (int i = 0; i < n; i++)
        printf("              k = %3d", at[i]);
    printf("\n");
    for (int l = 0; l < s->layers; l++) {
        printf("%5d", l);
        for (int i = 0; i < n; i++) {
            double q[QUANTILES];
            char text[40] = "-";
            quantiles_of(q, g, g->left, ch_analyze_shares_left(g->left, s, l, at[i]));
            if (!isnan(q[1]))
                snprintf(text, sizeof text, "%.3g (%.3g, %.3g)", q[1], q[0], q[2]);
            printf("  %19s", text);
        }
        printf("\n");
    }
}

static json_t *trajectory_json(const looking *g, int l)
{
    json_t *by_step = json_array(), *tokens = json_array();
    const ch_observed_layer *at = &g->seen.layer[l];
    for (int k = 0; k <= at->steps; k++) {
        const size_t n = ch_analyze_shares_left(g->left, &g->seen, l, k);
        if (n > 0)
            json_array_append_new(by_step, quantiles_json(g, g->left, n));
    }
    for (int t = 0; t < g->seen.tokens; t++) {
        json_t *one = json_array();
        for (int k = 0; k <= at->steps; k++)
            json_array_append_new(
                one, ch_cli_number(at->distance[(ptrdiff_t)t * (at->steps + 1) + k]));
        json_array_append_new(tokens, one);
    }
    return json_pack("{s:o, s:o}", "left", by_step, "distance", tokens);
}

/* ---- All of it ------------------------------------------------------------------------------ */

static const struct {
    const char *name, *plot[2];
    void (*print)(const looking *g);
    int (*draw[2])(bool *drawn, const ch_observed *o, const char *path, ch_err *e);
} questions[] = {
    {"stability", {"steps.svg", "layers.svg"}, print_stability,
     {ch_analyze_plot_observed, ch_analyze_plot_layers}},
    {"convergence", {"tokens.svg", NULL}, print_convergence, {ch_analyze_plot_tokens, NULL}},
    {"trajectory", {"tokens.svg", NULL}, print_trajectory, {ch_analyze_plot_tokens, NULL}},
};

static int print_json(const looking *g, size_t q)
{
    json_t *list = json_array();
    for (int l = 0; l < g->seen.layers; l++) {
        const ch_observed_layer *at = &g->seen.layer[l];
        json_t *one = q == 0   ? stability_json(g, at)
                      : q == 1 ? convergence_json(g, at)
                               : trajectory_json(g, l);
        json_object_set_new(one, "layer", json_integer(l));
        json_object_set_new(one, "steps", json_integer(at->steps));
        json_array_append_new(list, one);
    }
    return ch_cli_print_json(json_pack("{s:s, s:i, s:f, s:[f, f, f], s:o}", "architecture",
                                       g->m->config.arch->name, "tokens", g->seen.tokens,
                                       "tolerance", g->seen.tolerance, "quantiles", shares[0],
                                       shares[1], shares[2], "layers", list));
}

/* To be looked at: as many as were asked for, or no more than the model takes. */
static int tokens_of(const looking *g)
{
    enum { USUAL = 256 };
    return g->o->tokens > 0 ? g->o->tokens : CH_MIN((int)USUAL,
                                                    ch_config_most_tokens(&g->m->config));
}

static int look(looking *g)
{
    const ch_analyze_options *o = g->o;
    char path[4096];
    ch_buf text;
    ch_tokens ids = {0};
    ch_buf_init(&text, (size_t)1 << 30);
    int rc = ch_cli_model_path(path, sizeof path, o->model, &g->e);
    if (rc == CH_OK)
        rc = ch_cli_open_model(&g->m, path, o->threads, &g->e);
    if (rc == CH_OK)
        rc = ch_tokenizer_open(&g->tk, path, o->tokenizer, &g->e);
    if (rc == CH_OK)
        rc = ch_pool_open(&g->pool, o->threads, &g->e);
    if (rc == CH_OK && o->iterations > 0 && !g->m->config.inl.group)
        rc = ch_fail(&g->e, CH_EARG, "%s: only inl_v2 and inl_v3 models take another number of "
                                     "--iterations", path);
    if (rc == CH_OK && o->iterations > 0)
        ch_inl_set_steps(&g->m->config, o->iterations);
    if (rc == CH_OK)
        rc = ch_cli_text(&text, o->prompt, o->file, &g->e);
    if (rc == CH_OK)
        rc = ch_tokenizer_encode(&ids, g->tk, text.data ? text.data : "", text.size,
                                 CH_ENCODE_BOS, &g->e);
    const int n = rc == CH_OK ? (int)CH_MIN(ids.n, (size_t)tokens_of(g)) : 0;
    if (rc == CH_OK)
        rc = ch_analyze_observe(&g->seen, g->m, ids.id, n, o->tolerance, g->pool, &g->e);
    g->left = rc == CH_OK ? malloc((size_t)n * sizeof *g->left) : NULL;
    if (rc == CH_OK && !g->left)
        rc = ch_fail(&g->e, CH_ENOMEM, "no memory for %d tokens", n);
    ch_tokens_free(&ids);
    ch_buf_close(&text);
    return rc;
}

static int draw(looking *g, size_t q)
{
    char path[4096];
    for (size_t i = 0; i < CH_COUNT(questions[q].draw) && questions[q].draw[i]; i++) {
        bool drawn;
        int rc = ch_cli_plot_path(path, sizeof path, g->o->plot, questions[q].plot[i], &g->e);
        if (rc == CH_OK)
            rc = questions[q].draw[i](&drawn, &g->seen, path, &g->e);
        if (rc < 0)
            return rc;
        ch_cli_say_drawn(drawn, path);
    }
    return CH_OK;
}

int ch_cli_analyze_model(const ch_analyze_options *o, const char *question)
{
    looking g = {.o = o};
    size_t q = 0;
    while (strcmp(questions[q].name, question) != 0)
        q++;
    if (!isnan(o->alpha) || !isnan(o->p) || !isnan(o->beta))
        return ch_cli_usage("analyze", "a point and a model are two questions");
    int rc = look(&g), code = CH_EXIT_OK;
    if (rc == CH_OK && o->json) {
        code = print_json(&g, q);
    } else if (rc == CH_OK) {
        printf("%s: %d tokens\n", g.m->config.arch->name, g.seen.tokens);
        questions[q].print(&g);
    }
    fflush(stdout);
    if (rc == CH_OK && code == CH_EXIT_OK && o->plot)
        rc = draw(&g, q);
    if (rc < 0)
        code = ch_cli_fail(&g.e);
    ch_analyze_observed_close(&g.seen);
    free(g.left);
    ch_pool_close(&g.pool);
    ch_tokenizer_close(&g.tk);
    ch_model_close(&g.m);
    return code;
}
