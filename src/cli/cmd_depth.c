/* cmd_depth.c - chalcis depth: how many steps tokens of an integrator need, and what a gate saves
 *
 * The gate is fitted on the first half of a text; everything that is said is measured on the
 * second: fixed numbers of steps, the gate at several tolerances, and beside each the same
 * histogram of steps given to other tokens: at random, by position, and by what only the answer
 * tells.
 * SPDX-License-Identifier: MIT */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "depths.h"
#include "gate.h"

enum { MOST_LINES = 64 };

struct options {
    const char *model, *tokenizer, *file, *out;
    double tolerance;
    int threads, window;
    int64_t tokens;
    bool keep, json;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    {'m', "model", CH_OPT_STR, O(model), "FILE", "GGUF file", 0, 0},
    {0, "tokenizer", CH_OPT_STR, O(tokenizer), "FILE", "a vocabulary to use [the model's]", 0, 0},
    {'f', "file", CH_OPT_STR, O(file), "FILE", "the text; - is standard input [-]", 0, 0},
    {'o', "out", CH_OPT_STR, O(out), "FILE", "write the model with this gate, as GGUF", 0, 0},
    {0, "tolerance", CH_OPT_REAL, O(tolerance), "NATS", "its tolerance [0.01]", 1e-9, 1e3},
    {0, "keep-gate", CH_OPT_FLAG, O(keep), NULL, "measure the gate that the model has", 0, 0},
    {'c', "window", CH_OPT_INT, O(window), "N", "tokens in a window [256]", 2, 1e6},
    CH_OPT_THREADS(O(threads), "the result"),
    CH_OPT_JSON(O(json)),
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "depth -m MODEL -f FILE [-o OUT] [--tolerance NATS]",
    .about = "How many steps do tokens need?  For models whose blocks integrate and have a depth "
             "gate\n(train --depth N --gate-layer L).  docs/integrator.md explains the table.",
    .opts = opts,
};

/* One line of the table. */
typedef struct line {
    const char *rule;
    double tolerance, steps, bits, low, high, kl, us;
} line;

typedef struct asking {
    const struct options *o;
    ch_model *m;
    ch_tokenizer *tk;
    ch_pool *pool;
    ch_buf text;
    int N, D;
    double tolerance; /* that was asked for, or the model's */
    real *w, *b;
    double *r2;
    /* of the second half: */
    ch_depths d;
    size_t bytes;
    real *h;
    double *kl, *nll, *full, *key; /* kl: (N - 1, rows) */
    int32_t *depth, *other;
    line line[MOST_LINES];
    int lines;
    ch_err e;
} asking;

/* ---- The gate ------------------------------------------------------------------------------- */

static int open_half(asking *a, ch_depths *d, const char *text, size_t n)
{
    ch_tokens ids = {0};
    int rc = ch_tokenizer_encode(&ids, a->tk, text, n, CH_ENCODE_BOS, &a->e);
    const int head =
        ids.n > 0 && ids.id[0] == ch_tokenizer_bos(a->tk) && ch_tokenizer_adds_bos(a->tk);
    if (rc == CH_OK)
        rc = ch_depths_open(d, a->m, a->pool, &ids, head, a->o->window, &a->e);
    ch_tokens_free(&ids);
    return rc;
}

/* Of the tokens that are scored. */
static int count_bytes(asking *a)
{
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    for (int64_t t = 0; t < a->d.rows; t++) {
        ch_buf_clear(&b);
        if (a->d.target[t] >= 0)
            ch_tokenizer_append(&b, a->tk, a->d.id[t], a->d.target[t]);
        a->bytes += b.size;
    }
    const int rc = ch_buf_check(&b, "a token", &a->e);
    ch_buf_close(&b);
    return rc;
}

static int fit(asking *a, const char *text, size_t n)
{
    enum { LEAST = -14 }; /* ln KL below it is rounding */
    ch_depths d;
    const int outputs = a->N - 1;
    int rc = open_half(a, &d, text, n);
    if (rc < 0)
        return rc;
    const size_t rows = (size_t)d.rows;
    real *h = malloc(rows * (size_t)a->D * sizeof *h);
    double *y = malloc(rows * (size_t)outputs * sizeof *y), *kl = malloc(rows * sizeof *kl);
    if (!h || !y || !kl)
        rc = ch_fail(&a->e, CH_ENOMEM, "no memory to fit a gate to %zu tokens", rows);
    if (rc == CH_OK)
        ch_depths_inputs(&d, h);
    for (int k = 1; rc == CH_OK && k <= outputs; k++) {
        ch_depths_divergence(&d, k, kl);
        for (size_t t = 0; t < rows && rc == CH_OK; t++) {
            if (!isfinite(kl[t]))
                rc = ch_fail(&a->e, CH_EFORMAT,
                             "token %zu: the logits after %d or %d steps are not finite", t, k,
                             a->N);
            y[t * (size_t)outputs + (size_t)k - 1] = fmax(log(kl[t]), LEAST);
        }
    }
    if (rc == CH_OK)
        rc = ch_gate_fit(a->w, a->b, a->r2, h, y, d.rows, a->D, outputs, 1e-3, &a->e);
    free(h);
    free(y);
    free(kl);
    ch_depths_close(&d);
    return rc;
}

