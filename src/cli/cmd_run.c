/* cmd_run.c - chalcis run: continue a text
 *
 * The completion alone goes to stdout, as whole UTF-8 characters as soon as they are whole; speed
 * goes to stderr. SPDX-License-Identifier: MIT */
#include "chat.h"
#include "cli.h"
#include "run_grammar.h"
#include "sample.h"

#include <string.h>

enum { DEFAULT_COUNT = 256, COUNT_UNSAID = -2 };

struct options {
    const char *model, *tokenizer, *prompt, *file, *k_type, *v_type, *system, *save, *load;
    ch_list lora;
    int count, threads, context;
    bool echo, json, ignore_end, chat;
    ch_grammar_flags grammar;
    ch_sampling sampling;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    CH_OPTS_MODEL(O(model), O(tokenizer), O(lora)),
    {'p', "prompt", CH_OPT_STR, O(prompt), "TEXT", "what to continue", 0, 0},
    {'f', "file", CH_OPT_STR, O(file), "FILE", "the same from a file; - is standard input [-]", 0, 0},
    {0, "chat", CH_OPT_FLAG, O(chat), NULL, "the prompt is what a user says, in the vocabulary's chat format", 0, 0},
    {0, "system", CH_OPT_STR, O(system), "TEXT", "with --chat: a system message before it", 0, 0},
    {0, "load", CH_OPT_STR, O(load), "FILE", "go on with a session that was saved; the prompt comes behind it, and may be none", 0, 0},
    {0, "save", CH_OPT_STR, O(save), "FILE", "save the session at the end: tokens and what was computed of them", 0, 0},
    {'n', "count", CH_OPT_INT, O(count), "N", "most tokens to write [256, within the context]; -1: until it is full", -1, 1e9},
    {'s', "seed", CH_OPT_U64, O(sampling.seed), "S", "same seed, same text [0]", 0, 0},
    CH_OPT_THREADS(O(threads), "the text"),
    {'c', "context", CH_OPT_INT, O(context), "N", "most tokens in all [the model's, at most 4096; more if -n asks for it]", 1, 1e9},
    CH_OPTS_CACHE(O(k_type), O(v_type)),
    {0, "echo", CH_OPT_FLAG, O(echo), NULL, "print the prompt too", 0, 0},
    CH_OPTS_GRAMMAR(O(grammar)),
    {0, "ignore-end", CH_OPT_FLAG, O(ignore_end), NULL, "go on after an end token", 0, 0},
    CH_OPT_JSON(O(json)),
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "run [-m MODEL] [-p TEXT | -f FILE] [-n N] [options]",
    .opts = opts,
    .samplers = true,
    .sampling = offsetof(struct options, sampling),
};

struct running {
    const struct options *o;
    char path[4096];
    ch_model *model;
    ch_lora *lora;
    ch_tokenizer *tokenizer;
    ch_grammar *grammar;
    ch_session *session;
    ch_tokens prompt;
    ch_buf text;    /* of the completion */
    size_t shown;   /* bytes of it that are on stdout */
    int drawn;
    const char *stop;
};

static int open_model(struct running *r, ch_err *e)
{
    int rc = ch_cli_model_path(r->path, sizeof r->path, r->o->model, e);
    if (rc == CH_OK)
        rc = ch_cli_open_model(&r->model, r->path, r->o->threads, e);
    if (rc == CH_OK)
        rc = ch_cli_lora(&r->lora, r->model, &r->o->lora, e);
    if (rc == CH_OK)
        rc = ch_tokenizer_open(&r->tokenizer, r->path, r->o->tokenizer, e);
    return rc == CH_OK ? ch_cli_grammar(&r->grammar, &r->o->grammar, r->tokenizer, e) : rc;
}

