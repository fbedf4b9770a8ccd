/* hearing.c - what the engine tells of a job, on its way to the job's scribe
 *
 * Everything here runs on the engine's thread.  SPDX-License-Identifier: MIT */
#include "job_in.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Sending --------------------------------------------------------------------------------- */

static void begin_stream(ch_job *j)
{
    if (j->begun || !j->ask->stream || j->refused)
        return;
    j->begun = true;
    ch_exchange_begin(j->x, "text/event-stream; charset=utf-8");
}

static void send(ch_job *j)
{
    if (!j->begun || j->out.size == 0)
        return;
    if (!ch_exchange_send(j->x, j->out.data, j->out.size))
        ch_job_cancel(j);
    ch_buf_clear(&j->out);
    j->t_sent = ch_clock_ns();
}

/* Proxies and clients cut connections on which nothing comes. */
void ch_service_ping(ch_service *s, double silent_s)
{
    pthread_mutex_lock(&s->lock);
    for (ch_job *j = s->jobs; j; j = j->next) {
        if (pthread_mutex_trylock(&j->lock) != 0)
            continue; /* something is being told just now */
        const uint64_t since = j->begun ? j->t_sent : j->t_submit;
        if (j->ask->stream && (double)(ch_clock_ns() - since) * 1e-9 >= silent_s) {
            begin_stream(j);
            ch_scribe_ping(j->scribe, &j->out);
            send(j);
        }
        pthread_mutex_unlock(&j->lock);
    }
    pthread_mutex_unlock(&s->lock);
}

void ch_job_fail(ch_job *j, const ch_refusal *r)
{
    if (!j->refused) {
        j->refused = true;
        j->refusal = *r;
    }
    ch_job_cancel(j);
}

static void fail(ch_job *j, const ch_err *e)
{
    ch_refusal r;
    ch_engine_stats now;
    ch_engine_get_stats(&now, j->service->engine);
    if (now.error < 0) /* no request is at fault */
        ch_refuse(&r, CH_REFUSED_FAULT, NULL, "%s", e->text);
    else
        ch_job_refuse(&r, e);
    ch_job_fail(j, &r);
}

static void tell(ch_job *j, const ch_delta *d)
{
    ch_scribe_tell(j->scribe, &j->out, d);
}

/* ---- Replies --------------------------------------------------------------------------------- */

static void tell_call(ch_job_answer *h, const ch_reply_event *v)
{
    char id[80];
    const bool anthropic = h->job->ask->api == CH_API_MESSAGES;
    snprintf(id, sizeof id, "%s_%s%02d%02d", anthropic ? "toolu" : "call", h->job->id, h->index,
             v->index);
    const ch_delta d = {.kind = CH_DELTA_CALL,
                        .answer = h->index,
                        .index = v->index,
                        .name = v->name,
                        .call_id = v->id && *v->id ? v->id : id,
                        .text = v->text,
                        .n = v->n};
    h->calls++;
    tell(h->job, &d);
}

