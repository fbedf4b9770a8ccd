/* rng.h - random numbers as a function of where they are used
 *
 * Counter-based (Philox 4x32-10, Salmon et al. 2011): the draw for (seed, stream, sub, counter) is
 * the same whatever was drawn before, so forks, batches, speculation and resumed runs see the same
 * numbers.  SPDX-License-Identifier: MIT */
#ifndef CH_RNG_H
#define CH_RNG_H

#include <stdint.h>

/* Streams keep uses of one seed apart. */
enum { CH_RNG_SAMPLE = 1, CH_RNG_INIT = 2, CH_RNG_DATA = 3, CH_RNG_TEST = 4,
       CH_RNG_EVAL = 5, CH_RNG_DEPTH = 6, CH_RNG_XTC = 7 };

void ch_rng_block(uint32_t out[4], uint64_t seed, uint32_t stream, uint32_t sub, uint64_t counter);
/* Uniform in [0,1), 53 random bits. */
double ch_rng_uniform(uint64_t seed, uint32_t stream, uint32_t sub, uint64_t counter);
/* Standard normal (Box-Muller on one block). */
double ch_rng_normal(uint64_t seed, uint32_t stream, uint32_t sub, uint64_t counter);
/* Uniform in 0..n-1 without bias worth measuring (64-bit multiply), n >= 1. */
uint64_t ch_rng_below(uint64_t n, uint64_t seed, uint32_t stream, uint32_t sub, uint64_t counter);

#endif
