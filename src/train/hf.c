/* hf.c - config.json and model.safetensors as Hugging Face's transformers read them
 *
 * Rows of a head whose positions turn pairs (2i, 2i+1) here (and in GGUF) turn pairs (i, i + R/2)
 * there, R the rotary dims: row p R/2 + i there is row 2i + p here, p in {0, 1}; rows past R keep
 * their places. SPDX-License-Identifier: MIT */
#include "hf.h"

#include <stdlib.h>
#include <string.h>

/* ---- config.json ---------------------------------------------------------------------------- */

static json_t *token(ch_token id)
{
    return id >= 0 ? json_integer(id) : json_null();
}

int ch_checkpoint_config(json_t **out, const ch_config *c, const ch_tokenizer *tk, ch_err *e)
{
    static const struct {
        const char *arch, *name;
    } classes[] = {{"llama", "LlamaForCausalLM"},
                 {"qwen3", "Qwen3ForCausalLM"},
                 {"chalcis", "ChalcisForCausalLM"}};
    const char *name = NULL;
    for (size_t i = 0; i < CH_COUNT(classes); i++)
        if (strcmp(classes[i].arch, c->arch->name) == 0)
            name = classes[i].name;
    *out = NULL;
    if (!name)
        return ch_fail(e, CH_EUNSUPPORTED, "%s models have no config.json here", c->arch->name);
    *out = json_pack(
        "{s:[s], s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:n, s:i, s:i, s:b, s:s, s:b, s:b,"
        " s:f, s:b, s:o, s:o, s:s}",
        "architectures", name, "model_type", c->arch->name, "hidden_size", c->width,
        "intermediate_size", c->hidden, "num_hidden_layers", c->layers, "num_attention_heads",
        c->heads, "num_key_value_heads", c->kv_heads, "head_dim", c->head_width, "rms_norm_eps",
        c->norm_eps, "rope_theta", c->rope.base, "rope_scaling", "vocab_size", c->vocab,
        "max_position_embeddings", c->context, "tie_word_embeddings", (int)c->tied, "hidden_act",
        c->relu2 ? "relu2" : "silu", "attention_bias", 0, "mlp_bias", 0, "attention_dropout", 0.0,
        "use_cache", 1, "bos_token_id", token(ch_tokenizer_bos(tk)), "eos_token_id",
        token(ch_tokenizer_eos(tk)),
        "torch_dtype", CH_REAL == CH_F32 ? "float32" : "float64");
    if (*out && c->memory &&
        json_object_set_new(*out, "memory_length", json_integer(c->memory)) < 0) {
        json_decref(*out);
        *out = NULL;
    }
    return *out ? CH_OK : ch_fail(e, CH_ENOMEM, "no memory for config.json");
}

/* ---- Rotary rows ---------------------------------------------------------------------------- */

static bool is_turned(const ch_model *m, const ch_weight_row *row)
{
    return (row->flags & CH_ROW_ROPE) && m->config.rope.interleaved;
}

/* Copies the rows of a turned matrix from one order into the other. */
static void reorder(real *to, const real *from, const ch_tensor *t, const ch_config *c,
                    bool to_halves)
{
    const int64_t width = ch_tensor_width(t), rows = ch_tensor_rows(t);
    for (int64_t r = 0; r < rows; r++) {
        const int64_t there = ch_row_there(c, r);
        memcpy(to + (to_halves ? there : r) * width, from + (to_halves ? r : there) * width,
               (size_t)width * sizeof(real));
    }
}

/* ---- model.safetensors ---------------------------------------------------------------------- */

struct weights {
    ch_model *m;
    ch_file *f;
    size_t found;
    ch_err *e;
};

static bool hf_name(char *out, size_t size, const struct weights *s, const ch_weight *w)
{
    const bool known = ch_name_to_hf(out, size, s->m->config.arch->name, w->name);
    if (!known)
        ch_fail(s->e, CH_EUNSUPPORTED, "tensor %s has no name in Hugging Face's layout", w->name);
    return known;
}

static int put_weight(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct weights *s = arg;
    (void)layer;
    if (!w->stored.data)
        return CH_OK;
    char name[192];
    if (!hf_name(name, sizeof name, s, w))
        return CH_EUNSUPPORTED;
    ch_tensor t = w->stored;
    if (is_turned(s->m, row)) {
        t.data = ch_file_memory(s->f, (size_t)ch_tensor_count(&t) * sizeof(real), s->e);
        if (!t.data)
            return CH_ENOMEM;
        reorder(t.data, w->stored.data, &t, &s->m->config, true);
    }
    return ch_file_add_tensor(s->f, name, &t, s->e);
}

int ch_hf_write(const char *path, ch_model *m, ch_err *e)
{
    struct weights s = {.m = m, .e = e};
    int rc = ch_file_new(&s.f, e);
    if (rc == CH_OK)
        rc = ch_file_set_str(s.f, "format", "pt", 2, e); /* transformers asks for it */
    if (rc == CH_OK)
        rc = ch_model_each(m, put_weight, &s);
    if (rc == CH_OK)
        rc = ch_safetensors_write(s.f, path, e);
    ch_file_close(&s.f);
    return rc;
}

static int get_weight(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct weights *s = arg;
    (void)layer;
    if (!w->stored.data)
        return CH_OK;
    char name[192];
    if (!hf_name(name, sizeof name, s, w))
        return CH_EUNSUPPORTED;
    const ch_file_tensor *t = ch_file_tensor_find(s->f, name);
    const ch_tensor *want = &w->stored;
    if (!t || t->t.dtype != CH_REAL || t->t.rank != want->rank || t->t.dim[0] != want->dim[0] ||
        (want->rank == 2 && t->t.dim[1] != want->dim[1])) {
        char shape[96];
        ch_tensor_describe(shape, sizeof shape, want);
        return ch_fail(s->e, CH_EFORMAT, "%s: tensor %s is not there as %s", s->f->path, w->name,
                       shape);
    }
    const size_t bytes = (size_t)ch_tensor_count(want) * sizeof(real);
    s->found++;
    if (!is_turned(s->m, row)) {
        memcpy(want->data, t->t.data, bytes);
        return CH_OK;
    }
    real *copy = malloc(bytes); /* aligned, as what lies in a file need not be */
    if (!copy)
        return ch_fail(s->e, CH_ENOMEM, "no memory for tensor %s", w->name);
    memcpy(copy, t->t.data, bytes);
    reorder(want->data, copy, want, &s->m->config, false);
    free(copy);
    return CH_OK;
}

int ch_hf_read(ch_model *m, const char *path, ch_err *e)
{
    struct weights s = {.m = m, .e = e};
    int rc = ch_file_open(&s.f, path, e);
    if (rc < 0)
        return rc;
    rc = ch_model_each(m, get_weight, &s);
    if (rc == CH_OK && s.found != s.f->n_tensors)
        rc = ch_fail(e, CH_EFORMAT, "%s: it has %zu tensors, the model %zu", path, s.f->n_tensors,
                     s.found);
    ch_file_close(&s.f);
    return rc;
}
