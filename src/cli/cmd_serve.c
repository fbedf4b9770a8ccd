/* cmd_serve.c - chalcis serve: a model behind OpenAI's and Anthropic's APIs, and a page
 *
 * SPDX-License-Identifier: MIT */
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve.h"

enum { LAST_WORDS_S = 5 }; /* for clients of a server whose model is lost, in all */

struct options {
    const char *model, *tokenizer, *k_type, *v_type, *name, *host, *keys;
    const char *cert, *cert_key, *origins, *log;
    ch_list lora;
    int port, threads, context, cache, answers, waiting, waiting_user, step_ms, draft, drain_s;
    int body_mib, linger_s, gather_ms;
    bool allow_open, quiet, only_name;
};

enum { PORT = 8000, UNSET = -1 };

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    CH_OPTS_MODEL(O(model), O(tokenizer), O(lora)),
    {0, "name", CH_OPT_STR, O(name), "NAME", "what the model is called in replies [its file's name]", 0, 0},
    {0, "only-name", CH_OPT_FLAG, O(only_name), NULL, "requests for another model are refused (404); otherwise this one answers them", 0, 0},
    {0, "host", CH_OPT_STR, O(host), "HOST", "address to listen at, or unix:/PATH [API_HOST, or 127.0.0.1]", 0, 0},
    {0, "port", CH_OPT_INT, O(port), "N", "port; 0: any free one [API_PORT, or 8000]", 0, 65535},
    {0, "keys", CH_OPT_STR, O(keys), "FILE", "who may ask: a line a key, NAME KEY [AT_ONCE]; read again on SIGHUP", 0, 0},
    {0, "allow-open", CH_OPT_FLAG, O(allow_open), NULL, "another address than this machine's own, without keys", 0, 0},
    {0, "cert", CH_OPT_STR, O(cert), "FILE", "TLS: the certificate chain, PEM", 0, 0},
    {0, "cert-key", CH_OPT_STR, O(cert_key), "FILE", "TLS: its private key, PEM", 0, 0},
    {0, "origins", CH_OPT_STR, O(origins), "LIST", "pages that may ask from a browser: origins, with commas, or * [this machine's]", 0, 0},
    {'c', "context", CH_OPT_INT, O(context), "N", "most tokens of one text [the model's, at most 4096]", 1, 1e9},
    {0, "cache", CH_OPT_INT, O(cache), "N", "tokens kept for all texts together [4 times the context]", 1, 2e9},
    {0, "answers", CH_OPT_INT, O(answers), "N", "most that are under way at once [16]", 1, 4096},
    {0, "waiting", CH_OPT_INT, O(waiting), "N", "most requests that wait; further ones are told when to come again [256]", 1, 1e6},
    {0, "waiting-user", CH_OPT_INT, O(waiting_user), "N", "of those, with one key [all]", 1, 1e6},
    {0, "step-ms", CH_OPT_INT, O(step_ms), "N", "how long answers may wait while prompts are read [100]", 1, 3600000},
    {0, "draft", CH_OPT_INT, O(draft), "N", "most tokens guessed ahead, where that pays; 0: none [8]", 0, 16},
    {0, "body-mib", CH_OPT_INT, O(body_mib), "N", "largest request [32]", 1, 1024},
    {0, "gather", CH_OPT_INT, O(gather_ms), "MS", "tokens of a stream that come within MS of its last go out together; 0: each at once [4]", 0, 1000},
    {0, "drain", CH_OPT_INT, O(drain_s), "S", "seconds that accepted requests have to end in after SIGTERM [60]", 0, 86400},
    {0, "linger", CH_OPT_INT, O(linger_s), "S", "seconds that it goes on, refusing, when its model's file was cut or its disk failed [5]", 0, 86400},
    {0, "log", CH_OPT_STR, O(log), "FILE", "append a line a request to it; opened anew on SIGHUP [stderr]", 0, 0},
    {'q', "quiet", CH_OPT_FLAG, O(quiet), NULL, "no line a request", 0, 0},
    CH_OPT_THREADS(O(threads), "any answer"),
    CH_OPTS_CACHE(O(k_type), O(v_type)),
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "serve [-m MODEL] [--host HOST] [--port N] [--keys FILE] [options]",
    .about = "Answers OpenAI's and Anthropic's clients (/v1/chat/completions, /v1/completions, "
             "/v1/embeddings,\n/v1/messages), many at once, and shows a page at /.  docs/serve.md "
             "has all of it.  SIGTERM and\nCtrl-C end it when what was accepted is answered; a "
             "second one at once.",
    .opts = opts,
};

