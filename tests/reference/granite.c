/* granite.c - Granite 3 (Granite Team, IBM 2024): a Llama with four numbers
 *
 *     x = a embedding,  x += b block(rms(x)),  scores c (q k),  logits z / d
 *
 * a embedding_multiplier, b residual_multiplier, c attention_multiplier, d logits_scaling.
 * SPDX-License-Identifier: MIT */
#include "reference.h"

#include <math.h>

double *ref_granite(ref *r)
{
    const ref_rope rope = ref_rope_read(r, false);
    const double a = ref_real(r, "embedding_scale", 1), b = ref_real(r, "residual_scale", 1);
    const double c = ref_real(r, "attention.scale", 1 / sqrt(r->E));
    const double d = ref_real(r, "logit_scale", (double)NAN);
    double *x = ref_embed(r, a);
    for (int l = 0; l < r->L; l++) {
        double *n = ref_rms(r, x, "blk.%d.attn_norm.weight", l, r->D, 1);
        double *q = ref_linear(r, n, "blk.%d.attn_q", l, r->H * r->E, r->D);
        double *k = ref_linear(r, n, "blk.%d.attn_k", l, r->K * r->E, r->D);
        double *v = ref_linear(r, n, "blk.%d.attn_v", l, r->K * r->E, r->D);
        ref_turn(r, q, r->H, &rope);
        ref_turn(r, k, r->K, &rope);
        double *y = ref_attend(r, q, k, v, c, 0, 0);
        x = ref_add(r, x, ref_linear(r, y, "blk.%d.attn_output", l, r->D, r->H * r->E), b);
        double *m = ref_rms(r, x, "blk.%d.ffn_norm.weight", l, r->D, 1);
        x = ref_add(r, x, ref_gated(r, m, l, ref_silu), b);
    }
    double *z = ref_head(r, ref_rms(r, x, "output_norm.weight", 0, r->D, 1));
    for (int64_t i = 0; i < (int64_t)r->T * r->V; i++)
        z[i] = ref_round(r, z[i] / d, 2 * fabs(z[i] / d));
    return z;
}
