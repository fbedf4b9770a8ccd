/* smollm3.c - SmolLM3 (Bakouch et al. 2025): a Llama whose every fourth layer does not turn
 *
 * NoPE layers: Yang et al. 2025, "RoPE to NoPE and back again".  SPDX-License-Identifier: MIT */
#include "reference.h"

#include <math.h>

double *ref_smollm3(ref *r)
{
    const ref_rope rope = ref_rope_read(r, false);
    double *x = ref_embed(r, 1);
    for (int l = 0; l < r->L; l++) {
        double *n = ref_rms(r, x, "blk.%d.attn_norm.weight", l, r->D, 1);
        double *q = ref_linear(r, n, "blk.%d.attn_q", l, r->H * r->E, r->D);
        double *k = ref_linear(r, n, "blk.%d.attn_k", l, r->K * r->E, r->D);
        double *v = ref_linear(r, n, "blk.%d.attn_v", l, r->K * r->E, r->D);
        if ((l + 1) % 4 != 0) {
            ref_turn(r, q, r->H, &rope);
            ref_turn(r, k, r->K, &rope);
        }
        double *a = ref_attend(r, q, k, v, 1 / sqrt(r->E), 0, 0);
        x = ref_add(r, x, ref_linear(r, a, "blk.%d.attn_output", l, r->D, r->H * r->E), 1);
        double *m = ref_rms(r, x, "blk.%d.ffn_norm.weight", l, r->D, 1);
        x = ref_add(r, x, ref_gated(r, m, l, ref_silu), 1);
    }
    return ref_head(r, ref_rms(r, x, "output_norm.weight", 0, r->D, 1));
}
