/* cmd_quantize.c - chalcis quantize: a model in another number format, as GGUF
 *
 * Matrices are rounded to TYPE, vectors stay f32; a matrix whose rows are no whole blocks of TYPE
 * stays f16.  Metadata is carried over; a llama2.c model gets the vocabulary that lies beside
 * it.  SPDX-License-Identifier: MIT */
#include "cli.h"

#include <string.h>

struct options {
    const char *tokenizer, *name;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    {0, "tokenizer", CH_OPT_STR, O(tokenizer), "FILE", "vocabulary of a llama2.c model [beside it]", 0, 0},
    {0, "name", CH_OPT_STR, O(name), "TEXT", "general.name of the new file [the old one's]", 0, 0},
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "quantize IN OUT TYPE",
    .about = "TYPE is one of f32 f16 bf16 q8_0 q4_0.",
    .opts = opts,
    .least_args = 3,
    .most_args = 3,
};

/* GGUF's general.file_type for a file that is mostly of one type (GGUF specification). */
static uint32_t file_type(ch_dtype t)
{
    switch (t) {
    case CH_F16: return 1;
    case CH_Q4_0: return 2;
    case CH_Q8_0: return 7;
    case CH_BF16: return 32;
    default: return 0;
    }
}

static int find_type(ch_dtype *out, const char *name, ch_err *e)
{
    if (ch_dtype_by_name(out, name) && *out != CH_F64 && ch_dtype_get(*out)->encode)
        return CH_OK;
    return ch_fail(e, CH_EARG,
                   "there is no format \"%.20s\" to write; there are f32 f16 bf16 q8_0 q4_0",
                   name);
}

static int carry_metadata(ch_file *to, const ch_file *from, const struct options *o, ch_dtype type,
                          ch_err *e)
{
    int rc = CH_OK;
    if (o->name)
        rc = ch_file_set_str(to, "general.name", o->name, strlen(o->name), e);
    if (rc == CH_OK)
        rc = ch_file_set_u32(to, "general.file_type", file_type(type), e);
    if (rc == CH_OK)
        rc = ch_file_set_u32(to, "general.quantization_version", 2, e);
    for (size_t i = 0; i < from->n_meta && rc == CH_OK; i++) {
        char key[256];
        snprintf(key, sizeof key, "%.*s", (int)CH_MIN(from->meta[i].key.n, sizeof key - 1),
                 from->meta[i].key.p);
        if (!ch_file_meta_find(to, key) && strcmp(key, "general.alignment") != 0)
            rc = ch_file_set_meta(to, &from->meta[i], e);
    }
    return rc;
}

static int carry_vocabulary(ch_file *to, const char *path, const char *vocabulary, ch_err *e)
{
    ch_tokenizer *tk;
    int rc = ch_tokenizer_open(&tk, path, vocabulary, e);
    if (rc < 0)
        return rc;
    rc = ch_tokenizer_to_file(tk, to, e);
    ch_tokenizer_close(&tk);
    return rc;
}

static int write_model(ch_model *m, const char *const *args, const struct options *o,
                       ch_dtype type, ch_err *e)
{
    ch_file *to;
    int fallbacks = 0, rc = ch_file_new(&to, e);
    if (rc < 0)
        return rc;
    rc = ch_model_to_file(m, to, type, &fallbacks, e);
    if (rc == CH_OK)
        rc = carry_metadata(to, m->file, o, type, e);
    if (rc == CH_OK && !ch_file_meta_find(to, "tokenizer.ggml.model"))
        rc = carry_vocabulary(to, args[0], o->tokenizer, e);
    if (rc == CH_OK)
        rc = ch_gguf_write(to, args[1], e);
    ch_file_close(&to);
    if (rc == CH_OK && fallbacks)
        fprintf(stderr, "%d matrices have rows that are no multiple of %d; they are kept as f16\n",
                fallbacks, ch_dtype_get(type)->block);
    return rc;
}

static int run(const char *const *args, const struct options *o)
{
    ch_err e = {0};
    ch_dtype type;
    ch_model *m = NULL;
    int rc = find_type(&type, args[2], &e);
    if (rc == CH_OK)
        rc = ch_cli_refuse_same(args[0], args[1], &e);
    if (rc == CH_OK)
        rc = ch_model_load_file(&m, args[0], &(ch_model_load){.keep_unpacked = true}, &e);
    ch_model_info before;
    if (rc == CH_OK)
        ch_model_get_info(&before, m);
    if (rc == CH_OK)
        rc = write_model(m, args, o, type, &e);
    ch_model_free(&m);
    if (rc < 0)
        return ch_cli_fail(&e);
    ch_file *made;
    if (ch_file_open(&made, args[1], &e) < 0)
        return ch_cli_fail(&e);
    fprintf(stderr, "%s: %.2f MB of weights became %.2f MB\n", args[1],
            (double)before.weight_bytes / 1e6, (double)made->map.size / 1e6);
    ch_file_close(&made);
    return CH_EXIT_OK;
}

int ch_cmd_quantize(int argc, char **argv)
{
    struct options o = {0};
    const char *args[3];
    int n_args;
    const int rc = ch_cli_parse(&o, args, &n_args, argc, argv, &usage);
    return rc >= 0 ? rc : run(args, &o);
}
