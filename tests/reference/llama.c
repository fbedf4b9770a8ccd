/* llama.c - Llama (Touvron et al. 2023) and those that are it: Mistral, SmolLM, TinyLlama
 *
 *     x += o(attention(turn(q n), turn(k n), v n)),  n = rms(x)
 *     x += down(silu(gate m) * up m),                m = rms(x)
 *
 * GGUF stores the rows of q and k so that pairs stand together.  A head may be wider or narrower
 * than D / H.  SPDX-License-Identifier: MIT */
#include "reference.h"

#include <math.h>

double *ref_llama(ref *r)
{
    const ref_rope rope = ref_rope_read(r, false);
    const int window = ref_int(r, "attention.sliding_window", 0);
    int *depth = ref_depths(r);
    double *x = ref_embed(r, 1);
    for (int l = 0; l < r->L; l++) {
        double *n = ref_rms(r, x, "blk.%d.attn_norm.weight", l, r->D, 1);
        double *q = ref_linear(r, n, "blk.%d.attn_q", l, r->H * r->E, r->D);
        double *k = ref_linear(r, n, "blk.%d.attn_k", l, r->K * r->E, r->D);
        double *v = ref_linear(r, n, "blk.%d.attn_v", l, r->K * r->E, r->D);
        ref_turn(r, q, r->H, &rope);
        ref_turn(r, k, r->K, &rope);
        double *a = ref_attend(r, q, k, v, 1 / sqrt(r->E), window, 0);
        x = ref_add(r, x, ref_linear(r, a, "blk.%d.attn_output", l, r->D, r->H * r->E), 1);
        x = ref_block(r, x, l, depth);
    }
    return ref_head(r, ref_rms(r, x, "output_norm.weight", 0, r->D, 1));
}
