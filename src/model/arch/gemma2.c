/* gemma2.c - Gemma 2 (Gemma team 2024)
 *
 * Layers as in gemma.c.  Every other layer sees a window, the first one does; scores and logits
 * are bent by cap * tanh(x / cap).  SPDX-License-Identifier: MIT */
#include "gemma.h"

enum { WINDOW = 4096, LAYERS_OF_27B = 46, PERIOD = 2, ATTENTION_CAP = 50, LOGIT_CAP = 30 };

#define L(f) offsetof(ch_gemma_layer, f)
static const ch_weight_row per_layer[] = {
    CH_ATTENTION_ROWS(L, 0),
    CH_FFN_ROWS(L),
    CH_GEMMA_POST_ROWS(L),
};
#undef L

static int configure(ch_config *c, const ch_file *f, ch_err *e)
{
    (void)e;
    c->rope.interleaved = false;
    ch_gemma_scale(c, LAYERS_OF_27B);
    if (!f && c->attention_cap == 0 && c->logit_cap == 0) {
        c->attention_cap = ATTENTION_CAP;
        c->logit_cap = LOGIT_CAP;
    }
    if (c->window == 0) { /* older files do not say */
        c->window = WINDOW;
        ch_config_windows(c, PERIOD);
    }
    return CH_OK;
}

static void small(ch_config *c)
{
    c->tied = true;
    c->window = c->window > 0 ? c->window : 24;
    c->attention_cap = 2;
    c->logit_cap = 3;
}

const ch_arch ch_arch_gemma2 = {
    .name = "gemma2",
    .window_period = PERIOD,
    .attention_cap = ATTENTION_CAP,
    .logit_cap = LOGIT_CAP,
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
