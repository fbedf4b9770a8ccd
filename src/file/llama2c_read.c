/* llama2c_read.c - float checkpoints of llama2.c, legacy and version 1
 *
 *   legacy:    i32 D F L H K V T, floats;  V < 0: the head is a tensor of its own, not shared
 *   version 1: "24ka", i32 1, i32 D F L H K V T, u8 shared head, zeros up to 256 bytes, floats
 *
 * D width, F hidden width, L layers, H query heads, K key heads, V vocabulary, T context.  The
 * floats are whole tensors one after the other, each of all layers before the next, in the orders
 * below; the legacy file keeps a table of rotations before the head, which is skipped.  Nothing may
 * be missing or left over.
 * Source: llama2.c export.py (legacy_export, version1_export) and run.c (memory_map_weights).
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "store.h"

enum { LEGACY_HEADER = 28, V1_HEADER = 256, V1_MAGIC = 0x616b3432 };

typedef struct config {
    int64_t dim, hidden, layers, heads, kv_heads, vocab, context;
    bool shared; /* the head is the embedding */
} config;

typedef enum part {
    EMBED, ATTN_NORM, WQ, WK, WV, WO, FFN_NORM, W1, W2, W3, NORM, ROTATIONS, HEAD, PARTS
} part;

static const part legacy_order[PARTS] = {EMBED, ATTN_NORM, WQ, WK,   WV,        WO,  FFN_NORM,
                                         W1,    W2,        W3, NORM, ROTATIONS, HEAD};
static const part v1_order[PARTS - 1] = {ATTN_NORM, FFN_NORM, NORM, EMBED, WQ, WK,
                                         WV,        WO,       W1,   W2,    W3, HEAD};

/* Shapes in letters: D width, E the keys' width, F hidden width, V vocabulary, 1 a vector. */
static const struct {
    const char *name;
    char rows, cols;
    bool layers;
} parts[PARTS] = {
    [EMBED] = {"token_embd", 'V', 'D', false},   [HEAD] = {"output", 'V', 'D', false},
    [NORM] = {"output_norm", '1', 'D', false},   [ROTATIONS] = {"rotations", 'R', '1', false},
    [ATTN_NORM] = {"attn_norm", '1', 'D', true}, [FFN_NORM] = {"ffn_norm", '1', 'D', true},
    [WQ] = {"attn_q", 'D', 'D', true},           [WK] = {"attn_k", 'E', 'D', true},
    [WV] = {"attn_v", 'E', 'D', true},           [WO] = {"attn_output", 'D', 'D', true},
    [W1] = {"ffn_gate", 'F', 'D', true},         [W2] = {"ffn_down", 'D', 'F', true},
    [W3] = {"ffn_up", 'F', 'D', true},
};

static int64_t extent(const config *c, char letter)
{
    switch (letter) {
    case 'D': return c->dim;
    case 'E': return c->dim / c->heads * c->kv_heads;
    case 'F': return c->hidden;
    case 'V': return c->vocab;
    case 'R': return c->context * (c->dim / c->heads / 2) * 2; /* real and imaginary */
    default: return 1;
    }
}

/* The seven numbers, which must be believable: they are what a legacy file is known by. */
static int read_config(config *c, const unsigned char *p, bool legacy, const char *path, ch_err *e)
{
    static const struct {
        const char *name;
        int32_t max;
    } rule[7] = {{"dim", 1 << 16},     {"hidden_dim", 1 << 20}, {"n_layers", 1 << 12},
                 {"n_heads", 1 << 12}, {"n_kv_heads", 1 << 12}, {"vocab_size", 1 << 24},
                 {"seq_len", 1 << 20}};
    int32_t v[7];
    memcpy(v, p, sizeof v);
    c->shared = v[5] > 0;
    if (legacy && v[5] < 0 && v[5] > INT32_MIN)
        v[5] = -v[5];
    for (int i = 0; i < 7; i++)
        if (v[i] < 1 || v[i] > rule[i].max)
            return ch_fail(e, CH_EFORMAT, "%s: %s is %d, allowed are 1 to %d", path, rule[i].name,
                           v[i], rule[i].max);
    *c = (config){.dim = v[0],
                  .hidden = v[1],
                  .layers = v[2],
                  .heads = v[3],
                  .kv_heads = v[4],
                  .vocab = v[5],
                  .context = v[6],
                  .shared = c->shared};
    if (v[0] % (2 * v[3]) || v[3] % v[4])
        return ch_fail(
            e, CH_EFORMAT,
            "%s: dim %d, n_heads %d, n_kv_heads %d: heads need an even width, and key heads "
            "a whole number of query heads each",
            path, v[0], v[3], v[4]);
    return CH_OK;
}

static bool is_v1(const unsigned char *p, size_t n)
{
    uint32_t magic;
    return n >= sizeof magic && (memcpy(&magic, p, sizeof magic), magic == V1_MAGIC);
}

