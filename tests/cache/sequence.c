/* Sequences of several kinds: a ring that remembers three rows beside pages.  All move or none.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "support.h"

/* ---- A kind that is not pages -------------------------------------------------------------- */

enum { REMEMBERED = 3 };

typedef struct ring {
    ch_state state;
    int written;      /* rows beyond it are appended only, and can be taken back */
    int oldest;       /* rows from here to `written` are still there */
    int row[REMEMBERED];
    int most;         /* tokens; more is CH_ELIMIT */
    bool fork_fails;
} ring;

static const ch_state_kind ring_kind;

static ch_state *ring_open(int most)
{
    ring *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->state.kind = &ring_kind;
    r->most = most;
    return &r->state;
}

static int ring_append(ch_state *s, int rows, ch_err *e)
{
    const ring *r = (const ring *)s;
    if (rows > r->most - s->length)
        return ch_fail(e, CH_ELIMIT, "the ring is full");
    s->length += rows;
    return CH_OK;
}

static void ring_write(ch_state *s, int first_value)
{
    ring *r = (ring *)s;
    for (; r->written < s->length; r->written++)
        r->row[r->written % REMEMBERED] = first_value++;
    r->oldest = CH_MAX(r->oldest, r->written - REMEMBERED);
}

static int ring_fork(ch_state **out, ch_state *s, ch_err *e)
{
    *out = NULL;
    if (((const ring *)s)->fork_fails)
        return ch_fail(e, CH_ENOMEM, "no memory for a ring");
    *out = ring_open(0);
    memcpy(*out, s, sizeof(ring));
    return CH_OK;
}

/* A row that is left must be one that is still there: one row back needs the one before it. */
static int ring_least(const ch_state *s)
{
    const ring *r = (const ring *)s;
    return r->oldest == 0 ? 0 : r->oldest + 1;
}

static int ring_rollback(ch_state *s, int length, ch_err *e)
{
    ring *r = (ring *)s;
    if (length > 0 && length < ring_least(s))
        return ch_fail(e, CH_ELIMIT, "ring: cannot go back to %d, least is %d", length,
                       ring_least(s));
    s->length = length;
    r->written = CH_MIN(r->written, length);
    if (length == 0)
        r->oldest = 0;
    return CH_OK;
}

static int ring_snapshot(const ch_state *s, ch_buf *b, ch_err *e)
{
    ch_buf_put(b, s, sizeof(ring));
    return ch_buf_check(b, "a ring", e);
}

static int ring_restore(ch_state *s, const void *bytes, size_t size, size_t *n, ch_err *e)
{
    ring r;
    if (size < sizeof r)
        return ch_fail(e, CH_EFORMAT, "ring: %zu bytes", size);
    memcpy(&r, bytes, sizeof r);
    if (r.state.length > ((const ring *)s)->most)
        return ch_fail(e, CH_EFORMAT, "ring: %d tokens", r.state.length);
    r.state.kind = s->kind;
    r.most = ((const ring *)s)->most;
    memcpy(s, &r, sizeof r);
    *n = sizeof r;
    return CH_OK;
}

static void ring_close(ch_state *s)
{
    free(s);
}

static const ch_state_kind ring_kind = {
    .name = "ring", .append = ring_append, .fork = ring_fork, .least = ring_least,
    .rollback = ring_rollback, .snapshot = ring_snapshot, .restore = ring_restore,
    .close = ring_close,
};

/* ---- Both together ------------------------------------------------------------------------- */

static ch_cache *open_cache(int tokens)
{
    const ch_cache_options o = {.layers = 1, .kv_heads = 1, .head_width = 8, .page_size = 2,
                                .k_dtype = CH_REAL, .v_dtype = CH_REAL, .max_tokens = tokens};
    ch_err e = {0};
    ch_cache *c;
    assert_ok(ch_cache_open(&c, &o, &e), e);
    return c;
}

/* A ring before and one behind the pages, so that either side of a failure is seen. */
static ch_sequence open_sequence(ch_cache *c, int first_most, int last_most)
{
    ch_err e = {0};
    ch_sequence q = {.n_states = 3};
    q.state[0] = ring_open(first_most);
    assert_ok(ch_pages_open(&q.state[1], c, &e), e);
    q.state[2] = ring_open(last_most);
    return q;
}

/* Writes the rows from `at` on: row t holds t. */
static void write_rows(ch_sequence *q, int at)
{
    for (int32_t t = at; t < q->length; t++) {
        const real k[8] = {(real)t}, v[8] = {(real)-t};
        ch_pages_write(q->state[1], 0, t, 1, k, v, 8, &t);
    }
    ring_write(q->state[0], at);
    ring_write(q->state[2], at);
}

