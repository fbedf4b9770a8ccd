/* cmd_compare.c - chalcis compare: runs of training side by side
 *
 * A run is what `train --out` made: its log says what happened, its checkpoint which options it
 * has.  Options that all runs share are not shown.  Runs of different length are also compared
 * where the shortest one ends, between two validations by a straight line.
 * SPDX-License-Identifier: MIT */
#include "cli.h"
#include "report.h"
#include "train.h"

#include <math.h>
#include <string.h>

enum { CHART_ROWS = 16, NAME_MOST = 22, CELL = 32 };

struct options {
    const char *plot;
    bool json, chart;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    {0, "plot", CH_OPT_STR, O(plot), "FILE", "draw their curves, as .svg or .png (with gnuplot)", 0, 0},
    {0, "chart", CH_OPT_FLAG, O(chart), NULL, "draw their curves here, in characters", 0, 0},
    {0, "json", CH_OPT_FLAG, O(json), NULL, "one JSON object", 0, 0},
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "compare RUN [RUN ...] [--plot FILE] [--chart] [--json]",
    .about = "What up to 8 runs of training reached, at their ends and after equally many tokens, "
             "and the options in\nwhich they differ.  RUN is a directory that train made.",
    .opts = opts,
    .least_args = 1,
    .most_args = CH_RUNS_MOST,
};

struct run {
    const char *path;
    char name[NAME_MOST + 4];
    ch_run_log log;
    json_t *state;
    int64_t parameters;
    double tokens, seconds;
};

struct comparison {
    struct run run[CH_RUNS_MOST];
    int n;
    double equal_tokens; /* the least of the runs */
};

/* ---- Reading ------------------------------------------------------------------------------- */

/* The path, or its end. */
static void set_name(struct run *r)
{
    size_t n = strlen(r->path);
    while (n > 1 && r->path[n - 1] == '/')
        n--;
    const bool cut = n > NAME_MOST;
    size_t from = cut ? n - (NAME_MOST - 2) : 0;
    while (from < n && ((unsigned char)r->path[from] & 0xc0) == 0x80)
        from++;
    snprintf(r->name, sizeof r->name, "%s%.*s", cut ? ".." : "", (int)(n - from), r->path + from);
}

static int count_parameters(struct run *r, ch_err *e)
{
    ch_train_options o = {.out = r->path};
    const json_t *options = json_object_get(r->state, "options");
    if (!json_is_object(options))
        return ch_fail(e, CH_EFORMAT, "%s: state.json has no \"options\"", r->path);
    const int rc = ch_train_settle(&o, options, e);
    if (rc < 0)
        return ch_fail_at(e, "%s", r->path);
    const ch_config c = ch_train_config(&o);
    r->parameters = ch_model_count(&c, true);
    return CH_OK;
}

static int read_run(struct run *r, const char *path, ch_err *e)
{
    r->path = path;
    set_name(r);
    int rc = ch_report_log_read(&r->log, path, e);
    if (rc == CH_OK && !ch_checkpoint_exists(path))
        rc = ch_fail(e, CH_EARG, "%s is no run of training: there is no checkpoint", path);
    if (rc == CH_OK)
        rc = ch_checkpoint_load(path, NULL, &r->state, e);
    if (rc == CH_OK)
        rc = count_parameters(r, e);
    for (size_t i = 0; rc == CH_OK && i < r->log.n; i++)
        r->seconds += r->log.seconds[i];
    r->tokens = r->log.n ? r->log.tokens[r->log.n - 1] : 0;
    return rc;
}

/* ---- Figures ------------------------------------------------------------------------------- */

enum figure {
    STEPS,
    TOKENS,
    PARAMETERS,
    SECONDS,
    TOK_S,
    TRAIN_LOSS,
    BEST_VAL,
    BEST_BPB,
    EQUAL_TRAIN,
    EQUAL_VAL,
    FIGURES
};

static const struct {
    const char *key, *label;
} figures[FIGURES] = {
    [STEPS] = {"steps", "steps"},
    [TOKENS] = {"tokens", "tokens"},
    [PARAMETERS] = {"parameters", "parameters"},
    [SECONDS] = {"seconds", "time in steps"},
    [TOK_S] = {"tok_s", "tokens a second"},
    [TRAIN_LOSS] = {"train_loss", "training loss"},
    [BEST_VAL] = {"best_val_loss", "best validation"},
    [BEST_BPB] = {"best_val_bpb", "  bits a byte"},
    [EQUAL_TRAIN] = {"equal_train_loss", "  training loss"},
    [EQUAL_VAL] = {"equal_val_loss", "  validation"},
};

