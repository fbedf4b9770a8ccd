/* cmd_bench.c - chalcis bench: prompt (pp) and generation (tg) speed, as the names are known
 * elsewhere
 *
 * ppN: N tokens into an empty session.  tgN: N single-token steps after one.  Tokens are
 * pseudo-random, no two rounds alike, so that nothing is found in a cache; drawing and text are
 * not counted.  One round warms up, then the tests take turns. SPDX-License-Identifier: MIT */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROUNDS = 1000, TESTS = 2 };

struct options {
    const char *model, *k_type, *v_type;
    int prompt, generate, rounds, threads;
    bool json, profile;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    {'m', "model", CH_OPT_STR, O(model), "MODEL", "a GGUF or llama2.c file, or a Hugging Face folder [the bundled one]", 0, 0},
    {'p', "prompt", CH_OPT_INT, O(prompt), "N", "prompt tokens [512]; 0: skip", 0, 1e6},
    {'n', "generate", CH_OPT_INT, O(generate), "N", "generated tokens [128]; 0: skip", 0, 1e6},
    {'r', "rounds", CH_OPT_INT, O(rounds), "N", "rounds [5]", 1, MOST_ROUNDS},
    {'t', "threads", CH_OPT_INT, O(threads), "N", "threads [one per CPU]", 0, 1024},
    CH_OPTS_CACHE(O(k_type), O(v_type)),
    {0, "profile", CH_OPT_FLAG, O(profile), NULL, "where the time of a step goes, instead", 0, 0},
    {0, "json", CH_OPT_FLAG, O(json), NULL, "a JSON array", 0, 0},
    {0},
};
#undef O

static const ch_usage usage = {.synopsis = "bench [-m MODEL] [-p N] [-n N] [-r N] [--json]",
                               .opts = opts};

struct bench {
    const struct options *o;
    char path[4096];
    ch_model *model;
    ch_session *base; /* empty: its forks share memory and threads */
    ch_model_info info;
    double *seconds[TESTS]; /* rounds each */
    uint64_t tokens;        /* counts tokens made, for tokens that differ */
};

static ch_token some_token(struct bench *b)
{
    return (ch_token)ch_rng_below((uint64_t)b->info.vocab, 1, CH_RNG_TEST, 0, b->tokens++);
}

static int feed(ch_session *s, struct bench *b, int n, ch_err *e)
{
    ch_token *t = malloc((size_t)CH_MAX(n, 1) * sizeof *t);
    if (!t)
        return ch_fail(e, CH_ENOMEM, "no memory for %d tokens", n);
    for (int i = 0; i < n; i++)
        t[i] = some_token(b);
    const int rc = ch_session_feed(s, t, n, e);
    free(t);
    return rc;
}

/* One round of one test.  *s gets the seconds, *steps how many steps that were. */
static int round_of(struct bench *b, int test, double *seconds, ch_profile *profile, ch_err *e)
{
    ch_session *s;
    int rc = ch_session_fork(&s, b->base, e);
    if (rc < 0)
        return rc;
    if (test == 1)
        rc = feed(s, b, 1, e);
    ch_session_profile(s, profile);
    const uint64_t t0 = ch_clock_ns();
    if (test == 0 && rc == CH_OK)
        rc = feed(s, b, b->o->prompt, e);
    for (int i = 0; test == 1 && i < b->o->generate && rc == CH_OK; i++)
        rc = feed(s, b, 1, e);
    *seconds = (double)(ch_clock_ns() - t0) * 1e-9;
    ch_session_close(&s);
    return rc;
}

static int size_of(const struct bench *b, int test)
{
    return test == 0 ? b->o->prompt : b->o->generate;
}

static int measure(struct bench *b, ch_err *e)
{
    for (int round = -1; round < b->o->rounds; round++)
        for (int test = 0; test < TESTS; test++) {
            double s = 0;
            const int rc = size_of(b, test) ? round_of(b, test, &s, NULL, e) : CH_OK;
            if (rc < 0)
                return rc;
            if (round >= 0)
                b->seconds[test][round] = s;
        }
    return CH_OK;
}

/* ---- Results ------------------------------------------------------------------------------- */

struct figures {
    double median, mean, stddev, least, most; /* tokens a second */
};

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct figures figures_of(const struct bench *b, int test)
{
    const int n = b->o->rounds;
    double *v = b->seconds[test];
    struct figures f = {0};
    for (int i = 0; i < n; i++)
        v[i] = size_of(b, test) / v[i];
    qsort(v, (size_t)n, sizeof *v, by_value);
    for (int i = 0; i < n; i++)
        f.mean += v[i] / n;
    for (int i = 0; i < n; i++)
        f.stddev += (v[i] - f.mean) * (v[i] - f.mean) / CH_MAX(n - 1, 1);
    f.stddev = sqrt(f.stddev);
    f.median = (v[(n - 1) / 2] + v[n / 2]) / 2;
    f.least = v[0];
    f.most = v[n - 1];
    return f;
}

