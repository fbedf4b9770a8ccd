/* admit.c - who is served next
 *
 * Users are served alike: rows computed for a user are counted, and the one with the fewest comes
 * first, both when a request begins and when a step's rows are given to prompts.  A user who was
 * away does not save up: it begins at the floor, which is what the least served of those present
 * has had.  Within a user requests begin in the order in which they came.
 *
 * Where the cache has no room for all, the youngest answer gives its pages to the others and is put
 * off.  It comes back, before any new request begins, when there is room for all that it had: its
 * tokens are computed again, to the same bits, or found in the cache.  The oldest is never put off,
 * so there is always one that ends.  SPDX-License-Identifier: MIT */
#include "engine.h"

#include <string.h>

/* ---- Users ----------------------------------------------------------------------------------- */

static ch_engine_user *find_user(const ch_engine *g, uint64_t id)
{
    for (int i = 0; i < g->n_users; i++)
        if (g->users[i].id == id)
            return &g->users[i];
    return NULL;
}

static double served(const ch_engine *g, uint64_t id)
{
    const ch_engine_user *u = find_user(g, id);
    return u ? CH_MAX(u->served, g->floor) : g->floor;
}

/* There are more places than answers; those of users without any may be taken. */
static ch_engine_user *user_of(ch_engine *g, uint64_t id)
{
    ch_engine_user *u = find_user(g, id);
    if (!u && g->n_users < g->cap_users)
        u = &g->users[g->n_users++];
    for (int i = 0; !u || (u->id != id && u->active > 0); i++)
        u = &g->users[i];
    if (u->id != id)
        *u = (ch_engine_user){.id = id};
    if (u->active == 0)
        u->served = CH_MAX(u->served, g->floor);
    return u;
}

void ch_engine_served(ch_engine *g, ch_demand *q, int rows)
{
    double least = (double)INFINITY;
    q->user->served += rows;
    for (int i = 0; i < g->n_users; i++)
        if (g->users[i].active > 0)
            least = CH_MIN(least, g->users[i].served);
    g->floor = CH_MAX(g->floor, least);
}

/* ---- Requests that begin --------------------------------------------------------------------- */

/* The waiting request that is next; under the lock. */
static ch_demand *choose(const ch_engine *g)
{
    ch_demand *best = NULL;
    double least = (double)INFINITY;
    for (ch_demand *q = g->first; q; q = q->next) {
        const double had = q->waits ? served(g, q->r.user) : (double)INFINITY;
        if (had < least) {
            least = had;
            best = q;
        }
    }
    return best;
}

static void stop_waiting(ch_engine *g, ch_demand *q)
{
    q->waits = false;
    g->n_waiting--;
    g->waiting_tokens -= q->r.n_prompt;
}

static void note_interval(ch_engine *g)
{
    const uint64_t now = ch_clock_ns();
    if (g->last_begin_ns) {
        const double s = (double)(now - g->last_begin_ns) * 1e-9;
        g->begin_interval_s = g->begin_interval_s > 0
                                  ? g->begin_interval_s + 0.2 * (s - g->begin_interval_s)
                                  : s;
    }
    g->last_begin_ns = now;
}

static int begin(ch_engine *g, ch_demand *q, ch_err *e)
{
    ch_session *s = NULL;
    ch_answer *a = NULL;
    int rc = ch_session_another(&s, g->root, e);
    if (rc == CH_OK)
        rc = ch_session_salt(s, q->r.salt, e);
    if (rc == CH_OK)
        rc = ch_session_put(s, q->r.prompt, q->r.n_prompt, e);
    if (rc < 0)
        ch_session_close(&s);
    else
        rc = ch_answer_open(&a, q, s, e);
    if (rc == CH_OK)
        a->reading = true;
    return rc;
}

/* Answers that there may come to be of those that are active: of a prompt, all of them. */
int ch_engine_taken(const ch_engine *g)
{
    int n = 0;
    for (const ch_answer *a = g->answers; a; a = a->next)
        n += a->reading ? a->demand->r.answers : 1;
    return n;
}

