/* gguf.h - private to file/: the numbers of the GGUF format that reading and writing share
 *
 *   "GGUF" u32 version u64 tensors u64 entries
 *   entry:  str key, u32 type, value
 *           str: u64 bytes, then they        array: u32 type, u64 n, elements
 *   tensor: str name, u32 rank, u64 dim[rank] innermost first, u32 type, u64 offset in the data
 *   zeros up to a multiple of the alignment, then the data; each tensor begins at such a multiple
 *
 * Source: GGUF specification (ggml docs/gguf.md), version 3; version 2 has the same layout.
 * SPDX-License-Identifier: MIT */
#ifndef CH_GGUF_H
#define CH_GGUF_H

#include "file.h"

#define CH_GGUF_MAGIC "GGUF"
#define CH_GGUF_ALIGNMENT 32 /* where general.alignment says nothing */
#define CH_GGUF_MAX_ALIGNMENT 65536

enum {
    CH_GGUF_U8, CH_GGUF_I8, CH_GGUF_U16, CH_GGUF_I16, CH_GGUF_U32, CH_GGUF_I32, CH_GGUF_F32,
    CH_GGUF_BOOL, CH_GGUF_STR, CH_GGUF_ARRAY, CH_GGUF_U64, CH_GGUF_I64, CH_GGUF_F64, CH_GGUF_TYPES
};

/* Bytes of one stored value of a type above, 0 for strings and arrays.  *type gets its kind. */
size_t ch_gguf_value_bytes(ch_meta_type *type, int gguf_type);
/* A number or bool of that type, from its stored bytes (any alignment). */
void ch_gguf_value(ch_meta *m, int gguf_type, const void *bytes);
/* What general.alignment says (a power of two from 8), or 32. */
int ch_gguf_alignment(size_t *out, const ch_file *f, ch_err *e);

#endif
