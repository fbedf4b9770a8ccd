/* observe.c - see observe.h.  SPDX-License-Identifier: MIT */
#include "observe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP_LAYER = 1 << 16, KEEP_ALL = 1 << 22, /* steps that are kept */
       SETTLING_MOST = 100000 };

/* Of one pair of the layer that is computed. */
typedef struct pair {
    ch_following following;
    double log_rho; /* sum over its steps */
    double growth;  /* bound after the last one */
    float first;    /* distance */
    int steps, last, out; /* taken; the last k whose x_k was seen, and that was out of tolerance */
    bool kept, stable;
} pair;

typedef struct observing {
    ch_observed *o;
    int width, layer; /* of pairs; -1: none yet */
    pair *pairs;      /* (tokens, D) */
    size_t room;      /* for steps that are kept, in each layer */
} observing;

/* ---- Steps ---------------------------------------------------------------------------------- */

static void keep(ch_observed_layer *l, const observing *g, const ch_integrator *k, double gain,
                 const ch_spectrum *z)
{
    const double numbers[CH_SEEN] = {k->alpha, k->beta, k->gate, gain, z->p, z->rho};
    if (l->n == g->room)
        return;
    for (int i = 0; i < CH_SEEN; i++)
        l->seen[i][l->n] = (float)numbers[i];
    l->n++;
}

static void start(pair *p, const observing *g, const ch_observed_layer *l, int layer, size_t at)
{
    const double all = (double)g->o->tokens * g->width * l->steps;
    *p = (pair){.out = -1, .stable = true};
    /* A little less than there is room for, so that the last ones are not left out. */
    p->kept = all <= (double)g->room ||
              ch_rng_uniform(1, CH_RNG_EVAL, (uint32_t)layer, at) < 0.97 * (double)g->room / all;
}

static void settle(pair *p, double tolerance, const ch_spectrum *z)
{
    const int64_t steps = ch_analyze_settling(z->alpha, z->p, tolerance, SETTLING_MOST);
    p->last = steps < 0 ? 0 : (int)steps;
    p->out = p->last - (steps >= 0);
}

static void see(const observing *g, ch_observed_layer *l, const ch_watched *w)
{
    for (int j = 0; j < g->width; j++) {
        pair *p = &g->pairs[(ptrdiff_t)w->row * g->width + j];
        const double e = fabs((double)w->away[j]);
        if (w->step == 0) {
            start(p, g, l, w->layer, (size_t)w->row * (size_t)g->width + (size_t)j);
            p->first = (float)e;
        }
        if (!(e <= g->o->tolerance * (double)p->first))
            p->out = w->step;
        p->last = w->step;
        if (!w->alpha)
            continue;
        const ch_integrator k = {.alpha = (double)w->alpha[j], .beta = (double)w->beta[j],
                                 .gate = w->gate ? (double)w->gate[j] : 1, .dt = w->dt};
        ch_spectrum z;
        p->growth = ch_analyze_follow(&p->following, &l->tally, &z, &k);
        p->stable &= z.stable;
        p->log_rho += log(z.rho);
        p->steps = w->step + 1;
        if (!p->kept)
            continue;
        keep(l, g, &k, w->gain ? (double)w->gain[j] : 1, &z);
        if (g->o->closed) /* the others of its steps are the same one */
            settle(p, g->o->tolerance, &z);
    }
}

/* ---- Layers --------------------------------------------------------------------------------- */

static void end_layer(const observing *g)
{
    if (g->layer < 0)
        return;
    ch_observed_layer *l = &g->o->layer[g->layer];
    for (size_t i = 0; i < (size_t)g->o->tokens * (size_t)g->width; i++) {
        const pair *p = &g->pairs[i];
        if (p->steps == 0)
            continue;
        const double rate = p->log_rho / p->steps;
        l->pairs++;
        l->inside += p->stable;
        l->bounded += isfinite(p->growth);
        if (isfinite(p->growth))
            l->growth = fmax(l->growth, p->growth);
        if (!p->kept || l->n_pairs == g->room)
            continue;
        l->predicted[l->n_pairs] =
            p->stable ? (float)(log(g->o->tolerance) / rate) : (float)INFINITY;
        l->needed[l->n_pairs++] = p->out < p->last ? (float)(p->out + 1) : (float)INFINITY;
    }
}

