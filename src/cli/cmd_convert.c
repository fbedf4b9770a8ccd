/* cmd_convert.c - chalcis convert: a model in another container
 *
 *   Hugging Face folder, llama2.c  ->  OUT.gguf, with the vocabulary
 *   GGUF                           ->  a Hugging Face folder: config.json, safetensors,
 *                                      tokenizer.json, generation_config.json, README.md
 *   PEFT folder  <->  GGUF adapter     convert_adapter.c
 *
 * What is in it stays the same to the bit unless --type asks for another format.
 * SPDX-License-Identifier: MIT */
#include "cmd_convert.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define O(f) offsetof(ch_convert_args, f)
static const ch_opt opts[] = {
    {0, "type", CH_OPT_STR, O(type), "TYPE", "format of matrices: f32 f16 bf16 q8_0 [as they are]", 0, 0},
    {0, "name", CH_OPT_STR, O(name), "TEXT", "the model's name [the old one's, or its folder's]", 0, 0},
    {0, "shard-size", CH_OPT_REAL, O(shard_gb), "GB", "most of one safetensors file [5]", 1e-6, 1e6},
    {0, "tokenizer", CH_OPT_STR, O(tokenizer), "FILE", "another vocabulary than the model's", 0, 0},
    {0, "no-tokenizer", CH_OPT_FLAG, O(no_tokenizer), NULL, "leave the vocabulary out", 0, 0},
    {'m', "model", CH_OPT_STR, O(model), "FILE", "of adapters: the model that they are for", 0, 0},
    {0, "iterations", CH_OPT_INT, O(iterations), "N", "of inl models: steps in every layer [as "
     "they are]", 1, 255},
    {0, "stop", CH_OPT_STR, O(stop), "RULE", "of inl models: when rows end: fixed, reference, token "
     "[as it is]", 0, 0},
    {0, "dry-run", CH_OPT_FLAG, O(dry_run), NULL, "write nothing, list the tensors", 0, 0},
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "convert IN OUT [options]",
    .about = "OUT.gguf becomes a GGUF file; any other OUT a Hugging Face folder (of an adapter, a "
             "PEFT folder).",
    .opts = opts,
    .least_args = 2,
    .most_args = 2,
};

/* ---- What belongs to the tensors ------------------------------------------------------------- */

static bool has_vocabulary(const char *dir)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer.model", "vocab.json",
                                        "encoder.json", "vocab.txt"};
    bool any = false;
    for (size_t i = 0; i < CH_COUNT(names); i++) {
        char *path = ch_io_join(dir, names[i]);
        any |= path && ch_io_exists(path);
        free(path);
    }
    return any;
}

static int64_t rows_of(const ch_file *f)
{
    const ch_file_tensor *t = ch_file_tensor_find(f, "token_embd.weight");
    return t ? t->t.dim[0] : 0;
}

static int put_vocabulary(ch_conversion *c, const ch_convert_args *o, ch_err *e)
{
    ch_tokenizer *tk = NULL;
    const int64_t rows = rows_of(c->from);
    const bool folder = ch_io_is_dir(o->in);
    if (o->no_tokenizer || (!o->tokenizer && ch_file_meta_find(c->to, "tokenizer.ggml.model")))
        return CH_OK;
    if (folder && !o->tokenizer && !has_vocabulary(o->in)) {
        fprintf(stderr, "note: %s has no vocabulary; %s gets none\n", o->in, o->out);
        return CH_OK;
    }
    if (folder && !o->tokenizer) {
        const ch_meta *chat = ch_file_meta_find(c->from, "tokenizer.chat_template");
        const int made = ch_tokenizer_folder_to_file(c->to, o->in, rows, e);
        return made == CH_OK && chat ? ch_file_set_meta(c->to, chat, e) : made;
    }
    int rc = ch_tokenizer_open(&tk, o->in, o->tokenizer, e);
    if (rc == CH_OK)
        rc = ch_tokenizer_to_file_rows(tk, c->to, rows, e);
    ch_tokenizer_close(&tk);
    return rc;
}

/* llama.cpp's llama_ftype of a file whose matrices are mostly of one type. */
static int64_t file_type(const ch_file *f)
{
    static const struct {
        ch_dtype type;
        int number;
    } all[] = {{CH_F32, 0}, {CH_F16, 1}, {CH_Q8_0, 7}, {CH_BF16, 32}};
    uint64_t bytes[CH_DTYPES] = {0};
    int best = 0;
    for (size_t i = 0; i < f->n_tensors; i++)
        if (f->tensors[i].t.rank > 1)
            bytes[f->tensors[i].t.dtype] += f->tensors[i].bytes;
    for (int t = 0; t < CH_DTYPES; t++)
        if (bytes[t] > bytes[best])
            best = t;
    for (size_t i = 0; i < CH_COUNT(all); i++)
        if (all[i].type == (ch_dtype)best)
            return all[i].number;
    return -1;
}

