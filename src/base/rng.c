/* rng.c - Philox 4x32-10
 *
 * Ten rounds of two 32x32 -> 64 bit products over the counter, with a key that walks by Weyl
 * constants.  Counter words: counter low, counter high, stream, sub; key words: seed low, high.
 * Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy
 * as 1, 2, 3", SC 2011.  SPDX-License-Identifier: MIT */
#include "rng.h"

#include <math.h>

void ch_rng_block(uint32_t out[4], uint64_t seed, uint32_t stream, uint32_t sub, uint64_t counter)
{
    uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32), c2 = stream, c3 = sub;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xd2511f53u * c0, b = (uint64_t)0xcd9e8d57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

static double unit(uint32_t low, uint32_t high)
{
    return (double)(((uint64_t)high << 32 | low) >> 11) * 0x1p-53;
}

double ch_rng_uniform(uint64_t seed, uint32_t stream, uint32_t sub, uint64_t counter)
{
    uint32_t x[4];
    ch_rng_block(x, seed, stream, sub, counter);
    return unit(x[0], x[1]);
}

double ch_rng_normal(uint64_t seed, uint32_t stream, uint32_t sub, uint64_t counter)
{
    uint32_t x[4];
    ch_rng_block(x, seed, stream, sub, counter);
    double u = 1.0 - unit(x[0], x[1]); /* (0,1], so that the logarithm is finite */
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * unit(x[2], x[3]));
}

uint64_t ch_rng_below(uint64_t n, uint64_t seed, uint32_t stream, uint32_t sub, uint64_t counter)
{
    __extension__ typedef unsigned __int128 wide;
    uint32_t x[4];
    ch_rng_block(x, seed, stream, sub, counter);
    return (uint64_t)((wide)((uint64_t)x[1] << 32 | x[0]) * n >> 64);
}
