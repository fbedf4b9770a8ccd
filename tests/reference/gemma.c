/* gemma.c - Gemma 2 and 3 (Gemma Team 2024, 2025)
 *
 *     x = sqrt(D) embedding
 *     x += rms(o(attention(rms(x)))),  x += rms(down(gelu(gate m) * up m)),  m = rms(x)
 *
 * Gemma 2: every second layer is global, the others see a window; scores and logits pass through
 * soft caps.  Gemma 3: every sixth layer is global; heads of q and k are normed before they turn,
 * in layers with a window at a base of their own and never scaled; no soft caps.
 * Scores are divided by sqrt(E), except in the two 27B models, which use sqrt(D / H): metadata has
 * no key for it, the number of layers tells.  Gains are stored with the 1 that the code of these
 * models adds to them.  SPDX-License-Identifier: MIT */
#include "reference.h"

#include <math.h>

static double *feed_forward(ref *r, const double *x, int l)
{
    double *m = ref_rms(r, x, "blk.%d.ffn_norm.weight", l, r->D, 1);
    m = ref_gated(r, m, l, ref_gelu_tanh);
    return ref_add(r, x, ref_rms(r, m, "blk.%d.post_ffw_norm.weight", l, r->D, 1), 1);
}

double *ref_gemma2(ref *r)
{
    const ref_rope rope = ref_rope_read(r, true);
    const double cap = ref_real(r, "attn_logit_softcapping", 50);
    const double last_cap = ref_real(r, "final_logit_softcapping", 30);
    const double scale = 1 / sqrt(r->L == 46 ? r->D / r->H : r->E);
    const int window = ref_int(r, "attention.sliding_window", 4096);
    double *x = ref_embed(r, sqrt(r->D));
    for (int l = 0; l < r->L; l++) {
        double *n = ref_rms(r, x, "blk.%d.attn_norm.weight", l, r->D, 1);
        double *q = ref_linear(r, n, "blk.%d.attn_q", l, r->H * r->E, r->D);
        double *k = ref_linear(r, n, "blk.%d.attn_k", l, r->K * r->E, r->D);
        double *v = ref_linear(r, n, "blk.%d.attn_v", l, r->K * r->E, r->D);
        ref_turn(r, q, r->H, &rope);
        ref_turn(r, k, r->K, &rope);
        double *a = ref_attend(r, q, k, v, scale, ref_is_local(r, l, 2) ? window : 0, cap);
        a = ref_linear(r, a, "blk.%d.attn_output", l, r->D, r->H * r->E);
        x = ref_add(r, x, ref_rms(r, a, "blk.%d.post_attention_norm.weight", l, r->D, 1), 1);
        x = feed_forward(r, x, l);
    }
    double *z = ref_head(r, ref_rms(r, x, "output_norm.weight", 0, r->D, 1));
    for (int64_t i = 0; i < (int64_t)r->T * r->V; i++)
        z[i] = ref_cap(r, z[i], last_cap);
    return z;
}

double *ref_gemma3(ref *r)
{
    const ref_rope global = ref_rope_read(r, true);
    const ref_rope local = ref_rope_plain(r, true, ref_real(r, "rope.freq_base_swa", 10000));
    const double last_cap = ref_real(r, "final_logit_softcapping", 0);
    const double scale = 1 / sqrt(r->L == 62 ? r->D / r->H : r->E);
    const int window = ref_int(r, "attention.sliding_window", 0);
    double *x = ref_embed(r, sqrt(r->D));
    for (int l = 0; l < r->L; l++) {
        const bool near = window > 0 && ref_is_local(r, l, 6);
        double *n = ref_rms(r, x, "blk.%d.attn_norm.weight", l, r->D, 1);
        double *q = ref_linear(r, n, "blk.%d.attn_q", l, r->H * r->E, r->D);
        double *k = ref_linear(r, n, "blk.%d.attn_k", l, r->K * r->E, r->D);
        double *v = ref_linear(r, n, "blk.%d.attn_v", l, r->K * r->E, r->D);
        q = ref_rms(r, q, "blk.%d.attn_q_norm.weight", l, r->E, r->H);
        k = ref_rms(r, k, "blk.%d.attn_k_norm.weight", l, r->E, r->K);
        ref_turn(r, q, r->H, near ? &local : &global);
        ref_turn(r, k, r->K, near ? &local : &global);
        double *a = ref_attend(r, q, k, v, scale, near ? window : 0, 0);
        a = ref_linear(r, a, "blk.%d.attn_output", l, r->D, r->H * r->E);
        x = ref_add(r, x, ref_rms(r, a, "blk.%d.post_attention_norm.weight", l, r->D, 1), 1);
        x = feed_forward(r, x, l);
    }
    double *z = ref_head(r, ref_rms(r, x, "output_norm.weight", 0, r->D, 1));
    for (int64_t i = 0; i < (int64_t)r->T * r->V; i++)
        z[i] = ref_cap(r, z[i], last_cap);
    return z;
}
