/* job.c - a job is opened, submitted, and finished
 *
 * Jobs end where the last of their holders lets go: each part of them that the engine has, and the
 * handler while it still submits.  A client that leaves is no holder: its tickets are cancelled,
 * and the parts end as all do.  SPDX-License-Identifier: MIT */
#include "job_in.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { OUT_BYTES = 1 << 28, MOST_TOLD = 1 << 20, COMPILE_WAIT_S = 2 };

static const char ids[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* ---- The end --------------------------------------------------------------------------------- */

static void free_job(ch_job *j)
{
    for (int i = 0; i < j->n_answers && j->answers; i++) {
        ch_listener_close(&j->answers[i].listener);
        ch_stops_close(&j->answers[i].stops);
        if (j->answers[i].caller)
            ch_caller_close(&j->answers[i].caller);
    }
    for (int i = 0; i < j->n_parts && j->parts; i++) {
        ch_tokens_free(&j->parts[i].tokens);
        free(j->parts[i].vector);
    }
    free(j->answers);
    free(j->parts);
    ch_scribe_close(&j->scribe);
    if (j->rules)
        ch_call_rules_close(&j->rules);
    ch_shelf_give(j->service->shelf, &j->grammar);
    ch_talk_close(&j->talk);
    json_decref(j->no_tools);
    ch_buf_close(&j->prompt);
    ch_buf_close(&j->out);
    ch_ask_close(&j->ask);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

static void list(ch_job *j)
{
    ch_service *s = j->service;
    pthread_mutex_lock(&s->lock);
    j->next = s->jobs;
    j->self = &s->jobs;
    if (j->next)
        j->next->self = &j->next;
    s->jobs = j;
    pthread_mutex_unlock(&s->lock);
}

static void unlist(ch_job *j)
{
    pthread_mutex_lock(&j->service->lock);
    *j->self = j->next;
    if (j->next)
        j->next->self = j->self;
    pthread_mutex_unlock(&j->service->lock);
}

static double ms(uint64_t from, uint64_t to)
{
    return from && to > from ? (double)(to - from) * 1e-6 : 0;
}

static ch_usage usage(const ch_job *j)
{
    ch_usage u = {.wait_ms = j->wait_ms,
                  .prompt_ms = ms(j->t_submit, j->t_begin),
                  .drawn_ms = ms(j->t_begin, j->t_last)};
    for (int i = 0; i < j->n_parts; i++) {
        u.prompt += (int)j->parts[i].tokens.n;
        u.cached += j->parts[i].shared;
    }
    for (int i = 0; i < j->n_answers; i++) {
        u.drawn += j->answers[i].drawn;
        u.reasoning += j->answers[i].reasoning;
        u.drafted += j->answers[i].drafted;
        u.accepted += j->answers[i].accepted;
    }
    return u;
}

static void note(ch_job *j, const ch_usage *u)
{
    ch_exchange_note(j->x, "prompt_tokens", u->prompt);
    ch_exchange_note(j->x, "cached_tokens", u->cached);
    ch_exchange_note(j->x, "completion_tokens", u->drawn);
    ch_exchange_note(j->x, "prompt_ms", u->prompt_ms);
    ch_exchange_note(j->x, "completion_ms", u->drawn_ms);
}

/* The rest of the reply, or why there is none. */
static void write_end(ch_job *j, const ch_usage *u)
{
    for (int i = 0; i < j->n_parts && !j->refused && j->ask->api == CH_API_EMBEDDING; i++)
        if (j->parts[i].vector)
            ch_scribe_vector(j->scribe, j->parts[i].vector, j->parts[i].width);
    if (!j->refused)
        ch_scribe_done(j->scribe, &j->out, u);
    if (!j->refused && (ch_scribe_error(j->scribe) < 0 || j->out.failed)) {
        j->refused = true;
        ch_refuse(&j->refusal, CH_REFUSED_FAULT, NULL, "no memory for the reply");
    }
    if (j->refused) {
        ch_buf_clear(&j->out);
        if (j->begun)
            ch_scribe_fail(j->scribe, &j->out, &j->refusal);
    }
}

/* Nobody else has it any more. */
static void finish(ch_job *j)
{
    const ch_usage u = usage(j);
    unlist(j);
    note(j, &u);
    write_end(j, &u);
    if (j->begun) {
        if (j->out.size > 0)
            ch_exchange_send(j->x, j->out.data, j->out.size);
        ch_exchange_end(j->x);
    } else if (j->refused) {
        const bool busy = j->refusal.why == CH_REFUSED_BUSY || j->refusal.why == CH_REFUSED_RATE;
        ch_exchange_refuse(j->x, &j->refusal, busy ? ch_engine_retry_ms(j->service->engine) : 0);
    } else {
        ch_exchange_reply(j->x, 200, "application/json", j->out.data, j->out.size);
    }
    free_job(j);
}

void ch_job_let_go(ch_job *j)
{
    if (atomic_fetch_sub(&j->left, 1) == 1)
        finish(j);
}

void ch_job_cancel(ch_job *j)
{
    atomic_store(&j->gone, true);
    for (int i = 0; i < j->n_parts; i++)
        ch_engine_cancel(j->service->engine, atomic_load(&j->parts[i].ticket));
}

static void client_gone(void *arg) { ch_job_cancel(arg); }

/* ---- The beginning --------------------------------------------------------------------------- */

static void make_id(char *out, size_t n)
{
    unsigned char bytes[32] = {0};
    if (getrandom(bytes, sizeof bytes, 0) < (ssize_t)sizeof bytes)
        snprintf((char *)bytes, sizeof bytes, "%p%lld", (void *)out, (long long)time(NULL));
    for (size_t i = 0; i < n - 1; i++)
        out[i] = ids[bytes[i % sizeof bytes] % (sizeof ids - 1)];
    out[n - 1] = '\0';
}

static int make_parts(ch_job *j, ch_refusal *r)
{
    const ch_ask *a = j->ask;
    const size_t n = a->prompts ? json_array_size(a->prompts) : 1;
    j->n_parts = (int)n;
    j->drawn = ch_ask_drawn(a);
    j->n_answers = (int)n * j->drawn;
    j->parts = calloc(n, sizeof *j->parts);
    j->answers = calloc((size_t)j->n_answers, sizeof *j->answers);
    if (!j->parts || !j->answers)
        return ch_refuse(r, CH_REFUSED_FAULT, NULL, "no memory for %zu prompts", n);
    for (int i = 0; i < j->n_parts; i++)
        j->parts[i] = (ch_job_part){.job = j, .index = i};
    for (int i = 0; i < j->n_answers; i++)
        j->answers[i] = (ch_job_answer){
            .job = j, .part = &j->parts[i / j->drawn], .index = i, .before = -1};
    return CH_OK;
}

static int make_prompts(ch_job *j, ch_refusal *r)
{
    int rc = CH_OK;
    if (!j->ask->prompts)
        rc = ch_job_prompt(&j->talk, &j->parts[0].tokens, &j->prompt, j->service, j->ask, r);
    for (int i = 0; i < j->n_parts && j->ask->prompts && rc == CH_OK; i++)
        rc = ch_job_text(&j->parts[i].tokens, j->service,
                         json_array_get(j->ask->prompts, (size_t)i), r);
    for (int i = 0; i < j->n_answers && rc == CH_OK; i++)
        j->answers[i].before =
            j->answers[i].part->tokens.id[j->answers[i].part->tokens.n - 1];
    j->unthink = j->talk ? ch_talk_unthink(j->talk) : NULL;
    return rc;
}

/* What was said of reasoning, of a model that has none. */
static void without_effect(json_t *applied)
{
    const char *name;
    json_t *v;
    json_object_foreach(applied, name, v) {
        if (json_is_object(v))
            without_effect(v);
        else
            json_string_set(v, "none");
    }
}

/* Calls are held to their tools' schemas where they can be. */
static int make_rules(ch_job *j, uint64_t *wait_ns, ch_refusal *r)
{
    const ch_ask *a = j->ask;
    const ch_call_rules_options o = {.format = j->talk ? ch_talk_replies(j->talk) : NULL,
                                     .tools = a->tools,
                                     .choose = a->choose,
                                     .tool = a->tool,
                                     .one = a->one_call,
                                     .tk = j->service->tk,
                                     .shelf = j->service->shelf,
                                     .salt = ch_exchange_client(j->x)->salt,
                                     .wait_ns = wait_ns};
    ch_err e = {0};
    if (a->choose >= CH_TOOLS_REQUIRED && a->form_kind != CH_TEXT_FREE)
        return ch_refuse(r, CH_REFUSED_INVALID, "tool_choice",
                         "a call of a tool and a text of a certain form cannot both be required");
    if (!j->talk || !a->tools || a->choose == CH_TOOLS_NONE || a->form_kind != CH_TEXT_FREE ||
        ch_call_rules_open(&j->rules, &o, &e) == CH_OK)
        return CH_OK;
    return ch_job_refuse_form(r, "tools", &e);
}

/* Log-probs of a prompt are told for each of its answers: a reply has its limits, too. */
static int check_size(const ch_job *j, ch_refusal *r)
{
    int64_t told = 0;
    for (int i = 0; i < j->n_parts && j->ask->echo && j->ask->log_probs; i++)
        told += (int64_t)j->parts[i].tokens.n * j->ask->answers * (j->ask->top + 1);
    return told <= MOST_TOLD ? CH_OK
                             : ch_refuse(r, CH_REFUSED_INVALID, "logprobs",
                                         "the reply would have %lld log-probabilities of prompts; "
                                         "allowed are %d", (long long)told, MOST_TOLD);
}

static int compile(ch_job *j, ch_refusal *r)
{
    uint64_t wait_ns = (uint64_t)COMPILE_WAIT_S * 1000000000;
    const int rc = ch_job_grammar(j, &wait_ns, r);
    return rc == CH_OK ? make_rules(j, &wait_ns, r) : rc;
}

static void make_sampling(ch_job *j)
{
    const ch_ask *a = j->ask;
    j->how = a->sampling;
    if (!a->seeded && getrandom(&j->how.seed, sizeof j->how.seed, 0) < 0)
        j->how.seed = ch_clock_ns();
    if (a->least > 0) {
        j->how.ends = j->service->ends.id;
        j->how.n_ends = (int)j->service->ends.n;
    }
}

static int open_job(ch_job *j, ch_refusal *r)
{
    ch_service *s = j->service;
    ch_err e = {0};
    if (j->ask->dimensions > s->width)
        return ch_refuse(r, CH_REFUSED_INVALID, "dimensions",
                         "the request: \"dimensions\" is %d; the model has %d",
                         j->ask->dimensions, s->width);
    int rc = make_parts(j, r);
    if (rc == CH_OK)
        rc = make_prompts(j, r);
    if (rc == CH_OK && !j->unthink)
        without_effect(j->ask->applied);
    if (rc == CH_OK)
        rc = check_size(j, r);
    if (rc == CH_OK)
        rc = compile(j, r);
    if (rc < 0)
        return rc;
    make_sampling(j);
    make_id(j->id, 25);
    const ch_scribe_info i = {.id = j->id,
                              .request_id = ch_exchange_id(j->x),
                              .model = j->ask->model ? j->ask->model : s->name,
                              .fingerprint = s->fingerprint,
                              .created = (int64_t)time(NULL)};
    rc = ch_scribe_open(&j->scribe, j->ask, &i, &e);
    return rc == CH_OK ? CH_OK : ch_job_refuse(r, &e);
}

static int submit(ch_job *j, ch_job_part *p, ch_err *e)
{
    const ch_ask *a = j->ask;
    const ch_client *who = ch_exchange_client(j->x);
    ch_sampling how = j->how;
    ch_ticket t;
    if (a->least > 0)
        how.ends_from = a->least >= INT_MAX - (int)p->tokens.n ? INT_MAX
                                                               : (int)p->tokens.n + a->least;
    const ch_request r = {.prompt = p->tokens.id,
                          .n_prompt = (int)p->tokens.n,
                          .answers = j->drawn,
                          .most = a->most == 0 ? -1 : CH_MAX(a->most, 0),
                          .sampling = &how,
                          .log_probs = ch_job_wants_tokens(j),
                          .prompt_log_probs = a->echo && a->log_probs,
                          .top = CH_MIN(a->top, CH_ENGINE_TOP),
                          .vector = a->api == CH_API_EMBEDDING,
                          .user = who->user,
                          .salt = who->salt,
                          .tell = ch_job_hear,
                          .arg = p};
    atomic_fetch_add(&j->left, 1);
    const int rc = ch_engine_submit(&t, j->service->engine, &r, e);
    if (rc < 0) {
        atomic_fetch_sub(&j->left, 1);
        return rc;
    }
    atomic_store(&p->ticket, t);
    if (atomic_load(&j->gone)) /* it left, or another part failed, before this one was known */
        ch_engine_cancel(j->service->engine, t);
    return CH_OK;
}

void ch_job_submit_more(ch_job *j, int under_way)
{
    ch_err e = {0};
    int rc = CH_OK;
    while (j->next_part < j->n_parts && !atomic_load(&j->gone)) {
        rc = submit(j, &j->parts[j->next_part], &e);
        if (rc < 0)
            break;
        j->next_part++;
        under_way++;
    }
    j->under_way = under_way;
    if (rc == CH_OK || (rc == CH_EBUSY && under_way > 0))
        return; /* the others when one of those is done */
    ch_refusal r;
    ch_job_refuse(&r, &e);
    if (rc == CH_ELIMIT)
        r.code = "context_length_exceeded";
    ch_job_fail(j, &r);
}

void ch_job_run(ch_service *s, ch_exchange *x, ch_ask *a)
{
    ch_refusal r = {0};
    ch_job *j = calloc(1, sizeof *j);
    json_t *no_tools = json_array();
    if (!j || !no_tools) {
        ch_refuse(&r, CH_REFUSED_FAULT, NULL, "no memory for a request");
        ch_exchange_refuse(x, &r, 0);
        json_decref(no_tools);
        ch_ask_close(&a);
        free(j);
        return;
    }
    *j = (ch_job){.service = s, .x = x, .ask = a, .no_tools = no_tools};
    atomic_init(&j->left, 1);
    pthread_mutex_init(&j->lock, NULL);
    ch_buf_init(&j->prompt, OUT_BYTES);
    ch_buf_init(&j->out, OUT_BYTES);
    if (open_job(j, &r) < 0) {
        ch_exchange_refuse(x, &r, r.why == CH_REFUSED_BUSY ? 1000 * COMPILE_WAIT_S : 0);
        free_job(j);
        return;
    }
    j->t_submit = ch_clock_ns();
    list(j);
    ch_exchange_later(x, client_gone, j);
    pthread_mutex_lock(&j->lock);
    ch_job_submit_more(j, 0);
    pthread_mutex_unlock(&j->lock);
    ch_job_let_go(j);
}
