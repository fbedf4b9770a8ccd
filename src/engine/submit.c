/* submit.c - requests: checked, copied, queued, cancelled; from any thread
 *
 * SPDX-License-Identifier: MIT */
#include "engine.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- Checks ---------------------------------------------------------------------------------- */

static int check_prompt(const ch_engine *g, const ch_request *r, ch_err *e)
{
    const bool answered = r->most >= 0 && !r->vector;
    const int most = answered ? g->context - 1 : g->context;
    if (!r->prompt || r->n_prompt < 1)
        return ch_fail(e, CH_EARG, "a prompt of %d tokens; it has to have one at least",
                       r->n_prompt);
    if (r->n_prompt > most)
        return ch_fail(e, CH_ELIMIT, "the prompt has %d tokens, the context holds %d%s",
                       r->n_prompt, g->context, answered ? ", with an answer" : "");
    for (int i = 0; i < r->n_prompt; i++)
        if (r->prompt[i] < 0 || r->prompt[i] >= g->vocab)
            return ch_fail(e, CH_EARG, "token %d of the prompt is %d; the vocabulary has 0 to %d",
                           i, (int)r->prompt[i], g->vocab - 1);
    return CH_OK;
}

static int check(const ch_engine *g, const ch_request *r, const ch_sampling *how, ch_err *e)
{
    if (!r->tell)
        return ch_fail(e, CH_EARG, "a request without a listener");
    if (r->answers < 0 || r->answers > g->o.most_answers)
        return ch_fail(e, CH_EARG, "%d answers were asked for; allowed are 1 to %d", r->answers,
                       g->o.most_answers);
    if (r->top < 0 || r->top > CH_ENGINE_TOP)
        return ch_fail(e, CH_EARG, "%d alternatives were asked for; allowed are 0 to %d", r->top,
                       CH_ENGINE_TOP);
    const int rc = check_prompt(g, r, e);
    return rc == CH_OK ? ch_sampling_check(how, g->vocab, e) : rc;
}

/* ---- Copies ---------------------------------------------------------------------------------- */

void ch_demand_free(ch_demand *q)
{
    if (!q)
        return;
    free((void *)q->r.prompt);
    free((void *)q->how.bias);
    free((void *)q->how.allowed);
    free((void *)q->how.ends);
    free((void *)q->how.dry_breakers);
    free(q->mean);
    free(q);
}

/* Puts a copy of n items in place of *list. */
static bool own(const void **list, int n, size_t size)
{
    void *copy = n > 0 && *list ? malloc((size_t)n * size) : NULL;
    const bool ok = copy || n <= 0 || !*list;
    if (copy)
        memcpy(copy, *list, (size_t)n * size);
    *list = copy;
    return ok;
}

static int copy(ch_demand **out, ch_engine *g, const ch_request *r, const ch_sampling *how,
                ch_err *e)
{
    ch_demand *q = *out = calloc(1, sizeof *q);
    if (!q)
        return ch_fail(e, CH_ENOMEM, "no memory for a request");
    q->engine = g;
    q->r = *r;
    q->r.answers = CH_MAX(r->answers, 1);
    q->r.sampling = NULL;
    q->how = *how;
    ch_sampling *c = &q->how;
    bool ok = own((const void **)&q->r.prompt, r->n_prompt, sizeof *r->prompt);
    ok &= own((const void **)&c->bias, c->n_bias, sizeof *c->bias);
    ok &= own((const void **)&c->allowed, c->n_allowed, sizeof *c->allowed);
    ok &= own((const void **)&c->ends, c->n_ends, sizeof *c->ends);
    ok &= own((const void **)&c->dry_breakers, c->n_dry_breakers, sizeof *c->dry_breakers);
    if (ok && r->vector)
        ok = (q->mean = calloc((size_t)g->width, sizeof *q->mean)) != NULL;
    if (ok)
        return CH_OK;
    ch_demand_free(q);
    *out = NULL;
    return ch_fail(e, CH_ENOMEM, "no memory for a request of %d tokens", r->n_prompt);
}

/* ---- The queue ------------------------------------------------------------------------------- */

static int accept_it(ch_engine *g, const ch_request *r, ch_err *e)
{
    const ch_engine_options *o = &g->o;
    int of_user = 0;
    if (g->why.code != CH_OK)
        return ch_fail(e, g->why.code, "%s", g->why.text);
    if (g->draining || g->closing)
        return ch_fail(e, CH_ECANCELED, "nothing new is accepted: the engine is being closed");
    for (const ch_demand *q = g->first; q; q = q->next)
        of_user += q->waits && q->r.user == r->user;
    if (g->n_waiting >= o->most_waiting)
        return ch_fail(e, CH_EBUSY, "%d requests are waiting already, which is as many as may",
                       g->n_waiting);
    if (of_user >= o->most_waiting_user)
        return ch_fail(e, CH_EBUSY,
                       "%d requests of this user are waiting already, which is as many as may",
                       of_user);
    if (g->n_waiting > 0 && g->waiting_tokens + r->n_prompt > o->most_waiting_tokens)
        return ch_fail(e, CH_EBUSY,
                       "prompts of %lld tokens are waiting; with the %d of this one they would be "
                       "more than %d",
                       (long long)g->waiting_tokens, r->n_prompt, o->most_waiting_tokens);
    return CH_OK;
}

int ch_engine_submit(ch_ticket *out, ch_engine *g, const ch_request *r, ch_err *e)
{
    static const ch_sampling usual = CH_SAMPLING;
    const ch_sampling *how = r->sampling ? r->sampling : &usual;
    ch_demand *q = NULL;
    *out = 0;
    int rc = check(g, r, how, e);
    if (rc == CH_OK)
        rc = copy(&q, g, r, how, e);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&g->lock);
    rc = accept_it(g, r, e);
    if (rc == CH_OK) {
        *out = q->ticket = ++g->tickets;
        q->waits = true;
        q->submitted_ns = ch_clock_ns();
        *g->last = q;
        g->last = &q->next;
        g->n_all++;
        g->n_waiting++;
        g->waiting_tokens += r->n_prompt;
        g->stats.requests++;
        pthread_cond_signal(&g->work);
    } else {
        g->stats.refused++;
    }
    pthread_mutex_unlock(&g->lock);
    if (rc < 0)
        ch_demand_free(q);
    return rc;
}

void ch_engine_cancel(ch_engine *g, ch_ticket ticket)
{
    pthread_mutex_lock(&g->lock);
    for (ch_demand *q = g->first; q; q = q->next)
        if (q->ticket == ticket)
            q->canceled = true;
    pthread_cond_signal(&g->work);
    pthread_mutex_unlock(&g->lock);
}

void ch_engine_drain(ch_engine *g)
{
    pthread_mutex_lock(&g->lock);
    g->draining = true;
    pthread_mutex_unlock(&g->lock);
}

int ch_engine_retry_ms(ch_engine *g)
{
    pthread_mutex_lock(&g->lock);
    const double ms = 1000 * g->begin_interval_s;
    pthread_mutex_unlock(&g->lock);
    return ms <= 0 ? 1000 : (int)CH_MAX(1.0, CH_MIN(ms, 60000.0));
}