static int read_prompt(struct running *r, ch_err *e)
{
    ch_buf b;
    ch_buf_init(&b, (size_t)1 << 30);
    const bool none = r->o->load && !r->o->prompt && !r->o->file;
    int rc = none ? CH_OK : ch_cli_text(&b, r->o->prompt, r->o->file, e);
    const char *text = b.data ? b.data : "";
    if (rc == CH_OK)
        rc = r->o->chat ? ch_chat_prompt(&r->prompt, ch_chat_for(r->tokenizer), r->tokenizer,
                                         r->o->system, text, b.size, e)
                        : ch_tokenizer_encode(&r->prompt, r->tokenizer, text, b.size,
                                              r->o->load ? 0 : CH_ENCODE_BOS, e);
    if (rc == CH_OK && r->prompt.n == 0 && !r->o->load)
        rc = ch_fail(e, CH_EARG, "the prompt is empty, and %s has no token to begin a text with",
                     r->path);
    if (rc == CH_OK && r->o->echo && !r->o->json && b.size)
        fwrite(b.data, 1, b.size, stdout);
    ch_buf_close(&b);
    return rc;
}

/* A number of tokens that was asked for in so many words is given, beyond the model's context with
 * a note; one that was not stays within it. */
static int open_session(struct running *r, ch_err *e)
{
    const struct options *o = r->o;
    ch_model_info info;
    ch_model_get_info(&info, r->model);
    const int64_t asked = (int64_t)r->prompt.n + CH_MAX(o->count, 0);
    int context = o->context;
    if (!context && o->count > 0 && asked > CH_MIN(info.context, 4096)) {
        if (asked > CH_MAX_CONTEXT)
            return ch_fail(e, CH_ELIMIT, "prompt and -n make %lld tokens, a context holds %d",
                           (long long)asked, CH_MAX_CONTEXT);
        context = (int)asked;
    }
    const ch_session_options so = {
        .threads = o->threads, .context = context, .k_type = o->k_type, .v_type = o->v_type,
        .lora = r->lora};
    int rc = ch_session_open(&r->session, r->model, &so, e);
    if (rc < 0)
        return rc;
    if (context > info.context)
        ch_cli_note_context(context, info.context);
    if (o->load)
        rc = ch_session_load(r->session, o->load, e);
    if (rc == CH_OK && r->prompt.n + (size_t)ch_session_length(r->session) >
                           (size_t)ch_session_context(r->session))
        rc = ch_fail(e, CH_ELIMIT, "the prompt has %zu tokens, the context holds %d",
                     r->prompt.n + (size_t)ch_session_length(r->session),
                     ch_session_context(r->session));
    if (rc == CH_OK && r->prompt.n == 0 && ch_session_length(r->session) == 0)
        rc = ch_fail(e, CH_EARG, "%s holds no token, and there is no prompt", o->load);
    return rc;
}

/* Prints what is whole; bytes that can never become a character are shown as U+FFFD. */
static void show(struct running *r, bool last)
{
    if (r->o->json)
        return;
    while (r->shown < r->text.size) {
        uint32_t cp;
        const int n = ch_utf8_read(&cp, r->text.data + r->shown, r->text.size - r->shown);
        if (n < 0 && !last)
            break;
        if (n > 0) {
            fwrite(r->text.data + r->shown, 1, (size_t)n, stdout);
            r->shown += (size_t)n;
        } else {
            fputs("\xef\xbf\xbd", stdout);
            r->shown += n < 0 ? r->text.size - r->shown : 1;
        }
    }
    fflush(stdout);
}

static int generate(struct running *r, ch_err *e)
{
    const struct options *o = r->o;
    const int most = o->count == COUNT_UNSAID ? DEFAULT_COUNT : o->count;
    int rc = ch_session_feed(r->session, r->prompt.id, (int)r->prompt.n, e);
    if (rc == CH_OK && r->grammar)
        rc = ch_session_grammar(r->session, r->grammar, e);
    r->stop = "length";
    const int length = ch_session_length(r->session);
    ch_token before = length > 0 ? ch_session_tokens(r->session)[length - 1] : -1;
    while (rc == CH_OK && (most < 0 || r->drawn < most)) {
        if (ch_session_length(r->session) == ch_session_context(r->session)) {
            r->stop = "context";
            break;
        }
        ch_token t;
        rc = ch_session_next(&t, r->session, &o->sampling, e);
        if (rc < 0)
            break;
        if (!o->ignore_end &&
            (ch_tokenizer_is_end(r->tokenizer, t) || t == ch_tokenizer_bos(r->tokenizer))) {
            r->stop = "end";
            break;
        }
        if (!ch_tokenizer_append(&r->text, r->tokenizer, before, t))
            return ch_buf_check(&r->text, "the completion", e);
        before = t;
        r->drawn++;
        show(r, false);
        if (ferror(stdout))
            return ch_fail(e, CH_EIO, "standard output was closed after %d tokens", r->drawn);
    }
    show(r, true);
    if (rc == CH_ECANCELED)
        r->stop = "interrupted";
    return rc;
}