static int print_results(struct bench *b)
{
    json_t *all = json_array();
    if (!b->o->json)
        printf("%s: %s, %.1f MB, %.2f M parameters, %d threads\n\n%-8s %12s %12s %10s %12s %12s\n",
               b->path, b->info.arch, (double)b->info.weight_bytes / 1e6,
               (double)b->info.parameters / 1e6, b->o->threads ? b->o->threads : ch_pool_cpus(),
               "test", "tok/s", "mean", "+-", "least", "most");
    for (int test = 0; test < TESTS; test++) {
        if (!size_of(b, test))
            continue;
        char name[24];
        snprintf(name, sizeof name, "%s%d", test == 0 ? "pp" : "tg", size_of(b, test));
        const struct figures f = figures_of(b, test);
        if (b->o->json)
            json_array_append_new(
                all, json_pack("{s:s, s:s, s:s, s:I, s:I, s:i, s:i, s:f, s:f, s:f, s:f, s:f}",
                               "test", name, "model", b->path, "arch", b->info.arch, "parameters",
                               (json_int_t)b->info.parameters, "bytes",
                               (json_int_t)b->info.weight_bytes, "threads",
                               b->o->threads ? b->o->threads : ch_pool_cpus(), "rounds",
                               b->o->rounds, "tok_s", f.median, "mean", f.mean, "stddev", f.stddev,
                               "least", f.least, "most", f.most));
        else
            printf("%-8s %12.1f %12.1f %10.1f %12.1f %12.1f\n", name, f.median, f.mean, f.stddev,
                   f.least, f.most);
    }
    if (b->o->json)
        return ch_cli_print_json(all);
    json_decref(all);
    return CH_EXIT_OK;
}

/* ---- Profile ------------------------------------------------------------------------------- */

static void print_profile(const struct bench *b, int test, const ch_profile *p, double seconds,
                          ch_pool_stats before)
{
    const int steps = test == 0 ? 1 : b->o->generate;
    const ch_pool_stats pool = ch_session_pool_stats(b->base);
    double counted = 0;
    printf("%s%d: %.1f us a %s, of which\n", test == 0 ? "pp" : "tg", size_of(b, test),
           seconds * 1e6 / steps, test == 0 ? "prompt" : "token");
    for (int op = 0; op < CH_OPS; op++) {
        const double s = (double)p->op[op].ns * 1e-9;
        counted += s;
        if (p->op[op].calls)
            printf("  %-16s %-10s %5.1f %%  %9.2f us  %6.1f calls  %8.2f GMAC/s  %8.2f GB/s\n",
                   ch_op_name((ch_op_id)op), ch_op_group((ch_op_id)op), 100 * s / seconds,
                   s * 1e6 / steps, (double)p->op[op].calls / steps, p->op[op].macs / s * 1e-9,
                   p->op[op].bytes / s * 1e-9);
    }
    printf("  %-27s %5.1f %%  %9.2f us\n", "outside operations", 100 * (1 - counted / seconds),
           (seconds - counted) * 1e6 / steps);
    printf("  barriers: %.1f a step; in them the caller waited %.2f us (%.1f %%)\n\n",
           (double)(pool.barriers - before.barriers) / steps,
           (double)(pool.wait_ns - before.wait_ns) * 1e-3 / steps,
           (double)(pool.wait_ns - before.wait_ns) * 1e-7 / seconds);
}

static int profile(struct bench *b, ch_err *e)
{
    for (int test = 0; test < TESTS; test++) {
        double s = 0;
        ch_profile p = {0};
        int rc = size_of(b, test) ? round_of(b, test, &s, NULL, e) : CH_OK; /* warm */
        const ch_pool_stats before = ch_session_pool_stats(b->base);
        if (rc == CH_OK && size_of(b, test)) {
            rc = round_of(b, test, &s, &p, e);
            if (rc == CH_OK)
                print_profile(b, test, &p, s, before);
        }
        if (rc < 0)
            return rc;
    }
    return CH_OK;
}

static int run(struct bench *b)
{
    ch_err e = {0};
    const struct options *o = b->o;
    int rc = ch_cli_model_path(b->path, sizeof b->path, o->model, &e);
    if (rc == CH_OK)
        rc = ch_cli_open_model(&b->model, b->path, o->threads, &e);
    if (rc < 0)
        return ch_cli_fail(&e);
    ch_model_get_info(&b->info, b->model);
    const int need = CH_MAX(o->prompt, o->generate + 1);
    const ch_session_options so = {
        .threads = o->threads, .context = need, .k_type = o->k_type, .v_type = o->v_type};
    if (need > b->info.context)
        ch_cli_note_context(need, b->info.context);
    rc = ch_session_open(&b->base, b->model, &so, &e);
    if (rc == CH_OK)
        rc = o->profile ? profile(b, &e) : measure(b, &e);
    if (rc < 0)
        return ch_cli_fail(&e);
    return o->profile ? CH_EXIT_OK : print_results(b);
}

int ch_cmd_bench(int argc, char **argv)
{
    struct options o = {.prompt = 512, .generate = 128, .rounds = 5};
    int n_args;
    const int rc = ch_cli_parse(&o, NULL, &n_args, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    if (o.json && o.profile)
        return ch_cli_usage("bench", "--profile is a table; it has no --json");
    if (o.prompt == 0 && o.generate == 0)
        return ch_cli_usage("bench", "-p 0 and -n 0 leave nothing to measure");
    double seconds[TESTS][MOST_ROUNDS];
    struct bench b = {.o = &o, .seconds = {seconds[0], seconds[1]}};
    const int code = run(&b);
    ch_session_close(&b.base);
    ch_model_close(&b.model);
    return code;
}
