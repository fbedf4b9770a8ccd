/* cmd_bench.c - chalcis bench: prompt (pp) and generation (tg) speed, as the names are known
 * elsewhere
 *
 * Tests are every depth with every number of streams and, of those, every -p, every -n and every
 * --pg.  SPDX-License-Identifier: MIT */
#include "benching.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct options {
    const char *model, *k_type, *v_type, *prompt, *generate, *depth, *streams, *format;
    ch_list both;
    int rounds, threads;
    bool json, profile;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    {'m', "model", CH_OPT_STR, O(model), "MODEL", "a GGUF or llama2.c file, or a Hugging Face folder [the bundled one]", 0, 0},
    {'p', "prompt", CH_OPT_STR, O(prompt), "LIST", "prompt tokens, a test each [512]; 0: skip", 0, 0},
    {'n', "generate", CH_OPT_STR, O(generate), "LIST", "generated tokens, a test each [128]; 0: skip", 0, 0},
    {0, "pg", CH_OPT_LIST, O(both), "P,N", "a prompt and N tokens after it; may be given several times", 0, 0},
    {'d', "depth", CH_OPT_STR, O(depth), "LIST", "tokens in the cache before each test [0]", 0, 0},
    {'s', "streams", CH_OPT_STR, O(streams), "LIST", "texts that go on together, a token each a step [1]", 0, 0},
    {'r', "rounds", CH_OPT_INT, O(rounds), "N", "rounds [5]", 1, CH_BENCH_ROUNDS},
    {'t', "threads", CH_OPT_INT, O(threads), "N", "threads [one per CPU]", 0, 1024},
    CH_OPTS_CACHE(O(k_type), O(v_type)),
    {'o', "output", CH_OPT_STR, O(format), "FORMAT", "md, csv, json or jsonl [md]", 0, 0},
    {0, "json", CH_OPT_FLAG, O(json), NULL, "-o json", 0, 0},
    {0, "profile", CH_OPT_FLAG, O(profile), NULL, "where the time of a step goes, beside what `cpu --measure` finds, instead", 0, 0},
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "bench [-m MODEL] [-p LIST] [-n LIST] [-d LIST] [-s LIST] [-r N] [-o FORMAT]",
    .about = "tok/s is the median of the rounds, +- one standard deviation.  A LIST is numbers and "
             "ranges:\n512 or 1,4,16 or 1-8 or 0-4096+1024 or 1-16*2.",
    .opts = opts};

enum { MOST_TOKENS = 1 << 20 };

struct lists {
    int prompt[CH_BENCH_NUMBERS], generate[CH_BENCH_NUMBERS], depth[CH_BENCH_NUMBERS],
        streams[CH_BENCH_NUMBERS];
    int prompts, generates, depths, stream_counts;
};

static int read_lists(struct lists *l, const struct options *o, ch_err *e)
{
    int rc = ch_bench_list(l->prompt, &l->prompts, o->prompt, "prompt", 0, MOST_TOKENS, e);
    if (rc == CH_OK)
        rc = ch_bench_list(l->generate, &l->generates, o->generate, "generate", 0, MOST_TOKENS, e);
    if (rc == CH_OK)
        rc = ch_bench_list(l->depth, &l->depths, o->depth, "depth", 0, MOST_TOKENS, e);
    if (rc == CH_OK)
        rc = ch_bench_list(l->streams, &l->stream_counts, o->streams, "streams", 1,
                           CH_BENCH_STREAMS, e);
    return rc;
}

static int add_pair(ch_bench *b, const char *text, int depth, int streams, ch_err *e)
{
    int pair[CH_BENCH_NUMBERS], n = 0;
    const int rc = ch_bench_list(pair, &n, text, "pg", 0, MOST_TOKENS, e);
    if (rc < 0)
        return rc;
    if (n != 2 || pair[0] + pair[1] == 0)
        return ch_fail(e, CH_EARG, "--pg is \"%.60s\"; wanted are two numbers, as in 512,128",
                       text);
    return ch_bench_add(b, pair[0], pair[1], depth, streams, e);
}

static int add_tests(ch_bench *b, const struct options *o, const struct lists *l, int depth,
                     int streams, ch_err *e)
{
    int rc = CH_OK;
    for (int i = 0; i < l->prompts && rc == CH_OK; i++)
        if (l->prompt[i])
            rc = ch_bench_add(b, l->prompt[i], 0, depth, streams, e);
    for (int i = 0; i < l->generates && rc == CH_OK; i++)
        if (l->generate[i])
            rc = ch_bench_add(b, 0, l->generate[i], depth, streams, e);
    for (int i = 0; i < o->both.n && rc == CH_OK; i++)
        rc = add_pair(b, o->both.at[i], depth, streams, e);
    return rc;
}

static int list_tests(ch_bench *b, const struct options *o, ch_err *e)
{
    struct lists l = {0};
    int rc = read_lists(&l, o, e);
    for (int d = 0; d < l.depths && rc == CH_OK; d++)
        for (int s = 0; s < l.stream_counts && rc == CH_OK; s++)
            rc = add_tests(b, o, &l, l.depth[d], l.streams[s], e);
    return rc;
}

static int run(ch_bench *b, const struct options *o)
{
    ch_err e = {0};
    ch_model *model = NULL;
    int rc = ch_cli_model_path(b->path, sizeof b->path, o->model, &e);
    if (rc == CH_OK)
        rc = ch_cli_open_model(&model, b->path, o->threads, &e);
    if (rc == CH_OK) {
        ch_model_get_info(&b->info, model);
        rc = ch_bench_measure(b, model, o->profile, &e);
    }
    ch_model_close(&model);
    ch_ceilings c;
    if (rc == CH_OK && o->profile)
        rc = ch_ceilings_measure(&c, b->threads, &e);
    if (rc < 0)
        return ch_cli_fail(&e);
    return o->profile ? ch_bench_profile_report(b, &c, strcmp(o->format, "json") == 0)
                      : ch_bench_report(b, o->format);
}

int ch_cmd_bench(int argc, char **argv)
{
    struct options o = {.prompt = "512", .generate = "128", .depth = "0", .streams = "1",
                        .format = "md", .rounds = 5};
    int n_args;
    const int rc = ch_cli_parse(&o, NULL, &n_args, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    if (o.json)
        o.format = "json";
    if (!ch_bench_has_format(o.format))
        return ch_cli_usage("bench", "--output is \"%.40s\", allowed are md, csv, json, jsonl",
                            o.format);
    if (o.profile && strcmp(o.format, "md") != 0 && strcmp(o.format, "json") != 0)
        return ch_cli_usage("bench", "--profile comes as md or json; it has no %.40s", o.format);
    ch_bench b = {.k_type = o.k_type ? o.k_type : "f16", .v_type = o.v_type ? o.v_type : "f16",
                  .threads = o.threads ? o.threads : ch_pool_cpus(), .rounds = o.rounds,
                  .began = (uint64_t)time(NULL)};
    ch_err e = {0};
    int code = CH_EXIT_USAGE;
    if (list_tests(&b, &o, &e) < 0)
        ch_cli_usage("bench", "%s", e.text);
    else if (b.n == 0)
        ch_cli_usage("bench", "-p 0 and -n 0 leave nothing to measure");
    else
        code = run(&b, &o);
    ch_bench_free(&b);
    return code;
}