static void feed(ch_sequence *q, int n)
{
    ch_err e = {0};
    const int at = q->length;
    assert_ok(ch_sequence_append(q, n, &e), e);
    write_rows(q, at);
}

/* All states hold `length` tokens, and what they remember of them is right. */
static void check(const ch_sequence *q, int length)
{
    ch_kv_view v;
    assert_int_equal(q->length, length);
    for (int i = 0; i < 3; i++)
        assert_int_equal(q->state[i]->length, length);
    ch_pages_view(&v, q->state[1], 0, length);
    for (int t = 0; t < length; t++)
        assert_true(((const real *)v.k[t / 2])[t % 2 * 8] == (real)t && v.pos[t / 2][t % 2] == t);
    for (int i = 0; i < 3; i += 2) {
        const ring *r = (const ring *)q->state[i];
        assert_int_equal(r->written, length);
        for (int t = r->oldest; t < length; t++)
            assert_int_equal(r->row[t % REMEMBERED], t);
    }
}

static void kinds_are_found(void **state)
{
    (void)state;
    ch_cache *c = open_cache(8);
    ch_sequence q = open_sequence(c, 9, 9);
    assert_ptr_equal(ch_sequence_state(&q, &ring_kind), q.state[0]);
    assert_ptr_equal(ch_sequence_state(&q, &ch_pages_kind), q.state[1]);
    assert_null(ch_sequence_state(&q, &(ch_state_kind){0}));
    ch_sequence_close(&q);
    assert_null(ch_sequence_state(&q, &ring_kind));
    ch_sequence_close(&q);
    ch_cache_close(&c);
}

static void appending_is_for_all_or_none(void **state)
{
    (void)state;
    ch_err e = {0};
    static const int limits[3][2] = {{7, 99}, {99, 7}, {99, 99}}; /* first ring, last ring, pages */
    for (int i = 0; i < 3; i++) {
        ch_cache *c = open_cache(i < 2 ? 20 : 10);
        ch_sequence q = open_sequence(c, limits[i][0], limits[i][1]);
        feed(&q, 5);
        const size_t used = ch_cache_get_stats(c).used;
        const char *says = i < 2 ? "the ring is full" : "the cache is full";
        assert_fails(ch_sequence_append(&q, 6, &e), CH_ELIMIT, e, says);
        check(&q, 5);
        assert_int_equal(ch_cache_get_stats(c).used, used);
        feed(&q, 2);
        check(&q, 7);
        ch_sequence_close(&q);
        ch_cache_close(&c);
    }
}

static void going_back_is_for_all_or_none(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_cache *c = open_cache(20);
    ch_sequence q = open_sequence(c, 99, 99);
    feed(&q, 3);
    feed(&q, 5);
    assert_fails(ch_sequence_rollback(&q, 5, &e), CH_ELIMIT, e, "ring: cannot go back from 8 to 5");
    check(&q, 8);
    assert_ok(ch_sequence_rollback(&q, 6, &e), e);
    check(&q, 6);
    feed(&q, 4);
    check(&q, 10);
    /* Only the last state refuses: the first ones must not have moved. */
    ((ring *)q.state[0])->oldest = 0;
    assert_fails(ch_sequence_rollback(&q, 7, &e), CH_ELIMIT, e, "allowed is 8 and more, or 0");
    assert_int_equal(q.state[0]->length, 10);
    assert_int_equal(q.state[1]->length, 10);
    assert_ok(ch_sequence_append(&q, 7, &e), e); /* not written yet: all of it can be undone */
    assert_ok(ch_sequence_rollback(&q, 10, &e), e);
    assert_ok(ch_sequence_rollback(&q, 0, &e), e);
    check(&q, 0);
    feed(&q, 4);
    check(&q, 4);
    ch_sequence_close(&q);
    assert_int_equal(ch_cache_get_stats(c).used, 0);
    ch_cache_close(&c);
}

