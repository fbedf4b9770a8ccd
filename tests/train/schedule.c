/* schedule.c - tests of train/schedule.c: known values, and the shape of each curve
 *
 * SPDX-License-Identifier: MIT */
#include "nano.h"

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-12 * fmax(fabs(a), fabs(b));
}

static void values_are_known(void **state)
{
    (void)state;
    static const struct {
        ch_schedule s;
        int64_t step;
        double share;
    } at[] = {
        {{"cosine", 100, 0.1, 0, 0.1}, 1, 0.1}, /* a tenth of the way up */
        {{"cosine", 100, 0.1, 0, 0.1}, 10, 1},
        {{"cosine", 100, 0.1, 0, 0.1}, 55, 0.55}, /* half of the cosine */
        {{"cosine", 100, 0.1, 0, 0.1}, 100, 0.1},
        {{"cosine", 1, 0.02, 0, 0.1}, 1, 1}, /* one step: warm-up alone */
        {{"cosine", 1, -1, 0, 0.1}, 1, 0.1},
        {{"cosine", 100, -1, 0, -1}, 100, 0},
        {{"cosine", 50, 1, 0, 0.5}, 50, 1}, /* all warm-up */
        {{"linear", 100, 0.1, 0, 0.1}, 5, 0.5},
        {{"linear", 100, 0.1, 0, 0.1}, 55, 0.55},
        {{"linear", 100, 0.1, 0, 0.1}, 100, 0.1},
        {{"linear", 100, -1, 0, -1}, 25, 0.75},
        {{"constant", 100, 0.1, 0.2, -1}, 1, 0.1},
        {{"constant", 100, 0.1, 0.2, -1}, 10, 1},
        {{"constant", 100, 0.1, 0.2, -1}, 80, 1},
        {{"constant", 100, 0.1, 0.2, -1}, 90, 0.5},
        {{"constant", 100, 0.1, 0.2, 0.1}, 100, 0.1},
        {{"constant", 100, 0.1, -1, 0.1}, 100, 1}, /* it never comes down */
        {{"constant", 10, -1, 1, -1}, 1, 0.9},
    };
    for (size_t i = 0; i < CH_COUNT(at); i++)
        if (!near(ch_schedule_at(&at[i].s, at[i].step), at[i].share))
            fail_msg("line %zu: %s at step %d is %.17g, not %g", i, at[i].s.kind, (int)at[i].step,
                     ch_schedule_at(&at[i].s, at[i].step), at[i].share);
}

static void each_rises_then_falls(void **state)
{
    (void)state;
    for (const char *const *kind = ch_schedule_names; *kind; kind++)
        for (int steps = 1; steps < 300; steps += 7) {
            const ch_schedule s = {*kind, steps, 0.05, 0.3, 0.1};
            const double top = ceil(0.05 * steps);
            double last = 0;
            for (int t = 1; t <= steps; t++) {
                const double share = ch_schedule_at(&s, t);
                assert_true(share > 0 && share <= 1);
                assert_true(t <= top ? share > last : share <= last || t == top + 1);
                last = share;
            }
            assert_true(steps < 20 || near(last, 0.1));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_known),
        cmocka_unit_test(each_rises_then_falls),
    };
    return cmocka_run_group_tests_name("train/schedule", tests, NULL, NULL);
}