static double figure(const struct comparison *c, int i, enum figure what)
{
    const struct run *r = &c->run[i];
    const int64_t best = ch_report_log_best(&r->log);
    switch (what) {
    case STEPS: return r->log.n ? r->log.step[r->log.n - 1] : 0;
    case TOKENS: return r->tokens;
    case PARAMETERS: return (double)r->parameters;
    case SECONDS: return r->seconds;
    case TOK_S: return r->seconds > 0 ? r->tokens / r->seconds : (double)NAN;
    case TRAIN_LOSS: return ch_report_log_loss(&r->log, (double)INFINITY);
    case BEST_VAL: return best < 0 ? (double)NAN : r->log.val_loss[best];
    case BEST_BPB: return best < 0 ? (double)NAN : r->log.val_bpb[best];
    case EQUAL_TRAIN: return ch_report_log_loss(&r->log, c->equal_tokens);
    case EQUAL_VAL: return ch_report_log_val(&r->log, c->equal_tokens);
    default: return (double)NAN;
    }
}

static void cell_text(char *out, size_t size, double x, enum figure what)
{
    if (!isfinite(x))
        snprintf(out, size, "-");
    else if (what == STEPS)
        snprintf(out, size, "%.0f", x);
    else if (what == SECONDS)
        ch_report_time(out, size, x);
    else if (what < TRAIN_LOSS)
        ch_report_count(out, size, x);
    else
        snprintf(out, size, "%.4f", x);
}

static const json_t *option_of(const struct run *r, const char *key)
{
    return json_object_get(json_object_get(r->state, "options"), key);
}

static bool differs(const struct comparison *c, const char *key)
{
    for (int i = 1; i < c->n; i++)
        if (!json_equal(option_of(&c->run[0], key), option_of(&c->run[i], key)))
            return true;
    return false;
}

