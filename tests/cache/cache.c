/* The store of pages: options, room, what stays findable and what goes first.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "support.h"

static const ch_cache_options usual = {
    .layers = 3, .kv_heads = 2, .head_width = 4, .page_size = 4, .k_dtype = CH_F16,
    .v_dtype = CH_F16, .max_tokens = 32};

static ch_cache *open_cache(const ch_cache_options *o)
{
    ch_err e = {0};
    ch_cache *c = NULL;
    assert_ok(ch_cache_open(&c, o, &e), e);
    return c;
}

static ch_sequence open_sequence(ch_cache *c)
{
    ch_err e = {0};
    ch_sequence q = {.n_states = 1};
    assert_ok(ch_pages_open(&q.state[0], c, &e), e);
    return q;
}

/* Appends n tokens whose rows all hold `value`. */
static void feed(ch_sequence *q, const ch_cache *c, int n, real value)
{
    ch_err e = {0};
    const ch_cache_options *o = ch_cache_get_options(c);
    const int at = q->length;
    real row[64];
    for (int i = 0; i < o->kv_heads * o->head_width; i++)
        row[i] = value;
    assert_ok(ch_sequence_append(q, n, &e), e);
    for (int l = 0; l < o->layers; l++)
        for (int32_t t = at; t < at + n; t++)
            ch_pages_write(q->state[0], l, t, 1, row, row, 0, &t);
}

static float first_key(const ch_sequence *q, int layer, int page)
{
    ch_kv_view v;
    float x;
    ch_pages_view(&v, q->state[0], layer, q->length);
    ch_dtype_get(v.k_dtype)->decode(&x, v.k[page], 1);
    return x;
}

static ch_hash128 key_of(uint64_t i)
{
    return (ch_hash128){i, 7};
}

/* Adopts the one page under key i into an empty sequence and gives it back at once. */
static bool findable(ch_cache *c, uint64_t i)
{
    ch_sequence q = open_sequence(c);
    const ch_hash128 key = key_of(i);
    q.length = 4 * ch_pages_adopt(q.state[0], &key, 1);
    const bool found = q.length > 0;
    ch_sequence_close(&q);
    return found;
}

static void options_are_checked(void **state)
{
    (void)state;
    static const struct {
        size_t field;
        int value;
        const char *says;
    } bad[] = {
        {offsetof(ch_cache_options, layers), 0, "layers is 0, allowed is 1 to"},
        {offsetof(ch_cache_options, layers), INT32_MAX, "layers is 2147483647"},
        {offsetof(ch_cache_options, kv_heads), -1, "kv_heads is -1"},
        {offsetof(ch_cache_options, head_width), 0, "head_width is 0"},
        {offsetof(ch_cache_options, head_width), INT32_MAX, "head_width is 2147483647"},
        {offsetof(ch_cache_options, page_size), -1, "page_size is -1"},
        {offsetof(ch_cache_options, page_size), INT32_MAX, "page_size is 2147483647"},
        {offsetof(ch_cache_options, max_tokens), 0, "max_tokens is 0"},
        {offsetof(ch_cache_options, max_tokens), INT32_MIN, "max_tokens is -2147483648"},
        {offsetof(ch_cache_options, k_dtype), CH_Q4_0, "keys cannot be kept as q4_0"},
        {offsetof(ch_cache_options, v_dtype), CH_DTYPES, "values cannot be kept as an unknown"},
        {offsetof(ch_cache_options, v_dtype), -1, "values cannot be kept as an unknown format"},
    };
    for (size_t i = 0; i < CH_COUNT(bad); i++) {
        ch_err e = {0};
        ch_cache *c = (ch_cache *)&e;
        ch_cache_options o = usual;
        memcpy((char *)&o + bad[i].field, &bad[i].value, sizeof bad[i].value);
        assert_fails(ch_cache_open(&c, &o, &e), CH_EARG, e, bad[i].says);
        assert_null(c);
    }
    ch_err e = {0};
    ch_cache *c;
    ch_cache_options o = usual;
    o.layers = 65536;
    o.max_tokens = INT32_MAX;
    assert_fails(ch_cache_open(&c, &o, &e), CH_EARG, e, "pages, allowed are 2147483647");
    o = (ch_cache_options){.layers = 65536, .kv_heads = 1 << 20, .head_width = 1 << 20,
                           .page_size = 1 << 16, .max_tokens = 1 << 16};
    assert_fails(ch_cache_open(&c, &o, &e), CH_ENOMEM, e, "");
    assert_null(c);
}

