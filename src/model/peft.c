/* peft.c - adapters as Hugging Face's PEFT keeps them
 *
 *   adapter_config.json         {"peft_type": "LORA", "r", "lora_alpha", "target_modules", ...}
 *   adapter_model.safetensors   base_model.model.NAME.lora_A.weight (R, K), .lora_B.weight (N, R),
 *                               NAME a linear map in Hugging Face's names, without ".weight"
 *
 * Rows of B follow the rows of their map: where those are rotary pairs here they are halves there
 * (ch_row_there).  Here is how one that was trained is written, and read to go on; for use they
 * are opened by lora_open.c.
 * Source: PEFT, LoraConfig and its state_dict.  SPDX-License-Identifier: MIT */
#include "peft.h"
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MOST = 256, CONFIG_MOST = 1 << 20, MODULES = 64 };
static const char before[] = "base_model.model.";
static const char *const parts[2] = {"lora_A", "lora_B"};

bool ch_peft_name(char *out, size_t size, const char *arch, const char *gguf, int part)
{
    char hf[192];
    if (!ch_name_to_hf(hf, sizeof hf, arch, gguf))
        return false;
    *strrchr(hf, '.') = '\0';
    const int n = snprintf(out, size, "%s%s.%s.weight", before, hf, parts[part]);
    return n > 0 && (size_t)n < size;
}

static int no_name(const ch_weight *w, ch_err *e)
{
    return ch_fail(e, CH_EUNSUPPORTED, "tensor %s has no name in Hugging Face's layout", w->name);
}

void ch_peft_turn_rows(real *to, const real *from, const ch_tensor *t, const ch_config *c,
                       bool to_halves)
{
    const int64_t width = ch_tensor_width(t);
    for (int64_t r = 0; r < ch_tensor_rows(t); r++) {
        const int64_t there = ch_row_there(c, r);
        memcpy(to + (to_halves ? there : r) * width, from + (to_halves ? r : there) * width,
               (size_t)width * sizeof *to);
    }
}

bool ch_peft_is_turned(const ch_config *c, const ch_weight_row *row, int part)
{
    return part == 1 && (row->flags & CH_ROW_ROPE) && c->rope.interleaved;
}

/* ---- Values ---------------------------------------------------------------------------------- */

struct values {
    ch_lora *l;
    const ch_config *c;
    ch_file *f;
    size_t found;
    ch_err *e;
};

static int put_map(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct values *s = arg;
    (void)layer;
    int rc = CH_OK;
    for (int part = 0; part < 2 && rc == CH_OK && s->l->low[w->number].a; part++) {
        ch_tensor t = s->l->maps[2 * w->number + part].stored;
        char name[NAME_MOST];
        if (!ch_peft_name(name, sizeof name, s->c->arch->name, w->name, part))
            return no_name(w, s->e);
        if (ch_peft_is_turned(s->c, row, part)) {
            real *turned = ch_file_memory(s->f, (size_t)ch_tensor_count(&t) * sizeof(real), s->e);
            if (!turned)
                return CH_ENOMEM;
            ch_peft_turn_rows(turned, t.data, &t, s->c, true);
            t.data = turned;
        }
        rc = ch_file_add_tensor(s->f, name, &t, s->e);
    }
    return rc;
}

int ch_lora_write_values(const char *path, const ch_lora *l, ch_model *m, ch_err *e)
{
    struct values s = {.l = (ch_lora *)(uintptr_t)l, .c = &m->config, .e = e};
    int rc = ch_file_new(&s.f, e);
    if (rc == CH_OK)
        rc = ch_file_set_str(s.f, "format", "pt", 2, e);
    if (rc == CH_OK)
        rc = ch_model_each(m, put_map, &s);
    if (rc == CH_OK)
        rc = ch_safetensors_write(s.f, path, e);
    ch_file_close(&s.f);
    return rc;
}

static int get_part(struct values *s, const char *gguf, const ch_weight_row *row, int part,
                    ch_weight *w)
{
    char name[NAME_MOST], shape[96];
    if (!ch_peft_name(name, sizeof name, s->c->arch->name, gguf, part))
        return no_name(w, s->e);
    const ch_file_tensor *t = ch_file_tensor_find(s->f, name);
    const ch_tensor *want = &w->stored;
    ch_tensor_describe(shape, sizeof shape, want);
    if (!t || t->t.rank != 2 || t->t.dim[0] != want->dim[0] || t->t.dim[1] != want->dim[1])
        return ch_fail(s->e, CH_EFORMAT, "%s: tensor %s is not there in the shape of %s",
                       s->f->path, name, shape);
    const int64_t n = ch_tensor_count(want);
    s->found++;
    if (!ch_peft_is_turned(s->c, row, part)) {
        ch_tensor_read(want->data, &t->t, 0, n);
        return CH_OK;
    }
    real *turned = malloc((size_t)n * sizeof *turned);
    if (!turned)
        return ch_fail(s->e, CH_ENOMEM, "no memory for tensor %s", name);
    ch_tensor_read(turned, &t->t, 0, n);
    ch_peft_turn_rows(want->data, turned, want, s->c, false);
    free(turned);
    return CH_OK;
}

