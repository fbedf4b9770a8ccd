/* drawn.c - what answers draw, what listeners are told, and what they ask for
 *
 * SPDX-License-Identifier: MIT */
#include "engine.h"

#include <limits.h>
#include <stdlib.h>

enum { FIRST_ODDS_PERCENT = 30 };

/* ---- Telling --------------------------------------------------------------------------------- */

ch_go ch_demand_tell(ch_demand *q, ch_answer *a, ch_event *event)
{
    const bool usable = event->kind == CH_EVENT_BEGIN || event->kind == CH_EVENT_TOKEN;
    event->ticket = q->ticket;
    event->answer = a ? a->number : 0;
    event->prompt_tokens = q->r.n_prompt;
    event->shared_tokens = q->shared;
    if (q->begun_ns)
        event->wait_ms = (double)(q->begun_ns - q->submitted_ns) * 1e-6;
    if (a && event->kind >= CH_EVENT_BEGIN)
        event->tokens = a->told;
    return q->r.tell(q->r.arg, usable ? a : NULL, event);
}

static int alternatives(const ch_demand *q, int n)
{
    while (n > 0 && q->engine->top[n - 1].id < 0)
        n--;
    return n;
}

/* The token at `position`, by the logits before it; NULL: there are none. */
static void tell_prompt_token(ch_answer *a, int position, const float *logits)
{
    ch_engine *g = a->demand->engine;
    const ch_request *r = &a->demand->r;
    if (position < a->demand->prompt_told) /* it was put off since */
        return;
    a->demand->prompt_told++;
    ch_log_prob own = {r->prompt[position], (double)NAN};
    if (logits)
        ch_sample_log_probs(&own, g->top, r->top, g->work_area, logits, g->vocab, own.id);
    ch_event event = {.kind = CH_EVENT_PROMPT_TOKEN,
                      .id = own.id,
                      .log_p = own.log_p,
                      .top = g->top,
                      .n_top = logits ? alternatives(a->demand, r->top) : 0};
    ch_demand_tell(a->demand, a, &event);
}

void ch_answer_tell_prompt_token(ch_answer *a, int position, const float *logits)
{
    if (position == 1)
        tell_prompt_token(a, 0, NULL);
    if (position < a->demand->r.n_prompt)
        tell_prompt_token(a, position, logits);
}

static void tell_vector(ch_demand *q)
{
    float *mean = (float *)(void *)q->mean; /* in place: each is read before its place is written */
    for (int i = 0; i < q->engine->width; i++)
        mean[i] = (float)(q->mean[i] / q->r.n_prompt);
    ch_event event = {.kind = CH_EVENT_VECTOR, .vector = mean, .width = q->engine->width};
    ch_demand_tell(q, NULL, &event);
}

/* ---- Answers begin and end ------------------------------------------------------------------- */

int ch_answer_open(ch_answer **out, ch_demand *q, ch_session *s, ch_err *e)
{
    ch_engine *g = q->engine;
    ch_answer *a = *out = calloc(1, sizeof *a);
    int rc = a ? CH_OK : ch_fail(e, CH_ENOMEM, "no memory for an answer");
    if (rc == CH_OK && g->o.draft > 0)
        rc = ch_suffix_open(&a->suffix, g->context, e);
    if (rc < 0) {
        ch_session_close(&s);
        free(a);
        *out = NULL;
        return rc;
    }
    a->demand = q;
    a->s = s;
    a->number = q->numbers++;
    a->how = q->how;
    a->how.sample += (uint32_t)a->number;
    a->guess = -1;
    a->right = FIRST_ODDS_PERCENT / 100.0;
    if (g->o.draft > 0)
        ch_session_draft(s, ch_suffix_guess, &a->suffix, g->o.draft);
    ch_answer **last = &g->answers;
    while (*last)
        last = &(*last)->next;
    *last = a;
    g->n_answers++;
    q->active++;
    q->user->active++;
    return CH_OK;
}

void ch_answer_end(ch_answer *a, ch_ending how, const ch_err *why)
{
    if (a->ending != CH_ENDING_NONE)
        return;
    a->ending = how;
    if (why)
        a->error = *why;
}

static void close_answer(ch_answer *a)
{
    ch_demand *q = a->demand;
    ch_engine *g = q->engine;
    if (a->begun) {
        ch_event event = {.kind = CH_EVENT_END,
                          .ending = a->ending,
                          .drafted_tokens = (int)ch_session_get_stats(a->s).drafted,
                          .error = a->ending == CH_ENDING_FAILED ? &a->error : NULL};
        ch_demand_tell(q, a, &event);
    } else if (q->ending == CH_ENDING_NONE) {
        q->ending = a->ending;
        q->error = a->error;
    }
    g->now.failed += a->ending == CH_ENDING_FAILED;
    g->n_put_off -= a->put_off;
    g->n_answers--;
    q->active--;
    q->user->active--;
    ch_session_close(&a->s);
    ch_suffix_close(&a->suffix);
    free(a);
}