/* ---- The environment ------------------------------------------------------------------------- */

static int port_of(const char *text, ch_err *e)
{
    char *end;
    errno = 0;
    const long v = strtol(text, &end, 10);
    if (errno || end == text || *end || v < 0 || v > 65535)
        return ch_fail(e, CH_EARG, "API_PORT is \"%s\"; allowed are 0 to 65535", text);
    return (int)v;
}

/* Flags come before it. */
static int read_environment(struct options *o, ch_err *e)
{
    static const char *const without_effect[] = {"MODEL_SIZE", "REASONING_PATHS",
                                                 "REASONING_DEPTH"};
    const char *host = getenv("API_HOST"), *port = getenv("API_PORT");
    if (!o->host && host && *host)
        o->host = host;
    if (o->port == UNSET) {
        const int n = port && *port ? port_of(port, e) : PORT;
        if (n < 0)
            return n;
        o->port = n;
    }
    for (size_t i = 0; i < CH_COUNT(without_effect); i++)
        if (getenv(without_effect[i]))
            fprintf(stderr, "chalcis serve: %s has no effect: one model is served, and a request "
                            "says itself how it is to be thought about\n", without_effect[i]);
    return CH_OK;
}

/* "chalcis-tiny" of "models/chalcis-tiny.gguf"; a folder keeps its name. */
static void name_of(char *out, size_t size, const char *path)
{
    char *copy = strdup(path);
    const size_t n = copy ? strlen(copy) : 0;
    if (n > 1 && copy[n - 1] == '/')
        copy[n - 1] = '\0';
    const char *slash = copy ? strrchr(copy, '/') : NULL;
    snprintf(out, size, "%s", slash ? slash + 1 : copy ? copy : "model");
    char *dot = strrchr(out, '.');
    if (dot && dot != out && (strcmp(dot, ".gguf") == 0 || strcmp(dot, ".bin") == 0))
        *dot = '\0';
    free(copy);
}

/* ---- Serving --------------------------------------------------------------------------------- */

static void say_where(const struct options *o, const ch_server *s, const char *name)
{
    const char *host = o->host ? o->host : "127.0.0.1";
    if (strncmp(host, "unix:", 5) == 0)
        fprintf(stderr, "chalcis serve: %s at %s\n", name, host);
    else
        fprintf(stderr, "chalcis serve: %s at %s://%s%s%s:%d/\n", name, o->cert ? "https" : "http",
                strchr(host, ':') ? "[" : "", host, strchr(host, ':') ? "]" : "",
                ch_server_port(s));
}

/* A sentence on stderr, unless nobody reads there: who ends a server is not to wait for that. */
__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
    char text[1024];
    const int begin = snprintf(text, sizeof text, "chalcis serve: ");
    struct pollfd err = {.fd = STDERR_FILENO, .events = POLLOUT};
    va_list ap;
    va_start(ap, fmt);
    const int more = vsnprintf(text + begin, sizeof text - (size_t)begin - 1, fmt, ap);
    va_end(ap);
    const size_t n = CH_MIN((size_t)begin + (size_t)CH_MAX(more, 0), sizeof text - 2);
    text[n] = '\n';
    if (poll(&err, 1, 0) == 1 && write(STDERR_FILENO, text, n + 1) < 0)
        return; /* there is nowhere to say so */
}

/* SIGHUP: the log's file and the keys. */
static void read_again(ch_server *s, const struct options *o)
{
    ch_err e;
    if (!o->keys && !o->log)
        say("SIGHUP: there is no file of keys to read, and none of a log");
    if (o->log && ch_server_log(s, &e) < 0)
        say("%s; it goes where it went", e.text);
    if (o->keys && ch_server_keys(s, &e) < 0)
        say("%s; the keys stay as they were", e.text);
    else if (o->keys)
        say("the keys have been read again");
}

