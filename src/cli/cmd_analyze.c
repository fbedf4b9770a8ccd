/* cmd_analyze.c - chalcis analyze: the integrator's mathematics at a point, on a grid, in a model
 *
 * SPDX-License-Identifier: MIT */
#include "cmd_analyze.h"

#include <math.h>
#include <string.h>

#define O(f) offsetof(ch_analyze_options, f)
static const ch_opt opts[] = {
    {0, "point", CH_OPT_TITLE, 0, NULL, "one point:", 0, 0},
    {0, "alpha", CH_OPT_REAL, O(alpha), "A", "inertia", 0, 0},
    {0, "p", CH_OPT_REAL, O(p), "P", "pull, which is dt gate beta", 0, 0},
    {0, "beta", CH_OPT_REAL, O(beta), "B", "stiffness, in the place of --p", 0, 0},
    {0, "gate", CH_OPT_REAL, O(gate), "G", "share of the velocity that moves x [1]", 0, 0},
    {0, "dt", CH_OPT_REAL, O(dt), "DT", "length of a step [0.1]", 0, 0},
    {0, "mu", CH_OPT_REAL, O(mu), "X", "equilibrium [0]", 0, 0},
    {0, "v-target", CH_OPT_REAL, O(target), "V", "velocity that is sought [0]", 0, 0},
    {0, "grid", CH_OPT_TITLE, 0, NULL, "stability:", 0, 0},
    {0, "alphas", CH_OPT_INT, O(grid.alphas), "N", "values of alpha from 0 to 1 [11]", 1, 1000},
    {0, "ps", CH_OPT_INT, O(grid.ps), "N", "values of p above 0 [100]", 1, 1000},
    {0, "p-max", CH_OPT_REAL, O(grid.p_most), "P", "the largest [5]", 1e-6, 1e6},
    {0, "then-p", CH_OPT_REAL, O(then_p), "P", "steps with --p and with this one by turns", 0, 0},
    {0, "then-alpha", CH_OPT_REAL, O(then_alpha), "A", "and this alpha [that of --alpha]", 0, 0},
    {0, "motion", CH_OPT_TITLE, 0, NULL, "convergence and trajectory:", 0, 0},
    {0, "tolerance", CH_OPT_REAL, O(tolerance), "X", "share of the first distance [0.001]", 1e-15, 1},
    {0, "x0", CH_OPT_REAL, O(x0), "X", "where it starts [1]", 0, 0},
    {0, "v0", CH_OPT_REAL, O(v0), "V", "how fast it starts [0]", 0, 0},
    {'n', "steps", CH_OPT_INT, O(steps), "N", "steps of the trajectory [20]", 1, 100000},
    {0, "model", CH_OPT_TITLE, 0, NULL, "the steps that a model takes, each token its own:", 0, 0},
    {'m', "model", CH_OPT_STR, O(model), "MODEL",
     "inl_v2, inl_v3, or one whose blocks are of anchor start, closed or driven", 0, 0},
    {0, "tokenizer", CH_OPT_STR, O(tokenizer), "FILE",
     "vocabulary of a model that carries none [beside it]", 0, 0},
    {0, "prompt", CH_OPT_STR, O(prompt), "TEXT", "the text", 0, 0},
    {'f', "file", CH_OPT_STR, O(file), "FILE", "the same from a file; - is standard input [-]", 0, 0},
    {'c', "tokens", CH_OPT_INT, O(tokens), "N",
     "of the text, from its beginning [256, or all positions]", 1, 4096},
    {0, "iterations", CH_OPT_INT, O(iterations), "N",
     "steps in each layer of a published model [its own]", 1, 255},
    CH_OPT_THREADS(O(threads), "the result"),
    {0, "output", CH_OPT_TITLE, 0, NULL, "output:", 0, 0},
    {0, "plot", CH_OPT_STR, O(plot), "DIR", "draw into a directory (with gnuplot)", 0, 0},
    {0, "json", CH_OPT_FLAG, O(json), NULL, "one JSON object", 0, 0},
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "analyze stability|convergence|trajectory [--alpha A --p P | -m MODEL -f FILE] "
                "[options]",
    .about = "v <- alpha v + (1 - alpha) v_target - beta (x - mu);  x <- x + dt gate v\n"
             "  stability    spectral radius, regime and the exact region, at a point or on a grid\n"
             "  convergence  steps to a tolerance, fixed point, closed form against the loop\n"
             "  trajectory   x, v, the published energy and a Lyapunov function, step by step\n"
             "With a model, the same of its steps: regions, steps to a tolerance, and how far "
             "tokens come.\ndocs/integrator.md proves what this computes.",
    .opts = opts,
    .least_args = 1,
    .most_args = 1,
};

static const struct {
    const char *name;
    int (*run)(const ch_analyze_options *o);
} questions[] = {
    {"stability", ch_cli_stability},
    {"convergence", ch_cli_convergence},
    {"trajectory", ch_cli_trajectory},
};

int ch_cli_asked(ch_asked *out, bool *point, const ch_analyze_options *o)
{
    const bool pulled = !isnan(o->p) || !isnan(o->beta);
    *point = !isnan(o->alpha);
    *out = (ch_asked){.k = {.alpha = o->alpha, .beta = o->beta, .gate = o->gate, .dt = o->dt,
                            .target = o->target, .mu = o->mu},
                      .p = o->p};
    if (*point != pulled)
        return ch_cli_usage("analyze", "a point is --alpha and one of --p and --beta");
    if (!*point)
        return isnan(o->then_p) ? -1 : ch_cli_usage("analyze", "--then-p wants a point before it");
    if (!isnan(o->p) && !isnan(o->beta))
        return ch_cli_usage("analyze", "--p is dt gate beta: give it or --beta");
    if (isnan(o->p))
        out->p = ch_analyze_pull(&out->k);
    else if (o->dt * o->gate == 0)
        return ch_cli_usage("analyze", "with --p neither --dt nor --gate may be 0");
    else
        out->k.beta = o->p / (o->dt * o->gate);
    return -1;
}

int ch_cli_plot_path(char *path, size_t size, const char *dir, const char *name, ch_err *e)
{
    const int n = snprintf(path, size, "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= size)
        return ch_fail(e, CH_EARG, "the path of the plots has %zu bytes, allowed are %zu",
                       strlen(dir), size - strlen(name) - 2);
    return ch_io_make_dir(dir, e);
}

void ch_cli_say_drawn(bool drawn, const char *path)
{
    if (!drawn)
        fprintf(stderr, "gnuplot did not draw %s; its script and numbers lie beside it\n", path);
}

int ch_cmd_analyze(int argc, char **argv)
{
    const double unset = (double)NAN;
    ch_analyze_options o = {.alpha = unset, .p = unset, .beta = unset, .gate = 1, .dt = 0.1,
                            .x0 = 1, .then_alpha = unset, .then_p = unset, .tolerance = 1e-3,
                            .grid = {.alphas = 11, .ps = 100, .p_most = 5}, .steps = 20};
    const char *args[1];
    int n_args;
    const int rc = ch_cli_parse(&o, args, &n_args, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    for (size_t i = 0; i < CH_COUNT(questions); i++)
        if (strcmp(args[0], questions[i].name) == 0)
            return o.model ? ch_cli_analyze_model(&o, args[0]) : questions[i].run(&o);
    return ch_cli_usage("analyze", "\"%.40s\" is none of stability, convergence, trajectory",
                        args[0]);
}
