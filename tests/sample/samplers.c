/* Each line of samplers.def against a naive implementation in double.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"
#include "support.h"

enum { V = 700 };
static float logits[V];
static ch_candidate work[V];

static void hostile(int n, uint64_t seed)
{
    fill(logits, (size_t)n, FILL_POISON, seed);
}

static void gentle(int n, uint64_t seed)
{
    fill(logits, (size_t)n, FILL_NORMAL, seed);
    for (int i = 0; i < n; i++)
        logits[i] = roundf(logits[i] * 200) / 64; /* with ties */
}

/* How many candidates come before (logit, id) of token t; NaN never counts. */
static int rank_of(int t, int n)
{
    int rank = 0;
    for (int i = 0; i < n; i++)
        rank += logits[i] > logits[t] || (logits[i] == logits[t] && i < t);
    return rank;
}

/* A candidate's place in the list, or -1. */
static int place_of(const ch_candidates *c, ch_token id)
{
    for (int i = 0; i < c->n; i++)
        if (c->at[i].id == id)
            return i;
    return -1;
}

static int random_size(uint64_t seed)
{
    return 1 + (int)ch_rng_below(V, seed, CH_RNG_TEST, 7, 0);
}

static void penalties_lower_what_was_seen(void **state)
{
    (void)state;
    static const double values[] = {0.01, 0.5, 1.3, 100};
    for (uint64_t seed = 0; seed < 60; seed++) {
        const int n = random_size(seed), tokens = (int)ch_rng_below(130, seed, CH_RNG_TEST, 6, 0);
        const double value = values[seed % CH_COUNT(values)];
        const int last_n = (int[]){64, -1, 0, 5, 1000}[seed / 3 % 5];
        ch_token text[130];
        for (int i = 0; i < tokens; i++) /* ids past the vocabulary harm nobody */
            text[i] = (ch_token)ch_rng_below((uint64_t)n + 3, seed, CH_RNG_TEST, 5, (uint64_t)i);
        if (seed % 2)
            hostile(n, seed);
        else
            gentle(n, seed);
        const ch_sample_view v = {.vocab = n, .tokens = text, .n_tokens = tokens};
        ch_candidates c = {.at = work};
        ch_candidates_fill(&c, logits, n, 0);
        if (seed % 3 == 0)
            ch_candidates_sort(&c, c.n); /* the order does not matter */
        const ch_sampling s = {.repeat_penalty = value, .repeat_last_n = last_n,
                               .frequency_penalty = seed % 5 ? 0 : 0.75,
                               .presence_penalty = seed % 7 ? 0 : -0.5};
        ch_sample_penalties(&c, &s, &v);
        for (int t = 0; t < n; t++) {
            const int place = place_of(&c, t);
            assert_true((place < 0) == isnan(logits[t]));
            if (place < 0)
                continue;
            int seen = 0;
            for (int i = last_n < 0 ? 0 : CH_MAX(0, tokens - last_n); i < tokens; i++)
                seen += text[i] == t;
            const double x = (double)logits[t];
            const double penalized = (x > 0 ? x / value : x * value) -
                                     (s.frequency_penalty * seen + s.presence_penalty);
            assert_true(c.at[place].logit == (float)(seen ? penalized : x));
        }
    }
}

static void top_k_keeps_the_best(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        const int n = random_size(seed), k = 1 + (int)ch_rng_below(90, seed, CH_RNG_TEST, 4, 0);
        if (seed % 2)
            hostile(n, seed);
        else
            gentle(n, seed);
        ch_candidates c = {.at = work};
        ch_candidates_fill(&c, logits, n, seed % 3 ? k : 0);
        ch_sample_top_k(&c, &(ch_sampling){.top_k = k}, NULL);
        int kept = 0;
        for (int t = 0; t < n; t++) {
            const bool keep = !isnan(logits[t]) && rank_of(t, n) < k;
            kept += keep;
            assert_true((place_of(&c, t) >= 0) == keep);
            if (keep && c.sorted)
                assert_int_equal(place_of(&c, t), rank_of(t, n));
        }
        assert_int_equal(c.n, kept);
    }
}

/* The naive set: tokens in order until their probabilities (in double) reach p. */
static void top_p_keeps_the_smallest_set(void **state)
{
    (void)state;
    static const double values[] = {0, 0.1, 0.5, 0.9, 0.99, 0.9999};
    for (uint64_t seed = 0; seed < 90; seed++) {
        const int n = random_size(seed);
        const double value = values[seed % CH_COUNT(values)];
        gentle(n, seed);
        double total = 0, above = 0;
        for (int t = 0; t < n; t++)
            total += exp((double)logits[t]);
        ch_candidates c = {.at = work};
        ch_candidates_fill(&c, logits, n, 0);
        ch_sample_top_p(&c, &(ch_sampling){.top_p = value}, NULL);
        assert_in_range(c.n, 1, n);
        for (int i = 0; i < c.n; i++) { /* in order, none left out, each still needed */
            assert_int_equal(rank_of(c.at[i].id, n), i);
            assert_true(i == 0 || above / total < value + 1e-6);
            above += exp((double)c.at[i].logit);
        }
        assert_true(c.n == n || above / total >= value - 1e-6);
    }
    for (int i = 0; i < 4; i++) /* exactly half is enough */
        logits[i] = 0;
    ch_candidates c = {.at = work};
    ch_candidates_fill(&c, logits, 4, 0);
    ch_sample_top_p(&c, &(ch_sampling){.top_p = 0.5}, NULL);
    assert_int_equal(c.n, 2);
    assert_true(c.sorted);
}

