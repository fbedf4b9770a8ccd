/* dtype.c - the table of number formats.  SPDX-License-Identifier: MIT */
#include "dtype.h"

#include <string.h>

#include "dtype_list.h"

static const ch_dtype_info formats[CH_DTYPES] = {
#define DTYPE(ENUM, name, gguf, st, block, bytes, panel, encode, fit) \
    [CH_##ENUM] = {#name, gguf, st, block, bytes, CH_PANEL_##panel, ch_decode_##name, encode, fit},
#include "dtypes.def"
#undef DTYPE
};

const ch_dtype_info *ch_dtype_get(ch_dtype t)
{
    return (unsigned)t < CH_DTYPES ? &formats[t] : NULL;
}

bool ch_dtype_by_gguf(ch_dtype *out, int64_t id)
{
    for (int t = 0; t < CH_DTYPES; t++)
        if (formats[t].gguf == id) {
            *out = (ch_dtype)t;
            return true;
        }
    return false;
}

bool ch_dtype_by_name(ch_dtype *out, const char *name)
{
    if (*name == 0)
        return false;
    for (int t = 0; t < CH_DTYPES; t++)
        if (strcmp(formats[t].name, name) == 0 || strcmp(formats[t].safetensors, name) == 0) {
            *out = (ch_dtype)t;
            return true;
        }
    return false;
}

const char *ch_dtype_removed(int64_t id)
{
    switch (id) {
    case 4: return "q4_2";
    case 5: return "q4_3";
    case 31: return "q4_0_4_4";
    case 32: return "q4_0_4_8";
    case 33: return "q4_0_8_8";
    case 36: return "iq4_nl_4_4";
    case 37: return "iq4_nl_4_8";
    case 38: return "iq4_nl_8_8";
    default: return NULL;
    }
}

size_t ch_dtype_bytes(ch_dtype t, int64_t n)
{
    const ch_dtype_info *f = ch_dtype_get(t);
    if (f == NULL || n < 0 || n % f->block != 0)
        return SIZE_MAX;
    uint64_t blocks = (uint64_t)(n / f->block);
    if (blocks > SIZE_MAX)
        return SIZE_MAX;
    return ch_size_mul((size_t)blocks, (size_t)f->bytes);
}
