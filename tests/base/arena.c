/* arena.c - tests of base/arena.c.  SPDX-License-Identifier: MIT */
#include "support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#endif

static void takes_are_aligned_and_apart(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_arena a;
    assert_ok(ch_arena_open(&a, 1 << 20, &e), e);
    unsigned char *last = NULL;
    size_t last_n = 0;
    for (size_t n = 0; n < 300; n += 7) {
        unsigned char *p = ch_arena_take(&a, n);
        assert_int_equal((uintptr_t)p % CH_ARENA_ALIGN, 0);
        assert_true(last == NULL || p >= last + last_n);
        memset(p, (int)n, n);
        for (size_t i = 0; i < last_n; i++)
            assert_int_equal(last[i], (unsigned char)(n - 7));
        last = p;
        last_n = n;
    }
    unsigned char *zeros = ch_arena_take_zero(&a, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(zeros[i], 0);
    ch_arena_close(&a);
    ch_arena_close(&a);
}

static void marks_give_back(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_arena a;
    assert_ok(ch_arena_open(&a, 1 << 16, &e), e);
    ch_arena_take(&a, 100);
    size_t mark = ch_arena_mark(&a);
    void *first = ch_arena_take(&a, 5000);
    memset(first, 1, 5000);
    size_t peak = a.peak;
    ch_arena_reset(&a, mark);
    assert_int_equal(ch_arena_mark(&a), mark);
    unsigned char *second = ch_arena_take_zero(&a, 200);
    assert_ptr_equal(first, second);
    for (int i = 0; i < 200; i++)
        assert_int_equal(second[i], 0);
    assert_int_equal(a.peak, peak);
    ch_arena_close(&a);
}

/* What a measuring run finds is enough, to the byte, for the same takes. */
static void measured_size_suffices(void **state)
{
    (void)state;
    ch_err e = {0};
    for (uint64_t seed = 0; seed < 20; seed++) {
        ch_arena a;
        size_t peak = 0;
        for (int pass = 0; pass < 2; pass++) {
            if (pass == 0)
                ch_arena_measure(&a);
            else
                assert_ok(ch_arena_open(&a, peak, &e), e);
            size_t mark = 0;
            for (uint64_t i = 0; i < 200; i++) {
                size_t n = (size_t)ch_rng_below(3000, seed, CH_RNG_TEST, 0, i);
                if (i % 17 == 3)
                    mark = ch_arena_mark(&a);
                if (i % 17 == 16)
                    ch_arena_reset(&a, mark);
                void *p = i % 2 ? ch_arena_take(&a, n) : ch_arena_take_zero(&a, n);
                assert_non_null(p);
                if (pass == 1)
                    memset(p, 0x5a, n);
            }
            if (pass == 0)
                peak = a.peak;
            else
                assert_int_equal(a.peak, peak);
            ch_arena_close(&a);
        }
    }
}

static void absurd_sizes_are_refused(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_arena a;
    assert_fails(ch_arena_open(&a, SIZE_MAX, &e), CH_ENOMEM, e, "cannot reserve");
    assert_fails(ch_arena_open(&a, SIZE_MAX / 2, &e), CH_ENOMEM, e, "cannot reserve");
    assert_null(a.base);
    ch_arena_close(&a);

    ch_arena_measure(&a);
    ch_arena_take(&a, 100);
    ch_arena_take(&a, ch_size_mul(SIZE_MAX / 2, 3));
    ch_arena_take(&a, 100);
    ch_arena_take(&a, SIZE_MAX - 1);
    assert_true(a.peak == SIZE_MAX);
    ch_arena_close(&a);
}

static void size_mul_saturates(void **state)
{
    (void)state;
    assert_true(ch_size_mul(0, SIZE_MAX) == 0);
    assert_true(ch_size_mul(SIZE_MAX, 0) == 0);
    assert_true(ch_size_mul(SIZE_MAX, 1) == SIZE_MAX);
    assert_true(ch_size_mul(SIZE_MAX / 2, 2) == SIZE_MAX - 1);
    assert_true(ch_size_mul(SIZE_MAX / 2 + 1, 2) == SIZE_MAX);
    assert_true(ch_size_mul(3, 7) == 21);
}

/* How a child that does `fault` ends: the signal, or -1. */
static int signal_of(void (*fault)(ch_arena *))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0};
        setrlimit(RLIMIT_CORE, &none);
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(3);
        signal(SIGABRT, SIG_DFL);
        ch_arena a;
        if (ch_arena_open(&a, 4096, NULL) == CH_OK)
            fault(&a);
        _exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child)
        fail_msg("no child process");
    return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

static void take_too_much(ch_arena *a)
{
    ch_arena_take(a, 100);
    ch_arena_take(a, 4096);
}

static void take_overflow(ch_arena *a)
{
    ch_arena_take(a, 100);
    ch_arena_take(a, SIZE_MAX);
}

static void reset_forward(ch_arena *a)
{
    ch_arena_reset(a, 64);
}

static void faults_stop_the_process(void **state)
{
    (void)state;
    assert_int_equal(signal_of(take_too_much), SIGABRT);
    assert_int_equal(signal_of(take_overflow), SIGABRT);
    assert_int_equal(signal_of(reset_forward), SIGABRT);
}

#ifdef WITH_ASAN
static void red_zones_are_poisoned(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_arena a;
    assert_ok(ch_arena_open(&a, 8192, &e), e);
    char *p = ch_arena_take(&a, 100);
    size_t mark = ch_arena_mark(&a);
    char *q = ch_arena_take(&a, 64);
    assert_false(__asan_address_is_poisoned(p + 99));
    assert_true(__asan_address_is_poisoned(p + 100));
    assert_true(__asan_address_is_poisoned(q - 1));
    assert_false(__asan_address_is_poisoned(q + 63));
    assert_true(__asan_address_is_poisoned(q + 64));
    ch_arena_reset(&a, mark);
    assert_true(__asan_address_is_poisoned(q));
    assert_false(__asan_address_is_poisoned(p + 99));
    unsigned char *base = a.base;
    ch_arena_close(&a);
    assert_false(__asan_address_is_poisoned(base));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_are_aligned_and_apart), cmocka_unit_test(marks_give_back),
        cmocka_unit_test(measured_size_suffices),      cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(size_mul_saturates),          cmocka_unit_test(faults_stop_the_process),
#ifdef WITH_ASAN
        cmocka_unit_test(red_zones_are_poisoned),
#endif
    };
    return cmocka_run_group_tests_name("base/arena", tests, NULL, NULL);
}
