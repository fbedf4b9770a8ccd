/* server.c - opening and closing: engine, grammar vocabulary, HTTP
 *
 * SPDX-License-Identifier: MIT */
#include "server_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GRAMMAR_BYTES = 8 << 20, SILENT_MS = 15000 };

static const ch_http_route routes[] = {
#define ROUTE(method, path, handler, open, quiet) \
    {method, path, ch_route_##handler, open, quiet},
#include "routes.def"
#undef ROUTE
    {0},
};

static int open_service(ch_server *s, ch_err *e)
{
    const ch_server_options *o = &s->o;
    ch_model_info info;
    ch_model_get_info(&info, o->model);
    const int made_for = CH_MIN(info.context, 4096);
    s->service = (ch_service){
        .model = o->model,
        .tk = o->tk,
        .name = o->name,
        .width = info.width,
        .context = o->engine.session.context ? o->engine.session.context : made_for,
        .grammar_bytes = GRAMMAR_BYTES};
    snprintf(s->service.fingerprint, sizeof s->service.fingerprint, "chalcis-%s", CHALCIS_VERSION);
    const int vocab = CH_MIN(ch_tokenizer_size(o->tk), info.vocab);
    /* A model whose template is wrong still goes on with texts. */
    if (ch_talk_style_open(&s->style, o->tk, NULL, NULL, &s->service.no_style) == CH_ENOMEM)
        return ch_fail(e, CH_ENOMEM, "%s", s->service.no_style.text);
    s->service.style = s->style;
    int rc = ch_tokenizer_endings(&s->service.ends, o->tk, vocab, e);
    const ch_shelf_options shelf = {.tk = o->tk};
    if (rc == CH_OK)
        rc = ch_shelf_open(&s->service.shelf, &shelf, e);
    if (rc == CH_OK)
        rc = ch_engine_open(&s->service.engine, o->model, o->tk, &o->engine, e);
    return rc == CH_OK ? ch_engine_start(s->service.engine, e) : rc;
}

static void *tick(void *arg)
{
    ch_server *s = arg;
    const int silent_ms = s->o.silent_ms ? s->o.silent_ms : SILENT_MS;
    bool closing = false;
    while (!closing) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 1000000L * (silent_ms / 3 % 1000);
        until.tv_sec += silent_ms / 3000 + until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_mutex_lock(&s->service.lock);
        if (!s->closing)
            pthread_cond_timedwait(&s->tick, &s->service.lock, &until);
        closing = s->closing;
        pthread_mutex_unlock(&s->service.lock);
        ch_service_ping(&s->service, silent_ms * 1e-3);
    }
    return NULL;
}

static int start_ticker(ch_server *s, ch_err *e)
{
    const int failed = pthread_create(&s->ticker, NULL, tick, s);
    s->ticking = !failed;
    return failed ? ch_fail(e, CH_ENOMEM, "no thread for the server: %s", strerror(failed)) : CH_OK;
}

static void stop_ticker(ch_server *s)
{
    pthread_mutex_lock(&s->service.lock);
    s->closing = true;
    pthread_cond_signal(&s->tick);
    pthread_mutex_unlock(&s->service.lock);
    if (s->ticking)
        pthread_join(s->ticker, NULL);
}

int ch_server_open(ch_server **out, const ch_server_options *o, ch_err *e)
{
    ch_server *s = *out = calloc(1, sizeof *s);
    if (!s)
        return ch_fail(e, CH_ENOMEM, "no memory for a server");
    s->o = *o;
    s->opened = (int64_t)time(NULL);
    const int most = o->engine.most_answers ? o->engine.most_answers : 16;
    s->limits = (ch_ask_limits){.answers = most, .stops = 32, .stop_bytes = 4096,
                                .biases = 4096, .tools = 128, .messages = 65536};
    int rc = open_service(s, e);
    pthread_mutex_init(&s->service.lock, NULL);
    pthread_cond_init(&s->tick, NULL);
    if (rc == CH_OK)
        rc = start_ticker(s, e);
    const ch_http_options h = {.host = o->host,
                               .port = o->port,
                               .keys = o->keys,
                               .allow_open = o->allow_open,
                               .cert = o->cert,
                               .key = o->key,
                               .origins = o->origins,
                               .body_bytes = o->body_bytes,
                               .gather_ms = o->gather_ms,
                               .log_fd = o->log_fd,
                               .log = o->log,
                               .routes = routes,
                               .arg = s};
    if (rc == CH_OK)
        rc = ch_http_open(&s->http, &h, e);
    if (rc < 0)
        ch_server_close(out);
    return rc;
}

int ch_server_port(const ch_server *s) { return ch_http_port(s->http); }
int ch_server_keys(ch_server *s, ch_err *e) { return ch_http_keys(s->http, e); }
int ch_server_log(ch_server *s, ch_err *e) { return ch_http_log_again(s->http, e); }

int ch_server_check(const ch_server *s, ch_err *e)
{
    const int rc = ch_engine_fault(s->service.engine, e);
    return rc < 0 ? rc : ch_model_whole(s->o.model, e);
}

void ch_server_drain(ch_server *s, int most_ms)
{
    const uint64_t t0 = ch_clock_ns();
    atomic_store(&s->draining, true);
    ch_engine_drain(s->service.engine);
    ch_engine_wait(s->service.engine, most_ms, NULL);
    const double spent = (double)(ch_clock_ns() - t0) * 1e-6;
    ch_http_drain(s->http, (int)CH_MAX(100.0, most_ms - spent));
}

/* Clients are cut off first: what is cancelled then is told to nobody as if it had ended. */
void ch_server_close(ch_server **out)
{
    ch_server *s = *out;
    if (!s)
        return;
    if (s->service.engine)
        ch_engine_drain(s->service.engine);
    if (s->http)
        ch_http_drain(s->http, 0);
    stop_ticker(s);
    ch_http_close(&s->http);
    ch_engine_close(&s->service.engine);
    pthread_mutex_destroy(&s->service.lock);
    pthread_cond_destroy(&s->tick);
    ch_shelf_close(&s->service.shelf);
    ch_talk_style_close(&s->style);
    ch_tokens_free(&s->service.ends);
    free(s);
    *out = NULL;
}
