/* weigh_grad_any.c - weigh_grad_c.c over vectors.  SPDX-License-Identifier: MIT */
#include "any.h"

CH_INLINE vf weight(const ch_exponent *z, vf s, int i, vf lse)
{
    const vf away = vf_sub(vf_set1((float)(z->distance - i)), vf_count());
    const vf x = vf_fnma(vf_set1(z->slope), away, vf_mul(s, vf_set1(z->scale)));
    return vf_exp(vf_sub(x, lse));
}

void CH_FN(weigh_grad)(float *p, float *ds, int n, const ch_exponent *z, float lse, float delta)
{
    const vf scale = vf_set1(z->scale), l = vf_set1(lse), d = vf_set1(delta);
    int i = 0;
    for (; i + VF <= n; i += VF) {
        const vf w = weight(z, vf_load(p + i), i, l);
        vf_store(p + i, w);
        vf_store(ds + i, vf_mul(vf_mul(w, vf_sub(vf_load(ds + i), d)), scale));
    }
    if (i < n) {
        const int left = n - i;
        const vf w = weight(z, vf_load_part(p + i, left), i, l);
        vf_store_part(p + i, w, left);
        vf_store_part(ds + i, vf_mul(vf_mul(w, vf_sub(vf_load_part(ds + i, left), d)), scale),
                      left);
    }
}
