/* The whole chain and the draw.  SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"
#include "support.h"

enum { V = 3000 };
static float logits[V];
static ch_candidate work[V];

static ch_token draw(int n, const ch_sampling *s, uint32_t sample, uint64_t position)
{
    const float *rows[1] = {logits};
    const ch_sample_view v = {.logits = rows, .n_sequences = 1, .vocab = n};
    memset(work, 0xff, (size_t)n * sizeof *work);
    return ch_sample_draw(work, &v, s, NULL, sample, position);
}

static const ch_sampling plain = {.repeat_penalty = 1, .top_p = 1, .temp = 1};

static void defaults_agree(void **state)
{
    (void)state;
    const ch_sampling s = CH_SAMPLING;
    for (const ch_sampling_param *i = ch_sampling_params; i->name; i++) {
        assert_true(ch_sampling_value(&s, i) == i->or);
        assert_true(i->least <= i->or && i->or <= i->most);
    }
    assert_int_equal(ch_sampling_check(&s, 5, NULL), CH_OK);
}

static void check_names_the_culprit(void **state)
{
    (void)state;
    for (const ch_sampling_param *i = ch_sampling_params; i->name; i++) {
        const double bad[] = {nan(""), HUGE_VAL, -HUGE_VAL, i->most * 1.001 + 1, i->least - 0.5};
        for (size_t k = 0; k < CH_COUNT(bad); k++) {
            ch_err e = {0};
            ch_sampling s = CH_SAMPLING;
            *(double *)((char *)&s + i->field) = bad[k];
            assert_fails(ch_sampling_check(&s, V, &e), CH_EARG, e, i->name);
            *(double *)((char *)&s + i->field) = k % 2 ? i->least : i->most;
            assert_ok(ch_sampling_check(&s, V, &e), e);
        }
    }
    ch_err e = {0};
    ch_sampling s = CH_SAMPLING;
    s.top_p = 1.5;
    assert_fails(ch_sampling_check(&s, V, &e), CH_EARG, e, "top_p is 1.5, allowed is 0 to 1");
}

static void temperature_0_takes_the_best(void **state)
{
    (void)state;
    ch_sampling s = CH_SAMPLING;
    s.temp = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        const int n = 1 + (int)ch_rng_below(V, seed, CH_RNG_TEST, 1, 0);
        fill(logits, (size_t)n, seed % 2 ? FILL_SMALL : FILL_HOSTILE, seed);
        logits[seed % (uint64_t)n] = NAN;
        int best = -1;
        for (int i = 0; i < n; i++)
            if (!isnan(logits[i]) && (best < 0 || logits[i] > logits[best]))
                best = i;
        s.seed = seed;
        s.repeat_penalty = seed % 3 ? 1 : 1.5; /* nothing was seen: the long way to the same */
        assert_int_equal(draw(n, &s, 0, seed), best < 0 ? 0 : best);
    }
}

static void temperature_0_minds_the_penalty(void **state)
{
    (void)state;
    const float *rows[1] = {logits};
    const ch_token text[2] = {1, 1};
    const ch_sample_view v = {
        .logits = rows, .n_sequences = 1, .vocab = 3, .tokens = text, .n_tokens = 2};
    ch_sampling s = {.repeat_penalty = 2, .repeat_last_n = 64, .top_p = 1};
    logits[0] = -1, logits[1] = 4, logits[2] = 3;
    assert_int_equal(ch_sample_draw(work, &v, &s, NULL, 0, 0), 2);
    s.repeat_penalty = 1.3; /* once, although it was seen twice */
    assert_int_equal(ch_sample_draw(work, &v, &s, NULL, 0, 0), 1);
}

