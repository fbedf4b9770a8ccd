/* any.h - names for kernels that are written once over simd/ and built once per ISA
 *
 * The Makefile builds each file of this folder with -DISA=avx2 and simd/f32_avx2.h included first,
 * with -DISA=avx512 and so on: CH_FN(rmsnorm) is then ch_rmsnorm_avx2.
 *
 * Order: lane i of a vector holds element i of the stretch that starts at a multiple of VF *from
 * the array's begin*, whatever its address; what is left past the last whole vector goes to the
 * same lanes.  So a sum's order is fixed by its length.  SPDX-License-Identifier: MIT */
#ifndef CH_ANY_H
#define CH_ANY_H

#include "kernel.h"

#define CH_FN(family) CH_FN_(ch_##family, ISA)
#define CH_FN_(name, isa) CH_FN__(name, isa)
#define CH_FN__(name, isa) name##_##isa

#define CH_INLINE static inline __attribute__((always_inline))

/* Four running sums, one for every fourth vector of the whole rounds; what is left goes to the
 * first. */
static inline float vf_sum_of(const vf a[4])
{
    return vf_hsum(vf_add(vf_add(a[0], a[1]), vf_add(a[2], a[3])));
}

/* Stores d, or adds it to what is there: VF elements, or the first `left` where that is not 0. */
CH_INLINE void any_gradient(float *to, vf d, int add, const int left)
{
    if (left)
        vf_store_part(to, add ? vf_add(vf_load_part(to, left), d) : d, left);
    else
        vf_store(to, add ? vf_add(vf_load(to), d) : d);
}

#endif
