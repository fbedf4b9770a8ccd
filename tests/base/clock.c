/* clock.c - tests of base/clock.c.  SPDX-License-Identifier: MIT */
#include "support.h"

#include <time.h>

static void time_never_goes_back(void **state)
{
    (void)state;
    uint64_t last = ch_clock_ns(), first = last;
    for (int i = 0; i < 100000; i++) {
        uint64_t now = ch_clock_ns();
        assert_true(now >= last);
        last = now;
    }
    assert_true(last > first);
}

static void nanoseconds_are_nanoseconds(void **state)
{
    (void)state;
    struct timespec nap = {.tv_nsec = 20 * 1000 * 1000};
    uint64_t before = ch_clock_ns();
    nanosleep(&nap, NULL);
    assert_true(ch_clock_ns() - before >= 19 * 1000 * 1000);
}

/* The start is known in steps of a tick, commonly 10 ms. */
static void the_process_ages(void **state)
{
    (void)state;
    struct timespec nap = {.tv_nsec = 50 * 1000 * 1000};
    double before = ch_clock_process_s();
    if (before == 0)
        skip();
    nanosleep(&nap, NULL);
    double after = ch_clock_process_s();
    assert_true(before > 0 && after >= before + 0.045);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_never_goes_back),
        cmocka_unit_test(nanoseconds_are_nanoseconds),
        cmocka_unit_test(the_process_ages),
    };
    return cmocka_run_group_tests_name("base/clock", tests, NULL, NULL);
}
