/* read_avx2.c - all of some memory, 32 bytes a load, asked for in advance as single rows do
 *
 * SPDX-License-Identifier: MIT */
#include <immintrin.h>

#include "gemm_walk.h"

enum { LOADS = 8, STRETCH = LOADS * 32 };

uint64_t ch_read_avx2(const void *from, size_t bytes)
{
    const char *at = from;
    __m256i s[LOADS];
    uint64_t word[LOADS * 4], sum = 0;
    size_t i = 0;
    CH_UNROLL
    for (int j = 0; j < LOADS; j++)
        s[j] = _mm256_setzero_si256();
    for (; i + STRETCH <= bytes; i += STRETCH) {
        CH_UNROLL
        for (int j = 0; j < STRETCH; j += 64)
            ch_ask(at + i + CH_AHEAD + j);
        CH_UNROLL
        for (int j = 0; j < LOADS; j++) {
            const char *next = at + i + 32 * j;
            s[j] = _mm256_xor_si256(s[j], _mm256_loadu_si256((const __m256i *)(const void *)next));
        }
    }
    __builtin_memcpy(word, s, sizeof word);
    for (size_t j = 0; j < CH_COUNT(word); j++)
        sum ^= word[j];
    return sum ^ ch_read_c(at + i, bytes - i);
}