static void defaults_and_widths(void **state)
{
    (void)state;
    ch_cache_options o = usual;
    o.page_size = 0;
    o.head_width = 33;
    ch_cache *c = open_cache(&o);
#ifdef CH_HOSTILE
    assert_int_equal(ch_cache_get_options(c)->page_size, 1);
#else
    assert_int_equal(ch_cache_get_options(c)->page_size, 32);
#endif
    assert_int_equal(ch_cache_width(c), 40);
    ch_cache_close(&c);
    o.v_dtype = CH_Q8_0;
    c = open_cache(&o);
    assert_int_equal(ch_cache_width(c), 64);
    ch_cache_close(&c);
    o.head_width = 65;
    o.v_dtype = CH_Q4_0;
    c = open_cache(&o);
    assert_int_equal(ch_cache_width(c), 96);
    ch_cache_close(&c);
}

static void a_budget_is_a_budget(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_cache *c = open_cache(&usual);
    ch_sequence a = open_sequence(c), b = open_sequence(c);
    ch_cache_stats s = ch_cache_get_stats(c);
    assert_int_equal(s.pages, 8 * 3);
    assert_int_equal(s.page_bytes, 128 + 128 + 64); /* 2 heads of 4 rows of 8 f16, twice */
    assert_int_equal(s.used + s.findable, 0);
    feed(&a, c, 29, 1); /* 8 pages a layer */
    assert_int_equal(ch_cache_get_stats(c).used, 24);
    assert_fails(ch_sequence_append(&b, 1, &e), CH_ELIMIT, e, "needs 3 more pages, 0 of 24");
    assert_fails(ch_sequence_append(&a, 4, &e), CH_ELIMIT, e, "the cache is full");
    assert_fails(ch_sequence_append(&a, INT32_MAX, &e), CH_EARG, e, "cannot append");
    assert_fails(ch_sequence_append(&a, -1, &e), CH_EARG, e, "cannot append -1");
    assert_ok(ch_sequence_append(&a, 3, &e), e);
    assert_ok(ch_sequence_append(&b, 0, &e), e);
    assert_ok(ch_sequence_rollback(&a, 28, &e), e);
    assert_ok(ch_sequence_append(&b, 1, &e), e);
    assert_true(first_key(&a, 2, 6) == 1);
    ch_sequence_close(&a);
    ch_sequence_close(&b);
    s = ch_cache_get_stats(c);
    assert_int_equal(s.used + s.findable, 0);
    ch_cache_close(&c);
}