static void option_text(char *out, size_t size, const json_t *v)
{
    if (json_is_string(v))
        snprintf(out, size, "%.20s", json_string_value(v));
    else if (json_is_integer(v))
        snprintf(out, size, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        snprintf(out, size, "%.6g", json_real_value(v));
    else if (json_is_boolean(v))
        snprintf(out, size, "%s", json_is_true(v) ? "yes" : "no");
    else
        snprintf(out, size, "-");
}

/* The options in which runs differ, in the first run's order, then those that only others have. */
typedef void each_option(void *arg, const struct comparison *c, const char *key);

static void each_difference(const struct comparison *c, each_option *fn, void *arg)
{
    for (int i = 0; i < c->n; i++) {
        json_t *options = json_object_get(c->run[i].state, "options");
        for (void *it = json_object_iter(options); it; it = json_object_iter_next(options, it)) {
            const char *key = json_object_iter_key(it);
            bool before = false;
            for (int k = 0; k < i; k++)
                before |= option_of(&c->run[k], key) != NULL;
            if (!before && differs(c, key))
                fn(arg, c, key);
        }
    }
}

/* ---- As a table, as JSON ------------------------------------------------------------------- */

static void print_row(const struct comparison *c, const char *label, char (*cell)[CELL])
{
    printf("%-18s", label);
    for (int i = 0; i < c->n; i++)
        printf("  %*s", CH_MAX((int)strlen(c->run[i].name), 10), cell[i]);
    putchar('\n');
}

static void print_option(void *arg, const struct comparison *c, const char *key)
{
    char cell[CH_RUNS_MOST][CELL], label[CELL];
    bool *any = arg;
    if (!*any)
        puts("options that differ");
    *any = true;
    for (int i = 0; i < c->n; i++)
        option_text(cell[i], CELL, option_of(&c->run[i], key));
    snprintf(label, sizeof label, "  %.28s", key);
    print_row(c, label, cell);
}

static void print_table(const struct comparison *c)
{
    char cell[CH_RUNS_MOST][CELL], tokens[16];
    for (int i = 0; i < c->n; i++)
        snprintf(cell[i], CELL, "%s", c->run[i].name);
    print_row(c, "", cell);
    for (int f = 0; f < FIGURES; f++) {
        if (f >= EQUAL_TRAIN && c->n == 1)
            break;
        if (f == EQUAL_TRAIN) {
            ch_report_count(tokens, sizeof tokens, c->equal_tokens);
            printf("after %s tokens\n", tokens);
        }
        for (int i = 0; i < c->n; i++)
            cell_text(cell[i], CELL, figure(c, i, f), f);
        print_row(c, figures[f].label, cell);
    }
    bool any = false;
    each_difference(c, print_option, &any);
}

static void add_option(void *arg, const struct comparison *c, const char *key)
{
    json_t *values = json_array();
    for (int i = 0; i < c->n; i++) {
        json_t *v = (json_t *)(uintptr_t)option_of(&c->run[i], key);
        json_array_append_new(values, v ? json_incref(v) : json_null());
    }
    json_object_set_new(arg, key, values);
}

static int print_json(const struct comparison *c)
{
    json_t *runs = json_array(), *options = json_object();
    for (int i = 0; i < c->n; i++) {
        json_t *r = json_pack("{s:s}", "run", c->run[i].path);
        if (!r) { /* a path that is not UTF-8 */
            json_decref(runs);
            json_decref(options);
            return ch_cli_print_json(NULL);
        }
        for (int f = 0; f < FIGURES; f++) {
            const double x = figure(c, i, f);
            json_object_set_new(r, figures[f].key,
                                f <= PARAMETERS ? json_integer((json_int_t)x) : ch_cli_number(x));
        }
        json_array_append_new(runs, r);
    }
    each_difference(c, add_option, options);
    return ch_cli_print_json(json_pack("{s:o, s:f, s:o}", "runs", runs, "equal_tokens",
                                       c->equal_tokens, "options", options));
}

/* ---- Curves, and what cannot be compared --------------------------------------------------- */

static int draw(const struct comparison *c, const struct options *o, ch_err *e)
{
    const ch_run_log *logs[CH_RUNS_MOST];
    const char *names[CH_RUNS_MOST];
    for (int i = 0; i < c->n; i++) {
        logs[i] = &c->run[i].log;
        names[i] = c->run[i].name;
    }
    ch_run_curves curves;
    ch_buf chart;
    ch_buf_init(&chart, 1 << 20);
    bool drawn = true;
    int rc = ch_report_curves(&curves, logs, names, c->n, c->n == 1 ? names[0] : "", e);
    if (rc == CH_OK && o->chart)
        rc = ch_report_chart(&chart, &curves.plot, 79, CHART_ROWS, e);
    if (rc == CH_OK && o->chart)
        printf("\n%s", chart.data);
    if (rc == CH_OK && o->plot)
        rc = ch_report_plot(&drawn, &curves.plot, o->plot, e);
    if (rc == CH_OK && !drawn)
        fprintf(stderr, "gnuplot did not draw %s; its script and numbers lie beside it\n", o->plot);
    ch_report_curves_free(&curves);
    ch_buf_close(&chart);
    return rc;
}

static void note_differences(const struct comparison *c)
{
    bool data = false;
    for (int i = 1; i < c->n; i++)
        data |= !json_equal(json_object_get(json_object_get(c->run[0].state, "data"), "hash"),
                            json_object_get(json_object_get(c->run[i].state, "data"), "hash"));
    if (differs(c, "vocab"))
        fputs("note: their vocabularies differ in size; losses are per token: compare bits a "
              "byte\n", stderr);
    else if (data)
        fputs("note: not all of them were trained and validated on the same tokens\n", stderr);
}

static int run(struct comparison *c, const char *const *paths, int n, const struct options *o)
{
    ch_err e = {0};
    int rc = CH_OK;
    c->equal_tokens = (double)INFINITY;
    for (; c->n < n && rc == CH_OK; c->n++) {
        rc = read_run(&c->run[c->n], paths[c->n], &e);
        c->equal_tokens = fmin(c->equal_tokens, c->run[c->n].tokens);
    }
    if (rc < 0)
        return ch_cli_fail(&e);
    int code = CH_EXIT_OK;
    if (o->json)
        code = print_json(c);
    else
        print_table(c);
    fflush(stdout);
    note_differences(c);
    if ((o->plot || o->chart) && draw(c, o, &e) < 0)
        return ch_cli_fail(&e);
    return code;
}

int ch_cmd_compare(int argc, char **argv)
{
    struct options o = {0};
    const char *args[CH_RUNS_MOST];
    int n_args;
    const int rc = ch_cli_parse(&o, args, &n_args, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    if (o.json && o.chart)
        return ch_cli_usage("compare", "--chart is text; it has no --json");
    struct comparison c = {0};
    const int code = run(&c, args, n_args, &o);
    for (int i = 0; i < c.n; i++) {
        ch_report_log_free(&c.run[i].log);
        json_decref(c.run[i].state);
    }
    return code;
}
