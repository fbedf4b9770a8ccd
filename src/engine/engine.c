/* engine.c - opening and closing, the thread, stats
 *
 * SPDX-License-Identifier: MIT */
#include "engine.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_ANSWERS = 4096, MOST_WAITING = 1 << 20 };

/* ---- Options --------------------------------------------------------------------------------- */

static int between(int v, int most, const char *name, ch_err *e)
{
    return v >= 0 && v <= most
               ? CH_OK
               : ch_fail(e, CH_EARG, "%s is %d; allowed are 0 to %d", name, v, most);
}

static int check(const ch_engine_options *o, ch_err *e)
{
    int rc = between(o->most_answers, MOST_ANSWERS, "most_answers", e);
    if (rc == CH_OK)
        rc = between(o->most_waiting, MOST_WAITING, "most_waiting", e);
    if (rc == CH_OK)
        rc = between(o->most_waiting_user, MOST_WAITING, "most_waiting_user", e);
    if (rc == CH_OK)
        rc = between(o->most_waiting_tokens, INT_MAX, "most_waiting_tokens", e);
    return rc == CH_OK ? between(o->step_ms, 3600000, "step_ms", e) : rc;
}

static int or_else(int v, int64_t usual)
{
    return v ? v : (int)CH_MIN(usual, INT_MAX);
}

static void fill_in(ch_engine *g)
{
    ch_engine_options *o = &g->o;
    o->most_answers = or_else(o->most_answers, 16);
    o->most_waiting = or_else(o->most_waiting, 256);
    o->most_waiting_user = or_else(o->most_waiting_user, o->most_waiting);
    o->most_waiting_tokens = or_else(o->most_waiting_tokens, 16LL * g->context);
    o->step_ms = or_else(o->step_ms, 100);
    o->draft = CH_MIN(o->draft ? o->draft : 8, CH_ENGINE_DRAFT);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static int open_root(ch_engine *g, ch_model *m, ch_err *e)
{
    ch_session_options s = g->o.session;
    if (m->config.inl.group > 0 && m->config.inl.stop == CH_INL_REFERENCE)
        return ch_fail(e, CH_EUNSUPPORTED,
                       "by the model's stop rule, \"reference\", a token depends on what else is "
                       "in a step: use another rule");
    if (s.cache_tokens == 0) {
        const int context = s.context ? s.context : CH_MIN(m->config.context, 4096);
        s.cache_tokens = (int)CH_MIN(4LL * context, INT_MAX);
    }
    int rc = ch_session_open(&g->root, m, &s, e);
    if (rc < 0)
        return rc;
    g->context = ch_session_context(g->root);
    if (s.cache_tokens < g->context)
        return ch_fail(e, CH_EARG, "a cache of %d tokens cannot hold one text of %d",
                       s.cache_tokens, g->context);
    return CH_OK;
}

static int open_arrays(ch_engine *g, ch_err *e)
{
    const size_t n = (size_t)g->o.most_answers;
    g->cap_users = 2 * g->o.most_answers + 64;
    g->users = calloc((size_t)g->cap_users, sizeof *g->users);
    g->work_area = malloc((size_t)g->vocab * sizeof *g->work_area);
    g->shares = malloc(n * sizeof *g->shares);
    g->sharing = malloc(n * sizeof(ch_answer *));
    g->drawing = malloc(n * sizeof(ch_session *));
    g->drawing_by = malloc(n * sizeof(ch_sampling *));
    g->odds = malloc(n * sizeof *g->odds);
    g->keys = malloc(n * sizeof *g->keys);
    return g->users && g->work_area && g->shares && g->sharing && g->drawing &&
                   g->drawing_by && g->odds && g->keys
               ? CH_OK
               : ch_fail(e, CH_ENOMEM, "no memory for an engine of %zu answers", n);
}

int ch_engine_open(ch_engine **out, ch_model *m, const ch_tokenizer *tk,
                   const ch_engine_options *o, ch_err *e)
{
    static const ch_engine_options none = {0};
    int rc = o ? check(o, e) : CH_OK;
    *out = NULL;
    if (rc < 0)
        return rc;
    ch_engine *g = *out = calloc(1, sizeof *g);
    if (!g)
        return ch_fail(e, CH_ENOMEM, "no memory for an engine");
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->work, NULL);
    pthread_condattr_t steady; /* a clock that is set does not cut waits short */
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&g->idle, &steady);
    pthread_condattr_destroy(&steady);
    g->model = m;
    g->tk = tk;
    g->o = o ? *o : none;
    g->vocab = m->config.vocab;
    g->width = m->config.width;
    g->last = &g->first;
    g->last_step_ns = ch_clock_ns();
    rc = open_root(g, m, e);
    if (rc == CH_OK) {
        fill_in(g);
        rc = open_arrays(g, e);
    }
    if (rc == CH_OK)
        rc = ch_tokenizer_endings(&g->ends, tk, CH_MIN(g->vocab, ch_tokenizer_size(tk)), e);
    if (rc < 0)
        ch_engine_close(out);
    return rc;
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static void end_all(ch_engine *g, ch_ending how, const ch_err *why)
{
    for (ch_answer *a = g->answers; a; a = a->next)
        ch_answer_end(a, how, why);
    ch_engine_bury(g);
    while (g->first) { /* the others wait */
        ch_demand *q = g->first;
        pthread_mutex_lock(&g->lock);
        q->waits = false;
        g->n_waiting--;
        g->waiting_tokens -= q->r.n_prompt;
        pthread_mutex_unlock(&g->lock);
        q->ending = how;
        if (why)
            q->error = *why;
        ch_demand_done(q);
    }
}