/* A token is a function of its key: nothing else, and all of it. */
static void draws_are_functions_of_their_key(void **state)
{
    (void)state;
    for (int i = 0; i < V; i++)
        logits[i] = 0;
    ch_sampling s = plain;
    const ch_token first = draw(V, &s, 3, 1000);
    int differ[3] = {0};
    for (uint64_t k = 1; k <= 50; k++) {
        s.seed = k;
        differ[0] += draw(V, &s, 3, 1000) != first;
        s.seed = 0;
        differ[1] += draw(V, &s, 3 + (uint32_t)k, 1000) != first;
        differ[2] += draw(V, &s, 3, 1000 + (k << 32)) != first;
        assert_int_equal(draw(V, &s, 3, 1000), first);
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(differ[i], 48, 50);
    /* Equal logits stand in order of ids. */
    assert_int_equal(first, (int)(ch_rng_uniform(0, CH_RNG_SAMPLE, 3, 1000) * V));
}

/* Whether the best is left out is a function of the key, too, and of another stream than the draw;
 * temperature 0 takes the best of what stays. */
static void choices_are_left_out_by_their_key(void **state)
{
    (void)state;
    ch_sampling s = plain;
    s.temp = 0;
    s.xtc_probability = 0.5;
    s.xtc_threshold = 0.1;
    for (int i = 0; i < 10; i++)
        logits[i] = i == 4 ? 2 : i == 7 ? 1.9f : -1;
    int dropped = 0, unlike = 0;
    for (uint64_t k = 0; k < 400; k++) {
        const uint32_t sample = (uint32_t)(k / 7);
        s.seed = k % 5;
        const ch_token t = draw(10, &s, sample, k << 20);
        const bool drops = ch_rng_uniform(s.seed, CH_RNG_XTC, sample, k << 20) < 0.5;
        assert_int_equal(t, drops ? 7 : 4);
        dropped += drops;
        unlike += drops != (ch_rng_uniform(s.seed, CH_RNG_SAMPLE, sample, k << 20) < 0.5);
    }
    assert_in_range(dropped, 150, 250);
    assert_in_range(unlike, 150, 250);
}

/* Samplers that keep the best are left out where only the best is wanted; it must not show. */
static void greedy_shortcuts_do_not_show(void **state)
{
    (void)state;
    static const char *const orders[] = {NULL, "top_k;typical_p;min_p;penalties;top_p",
                                         "xtc;top_k;temp", "dry;min_p"};
    const ch_token text[6] = {3, 9, 3, 9, 3, 5};
    const float *rows[1] = {logits};
    const ch_sample_view v = {
        .logits = rows, .n_sequences = 1, .vocab = 60, .tokens = text, .n_tokens = 6};
    for (uint64_t seed = 0; seed < 400; seed++) {
        ch_sampling s = {.repeat_penalty = 1 + (double)(seed % 3), .repeat_last_n = 64,
                         .dry_multiplier = (double)(seed % 2), .dry_base = 1.75,
                         .dry_penalty_last_n = -1, .top_k = (double)(seed % 4), .typical_p = 0.4,
                         .top_p = 0.9, .min_p = 0.1, .xtc_probability = 1, .xtc_threshold = 0.05};
        assert_int_equal(ch_sampling_order(&s, orders[seed % 4], NULL), CH_OK);
        fill(logits, 60, FILL_NORMAL, seed);
        unsigned char step[CH_SAMPLERS];
        const int n = ch_sampling_steps(step, &s);
        ch_candidates c = {.at = work};
        ch_candidates_fill(&c, logits, 60, 0);
        for (int i = 0; i < n; i++)
            if (ch_sampling_is_on(&s, step[i]))
                ch_samplers[step[i]].fn(&c, &s, &v);
        const ch_token want = ch_candidates_best(&c);
        assert_int_equal(ch_sample_draw(work, &v, &s, NULL, 0, 0), want);
    }
}

/* Draws of many positions against expected shares: Pearson's statistic for classes - 1 degrees of
 * freedom must stay below its 99.99 % point (Wilson and Hilferty's approximation); seeds are
 * fixed. */
static void chi_square(const ch_sampling *s, const double *p, int n)
{
    enum { DRAWS = 20000 };
    static int count[V];
    memset(count, 0, sizeof count);
    for (uint64_t i = 0; i < DRAWS; i++)
        count[draw(n, s, 0, i)]++;
    double statistic = 0;
    int classes = 0;
    for (int i = 0; i < n; i++) {
        if (p[i] == 0)
            assert_int_equal(count[i], 0);
        else {
            const double want = p[i] * DRAWS;
            statistic += (count[i] - want) * (count[i] - want) / want;
            classes++;
        }
    }
    const double f = classes - 1, z = 2 / (9 * f), root = 1 - z + 3.72 * sqrt(z);
    if (statistic > f * root * root * root)
        fail_msg("chi-square %g with %d classes", statistic, classes);
}

static void draws_follow_the_softmax(void **state)
{
    (void)state;
    enum { N = 90 };
    double p[N];
    for (uint64_t seed = 0; seed < 4; seed++) {
        ch_sampling s = plain;
        s.seed = seed;
        s.temp = seed % 2 ? 1.7 : 1;
        double sum = 0;
        fill(logits, N, FILL_NORMAL, seed);
        logits[4] = NAN;
        logits[5] = -INFINITY;
        for (int i = 0; i < N; i++)
            sum += p[i] = isnan(logits[i]) ? 0 : exp((double)logits[i] / s.temp);
        for (int i = 0; i < N; i++)
            p[i] /= sum;
        chi_square(&s, p, N);
    }
}

/* The chain in plain words: the best k, of these the nucleus, of these min_p, at a temperature. */
static void draws_follow_the_chain(void **state)
{
    (void)state;
    enum { N = 2000, K = 12 };
    double p[N] = {0};
    const ch_sampling s = {
        .repeat_penalty = 1, .top_k = K, .top_p = 0.9, .min_p = 0.12, .temp = 0.7, .seed = 11};
    fill(logits, N, FILL_NORMAL, 77);
    int best[K];
    double sum = 0, nucleus = 0, total = 0;
    for (int k = 0; k < K; k++) {
        best[k] = -1;
        for (int i = 0; i < N; i++)
            if ((k == 0 || logits[i] < logits[best[k - 1]]) &&
                (best[k] < 0 || logits[i] > logits[best[k]]))
                best[k] = i;
        sum += exp((double)logits[best[k]]);
    }
    int kept = 0;
    for (int k = 0; k < K && nucleus < s.top_p * sum; k++) {
        nucleus += exp((double)logits[best[k]]);
        if (logits[best[k]] < logits[best[0]] + logf(0.12f))
            continue;
        total += p[best[k]] = exp((double)logits[best[k]] / s.temp);
        kept++;
    }
    assert_in_range(kept, 3, K - 1);
    for (int i = 0; i < N; i++)
        p[i] /= total;
    chi_square(&s, p, N);
}

/* Filling only what top_k can keep must not show; with a penalty of almost 1 all is filled. */
static void shortcuts_do_not_show(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        ch_sampling a = CH_SAMPLING;
        a.temp = 3;
        a.min_p = seed % 2 ? 0 : 0.05;
        a.top_k = (double)(1 + seed % 90);
        ch_sampling b = a;
        b.repeat_penalty = 1 + 1e-12;
        fill(logits, V, FILL_POISON, seed);
        for (int i = 0; i < V; i++)
            if (isfinite(logits[i]) && fabsf(logits[i]) > 50)
                logits[i] /= 1e37f;
        for (uint64_t position = 0; position < 20; position++)
            assert_int_equal(draw(V, &a, 1, position), draw(V, &b, 1, position));
    }
}