static void forking_is_for_all_or_none(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_cache *c = open_cache(8);
    ch_sequence q = open_sequence(c, 99, 99), copy;
    feed(&q, 5);
    ((ring *)q.state[2])->fork_fails = true;
    memset(&copy, 0xff, sizeof copy);
    assert_fails(ch_sequence_fork(&copy, &q, &e), CH_ENOMEM, e, "no memory for a ring");
    assert_int_equal(copy.n_states, 0);
    assert_int_equal(ch_cache_get_stats(c).used, 3);
    check(&q, 5);
    ((ring *)q.state[2])->fork_fails = false;
    assert_ok(ch_sequence_fork(&copy, &q, &e), e);
    feed(&q, 1);
    check(&q, 6);
    check(&copy, 5);
    ch_sequence third; /* no page is left for its open tail */
    assert_fails(ch_sequence_fork(&third, &copy, &e), CH_ELIMIT, e, "the cache is full: forking");
    ch_sequence_close(&third);
    ch_sequence_close(&q);
    feed(&copy, 3);
    check(&copy, 8);
    ch_sequence_close(&copy);
    ch_cache_close(&c);
}

static ch_buf bytes_of(const ch_sequence *q)
{
    ch_err e = {0};
    ch_buf b;
    ch_buf_init(&b, 1 << 16);
    assert_ok(ch_sequence_snapshot(q, &b, &e), e);
    return b;
}

static void snapshots_come_back(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_cache *c = open_cache(20);
    ch_sequence q = open_sequence(c, 99, 99), copy = open_sequence(c, 99, 99);
    feed(&q, 7);
    ch_buf b = bytes_of(&q);
    assert_ok(ch_sequence_restore(&copy, b.data, b.size, &e), e);
    check(&copy, 7);
    assert_fails(ch_sequence_restore(&copy, b.data, b.size, &e), CH_EARG, e, "only an empty");
    check(&copy, 7);
    feed(&copy, 2);
    check(&q, 7);
    ch_buf_close(&b);
    ch_buf_init(&b, 100); /* too small for all three */
    ch_buf_put(&b, "x", 1);
    assert_fails(ch_sequence_snapshot(&q, &b, &e), CH_ELIMIT, e, "");
    assert_int_equal(b.size, 1);
    ch_buf_close(&b);
    ch_sequence_close(&q);
    ch_sequence_close(&copy);
    ch_cache_close(&c);
}

static void restoring_is_for_all_or_none(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_cache *c = open_cache(20);
    ch_sequence q = open_sequence(c, 99, 99);
    feed(&q, 7);
    ch_buf b = bytes_of(&q);
    ch_sequence_close(&q);
    q = open_sequence(c, 99, 5); /* the last state will not have seven tokens */
    assert_fails(ch_sequence_restore(&q, b.data, b.size, &e), CH_EFORMAT, e, "ring: 7 tokens");
    check(&q, 0);
    ((ring *)q.state[2])->most = 99;
    for (size_t n = 0; n < b.size; n++) { /* cut anywhere */
        void *exact = guarded(n);
        memcpy(exact, b.data, n);
        const int rc = ch_sequence_restore(&q, exact, n, &e);
        if (rc != CH_EFORMAT || e.code != rc || !*e.text)
            fail_msg("cut at %zu: %d \"%s\"", n, rc, e.text);
        check(&q, 0);
        guarded_free(exact, n);
    }
    ch_buf_put(&b, "", 1);
    assert_fails(ch_sequence_restore(&q, b.data, b.size, &e), CH_EFORMAT, e, "its states end at");
    check(&q, 0);
    b.size--;
    b.data[12] = 6; /* the length in the head, against that of the states */
    assert_fails(ch_sequence_restore(&q, b.data, b.size, &e), CH_EFORMAT, e, "announced are 6");
    check(&q, 0);
    b.data[12] = 7;
    b.data[8] = 2;
    assert_fails(ch_sequence_restore(&q, b.data, b.size, &e), CH_EFORMAT, e, "2 states");
    b.data[8] = 3;
    b.data[20] = 'R';
    assert_fails(ch_sequence_restore(&q, b.data, b.size, &e), CH_EFORMAT, e, "a state \"ring\"");
    b.data[20] = 'r';
    memset(b.data + 24, 0xff, 8);
    assert_fails(ch_sequence_restore(&q, b.data, b.size, &e), CH_EFORMAT, e, "1844674407370955");
    assert_fails(ch_sequence_restore(&q, NULL, 0, &e), CH_EFORMAT, e, "CHSEQU01");
    check(&q, 0);
    feed(&q, 3);
    check(&q, 3);
    ch_buf_close(&b);
    ch_sequence_close(&q);
    ch_cache_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_found),
        cmocka_unit_test(appending_is_for_all_or_none),
        cmocka_unit_test(going_back_is_for_all_or_none),
        cmocka_unit_test(forking_is_for_all_or_none),
        cmocka_unit_test(snapshots_come_back),
        cmocka_unit_test(restoring_is_for_all_or_none),
    };
    return cmocka_run_group_tests_name("sequence", tests, NULL, NULL);
}
