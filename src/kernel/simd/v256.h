/* v256.h - 256 bits at a time: a register of AVX2, two of NEON
 *
 * The templates of products in this folder (float256.h, quant256.h, block256.h, score256.h,
 * mix256.h) are written with these names, so that both machines walk over the same tiles.
 * SPDX-License-Identifier: MIT */
#ifndef CH_V256_H
#define CH_V256_H

#if defined(__aarch64__)
#include "v256_neon.h"
#else
#include "v256_avx2.h"
#endif

#endif
