/* samples.h - small valid files of every format, byte by byte, and a reader of everything in a file
 *
 * Made without the writers, so that reader and writer are tested against the layout and not against
 * each other.  Used by the tests of this folder and by tests/fuzz/fuzz_file.c.
 * SPDX-License-Identifier: MIT */
#ifndef CH_FILE_SAMPLES_H
#define CH_FILE_SAMPLES_H

#include <stdlib.h>
#include <string.h>

#include "file.h"

static inline void put_u32(ch_buf *b, uint32_t v)
{
    ch_buf_put(b, &v, sizeof v);
}

static inline void put_u64(ch_buf *b, uint64_t v)
{
    ch_buf_put(b, &v, sizeof v);
}

static inline void put_str(ch_buf *b, const char *s)
{
    put_u64(b, strlen(s));
    ch_buf_put(b, s, strlen(s));
}

static inline void put_key(ch_buf *b, const char *key, uint32_t type)
{
    put_str(b, key);
    put_u32(b, type);
}

static inline void put_pad(ch_buf *b, size_t to)
{
    while (b->size % to)
        ch_buf_put(b, "", 1);
}

/* n bytes that are numbers of no format in particular, but finite in all. */
static inline void put_data(ch_buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)(i * 7 % 60);
        ch_buf_put(b, &c, 1);
    }
}

static inline void put_gguf_tensor(ch_buf *b, const char *name, int rank, const uint64_t *dim,
                                   uint32_t type, uint64_t offset)
{
    put_str(b, name);
    put_u32(b, (uint32_t)rank);
    for (int i = 0; i < rank; i++)
        put_u64(b, dim[i]);
    put_u32(b, type);
    put_u64(b, offset);
}

/* Every type of metadata (16 entries), five tensors; alignment 32 by its key. */
static inline void sample_gguf(ch_buf *b, uint32_t version)
{
    const float f = -0.5f;
    const double d = 1e300;
    ch_buf_init(b, 1 << 20);
    ch_buf_str(b, "GGUF");
    put_u32(b, version);
    put_u64(b, 5);
    put_u64(b, 16);
    put_key(b, "general.architecture", 8), put_str(b, "llama");
    put_key(b, "general.alignment", 4), put_u32(b, 32);
    put_key(b, "a.u8", 0), ch_buf_put(b, "\xfe", 1);
    put_key(b, "a.i8", 1), ch_buf_put(b, "\xfe", 1);
    put_key(b, "a.u16", 2), ch_buf_put(b, "\xfe\xff", 2);
    put_key(b, "a.i16", 3), ch_buf_put(b, "\xfe\xff", 2);
    put_key(b, "a.u32", 4), put_u32(b, 0xfffffffeu);
    put_key(b, "a.i32", 5), put_u32(b, 0xfffffffeu);
    put_key(b, "a.f32", 6), ch_buf_put(b, &f, 4);
    put_key(b, "a.bool", 7), ch_buf_put(b, "\1", 1);
    put_key(b, "a.u64", 10), put_u64(b, UINT64_MAX - 1);
    put_key(b, "a.i64", 11), put_u64(b, UINT64_MAX - 1);
    put_key(b, "a.f64", 12), ch_buf_put(b, &d, 8);
    put_key(b, "words", 9), put_u32(b, 8), put_u64(b, 3);
    put_str(b, "<s>"), put_str(b, ""), put_str(b, "\xe2\x96\x81the");
    put_key(b, "numbers", 9), put_u32(b, 3), put_u64(b, 3);
    ch_buf_put(b, "\1\0\xff\xff\0\x80", 6);
    put_key(b, "flags", 9), put_u32(b, 7), put_u64(b, 2), ch_buf_put(b, "\0\1", 2);
    put_gguf_tensor(b, "blk.0.attn_q.weight", 2, (uint64_t[]){3, 5}, 0, 0); /* 60 bytes of f32 */
    put_gguf_tensor(b, "cube", 3, (uint64_t[]){1, 2, 3}, 1, 64);            /* 12 of f16 */
    put_gguf_tensor(b, "q8", 2, (uint64_t[]){32, 2}, 8, 96);                /* 68 of q8_0 */
    put_gguf_tensor(b, "q4", 1, (uint64_t[]){32}, 2, 192);                  /* 18 of q4_0 */
    put_gguf_tensor(b, "four", 4, (uint64_t[]){1, 1, 1, 2}, 28, 224);       /* 16 of f64 */
    put_pad(b, 32);
    put_data(b, 60), put_pad(b, 32);
    put_data(b, 12), put_pad(b, 32);
    put_data(b, 68), put_pad(b, 32);
    put_data(b, 18), put_pad(b, 32);
    put_data(b, 16), put_pad(b, 32);
}