static void hostile_logits_give_a_token(void **state)
{
    (void)state;
    static const double temps[] = {0, 1e-9, 0.8, 1, 100};
    for (size_t t = 0; t < CH_COUNT(temps); t++)
        for (int penalty = 0; penalty < 2; penalty++) {
            ch_sampling s = CH_SAMPLING;
            s.temp = temps[t];
            s.repeat_penalty = penalty ? 1.1 : 1;
            for (int i = 0; i < 100; i++)
                logits[i] = NAN;
            assert_int_equal(draw(100, &s, 0, 0), 0);
            logits[40] = -INFINITY; /* the only number */
            assert_int_equal(draw(100, &s, 0, 0), 40);
            logits[60] = -3e38f;
            assert_int_equal(draw(100, &s, 0, 0), 60);
            logits[61] = 3e38f;
            assert_int_equal(draw(100, &s, 0, 0), 61);
            logits[99] = INFINITY;
            assert_int_equal(draw(100, &s, 0, 0), 99);
            for (int i = 0; i < 100; i++)
                logits[i] = -INFINITY;
            assert_int_equal(draw(100, &s, 0, 0), 0);
        }
    logits[3] = logits[8] = INFINITY; /* they share everything */
    int eights = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        const ch_token t = draw(100, &plain, 0, i);
        assert_true(t == 3 || t == 8);
        eights += t == 8;
    }
    assert_in_range(eights, 430, 570);
}

