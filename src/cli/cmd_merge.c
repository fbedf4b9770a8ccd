/* cmd_merge.c - chalcis merge: a model with an adapter in its weights
 *
 *     W + alpha / R B A, each matrix rounded to the format it has or to the one asked for
 *
 * SPDX-License-Identifier: MIT */
#include "cli.h"
#include "lora.h"

#include <string.h>

struct options {
    const char *model, *tokenizer, *out, *type, *name;
    ch_list lora;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    {'m', "model", CH_OPT_STR, O(model), "MODEL", "a GGUF file or a Hugging Face folder [the bundled one]", 0, 0},
    {0, "lora", CH_OPT_LIST, O(lora), "PATH[=SCALE]", "an adapter: a PEFT folder or a GGUF file; several add up", 0, 0},
    {'o', "out", CH_OPT_STR, O(out), "FILE", "the GGUF file to write", 0, 0},
    {0, "type", CH_OPT_STR, O(type), "TYPE", "of matrices: f32 f16 bf16 q8_0 q4_0 [each as it was]", 0, 0},
    {0, "name", CH_OPT_STR, O(name), "TEXT", "the new model's name", 0, 0},
    {0, "tokenizer", CH_OPT_STR, O(tokenizer), "FILE", "vocabulary of a model that carries none [beside it]", 0, 0},
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "merge [-m MODEL] --lora PATH[=SCALE] -o OUT.gguf [--type TYPE]",
    .about = "The merged model computes what the model with the adapter does, but for the rounding "
             "of its format.",
    .opts = opts,
};

/* Everything the source says besides its configuration, which is written already. */
static int carry_metadata(ch_file *to, const ch_file *from, const struct options *o, ch_err *e)
{
    int rc = o->name ? ch_file_set_str(to, "general.name", o->name, strlen(o->name), e) : CH_OK;
    for (size_t i = 0; i < from->n_meta && rc == CH_OK; i++) {
        char key[256];
        const ch_str k = from->meta[i].key;
        snprintf(key, sizeof key, "%.*s", (int)CH_MIN(k.n, sizeof key - 1), k.p);
        const bool gone = strcmp(key, "general.alignment") == 0 ||
                          (o->type && strcmp(key, "general.file_type") == 0);
        if (!gone && !ch_file_meta_find(to, key) && strcmp(from->format, "gguf") == 0)
            rc = ch_file_set_meta(to, &from->meta[i], e);
    }
    return rc;
}

static int carry_vocabulary(ch_file *to, const char *path, const struct options *o, ch_err *e)
{
    ch_tokenizer *tk;
    if (ch_file_meta_find(to, "tokenizer.ggml.model"))
        return CH_OK;
    int rc = ch_tokenizer_open(&tk, path, o->tokenizer, e);
    if (rc == CH_OK)
        rc = ch_tokenizer_to_file(tk, to, e);
    ch_tokenizer_close(&tk);
    return rc;
}

static int write_merged(ch_model *m, const char *path, const struct options *o, ch_dtype type,
                        ch_err *e)
{
    ch_file *to;
    int rc = ch_file_new(&to, e);
    if (rc == CH_OK)
        rc = ch_model_to_file(m, to, type, NULL, e);
    if (rc == CH_OK)
        rc = carry_metadata(to, m->file, o, e);
    if (rc == CH_OK)
        rc = carry_vocabulary(to, path, o, e);
    if (rc == CH_OK)
        rc = ch_gguf_write(to, o->out, e);
    ch_file_close(&to);
    return rc;
}

static int run(const struct options *o)
{
    ch_err e = {0};
    char path[4096];
    ch_dtype type = CH_DTYPES;
    ch_model *m = NULL;
    ch_lora *l = NULL;
    int rc = ch_cli_model_path(path, sizeof path, o->model, &e);
    if (rc == CH_OK && o->type && (!ch_dtype_by_name(&type, o->type) || type == CH_F64))
        rc = ch_fail(&e, CH_EARG, "there is no format \"%.20s\" to write; there are f32 f16 bf16 "
                                  "q8_0 q4_0", o->type);
    if (rc == CH_OK)
        rc = ch_cli_refuse_same(path, o->out, &e);
    if (rc == CH_OK)
        rc = ch_model_load_file(&m, path, &(ch_model_load){.keep_unpacked = true}, &e);
    if (rc == CH_OK)
        rc = ch_cli_lora(&l, m, &o->lora, &e);
    if (rc == CH_OK)
        rc = ch_lora_merge(m, l, o->type != NULL, &e);
    if (rc == CH_OK)
        rc = write_merged(m, path, o, type, &e);
    ch_lora_close(&l);
    ch_model_free(&m);
    return rc < 0 ? ch_cli_fail(&e) : CH_EXIT_OK;
}

int ch_cmd_merge(int argc, char **argv)
{
    struct options o = {0};
    int n_args;
    const int rc = ch_cli_parse(&o, NULL, &n_args, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    if (o.lora.n == 0 || !o.out)
        return ch_cli_usage("merge", "%s is missing", o.lora.n ? "--out FILE" : "--lora PATH");
    return run(&o);
}