static void forks_share_whole_pages(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_cache *c = open_cache(&usual);
    ch_sequence a = open_sequence(c), b, d;
    feed(&a, c, 10, 1); /* two sealed, one open */
    assert_ok(ch_sequence_fork(&b, &a, &e), e);
    assert_int_equal(ch_cache_get_stats(c).used, 3 * (2 + 1 + 1));
    feed(&b, c, 2, 2);
    assert_ok(ch_sequence_fork(&d, &b, &e), e); /* b's last page is sealed now */
    assert_int_equal(ch_cache_get_stats(c).used, 3 * (2 + 1 + 1));
    assert_ok(ch_sequence_rollback(&d, 6, &e), e); /* into a shared page: no copy yet */
    assert_int_equal(ch_cache_get_stats(c).used, 3 * (2 + 1 + 1));
    feed(&d, c, 2, 3);
    assert_int_equal(ch_cache_get_stats(c).used, 3 * (2 + 1 + 1 + 1));
    ch_kv_view v;
    for (int l = 0; l < 3; l++) {
        ch_pages_view(&v, d.state[0], l, 8);
        assert_int_equal(v.pos[1][2], 6);
        assert_true(first_key(&a, l, 1) == 1 && first_key(&b, l, 1) == 1);
        assert_true(first_key(&d, l, 1) == 1);
        assert_int_equal(v.keys, 8);
        ch_pages_view(&v, d.state[0], l, 5);
        assert_int_equal(v.keys, 5);
    }
    ch_sequence_close(&a);
    ch_sequence_close(&b);
    assert_int_equal(ch_cache_get_stats(c).used, 3 * 2);
    ch_sequence_close(&d);
    ch_cache_close(&c);
}

static void pages_are_found_again(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_cache *c = open_cache(&usual);
    ch_sequence a = open_sequence(c), b = open_sequence(c);
    feed(&a, c, 9, 1);
    ch_pages_publish(a.state[0], 0, key_of(0));
    ch_pages_publish(a.state[0], 1, key_of(1));
    ch_pages_publish(a.state[0], 1, key_of(1)); /* again: no matter */
    ch_pages_publish(a.state[0], 1, key_of(5)); /* it has a name already */
    ch_sequence_close(&a);
    ch_cache_stats s = ch_cache_get_stats(c);
    assert_int_equal(s.used, 0);
    assert_int_equal(s.findable, 6);
    const ch_hash128 keys[3] = {key_of(0), key_of(1), key_of(5)};
    assert_int_equal(ch_pages_adopt(b.state[0], keys, 3), 2);
    b.length = 8;
    s = ch_cache_get_stats(c);
    assert_true(s.hits == 2 && s.misses == 1 && s.used == 6 && s.findable == 0);
    assert_true(first_key(&b, 2, 1) == 1);
    feed(&b, c, 1, 2);
    assert_int_equal(ch_pages_adopt(b.state[0], keys, 3), 0); /* the tail is not empty */
    /* Another page under a key that is taken: the first stays. */
    a = open_sequence(c);
    feed(&a, c, 4, 9);
    ch_pages_publish(a.state[0], 0, key_of(0));
    ch_sequence_close(&a);
    assert_int_equal(ch_cache_get_stats(c).used, 9);
    assert_ok(ch_sequence_rollback(&b, 0, &e), e);
    assert_int_equal(ch_pages_adopt(b.state[0], keys, 1), 1);
    b.length = 4;
    assert_true(first_key(&b, 0, 0) == 1);
    ch_sequence_close(&b);
    ch_cache_close(&c);
}

/* Going on in a findable page must not change what is found. */
static void published_pages_do_not_change(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_cache *c = open_cache(&usual);
    ch_sequence a = open_sequence(c), b = open_sequence(c);
    const ch_hash128 key = key_of(0);
    feed(&a, c, 4, 1);
    ch_pages_publish(a.state[0], 0, key);
    assert_int_equal(ch_pages_adopt(b.state[0], &key, 1), 1);
    b.length = 4;
    assert_ok(ch_sequence_rollback(&b, 1, &e), e);
    feed(&b, c, 3, 2); /* b copies: a is there */
    assert_true(findable(c, 0));
    ch_kv_view v;
    ch_pages_view(&v, a.state[0], 0, 4);
    float x[8];
    ch_dtype_get(CH_F16)->decode(x, (const char *)v.k[0] + 3 * 16, 8);
    assert_true(x[0] == 1 && x[3] == 1 && x[4] == 0);
    ch_sequence_close(&b);
    assert_ok(ch_sequence_rollback(&a, 3, &e), e);
    assert_true(findable(c, 0)); /* still unharmed */
    feed(&a, c, 1, 3); /* a is alone: the page is its own, and no longer under the key */
    assert_false(findable(c, 0));
    assert_int_equal(ch_cache_get_stats(c).used, 3);
    ch_sequence_close(&a);
    assert_int_equal(ch_cache_get_stats(c).findable, 0);
    ch_cache_close(&c);
}

