/* phi3.c - Phi-3 and Phi-4 (Abdin et al. 2024): fused matrices, part of a head turns, LongRoPE
 *
 * attn_qkv is q, k, v; ffn_up is gate, up.  Every layer sees the same window, where there is one
 * (Phi-3-mini-4k: 2047).  Factors for long texts apply to the whole of a run that is made for more
 * tokens than the original context.  SPDX-License-Identifier: MIT */
#include "reference.h"

#include <math.h>

static double *feed_forward(ref *r, const double *x, int l)
{
    double *m = ref_rms(r, x, "blk.%d.ffn_norm.weight", l, r->D, 1);
    double *both = ref_linear(r, m, "blk.%d.ffn_up", l, 2 * r->F, r->D);
    double *y = ref_new(r, (int64_t)r->T * r->F);
    for (int64_t t = 0; t < r->T; t++)
        for (int i = 0; i < r->F; i++) {
            const double *gate = both + t * 2 * r->F, *up = gate + r->F;
            const double v = ref_silu(r, gate[i]) * up[i];
            y[t * r->F + i] = ref_round(r, v, fabs(v));
        }
    return ref_add(r, x, ref_linear(r, y, "blk.%d.ffn_down", l, r->D, r->F), 1);
}

double *ref_phi3(ref *r)
{
    const ref_rope rope = ref_rope_read(r, true);
    const int window = ref_int(r, "attention.sliding_window", 0);
    const int nq = r->H * r->E, nk = r->K * r->E, all = nq + 2 * nk;
    double *x = ref_embed(r, 1);
    for (int l = 0; l < r->L; l++) {
        double *n = ref_rms(r, x, "blk.%d.attn_norm.weight", l, r->D, 1);
        double *qkv = ref_linear(r, n, "blk.%d.attn_qkv", l, all, r->D);
        double *q = ref_columns(r, qkv, all, 0, nq), *k = ref_columns(r, qkv, all, nq, nk);
        ref_turn(r, q, r->H, &rope);
        ref_turn(r, k, r->K, &rope);
        double *v = ref_columns(r, qkv, all, nq + nk, nk);
        double *a = ref_attend(r, q, k, v, 1 / sqrt(r->E), window, 0);
        x = ref_add(r, x, ref_linear(r, a, "blk.%d.attn_output", l, r->D, nq), 1);
        x = feed_forward(r, x, l);
    }
    return ref_head(r, ref_rms(r, x, "output_norm.weight", 0, r->D, 1));
}
