/* hf_read.c - a Hugging Face folder as one model file: config.json beside model.safetensors
 *
 * The tensors are the safetensors file's, under GGUF's names; the configuration becomes the keys
 * that a GGUF file would have.  Rows of llama's query and key maps, which are halves of a head
 * there, are copied into pairs (2i, 2i+1), as GGUF stores them; a head that repeats the tied
 * embedding table is left out.  Weights in several files, and configurations that ask for what
 * would silently give other numbers here, are refused by name.
 * Sources: transformers' LlamaConfig and Qwen3Config; llama.cpp, convert_hf_to_gguf.py (permute).
 * SPDX-License-Identifier: MIT */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MOST = 1 << 20, KEY_MOST = 96 };

struct config {
    const json_t *v;
    const char *path; /* of config.json */
    const char *arch;
    ch_file *f;
    ch_err *e;
};

/* ---- config.json ---------------------------------------------------------------------------- */

static int put_int(const struct config *c, const char *key, const char *suffix, int64_t or)
{
    int64_t n;
    char name[KEY_MOST];
    int rc = ch_json_int(&n, c->v, key, or, -1, INT32_MAX, c->path, c->e);
    if (rc == CH_OK && n < 0)
        rc = ch_fail(c->e, CH_EFORMAT, "%s: \"%s\" is missing", c->path, key);
    if (rc < 0 || (n == 0 && or == 0)) /* optional, and not there */
        return rc;
    snprintf(name, sizeof name, "%s.%s", c->arch, suffix);
    return ch_file_set_u32(c->f, name, (uint32_t)n, c->e);
}

static int put_real(const struct config *c, const char *key, const char *suffix, double or)
{
    double x;
    char name[KEY_MOST];
    const int rc = ch_json_real(&x, c->v, key, or, c->path, c->e);
    if (rc < 0)
        return rc;
    snprintf(name, sizeof name, "%s.%s", c->arch, suffix);
    return ch_file_set_f32(c->f, name, (float)x, c->e);
}

static int put_arch(struct config *c)
{
    static const char *const known[] = {"llama", "qwen3", "chalcis"};
    const char *type;
    const int rc = ch_json_str(&type, c->v, "model_type", "", c->path, c->e);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < CH_COUNT(known); i++)
        if (strcmp(known[i], type) == 0)
            c->arch = known[i];
    if (!c->arch)
        return ch_fail(c->e, CH_EUNSUPPORTED,
                       "%s: model_type is \"%.40s\"; supported are llama, qwen3, chalcis", c->path,
                       type);
    return ch_file_set_str(c->f, "general.architecture", c->arch, strlen(c->arch), c->e);
}

/* What is not computed here must not be asked for. */
static int refuse(const struct config *c)
{
    static const char *const off[] = {"rope_scaling", "attention_bias", "mlp_bias",
                                      "use_sliding_window", "quantization_config"};
    const char *act;
    for (size_t i = 0; i < CH_COUNT(off); i++) {
        const json_t *v = json_object_get(c->v, off[i]);
        if (v && !json_is_null(v) && !json_is_false(v))
            return ch_fail(c->e, CH_EUNSUPPORTED, "%s: \"%s\" is set, which is not supported",
                           c->path, off[i]);
    }
    const int rc = ch_json_str(&act, c->v, "hidden_act", "silu", c->path, c->e);
    if (rc < 0 || strcmp(act, "silu") == 0)
        return rc;
    if (strcmp(act, "relu2") == 0 && strcmp(c->arch, "chalcis") == 0)
        return ch_file_set_str(c->f, "chalcis.feed_forward_type", act, 5, c->e);
    return ch_fail(c->e, CH_EUNSUPPORTED, "%s: hidden_act is \"%.40s\"; supported is silu", c->path,
                   act);
}

/* Newer transformers keep rope_theta, and what scales it, in an object of its own. */
static int put_rope(const struct config *c)
{
    const json_t *p = json_object_get(c->v, "rope_parameters");
    const char *type;
    if (!json_is_object(p))
        return put_real(c, "rope_theta", "rope.freq_base", 10000);
    int rc = ch_json_str(&type, p, "rope_type", "default", c->path, c->e);
    if (rc == CH_OK && strcmp(type, "default") != 0)
        rc = ch_fail(c->e, CH_EUNSUPPORTED,
                     "%s: rope_type is \"%.40s\"; scaled rotary positions are not supported",
                     c->path, type);
    struct config inner = *c;
    inner.v = p;
    return rc == CH_OK ? put_real(&inner, "rope_theta", "rope.freq_base", 10000) : rc;
}

static int put_config(struct config *c)
{
    static const struct {
        const char *key, *suffix;
        int64_t or; /* -1: it has to be there; 0: it may be absent */
    } ints[] = {
        {"hidden_size", "embedding_length", -1},
        {"intermediate_size", "feed_forward_length", -1},
        {"num_hidden_layers", "block_count", -1},
        {"num_attention_heads", "attention.head_count", -1},
        {"num_key_value_heads", "attention.head_count_kv", 0},
        {"head_dim", "attention.key_length", 0},
        {"head_dim", "attention.value_length", 0},
        {"max_position_embeddings", "context_length", 2048},
        {"vocab_size", "vocab_size", -1},
        {"memory_length", "memory_length", 0},
    };
    int rc = put_arch(c);
    if (rc == CH_OK)
        rc = refuse(c);
    for (size_t i = 0; i < CH_COUNT(ints) && rc == CH_OK; i++)
        rc = put_int(c, ints[i].key, ints[i].suffix, ints[i].or);
    if (rc == CH_OK)
        rc = put_real(c, "rms_norm_eps", "attention.layer_norm_rms_epsilon", 1e-6);
    return rc == CH_OK ? put_rope(c) : rc;
}

