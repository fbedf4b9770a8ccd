/* convolution.c - how far the state of convolutions goes back, and snapshots of strangers
 *
 * That its rows are right whatever was done before: tests/op/convolve.c.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "cache.h"
#include "support.h"

enum { D = 3, J = 4, BACK = CH_CONVOLUTION_BACK, HEADER = 24 };

static const ch_convolution_options usual = {.layers = 2, .width = D, .taps = J};

static ch_state *open_state(void)
{
    ch_err e = {0};
    ch_state *s;
    assert_ok(ch_convolution_open(&s, &usual, &e), e);
    return s;
}

/* Row t of layer l holds 10 t + l. */
static void feed(ch_state *s, int n)
{
    ch_err e = {0};
    const int at = s->length;
    assert_ok(s->kind->append(s, n, &e), e);
    for (int l = 0; l < usual.layers; l++)
        for (int t = at; t < at + n; t++) {
            const real row[D] = {(real)(10 * t + l), 1, 2};
            ch_convolution_write(s, l, t, 1, row, D);
        }
}

static void check(const ch_state *s, int length)
{
    const real *rows[J - 1];
    assert_int_equal(s->length, length);
    for (int l = 0; l < usual.layers; l++) {
        ch_convolution_before(rows, s, l, length);
        for (int i = 0; i < J - 1; i++) {
            const int t = length - (J - 1) + i;
            assert_true(t < 0 ? rows[i] == NULL : rows[i][0] == (real)(10 * t + l));
        }
    }
}

static void it_goes_back(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_state *s = open_state();
    check(s, 0);
    feed(s, 5);
    check(s, 5);
    assert_int_equal(s->kind->least(s), 1);
    feed(s, 400);
    assert_int_equal(s->kind->least(s), 405 - BACK);
    assert_fails(s->kind->rollback(s, 405 - BACK - 1, &e), CH_ELIMIT, e,
                 "cannot go back from 405 to 340 tokens, allowed is 341 and more");
    check(s, 405);
    assert_ok(s->kind->rollback(s, 405 - BACK, &e), e);
    check(s, 405 - BACK);
    feed(s, 10); /* some of what was there is still there */
    check(s, 405 - BACK + 10);
    assert_int_equal(s->kind->least(s), 405 - BACK);
    assert_ok(s->kind->append(s, 1000, &e), e); /* and not written */
    assert_ok(s->kind->rollback(s, 405 - BACK + 10, &e), e);
    check(s, 405 - BACK + 10);
    assert_ok(s->kind->rollback(s, 0, &e), e);
    check(s, 0);
    feed(s, 3);
    check(s, 3);
    s->kind->close(s);
}

static void forks_are_apart(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_state *s = open_state(), *copy;
    feed(s, 90);
    assert_ok(s->kind->fork(&copy, s, &e), e);
    feed(s, 80);
    check(copy, 90);
    assert_ok(copy->kind->rollback(copy, 90 - BACK, &e), e);
    check(copy, 90 - BACK);
    feed(copy, 2);
    check(s, 170);
    s->kind->close(s);
    check(copy, 92 - BACK);
    copy->kind->close(copy);
}

static void shapes_have_limits(void **state)
{
    (void)state;
    ch_err e = {0};
    static const ch_convolution_options wrong[] = {
        {0, 1, 1}, {1, 0, 1}, {1, 1, 0}, {1, 1, 1000}, {1 << 30, 1, 1}, {1, 1 << 30, 1}};
    for (size_t i = 0; i < CH_COUNT(wrong); i++) {
        ch_state *s;
        assert_fails(ch_convolution_open(&s, &wrong[i], &e), CH_EARG, e, "convolution: ");
        assert_null(s);
    }
}

static void refused(const char *bytes, size_t size, const char *says)
{
    ch_err e = {0};
    ch_state *s = open_state();
    size_t used = 0;
    void *exact = guarded(size); /* reading past the end stops the program */
    if (size)
        memcpy(exact, bytes, size);
    assert_fails(s->kind->restore(s, exact, size, &used, &e), CH_EFORMAT, e, says);
    check(s, 0);
    feed(s, 2); /* it works as before */
    check(s, 2);
    s->kind->close(s);
    guarded_free(exact, size);
}

static void snapshots_of_strangers_are_refused(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_state *s = open_state();
    size_t used;
    feed(s, 100);
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    assert_ok(s->kind->snapshot(s, &b, &e), e);
    assert_int_equal(b.size, HEADER + 2 * (BACK + J - 1) * D * sizeof(real));
    assert_fails(s->kind->restore(s, b.data, b.size, &used, &e), CH_EARG, e, "only an empty");
    check(s, 100);
    for (size_t n = 0; n < b.size; n++)
        refused(b.data, n, n < HEADER ? "it has 24 and more" : "bytes are left of");
    static const struct {
        size_t at;
        unsigned char value;
        const char *says;
    } wrong[] = {
        {0, 3, "reals of 3 bytes"},   {4, 9, "9 layers of 3"},      {8, 7, "layers of 7 columns"},
        {12, 1, "1 taps"},            {16, 20, "67 rows of 20"},    {19, 0xff, "rows of 4278190180"},
        {20, 2, "2 rows of 100"},     {20, 99, "99 rows of 100"},   {23, 1, "rows of 100 tokens"},
    };
    for (size_t i = 0; i < CH_COUNT(wrong); i++) {
        const char kept = b.data[wrong[i].at];
        b.data[wrong[i].at] = (char)wrong[i].value;
        refused(b.data, b.size, wrong[i].says);
        b.data[wrong[i].at] = kept;
    }
    ch_buf_close(&b);
    ch_buf_init(&b, 50); /* too small */
    assert_fails(s->kind->snapshot(s, &b, &e), CH_ELIMIT, e, "a snapshot");
    ch_buf_close(&b);
    s->kind->close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_back),
        cmocka_unit_test(forks_are_apart),
        cmocka_unit_test(shapes_have_limits),
        cmocka_unit_test(snapshots_of_strangers_are_refused),
    };
    return cmocka_run_group_tests_name("convolution", tests, NULL, NULL);
}
