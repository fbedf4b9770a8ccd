/* cmd_perplexity.c - chalcis perplexity: score a text; the logits themselves, for comparisons
 *
 * SPDX-License-Identifier: MIT */
#include "cli.h"

struct options {
    const char *model, *tokenizer, *file, *k_type, *v_type, *logits;
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
             "the text.  Longer texts are scored in windows; each token is scored once.",
    .opts = opts,
};

static int print(const ch_perplexity *p, bool json)
{
    if (json)
        return ch_cli_print_json(json_pack("{s:o, s:o, s:o, s:I, s:I, s:i, s:i}", "nll",
                                           ch_cli_number(p->nll), "ppl", ch_cli_number(p->ppl),
                                           "bpb", ch_cli_number(p->bpb), "tokens",
                                           (json_int_t)p->tokens, "bytes", (json_int_t)p->bytes,
                                           "window", p->window, "stride", p->stride));
    printf("perplexity %.4f  (nll %.6f nats a token, %.4f bits a byte; %llu tokens, %llu bytes; "
           "window %d, stride %d)\n",
           p->ppl, p->nll, p->bpb, (unsigned long long)p->tokens, (unsigned long long)p->bytes,
           p->window, p->stride);
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

static int run(const struct options *o, ch_model **m, ch_lora **lora, ch_tokenizer **tk,
               ch_buf *text)
{
    ch_err e = {0};
    char path[4096];
    ch_perplexity p;
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
        rc = ch_model_perplexity(&p, *m, *tk, text->data ? text->data : "", text->size, o->window,
                                 o->stride, &so, &e);
        if (rc == CH_OK && o->logits)
            rc = write_logits(o, *m, *tk, text, so, p.window, &e);
        if (rc == CH_OK && p.window > info.context && p.tokens >= (uint64_t)info.context)
            ch_cli_note_context(p.window, info.context);
    }
    return rc < 0 ? ch_cli_fail(&e) : print(&p, o->json);
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