static const ch_file_tensor *gate_tensor(const asking *a, const char *name)
{
    return ch_file_tensor_find(a->m->file, name);
}

static void keep(asking *a)
{
    const ch_file_tensor *w = gate_tensor(a, "depth_gate.weight");
    const ch_file_tensor *b = gate_tensor(a, "depth_gate.bias");
    ch_tensor_read(a->w, &w->t, 0, ch_tensor_count(&w->t));
    ch_tensor_read(a->b, &b->t, 0, ch_tensor_count(&b->t));
    if (a->o->tolerance == 0)
        a->tolerance = a->m->config.integrator.tolerance;
    for (int k = 0; k < a->N - 1; k++)
        a->r2[k] = (double)NAN;
}

/* ---- The table ------------------------------------------------------------------------------ */

/* Nats a row more than with all steps, over windows of (nats more, rows). */
static double more(const ch_stats *s, const uint32_t *pick, size_t n)
{
    double nats = 0, rows = 0;
    for (size_t i = 0; i < n; i++) {
        const double *row = s->at + (pick ? pick[i] : i) * (size_t)s->k;
        nats += row[0];
        rows += row[1];
    }
    return rows > 0 ? nats / rows : 0;
}

static int interval(asking *a, line *l)
{
    const ch_depths *d = &a->d;
    ch_stats s = {.n = (size_t)((d->rows + d->window - 1) / d->window), .k = 2};
    double draws[CH_DRAWS];
    s.at = calloc(s.n, 2 * sizeof *s.at);
    if (!s.at)
        return ch_fail(&a->e, CH_ENOMEM, "no memory for %zu windows", s.n);
    for (int64_t t = 0; t < d->rows; t++) {
        s.at[t / d->window * 2] += a->nll[t] - a->full[t];
        s.at[t / d->window * 2 + 1]++;
    }
    const int rc = ch_bootstrap(draws, &s, more, 1, &a->e);
    if (rc == CH_OK)
        ch_draws_interval(&l->low, &l->high, draws);
    const double bits_of = (double)d->rows / (log(2) * (double)a->bytes);
    l->low *= bits_of;
    l->high *= bits_of;
    free(s.at);
    return rc;
}

static int measure(asking *a, const char *rule, double tolerance, const int32_t *depth)
{
    line *l = &a->line[a->lines];
    const int64_t rows = a->d.rows;
    *l = (line){.rule = rule, .tolerance = tolerance};
    l->us = 1e6 * ch_depths_nll(&a->d, depth, a->nll) / (double)rows;
    for (int64_t t = 0; t < rows; t++) {
        l->steps += depth[t] / (double)rows;
        l->bits += a->nll[t] / (log(2) * (double)a->bytes);
        l->kl += depth[t] < a->N ? a->kl[(depth[t] - 1) * rows + t] / (double)rows : 0;
    }
    a->lines++;
    return interval(a, l);
}

static int fixed(asking *a)
{
    int rc = CH_OK;
    for (int k = a->N; k > 0 && rc == CH_OK; k--) {
        for (int64_t t = 0; t < a->d.rows; t++)
            a->depth[t] = k;
        if (k == a->N)
            ch_depths_nll(&a->d, a->depth, a->full);
        rc = measure(a, "fixed", (double)NAN, a->depth);
    }
    return rc;
}

static double key_of(const asking *a, int rule, int64_t t)
{
    return rule == 0 ? ch_rng_uniform(1, CH_RNG_EVAL, 7, (uint64_t)t)
           : rule == 1 ? -(double)a->d.pos[t]
                       : a->kl[t];
}