/* Contrastive decoding: what the expert prefers more than the amateur does. */
struct contrast {
    int other;
    float alpha;
    int calls;
};

static void contrastive(void *arg, ch_candidates *c, const ch_sample_view *v)
{
    struct contrast *k = arg;
    k->calls++;
    for (int i = 0; i < c->n; i++) {
        const ch_token id = c->at[i].id;
        c->at[i].logit = v->logits[v->self][id] - k->alpha * v->logits[k->other][id];
    }
}

static void own_samplers_see_other_sequences(void **state)
{
    (void)state;
    enum { N = 400 };
    static float amateur[N], expert[N];
    fill(expert, N, FILL_NORMAL, 21);
    fill(amateur, N, FILL_NORMAL, 22);
    const float *rows[3] = {amateur, amateur, expert};
    const ch_sample_view v = {.logits = rows, .n_sequences = 3, .self = 2, .vocab = N};
    struct contrast k = {.other = 0, .alpha = 0.5f};
    const ch_own_sampler own = {contrastive, &k};
    ch_sampling s = plain;
    s.temp = 0;
    int best = 0;
    for (int i = 0; i < N; i++)
        if (expert[i] - 0.5f * amateur[i] > expert[best] - 0.5f * amateur[best])
            best = i;
    assert_int_equal(ch_sample_draw(work, &v, &s, &own, 0, 0), best);
    assert_int_equal(k.calls, 1);
    double sum = 0, p = 0; /* and its draws follow the softmax of the contrast */
    s.temp = 1;
    for (int i = 0; i < N; i++)
        sum += exp((double)(expert[i] - 0.5f * amateur[i]));
    p = exp((double)(expert[best] - 0.5f * amateur[best])) / sum;
    int hits = 0;
    for (uint64_t i = 0; i < 5000; i++)
        hits += ch_sample_draw(work, &v, &s, &own, 0, i) == best;
    assert_true(fabs(hits - 5000 * p) < 5 * sqrt(5000 * p));
}

static void drop_all(void *arg, ch_candidates *c, const ch_sample_view *v)
{
    (void)arg, (void)v;
    c->n = 0;
}

static void make_nan(void *arg, ch_candidates *c, const ch_sample_view *v)
{
    (void)v;
    for (int i = 0; i < c->n; i++)
        if (c->at[i].id != *(const int *)arg)
            c->at[i].logit = NAN;
    c->sorted = true; /* a lie */
}

static void own_samplers_may_leave_nothing(void **state)
{
    (void)state;
    const float *rows[1] = {logits};
    const ch_sample_view v = {.logits = rows, .n_sequences = 1, .vocab = 50};
    fill(logits, 50, FILL_NORMAL, 4);
    logits[30] = 10;
    logits[31] = INFINITY;
    int keep = 17;
    const ch_own_sampler none = {drop_all, NULL}, one = {make_nan, &keep};
    ch_sampling s = plain;
    for (int t = 0; t < 2; t++) {
        s.temp = t;
        assert_int_equal(ch_sample_draw(work, &v, &s, &none, 0, 0), 30); /* the best finite one */
        assert_int_equal(ch_sample_draw(work, &v, &s, &one, 0, 0), 17);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_agree),
        cmocka_unit_test(check_names_the_culprit),
        cmocka_unit_test(temperature_0_takes_the_best),
        cmocka_unit_test(temperature_0_minds_the_penalty),
        cmocka_unit_test(draws_are_functions_of_their_key),
        cmocka_unit_test(choices_are_left_out_by_their_key),
        cmocka_unit_test(greedy_shortcuts_do_not_show),
        cmocka_unit_test(draws_follow_the_softmax),
        cmocka_unit_test(draws_follow_the_chain),
        cmocka_unit_test(shortcuts_do_not_show),
        cmocka_unit_test(hostile_logits_give_a_token),
        cmocka_unit_test(own_samplers_see_other_sequences),
        cmocka_unit_test(own_samplers_may_leave_nothing),
    };
    return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
