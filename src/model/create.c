/* create.c - a trainable model: parameters and gradients, each one contiguous bucket in table
 * order
 *
 * Optimizers, gradient sums, clipping and other processes see buckets; operations see the weights
 * in them. SPDX-License-Identifier: MIT */
#include "table.h"

#include <math.h>
#include <string.h>

enum { BUCKET_ALIGN = 64 }; /* reals; see ch_adamw.decays */

struct creating {
    ch_model *m;
    const ch_file *from;
    uint64_t seed;
    int64_t at;
    uint32_t number;
};

static int64_t row_count(const ch_weight_row *row, const ch_config *c, int64_t dim[2], int *rank)
{
    *rank = ch_row_shape(dim, row, c);
    return dim[0] * (*rank == 2 ? dim[1] : 1);
}

static int measure(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct creating *s = arg;
    (void)w;
    int64_t dim[2];
    int rank;
    if (ch_row_present(row, &s->m->config, layer))
        s->at += ch_round_up(row_count(row, &s->m->config, dim, &rank), BUCKET_ALIGN);
    return 0;
}

static bool constant(real *value, ch_init how)
{
    static const struct {
        ch_init how;
        double value;
    } of[] = {{CH_INIT_ONES, 1}, {CH_INIT_ZEROS, 0}, {CH_INIT_INERTIA, -4}, {CH_INIT_PULL, -0.1},
           {CH_INIT_DRIVE, 4}};
    for (size_t i = 0; i < CH_COUNT(of); i++)
        if (of[i].how == how) {
            *value = (real)of[i].value;
            return true;
        }
    return false;
}

static void initialise(const struct creating *s, real *p, int64_t n, ch_init how)
{
    const ch_config *c = &s->m->config;
    real value;
    const bool same = constant(&value, how);
    const double std = how == CH_INIT_FILTER     ? 1 / sqrt(3.0 * c->taps)
                       : how == CH_INIT_RESIDUAL ? 0.02 / sqrt(2.0 * c->layers)
                                                 : 0.02;
    for (int64_t i = 0; i < n; i++)
        p[i] = same ? value
                    : (real)(std * ch_rng_normal(s->seed, CH_RNG_INIT, s->number, (uint64_t)i));
}

static int place(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct creating *s = arg;
    const bool present = ch_row_present(row, &s->m->config, layer);
    /* What is only there when blocks are driven does not change what seeds give to all others. */
    s->number += present || !(row->flags & CH_ROW_DRIVEN);
    if (!present)
        return 0;
    int64_t dim[2];
    int rank;
    const int64_t n = row_count(row, &s->m->config, dim, &rank);
    real *p = s->m->parameters + s->at;
    w->stored =
        rank == 2 ? ch_tensor_2d(p, CH_REAL, dim[0], dim[1]) : ch_tensor_1d(p, CH_REAL, dim[0]);
    w->stored.grad = s->m->gradients + s->at;
    w->kind = CH_PANEL_F32;
    s->at += ch_round_up(n, BUCKET_ALIGN);
    if (!s->from) {
        initialise(s, p, n, row->init);
        return CH_OK;
    }
    ch_tensor_read(p, &ch_file_tensor_find(s->from, w->name)->t, 0, n);
    return CH_OK;
}

int ch_model_create(ch_model **out, const ch_config *c, uint64_t seed, const ch_file *from,
                    ch_err *e)
{
    *out = NULL;
    int rc = ch_config_check(c, "the model", e);
    if (rc == CH_OK)
        rc = ch_model_alloc(out, c, e);
    if (rc < 0)
        return rc;
    ch_model *m = *out;
    struct creating s = {.m = m, .from = from, .seed = seed};
    ch_model_each(m, measure, &s);
    m->bucket = s.at;
    const size_t bytes = ch_size_mul((size_t)m->bucket, sizeof(real));
    if (from)
        rc = ch_model_match(m, from, e);
    if (rc == CH_OK)
        rc = ch_arena_open(&m->arena, ch_size_mul(bytes, 2) + 4096, e);
    if (rc < 0) {
        ch_model_free(out);
        return rc;
    }
    m->parameters = ch_arena_take_zero(&m->arena, bytes);
    m->gradients = ch_arena_take_zero(&m->arena, bytes);
    s.at = 0;
    ch_model_each(m, place, &s);
    ch_model_connect(m);
    m->hash = ch_config_hash((ch_hash128){seed, (uint64_t)m->bucket}, c);
    return CH_OK;
}
