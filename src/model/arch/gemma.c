/* gemma.c - see gemma.h
 *
 *   x += rmsnorm(Wo attend(Wq n, Wk n, Wv n))      n = rmsnorm(x)
 *   x += rmsnorm(Wd (gelu(Wg n) * Wu n))           n = rmsnorm(x)
 *
 * Gains in GGUF files are whole (1 + w of Hugging Face's).  SPDX-License-Identifier: MIT */
#include "gemma.h"

#include <math.h>

ch_tensor *ch_gemma_embed(ch_forward *f)
{
    return ch_op_scale(f->run, ch_plain_embed(f), (real)sqrt(f->model->config.width));
}

ch_tensor *ch_gemma_layer_run(ch_forward *f, int l, ch_tensor *x)
{
    const ch_gemma_layer *w = ch_model_layer(f->model, l);
    ch_run *r = f->run;
    ch_tensor *heads = ch_block_heads(f, l, ch_block_norm(f, x, &w->attn.norm), &w->attn);
    ch_tensor *y = ch_op_linear(r, heads, &w->attn.output, f->rows);
    x = ch_op_add(r, x, ch_block_norm(f, y, &w->attn_post_norm));

    ch_tensor *h = ch_block_geglu(f, ch_block_norm(f, x, &w->ffn.norm), &w->ffn);
    y = ch_op_linear(r, h, &w->ffn.down, f->rows);
    return ch_op_add(r, x, ch_block_norm(f, y, &w->ffn_post_norm));
}

void ch_gemma_scale(ch_config *c, int layers_of_27b)
{
    if (c->attention_scale == 0 && c->layers == layers_of_27b)
        c->attention_scale = (double)(float)(1 / sqrt(c->width / c->heads)); /* as in a file */
}
