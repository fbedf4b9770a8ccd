/* gemma3.c - Gemma 3 (Gemma team 2025)
 *
 * Layers as in gemma.c, with each head's queries and keys normalised before they turn.  Five layers
 * that see a window and turn by a base of their own (10000), unstretched, then one that sees
 * everything.  SPDX-License-Identifier: MIT */
#include "gemma.h"

enum { LAYERS_OF_27B = 62, LOCAL_BASE = 10000 };

#define L(f) offsetof(ch_gemma_layer, f)
static const ch_weight_row per_layer[] = {
    CH_ATTENTION_ROWS(L, 0),
    CH_HEAD_NORM_ROWS(L, 0),
    CH_FFN_ROWS(L),
    CH_GEMMA_POST_ROWS(L),
};
#undef L

static int configure(ch_config *c, const ch_file *f, ch_err *e)
{
    (void)f, (void)e;
    c->rope.interleaved = false;
    ch_gemma_scale(c, LAYERS_OF_27B);
    if (c->window > 0 && c->local_base == 0)
        c->local_base = LOCAL_BASE;
    return CH_OK;
}

static void small(ch_config *c)
{
    c->tied = true;
    c->window = c->window > 0 ? c->window : 24;
    c->rope.base = 1e6;
    ch_config_stretch(c, CH_STRETCH_LINEAR, false);
}

const ch_arch ch_arch_gemma3 = {
    .name = "gemma3",
    .window_period = 6,
    .globals = ch_plain_rows,
    .n_globals = 3,
    .globals_bytes = sizeof(ch_plain_globals),
    .per_layer = per_layer,
    .n_per_layer = CH_COUNT(per_layer),
    .layer_bytes = sizeof(ch_gemma_layer),
    .configure = configure,
    .small = small,
    .embed = ch_gemma_embed,
    .layer = ch_gemma_layer_run,
    .head = ch_plain_head,
};