static int put_metadata(ch_conversion *c, const ch_convert_args *o, ch_err *e)
{
    char name[256];
    int rc = CH_OK;
    for (size_t i = 0; i < c->from->n_meta && rc == CH_OK; i++) {
        const ch_str key = c->from->meta[i].key;
        const bool layout = (key.n == 17 && memcmp(key.p, "general.alignment", 17) == 0) ||
                            (key.n > 6 && memcmp(key.p, "split.", 6) == 0);
        const bool words = o->tokenizer && key.n > 10 && memcmp(key.p, "tokenizer.", 10) == 0;
        if (!layout && !words)
            rc = ch_file_set_meta(c->to, &c->from->meta[i], e);
    }
    ch_convert_name(name, sizeof name, c->from, o);
    const int64_t type = file_type(c->to);
    if (rc == CH_OK)
        rc = ch_file_set_str(c->to, "general.type", "model", 5, e);
    if (rc == CH_OK)
        rc = ch_file_set_str(c->to, "general.name", name, strlen(name), e);
    if (rc == CH_OK && type >= 0)
        rc = ch_file_set_u32(c->to, "general.file_type", (uint32_t)type, e);
    if (rc == CH_OK && type == 7)
        rc = ch_file_set_u32(c->to, "general.quantization_version", 2, e);
    return rc;
}

static int write_vocabulary(const ch_file *from, const ch_convert_args *o, ch_err *e)
{
    ch_tokenizer *tk = NULL;
    const bool carried = ch_file_meta_find(from, "tokenizer.ggml.model") != NULL;
    if (o->no_tokenizer)
        return CH_OK;
    if (!carried && !o->tokenizer && ch_io_is_dir(o->in) && !has_vocabulary(o->in)) {
        fprintf(stderr, "note: %s has no vocabulary; %s gets none\n", o->in, o->out);
        return CH_OK;
    }
    char *path = ch_io_join(o->out, "tokenizer.json");
    int rc = path ? ch_tokenizer_open(&tk, o->in, o->tokenizer, e)
                  : ch_fail(e, CH_ENOMEM, "no memory for a path in %s", o->out);
    if (rc == CH_OK)
        rc = ch_tokenizer_to_json(tk, path, e);
    if (rc < 0)
        ch_fail_at(e, "the vocabulary (--no-tokenizer leaves it out)");
    ch_tokenizer_close(&tk);
    free(path);
    return rc;
}

/* ---- A model --------------------------------------------------------------------------------- */

static int list_tensors(const ch_conversion *c)
{
    for (size_t i = 0; i < c->to->n_tensors; i++) {
        char shape[96];
        ch_tensor_describe(shape, sizeof shape, &c->to->tensors[i].t);
        printf("%-60s %s\n", c->to->tensors[i].name, shape);
    }
    printf("%zu tensors, %.2f MB\n", c->to->n_tensors, (double)c->bytes / 1e6);
    return ch_cli_finish(CH_EXIT_OK);
}

static void show(void *arg, const char *tensor, uint64_t bytes, uint64_t of)
{
    (void)tensor;
    ch_bar_show(arg, "converting", (int64_t)(bytes >> 20), (int64_t)(of >> 20), NULL, 0);
}

/* A folder that is one already would become a mixture of both. */
static int check_out(const ch_convert_args *o, ch_err *e)
{
    static const char *const names[] = {"config.json", "model.safetensors",
                                        "model.safetensors.index.json", "adapter_config.json"};
    int rc = ch_cli_refuse_same(o->in, o->out, e);
    for (size_t i = 0; i < CH_COUNT(names) && rc == CH_OK; i++) {
        char *path = ch_io_join(o->out, names[i]);
        if (path && ch_io_exists(path))
            rc = ch_fail(e, CH_EARG, "%s is there already; name another folder, or remove it",
                         path);
        free(path);
    }
    return rc;
}

/* A config.json has no words for some of what GGUF's keys can say: the folder has to mean the same
 * model when it is read again. */
