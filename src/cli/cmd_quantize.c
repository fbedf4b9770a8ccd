/* cmd_quantize.c - chalcis quantize: a model in another number format, as GGUF
 *
 * TYPE is a mixture (compress/mixtures.def): most matrices get the format it is named after, some a
 * better one, vectors stay f32; a matrix whose rows are no whole blocks gets the nearest format of
 * smaller blocks, or f16.  Metadata is carried over; a llama2.c model gets the vocabulary that lies
 * beside it.  SPDX-License-Identifier: MIT */
#include "cmd_convert.h"

#include <string.h>
#include <sys/stat.h>

#include "bar.h"
#include "imatrix.h"
#include "quantize.h"
#include "show_divergence.h"

struct options {
    const char *tokenizer, *name, *imatrix, *check;
    ch_list types;
    int threads;
    bool again, dry, quiet;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    {0, "imatrix", CH_OPT_STR, O(imatrix), "FILE", "search scales by the importance of columns, as chalcis imatrix measured it", 0, 0},
    {0, "tensor-type", CH_OPT_LIST, O(types), "PATTERN=TYPE", "the format of matrices in whose names the regular expression is found, instead; the first that fits; may be given several times", 0, 0},
    {0, "dry-run", CH_OPT_FLAG, O(dry), 0, "show what would be written, and write nothing", 0, 0},
    {0, "check", CH_OPT_STR, O(check), "TEXT", "then compare OUT with IN over this file: perplexities, KL in nats a token", 0, 0},
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
    const ch_quantize *q;
    ch_bar bar;
    double bits, elements;
    int64_t done, of; /* bytes of the source */
    int weighed, matrices;
    FILE *to; /* lines */
    bool quiet;
} shown;

static void show_tensor(void *arg, const ch_file_tensor *from, const ch_file_tensor *to)
{
    shown *s = arg;
    char shape[96], line[256];
    const bool weighed = ch_quantize_weighs(s->q, from, to);
    s->bits += 8.0 * (double)to->bytes;
    s->elements += (double)ch_tensor_count(&to->t);
    s->weighed += weighed;
    s->matrices += ch_mixture_changes(from);
    ch_tensor_describe(shape, sizeof shape, &to->t);
    snprintf(line, sizeof line, "%-40s %-6s -> %-28s %9.3f MB%s", to->name,
             ch_dtype_get(from->t.dtype)->name, shape, (double)to->bytes / 1e6,
             weighed ? " by importance" : "");
    if (!s->quiet && s->bar.to)
        ch_bar_say(&s->bar, line);
    else if (!s->quiet)
        fprintf(s->to, "%s\n", line);
    if (s->bar.to)
        ch_bar_show(&s->bar, "quantizing", s->done, s->of, NULL, 0);
    s->done += (int64_t)from->bytes;
}