static void hear_reply(void *arg, const ch_reply_event *v)
{
    ch_job_answer *h = arg;
    ch_delta d = {.answer = h->index, .text = v->text, .n = v->n};
    switch (v->kind) {
    case CH_REPLY_CONTENT: d.kind = CH_DELTA_CONTENT; break;
    case CH_REPLY_REASONING: d.kind = CH_DELTA_REASONING; break;
    case CH_REPLY_CALL: tell_call(h, v); return;
    default: return;
    }
    if (v->n > 0)
        tell(h->job, &d);
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

enum { PIECE = 512 };

/* A token's text, or the name of one that has none: then *text is 0. */
static size_t piece(char *out, size_t *text, const ch_tokenizer *tk, ch_token before, ch_token id)
{
    const int n = ch_tokenizer_piece(out, PIECE, tk, before, id);
    size_t size;
    *text = n > 0 ? (size_t)n : 0;
    if (n > 0)
        return (size_t)n;
    const char *name = ch_tokenizer_name(tk, id, &size);
    size = n < 0 || !name ? 0 : CH_MIN(size, (size_t)PIECE);
    if (size > 0)
        memcpy(out, name, size);
    return size;
}

/* Returns the bytes of the token's text. */
static size_t tell_token(ch_job *j, ch_delta *d, ch_token before, const ch_event *v)
{
    static _Thread_local char text[1 + CH_ENGINE_TOP][PIECE];
    ch_told_token top[CH_ENGINE_TOP];
    const ch_tokenizer *tk = j->service->tk;
    size_t bytes, other;
    const size_t n = piece(text[0], &bytes, tk, before, v->id);
    d->kind = CH_DELTA_TOKEN;
    d->token = (ch_told_token){.bytes = text[0],
                               .n = n,
                               .id = v->id,
                               .log_p = v->log_p,
                               .drafted = v->drafted,
                               .iterations = v->iterations};
    for (int i = 0; i < v->n_top; i++) {
        top[i] = (ch_told_token){
            .bytes = text[1 + i], .id = v->top[i].id, .log_p = v->top[i].log_p};
        top[i].n = piece(text[1 + i], &other, tk, before, v->top[i].id);
    }
    d->top = top;
    d->n_top = v->n_top;
    tell(j, d);
    return bytes;
}

/* The best of several are found by them. */
bool ch_job_wants_tokens(const ch_job *j)
{
    return j->ask->log_probs || j->ask->cost || j->drawn > j->ask->answers;
}

/* One of the prompt's, once for all of its answers. */
static void hear_prompt_token(ch_job_part *p, const ch_event *v)
{
    ch_job *j = p->job;
    const int at = p->told++;
    ch_delta d = {.answer = p->index * j->drawn, .offset = p->echoed, .of_prompt = true};
    p->echoed += tell_token(j, &d, at > 0 ? p->tokens.id[at - 1] : -1, v);
}

static void echo(ch_job_part *p)
{
    ch_job *j = p->job;
    ch_buf text;
    ch_buf_init(&text, 1 << 28);
    for (size_t i = 0; i < p->tokens.n; i++) {
        char one[PIECE];
        const int n = ch_tokenizer_piece(one, sizeof one, j->service->tk,
                                         i > 0 ? p->tokens.id[i - 1] : -1, p->tokens.id[i]);
        if (n > 0)
            ch_buf_put(&text, one, (size_t)n);
    }
    for (int i = 0; i < j->drawn && text.size > 0; i++) {
        const ch_delta d = {.kind = CH_DELTA_CONTENT,
                            .answer = p->index * j->drawn + i,
                            .text = text.data,
                            .n = text.size};
        tell(j, &d);
    }
    p->echoed = text.size;
    ch_buf_close(&text);
}

/* ---- Answers --------------------------------------------------------------------------------- */

static int open_answer(ch_job_answer *h, ch_err *e)
{
    ch_job *j = h->job;
    const size_t n = json_array_size(j->ask->stop);
    const char *own = j->talk ? ch_talk_own_stop(j->talk) : NULL;
    const char *texts[64];
    size_t count = 0;
    for (size_t i = 0; i < n && count + 1 < CH_COUNT(texts); i++)
        texts[count++] = json_string_value(json_array_get(j->ask->stop, i));
    if (own)
        texts[count++] = own;
    int rc = count > 0 ? ch_stops_open(&h->stops, texts, (int)count, e) : CH_OK;
    const ch_reply_format *replies = j->talk ? NULL : ch_reply_format_named("text");
    const ch_listener_options o = {.replies = j->rules ? ch_call_rules_format(j->rules) : replies,
                                   .tools = j->no_tools,
                                   .prompt = j->prompt.data,
                                   .prompt_bytes = j->prompt.size,
                                   .stops = h->stops,
                                   .tk = j->service->tk,
                                   .tell = hear_reply,
                                   .arg = h};
    if (rc == CH_OK)
        rc = j->talk ? ch_talk_listener(&h->listener, j->talk, &o, e)
                     : ch_listener_open(&h->listener, &o, e);
    if (rc == CH_OK && j->rules)
        rc = ch_caller_open(&h->caller, j->rules, e);
    return rc;
}

/* Reasoning has had what it may have: it is ended as the model would. */
static int end_reasoning(ch_job_answer *h, ch_answer *a, ch_err *e)
{
    const ch_job *j = h->job;
    ch_tokens ids = {0};
    char text[64];
    snprintf(text, sizeof text, "\n%s\n\n", j->unthink);
    h->closed = true;
    int rc = ch_tokenizer_encode(&ids, j->service->tk, text, strlen(text), CH_ENCODE_SPECIAL, e);
    if (rc == CH_OK)
        rc = ch_answer_feed(a, ids.id, (int)ids.n, e);
    ch_tokens_free(&ids);
    return rc == CH_ELIMIT ? CH_OK : rc; /* it ends by its length anyway */
}

/* What the answer has to obey from here on. */
static int steer(ch_job_answer *h, ch_answer *a, const ch_event *v, ch_err *e)
{
    const ch_job *j = h->job;
    const ch_reply *reply = ch_listener_reply(h->listener);
    const bool reasoning = ch_reply_get_now(reply).reasoning;
    int rc = CH_OK;
    h->reasoning += reasoning && v->kind == CH_EVENT_TOKEN;
    const int most = j->ask->think_most;
    if (reasoning && most >= 0 && h->reasoning >= most && !h->closed && j->unthink)
        rc = end_reasoning(h, a, e);
    if (rc == CH_OK && j->grammar && !h->formed) {
        ch_answer_no_end(a, reasoning);
        if (!reasoning) {
            rc = ch_answer_grammar(a, j->grammar->grammar, NULL, 0, e);
            h->formed = true;
        }
    }
    if (rc == CH_OK && h->caller)
        rc = ch_caller_watch(h->caller, a, reply, v, reasoning, e);
    h->full = rc == CH_ELIMIT; /* no room for a call that has to be: it ends by its length */
    return h->full ? CH_OK : rc;
}

static int hear_token(ch_job_answer *h, ch_answer *a, const ch_event *v, ch_err *e)
{
    ch_job *j = h->job;
    const bool end = ch_tokenizer_ends_text(j->service->tk, v->id);
    int stop = -1, rc = CH_OK;
    h->drawn++;
    h->accepted += v->drafted;
    if (ch_job_wants_tokens(j) && (!end || j->ask->api == CH_API_COMPLETION)) {
        ch_delta d = {.answer = h->index,
                      .offset = h->part->echoed + ch_listener_text(h->listener)->size,
                      .reasoning = ch_reply_get_now(ch_listener_reply(h->listener)).reasoning};
        tell_token(j, &d, h->before, v);
    }
    if (end)
        return CH_OK;
    rc = v->fed ? ch_listener_put(h->listener, h->before, v->id, e)
                : ch_listener_token(&stop, h->listener, h->before, v->id, e);
    h->before = v->id;
    if (stop >= 0) {
        h->stopped = true;
        h->stop = json_string_value(json_array_get(j->ask->stop, (size_t)stop));
    } else if (rc == CH_OK) {
        rc = steer(h, a, v, e);
    }
    return rc;
}

static ch_why why(const ch_job_answer *h, ch_ending ending)
{
    if (h->stopped)
        return h->stop ? CH_WHY_STOPPED : CH_WHY_STOP;
    if (h->full)
        return CH_WHY_LENGTH;
    if (ending == CH_ENDING_LENGTH || ending == CH_ENDING_CONTEXT)
        return ending == CH_ENDING_LENGTH ? CH_WHY_LENGTH : CH_WHY_CONTEXT;
    return h->calls > 0 ? CH_WHY_CALLS : CH_WHY_STOP;
}

static void end_answer(ch_job_answer *h, const ch_event *v)
{
    ch_job *j = h->job;
    ch_err e = {0};
    h->drafted = v->drafted_tokens;
    if (v->ending == CH_ENDING_FAILED) {
        fail(j, v->error);
        return;
    }
    if (h->listener && ch_listener_end(h->listener, &e) < 0)
        fail(j, &e);
    const ch_delta d = {
        .kind = CH_DELTA_END, .answer = h->index, .why = why(h, v->ending), .stop = h->stop};
    tell(j, &d);
}

/* ---- Events ---------------------------------------------------------------------------------- */

static void hear_prompt(ch_job_part *p, const ch_event *v)
{
    ch_job *j = p->job;
    ch_usage u = {
        .prompt = v->prompt_tokens, .cached = v->shared_tokens, .wait_ms = v->wait_ms};
    p->shared = v->shared_tokens;
    if (!j->t_begin) {
        j->t_begin = ch_clock_ns();
        j->wait_ms = v->wait_ms;
        begin_stream(j);
        ch_scribe_begin(j->scribe, &j->out, &u);
    }
    if (j->ask->echo)
        echo(p);
}

/* The prompt alone was wanted. */
static void end_unanswered(ch_job_part *p)
{
    for (int i = 0; i < p->job->drawn; i++) {
        const ch_delta d = {.kind = CH_DELTA_END,
                            .answer = p->index * p->job->drawn + i,
                            .why = CH_WHY_LENGTH};
        tell(p->job, &d);
    }
}

/* As many numbers of it as are wanted, of length 1. */
static void keep_vector(ch_job_part *p, const ch_event *v)
{
    const int wanted = p->job->ask->dimensions;
    double sum = 0;
    p->width = wanted > 0 ? CH_MIN(wanted, v->width) : v->width;
    p->vector = malloc((size_t)p->width * sizeof *p->vector);
    if (!p->vector) {
        const ch_err e = {CH_ENOMEM, "no memory for a vector"};
        fail(p->job, &e);
        return;
    }
    for (int i = 0; i < p->width; i++)
        sum += (double)v->vector[i] * (double)v->vector[i];
    for (int i = 0; i < p->width; i++)
        p->vector[i] = sum > 0 ? (float)((double)v->vector[i] / sqrt(sum)) : v->vector[i];
}

/* Begin and token: what the listener's return says. */
static ch_go hear_answer(ch_job_answer *h, ch_answer *a, const ch_event *v)
{
    ch_err e = {0};
    int rc = CH_OK;
    if (v->kind == CH_EVENT_BEGIN) {
        rc = open_answer(h, &e);
        if (rc == CH_OK)
            rc = steer(h, a, v, &e);
    } else {
        rc = hear_token(h, a, v, &e);
    }
    if (rc < 0)
        fail(h->job, &e);
    const bool called = h->caller && ch_caller_done(h->caller);
    return rc < 0 || h->stopped || h->full || called ? CH_GO_END : CH_GO_ON;
}

ch_go ch_job_hear(void *arg, ch_answer *a, const ch_event *v)
{
    ch_job_part *p = arg;
    ch_job *j = p->job;
    ch_job_answer *h = &j->answers[p->index * j->drawn + v->answer];
    ch_go go = CH_GO_ON;
    pthread_mutex_lock(&j->lock);
    switch (v->kind) {
    case CH_EVENT_PROMPT_TOKEN: hear_prompt_token(p, v); break;
    case CH_EVENT_VECTOR: keep_vector(p, v); break;
    case CH_EVENT_PROMPT: hear_prompt(p, v); break;
    case CH_EVENT_BEGIN:
    case CH_EVENT_TOKEN: go = hear_answer(h, a, v); break;
    case CH_EVENT_END: end_answer(h, v); break;
    case CH_EVENT_DONE:
        if (v->ending == CH_ENDING_FAILED)
            fail(j, v->error);
        else if (j->ask->most == 0 && v->ending == CH_ENDING_LENGTH)
            end_unanswered(p);
        ch_job_submit_more(j, j->under_way - 1);
        break;
    }
    j->t_last = ch_clock_ns();
    if (v->kind != CH_EVENT_DONE)
        send(j);
    pthread_mutex_unlock(&j->lock);
    if (v->kind == CH_EVENT_DONE)
        ch_job_let_go(j);
    return go;
}