static int get_map(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct values *s = arg;
    (void)layer;
    int rc = CH_OK;
    for (int part = 0; part < 2 && rc == CH_OK && s->l->low[w->number].a; part++)
        rc = get_part(s, w->name, row, part, &s->l->maps[2 * w->number + part]);
    return rc;
}

static int get_values(ch_lora *l, ch_model *m, ch_file *f, ch_err *e)
{
    struct values s = {.l = l, .c = &m->config, .f = f, .e = e};
    int rc = ch_model_each(m, get_map, &s);
    if (rc == CH_OK && s.found != f->n_tensors)
        rc = ch_fail(e, CH_EFORMAT,
                     "%s: it has %zu tensors, of which %zu belong to linear maps of a %s model of "
                     "%d layers",
                     f->path, f->n_tensors, s.found, m->config.arch->name, m->config.layers);
    return rc;
}

int ch_lora_read_values(ch_lora *l, ch_model *m, const char *path, ch_err *e)
{
    ch_file *f;
    int rc = ch_file_open(&f, path, e);
    if (rc == CH_OK)
        rc = get_values(l, m, f, e);
    if (rc == CH_OK)
        rc = ch_file_whole(f, e);
    ch_file_close(&f);
    return rc;
}

/* ---- Configuration --------------------------------------------------------------------------- */

struct modules {
    const ch_lora *l;
    const ch_model *m;
    json_t *list;
    bool bad;
};

static bool in_every_layer(const struct modules *s, const ch_weight_row *row)
{
    bool all = true;
    for (int i = 0; i < s->m->config.layers; i++) {
        const ch_weight *w =
            (const ch_weight *)((const char *)ch_model_layer(s->m, i) + row->field);
        all &= s->l->low[w->number].a != NULL;
    }
    return all;
}

/* PEFT is told which modules are meant by the last part of their names, each once, or by whole
 * names where only some layers have an adapter. */
static int put_module(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct modules *s = arg;
    char hf[192];
    if (!s->l->low[w->number].a || !ch_name_to_hf(hf, sizeof hf, s->m->config.arch->name, w->name))
        return 0;
    *strrchr(hf, '.') = '\0';
    const char *dot = strrchr(hf, '.');
    const char *last = dot && layer >= 0 && in_every_layer(s, row) ? dot + 1 : hf;
    size_t i;
    json_t *v;
    json_array_foreach(s->list, i, v)
    {
        if (strcmp(json_string_value(v), last) == 0)
            return 0;
    }
    s->bad |= json_array_append_new(s->list, json_string(last)) < 0;
    return 0;
}

int ch_lora_write_config(const char *path, const ch_lora *l, ch_model *m, const char *base,
                         ch_err *e)
{
    struct modules s = {.l = l, .m = m, .list = json_array()};
    ch_buf b;
    ch_buf_init(&b, CONFIG_MOST);
    ch_model_each(m, put_module, &s);
    json_t *v = json_pack("{s:s, s:s, s:s?, s:i, s:f, s:f, s:s, s:O, s:b, s:b, s:b, s:b, s:{}, "
                          "s:{}, s:n, s:n, s:n, s:b}",
                          "peft_type", "LORA", "task_type", "CAUSAL_LM", "base_model_name_or_path",
                          base, "r", l->rank, "lora_alpha", l->alpha, "lora_dropout", 0.0, "bias",
                          "none", "target_modules", s.list, "fan_in_fan_out",
                          strcmp(m->config.arch->name, "gpt2") == 0, "inference_mode",
                          1, "use_rslora", 0, "use_dora", 0, "rank_pattern", "alpha_pattern",
                          "modules_to_save", "layers_to_transform", "layers_pattern",
                          "init_lora_weights", 1);
    int rc = v && !s.bad ? ch_json_dump(&b, v, e)
                         : ch_fail(e, CH_EARG, "%s: no memory, or a name in it is not UTF-8", path);
    if (rc == CH_OK)
        rc = ch_io_write_file(path, b.data, b.size, e);
    json_decref(v);
    json_decref(s.list);
    ch_buf_close(&b);
    return rc;
}