/* Room for the prompt, for what others have yet to compute, and a page for each of them? */
static bool fits(const ch_engine *g, int tokens)
{
    const int page = ch_cache_get_options(ch_session_cache(g->root))->page_size;
    int64_t promised = (int64_t)page * (g->n_answers + 1);
    for (const ch_answer *a = g->answers; a; a = a->next)
        promised += a->put_off ? 0 : ch_session_waiting(a->s);
    return g->n_answers == g->n_put_off || ch_session_room(g->root) - promised >= tokens;
}

/* Sessions and their forks are opened, and listeners told, without the lock. */
static bool begin_one(ch_engine *g)
{
    ch_err e = {0};
    pthread_mutex_lock(&g->lock);
    ch_demand *q = choose(g);
    if (q && !q->canceled &&
        (ch_engine_taken(g) + q->r.answers > g->o.most_answers || !fits(g, q->r.n_prompt)))
        q = NULL;
    const bool canceled = q && q->canceled;
    if (q) {
        stop_waiting(g, q);
        note_interval(g);
    }
    pthread_mutex_unlock(&g->lock);
    if (!q)
        return false;
    q->user = user_of(g, q->r.user);
    q->begun_ns = ch_clock_ns();
    if (canceled) {
        q->ending = CH_ENDING_CANCELED;
    } else if (begin(g, q, &e) < 0) {
        q->ending = CH_ENDING_FAILED;
        q->error = e;
    }
    if (q->active == 0)
        ch_demand_done(q);
    return true;
}

/* ---- Putting off ----------------------------------------------------------------------------- */

void ch_engine_make_room(ch_engine *g, const ch_err *why)
{
    ch_answer *youngest = NULL;
    int n = 0;
    for (ch_answer *a = g->answers; a; a = a->next) {
        if (a->ending != CH_ENDING_NONE)
            return; /* its pages are free in a moment */
        if (!a->put_off) {
            youngest = a;
            n++;
        }
    }
    if (n == 1) {
        ch_answer_end(youngest, CH_ENDING_FAILED, why);
    } else if (n > 1) {
        ch_session_release(youngest->s);
        if (youngest->demand->mean) /* all of the prompt will be summed up again */
            memset(youngest->demand->mean, 0, (size_t)g->width * sizeof(double));
        youngest->put_off = g->full = true;
        g->n_put_off++;
        g->now.put_off++;
    }
}

static void bring_back(ch_engine *g)
{
    if (g->full && g->n_put_off < g->n_answers)
        return; /* what it gave up is for those that go on */
    for (ch_answer *a = g->answers; a && g->n_put_off > 0; a = a->next) {
        if (!a->put_off)
            continue;
        if (!fits(g, ch_session_length(a->s)))
            return; /* and none that is younger */
        a->put_off = false;
        g->n_put_off--;
    }
}

/* ---- Cancelling ------------------------------------------------------------------------------ */

/* A waiting request that is cancelled, or NULL; it waits no more. */
static ch_demand *take_canceled(ch_engine *g)
{
    pthread_mutex_lock(&g->lock);
    ch_demand *q = g->first;
    while (q && !(q->waits && q->canceled))
        q = q->next;
    if (q)
        stop_waiting(g, q);
    pthread_mutex_unlock(&g->lock);
    return q;
}

static void end_canceled(ch_engine *g)
{
    for (ch_demand *q; (q = take_canceled(g));) {
        q->ending = CH_ENDING_CANCELED;
        ch_demand_done(q);
    }
    pthread_mutex_lock(&g->lock);
    bool any = false;
    for (const ch_demand *q = g->first; q && !any; q = q->next)
        any = q->canceled;
    pthread_mutex_unlock(&g->lock);
    if (!any)
        return;
    for (ch_answer *a = g->answers; a; a = a->next) {
        pthread_mutex_lock(&g->lock);
        const bool canceled = a->demand->canceled;
        pthread_mutex_unlock(&g->lock);
        if (canceled)
            ch_answer_end(a, CH_ENDING_CANCELED, NULL);
    }
    ch_engine_bury(g);
}

void ch_engine_admit(ch_engine *g)
{
    end_canceled(g);
    bring_back(g);
    while (g->n_put_off == 0 && begin_one(g))
        ;
}
