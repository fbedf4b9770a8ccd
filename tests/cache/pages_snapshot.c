/* Snapshots of pages: the same bits back, and a sentence for everything else.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "support.h"

enum { HEADER = 40, LENGTH = 11 };

static const ch_cache_options usual = {
    .layers = 2, .kv_heads = 2, .head_width = 5, .page_size = 4, .k_dtype = CH_F16,
    .v_dtype = CH_F32, .max_tokens = 32};

static ch_state *filled(ch_cache *c, int n)
{
    ch_err e = {0};
    ch_state *s;
    real k[2 * 64], v[2 * 64];
    const ch_cache_options *o = ch_cache_get_options(c);
    assert_ok(ch_pages_open(&s, c, &e), e);
    assert_ok(ch_pages_kind.append(s, n, &e), e);
    for (int l = 0; l < o->layers; l++)
        for (int32_t t = 0; t < n; t++) {
            for (int i = 0; i < o->kv_heads * o->head_width; i++) {
                k[i] = (real)ch_rng_normal(1, CH_RNG_TEST, (uint32_t)l, (uint64_t)(t * 1000 + i));
                v[i] = (real)ch_rng_normal(2, CH_RNG_TEST, (uint32_t)l, (uint64_t)(t * 1000 + i));
            }
            ch_pages_write(s, l, t, 1, k, v, 0, &t);
        }
    return s;
}

static ch_buf bytes_of(const ch_state *s)
{
    ch_err e = {0};
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    assert_ok(ch_pages_kind.snapshot(s, &b, &e), e);
    return b;
}

static void snapshots_come_back(void **state)
{
    (void)state;
    static const ch_dtype types[] = {CH_REAL, CH_F16, CH_BF16, CH_Q8_0};
    for (size_t t = 0; t < CH_COUNT(types); t++)
        for (int n = 0; n < 10; n += 3) {
            ch_err e = {0};
            ch_cache_options o = usual;
            o.k_dtype = types[t];
            o.v_dtype = types[(t + 1) % CH_COUNT(types)];
            o.head_width = 5 + 30 * (n & 1);
            ch_cache *c;
            assert_ok(ch_cache_open(&c, &o, &e), e);
            ch_state *s = filled(c, n), *copy;
            assert_ok(ch_pages_open(&copy, c, &e), e);
            ch_buf b = bytes_of(s);
            size_t used = 0;
            assert_true(ch_buf_put(&b, "more", 4)); /* what follows is not ours */
            assert_ok(ch_pages_kind.restore(copy, b.data, b.size, &used, &e), e);
            assert_int_equal(used, b.size - 4);
            assert_int_equal(copy->length, n);
            ch_buf again = bytes_of(copy);
            assert_int_equal(again.size, used);
            assert_memory_equal(again.data, b.data, used);
            ch_buf_close(&again);
            assert_fails(ch_pages_kind.restore(copy, b.data, b.size, &used, &e),
                         n ? CH_EARG : CH_OK, e, n ? "only an empty state" : "");
            ch_buf_close(&b);
            ch_pages_kind.close(s);
            ch_pages_kind.close(copy);
            ch_cache_close(&c);
        }
}

/* A fresh cache of options o is given the bytes. */
static void refused(const ch_buf *b, size_t size, const ch_cache_options *o, int code,
                    const char *says)
{
    ch_err e = {0};
    ch_cache *c;
    ch_state *s;
    size_t used = 77;
    void *exact = guarded(size); /* reading past the end stops the program */
    if (size)
        memcpy(exact, b->data, size);
    assert_ok(ch_cache_open(&c, o, &e), e);
    assert_ok(ch_pages_open(&s, c, &e), e);
    assert_fails(ch_pages_kind.restore(s, exact, size, &used, &e), code, e, says);
    assert_int_equal(s->length, 0);
    assert_int_equal(ch_cache_get_stats(c).used, 0);
    assert_ok(ch_pages_kind.append(s, 1, &e), e); /* it works as before */
    ch_pages_kind.close(s);
    ch_cache_close(&c);
    guarded_free(exact, size);
}

static void other_shapes_are_refused(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_cache *c;
    assert_ok(ch_cache_open(&c, &usual, &e), e);
    ch_state *s = filled(c, LENGTH);
    ch_buf b = bytes_of(s);
    ch_cache_options o[8];
    for (int i = 0; i < 8; i++)
        o[i] = usual;
    o[0].layers = 3;
    refused(&b, b.size, &o[0], CH_EFORMAT, "layers is 2, this cache has 3");
    o[1].kv_heads = 1;
    refused(&b, b.size, &o[1], CH_EFORMAT, "key heads is 2, this cache has 1");
    o[2].head_width = 6;
    refused(&b, b.size, &o[2], CH_EFORMAT, "head width is 5, this cache has 6");
    o[3].page_size = 2;
    refused(&b, b.size, &o[3], CH_EFORMAT, "page size is 4, this cache has 2");
    o[4].k_dtype = CH_BF16;
    refused(&b, b.size, &o[4], CH_EFORMAT, "key format is 1, this cache has 30");
    o[5].v_dtype = CH_F16;
    refused(&b, b.size, &o[5], CH_EFORMAT, "value format is 0, this cache has 1");
    o[6].max_tokens = 8;
    refused(&b, b.size, &o[6], CH_ELIMIT, "length is 11, this cache holds 8");
    ch_buf_close(&b);
    ch_pages_kind.close(s);
    ch_cache_close(&c);
}