/* A safetensors file of that header, padded as its authors do, and n bytes of data. */
static inline void sample_json(ch_buf *b, const char *header, size_t n)
{
    ch_buf_init(b, 1 << 20);
    const size_t length = strlen(header), padded = (length + 7) / 8 * 8;
    put_u64(b, padded);
    ch_buf_str(b, header);
    while (b->size < 8 + padded)
        ch_buf_str(b, " ");
    put_data(b, n);
}

static inline void sample_safetensors(ch_buf *b)
{
    sample_json(
        b,
        "{\"__metadata__\":{\"format\":\"pt\",\"note\":\"\\u00e9t\\u00e9\"},"
        "\"extra\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]},"
        "\"model.layers.1.self_attn.q_proj.weight\":"
        "{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[16,40]},"
        "\"scale\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[40,44]},"
        "\"lm_head.weight\":{\"dtype\":\"BF16\",\"shape\":[1,2,2],\"data_offsets\":[44,52]},"
        "\"model.norm.weight\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[52,58]}}",
        58);
}

/* D 8, F 12, L 2, H 2, K 1, V 5, T 6 in either layout; element i of the floats is i. */
static inline void sample_llama2c(ch_buf *b, int version, bool shared)
{
    const int32_t D = 8, F = 12, L = 2, H = 2, K = 1, V = 5, T = 6;
    const bool legacy = version == 0;
    const int32_t header[7] = {D, F, L, H, K, legacy && !shared ? -V : V, T};
    ch_buf_init(b, 1 << 20);
    if (!legacy) {
        ch_buf_str(b, "24ka");
        put_u32(b, (uint32_t)version);
    }
    ch_buf_put(b, header, sizeof header);
    if (!legacy) {
        ch_buf_put(b, shared ? "\1" : "\0", 1);
        put_pad(b, 256);
    }
    const int32_t layer = 2 * D + 2 * D * D + 2 * (D / H * K) * D + 3 * D * F;
    const int32_t n = V * D + L * layer + D + (legacy ? T * (D / H) : 0) + (shared ? 0 : V * D);
    for (int32_t i = 0; i < n; i++) {
        const float f = (float)i;
        ch_buf_put(b, &f, sizeof f);
    }
}

/* The sum of every byte that a file offers: reads all of it. */
static inline uint64_t sample_touch(const ch_file *f)
{
    uint64_t sum = f->version + f->alignment;
#define TOUCH(p, n)                                                                                \
    for (size_t k_ = 0; k_ < (n); k_++)                                                            \
    sum = sum * 31 + ((const unsigned char *)(p))[k_]
    for (size_t i = 0; i < f->n_meta; i++) {
        const ch_meta *m = &f->meta[i];
        TOUCH(m->key.p, m->key.n);
        if (m->type == CH_META_STR)
            TOUCH(m->v.s.p, m->v.s.n);
        const ch_str *s =
            m->type == CH_META_ARRAY && m->v.a.type == CH_META_STR ? m->v.a.data : NULL;
        for (size_t k = 0; m->type == CH_META_ARRAY && k < m->v.a.n; k++) {
            int64_t number = 0;
            double x = 0;
            if (s)
                TOUCH(s[k].p, s[k].n);
            else if (ch_meta_at_int(&number, m, k) < 0 && ch_meta_at_real(&x, m, k) == CH_OK)
                sum += x > 0;
            sum += (uint64_t)number;
        }
    }
    for (size_t i = 0; i < f->n_tensors; i++) {
        const ch_file_tensor *t = &f->tensors[i];
        TOUCH(t->name, strlen(t->name));
        TOUCH(t->t.data, t->bytes);
        real first[256]; /* a block, in the format's own way: alignment is right too */
        ch_tensor_read(first, &t->t, 0, CH_MIN(ch_tensor_width(&t->t), (int64_t)32));
        sum += first[0] > 0;
    }
#undef TOUCH
    return sum;
}

#endif
