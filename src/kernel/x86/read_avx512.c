/* read_avx512.c - all of some memory, 64 bytes a load, asked for in advance as single rows do
 *
 * SPDX-License-Identifier: MIT */
#include <immintrin.h>

#include "gemm_walk.h"

enum { LOADS = 8, STRETCH = LOADS * 64 };

uint64_t ch_read_avx512(const void *from, size_t bytes)
{
    const char *at = from;
    __m512i s[LOADS];
    uint64_t word[LOADS * 8], sum = 0;
    size_t i = 0;
    CH_UNROLL
    for (int j = 0; j < LOADS; j++)
        s[j] = _mm512_setzero_si512();
    for (; i + STRETCH <= bytes; i += STRETCH) {
        CH_UNROLL
        for (int j = 0; j < STRETCH; j += 64)
            ch_ask(at + i + CH_AHEAD + j);
        CH_UNROLL
        for (int j = 0; j < LOADS; j++) {
            const char *next = at + i + 64 * j;
            s[j] = _mm512_xor_si512(s[j], _mm512_loadu_si512(next));
        }
    }
    __builtin_memcpy(word, s, sizeof word);
    for (size_t j = 0; j < CH_COUNT(word); j++)
        sum ^= word[j];
    return sum ^ ch_read_c(at + i, bytes - i);
}
