/* orders.c - the same samplers in several orders, and orders that are none
 *
 * SPDX-License-Identifier: MIT */
#include "plain_chain.h"

/* The same parameters in several orders: each has a distribution of its own. */
static void orders_have_theirs(void **state)
{
    (void)state;
    static const char *const orders[] = {
        usual,
        "temperature;xtc;min_p;top_p;typical_p;top_k;top_n_sigma;dry;penalties",
        "top_k;penalties;temperature;top_p",
        "min_p;temp;dry;typ_p;xtc",
        "",
    };
    static const char *const spelled[] = {NULL, NULL, NULL, "min_p;temperature;dry;typical_p;xtc",
                                          NULL};
    double p[CH_COUNT(orders)][V];
    ch_sampling s = {.repeat_penalty = 1.2, .frequency_penalty = 0.05, .repeat_last_n = 12,
                     .dry_multiplier = 0.1, .dry_base = 1.5, .dry_allowed_length = 1,
                     .dry_penalty_last_n = -1, .top_n_sigma = 2.2, .top_k = 6, .typical_p = 0.93,
                     .top_p = 0.9, .min_p = 0.02, .xtc_probability = 0.4, .xtc_threshold = 0.2,
                     .temp = 1.6, .dynatemp_exponent = 1};
    random_text(19);
    for (size_t o = 0; o < CH_COUNT(orders); o++) {
        ch_err e = {0};
        assert_ok(ch_sampling_order(&s, o == 0 ? NULL : orders[o], &e), e);
        ch_sampling plain = s;
        if (o == 4)
            plain.xtc_probability = 0;
        expected(p[o], &plain, spelled[o] ? spelled[o] : orders[o]);
        for (size_t other = 0; other < o; other++) {
            double differs = 0;
            for (int i = 0; i < V; i++)
                differs = fmax(differs, fabs(p[o][i] - p[other][i]));
            assert_true(differs > 0.05);
        }
        check_draws(orders[o], &s, p[o]);
    }
}

static void orders_are_names(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_sampling s = CH_SAMPLING, before;
    unsigned char step[CH_SAMPLERS];
    assert_int_equal(ch_sampling_steps(step, &s), CH_SAMPLERS);
    assert_ok(ch_sampling_order(&s, "top-k,nucleus;typ-p", &e), e);
    assert_int_equal(ch_sampling_steps(step, &s), 3);
    assert_string_equal(ch_samplers[step[0]].name, "top_k");
    assert_string_equal(ch_samplers[step[1]].name, "top_p");
    assert_string_equal(ch_samplers[step[2]].name, "typical_p");
    before = s;
    assert_fails(ch_sampling_order(&s, "top_k;mirror", &e), CH_EARG, e, "\"mirror\"; known are");
    assert_fails(ch_sampling_order(&s, "top_k;top-k", &e), CH_EARG, e, "top_k twice");
    assert_fails(ch_sampling_order(&s, "temp;temperature", &e), CH_EARG, e, "twice");
    assert_fails(ch_sampling_order(&s, ";", &e), CH_EARG, e, "\"\"");
    assert_fails(ch_sampling_order(&s, "top", &e), CH_EARG, e, "\"top\"");
    assert_memory_equal(s.order, before.order, sizeof s.order);
    assert_ok(ch_sampling_order(&s, "", &e), e);
    assert_int_equal(ch_sampling_steps(step, &s), 0);
    assert_ok(ch_sampling_check(&s, 10, &e), e);
    assert_ok(ch_sampling_order(&s, NULL, &e), e);
    assert_int_equal(ch_sampling_steps(step, &s), CH_SAMPLERS);
    s.order[0] = CH_SAMPLERS + 1;
    assert_fails(ch_sampling_check(&s, 10, &e), CH_EARG, e, "order[0]");
    s.order[0] = s.order[1] = 2;
    assert_fails(ch_sampling_check(&s, 10, &e), CH_EARG, e, "order[1]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_have_theirs),
        cmocka_unit_test(orders_are_names),
    };
    return cmocka_run_group_tests_name("sample/orders", tests, NULL, NULL);
}
