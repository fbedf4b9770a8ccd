/* draws.c - every sampler alone: what is drawn, against exact probabilities
 *
 * SPDX-License-Identifier: MIT */
#include "plain_chain.h"

static const ch_token six[] = {6}, few[] = {7, 2, 4, 2, 5};
static const ch_logit_bias biases[] = {{0, 2.5f}, {3, -INFINITY}, {5, -1}, {5, 0.5f}};

/* What differs from everything off. */
struct row {
    const char *name;
    struct {
        const char *param;
        double value;
    } set[4];
};

static const struct row rows[] = {
    {"penalties", {{"repeat_penalty", 1.4}, {"frequency_penalty", 0.2}, {"presence_penalty", -0.7}, {"repeat_last_n", 9}}},
    {"dry", {{"dry_multiplier", 0.3}}},
    {"dry, broken", {{"dry_multiplier", 0.8}, {"dry_allowed_length", 1}, {"dry_base", 1.2}, {"dry_penalty_last_n", 19}}},
    {"top_n_sigma", {{"top_n_sigma", 1.3}}},
    {"typical_p", {{"typical_p", 0.6}}},
    {"xtc", {{"xtc_probability", 0.3}, {"xtc_threshold", 0.08}}},
    {"dynamic temperature", {{"temp", 1.2}, {"dynatemp_range", 0.9}, {"dynatemp_exponent", 2}}},
    {"biases", {{NULL, 0}}},
    {"allowed, no end yet", {{NULL, 0}}},
};

static void set(ch_sampling *s, const char *param, double value)
{
    for (const ch_sampling_param *p = ch_sampling_params; p->name; p++)
        if (strcmp(p->name, param) == 0)
            *(double *)((char *)s + p->field) = value;
}

static ch_sampling sampling_of(const struct row *r)
{
    ch_sampling s = CH_SAMPLING;
    s.top_k = s.min_p = 0;
    s.top_p = s.temp = 1;
    for (size_t i = 0; i < CH_COUNT(r->set) && r->set[i].param; i++)
        set(&s, r->set[i].param, r->set[i].value);
    if (strcmp(r->name, "dry, broken") == 0) {
        s.dry_breakers = six;
        s.n_dry_breakers = 1;
    }
    if (strcmp(r->name, "biases") == 0) {
        s.bias = biases;
        s.n_bias = CH_COUNT(biases);
    }
    if (strcmp(r->name, "allowed, no end yet") == 0) {
        s.allowed = few;
        s.n_allowed = CH_COUNT(few);
        s.ends = few;
        s.n_ends = 1;
        s.ends_from = INT32_MAX;
    }
    return s;
}

static void every_sampler_has_its_distribution(void **state)
{
    (void)state;
    for (size_t r = 0; r < CH_COUNT(rows); r++) {
        double p[V];
        const ch_sampling s = sampling_of(&rows[r]);
        random_text(100 + r);
        if (s.temp == 1 && r != 3)
            logits[1] = r % 2 ? NAN : -INFINITY;
        expected(p, &s, usual);
        check_draws(rows[r].name, &s, p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_sampler_has_its_distribution)};
    return cmocka_run_group_tests_name("sample/draws", tests, NULL, NULL);
}
