/* turn.c - one step: a row of each answer, guesses behind it, and parts of prompts
 *
 * Answers come first.  The rows that are left go to prompts, of the least served user first; while
 * answers wait there are no more of them than the step may take time for.  A prompt whose next page
 * is computed in this step for another one waits for it instead.  SPDX-License-Identifier: MIT */
#include "engine.h"

#include <limits.h>

enum { FEW = 16 }; /* rows that a step always has for prompts; tokens that still count as one */

struct gathered {
    int n, answers, rows; /* shares; of answers; rows of those */
    int n_keys;
};

/* A few tokens behind what an answer has said, or its prompt, or all of it again? */
static bool continues(const ch_answer *a)
{
    return !a->reading && ch_session_waiting(a->s) <= FEW;
}

static bool takes_part(const ch_answer *a)
{
    return !a->put_off && a->ending == CH_ENDING_NONE && ch_session_waiting(a->s) > 0 &&
           !ch_session_ready(a->s);
}

static void add(ch_engine *g, struct gathered *d, ch_answer *a, int rows)
{
    const bool each = a->reading && a->demand->r.prompt_log_probs;
    g->sharing[d->n] = a;
    g->shares[d->n++] =
        (ch_share){.s = a->s, .rows = rows, .from = each ? ch_session_length(a->s) -
                                                               ch_session_waiting(a->s)
                                                         : INT_MAX};
}

/* That each of n answers can make and all of them, and a prompt's end, still be in the step. */
static int most_guesses(const ch_engine *g, int n)
{
    const int rows =
        CH_MIN(ch_session_step_rows(g->root), ch_session_step_logits(g->root)) - FEW;
    return n > 0 ? CH_MAX(0, CH_MIN(g->o.draft, rows / n - 1)) : 0;
}

static void add_answer(ch_engine *g, struct gathered *d, ch_answer *a)
{
    d->rows += ch_session_waiting(a->s);
    if (g->o.draft > 0 && ch_suffix_guess(&a->suffix, ch_session_tokens(a->s),
                                          ch_session_length(a->s), &a->guess, 1) == 0)
        a->guess = -1;
    g->odds[d->n] = a->guess >= 0 ? a->right : 0;
    add(g, d, a, ch_session_waiting(a->s));
}

/* Those that the last step had no row for come first. */
static void add_answers(ch_engine *g, struct gathered *d)
{
    for (int late = 1; late >= 0; late--)
        for (ch_answer *a = g->answers; a; a = a->next)
            if (a->late == late && takes_part(a) && continues(a))
                add_answer(g, d, a);
    d->answers = d->n;
    const int k = ch_gain_choose(&g->gain, g->odds, d->n, most_guesses(g, d->n));
    for (int i = 0; i < d->n; i++)
        g->shares[i].guesses = k;
    if (g->gain.last > 0)
        g->now.draft_gain = g->gain.last;
}

/* ---- Prompts --------------------------------------------------------------------------------- */

static ch_answer *next_prompt(const ch_engine *g, const struct gathered *d)
{
    ch_answer *best = NULL;
    for (ch_answer *a = g->answers; a; a = a->next) {
        bool in = !takes_part(a) || continues(a) || a->demand->r.vector;
        for (int i = d->answers; i < d->n && !in; i++)
            in = g->sharing[i] == a;
        if (!in && (!best || a->demand->user->served < best->demand->user->served))
            best = a;
    }
    return best;
}

/* Is its next page being computed in this step?  If not, it is from now on. */
static bool computed_by_another(ch_engine *g, struct gathered *d, ch_answer *a)
{
    ch_hash128 key;
    if (!ch_session_next_key(&key, a->s))
        return false;
    for (int i = 0; i < d->n_keys; i++)
        if (ch_hash_equal(g->keys[i], key))
            return true;
    g->keys[d->n_keys++] = key;
    return false;
}

static int rows_for_prompts(const ch_engine *g, const struct gathered *d)
{
    int left = ch_session_step_rows(g->root) - d->rows;
    for (int i = 0; i < d->answers; i++)
        left -= g->shares[i].guesses;
    if (d->answers == 0 || g->row_s <= 0)
        return left;
    const double rows = g->o.step_ms * 1e-3 / g->row_s - d->rows;
    return CH_MIN(left, (int)CH_MAX(rows, (double)FEW));
}

/* Of what waits, up to the end of a page: whole pages can be found by others at once. */
static int part_of(const ch_engine *g, const ch_answer *a, int most)
{
    const int page = ch_cache_get_options(ch_session_cache(g->root))->page_size;
    const int waiting = ch_session_waiting(a->s);
    const int over = (ch_session_length(a->s) - waiting + most) % page;
    return waiting <= most ? waiting : over < most ? most - over : most;
}

static void adopt(ch_engine *g, ch_answer *a)
{
    if (a->demand->r.prompt_log_probs && a->reading)
        return;
    const int found = ch_session_adopt(a->s);
    if (a->reading)
        a->demand->shared += found;
    g->now.shared_tokens += a->reading ? (uint64_t)found : 0;
}

/* Returns the rows that are left. */
static int add_prompts(ch_engine *g, struct gathered *d)
{
    int left = rows_for_prompts(g, d);
    for (ch_answer *a; left > 0 && (a = next_prompt(g, d));) {
        adopt(g, a);
        int rows = part_of(g, a, left);
        if (!a->demand->r.prompt_log_probs && computed_by_another(g, d, a))
            rows = 0;
        add(g, d, a, rows);
        left -= rows;
    }
    return left;
}

