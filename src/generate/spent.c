/* spent.c - how many steps tokens took, where that is their own
 *
 * Behind a depth gate each token has one number for all layers; the published integrator's rows
 * end by themselves in every layer.  SPDX-License-Identifier: MIT */
#include "session.h"

#include <string.h>

size_t ch_session_spent_bytes(const ch_model *m)
{
    const ch_config *c = &m->config;
    const bool gate = c->integrator.gate_layer > 0 && c->integrator.tolerance > 0;
    const bool ends = c->inl.group > 0 && c->inl.stop != CH_INL_FIXED;
    return gate || ends ? (size_t)c->layers * sizeof(int32_t) : 0;
}

int32_t *ch_session_spent(ch_session *s, int n)
{
    const size_t bytes = ch_session_spent_bytes(s->family->model);
    return bytes > 0 ? ch_arena_take_zero(&s->family->scratch, bytes * (size_t)n) : NULL;
}

static double mean(const int32_t *spent, int layers, int n, int row)
{
    int sum = 0, counted = 0;
    for (int l = 0; l < layers; l++) {
        sum += spent[(ptrdiff_t)l * n + row];
        counted += spent[(ptrdiff_t)l * n + row] > 0;
    }
    return counted > 0 ? (double)sum / counted : 0;
}

void ch_session_count_steps(ch_session *s, const int32_t *spent, int n, int first, int rows)
{
    const int layers = s->family->model->config.layers;
    memset(s->row_steps, 0, sizeof s->row_steps);
    for (int i = 0; spent && i < rows && i < (int)CH_COUNT(s->row_steps); i++)
        s->row_steps[i] = mean(spent, layers, n, first + rows - 1 - i);
    s->last_steps = s->row_steps[0];
}

double ch_session_steps(const ch_session *s) { return s->has_last ? s->last_steps : 0; }
