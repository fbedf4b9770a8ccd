/* olmo2.c - OLMo 2 (OLMo et al. 2025) and 3: no norm before a block, one after it
 *
 *     x += rms(o(attention(turn(rms(q x)), turn(rms(k x)), v x))),  x += rms(ffn(x))
 *
 * q and k are normed over all heads at once.  OLMo 3 is the same with windows in three of four
 * layers; only the layers without turn by scaled speeds.  SPDX-License-Identifier: MIT */
#include "reference.h"

#include <math.h>

double *ref_olmo2(ref *r)
{
    const ref_rope global = ref_rope_read(r, true);
    const ref_rope local = ref_rope_plain(r, true, ref_real(r, "rope.freq_base", 10000));
    const int window = ref_int(r, "attention.sliding_window", 0);
    double *x = ref_embed(r, 1);
    for (int l = 0; l < r->L; l++) {
        const bool near = window > 0 && ref_is_local(r, l, 4);
        double *q = ref_linear(r, x, "blk.%d.attn_q", l, r->H * r->E, r->D);
        double *k = ref_linear(r, x, "blk.%d.attn_k", l, r->K * r->E, r->D);
        double *v = ref_linear(r, x, "blk.%d.attn_v", l, r->K * r->E, r->D);
        q = ref_rms(r, q, "blk.%d.attn_q_norm.weight", l, r->H * r->E, 1);
        k = ref_rms(r, k, "blk.%d.attn_k_norm.weight", l, r->K * r->E, 1);
        ref_turn(r, q, r->H, near ? &local : &global);
        ref_turn(r, k, r->K, near ? &local : &global);
        double *a = ref_attend(r, q, k, v, 1 / sqrt(r->E), near ? window : 0, 0);
        a = ref_linear(r, a, "blk.%d.attn_output", l, r->D, r->H * r->E);
        x = ref_add(r, x, ref_rms(r, a, "blk.%d.post_attention_norm.weight", l, r->D, 1), 1);
        double *m = ref_gated(r, x, l, ref_silu);
        x = ref_add(r, x, ref_rms(r, m, "blk.%d.post_ffw_norm.weight", l, r->D, 1), 1);
    }
    return ref_head(r, ref_rms(r, x, "output_norm.weight", 0, r->D, 1));
}