/* ---- After the step -------------------------------------------------------------------------- */

static int told_prompt(void *arg, int share, int position, const float *logits)
{
    ch_engine *g = arg;
    ch_answer_tell_prompt_token(g->sharing[share], position + 1, logits);
    return CH_OK;
}

static void measure(ch_engine *g, const struct gathered *d, double seconds)
{
    int rows = 0, continued = 0;
    for (int i = 0; i < d->n; i++) {
        rows += g->shares[i].rows + g->shares[i].guesses;
        if (i < d->answers)
            continued += g->shares[i].rows + g->shares[i].guesses;
    }
    if (rows == continued)
        ch_gain_measure(&g->gain, rows, seconds);
    else if (rows - continued >= FEW)
        g->row_s = g->row_s > 0 ? g->row_s + 0.2 * (seconds / rows - g->row_s) : seconds / rows;
}

static void look_at(ch_engine *g, const struct gathered *d, const ch_err *e)
{
    bool full = false;
    for (int i = 0; i < d->n; i++) {
        ch_answer *a = g->sharing[i];
        const ch_share *h = &g->shares[i];
        if (a->ending != CH_ENDING_NONE)
            continue;
        a->late = h->rows == 0 && h->rc == CH_OK;
        if (h->rc == CH_ELIMIT)
            full = true;
        else if (h->rc < 0)
            ch_answer_end(a, CH_ENDING_FAILED, e);
        else
            ch_engine_served(g, a->demand, h->rows + h->guesses);
        if (a->reading && h->rc == CH_OK) {
            g->now.prompt_tokens += (uint64_t)h->rows;
            if (ch_session_waiting(a->s) == 0)
                ch_answer_has_read(a);
        }
        g->now.drafted += (uint64_t)h->guesses;
    }
    if (full)
        ch_engine_make_room(g, e);
}

/* ---- Vectors --------------------------------------------------------------------------------- */

static void sum_up(void *arg, int position, const real *hidden)
{
    ch_demand *q = arg;
    (void)position;
    for (int i = 0; i < q->engine->width; i++)
        q->mean[i] += (double)hidden[i];
}

/* The vector of the least served user, if it has had less than those whose prompts took all. */
static ch_answer *next_vector(const ch_engine *g, const struct gathered *d, int left)
{
    ch_answer *best = NULL;
    for (ch_answer *a = g->answers; a; a = a->next)
        if (a->reading && a->demand->r.vector && takes_part(a) &&
            (!best || a->demand->user->served < best->demand->user->served))
            best = a;
    for (int i = d->answers; best && left <= 0 && i < d->n; i++)
        if (g->sharing[i]->demand->user->served < best->demand->user->served)
            return NULL;
    return best;
}

/* A step of its own, if there is one.  Fails where no request is at fault. */
static int turn_of_vector(ch_engine *g, const struct gathered *d, int left, ch_err *why)
{
    ch_answer *a = next_vector(g, d, left);
    if (!a)
        return CH_OK;
    ch_err e = {0};
    g->now.steps++;
    const int before = ch_session_waiting(a->s);
    const int rc = ch_session_hidden(a->s, CH_MAX(left, (int)FEW), sum_up, a->demand, &e);
    ch_engine_served(g, a->demand, before - ch_session_waiting(a->s));
    g->now.prompt_tokens += (uint64_t)(before - ch_session_waiting(a->s));
    if (rc == CH_ELIMIT)
        ch_engine_make_room(g, &e);
    else if (rc < 0)
        ch_answer_end(a, CH_ENDING_FAILED, &e);
    else if (ch_session_waiting(a->s) == 0)
        ch_answer_has_read(a);
    if (rc == CH_EIO)
        *why = e;
    return rc == CH_EIO ? rc : CH_OK;
}

/* Whoever listens is told in order of age; drawn is before that, by all threads. */
static void draw(ch_engine *g)
{
    int n = 0;
    for (ch_answer *a = g->answers; a; a = a->next) {
        if (n == g->o.most_answers || !ch_answer_draws(a))
            continue;
        g->drawing[n] = a->s;
        g->drawing_by[n++] = &a->how;
    }
    ch_sessions_draw(g->drawing, g->drawing_by, n);
    for (ch_answer *a = g->answers; a; a = a->next)
        ch_answer_draw(a);
}

int ch_engine_turn(ch_engine *g, ch_err *e)
{
    struct gathered d = {0};
    ch_err why = {0};
    g->full = false;
    add_answers(g, &d);
    const int left = add_prompts(g, &d);
    int rc = CH_OK;
    if (d.n > 0) {
        const uint64_t t0 = ch_clock_ns();
        rc = ch_session_advance(g->shares, d.n, told_prompt, g, &why);
        if (rc < 0) {
            *e = why;
            return rc;
        }
        g->now.steps++;
        measure(g, &d, (double)(ch_clock_ns() - t0) * 1e-9);
        look_at(g, &d, &why);
    }
    rc = turn_of_vector(g, &d, left, e);
    if (rc < 0)
        return rc;
    draw(g);
    ch_engine_bury(g);
    return CH_OK;
}