static int gated(asking *a, double tolerance)
{
    static const char *const rules[] = {"  random", "  position", "  hindsight"};
    const int64_t rows = a->d.rows;
    ch_depths_by_gate(a->depth, a->h, rows, a->D, a->w, a->b, a->N, tolerance);
    int rc = measure(a, "gate", tolerance, a->depth);
    for (int r = 0; r < (int)CH_COUNT(rules) && rc == CH_OK; r++) {
        for (int64_t t = 0; t < rows; t++)
            a->key[t] = key_of(a, r, t);
        rc = ch_depths_by_key(a->other, a->depth, a->key, rows, &a->e);
        if (rc == CH_OK)
            rc = measure(a, rules[r], tolerance, a->other);
    }
    return rc;
}

static int fill(asking *a)
{
    static const double tolerances[] = {0.3, 0.1, 0.03, 0.01, 0.003, 0.001};
    const size_t rows = (size_t)a->d.rows;
    a->h = malloc(rows * (size_t)a->D * sizeof *a->h);
    a->kl = malloc(rows * (size_t)a->N * sizeof *a->kl);
    a->nll = malloc(3 * rows * sizeof *a->nll);
    a->depth = malloc(2 * rows * sizeof *a->depth);
    if (!a->h || !a->kl || !a->nll || !a->depth)
        return ch_fail(&a->e, CH_ENOMEM, "no memory for %zu tokens", rows);
    a->full = a->nll + rows;
    a->key = a->full + rows;
    a->other = a->depth + rows;
    ch_depths_inputs(&a->d, a->h);
    for (int k = 1; k < a->N; k++)
        ch_depths_divergence(&a->d, k, a->kl + (size_t)(k - 1) * rows);
    int rc = fixed(a);
    bool among = a->tolerance <= 0;
    for (size_t i = 0; i < CH_COUNT(tolerances) && rc == CH_OK; i++) {
        if (!among && a->tolerance > tolerances[i])
            rc = gated(a, a->tolerance);
        among |= a->tolerance >= tolerances[i];
        if (rc == CH_OK)
            rc = gated(a, tolerances[i]);
    }
    return among || rc < 0 ? rc : gated(a, a->tolerance);
}

/* ---- Saying it ------------------------------------------------------------------------------ */

static int print_json(const asking *a)
{
    json_t *lines = json_array(), *r2 = json_array();
    for (int k = 0; k < a->N - 1; k++)
        json_array_append_new(r2, ch_cli_number(a->r2[k]));
    for (int i = 0; i < a->lines; i++) {
        const line *l = &a->line[i];
        json_array_append_new(
            lines, json_pack("{s:s, s:o, s:f, s:f, s:o, s:o, s:f, s:f}", "rule",
                             l->rule + strspn(l->rule, " "), "tolerance",
                             ch_cli_number(l->tolerance), "steps", l->steps, "bits_per_byte",
                             l->bits, "more_low", ch_cli_number(l->low), "more_high",
                             ch_cli_number(l->high), "kl", l->kl, "us_per_token", l->us));
    }
    return ch_cli_print_json(json_pack("{s:I, s:i, s:o, s:o}", "tokens", (json_int_t)a->d.rows,
                                       "depth", a->N, "r2", r2, "lines", lines));
}

static void print_text(const asking *a)
{
    printf("%lld tokens", (long long)a->d.rows);
    for (int k = 1; k < a->N && !a->o->keep; k++)
        printf("%s %.0f %% after %d", k > 1 ? "," : "; of ln KL to all steps the gate explains",
               100 * a->r2[k - 1], k);
    printf("\n\n%-12s %9s %6s %11s %23s %9s %9s\n", "steps by", "tolerance", "steps",
           "bits a byte", "more than all steps", "KL, nats", "us/token");
    for (int i = 0; i < a->lines; i++) {
        const line *l = &a->line[i];
        char tolerance[16] = "", more_than_all[40] = "";
        if (!isnan(l->tolerance))
            snprintf(tolerance, sizeof tolerance, "%g", l->tolerance);
        if (!isnan(l->low))
            snprintf(more_than_all, sizeof more_than_all, "(%+.5f to %+.5f)", l->low, l->high);
        printf("%-12s %9s %6.3f %11.5f %23s %9.5f %9.1f\n", l->rule, tolerance, l->steps,
               l->bits, more_than_all, l->kl, l->us);
    }
}

/* ---- The model with its gate ---------------------------------------------------------------- */

