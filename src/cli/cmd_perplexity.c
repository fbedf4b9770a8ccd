/* cmd_perplexity.c - chalcis perplexity: score a text, beside another model where one is named; the
 * logits themselves, for comparisons
 *
 * SPDX-License-Identifier: MIT */
#include "show_divergence.h"

struct options {
    const char *model, *tokenizer, *file, *k_type, *v_type, *logits, *base;
    ch_list lora;
    int threads, window, stride;
    bool json;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    CH_OPTS_MODEL(O(model), O(tokenizer), O(lora)),
    {'f', "file", CH_OPT_STR, O(file), "FILE", "the text; - is standard input [-]", 0, 0},
    {'c', "window", CH_OPT_INT, O(window), "N", "tokens in a window [512]", 2, 1e9},
    {0, "stride", CH_OPT_INT, O(stride), "N", "tokens from one window to the next [half of it]", 1, 1e9},
    {0, "kl-base", CH_OPT_STR, O(base), "MODEL", "compare with this model's predictions, usually those of the original", 0, 0},
    CH_OPT_THREADS(O(threads), "the result"),
    CH_OPTS_CACHE(O(k_type), O(v_type)),
    {0, "logits", CH_OPT_STR, O(logits), "OUT", "also write the logits after each token of the first window: f32, (tokens, V)", 0, 0},
    CH_OPT_JSON(O(json)),
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "perplexity [-m MODEL] -f FILE [--json] [options]",
    .about = "Mean negative log-likelihood (nats) over all tokens after the first, perplexity, "
             "and bits per byte of\n"
             "the text.  Longer texts are scored in windows; each token is scored once.\n"
             "--kl-base adds KL(base || model) in nats a token, how often both hold the same token "
             "for the\n"
             "likeliest, and the ratio of their perplexities, with 95 % intervals.",
    .opts = opts,
};

static int print(const ch_perplexity *p, const ch_divergence *d, const struct options *o)
{
    if (o->json) {
        json_t *all = ch_cli_perplexity_json(p);
        if (o->base)
            ch_cli_add_divergence(all, d);
        return ch_cli_print_json(all);
    }
    if (o->base)
        ch_cli_show_divergence(stdout, d);
    else
        ch_cli_show_perplexity(stdout, "perplexity", p);
    return CH_EXIT_OK;
}

typedef struct dump {
    ch_writer w;
    size_t row; /* bytes */
} dump;

static int write_row(void *arg, int position, const float *logits)
{
    dump *d = arg;
    (void)position;
    ch_io_write(&d->w, logits, d->row);
    return CH_OK;
}

static int write_logits(const struct options *o, ch_model *m, const ch_tokenizer *tk,
                        const ch_buf *text, ch_session_options so, int window, ch_err *e)
{
    dump d = {.row = (size_t)m->config.vocab * sizeof(float)};
    ch_tokens ids = {0};
    ch_session *s = NULL;
    int rc = ch_tokenizer_encode(&ids, tk, text->data, text->size, CH_ENCODE_BOS, e);
    so.context = window;
    if (rc == CH_OK)
        rc = ch_session_open(&s, m, &so, e);
    if (rc == CH_OK)
        rc = ch_io_create(&d.w, o->logits, e);
    if (rc == CH_OK)
        rc = ch_session_feed_each(s, ids.id, (int)CH_MIN(ids.n, (size_t)window), write_row, &d, e);
    if (rc == CH_OK)
        rc = ch_io_commit(&d.w, e);
    ch_io_abandon(&d.w);
    ch_session_close(&s);
    ch_tokens_free(&ids);
    return rc;
}

/* Both models over the text; p is the model's. */
static int compare(ch_divergence *d, ch_perplexity *p, const struct options *o, ch_model *m,
                   const ch_tokenizer *tk, const ch_buf *text, const ch_session_options *so,
                   ch_err *e)
{
    const char *bytes = text->data ? text->data : "";
    ch_model *base = NULL;
    ch_tokenizer *own = NULL;
    int rc = ch_cli_open_model(&base, o->base, o->threads, e);
    if (rc == CH_OK)
        rc = ch_tokenizer_open(&own, o->base, o->tokenizer, e);
    if (rc == CH_OK)
        rc = ch_eval_same_tokens(own, tk, bytes, text->size, e);
    if (rc == CH_OK)
        rc = ch_eval_divergence(d, base, m, tk, bytes, text->size, o->window, o->stride, so, e);
    *p = d->model;
    ch_tokenizer_close(&own);
    ch_model_close(&base);
    return rc;
}

static int run(const struct options *o, ch_model **m, ch_lora **lora, ch_tokenizer **tk,
               ch_buf *text)
{
    ch_err e = {0};
    char path[4096];
    ch_perplexity p;
    ch_divergence d = {0};
    int rc = ch_cli_model_path(path, sizeof path, o->model, &e);
    if (rc == CH_OK)
        rc = ch_cli_open_model(m, path, o->threads, &e);
    if (rc == CH_OK)
        rc = ch_cli_lora(lora, *m, &o->lora, &e);
    if (rc == CH_OK)
        rc = ch_tokenizer_open(tk, path, o->tokenizer, &e);
    if (rc == CH_OK)
        rc = ch_cli_text(text, NULL, o->file, &e);
    if (rc == CH_OK) {
        ch_model_info info;
        ch_model_get_info(&info, *m);
        const ch_session_options so = {
            .threads = o->threads, .k_type = o->k_type, .v_type = o->v_type, .lora = *lora};
        rc = o->base ? compare(&d, &p, o, *m, *tk, text, &so, &e)
                     : ch_model_perplexity(&p, *m, *tk, text->data ? text->data : "", text->size,
                                           o->window, o->stride, &so, &e);
        if (rc == CH_OK && o->logits)
            rc = write_logits(o, *m, *tk, text, so, p.window, &e);
        if (rc == CH_OK && p.window > info.context && p.tokens >= (uint64_t)info.context)
            ch_cli_note_context(p.window, info.context);
    }
    return rc < 0 ? ch_cli_fail(&e) : print(&p, &d, o);
}

int ch_cmd_perplexity(int argc, char **argv)
{
    struct options o = {0};
    int n_args;
    const int rc = ch_cli_parse(&o, NULL, &n_args, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    ch_model *m = NULL;
    ch_lora *lora = NULL;
    ch_tokenizer *tk = NULL;
    ch_buf text;
    ch_buf_init(&text, (size_t)1 << 31);
    const int code = run(&o, &m, &lora, &tk, &text);
    ch_buf_close(&text);
    ch_tokenizer_close(&tk);
    ch_lora_close(&lora);
    ch_model_close(&m);
    return code;
}