static void hostile_bytes_are_refused(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_cache *c;
    assert_ok(ch_cache_open(&c, &usual, &e), e);
    ch_state *s = filled(c, LENGTH);
    ch_buf b = bytes_of(s);
    for (size_t n = 0; n < b.size; n += n < 64 ? 1 : 97)
        refused(&b, n, &usual, CH_EFORMAT, n < HEADER ? "no head of 40 bytes" : "11 tokens have");
    refused(&b, b.size - 1, &usual, CH_EFORMAT, "11 tokens have");
    memset(b.data + HEADER - 4, 0xff, 4);
    refused(&b, b.size, &usual, CH_ELIMIT, "length is 4294967295");
    memset(b.data + HEADER - 4, 0x7f, 4);
    refused(&b, b.size, &usual, CH_ELIMIT, "length is 2139062143");
    memcpy(b.data + HEADER - 4, (unsigned char[]){LENGTH, 0, 0, 0}, 4);
    b.data[HEADER + 15] = 1; /* the last element of the first row is padding */
    refused(&b, b.size, &usual, CH_EFORMAT, "padding of a row is not zero");
    b.data[HEADER + 15] = 0x7e; /* NaN */
    refused(&b, b.size, &usual, CH_EFORMAT, "padding of a row is not zero");
    b.data[HEADER + 15] = 0;
    b.data[b.size - 1] = (char)0x80; /* the last position */
    refused(&b, b.size, &usual, CH_EFORMAT, "a position is -21474836");
    b.data[0] = 'c';
    refused(&b, b.size, &usual, CH_EFORMAT, "CHPAGES1");
    ch_buf_close(&b);
    ch_pages_kind.close(s);
    ch_cache_close(&c);
}

/* Any damage is refused or gives a state that works. */
static void damaged_bytes_do_no_harm(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_cache_options o = usual;
    o.k_dtype = CH_Q8_0;
    ch_cache *c;
    assert_ok(ch_cache_open(&c, &o, &e), e);
    ch_state *s = filled(c, LENGTH), *copy;
    ch_buf b = bytes_of(s);
    ch_pages_kind.close(s);
    for (uint64_t i = 0; i < 2000; i++) {
        const size_t at = (size_t)ch_rng_below(i % 2 ? HEADER : b.size, i, CH_RNG_TEST, 0, 0);
        const char was = b.data[at];
        b.data[at] = (char)ch_rng_below(256, i, CH_RNG_TEST, 1, 0);
        size_t used = 0;
        assert_ok(ch_pages_open(&copy, c, &e), e);
        if (ch_pages_kind.restore(copy, b.data, b.size, &used, &e) == CH_OK)
            assert_in_range(used, HEADER, b.size);
        else
            assert_int_equal(copy->length, 0);
        ch_pages_kind.close(copy);
        b.data[at] = was;
    }
    assert_int_equal(ch_cache_get_stats(c).used, 0);
    s = filled(c, LENGTH); /* nothing of it stayed behind in the pages */
    ch_buf again = bytes_of(s);
    assert_memory_equal(again.data, b.data, b.size);
    ch_buf_close(&again);
    ch_pages_kind.close(s);
    ch_buf_close(&b);
    ch_cache_close(&c);
}

static void snapshots_mind_the_limit(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_cache *c;
    assert_ok(ch_cache_open(&c, &usual, &e), e);
    ch_state *s = filled(c, LENGTH);
    for (size_t limit = 3; limit < 1000; limit += 100) {
        ch_buf b;
        ch_buf_init(&b, limit);
        ch_buf_put(&b, "abc", 3);
        assert_fails(ch_pages_kind.snapshot(s, &b, &e), CH_ELIMIT, e, "a snapshot of pages");
        assert_int_equal(b.size, 3);
        assert_string_equal(b.data, "abc");
        ch_buf_close(&b);
    }
    ch_pages_kind.close(s);
    ch_cache_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshots_come_back),
        cmocka_unit_test(other_shapes_are_refused),
        cmocka_unit_test(hostile_bytes_are_refused),
        cmocka_unit_test(damaged_bytes_do_no_harm),
        cmocka_unit_test(snapshots_mind_the_limit),
    };
    return cmocka_run_group_tests_name("pages_snapshot", tests, NULL, NULL);
}