bool ch_llama2c_sniff(const unsigned char *p, size_t n)
{
    config c;
    return is_v1(p, n) || (n >= LEGACY_HEADER && read_config(&c, p, true, "", NULL) == CH_OK);
}

static int read_header(config *c, ch_file *f, ch_err *e)
{
    const unsigned char *p = f->map.data;
    if (!is_v1(p, f->map.size))
        return read_config(c, p, true, f->path, e);
    if (f->map.size < V1_HEADER)
        return ch_fail(e, CH_EFORMAT, "%s: %zu bytes, a llama2.c header takes %d", f->path,
                       f->map.size, V1_HEADER);
    memcpy(&f->version, p + 4, sizeof f->version);
    if (f->version == 2)
        return ch_fail(e, CH_EUNSUPPORTED,
                       "%s: llama2.c version 2 (int8), supported are legacy and version 1 (float)",
                       f->path);
    if (f->version != 1)
        return ch_fail(e, CH_EUNSUPPORTED,
                       "%s: llama2.c version %u, supported are legacy and version 1", f->path,
                       f->version);
    int rc = read_config(c, p + 8, false, f->path, e);
    if (rc == CH_OK && p[36] > 1)
        rc = ch_fail(e, CH_EFORMAT, "%s: shared_classifier is %d, allowed are 0 and 1", f->path,
                     p[36]);
    c->shared = p[36] == 1;
    return rc;
}

static int set_metadata(ch_file *f, const config *c, ch_err *e)
{
    const struct {
        const char *key;
        int64_t value;
    } all[] = {
        {"llama.context_length", c->context},
        {"llama.embedding_length", c->dim},
        {"llama.block_count", c->layers},
        {"llama.feed_forward_length", c->hidden},
        {"llama.attention.head_count", c->heads},
        {"llama.attention.head_count_kv", c->kv_heads},
        {"llama.rope.dimension_count", c->dim / c->heads},
        {"llama.vocab_size", c->vocab},
    };
    int rc = ch_file_set_str(f, "general.architecture", "llama", 5, e);
    for (size_t i = 0; rc == CH_OK && i < CH_COUNT(all); i++)
        rc = ch_file_set_u32(f, all[i].key, (uint32_t)all[i].value, e);
    if (rc == CH_OK) /* constants of run.c, not in the file */
        rc = ch_file_set_f32(f, "llama.attention.layer_norm_rms_epsilon", 1e-5f, e);
    if (rc == CH_OK)
        rc = ch_file_set_f32(f, "llama.rope.freq_base", 10000.0f, e);
    return rc;
}

static int add_part(ch_file *f, const config *c, part k, const unsigned char *at, ch_err *e)
{
    const int64_t rows = extent(c, parts[k].rows), cols = extent(c, parts[k].cols);
    const size_t bytes = (size_t)(rows * cols) * sizeof(float);
    const int64_t layers = parts[k].layers ? c->layers : 1;
    int rc = CH_OK;
    for (int64_t l = 0; rc == CH_OK && l < layers; l++, at += bytes) {
        char name[64];
        if (parts[k].layers)
            snprintf(name, sizeof name, "blk.%lld.%s.weight", (long long)l, parts[k].name);
        else
            snprintf(name, sizeof name, "%s.weight", parts[k].name);
        void *data = (void *)(uintptr_t)at;
        const ch_tensor t = parts[k].rows == '1' ? ch_tensor_1d(data, CH_F32, cols)
                                                 : ch_tensor_2d(data, CH_F32, rows, cols);
        rc = ch_file_put_tensor(f, (ch_str){.p = name, .n = strlen(name)}, &t, bytes, e);
    }
    return rc;
}

int ch_llama2c_read(ch_file *f, ch_err *e)
{
    config c;
    int rc = read_header(&c, f, e);
    if (rc < 0)
        return rc;
    const bool legacy = f->version == 0;
    const part *order = legacy ? legacy_order : v1_order;
    const size_t count = (legacy ? PARTS : PARTS - 1) - (c.shared ? 1 : 0); /* the head is last */
    uint64_t at[PARTS + 1] = {legacy ? LEGACY_HEADER : V1_HEADER};
    for (size_t i = 0; i < count; i++) {
        const int64_t rows = extent(&c, parts[order[i]].rows),
                      cols = extent(&c, parts[order[i]].cols);
        /* Below 2^51 by the limits of read_config. */
        at[i + 1] = at[i] + (uint64_t)(rows * cols * (parts[order[i]].layers ? c.layers : 1)) * 4;
    }
    if (at[count] != f->map.size)
        return ch_fail(e, CH_EFORMAT,
                       "%s: %zu bytes, a llama2.c model of these dimensions has %llu", f->path,
                       f->map.size, (unsigned long long)at[count]);
    f->alignment = sizeof(float);
    rc = set_metadata(f, &c, e);
    for (size_t i = 0; rc == CH_OK && i < count; i++)
        if (order[i] != ROTATIONS)
            rc = add_part(f, &c, order[i], f->map.data + at[i], e);
    return rc;
}