/* Steps in closed form: after k of them c_k (x_0 - x*) is left in each channel. */
static void see_closed(double *distance, int steps, const ch_watched *w, int width)
{
    for (int k = 1; k <= steps; k++) {
        double squares = 0;
        for (int j = 0; j < width; j++) {
            ch_powers c;
            ch_analyze_powers(&c, (double)w->alpha[j], (double)w->beta[j], k);
            squares += c.kept * c.kept * (double)w->away[j] * (double)w->away[j];
        }
        distance[k] = sqrt(squares);
    }
}

static void watch(void *arg, const ch_watched *w)
{
    observing *g = arg;
    ch_observed_layer *l = &g->o->layer[w->layer];
    double squares = 0;
    if (w->layer != g->layer) {
        end_layer(g);
        g->layer = w->layer;
        memset(g->pairs, 0, (size_t)g->o->tokens * (size_t)g->width * sizeof *g->pairs);
    }
    for (int j = 0; j < g->width; j++)
        squares += (double)w->away[j] * (double)w->away[j];
    double *distance = l->distance + (ptrdiff_t)w->row * (l->steps + 1);
    distance[w->step] = sqrt(squares);
    if (g->o->closed)
        see_closed(distance, l->steps, w, g->width);
    see(g, l, w);
}

/* ---- The pass ------------------------------------------------------------------------------- */

static int steps_of(const ch_config *c, int layer)
{
    if (c->inl.group)
        return c->inl.steps[layer];
    return layer < c->integrator.gate_layer ? 1 : c->integrator.depth;
}

static int check(const ch_model *m, const ch_token *id, int n, ch_err *e)
{
    const ch_config *c = &m->config;
    if (!c->inl.group && (c->integrator.depth == 0 || c->integrator.anchor == CH_ANCHOR_NONE))
        return ch_fail(e, CH_EARG, "the model has no integrator: there are inl_v2 and inl_v3 "
                                   "models, and blocks with inertia (train --depth N --anchor "
                                   "start)");
    if (!c->inl.group && c->integrator.anchor == CH_ANCHOR_HERE)
        return ch_fail(e, CH_EARG, "the model's blocks are of anchor here, which are drawn to no "
                                   "place that they could near; allowed are start, closed and "
                                   "driven");
    for (int i = 0; i < n; i++)
        if (id[i] < 0 || id[i] >= c->vocab)
            return ch_fail(e, CH_EARG, "token %d is %d, the vocabulary has 0 to %d", i, (int)id[i],
                           c->vocab - 1);
    if (n < 1 || n > ch_config_most_tokens(c))
        return ch_fail(e, CH_EARG, "%d tokens are to be looked at, allowed are 1 to %d", n,
                       ch_config_most_tokens(c));
    return CH_OK;
}

static int make_room(observing *g, const ch_config *c, ch_err *e)
{
    ch_observed *o = g->o;
    size_t distances = 0;
    g->room = (size_t)CH_MIN((int)KEEP_LAYER, KEEP_ALL / c->layers);
    const size_t kept = (CH_SEEN + 2) * g->room;
    for (int l = 0; l < c->layers; l++)
        distances += (size_t)o->tokens * (size_t)(steps_of(c, l) + 1);
    o->layer = calloc((size_t)c->layers, sizeof *o->layer);
    o->memory = malloc(distances * sizeof(double) + ((size_t)c->layers * kept + g->room +
                                                     (size_t)o->tokens) * sizeof *o->memory);
    g->pairs = calloc((size_t)o->tokens * (size_t)c->width, sizeof *g->pairs);
    if (!o->layer || !o->memory || !g->pairs)
        return ch_fail(e, CH_ENOMEM, "no memory for the steps of %d tokens in %d layers", o->tokens,
                       c->layers);
    double *distance = (double *)(void *)o->memory;
    float *at = (float *)(void *)(distance + distances);
    for (int l = 0; l < c->layers; l++, at += kept) {
        ch_observed_layer *to = &o->layer[l];
        to->steps = steps_of(c, l);
        to->distance = distance;
        for (int i = 0; i < o->tokens * (to->steps + 1); i++)
            *distance++ = (double)NAN;
        for (int i = 0; i < CH_SEEN; i++)
            to->seen[i] = at + (size_t)i * g->room;
        to->predicted = at + CH_SEEN * g->room;
        to->needed = to->predicted + g->room;
    }
    o->room = at;
    return CH_OK;
}

