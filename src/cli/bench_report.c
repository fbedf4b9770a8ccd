/* bench_report.c - the results of chalcis bench as a table, CSV or JSON
 *
 * Fields are called as llama-bench calls them (avg_ts: mean of the rounds' tokens a second,
 * stddev_ts: of the sample, samples_ns ...), so that what reads its output reads ours; beside them
 * are n_streams and median_ts.  SPDX-License-Identifier: MIT */
#include "benching.h"
#include "kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct figures {
    double avg_ns, stddev_ns, avg_ts, stddev_ts, median_ts, least_ts, most_ts;
};

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void mean_and_spread(double *mean, double *spread, const double *v, int n)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++)
        sum += v[i];
    for (int i = 0; i < n; i++)
        squares += (v[i] - sum / n) * (v[i] - sum / n);
    *mean = sum / n;
    *spread = sqrt(squares / CH_MAX(n - 1, 1));
}

static struct figures figures_of(const ch_bench *b, const ch_bench_test *t)
{
    double ns[CH_BENCH_ROUNDS], ts[CH_BENCH_ROUNDS];
    struct figures f;
    const int n = b->rounds;
    for (int i = 0; i < n; i++) {
        ns[i] = t->seconds[i] * 1e9;
        ts[i] = ch_bench_tokens(t) / t->seconds[i];
    }
    mean_and_spread(&f.avg_ns, &f.stddev_ns, ns, n);
    mean_and_spread(&f.avg_ts, &f.stddev_ts, ts, n);
    qsort(ts, (size_t)n, sizeof *ts, by_value);
    f.median_ts = (ts[(n - 1) / 2] + ts[n / 2]) / 2;
    f.least_ts = ts[0];
    f.most_ts = ts[n - 1];
    return f;
}

/* ---- Objects ------------------------------------------------------------------------------- */

void ch_bench_describe(json_t *o, const ch_bench *b, const ch_bench_test *t)
{
    char features[128], name[96], when[32];
    unsigned bits = 0;
    const time_t began = (time_t)b->began;
    struct tm tm;
    ch_cpu_features(&bits, NULL, NULL);
    ch_cpu_describe(features, sizeof features, bits);
    ch_bench_name(name, sizeof name, t);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&began, &tm));
    json_object_set_new(o, "version", json_string(CHALCIS_VERSION));
    json_object_set_new(o, "cpu_info", json_string(features));
    json_object_set_new(o, "model_filename", json_string(b->path));
    json_object_set_new(o, "model_type", json_string(b->info.arch));
    json_object_set_new(o, "model_size", json_integer((json_int_t)b->info.weight_bytes));
    json_object_set_new(o, "model_n_params", json_integer(b->info.parameters));
    json_object_set_new(o, "n_threads", json_integer(b->threads));
    json_object_set_new(o, "type_k", json_string(b->k_type));
    json_object_set_new(o, "type_v", json_string(b->v_type));
    json_object_set_new(o, "n_prompt", json_integer(t->prompt));
    json_object_set_new(o, "n_gen", json_integer(t->generate));
    json_object_set_new(o, "n_depth", json_integer(t->depth));
    json_object_set_new(o, "n_streams", json_integer(t->streams));
    json_object_set_new(o, "test", json_string(name));
    json_object_set_new(o, "test_time", json_string(when));
}

static json_t *object_of(const ch_bench *b, const ch_bench_test *t, bool samples)
{
    const struct figures f = figures_of(b, t);
    json_t *o = json_object(), *ns = json_array(), *ts = json_array();
    ch_bench_describe(o, b, t);
    json_object_set_new(o, "avg_ns", json_integer((json_int_t)f.avg_ns));
    json_object_set_new(o, "stddev_ns", json_integer((json_int_t)f.stddev_ns));
    json_object_set_new(o, "avg_ts", json_real(f.avg_ts));
    json_object_set_new(o, "stddev_ts", json_real(f.stddev_ts));
    json_object_set_new(o, "median_ts", json_real(f.median_ts));
    for (int i = 0; i < b->rounds; i++) {
        json_array_append_new(ns, json_integer((json_int_t)(t->seconds[i] * 1e9)));
        json_array_append_new(ts, json_real(ch_bench_tokens(t) / t->seconds[i]));
    }
    if (samples) {
        json_object_set(o, "samples_ns", ns);
        json_object_set(o, "samples_ts", ts);
    }
    json_decref(ns);
    json_decref(ts);
    return o;
}

