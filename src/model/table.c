/* table.c - walking the weight table: one visit for load, count, save, quantize
 *
 * SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdio.h>

void *ch_model_layer(const ch_model *m, int layer)
{
    return (char *)m->layers + (size_t)layer * m->config.arch->layer_bytes;
}

static ch_weight *field(void *base, size_t offset)
{
    return (ch_weight *)((char *)base + offset);
}

int ch_model_each(ch_model *m, ch_weight_fn *fn, void *arg)
{
    const ch_arch *a = m->config.arch;
    int rc = 0;
    for (int i = 0; i < a->n_globals && rc == 0; i++)
        rc = fn(arg, field(m->globals, a->globals[i].field), &a->globals[i], -1);
    for (int l = 0; l < m->config.layers; l++)
        for (int i = 0; i < a->n_per_layer && rc == 0; i++)
            rc = fn(arg, field(ch_model_layer(m, l), a->per_layer[i].field), &a->per_layer[i], l);
    return rc;
}

/* Product of the letters up to the next space or the end; every letter is within
 * ch_config_check's limits, and a row multiplies two at most (digits apart), so this cannot
 * overflow. */
static const char *product(int64_t *out, const ch_config *c, const char *s)
{
    *out = 1;
    for (; *s && *s != ' '; s++)
        *out *= ch_config_letter(c, *s);
    return *s ? s + 1 : s;
}

int ch_row_shape(int64_t dim[2], const ch_weight_row *row, const ch_config *c)
{
    const char *rest = product(&dim[0], c, row->shape);
    if (!*rest)
        return 1;
    product(&dim[1], c, rest);
    return 2;
}

void ch_row_name(char *out, size_t size, const ch_weight_row *row, int layer)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the formats are the tables' own */
    snprintf(out, size, row->name, layer);
#pragma GCC diagnostic pop
}

/* Of what integrators have: steps, and inertia, and a gate. */
static bool integrates(int flags, const ch_integrator_config *i)
{
    const bool hears = i->anchor == CH_ANCHOR_CLOSED || i->anchor == CH_ANCHOR_DRIVEN;
    return !((flags & CH_ROW_PLAIN) && i->depth > 0) &&
           !((flags & CH_ROW_STEPS) && i->depth == 0) &&
           !((flags & CH_ROW_INERTIA) &&
             (i->depth == 0 || i->anchor == CH_ANCHOR_NONE || hears)) &&
           !((flags & CH_ROW_CONTROLLER) && (i->depth == 0 || !hears)) &&
           !((flags & CH_ROW_DRIVEN) && (i->depth == 0 || i->anchor != CH_ANCHOR_DRIVEN)) &&
           !((flags & CH_ROW_EXCITED) && i->excited == 0) &&
           !((flags & CH_ROW_DEPTH_GATE) && i->gate_layer == 0);
}

static bool owned(int flags, const ch_config *c, int layer)
{
    return !((flags & CH_ROW_CONTROLLER) &&
             ch_config_owner(c, c->integrator.controller_groups, layer) != layer) &&
           !((flags & CH_ROW_FFN) && ch_config_owner(c, c->ffn_groups, layer) != layer) &&
           !((flags & CH_ROW_SHARED_QKV) &&
             ch_config_owner(c, c->attention_groups, layer) != layer);
}

bool ch_row_present(const ch_weight_row *row, const ch_config *c, int layer)
{
    const int f = row->flags, bias = f & CH_ROW_BIASES;
    return integrates(f, &c->integrator) && owned(f, c, layer) &&
           !((f & CH_ROW_RANK) && c->rank == 0) &&
           !((f & CH_ROW_HEAD) && c->tied) && !((f & CH_ROW_GATE) && c->relu2) &&
           !((f & CH_ROW_MEMORY) && c->memory == 0) && (c->biases & bias) == bias &&
           !((f & CH_ROW_ATTENTION) && !ch_config_attends(c, layer)) &&
           !((f & CH_ROW_CONVOLUTION) && ch_config_attends(c, layer));
}

bool ch_row_is_table(const ch_weight_row *row)
{
    return row->shape[0] == 'V' || (row->flags & (CH_ROW_MEMORY | CH_ROW_POSITIONS | CH_ROW_REALS));
}

int64_t ch_row_there(const ch_config *c, int64_t r)
{
    const int64_t head = r / c->head_width * c->head_width, i = r - head, R = c->rope.dims;
    return i < R ? head + i % 2 * (R / 2) + i / 2 : r;
}

static int64_t count_row(const ch_weight_row *row, const ch_config *c, int layer)
{
    int64_t dim[2];
    const int rank = ch_row_shape(dim, row, c);
    return ch_row_present(row, c, layer) ? dim[0] * (rank == 2 ? dim[1] : 1) : 0;
}

int64_t ch_model_count(const ch_config *c, bool embeddings)
{
    int64_t n = 0;
    for (int i = 0; i < c->arch->n_globals; i++)
        if (embeddings || !ch_row_is_table(&c->arch->globals[i]))
            n += count_row(&c->arch->globals[i], c, -1);
    for (int l = 0; l < c->layers; l++)
        for (int i = 0; i < c->arch->n_per_layer; i++)
            n += count_row(&c->arch->per_layer[i], c, l);
    return n;
}