static int check_meaning(const ch_conversion *c, const ch_convert_args *o, ch_err *e)
{
    ch_config was, is;
    ch_file *there = NULL;
    int rc = ch_config_read(&was, c->from, e);
    if (rc == CH_OK)
        rc = ch_file_open(&there, o->out, e);
    if (rc == CH_OK)
        rc = ch_config_read(&is, there, e);
    ch_file_close(&there);
    const ch_hash128 zero = {0};
    const ch_hash128 a = rc == CH_OK ? ch_config_hash(zero, &was) : zero;
    const ch_hash128 b = rc == CH_OK ? ch_config_hash(zero, &is) : zero;
    if (rc < 0 || memcmp(&a, &b, sizeof a) == 0)
        return rc;
    char *path = ch_io_join(o->out, "config.json");
    if (path)
        unlink(path);
    free(path);
    return ch_fail(e, CH_EUNSUPPORTED,
                   "%s: a config.json cannot say all that it does (positions, windows, scales or "
                   "caps), and the folder would compute something else; its config.json is gone",
                   c->from->path);
}

static int write_card(const ch_conversion *c, const ch_convert_args *o, ch_err *e)
{
    return ch_convert_write_card(c->folder ? c->from : c->to, c->to, "convert", c->from->format,
                                 ch_dtype_get(ch_conversion_main_type(c->to))->name, o, e);
}

static int write_model(ch_conversion *c, const ch_convert_args *o, ch_err *e)
{
    int rc = CH_OK;
    if (!c->folder) {
        rc = put_metadata(c, o, e);
        if (rc == CH_OK)
            rc = ch_convert_read_card(c->to, o->in, e);
        if (rc == CH_OK)
            rc = put_vocabulary(c, o, e);
        if (rc == CH_OK)
            rc = ch_conversion_write(c, e);
        return rc == CH_OK ? write_card(c, o, e) : rc;
    }
    rc = ch_io_make_dir(o->out, e);
    if (rc == CH_OK)
        rc = write_vocabulary(c->from, o, e);
    if (rc == CH_OK)
        rc = ch_conversion_write(c, e);
    if (rc == CH_OK)
        rc = check_meaning(c, o, e);
    return rc == CH_OK ? write_card(c, o, e) : rc;
}

static int convert_model(ch_file *from, const ch_convert_args *o, ch_dtype type)
{
    ch_err e = {0};
    ch_conversion *c = NULL;
    ch_bar bar;
    const bool tty = ch_cli_tty(stderr);
    ch_bar_open(&bar, tty ? stderr : NULL);
    const ch_conversion_options co = {.type = type,
                                      .shard_bytes = (uint64_t)(o->shard_gb * 1e9),
                                      .progress = show,
                                      .arg = &bar};
    if (from->notes)
        fprintf(stderr, "note: %s: %s\n", from->path, from->notes);
    int rc = ch_convert_inl(from, o, &e);
    if (rc == CH_OK)
        rc = ch_conversion_open(&c, from, o->out, &co, &e);
    if (rc == CH_OK && o->dry_run) {
        const int code = list_tensors(c);
        ch_conversion_close(&c);
        return code;
    }
    if (rc == CH_OK)
        rc = write_model(c, o, &e);
    ch_bar_close(&bar);
    if (rc == CH_OK)
        fprintf(stderr, "%s: %zu tensors, %.2f MB\n", o->out, c->to->n_tensors,
                (double)c->bytes / 1e6);
    ch_conversion_close(&c);
    return rc < 0 ? ch_cli_fail(&e) : CH_EXIT_OK;
}

/* ---- What it is ------------------------------------------------------------------------------ */

static int find_type(ch_dtype *out, const char *name, ch_err *e)
{
    *out = CH_DTYPES;
    if (!name || (ch_dtype_by_name(out, name) &&
                  (*out == CH_F32 || *out == CH_F16 || *out == CH_BF16 || *out == CH_Q8_0)))
        return CH_OK;
    return ch_fail(e, CH_EARG,
                   "convert writes f32 f16 bf16 q8_0, not \"%.20s\"; chalcis quantize writes "
                    "others",
                   name);
}

static int run(const ch_convert_args *o)
{
    ch_err e = {0};
    ch_dtype type;
    ch_file *from = NULL;
    int rc = find_type(&type, o->type, &e);
    if (rc == CH_OK)
        rc = check_out(o, &e);
    if (rc == CH_OK && ch_convert_is_adapter(o->in))
        rc = ch_convert_adapter(o, &e);
    else if (rc == CH_OK) {
        rc = ch_file_open(&from, o->in, &e);
        if (rc == CH_OK) {
            const int code = convert_model(from, o, type);
            ch_file_close(&from);
            return code;
        }
    }
    return rc < 0 ? ch_cli_fail(&e) : CH_EXIT_OK;
}

int ch_cmd_convert(int argc, char **argv)
{
    ch_convert_args o = {.shard_gb = 5};
    const char *args[2];
    int n_args;
    const int rc = ch_cli_parse(&o, args, &n_args, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    o.in = args[0];
    o.out = args[1];
    return run(&o);
}
