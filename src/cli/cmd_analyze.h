/* cmd_analyze.h - the three questions of chalcis analyze, and what they share
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_CMD_ANALYZE_H
#define CH_CMD_ANALYZE_H

#include "analyze.h"
#include "cli.h"

/* NaN: not given. */
typedef struct ch_analyze_options {
    double alpha, p, beta, gate, dt, target, mu, x0, v0, then_alpha, then_p, tolerance;
    ch_grid grid;
    int steps;
    const char *model, *tokenizer, *prompt, *file;
    int threads, tokens, iterations;
    const char *plot;
    bool json;
} ch_analyze_options;

/* What was asked of one set of parameters. */
typedef struct ch_asked {
    ch_integrator k;
    double p; /* as given; dt gate beta may differ in its last place */
} ch_asked;
/* -1, or the exit code after a sentence.  *point: parameters were given. */
int ch_cli_asked(ch_asked *out, bool *point, const ch_analyze_options *o);

int ch_cli_stability(const ch_analyze_options *o);
int ch_cli_convergence(const ch_analyze_options *o);
int ch_cli_trajectory(const ch_analyze_options *o);
/* The same of the steps that a model takes (analyze_model.c); question: "stability" ... */
int ch_cli_analyze_model(const ch_analyze_options *o, const char *question);

/* dir/name into path (dir is made); says on stderr what was not drawn. */
int ch_cli_plot_path(char *path, size_t size, const char *dir, const char *name, ch_err *e);
void ch_cli_say_drawn(bool drawn, const char *path);

#endif
