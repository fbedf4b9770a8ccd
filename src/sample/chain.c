/* chain.c - biases, samplers, and the draw
 *
 *   fill -> bias -> samplers in their order -> own -> softmax -> first i with sum_{j<=i} p_j > u
 *
 * u is uniform in [0,1) and a function of (seed, sample, position) alone; i runs in descending
 * order of logits.  Temperature 0 takes the best of what the chain leaves; samplers that keep the
 * best are left out then, where no other follows and nobody else looks at the list.
 * SPDX-License-Identifier: MIT */
#include "sample.h"

/* What of the chain does something. */
struct chain {
    unsigned char at[CH_SAMPLERS];
    int n;
    bool greedy; /* only the best matters behind it */
};

static struct chain chain_of(const ch_sampling *s, bool greedy)
{
    unsigned char step[CH_SAMPLERS];
    struct chain chain = {.greedy = greedy};
    const int n = ch_sampling_steps(step, s);
    for (int i = 0; i < n; i++)
        if (ch_sampling_is_on(s, step[i]))
            chain.at[chain.n++] = step[i];
    while (greedy && chain.n > 0 && ch_samplers[chain.at[chain.n - 1]].keeps_best)
        chain.n--;
    return chain;
}

static int ends_banned(const ch_sampling *s, uint64_t position)
{
    return s->ends && (int64_t)position < s->ends_from ? s->n_ends : 0;
}

/* How many of the best logits can matter; 0: all may. */
static int first_of(const ch_sampling *s, const struct chain *chain, uint64_t position)
{
    const bool k = chain->n > 0 && chain->at[0] == CH_SAMPLER_top_k;
    const double first = chain->greedy && chain->n == 0 ? 1 : k ? s->top_k : 0;
    double banned = ends_banned(s, position);
    for (int i = 0; s->bias && i < s->n_bias; i++) {
        if (s->bias[i].bias != -INFINITY)
            return 0;
        banned++;
    }
    return first == 0 || s->allowed || first + banned > INT32_MAX ? 0 : (int)(first + banned);
}

/* Nothing can be drawn: the best finite logit, else the lowest id that is not NaN, else the lowest;
 * of those that may be drawn. */
static ch_token last_resort(ch_candidate *work, const ch_sample_view *v, const ch_sampling *s)
{
    ch_candidates c = {.at = work, .n = v->vocab};
    ch_token best = -1, number = -1, any = -1;
    for (int i = 0; i < v->vocab; i++)
        work[i] = (ch_candidate){.id = i};
    ch_sample_bias(&c, s, v->position);
    for (int i = v->vocab - 1; i >= 0; i--) {
        const float x = v->logits[v->self][i];
        if (work[i].logit == -INFINITY)
            continue;
        any = i;
        if (!isnan(x))
            number = i;
        if (isfinite(x) && (best < 0 || x >= v->logits[v->self][best]))
            best = i;
    }
    return best >= 0 ? best : number >= 0 ? number : any;
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
    const struct chain chain = chain_of(s, s->temp == 0 && own == NULL);
    ch_sample_view here = *v;
    here.sample = sample;
    here.position = position;
    ch_candidates c = {.at = work};
    ch_candidates_fill(&c, v->logits[v->self], v->vocab, first_of(s, &chain, position));
    ch_sample_bias(&c, s, position);
    for (int i = 0; i < chain.n; i++)
        ch_samplers[chain.at[i]].fn(&c, s, &here);
    if (own)
        apply_own(&c, own, &here);
    ch_token t;
    if (s->temp == 0)
        t = ch_candidates_best(&c);
    else
        t = walk(&c, ch_rng_uniform(s->seed, CH_RNG_SAMPLE, sample, position));
    return t >= 0 ? t : last_resort(work, &here, s);
}
