/* score.c - the scorer: the same sums as a token at a time, to the bit, in any company
 *
 * SPDX-License-Identifier: MIT */
#include "eval.h"
#include "support.h"
#include "tiny.h"

#include <stdlib.h>
#include <string.h>

enum { QUERIES = 300, LONGEST = 40 };

static ch_model *model;
static ch_token ids[QUERIES][LONGEST];
static ch_query queries[QUERIES];

/* Items of 1 to 4 queries; most begin alike, some with everything. */
static int make_queries(void **state)
{
    (void)state;
    uint64_t at = 0;
    model = tiny_open("qwen3", CH_F32, 5);
    for (int i = 0, item = 0; i < QUERIES; item++) {
        const int k = 1 + (int)ch_rng_below(4, 9, CH_RNG_TEST, 1, at++);
        const int like = 1 + (int)ch_rng_below(20, 9, CH_RNG_TEST, 2, at++);
        for (int j = 0; j < k && i < QUERIES; j++, i++) {
            const int n = like + (int)ch_rng_below(LONGEST - 20, 9, CH_RNG_TEST, 3, at++);
            for (int t = 0; t < n; t++)
                ids[i][t] = t < 3                 ? 7 + t
                            : j > 0 && t < like ? ids[i - 1][t]
                                                : (ch_token)ch_rng_below(320, 9, CH_RNG_TEST, 4,
                                                                         at++);
            const int scored = (int)ch_rng_below(30, 9, CH_RNG_TEST, 5, at++);
            queries[i] = (ch_query){.id = ids[i], .n = n, .item = item,
                                    .from = CH_MAX(1, n - scored)};
        }
    }
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    ch_model_close(&model);
    return 0;
}

static double alone(const ch_query *q, const ch_session_options *o)
{
    ch_err e = {0};
    ch_session *s;
    double sum = 0;
    assert_ok(ch_session_open(&s, model, o, &e), e);
    for (int i = 0; i + 1 < q->n; i++) {
        assert_ok(ch_session_feed(s, &q->id[i], 1, &e), e);
        if (i + 1 >= q->from)
            sum -= ch_eval_nll(ch_session_logits(s), model->config.vocab, q->id[i + 1]);
    }
    ch_session_close(&s);
    return sum;
}

static void run(double *out, const ch_session_options *o, const int *order, int n)
{
    ch_err e = {0};
    ch_scorer *s;
    static ch_query q[QUERIES];
    for (int i = 0; i < n; i++)
        q[i] = queries[order ? order[i] : i];
    assert_ok(ch_scorer_open(&s, model, o, &e), e);
    assert_ok(ch_scorer_run(s, q, (size_t)n, NULL, NULL, &e), e);
    for (int i = 0; i < n; i++)
        out[order ? order[i] : i] = q[i].log_p;
    ch_scorer_close(&s);
}

static void same_in_any_company(void **state)
{
    (void)state;
    static double want[QUERIES], got[QUERIES];
    static int backwards[QUERIES];
    const ch_session_options usual = {.threads = 1}, other = {.threads = 2, .step_rows = 19};
    const ch_session_options small = {.threads = 1, .step_rows = 1, .context = LONGEST};
    for (int i = 0; i < QUERIES; i++) {
        want[i] = i % 7 ? 0 : alone(&queries[i], &usual);
        backwards[i] = QUERIES - 1 - i;
    }
    run(got, &usual, NULL, QUERIES);
    for (int i = 0; i < QUERIES; i++) {
        if (i % 7 == 0 && got[i] != want[i])
            fail_msg("query %d: %.17g, alone %.17g", i, got[i], want[i]);
        want[i] = got[i];
    }
    run(got, &other, backwards, QUERIES);
    assert_memory_equal(got, want, sizeof want);
    run(got, &small, NULL, 40);
    assert_memory_equal(got, want, 40 * sizeof *want);
    for (int i = 0; i < QUERIES; i++)
        assert_true(queries[i].from == queries[i].n ? want[i] == 0 : want[i] < 0);
}

/* States that are no pages, windows, learned positions: forks and rollbacks of each. */
static void any_architecture(void **state)
{
    (void)state;
    skip_one_thread();
    static const char *const archs[] = {"lfm2", "gemma3", "gpt2"};
    enum { SOME = 90 };
    static double got[SOME];
    const ch_session_options o = {.threads = 1};
    ch_model *usual = model;
    for (size_t a = 0; a < CH_COUNT(archs); a++) {
        model = tiny_open(archs[a], CH_F32, 5);
        run(got, &o, NULL, SOME);
        for (int i = 0; i < SOME; i += 7)
            if (got[i] != alone(&queries[i], &o))
                fail_msg("%s, query %d: %.17g, alone %.17g", archs[a], i, got[i],
                         alone(&queries[i], &o));
        ch_model_close(&model);
    }
    model = usual;
}

static void formats_of_the_cache(void **state)
{
    (void)state;
    static double a[QUERIES], b[QUERIES];
    const ch_session_options f16 = {.threads = 1}, q8 = {.threads = 1, .k_type = "q8_0",
                                                         .v_type = "q4_0"};
    run(a, &f16, NULL, 20);
    run(b, &q8, NULL, 20);
    assert_memory_not_equal(a, b, 20 * sizeof *a); /* they are asked for, and come */
    assert_true(b[0] == alone(&queries[0], &q8));
}

static void refused(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_scorer *s;
    const ch_session_options o = {.threads = 1, .context = 8};
    assert_ok(ch_scorer_open(&s, model, &o, &e), e);
    ch_query q = {.id = ids[0], .from = 1, .n = 10};
    assert_fails(ch_scorer_run(s, &q, 1, NULL, NULL, &e), CH_ELIMIT, e, "holds 8");
    q.n = 8;
    q.from = 0;
    assert_fails(ch_scorer_run(s, &q, 1, NULL, NULL, &e), CH_EARG, e, "0 to 8");
    static const ch_token bad[] = {1, 2, 100000, 3};
    q = (ch_query){.id = bad, .from = 1, .n = 4};
    assert_fails(ch_scorer_run(s, &q, 1, NULL, NULL, &e), CH_EARG, e, "100000");
    q = queries[0];
    q.n = 6;
    q.from = 2;
    assert_ok(ch_scorer_run(s, &q, 1, NULL, NULL, &e), e); /* still good */
    assert_true(q.log_p == alone(&q, &o));
    assert_ok(ch_scorer_run(s, NULL, 0, NULL, NULL, &e), e);
    ch_scorer_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_in_any_company), cmocka_unit_test(any_architecture),
        cmocka_unit_test(formats_of_the_cache),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests_name("eval/score", tests, make_queries, close_model);
}