/* Until a signal says that it is enough, or `linger_s` after there was nothing left to serve:
 * meanwhile whoever asks is told why, and whoever looks at /ready goes elsewhere.  Then it ends, as
 * whatever started it may start it again. */
static int wait_for_end(ch_server *s, const struct options *o, const sigset_t *set)
{
    const struct timespec a_second = {.tv_sec = 1};
    int code = CH_EXIT_OK, left = o->linger_s;
    for (;;) {
        ch_err e = {0};
        const int which = sigtimedwait(set, NULL, &a_second);
        if (which == SIGHUP)
            read_again(s, o);
        if (which == SIGTERM || which == SIGINT)
            return code;
        if (code != CH_EXIT_OK && which < 0 && errno == EAGAIN && --left <= 0)
            return code;
        if (code == CH_EXIT_OK && ch_server_check(s, &e) < 0) {
            code = CH_EXIT_FAILED;
            say("%s; requests are refused for %d s, then it ends", e.text, o->linger_s);
        }
    }
}

static int serve(ch_server *s, const struct options *o)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    const int code = wait_for_end(s, o, &set);
    say("ending; what was accepted is answered");
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    sigdelset(&set, SIGHUP);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    const int drain_s = code == CH_EXIT_OK ? o->drain_s : CH_MIN(o->drain_s, LAST_WORDS_S);
    ch_server_drain(s, (int)CH_MIN(1000LL * drain_s, INT_MAX));
    return code;
}

/* All threads that come to be leave these signals to sigwait. */
static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int run(struct options *o, ch_model **m, ch_lora **lora, ch_tokenizer **tk)
{
    ch_err e = {0};
    char path[4096], name[256];
    ch_server *s = NULL;
    int rc = read_environment(o, &e);
    if (rc == CH_OK)
        rc = ch_guard_files(&e);
    if (rc == CH_OK)
        rc = ch_cli_model_path(path, sizeof path, o->model, &e);
    if (rc == CH_OK)
        rc = ch_cli_open_model(m, path, o->threads, &e);
    if (rc == CH_OK)
        rc = ch_cli_lora(lora, *m, &o->lora, &e);
    if (rc == CH_OK)
        rc = ch_tokenizer_open(tk, path, o->tokenizer, &e);
    if (rc < 0)
        return ch_cli_fail(&e);
    name_of(name, sizeof name, path);
    block_signals();
    const ch_server_options so = {
        .model = *m,
        .tk = *tk,
        .name = o->name ? o->name : name,
        .engine = {.session = {.threads = o->threads,
                               .context = o->context,
                               .cache_tokens = o->cache,
                               .k_type = o->k_type,
                               .v_type = o->v_type,
                               .lora = *lora},
                   .most_answers = o->answers,
                   .most_waiting = o->waiting,
                   .most_waiting_user = o->waiting_user,
                   .step_ms = o->step_ms,
                   .draft = o->draft == 0 ? -1 : o->draft},
        .host = o->host,
        .port = o->port,
        .keys = o->keys,
        .cert = o->cert,
        .key = o->cert_key,
        .origins = o->origins,
        .allow_open = o->allow_open,
        .log_fd = o->quiet ? -1 : STDERR_FILENO,
        .log = o->quiet ? NULL : o->log,
        .body_bytes = (size_t)o->body_mib << 20,
        .gather_ms = o->gather_ms,
        .any_model = !o->only_name};
    if (ch_server_open(&s, &so, &e) < 0)
        return ch_cli_fail(&e);
    say_where(o, s, so.name);
    const int code = serve(s, o);
    ch_server_close(&s);
    return code;
}

int ch_cmd_serve(int argc, char **argv)
{
    struct options o = {.port = UNSET, .draft = 8, .drain_s = 60, .body_mib = 32, .linger_s = 5,
                        .gather_ms = 4};
    int n_args;
    const int rc = ch_cli_parse(&o, NULL, &n_args, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    ch_model *m = NULL;
    ch_lora *lora = NULL;
    ch_tokenizer *tk = NULL;
    const int code = run(&o, &m, &lora, &tk);
    ch_tokenizer_close(&tk);
    ch_lora_close(&lora);
    ch_model_close(&m);
    return code;
}
