/* plain_chain.h - the samplers again, in double, from the definitions in docs/sampling.md
 *
 * By counting and searching; nothing is shared with src/sample.  10^6 draws are held against it:
 * Pearson's statistic must stay below its 99.99 % point (Wilson and Hilferty's approximation);
 * seeds are fixed.  SPDX-License-Identifier: MIT */
#ifndef PLAIN_CHAIN_H
#define PLAIN_CHAIN_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"
#include "support.h"

enum { V = 8, TOKENS = 24, DRAWS = 1000000 };

static float logits[V];
static ch_token text[TOKENS];

/* ---- The chain in plain words -------------------------------------------------------------- */

struct one {
    double x, p;
    bool in;
};

static double best(const struct one *c)
{
    double most = -HUGE_VAL;
    for (int i = 0; i < V; i++)
        if (c[i].in)
            most = fmax(most, c[i].x);
    return most;
}

static void probabilities(struct one *c)
{
    double sum = 0;
    for (int i = 0; i < V; i++)
        sum += c[i].p = c[i].in ? exp(c[i].x - best(c)) : 0;
    for (int i = 0; i < V; i++)
        c[i].p /= sum;
}

static double entropy(const struct one *c)
{
    double h = 0;
    for (int i = 0; i < V; i++)
        h -= c[i].p > 0 ? c[i].p * log(c[i].p) : 0;
    return h;
}

static int left(const struct one *c)
{
    int n = 0;
    for (int i = 0; i < V; i++)
        n += c[i].in;
    return n;
}

static void penalties(struct one *c, const ch_sampling *s)
{
    for (int i = 0; i < V; i++) {
        int seen = 0;
        for (int k = 0; k < TOKENS; k++)
            if (s->repeat_last_n < 0 || k >= TOKENS - s->repeat_last_n)
                seen += text[k] == i;
        if (seen > 0) {
            c[i].x = c[i].x > 0 ? c[i].x / s->repeat_penalty : c[i].x * s->repeat_penalty;
            c[i].x -= seen * s->frequency_penalty + s->presence_penalty;
        }
    }
}

static bool breaker(const ch_sampling *s, ch_token t)
{
    for (int i = 0; i < s->n_dry_breakers; i++)
        if (s->dry_breakers[i] == t)
            return true;
    return false;
}

static void dry(struct one *c, const ch_sampling *s)
{
    const int from = s->dry_penalty_last_n < 0 ? 0 : CH_MAX(0, TOKENS - (int)s->dry_penalty_last_n);
    for (int i = 0; i < V; i++) {
        int longest = -1;
        for (int at = from + 1; at < TOKENS; at++) { /* an earlier i */
            int n = 0;
            while (at - 1 - n >= from && text[at - 1 - n] == text[TOKENS - 1 - n] &&
                   !breaker(s, text[at - 1 - n]))
                n++;
            if (text[at] == i)
                longest = CH_MAX(longest, n);
        }
        if (longest >= s->dry_allowed_length && !breaker(s, i))
            c[i].x -= s->dry_multiplier * pow(s->dry_base, longest - s->dry_allowed_length);
    }
}

static void top_n_sigma(struct one *c, const ch_sampling *s)
{
    double mean = 0, square = 0;
    const double most = best(c);
    for (int i = 0; i < V; i++)
        mean += c[i].in ? c[i].x / left(c) : 0;
    for (int i = 0; i < V; i++)
        square += c[i].in ? (c[i].x - mean) * (c[i].x - mean) / left(c) : 0;
    for (int i = 0; i < V; i++)
        c[i].in = c[i].in && c[i].x >= most - s->top_n_sigma * sqrt(square);
}

static void top_k(struct one *c, const ch_sampling *s)
{
    bool in[V];
    for (int i = 0; i < V; i++) {
        int better = 0;
        for (int j = 0; j < V; j++)
            better += c[j].in && c[j].x > c[i].x;
        in[i] = c[i].in && better < s->top_k;
    }
    for (int i = 0; i < V; i++)
        c[i].in = in[i];
}

/* Keeps those with the least key until they have a probability of `mass`. */
static void keep_mass(struct one *c, const double *key, double mass)
{
    bool in[V] = {false};
    for (double sum = 0; sum < mass;) {
        int next = -1;
        for (int i = 0; i < V; i++)
            if (c[i].in && !in[i] && (next < 0 || key[i] < key[next]))
                next = i;
        if (next < 0)
            break;
        in[next] = true;
        sum += c[next].p;
    }
    for (int i = 0; i < V; i++)
        c[i].in = in[i];
}

static void typical_p(struct one *c, const ch_sampling *s)
{
    double key[V];
    probabilities(c);
    for (int i = 0; i < V; i++)
        key[i] = fabs(-log(c[i].p) - entropy(c));
    keep_mass(c, key, s->typical_p);
}

static void top_p(struct one *c, const ch_sampling *s)
{
    double key[V];
    probabilities(c);
    for (int i = 0; i < V; i++)
        key[i] = -c[i].p;
    keep_mass(c, key, s->top_p);
}

