/* small.c - small random models in which everything that an architecture adds makes a difference
 *
 * For tests, for comparisons with other programs, and as a beginning for training.  Sizes default
 * to L 6, D 64, H 4, K 2, E D/H, F 2 D, P 256; stretched positions to those of a model that was
 * trained at P/4 tokens.  SPDX-License-Identifier: MIT */
#include "model.h"

#include <math.h>

int ch_config_small(ch_config *c, ch_err *e)
{
    struct {
        int *field, value;
    } sizes[] = {{&c->layers, 6},         {&c->width, 64},
                 {&c->heads, 4},          {&c->kv_heads, c->heads % 2 == 0 ? 2 : c->heads},
                 {&c->head_width, 16},    {&c->hidden, 128},
                 {&c->context, 256},      {&c->vocab, 320}};
    for (size_t i = 0; i < CH_COUNT(sizes); i++)
        if (*sizes[i].field == 0)
            *sizes[i].field = sizes[i].value;
    if (c->norm_eps == 0)
        c->norm_eps = (double)1e-5f; /* as a file holds it */
    if (c->rope.base == 0)
        c->rope.base = 10000;
    c->rope.dims = c->head_width;
    int rc = ch_config_check(c, "the shape", e); /* before anything is done by layers and heads */
    if (rc == CH_OK && c->arch->small)
        c->arch->small(c);
    if (rc == CH_OK && c->window > 0)
        ch_config_windows(c, c->arch->window_period);
    if (rc == CH_OK)
        rc = c->arch->configure(c, NULL, e);
    return rc == CH_OK ? ch_config_check(c, "the shape", e) : rc;
}

/* Llama 3.1's rule: slow pairs eight times slower, fast ones as they were, between them a mean. */
static void llama3_divisors(ch_config *c, int original)
{
    const double pi = 3.14159265358979323846, factor = 8, low = 1, high = 4;
    for (int i = 0; i < c->rope.dims / 2; i++) {
        const double wave = 2 * pi * pow(c->rope.base, 2.0 * i / c->rope.dims);
        const double between = (original / wave - low) / (high - low);
        const double kept = CH_MIN(CH_MAX(between, 0.0), 1.0);
        c->stretch.divisor[0][i] = (float)(1 / ((1 - kept) / factor + kept));
    }
    c->stretch.lists = 1;
}

static void two_lists(ch_config *c)
{
    for (int i = 0; i < c->rope.dims / 2; i++) {
        c->stretch.divisor[0][i] = 1 + 0.0625f * (float)i;
        c->stretch.divisor[1][i] = 1 + 0.5f * (float)i;
    }
    c->stretch.lists = 2;
}

void ch_config_stretch(ch_config *c, ch_stretch_kind kind, bool llama3)
{
    const int original = CH_MAX(c->context / 4, 1);
    ch_stretch *s = &c->stretch;
    *s = (ch_stretch){.kind = kind};
    if (kind == CH_STRETCH_LINEAR || kind == CH_STRETCH_YARN)
        s->factor = 4;
    if (kind == CH_STRETCH_YARN || kind == CH_STRETCH_LONG)
        s->original = original;
    if (kind == CH_STRETCH_YARN) {
        s->mixed = 1;
        s->fast = 32;
        s->slow = 1;
    }
    if (kind == CH_STRETCH_LONG) {
        two_lists(c);
        s->magnitude = (double)(float)sqrt(1 + log(4) / log(CH_MAX(original, 2)));
    }
    if (llama3)
        llama3_divisors(c, original);
}

/* ---- Weights -------------------------------------------------------------------------------- */

struct shaking {
    uint64_t seed;
    uint32_t number;
    double noise;
};

static int shake(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct shaking *s = arg;
    (void)layer;
    const ch_tensor *t = &w->stored;
    s->number += t->data || !(row->flags & CH_ROW_DRIVEN); /* as ch_model_create counts */
    real *p = t->data;
    const double std = t->rank == 2 ? 1 / sqrt((double)ch_tensor_width(t)) : s->noise;
    for (int64_t i = 0; p && i < ch_tensor_count(t); i++)
        p[i] = (real)((row->init == CH_INIT_ONES ? 1 : 0) +
                      std * ch_rng_normal(s->seed, CH_RNG_INIT, s->number, (uint64_t)i));
    return 0;
}

void ch_model_shake(ch_model *m, uint64_t seed, double noise)
{
    struct shaking s = {.seed = seed, .noise = noise};
    ch_model_each(m, shake, &s);
}
