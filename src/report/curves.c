/* curves.c - from the logs of runs to curves: losses over tokens
 *
 * The smoothed loss is the mean of a window of a thirtieth of the steps so far around each step; no
 * curve has more than POINTS points.  What a model costs before it has learned anything is cut off
 * at the top, or it would take the whole height.
 * SPDX-License-Identifier: MIT */
#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 1500, WINDOW_SHARE = 60, FRESH_SHARE = 50 };

typedef struct scale {
    double tokens;
    const char *label;
} scale;

static scale scale_for(double tokens)
{
    return tokens >= 2e9   ? (scale){1e9, "tokens (billions)"}
           : tokens >= 2e6 ? (scale){1e6, "tokens (millions)"}
           : tokens >= 2e4 ? (scale){1e3, "tokens (thousands)"}
                           : (scale){1, "tokens"};
}

/* Means of loss[i - half(i) .. i + half(i)] by a running sum. */
static void smooth(double *out, const double *loss, size_t n)
{
    size_t from = 0, to = 0, used = 0;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t half = i / WINDOW_SHARE, least = i - half, most = CH_MIN(n, i + half + 1);
        for (; to < most; to++)
            if (isfinite(loss[to])) {
                sum += loss[to];
                used++;
            }
        for (; from < least; from++)
            if (isfinite(loss[from])) {
                sum -= loss[from];
                used--;
            }
        out[i] = used ? sum / (double)used : (double)NAN;
    }
}

typedef struct making {
    ch_run_curves *c;
    scale scale;
    double *free; /* unused memory */
} making;

static ch_curve *add_curve(making *m, const char *name, const char *what, ch_stroke stroke,
                           int colour, size_t n)
{
    const int i = m->c->plot.n_curves++;
    ch_curve *c = &m->c->curve[i];
    if (what)
        snprintf(m->c->label[i], sizeof m->c->label[i], "%.60s%s%s", name, *name ? ", " : "",
                 what);
    *c = (ch_curve){.label = what ? m->c->label[i] : NULL,
                    .x = m->free,
                    .y = m->free + n,
                    .n = n,
                    .stroke = stroke,
                    .colour = colour};
    m->free += 2 * n;
    return c;
}

static void put(const ch_curve *c, size_t i, double x, double y)
{
    ((double *)(uintptr_t)c->x)[i] = x;
    ((double *)(uintptr_t)c->y)[i] = y;
}

/* n values as at most POINTS. */
static size_t thinned(size_t n)
{
    return CH_MIN(n, (size_t)POINTS);
}

static size_t source(size_t i, size_t n)
{
    return n <= POINTS ? i : (size_t)((double)i * (double)(n - 1) / (POINTS - 1) + 0.5);
}

static void add_loss(making *m, const ch_run_log *l, const double *values, const char *name,
                     const char *what, ch_stroke stroke, int colour)
{
    const ch_curve *c = add_curve(m, name, what, stroke, colour, thinned(l->n));
    for (size_t i = 0; i < c->n; i++) {
        const size_t from = source(i, l->n);
        put(c, i, l->tokens[from] / m->scale.tokens, values[from]);
    }
}

static void add_val(making *m, const ch_run_log *l, const char *name, int colour)
{
    const ch_curve *c =
        add_curve(m, name, "validation", CH_STROKE_POINTS, colour, thinned(l->n_val));
    for (size_t i = 0; i < c->n; i++) {
        const size_t from = source(i, l->n_val);
        put(c, i, l->val_tokens[from] / m->scale.tokens, l->val_loss[from]);
    }
}

/* Everything after the first fiftieth of each run. */
static void find_heights(ch_plot *p)
{
    double least = (double)INFINITY, most = -(double)INFINITY;
    for (int i = 0; i < p->n_curves; i++)
        for (size_t k = p->curves[i].n / FRESH_SHARE; k < p->curves[i].n; k++)
            if (isfinite(p->curves[i].y[k])) {
                least = fmin(least, p->curves[i].y[k]);
                if (p->curves[i].stroke != CH_STROKE_FAINT)
                    most = fmax(most, p->curves[i].y[k]);
            }
    const double rim = 0.03 * (most - least);
    p->y_least = least - rim;
    p->y_most = most + rim;
    if (!(isfinite(least) && isfinite(most)))
        p->y_least = p->y_most = 0;
}

int ch_report_curves(ch_run_curves *c, const ch_run_log *const *logs, const char *const *names,
                     int n, const char *title, ch_err *e)
{
    *c = (ch_run_curves){.plot = {.title = title, .y_label = "loss (nats a token)"}};
    if (n < 1 || n > CH_RUNS_MOST)
        return ch_fail(e, CH_EARG, "%d runs in one plot; allowed are 1 to %d", n, CH_RUNS_MOST);
    size_t values = 0, longest = 0;
    double tokens = 0;
    for (int i = 0; i < n; i++) {
        values += 4 * thinned(logs[i]->n) + 2 * thinned(logs[i]->n_val);
        longest = CH_MAX(longest, logs[i]->n);
        if (logs[i]->n)
            tokens = fmax(tokens, logs[i]->tokens[logs[i]->n - 1]);
    }
    c->memory = calloc(values + longest + 1, sizeof *c->memory);
    if (!c->memory)
        return ch_fail(e, CH_ENOMEM, "no memory for curves of %zu points", values);
    making m = {.c = c, .scale = scale_for(tokens), .free = c->memory + longest};
    for (int i = 0; i < n; i++) {
        const ch_run_log *l = logs[i];
        const char *name = n == 1 ? "" : names[i];
        if (n == 1)
            add_loss(&m, l, l->loss, name, NULL, CH_STROKE_FAINT, 0);
        smooth(c->memory, l->loss, l->n);
        add_loss(&m, l, c->memory, name, "training", CH_STROKE_LINE, i);
        if (l->n_val)
            add_val(&m, l, name, n == 1 ? 1 : i);
    }
    snprintf(c->x_label, sizeof c->x_label, "%s", m.scale.label);
    c->plot.x_label = c->x_label;
    c->plot.curves = c->curve;
    find_heights(&c->plot);
    return CH_OK;
}

void ch_report_curves_free(ch_run_curves *c)
{
    free(c->memory);
    *c = (ch_run_curves){0};
}