/* ---- Tensors -------------------------------------------------------------------------------- */

static void drop_tied_head(struct config *c)
{
    static const char head[] = "output.weight";
    ch_file *f = c->f;
    if (!json_is_true(json_object_get(c->v, "tie_word_embeddings")))
        return;
    const int64_t at = ch_map_remove(&f->index->tensors, head, strlen(head));
    if (at < 0)
        return;
    const ch_file_tensor *last = &f->tensors[--f->n_tensors];
    if ((size_t)at < f->n_tensors) {
        f->tensors[at] = *last;
        ch_map_put(&f->index->tensors, last->name, strlen(last->name), at, NULL, NULL);
    }
}

/* Heads of `rows` / heads rows: row p * half + i of each becomes row 2i + p. */
static int to_pairs(ch_file *f, ch_file_tensor *t, int64_t heads, ch_err *e)
{
    const int64_t rows = t->t.dim[0];
    if (t->t.rank != 2 || heads < 1 || rows % (2 * heads) != 0)
        return ch_fail(e, CH_EFORMAT, "%s: tensor %s cannot be %lld heads of even width", f->path,
                       t->name, (long long)heads);
    const int64_t width = rows / heads, half = width / 2;
    const size_t bytes = t->bytes / (size_t)rows;
    char *to = ch_file_memory(f, t->bytes, e);
    if (!to)
        return CH_ENOMEM;
    const char *from = t->t.data;
    for (int64_t r = 0; r < rows; r++) {
        const int64_t in = r % width, there = r - in + in % 2 * half + in / 2;
        memcpy(to + (size_t)r * bytes, from + (size_t)there * bytes, bytes);
    }
    t->t.data = to;
    return CH_OK;
}

static int turn(const struct config *c)
{
    int64_t heads[2];
    int rc = ch_json_int(&heads[0], c->v, "num_attention_heads", 1, 1, INT32_MAX, c->path, c->e);
    if (rc == CH_OK)
        rc = ch_json_int(&heads[1], c->v, "num_key_value_heads", heads[0], 1, INT32_MAX, c->path,
                         c->e);
    for (size_t i = 0; i < c->f->n_tensors && rc == CH_OK; i++) {
        ch_file_tensor *t = &c->f->tensors[i];
        if (strstr(t->name, ".attn_q.weight"))
            rc = to_pairs(c->f, t, heads[0], c->e);
        else if (strstr(t->name, ".attn_k.weight"))
            rc = to_pairs(c->f, t, heads[1], c->e);
    }
    return rc;
}

/* ---- The folder ----------------------------------------------------------------------------- */

static int open_weights(ch_file **out, const char *dir, ch_err *e)
{
    char *one = ch_io_join(dir, "model.safetensors");
    char *several = ch_io_join(dir, "model.safetensors.index.json");
    int rc;
    if (!one || !several)
        rc = ch_fail(e, CH_ENOMEM, "no memory for a path in %s", dir);
    else if (!ch_io_exists(one) && ch_io_exists(several))
        rc = ch_fail(e, CH_EUNSUPPORTED,
                     "%s: the weights are in several files; supported is one model.safetensors",
                     dir);
    else if (ch_io_is_dir(one))
        rc = ch_fail(e, CH_EFORMAT, "%s: it is a directory, not the weights", one);
    else
        rc = ch_file_open(out, one, e);
    if (rc == CH_OK && strcmp((*out)->format, "safetensors") != 0) /* its rows may be turned yet */
        rc = ch_fail(e, CH_EFORMAT, "%s: it is a %s file", one, (*out)->format);
    free(one);
    free(several);
    return rc;
}

int ch_file_open_folder(ch_file **out, const char *dir, ch_err *e)
{
    char *path = ch_io_join(dir, "config.json");
    json_t *v = NULL;
    *out = NULL;
    int rc = path ? CH_OK : ch_fail(e, CH_ENOMEM, "no memory for a path in %s", dir);
    if (rc == CH_OK && !ch_io_exists(path))
        rc = ch_fail(e, CH_EARG,
                     "%s is a directory without config.json; a model is a file, or a Hugging Face"
                     " folder",
                     dir);
    if (rc == CH_OK)
        rc = ch_json_load(&v, path, CONFIG_MOST, e);
    if (rc == CH_OK)
        rc = open_weights(out, dir, e);
    struct config c = {.v = v, .path = path, .f = *out, .e = e};
    if (rc == CH_OK)
        rc = put_config(&c);
    if (rc == CH_OK) {
        drop_tied_head(&c);
        rc = strcmp(c.arch, "llama") == 0 ? turn(&c) : CH_OK;
    }
    if (rc < 0)
        ch_file_close(out);
    json_decref(v);
    free(path);
    return rc;
}