void ch_engine_bury(ch_engine *g)
{
    for (ch_answer **at = &g->answers; *at;) {
        ch_answer *a = *at;
        ch_demand *q = a->demand;
        if (a->ending == CH_ENDING_NONE) {
            at = &a->next;
            continue;
        }
        *at = a->next;
        close_answer(a);
        if (q->active == 0)
            ch_demand_done(q);
    }
}

void ch_demand_done(ch_demand *q)
{
    ch_engine *g = q->engine;
    ch_event event = {.kind = CH_EVENT_DONE,
                      .ending = q->begun ? CH_ENDING_NONE : q->ending,
                      .error = !q->begun && q->ending == CH_ENDING_FAILED ? &q->error : NULL};
    g->now.failed += event.error != NULL;
    ch_demand_tell(q, NULL, &event);
    pthread_mutex_lock(&g->lock);
    g->now.canceled += q->canceled;
    ch_demand **at = &g->first;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    if (g->last == &q->next)
        g->last = at;
    g->n_all--;
    pthread_mutex_unlock(&g->lock);
    ch_demand_free(q);
}

/* Where the cache has no room for it, it begins by being put off. */
static int fork_answer(ch_answer **out, ch_answer *a, ch_err *e)
{
    ch_session *s = NULL;
    int rc = ch_session_fork(&s, a->s, e);
    const bool later = rc == CH_ELIMIT;
    if (later)
        rc = ch_session_fork_later(&s, a->s, e);
    if (rc == CH_OK)
        rc = ch_answer_open(out, a->demand, s, e);
    if (rc == CH_OK && later) {
        (*out)->put_off = true;
        a->demand->engine->n_put_off++;
        a->demand->engine->now.put_off++;
    }
    return rc;
}

/* All answers of a request have its prompt and nothing else. */
static int fork_all(ch_answer *a, ch_err *e)
{
    ch_answer *other;
    int rc = CH_OK;
    for (int i = 1; i < a->demand->r.answers && rc == CH_OK; i++)
        rc = fork_answer(&other, a, e);
    return rc;
}

void ch_answer_has_read(ch_answer *a)
{
    ch_demand *q = a->demand;
    ch_err e = {0};
    if (q->r.prompt_log_probs && q->r.n_prompt == 1)
        tell_prompt_token(a, 0, NULL);
    a->reading = false;
    if (q->r.vector) {
        tell_vector(q);
    } else {
        ch_event event = {.kind = CH_EVENT_PROMPT};
        ch_demand_tell(q, NULL, &event);
    }
    if (q->r.vector || q->r.most < 0) {
        ch_answer_end(a, CH_ENDING_LENGTH, NULL);
        return;
    }
    int rc = q->r.grammar ? ch_session_grammar(a->s, q->r.grammar, &e) : CH_OK;
    if (rc == CH_OK)
        rc = fork_all(a, &e);
    for (ch_answer *b = a->demand->engine->answers; rc < 0 && b; b = b->next)
        if (b->demand == q)
            ch_answer_end(b, CH_ENDING_FAILED, &e);
}

/* ---- Drawing --------------------------------------------------------------------------------- */

/* It may have no further token. */
static void end_at_limits(ch_answer *a)
{
    const ch_request *r = &a->demand->r;
    if (r->most > 0 && a->told >= r->most)
        ch_answer_end(a, CH_ENDING_LENGTH, NULL);
    else if (r->n_prompt + a->told >= a->demand->engine->context)
        ch_answer_end(a, CH_ENDING_CONTEXT, NULL);
}

/* What is told of the last token, and what ends with it. */
static void tell_token(ch_answer *a, ch_event *event, bool end)
{
    a->told++;
    event->kind = CH_EVENT_TOKEN;
    const ch_go go = ch_demand_tell(a->demand, a, event);
    if (end)
        ch_answer_end(a, CH_ENDING_END, NULL);
    else if (go == CH_GO_END)
        ch_answer_end(a, CH_ENDING_STOPPED, NULL);
    else
        end_at_limits(a);
}

/* Tokens that a listener put in. */
static void tell_fed(ch_answer *a)
{
    const int prompt = a->demand->r.n_prompt;
    while (a->ending == CH_ENDING_NONE && prompt + a->told < ch_session_length(a->s)) {
        ch_event event = {.id = ch_session_tokens(a->s)[prompt + a->told],
                          .log_p = (double)NAN,
                          .fed = true};
        event.may_end = ch_session_may_end(&event.may_end, a->s, NULL) == CH_OK && event.may_end;
        tell_token(a, &event, false);
    }
}

