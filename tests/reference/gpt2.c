/* gpt2.c - GPT-2 (Radford et al. 2019): learned positions, LayerNorm, biases everywhere, GELU
 *
 * q, k and v come from one matrix, in this order.  SPDX-License-Identifier: MIT */
#include "reference.h"

#include <math.h>

double *ref_gpt2(ref *r)
{
    const int positions = ref_int(r, "context_length", 0), D = r->D;
    double *x = ref_add(r, ref_embed(r, 1),
                        ref_tensor(r, "position_embd.weight", 0, positions, D), 1);
    for (int l = 0; l < r->L; l++) {
        double *n = ref_layer_norm(r, x, "blk.%d.attn_norm", l);
        double *qkv = ref_linear(r, n, "blk.%d.attn_qkv", l, 3 * D, D);
        double *q = ref_columns(r, qkv, 3 * D, 0, D), *k = ref_columns(r, qkv, 3 * D, D, D);
        double *v = ref_columns(r, qkv, 3 * D, 2 * D, D);
        double *a = ref_attend(r, q, k, v, 1 / sqrt(r->E), 0, 0);
        x = ref_add(r, x, ref_linear(r, a, "blk.%d.attn_output", l, D, D), 1);
        double *m = ref_layer_norm(r, x, "blk.%d.ffn_norm", l);
        double *up = ref_linear(r, m, "blk.%d.ffn_up", l, r->F, D);
        for (int64_t i = 0; i < (int64_t)r->T * r->F; i++)
            up[i] = ref_gelu_tanh(r, up[i]);
        x = ref_add(r, x, ref_linear(r, up, "blk.%d.ffn_down", l, D, r->F), 1);
    }
    return ref_head(r, ref_layer_norm(r, x, "output_norm", 0));
}
