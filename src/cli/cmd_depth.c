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

#include "depth_table.h"
#include "gate.h"

enum { USUAL_WINDOW = 256 };

struct options {
    const char *model, *tokenizer, *file, *out;
    double tolerance;
    int threads, window;
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
    ch_depth_table table; /* of the second half, */
    int64_t rows;         /* as many tokens */
    ch_err e;
} asking;

/* ---- The gate ------------------------------------------------------------------------------- */

static int open_half(asking *a, ch_depths *d, const char *text, size_t n, size_t *bytes)
{
    const int window = a->o->window ? a->o->window : USUAL_WINDOW;
    ch_windows w;
    int rc = ch_windows_open(&w, a->tk, text, n, "half of the text", window, window - 1, window,
                             CH_MAX_CONTEXT, &a->e);
    if (rc < 0)
        return rc;
    *bytes = w.bytes;
    rc = ch_depths_open(d, a->m, a->pool, &w, &a->e);
    ch_windows_close(&w);
    return rc;
}

static int fit(asking *a, const char *text, size_t n)
{
    enum { LEAST = -14 }; /* ln KL below it is rounding */
    ch_depths d;
    size_t bytes;
    const int outputs = a->N - 1;
    int rc = open_half(a, &d, text, n, &bytes);
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

/* ---- Saying it ------------------------------------------------------------------------------ */

static int print_json(const asking *a)
{
    json_t *lines = json_array(), *r2 = json_array();
    for (int k = 0; k < a->N - 1; k++)
        json_array_append_new(r2, ch_cli_number(a->r2[k]));
    for (int i = 0; i < a->table.lines; i++) {
        const ch_depth_line *l = &a->table.line[i];
        json_array_append_new(
            lines, json_pack("{s:s, s:o, s:f, s:f, s:o, s:o, s:f, s:f}", "rule",
                             l->rule + strspn(l->rule, " "), "tolerance",
                             ch_cli_number(l->tolerance), "steps", l->steps, "bits_per_byte",
                             l->bits, "more_low", ch_cli_number(l->low), "more_high",
                             ch_cli_number(l->high), "kl", l->kl, "us_per_token", l->us));
    }
    return ch_cli_print_json(json_pack("{s:I, s:i, s:o, s:o}", "tokens", (json_int_t)a->rows,
                                       "depth", a->N, "r2", r2, "lines", lines));
}

static void print_text(const asking *a)
{
    printf("%lld tokens", (long long)a->rows);
    for (int k = 1; k < a->N && !a->o->keep; k++)
        printf("%s %.0f %% after %d", k > 1 ? "," : "; of ln KL to all steps the gate explains",
               100 * a->r2[k - 1], k);
    printf("\n\n%-12s %9s %6s %11s %23s %9s %9s\n", "steps by", "tolerance", "steps",
           "bits a byte", "more than all steps", "KL, nats", "us/token");
    for (int i = 0; i < a->table.lines; i++) {
        const ch_depth_line *l = &a->table.line[i];
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
    if (rc == CH_OK && a->m->config.integrator.gate_layer == 0)
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

static int measure(asking *a, const char *text, size_t n)
{
    ch_depths d;
    int rc = open_half(a, &d, text, n, &a->table.bytes);
    if (rc < 0)
        return rc;
    a->rows = d.rows;
    rc = ch_depth_table_fill(&a->table, &d, a->w, a->b, a->tolerance, &a->e);
    ch_depths_close(&d);
    return rc;
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
        rc = measure(a, text + half, a->text.size - half);
    return rc == CH_OK && a->o->out ? write_model(a) : rc;
}

static void close_all(asking *a)
{
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