static double rate(double n, double s)
{
    return s > 0 ? n / s : 0;
}

/* The first token comes out of the prompt's last step: what is timed is the others. */
static double written_rate(const ch_session_stats *st)
{
    return rate((double)CH_MAX(st->drawn_tokens, (uint64_t)1) - 1, st->drawn_s);
}

static void report(const struct running *r)
{
    const ch_session_stats st = ch_session_get_stats(r->session);
    fprintf(stderr,
            "\n[%s] prompt %llu tokens, %.1f ms (%.0f tok/s) | written %d tokens, %.3f s (%.1f "
            "tok/s) | stop: %s\n",
            r->model ? strrchr(r->path, '/') ? strrchr(r->path, '/') + 1 : r->path : "",
            (unsigned long long)st.prompt_tokens, st.prompt_s * 1e3,
            rate((double)st.prompt_tokens, st.prompt_s), r->drawn, st.drawn_s, written_rate(&st),
            r->stop);
}

static int print_json(const struct running *r)
{
    const ch_session_stats st = ch_session_get_stats(r->session);
    ch_buf clean;
    ch_buf_init(&clean, (size_t)1 << 30);
    ch_buf_utf8(&clean, r->text.data, r->text.size);
    json_t *v =
        json_pack("{s:s%, s:i, s:i, s:s, s:f, s:f, s:f, s:o, s:s}", "text",
                  clean.data ? clean.data : "", clean.size, "prompt_tokens", (int)r->prompt.n,
                  "tokens", r->drawn, "stop", r->stop, "prompt_s", st.prompt_s, "generate_s",
                  st.drawn_s, "tok_s", written_rate(&st), "seed",
                  ch_cli_unsigned(r->o->sampling.seed), "model", r->path);
    ch_buf_close(&clean);
    return ch_cli_print_json(v);
}

static int run(struct running *r)
{
    ch_err e = {0};
    int rc = open_model(r, &e);
    if (rc == CH_OK)
        rc = read_prompt(r, &e);
    if (rc == CH_OK)
        rc = open_session(r, &e);
    if (rc < 0)
        return ch_cli_fail(&e);
    ch_cli_catch_interrupts(r->session);
    rc = generate(r, &e);
    ch_cli_catch_interrupts(NULL);
    if ((rc == CH_OK || rc == CH_ECANCELED) && r->o->save) {
        const int saved = ch_session_save(r->session, r->o->save, &e);
        rc = saved < 0 ? saved : rc;
    }
    if (rc < 0 && rc != CH_ECANCELED)
        return ch_cli_fail(&e);
    int code = rc == CH_ECANCELED ? CH_EXIT_INTERRUPTED : CH_EXIT_OK;
    if (r->o->json) {
        const int printed = print_json(r);
        return printed == CH_EXIT_OK ? code : printed;
    }
    if (r->text.size > 0 && r->text.data[r->text.size - 1] != '\n')
        putchar('\n');
    fflush(stdout);
    report(r);
    return code;
}

int ch_cmd_run(int argc, char **argv)
{
    struct options o = {.count = COUNT_UNSAID, .sampling = CH_SAMPLING};
    int n_args;
    const int rc = ch_cli_parse(&o, NULL, &n_args, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    if (o.chat && o.load)
        return ch_cli_usage("run", "--chat begins a conversation, --load goes on with a text; "
                                   "give one");
    if (o.prompt && o.file)
        return ch_cli_usage("run", "-p and -f are two prompts; give one");
    struct running r = {.o = &o};
    ch_buf_init(&r.text, (size_t)1 << 30);
    const int code = run(&r);
    ch_session_close(&r.session);
    ch_grammar_close(&r.grammar);
    ch_lora_close(&r.lora);
    ch_model_close(&r.model);
    ch_tokenizer_close(&r.tokenizer);
    ch_tokens_free(&r.prompt);
    ch_buf_close(&r.text);
    return code;
}