static void min_p_compares_with_the_best(void **state)
{
    (void)state;
    static const double values[] = {1e-9, 0.05, 0.3, 1};
    for (uint64_t seed = 0; seed < 60; seed++) {
        const int n = random_size(seed);
        const double value = values[seed % CH_COUNT(values)];
        if (seed % 2)
            hostile(n, seed);
        else
            gentle(n, seed);
        double most = -HUGE_VAL;
        for (int t = 0; t < n; t++)
            most = fmax(most, (double)logits[t]);
        ch_candidates c = {.at = work};
        ch_candidates_fill(&c, logits, n, 0);
        ch_sample_min_p(&c, &(ch_sampling){.min_p = value}, NULL);
        for (int t = 0, at = 0; t < n; t++) {
            const double x = (double)logits[t];
            if (x >= most + log(value))
                assert_int_equal(c.at[at++].id, t); /* the order stays */
            else
                assert_int_equal(place_of(&c, t), -1);
        }
    }
}

static void temp_scales_differences(void **state)
{
    (void)state;
    static const double values[] = {1e-300, 1e-3, 0.5, 2, 100};
    for (uint64_t seed = 0; seed < 60; seed++) {
        const int n = random_size(seed);
        const double value = values[seed % CH_COUNT(values)];
        if (seed % 2)
            hostile(n, seed);
        else
            gentle(n, seed);
        ch_candidates c = {.at = work};
        ch_candidates_fill(&c, logits, n, 0);
        const int count = c.n;
        ch_sample_temperature(&c, &(ch_sampling){.temp = value}, NULL);
        assert_int_equal(c.n, count);
        float best = -INFINITY;
        for (int i = 0; i < c.n; i++)
            best = fmaxf(best, logits[c.at[i].id]);
        for (int i = 0; i < c.n; i++) {
            const float x = logits[c.at[i].id], got = c.at[i].logit;
            if (x == -INFINITY)
                assert_true(got == -INFINITY);
            else if (x == best)
                assert_true(got == 0);
            else
                assert_true(got == (float)(((double)x - (double)best) / value));
        }
    }
}

/* No sampler makes a NaN, or a candidate, or takes the last one; whatever its parameters. */
static void hostile_lists_stay_lists(void **state)
{
    (void)state;
    const ch_token text[8] = {-1, INT32_MAX, 3, INT32_MIN, 3, 3, 7, 3};
    const ch_token breakers[2] = {5, INT32_MAX};
    const ch_sample_view v = {.vocab = V, .tokens = text, .n_tokens = 8};
    for (const ch_sampler_info *s = ch_samplers; s->name; s++)
        for (int kind = 0; kind < 7; kind++)
            for (int extreme = 0; extreme < 3; extreme++) {
                const float of[6] = {NAN, -INFINITY, INFINITY, 0, 3e38f, -3e38f};
                ch_sampling how = {.dry_breakers = breakers, .n_dry_breakers = 2};
                for (const ch_sampling_param *p = ch_sampling_params; p->name; p++)
                    *(double *)((char *)&how + p->field) =
                        extreme == 0 ? p->least : extreme == 1 ? p->most : p->or;
                for (int i = 0; i < V; i++)
                    logits[i] = of[kind % 6];
                if (kind == 6)
                    hostile(V, (uint64_t)extreme);
                ch_candidates c = {.at = work};
                ch_candidates_fill(&c, logits, V, 0);
                const int before = c.n;
                if (ch_sampling_is_on(&how, (int)(s - ch_samplers)))
                    s->fn(&c, &how, &v);
                if (c.n > before || (before > 0 && c.n < 1))
                    fail_msg("%s (%d) of kind %d: %d of %d left", s->name, extreme, kind, c.n,
                             before);
                for (int i = 0; i < c.n; i++)
                    if (isnan(c.at[i].logit))
                        fail_msg("%s (%d) of kind %d makes NaN", s->name, extreme, kind);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(penalties_lower_what_was_seen),
        cmocka_unit_test(top_k_keeps_the_best),
        cmocka_unit_test(top_p_keeps_the_smallest_set),
        cmocka_unit_test(min_p_compares_with_the_best),
        cmocka_unit_test(temp_scales_differences),
        cmocka_unit_test(hostile_lists_stay_lists),
    };
    return cmocka_run_group_tests_name("samplers", tests, NULL, NULL);
}