static void min_p(struct one *c, const ch_sampling *s)
{
    const double most = best(c);
    for (int i = 0; i < V; i++)
        c[i].in = c[i].in && exp(c[i].x - most) >= s->min_p;
}

static void xtc(struct one *c, const ch_sampling *s)
{
    int least = -1;
    probabilities(c);
    for (int i = 0; i < V; i++)
        if (c[i].p >= s->xtc_threshold && (least < 0 || c[i].p < c[least].p))
            least = i;
    for (int i = 0; i < V; i++)
        c[i].in = c[i].in && (c[i].p < s->xtc_threshold || i == least);
}

static void temperature(struct one *c, const ch_sampling *s)
{
    double t = s->temp;
    if (s->dynatemp_range > 0 && left(c) > 1) {
        const double low = fmax(0, t - s->dynatemp_range), high = t + s->dynatemp_range;
        probabilities(c);
        t = low + (high - low) * pow(entropy(c) / log(left(c)), s->dynatemp_exponent);
    }
    for (int i = 0; i < V; i++)
        c[i].x /= t;
}

static const struct {
    const char *name;
    void (*apply)(struct one *c, const ch_sampling *s);
} steps[] = {{"penalties", penalties}, {"dry", dry},         {"top_n_sigma", top_n_sigma},
             {"top_k", top_k},         {"typical_p", typical_p}, {"top_p", top_p},
             {"min_p", min_p},         {"xtc", xtc},         {"temperature", temperature}};

static const char usual[] = "penalties;dry;top_n_sigma;top_k;typical_p;top_p;min_p;xtc;temperature";

/* One branch: with or without xtc. */
static void branch(double *p, const ch_sampling *s, const char *order, bool drops)
{
    struct one c[V];
    for (int i = 0; i < V; i++) {
        c[i] = (struct one){(double)logits[i], 0, !isnan(logits[i])};
        for (int k = 0; k < s->n_bias; k++)
            c[i].x += s->bias[k].id == i ? (double)s->bias[k].bias : 0;
        for (int k = 0; k < s->n_ends && s->ends_from > 0; k++)
            c[i].in = c[i].in && s->ends[k] != i;
        bool allowed = s->allowed == NULL;
        for (int k = 0; k < s->n_allowed; k++)
            allowed = allowed || s->allowed[k] == i;
        c[i].in = c[i].in && allowed && c[i].x > -HUGE_VAL;
    }
    for (const char *at = order; *at; at += strcspn(at, ";"), at += *at == ';')
        for (size_t i = 0; i < CH_COUNT(steps); i++)
            if (strcspn(at, ";") == strlen(steps[i].name) &&
                strncmp(at, steps[i].name, strlen(steps[i].name)) == 0 &&
                (drops || steps[i].apply != xtc))
                steps[i].apply(c, s);
    probabilities(c);
    for (int i = 0; i < V; i++)
        p[i] = c[i].p;
}

static void expected(double *p, const ch_sampling *s, const char *order)
{
    double with[V], without[V];
    branch(with, s, order, true);
    branch(without, s, order, false);
    for (int i = 0; i < V; i++)
        p[i] = s->xtc_probability * with[i] + (1 - s->xtc_probability) * without[i];
}

/* ---- Draws against it ---------------------------------------------------------------------- */

static void check_draws(const char *name, const ch_sampling *s, const double *p)
{
    static ch_candidate work[V];
    const float *rows[1] = {logits};
    const ch_sample_view v = {
        .logits = rows, .n_sequences = 1, .vocab = V, .tokens = text, .n_tokens = TOKENS};
    int count[V] = {0};
    for (uint64_t i = 0; i < DRAWS; i++)
        count[ch_sample_draw(work, &v, s, NULL, 3, i)]++;
    double statistic = 0;
    int classes = 0;
    for (int i = 0; i < V; i++) {
        if (p[i] == 0 && count[i] > 0)
            fail_msg("%s: token %d was drawn %d times, it cannot be", name, i, count[i]);
        if (p[i] == 0)
            continue;
        const double want = p[i] * DRAWS;
        statistic += (count[i] - want) * (count[i] - want) / want;
        classes++;
    }
    assert_in_range(classes, 2, V);
    const double f = classes - 1, z = 2 / (9 * f), root = 1 - z + 3.72 * sqrt(z);
    if (statistic > f * root * root * root)
        fail_msg("%s: chi-square %g with %d classes", name, statistic, classes);
}

static void random_text(uint64_t seed)
{
    fill(logits, V, FILL_NORMAL, seed);
    for (int i = 0; i < V; i++)
        logits[i] *= 1.5f;
    for (int i = 0; i < TOKENS; i++) /* repeats of several lengths */
        text[i] = (ch_token)ch_rng_below(3, seed, CH_RNG_TEST, 8, (uint64_t)i);
    text[TOKENS - 6] = 6;
}

#endif
