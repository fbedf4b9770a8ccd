/* cmd_quantize.c - chalcis quantize: a model in another number format, as GGUF
 *
 * TYPE is a mixture (compress/mixtures.def): most matrices get the format it is named after, some a
 * better one, vectors stay f32; a matrix whose rows are no whole blocks gets the nearest format of
 * smaller blocks, or f16.  Metadata is carried over; a llama2.c model gets the vocabulary that lies
 * beside it.  SPDX-License-Identifier: MIT */
#include "cmd_convert.h"

#include <string.h>

#include "quantize.h"

struct options {
    const char *tokenizer, *name;
    int threads;
    bool again, quiet;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    {0, "allow-requantize", CH_OPT_FLAG, O(again), 0, "round what is quantized already again", 0, 0},
    {'q', "quiet", CH_OPT_FLAG, O(quiet), 0, "no line for each tensor", 0, 0},
    {'t', "threads", CH_OPT_INT, O(threads), "N", "threads; never changes the result [one per CPU]", 0, 1024},
    {0, "tokenizer", CH_OPT_STR, O(tokenizer), "FILE", "vocabulary of a llama2.c model [beside it]", 0, 0},
    {0, "name", CH_OPT_STR, O(name), "TEXT", "general.name of the new file [the old one's]", 0, 0},
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "quantize IN OUT TYPE",
    .about = "TYPE is one of"
#define MIXTURE(name, type, base) " " #name
#include "mixtures.def"
#undef MIXTURE
             ".",
    .opts = opts,
    .least_args = 3,
    .most_args = 3,
};

static int carry_metadata(ch_file *to, const ch_file *from, const struct options *o,
                          ch_mixture mixture, ch_err *e)
{
    int rc = CH_OK;
    if (o->name)
        rc = ch_file_set_str(to, "general.name", o->name, strlen(o->name), e);
    if (rc == CH_OK)
        rc = ch_file_set_u32(to, "general.file_type", ch_mixture_file_type(mixture), e);
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

typedef struct shown {
    double bits, elements;
    bool quiet;
} shown;

static void show_tensor(void *arg, const ch_file_tensor *from, const ch_file_tensor *to)
{
    shown *s = arg;
    char shape[96];
    s->bits += 8.0 * (double)to->bytes;
    s->elements += (double)ch_tensor_count(&to->t);
    if (s->quiet)
        return;
    ch_tensor_describe(shape, sizeof shape, &to->t);
    fprintf(stderr, "%-40s %-6s -> %-28s %9.3f MB\n", to->name, ch_dtype_get(from->t.dtype)->name,
            shape, (double)to->bytes / 1e6);
}

static int fill(ch_file *to, ch_model *m, const char *path, const struct options *o,
                const ch_quantize *q, ch_err *e)
{
    int rc = ch_config_write(&m->config, to, e);
    if (rc == CH_OK)
        rc = carry_metadata(to, m->file, o, q->mixture, e);
    if (rc == CH_OK && !ch_file_meta_find(to, "tokenizer.ggml.model"))
        rc = carry_vocabulary(to, path, o->tokenizer, e);
    return rc == CH_OK ? ch_quantize_plan(to, m->file, q, e) : rc;
}

static int write_model(ch_model *m, const char *const *args, const struct options *o,
                       ch_mixture mixture, ch_err *e)
{
    const ch_config *c = &m->config;
    shown s = {.quiet = o->quiet};
    ch_quantize q = {.mixture = mixture,
                     .model = {c->layers, c->heads / CH_MAX(c->kv_heads, 1), c->tied},
                     .again = o->again,
                     .tell = show_tensor,
                     .arg = &s};
    ch_file *to = NULL;
    int rc = ch_pool_open(&q.pool, o->threads, e);
    if (rc == CH_OK)
        rc = ch_file_new(&to, e);
    if (rc == CH_OK)
        rc = fill(to, m, args[0], o, &q, e);
    if (rc == CH_OK)
        rc = ch_quantize_write(to, m->file, args[1], &q, e);
    const ch_convert_args card = {.in = args[0], .out = args[1], .name = o->name};
    if (rc == CH_OK)
        rc = ch_convert_write_card(to, to, "quantize", m->file->format, args[2], &card, e);
    ch_file_close(&to);
    ch_pool_close(&q.pool);
    if (rc == CH_OK)
        fprintf(stderr, "%s: %.2f MB of weights, %.2f bits each\n", args[1], s.bits / 8e6,
                s.bits / CH_MAX(s.elements, 1));
    return rc;
}

static int run(const char *const *args, const struct options *o)
{
    ch_err e = {0};
    ch_mixture mixture;
    ch_model *m = NULL;
    int rc = ch_mixture_by_name(&mixture, args[2], &e);
    if (rc == CH_OK)
        rc = ch_cli_refuse_same(args[0], args[1], &e);
    if (rc == CH_OK)
        rc = ch_model_load_file(&m, args[0], &(ch_model_load){.keep_unpacked = true}, &e);
    if (rc == CH_OK)
        rc = write_model(m, args, o, mixture, &e);
    ch_model_free(&m);
    return rc < 0 ? ch_cli_fail(&e) : CH_EXIT_OK;
}

int ch_cmd_quantize(int argc, char **argv)
{
    struct options o = {0};
    const char *args[3];
    int n_args;
    const int rc = ch_cli_parse(&o, args, &n_args, argc, argv, &usage);
    return rc >= 0 ? rc : run(args, &o);
}