/* ---- Formats ------------------------------------------------------------------------------- */

static int print_json(const ch_bench *b)
{
    json_t *all = json_array();
    for (int i = 0; i < b->n; i++)
        json_array_append_new(all, object_of(b, &b->test[i], true));
    return ch_cli_print_json(all);
}

static int print_lines(const ch_bench *b)
{
    int rc = CH_EXIT_OK;
    for (int i = 0; i < b->n && rc == CH_EXIT_OK; i++)
        rc = ch_cli_print_json(object_of(b, &b->test[i], true));
    return rc;
}

/* RFC 4180: texts in quotes, those within doubled. */
static void print_cell(const json_t *v)
{
    if (json_is_integer(v))
        printf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_real(v))
        printf("%.6f", json_real_value(v));
    else {
        putchar('"');
        for (const char *p = json_string_value(v); p && *p; p++)
            printf(*p == '"' ? "\"\"" : "%c", *p);
        putchar('"');
    }
}

static int print_csv(const ch_bench *b)
{
    for (int i = 0; i < b->n; i++) {
        json_t *o = object_of(b, &b->test[i], false), *v;
        const char *key, *comma = "";
        json_object_foreach(o, key, v) {
            if (i > 0)
                break;
            printf("%s%s", comma, key);
            comma = ",";
        }
        if (i == 0)
            putchar('\n');
        comma = "";
        json_object_foreach(o, key, v) {
            fputs(comma, stdout);
            print_cell(v);
            comma = ",";
        }
        putchar('\n');
        json_decref(o);
    }
    return CH_EXIT_OK;
}

static int print_table(const ch_bench *b)
{
    int width = 4;
    char name[96];
    for (int i = 0; i < b->n; i++) {
        ch_bench_name(name, sizeof name, &b->test[i]);
        width = CH_MAX(width, (int)strlen(name));
    }
    printf("%s: %s, %.1f MB, %.2f M parameters, %d threads\n\n", b->path, b->info.arch,
           (double)b->info.weight_bytes / 1e6, (double)b->info.parameters / 1e6, b->threads);
    printf("| %-*s | %10s | %10s | %8s | %10s | %10s |\n|:%.*s-|-----------:|-----------:|"
           "---------:|-----------:|-----------:|\n",
           width, "test", "tok/s", "mean", "+-", "least", "most", width,
           "------------------------------------------------------------------------------------");
    for (int i = 0; i < b->n; i++) {
        const struct figures f = figures_of(b, &b->test[i]);
        ch_bench_name(name, sizeof name, &b->test[i]);
        printf("| %-*s | %10.1f | %10.1f | %8.1f | %10.1f | %10.1f |\n", width, name, f.median_ts,
               f.avg_ts, f.stddev_ts, f.least_ts, f.most_ts);
    }
    return CH_EXIT_OK;
}

static const struct format {
    const char *name;
    int (*print)(const ch_bench *b);
} formats[] = {
    {"md", print_table}, {"csv", print_csv}, {"json", print_json}, {"jsonl", print_lines}};

static const struct format *find(const char *name)
{
    for (size_t i = 0; i < CH_COUNT(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

bool ch_bench_has_format(const char *format)
{
    return find(format) != NULL;
}

int ch_bench_report(const ch_bench *b, const char *format)
{
    return find(format)->print(b);
}
