/* alloc.c - a model's skeleton: structs of weights, their names, rotary speeds, and what points at
 * what
 *
 * SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdlib.h>
#include <string.h>

struct naming {
    char *at;
    int number;
};

static int name_weight(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct naming *n = arg;
    ch_row_name(n->at, CH_NAME_MAX, row, layer);
    w->name = n->at;
    w->number = n->number++;
    n->at += CH_NAME_MAX;
    return 0;
}

static void set_ropes(ch_model *m, double *speed)
{
    for (int i = 0; i < CH_ROPES; i++, speed += m->config.rope.dims / 2)
        ch_rope_speeds(&m->rope[i], speed, &m->config, (ch_rope_choice)i);
}

int ch_model_alloc(ch_model **out, const ch_config *c, ch_err *e)
{
    const ch_arch *a = c->arch;
    const size_t weights = (size_t)a->n_globals + (size_t)c->layers * (size_t)a->n_per_layer;
    const size_t structs_bytes = a->globals_bytes + (size_t)c->layers * a->layer_bytes;
    const size_t speeds_bytes = CH_ROPES * (size_t)(c->rope.dims / 2) * sizeof(double);
    ch_model *m = calloc(1, sizeof *m);
    char *structs = calloc(1, structs_bytes + speeds_bytes + weights * CH_NAME_MAX);
    *out = m;
    if (!m || !structs) {
        free(structs);
        free(m);
        *out = NULL;
        return ch_fail(e, CH_ENOMEM, "no memory for the names of %zu weights", weights);
    }
    m->config = *c;
    m->globals = structs;
    m->layers = structs + a->globals_bytes;
    set_ropes(m, (void *)(structs + structs_bytes));
    struct naming n = {.at = structs + structs_bytes + speeds_bytes};
    ch_model_each(m, name_weight, &n);
    return CH_OK;
}

static void connect_bias(void *base, const ch_weight_row *row)
{
    if (row->bias_of) {
        ch_weight *bias = (ch_weight *)((char *)base + row->field);
        ch_weight *of = (ch_weight *)((char *)base + row->bias_of - 1);
        of->bias = bias->stored.data ? bias : NULL;
    }
}

void ch_model_connect(ch_model *m)
{
    const ch_arch *a = m->config.arch;
    for (int i = 0; i < a->n_globals; i++) {
        ch_weight *w = (ch_weight *)((char *)m->globals + a->globals[i].field);
        connect_bias(m->globals, &a->globals[i]);
        /* The head comes after the table in every list, so a head of its own has the last word. */
        if ((a->globals[i].flags & CH_ROW_HEAD) ? w->stored.data != NULL : i == 0)
            m->output = w;
    }
    for (int l = 0; l < m->config.layers; l++)
        for (int i = 0; i < a->n_per_layer; i++)
            connect_bias(ch_model_layer(m, l), &a->per_layer[i]);
}

void ch_model_free(ch_model **m)
{
    if (!*m)
        return;
    free((*m)->globals);
    ch_arena_close(&(*m)->arena);
    ch_file_close(&(*m)->file);
    free(*m);
    *m = NULL;
}
