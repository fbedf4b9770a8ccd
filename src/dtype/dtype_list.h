/* dtype_list.h - the decode and encode functions of all formats, declared from dtypes.def
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_DTYPE_LIST_H
#define CH_DTYPE_LIST_H

#include "dtype.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "files hold little-endian numbers, and formats read them with memcpy");

#define DTYPE(ENUM, name, gguf, st, block, bytes, panel, encode, fit)  \
    void ch_decode_##name(float *out, const void *blocks, int64_t n); \
    void ch_encode_##name(void *blocks, const float *in, int64_t n);   \
    void ch_fit_##name(void *blocks, const float *in, const float *importance, int64_t n);
#include "dtypes.def"
#undef DTYPE

#endif