static int pass(observing *g, const ch_model *m, const ch_token *id, ch_pool *pool, ch_err *e)
{
    const int n = g->o->tokens;
    ch_arena scratch;
    ch_kernels kernels;
    unsigned features = 0;
    int rc = ch_cpu_features(&features, NULL, e);
    if (rc < 0)
        return rc;
    ch_kernels_init(&kernels, features);
    int32_t *pos = calloc((size_t)n, 2 * sizeof *pos);
    if (!pos)
        return ch_fail(e, CH_ENOMEM, "no memory for the positions of %d tokens", n);
    for (int t = 0; t < n; t++)
        pos[t] = t;
    const ch_step s = {.rows = {.n = n, .id = id, .pos = pos, .first = pos + n}, .context = n,
                       .watch = watch, .watch_arg = g};
    ch_run r = {.scratch = &scratch, .pool = pool, .kernels = &kernels};
    ch_arena_measure(&scratch);
    ch_forward_hidden(&r, m, &s);
    const size_t peak = scratch.peak;
    ch_arena_close(&scratch);
    rc = ch_arena_open(&scratch, peak, e);
    if (rc == CH_OK) {
        ch_forward_hidden(&r, m, &s);
        end_layer(g);
        ch_arena_close(&scratch);
    }
    free(pos);
    return rc;
}

int ch_analyze_observe(ch_observed *o, const ch_model *m, const ch_token *id, int n,
                       double tolerance, ch_pool *pool, ch_err *e)
{
    observing g = {.o = o, .width = m->config.width, .layer = -1};
    *o = (ch_observed){.layers = m->config.layers, .tokens = n, .tolerance = tolerance,
                       .gates = m->config.inl.group > 0,
                       .closed = m->config.integrator.anchor == CH_ANCHOR_CLOSED};
    int rc = check(m, id, n, e);
    if (rc == CH_OK)
        rc = make_room(&g, &m->config, e);
    if (rc == CH_OK)
        rc = pass(&g, m, id, pool, e);
    free(g.pairs);
    if (rc < 0)
        ch_analyze_observed_close(o);
    return rc;
}

void ch_analyze_observed_close(ch_observed *o)
{
    free(o->layer);
    free(o->memory);
    *o = (ch_observed){0};
}

/* ---- Quantiles ------------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

void ch_analyze_quantiles(double *out, const double *q, int n_q, const ch_observed *o,
                          const float *x, size_t n)
{
    size_t numbers = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i]))
            o->room[numbers++] = x[i];
    qsort(o->room, numbers, sizeof *o->room, by_size);
    for (int i = 0; i < n_q; i++) {
        const size_t at = (size_t)(q[i] * (double)numbers);
        out[i] = numbers ? (double)o->room[CH_MIN(at, numbers - 1)] : (double)NAN;
    }
}

size_t ch_analyze_shares_left(float *out, const ch_observed *o, int l, int k)
{
    const ch_observed_layer *at = &o->layer[l];
    size_t n = 0;
    for (int t = 0; t < o->tokens && k <= at->steps; t++) {
        const double *d = at->distance + (ptrdiff_t)t * (at->steps + 1);
        if (d[0] > 0 && !isnan(d[k]))
            out[n++] = (float)(d[k] / d[0]);
    }
    return n;
}
