/* chain.c - the table of samplers, and the draw
 *
 *   fill -> samplers.def from top to bottom -> own -> softmax -> first i with sum_{j<=i} p_j > u
 *
 * u is uniform in [0,1) and a function of (seed, sample, position) alone; i runs in descending
 * order of logits.  Temperature 0 takes the best candidate; without an own sampler all but the
 * penalty is left out then, for no other step can remove or pass the best.
 * SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "sample.h"

const ch_sampler_info ch_samplers[] = {
#define SAMPLER(name, or, least, most, help) \
    {#name, or, least, most, help, offsetof(ch_sampling, name), ch_sample_##name},
#include "samplers.def"
#undef SAMPLER
    {NULL, 0, 0, 0, NULL, 0, NULL},
};

static double value_of(const ch_sampling *s, const ch_sampler_info *i)
{
    return *(const double *)((const char *)s + i->field);
}

int ch_sampling_check(const ch_sampling *s, ch_err *e)
{
    for (const ch_sampler_info *i = ch_samplers; i->name; i++) {
        const double x = value_of(s, i);
        if (!(x >= i->least && x <= i->most)) /* NaN is outside, too */
            return ch_fail(e, CH_EARG, "%s is %g, allowed is %g to %g", i->name, x, i->least,
                           i->most);
    }
    return CH_OK;
}

/* Nothing can be drawn: the best finite logit, else the lowest id that is not NaN, else 0. */
static ch_token last_resort(const float *logits, int vocab)
{
    ch_token best = -1, number = 0;
    for (int i = vocab - 1; i >= 0; i--) {
        if (!isnan(logits[i]))
            number = i;
        if (isfinite(logits[i]) && (best < 0 || logits[i] >= logits[best]))
            best = i;
    }
    return best < 0 ? number : best;
}

/* Someone else's code had the list: its order is not to be relied on, nor are its numbers. */
static void apply_own(ch_candidates *c, const ch_own_sampler *own, const ch_sample_view *v)
{
    own->apply(own->arg, c, v);
    int n = 0;
    for (int i = 0; i < c->n; i++)
        if (!isnan(c->at[i].logit))
            c->at[n++] = c->at[i];
    c->n = n;
    c->sorted = false;
}

/* The candidate at which the running sum of p passes u; rounding may leave it short of u, then the
 * last one that has a probability at all.  -1: none has. */
static ch_token walk(ch_candidates *c, double u)
{
    ch_candidates_softmax(c);
    ch_token last = -1;
    double sum = 0;
    for (int i = 0, front = 0; i < c->n && sum <= u; i++) {
        if (i == front)
            front = ch_candidates_more(c, front);
        sum += (double)c->at[i].p;
        if (c->at[i].p > 0)
            last = c->at[i].id;
    }
    return last;
}

ch_token ch_sample_draw(ch_candidate *work, const ch_sample_view *v, const ch_sampling *s,
                        const ch_own_sampler *own, uint32_t sample, uint64_t position)
{
    const float *logits = v->logits[v->self];
    const bool greedy = s->temp == 0 && own == NULL, penalty = s->repeat_penalty != 1;
    ch_candidates c = {.at = work};
    ch_candidates_fill(&c, logits, v->vocab, penalty ? 0 : greedy ? 1 : (int)s->top_k);
    for (const ch_sampler_info *i = ch_samplers; i->name; i++)
        if (!greedy || i->fn == ch_sample_repeat_penalty)
            i->fn(&c, value_of(s, i), v);
    if (own)
        apply_own(&c, own, v);
    ch_token t;
    if (s->temp == 0)
        t = ch_candidates_best(&c);
    else
        t = walk(&c, ch_rng_uniform(s->seed, CH_RNG_SAMPLE, sample, position));
    return t >= 0 ? t : last_resort(logits, v->vocab);
}