/* What others may see of it. */
static void publish(ch_engine *g)
{
    const ch_cache_options *o = ch_cache_get_options(ch_session_cache(g->root));
    const ch_cache_stats c = ch_cache_get_stats(ch_session_cache(g->root));
    const int layers = CH_MAX(o->layers, 1);
    ch_engine_stats *s = &g->now;
    s->active = g->n_answers;
    s->cache_tokens = (int64_t)c.pages / layers * o->page_size;
    s->cache_used = (int64_t)c.used / layers * o->page_size;
    s->cache_findable = (int64_t)c.findable / layers * o->page_size;
    s->error = g->fault;
    pthread_mutex_lock(&g->lock);
    s->requests = g->stats.requests;
    s->refused = g->stats.refused;
    g->stats = *s;
    g->last_step_ns = ch_clock_ns();
    g->stepping = false;
    if (g->n_all == 0)
        pthread_cond_broadcast(&g->idle);
    pthread_mutex_unlock(&g->lock);
}

static bool has_work(ch_engine *g)
{
    return g->answers || g->n_waiting > 0;
}

/* Nothing is accepted from now on, and whoever asks is told the first reason: always as CH_EIO, for
 * other codes say that a request is at fault. */
static void stop_for(ch_engine *g, const ch_err *why)
{
    pthread_mutex_lock(&g->lock);
    g->draining = true;
    if (g->why.code == CH_OK)
        ch_fail(&g->why, CH_EIO, "%s", why->text);
    g->fault = g->why.code;
    pthread_mutex_unlock(&g->lock);
}

static int step(bool *busy, ch_engine *g, ch_err *e)
{
    const uint64_t t0 = ch_clock_ns();
    ch_err why = {0};
    pthread_mutex_lock(&g->lock);
    g->stepping = true;
    pthread_mutex_unlock(&g->lock);
    if (g->fault == CH_OK) {
        ch_engine_admit(g);
        g->fault = ch_engine_turn(g, &why);
    }
    if (g->fault < 0) {
        stop_for(g, &why);
        end_all(g, CH_ENDING_FAILED, &g->why);
        if (e)
            *e = g->why;
    }
    g->now.busy_s += (double)(ch_clock_ns() - t0) * 1e-9;
    publish(g);
    pthread_mutex_lock(&g->lock);
    *busy = has_work(g);
    pthread_mutex_unlock(&g->lock);
    return g->fault;
}

int ch_engine_step(bool *busy, ch_engine *g, ch_err *e)
{
    *busy = false;
    if (g->started)
        return ch_fail(e, CH_EARG, "the engine has a thread of its own, which makes its steps");
    return step(busy, g, e);
}

static void *work(void *arg)
{
    ch_engine *g = arg;
    pthread_mutex_lock(&g->lock);
    while (!g->closing) {
        if (!has_work(g)) {
            pthread_cond_wait(&g->work, &g->lock);
            continue;
        }
        pthread_mutex_unlock(&g->lock);
        bool busy;
        step(&busy, g, NULL);
        pthread_mutex_lock(&g->lock);
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

int ch_engine_start(ch_engine *g, ch_err *e)
{
    if (g->started)
        return ch_fail(e, CH_EARG, "the engine is started already");
    const int failed = pthread_create(&g->thread, NULL, work, g);
    if (failed)
        return ch_fail(e, CH_ENOMEM, "no thread for the engine: %s", strerror(failed));
    g->started = true;
    return CH_OK;
}

void ch_engine_close(ch_engine **out)
{
    ch_engine *g = *out;
    if (!g)
        return;
    pthread_mutex_lock(&g->lock);
    g->closing = true;
    pthread_cond_broadcast(&g->work);
    pthread_mutex_unlock(&g->lock);
    if (g->started)
        pthread_join(g->thread, NULL);
    end_all(g, CH_ENDING_CANCELED, NULL);
    ch_session_close(&g->root);
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->work);
    pthread_cond_destroy(&g->idle);
    free(g->users);
    free(g->work_area);
    free(g->drawing);
    free(g->drawing_by);
    free(g->shares);
    free(g->sharing);
    free(g->odds);
    free(g->keys);
    ch_tokens_free(&g->ends);
    free(g);
    *out = NULL;
}

int ch_engine_wait(ch_engine *g, int most_ms, ch_err *e)
{
    struct timespec until;
    most_ms = CH_MAX(most_ms, 0);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += most_ms / 1000;
    until.tv_nsec += most_ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int late = 0;
    pthread_mutex_lock(&g->lock);
    while ((g->n_all > 0 || g->stepping) && late == 0)
        late = pthread_cond_timedwait(&g->idle, &g->lock, &until);
    const int left = g->n_all + g->stepping;
    pthread_mutex_unlock(&g->lock);
    return left == 0 ? CH_OK
                     : ch_fail(e, CH_EBUSY, "%d requests are not done after %d ms", left, most_ms);
}

void ch_engine_get_stats(ch_engine_stats *out, ch_engine *g)
{
    pthread_mutex_lock(&g->lock);
    *out = g->stats;
    out->waiting = g->n_waiting;
    out->waiting_tokens = g->waiting_tokens;
    out->idle_s = (double)(ch_clock_ns() - g->last_step_ns) * 1e-9;
    pthread_mutex_unlock(&g->lock);
}

int ch_engine_fault(ch_engine *g, ch_err *e)
{
    pthread_mutex_lock(&g->lock);
    const ch_err why = g->why;
    pthread_mutex_unlock(&g->lock);
    return why.code == CH_OK ? CH_OK : ch_fail(e, why.code, "%s", why.text);
}