static void not_drawn(ch_answer *a, const ch_err *why)
{
    bool complete = false;
    const bool knows = why->code != CH_ENOMEM && ch_session_obeys(a->s) &&
                       ch_session_may_end(&complete, a->s, NULL) == CH_OK;
    ch_answer_end(a, knows && complete ? CH_ENDING_GRAMMAR : CH_ENDING_FAILED, why);
}

static void draw_one(ch_answer *a)
{
    ch_engine *g = a->demand->engine;
    const ch_request *r = &a->demand->r;
    ch_err e = {0};
    ch_event event = {.log_p = (double)NAN, .iterations = ch_session_steps(a->s), .top = g->top};
    if (ch_session_next(&event.id, a->s, &a->how, &e) < 0) {
        not_drawn(a, &e);
        return;
    }
    if (a->guess >= 0)
        a->right += 0.1 * ((double)(a->guess == event.id) - a->right);
    a->guess = -1;
    g->now.drawn_tokens++;
    event.drafted = ch_session_guessed(a->s);
    g->now.accepted += event.drafted;
    if (r->log_probs) {
        ch_log_prob own = {0};
        ch_session_log_probs(&own, g->top, r->top, a->s, NULL);
        event.log_p = own.log_p;
        event.n_top = alternatives(a->demand, r->top);
    }
    const bool end = ch_tokenizer_ends_text(g->tk, event.id);
    event.may_end = end || (ch_session_may_end(&event.may_end, a->s, NULL) == CH_OK &&
                            event.may_end);
    tell_token(a, &event, end);
}

static bool may_draw(const ch_answer *a)
{
    return !a->reading && !a->put_off && a->ending == CH_ENDING_NONE;
}

bool ch_answer_draws(const ch_answer *a) { return may_draw(a) && ch_session_ready(a->s); }

void ch_answer_draw(ch_answer *a)
{
    if (!may_draw(a))
        return;
    if (!a->begun) {
        ch_event event = {.kind = CH_EVENT_BEGIN};
        a->begun = a->demand->begun = true;
        if (ch_demand_tell(a->demand, a, &event) == CH_GO_END)
            ch_answer_end(a, CH_ENDING_STOPPED, NULL);
    }
    tell_fed(a);
    end_at_limits(a); /* a fork of what had come so far */
    while (a->ending == CH_ENDING_NONE && ch_session_ready(a->s)) {
        draw_one(a);
        tell_fed(a);
    }
}

/* ---- What listeners ask for ------------------------------------------------------------------ */

static int check_fed(const ch_answer *a, const ch_token *tokens, int n, ch_err *e)
{
    const ch_engine *g = a->demand->engine;
    const int has = ch_session_length(a->s) - a->demand->r.n_prompt, most = a->demand->r.most;
    if (n < 0 || (most > 0 && n > most - has))
        return ch_fail(e, CH_ELIMIT, "%d tokens were put in; the answer has %d and may have %d", n,
                       has, most);
    for (int i = 0; i < n; i++)
        if (ch_tokenizer_ends_text(g->tk, tokens[i]))
            return ch_fail(e, CH_EARG, "token %d that was put in, %d, is an end token", i,
                           (int)tokens[i]);
    return CH_OK;
}

int ch_answer_feed(ch_answer *a, const ch_token *tokens, int n, ch_err *e)
{
    bool any;
    const int before = ch_session_length(a->s);
    int rc = check_fed(a, tokens, n, e);
    if (rc == CH_OK)
        rc = ch_session_put(a->s, tokens, n, e);
    if (rc == CH_OK && (rc = ch_session_may_end(&any, a->s, e)) < 0)
        ch_session_rollback(a->s, before, NULL);
    return rc;
}

int ch_answer_grammar(ch_answer *a, ch_grammar *g, const char *begun, size_t n, ch_err *e)
{
    return ch_session_grammar_begun(a->s, g, begun, n, e);
}

void ch_answer_no_end(ch_answer *a, bool banned)
{
    const ch_engine *g = a->demand->engine;
    a->how.ends = banned ? g->ends.id : a->demand->how.ends;
    a->how.n_ends = banned ? (int)g->ends.n : a->demand->how.n_ends;
    a->how.ends_from = banned ? INT_MAX : a->demand->how.ends_from;
}

int ch_answer_fork(int *number, ch_answer *a, ch_err *e)
{
    const ch_demand *q = a->demand;
    ch_answer *b;
    if (ch_engine_taken(q->engine) >= q->engine->o.most_answers)
        return ch_fail(e, CH_ELIMIT, "%d answers are under way, which is as many as may be",
                       q->engine->o.most_answers);
    const int rc = fork_answer(&b, a, e);
    if (rc < 0)
        return rc;
    const uint32_t sample = b->how.sample;
    b->how = a->how;
    b->how.sample = sample;
    b->told = ch_session_length(b->s) - q->r.n_prompt;
    *number = b->number;
    return CH_OK;
}
