/* qwen3.c - Qwen3 (Yang et al. 2025): no biases; each head of q and k is normed before it turns
 *
 * SPDX-License-Identifier: MIT */
#include "reference.h"

#include <math.h>

double *ref_qwen3(ref *r)
{
    const ref_rope rope = ref_rope_read(r, true);
    int *depth = ref_depths(r);
    double *x = ref_embed(r, 1);
    for (int l = 0; l < r->L; l++) {
        double *n = ref_rms(r, x, "blk.%d.attn_norm.weight", l, r->D, 1);
        double *q = ref_linear(r, n, "blk.%d.attn_q", l, r->H * r->E, r->D);
        double *k = ref_linear(r, n, "blk.%d.attn_k", l, r->K * r->E, r->D);
        double *v = ref_linear(r, n, "blk.%d.attn_v", l, r->K * r->E, r->D);
        q = ref_rms(r, q, "blk.%d.attn_q_norm.weight", l, r->E, r->H);
        k = ref_rms(r, k, "blk.%d.attn_k_norm.weight", l, r->E, r->K);
        ref_turn(r, q, r->H, &rope);
        ref_turn(r, k, r->K, &rope);
        double *a = ref_attend(r, q, k, v, 1 / sqrt(r->E), 0, 0);
        x = ref_add(r, x, ref_linear(r, a, "blk.%d.attn_output", l, r->D, r->H * r->E), 1);
        x = ref_block(r, x, l, depth);
    }
    return ref_head(r, ref_rms(r, x, "output_norm.weight", 0, r->D, 1));
}
