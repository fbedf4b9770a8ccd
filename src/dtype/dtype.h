/* dtype.h - number formats: what a block of bytes means
 *
 * A format is one file with a function or two and one line in dtypes.def.  Rows of a tensor are
 * whole blocks.  decode gives every stored value its one float; encode rounds to nearest, ties to
 * even where the format is a plain float, and as stated in the file elsewhere.  Formats whose code
 * books need an importance matrix to be written well are only read: their encode is NULL.
 * Sources: GGUF specification (block layouts), IEEE 754 binary16, bfloat16.
 * SPDX-License-Identifier: MIT */
#ifndef CH_DTYPE_H
#define CH_DTYPE_H

#include "base.h"

typedef enum ch_dtype {
#define DTYPE(ENUM, name, gguf, st, block, bytes, panel, encode, fit) CH_##ENUM,
#include "dtypes.def"
#undef DTYPE
    CH_DTYPES
} ch_dtype;

/* The dtype of `real`, in which activations and master weights are held. */
#ifdef CH_REAL_IS_DOUBLE
#define CH_REAL CH_F64
#else
#define CH_REAL CH_F32
#endif

/* What kernels see: few layouts that many formats are packed into (kernel.h, "Panels"). */
typedef enum ch_panel_kind {
    CH_PANEL_F32, CH_PANEL_BF16, CH_PANEL_Q8, CH_PANEL_Q4, CH_PANEL_I16,
    CH_PANEL_Q4_1, CH_PANEL_Q5_0, CH_PANEL_Q5_1, CH_PANEL_IQ4_NL, CH_PANEL_MXFP4, /* gemm_block's */
    CH_PANEL_Q2_K, CH_PANEL_Q3_K, CH_PANEL_Q4_K, CH_PANEL_Q5_K, CH_PANEL_Q6_K, CH_PANEL_IQ4_XS,
    CH_PANELS
} ch_panel_kind;

typedef struct ch_dtype_info {
    const char *name;
    int gguf;                /* type id in GGUF files */
    const char *safetensors; /* name in safetensors headers, "" when it has none */
    int block;               /* elements in a block */
    int bytes;               /* bytes in a block */
    ch_panel_kind panel;     /* the layout that its matrices are packed into */
    void (*decode)(float *out, const void *blocks, int64_t n); /* n: elements, whole blocks */
    void (*encode)(void *blocks, const float *in, int64_t n); /* NULL: only read */
    /* The same for the least sum of importance (x - value)^2, roughly (fit.h); n numbers of it,
     * none below 0, or NULL: what encode does.  NULL: the format has nothing to choose. */
    void (*fit)(void *blocks, const float *in, const float *importance, int64_t n);
} ch_dtype_info;

const ch_dtype_info *ch_dtype_get(ch_dtype t);
bool ch_dtype_by_gguf(ch_dtype *out, int64_t id);
bool ch_dtype_by_name(ch_dtype *out, const char *name); /* "q8_0"; also the safetensors name */
/* The name of a format that GGUF once had under this id, or NULL. */
const char *ch_dtype_removed(int64_t id);
/* Bytes of n elements (whole blocks), or SIZE_MAX when n is negative, not whole or too large. */
size_t ch_dtype_bytes(ch_dtype t, int64_t n);

/* A block's integers, unpacked, for those who pack them in another order (c/panel_block.c).
 * What they mean stands in the format's file; fields that it does not have are not written. */
typedef struct ch_codes {
    uint8_t code[256];
    int8_t scale[16]; /* of each 16 or 32 elements, as a signed number */
    uint8_t min[16];
    uint16_t d, e;    /* binary16, as stored; mxfp4: d is the exponent's byte */
} ch_codes;
void ch_codes_q4_1(ch_codes *out, const void *block);
void ch_codes_q5_0(ch_codes *out, const void *block);
void ch_codes_q5_1(ch_codes *out, const void *block);
void ch_codes_q2_k(ch_codes *out, const void *block);
void ch_codes_q3_k(ch_codes *out, const void *block);
void ch_codes_q4_k(ch_codes *out, const void *block);
void ch_codes_q5_k(ch_codes *out, const void *block);
void ch_codes_q6_k(ch_codes *out, const void *block);
void ch_codes_iq4_nl(ch_codes *out, const void *block);
void ch_codes_iq4_xs(ch_codes *out, const void *block);
void ch_codes_mxfp4(ch_codes *out, const void *block);
/* What the codes of IQ4_NL and IQ4_XS, and those of MXFP4 (E2M1, doubled), choose among. */
extern const int8_t ch_iq4_values[16], ch_mxfp4_values[16];

/* Single values (dtype/f16.c, dtype/bf16.c): rounding to nearest even, NaN and subnormals
 * kept. */
float ch_f16_to_f32(uint16_t h);
uint16_t ch_f32_to_f16(float f);
float ch_bf16_to_f32(uint16_t h);
uint16_t ch_f32_to_bf16(float f);

#endif
