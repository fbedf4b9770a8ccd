/* lfm2.c - LFM2 (Liquid AI 2025): short convolutions, here and there a layer of attention
 *
 * A layer without key heads:  (b, c, u) = in(n),  y = out(c * conv(b * u)),  where conv is causal
 * and apart for every channel:  conv(g)[t] = sum over j < L of w[j] g[t - (L - 1) + j].
 * A layer with: heads of q and k are normed before they turn.  The last norm is called
 * token_embd_norm.  SPDX-License-Identifier: MIT */
#include "reference.h"

#include <limits.h>
#include <math.h>

static double *convolve(ref *r, const double *n, int l)
{
    const int taps = ref_int(r, "shortconv.l_cache", INT_MIN), D = r->D;
    const double *bcu = ref_linear(r, n, "blk.%d.shortconv.in_proj", l, 3 * D, D);
    const double *w = ref_tensor(r, "blk.%d.shortconv.conv.weight", l, D, taps);
    double *y = ref_new(r, (int64_t)r->T * D);
    for (int t = 0; t < r->T; t++)
        for (int i = 0; i < D; i++) {
            double sum = 0, size = 0;
            for (int j = 0; j < taps; j++) {
                const int s = t - (taps - 1) + j;
                if (s < 0)
                    continue;
                const double *there = bcu + (int64_t)s * 3 * D;
                sum += w[i * taps + j] * (there[i] * there[2 * D + i]);
                size += fabs(w[i * taps + j] * (there[i] * there[2 * D + i]));
            }
            const double c = bcu[(int64_t)t * 3 * D + D + i];
            y[(int64_t)t * D + i] = ref_round(r, c * sum, (taps + 2) * fabs(c) * size);
        }
    return ref_linear(r, y, "blk.%d.shortconv.out_proj", l, D, D);
}

static double *attend(ref *r, const double *n, int l, const ref_rope *rope)
{
    double *q = ref_linear(r, n, "blk.%d.attn_q", l, r->H * r->E, r->D);
    double *k = ref_linear(r, n, "blk.%d.attn_k", l, r->K * r->E, r->D);
    double *v = ref_linear(r, n, "blk.%d.attn_v", l, r->K * r->E, r->D);
    q = ref_rms(r, q, "blk.%d.attn_q_norm.weight", l, r->E, r->H);
    k = ref_rms(r, k, "blk.%d.attn_k_norm.weight", l, r->E, r->K);
    ref_turn(r, q, r->H, rope);
    ref_turn(r, k, r->K, rope);
    double *a = ref_attend(r, q, k, v, 1 / sqrt(r->E), 0, 0);
    return ref_linear(r, a, "blk.%d.attn_output", l, r->D, r->H * r->E);
}

double *ref_lfm2(ref *r)
{
    const ref_rope rope = ref_rope_read(r, true);
    double *x = ref_embed(r, 1);
    for (int l = 0; l < r->L; l++) {
        double *n = ref_rms(r, x, "blk.%d.attn_norm.weight", l, r->D, 1);
        const bool attention = ref_int_at(r, "attention.head_count_kv", l, r->H) > 0;
        x = ref_add(r, x, attention ? attend(r, n, l, &rope) : convolve(r, n, l), 1);
        double *m = ref_rms(r, x, "blk.%d.ffn_norm.weight", l, r->D, 1);
        x = ref_add(r, x, ref_gated(r, m, l, ref_silu), 1);
    }
    return ref_head(r, ref_rms(r, x, "token_embd_norm.weight", 0, r->D, 1));
}