static void the_longest_idle_goes_first(void **state)
{
    (void)state;
    ch_cache *c = open_cache(&usual);
    ch_sequence q[5];
    for (uint64_t i = 0; i < 4; i++) { /* keys 2i (head) and 2i + 1 (tail): all 8 places */
        q[i] = open_sequence(c);
        feed(&q[i], c, 8, (real)i);
        ch_pages_publish(q[i].state[0], 0, key_of(2 * i));
        ch_pages_publish(q[i].state[0], 1, key_of(2 * i + 1));
    }
    static const int order[4] = {2, 0, 3, 1};
    for (int i = 0; i < 3; i++)
        ch_sequence_close(&q[order[i]]);
    assert_int_equal(ch_cache_get_stats(c).findable, 3 * 6);
    assert_true(findable(c, 4)); /* the head of 2 was just used */
    /* Idle now, oldest first: tail 2; tail 0, head 0; tail 3, head 3; head 2.  1 is in use. */
    static const uint64_t goes[6] = {5, 1, 0, 7, 6, 4};
    q[4] = open_sequence(c);
    for (int i = 0; i < 6; i++) {
        feed(&q[4], c, 4, 8);
        const ch_cache_stats s = ch_cache_get_stats(c);
        assert_int_equal(s.evictions, i + 1);
        assert_int_equal(s.findable, 3 * (5 - i));
        assert_false(findable(c, goes[i]));
        if (i == 2) /* the others are in place (looking is using: in order, so as to keep it) */
            for (int k = i + 1; k < 6; k++)
                assert_true(findable(c, goes[k]));
    }
    ch_err e = {0};
    assert_fails(ch_sequence_append(&q[4], 1, &e), CH_ELIMIT, e, "the cache is full");
    assert_true(first_key(&q[1], 0, 0) == 1 && first_key(&q[1], 2, 1) == 1);
    ch_sequence_close(&q[1]);
    ch_sequence_close(&q[4]);
    ch_cache_close(&c);
}

/* Padding must be zero whatever the page held before. */
static void padding_stays_zero(void **state)
{
    (void)state;
    ch_cache_options o = usual;
    o.v_dtype = CH_Q8_0;
    ch_cache *c = open_cache(&o);
    for (int round = 0; round < 3; round++) {
        ch_sequence a = open_sequence(c);
        feed(&a, c, 30, (real)-5.5);
        ch_kv_view v;
        ch_pages_view(&v, a.state[0], 1, 30);
        assert_int_equal(v.width, 32);
        for (int row = 0; row < 8; row++) {
            float x[32];
            for (int side = 0; side < 2; side++) {
                const ch_dtype t = side ? v.v_dtype : v.k_dtype;
                const char *page = side ? v.v[5] : v.k[5];
                ch_dtype_get(t)->decode(x, page + (size_t)row * ch_dtype_bytes(t, 32), 32);
                assert_true(x[0] < -5 && x[3] < -5);
                for (int i = 4; i < 32; i++)
                    assert_true(x[i] == 0);
            }
        }
        ch_sequence_close(&a);
    }
    ch_cache_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(defaults_and_widths),
        cmocka_unit_test(a_budget_is_a_budget),
        cmocka_unit_test(forks_share_whole_pages),
        cmocka_unit_test(pages_are_found_again),
        cmocka_unit_test(published_pages_do_not_change),
        cmocka_unit_test(the_longest_idle_goes_first),
        cmocka_unit_test(padding_stays_zero),
    };
    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