/* The last line. */
static void show_sum(const shown *s, const char *out, bool dry)
{
    struct stat written;
    fprintf(s->to, "%s: %.2f MB of weights, %.2f bits each", out, s->bits / 8e6,
            s->bits / CH_MAX(s->elements, 1));
    if (!dry && stat(out, &written) == 0)
        fprintf(s->to, "; the file has %.2f MB", (double)written.st_size / 1e6);
    if (s->q->imatrix)
        fprintf(s->to, "; %d of %d matrices by importance", s->weighed, s->matrices);
    fprintf(s->to, "%s\n", dry ? "; nothing was written" : "");
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

/* What was written beside what it was made from. */
static int check(const char *const *args, const struct options *o, ch_err *e)
{
    ch_model *base = NULL, *m = NULL;
    ch_tokenizer *tk = NULL;
    ch_divergence d;
    ch_buf text;
    const ch_session_options so = {.threads = o->threads};
    ch_buf_init(&text, (size_t)1 << 31);
    int rc = ch_cli_text(&text, NULL, o->check, e);
    if (rc == CH_OK)
        rc = ch_cli_open_model(&base, args[0], o->threads, e);
    if (rc == CH_OK)
        rc = ch_cli_open_model(&m, args[1], o->threads, e);
    if (rc == CH_OK)
        rc = ch_tokenizer_open(&tk, args[1], NULL, e);
    if (rc == CH_OK)
        rc = ch_eval_divergence(&d, base, m, tk, text.data ? text.data : "", text.size, 0, 0, &so,
                                e);
    if (rc == CH_OK)
        ch_cli_show_divergence(stdout, &d);
    ch_tokenizer_close(&tk);
    ch_model_close(&m);
    ch_model_close(&base);
    ch_buf_close(&text);
    return rc;
}

static int make_file(ch_file *to, ch_model *m, const char *const *args, const struct options *o,
                     const ch_quantize *q, ch_err *e)
{
    const bool bar = !o->dry && ch_cli_tty(stderr);
    shown s = {.q = q, .to = o->dry ? stdout : stderr, .quiet = o->quiet};
    ch_quantize told = *q;
    told.tell = show_tensor;
    told.arg = &s;
    ch_bar_open(&s.bar, bar ? stderr : NULL);
    for (size_t i = 0; i < m->file->n_tensors; i++)
        s.of += (int64_t)m->file->tensors[i].bytes;
    int rc = fill(to, m, args[0], o, &told, e);
    for (size_t i = 0; o->dry && rc == CH_OK && i < to->n_tensors; i++) {
        const ch_file_tensor *from = ch_file_tensor_find(m->file, to->tensors[i].name);
        if (from)
            show_tensor(&s, from, &to->tensors[i]);
    }
    if (!o->dry && rc == CH_OK)
        rc = ch_quantize_write(to, m->file, args[1], &told, e);
    const ch_convert_args card = {.in = args[0], .out = args[1], .name = o->name};
    if (!o->dry && rc == CH_OK)
        rc = ch_convert_write_card(to, to, "quantize", m->file->format, args[2], &card, e);
    ch_bar_close(&s.bar);
    if (rc == CH_OK)
        show_sum(&s, args[1], o->dry);
    return rc;
}

static int write_model(ch_model *m, const char *const *args, const struct options *o,
                       ch_quantize *q, ch_err *e)
{
    ch_override overrides[CH_COUNT(o->types.at)];
    ch_file *to = NULL, *imatrix = NULL;
    int rc = CH_OK;
    q->overrides = overrides;
    while (rc == CH_OK && q->n_overrides < o->types.n) {
        rc = ch_override_open(&overrides[q->n_overrides], o->types.at[q->n_overrides], e);
        q->n_overrides += rc == CH_OK;
    }
    if (rc == CH_OK && o->imatrix)
        rc = ch_imatrix_open(&imatrix, o->imatrix, e);
    q->imatrix = imatrix;
    if (rc == CH_OK)
        rc = ch_pool_open(&q->pool, o->threads, e);
    if (rc == CH_OK)
        rc = ch_file_new(&to, e);
    if (rc == CH_OK)
        rc = make_file(to, m, args, o, q, e);
    ch_file_close(&to);
    ch_pool_close(&q->pool);
    ch_file_close(&imatrix);
    for (int i = 0; i < q->n_overrides; i++)
        ch_override_close(&overrides[i]);
    return rc;
}

static int run(const char *const *args, const struct options *o)
{
    ch_err e = {0};
    ch_quantize q = {.again = o->again};
    ch_model *m = NULL;
    int rc = ch_mixture_by_name(&q.mixture, args[2], &e);
    if (rc == CH_OK)
        rc = ch_cli_refuse_same(args[0], args[1], &e);
    if (rc == CH_OK)
        rc = ch_model_load_file(&m, args[0], &(ch_model_load){.keep_unpacked = true}, &e);
    if (rc == CH_OK) {
        const ch_config *c = &m->config;
        q.model = (ch_mixture_model){.layers = c->layers,
                                     .groups = c->heads / CH_MAX(c->kv_heads, 1),
                                     .tied = c->tied,
                                     .weighed = o->imatrix != NULL};
        rc = write_model(m, args, o, &q, &e);
    }
    ch_model_free(&m);
    if (rc == CH_OK && o->check && !o->dry)
        rc = check(args, o, &e);
    return rc < 0 ? ch_cli_fail(&e) : CH_EXIT_OK;
}

int ch_cmd_quantize(int argc, char **argv)
{
    struct options o = {0};
    const char *args[3];
    int n_args;
    const int rc = ch_cli_parse(&o, args, &n_args, argc, argv, &usage);
    if (rc < 0 && o.dry && o.check)
        return ch_cli_usage("quantize", "--dry-run writes nothing that --check could compare");
    return rc >= 0 ? rc : run(args, &o);
}