static int write_model(asking *a)
{
    static const char *const names[] = {"depth_gate.weight", "depth_gate.bias"};
    const ch_tensor gate[] = {ch_tensor_2d(a->w, CH_REAL, a->N - 1, a->D),
                              ch_tensor_1d(a->b, CH_REAL, a->N - 1)};
    const ch_file *from = a->m->file;
    ch_file *to = NULL;
    char key[128];
    snprintf(key, sizeof key, "%s.integrator.tolerance", a->m->config.arch->name);
    int rc = ch_file_new(&to, &a->e);
    for (size_t i = 0; i < from->n_meta && rc == CH_OK; i++)
        rc = ch_file_set_meta(to, &from->meta[i], &a->e);
    if (rc == CH_OK)
        rc = ch_file_set_f32(to, key, (float)a->tolerance, &a->e);
    for (size_t i = 0; i < from->n_tensors && rc == CH_OK; i++) {
        const ch_file_tensor *t = &from->tensors[i];
        const ch_tensor *is = &t->t;
        for (size_t g = 0; g < CH_COUNT(names); g++)
            if (strcmp(t->name, names[g]) == 0)
                is = &gate[g];
        rc = ch_file_add_tensor(to, t->name, is, &a->e);
    }
    if (rc == CH_OK)
        rc = ch_gguf_write(to, a->o->out, &a->e);
    ch_file_close(&to);
    return rc;
}

/* ---- All of it ------------------------------------------------------------------------------ */

static int open_model(asking *a)
{
    char path[4096];
    int rc = ch_cli_model_path(path, sizeof path, a->o->model, &a->e);
    if (rc == CH_OK && a->o->out)
        rc = ch_cli_refuse_same(path, a->o->out, &a->e);
    if (rc == CH_OK)
        rc = ch_cli_open_model(&a->m, path, a->o->threads, &a->e);
    if (rc == CH_OK && (a->m->config.integrator.gate_layer == 0 || !a->m->file))
        rc = ch_fail(&a->e, CH_EARG, "%s: the model has no depth gate: its tokens all take as many "
                                     "steps (train --depth 3 --gate-layer 2)", path);
    if (rc == CH_OK)
        rc = ch_tokenizer_open(&a->tk, path, a->o->tokenizer, &a->e);
    if (rc == CH_OK)
        rc = ch_pool_open(&a->pool, a->o->threads, &a->e);
    if (rc < 0)
        return rc;
    a->N = a->m->config.integrator.depth;
    a->D = a->m->config.width;
    a->w = calloc((size_t)a->N, ((size_t)a->D + 1) * sizeof *a->w);
    a->r2 = calloc((size_t)a->N, sizeof *a->r2);
    if (!a->w || !a->r2)
        return ch_fail(&a->e, CH_ENOMEM, "no memory for a gate of width %d", a->D);
    a->b = a->w + (ptrdiff_t)(a->N - 1) * a->D;
    return ch_cli_text(&a->text, NULL, a->o->file, &a->e);
}

static int ask(asking *a)
{
    int rc = open_model(a);
    if (rc < 0)
        return rc;
    const char *text = a->text.data ? a->text.data : "";
    const size_t half = ch_utf8_whole(text, a->text.size / 2);
    if (a->o->keep)
        keep(a);
    else
        rc = fit(a, text, half);
    if (rc == CH_OK)
        rc = open_half(a, &a->d, text + half, a->text.size - half);
    if (rc == CH_OK)
        rc = count_bytes(a);
    if (rc == CH_OK)
        rc = fill(a);
    return rc == CH_OK && a->o->out ? write_model(a) : rc;
}

static void close_all(asking *a)
{
    ch_depths_close(&a->d);
    free(a->h);
    free(a->kl);
    free(a->nll);
    free(a->depth);
    free(a->w);
    free(a->r2);
    ch_buf_close(&a->text);
    ch_pool_close(&a->pool);
    ch_tokenizer_close(&a->tk);
    ch_model_close(&a->m);
}

int ch_cmd_depth(int argc, char **argv)
{
    struct options o = {0};
    int n_args;
    const int parsed = ch_cli_parse(&o, NULL, &n_args, argc, argv, &usage);
    if (parsed >= 0)
        return parsed;
    if (o.window == 0)
        o.window = 256;
    asking a = {.o = &o, .tolerance = o.tolerance > 0 ? o.tolerance : 0.01};
    ch_buf_init(&a.text, (size_t)1 << 30);
    const int rc = ask(&a);
    int code = rc < 0 ? ch_cli_fail(&a.e) : CH_EXIT_OK;
    if (rc == CH_OK && o.json)
        code = print_json(&a);
    else if (rc == CH_OK)
        print_text(&a);
    close_all(&a);
    return code;
}
