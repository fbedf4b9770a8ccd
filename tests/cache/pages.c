/* Long random lives of sequences in a small cache against plain arrays.
 *
 * A row is a function of the tokens up to it, as in a model.  The reference of a sequence
 * is therefore its tokens alone, and whatever the cache shows must be what these tokens say, to the
 * bit: a page that was shared, adopted, copied or evicted wrongly shows other tokens' rows.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "support.h"

enum { LAYERS = 2, HEADS = 2, SEQUENCES = 5, BUDGET_PAGES = 11, MOST = BUDGET_PAGES * 32 + 64 };

typedef struct life {
    ch_sequence q;
    ch_token token[MOST];
    uint64_t prefix[MOST]; /* hash of the tokens up to each */
} life;

static struct world {
    ch_cache *cache;
    ch_cache_options o;
    int width;
    ch_hash128 scope;
    life one[SEQUENCES];
    uint64_t seed, draws;
    int appends, refused, forks, rollbacks, adopted, snapshots;
} w;

static int below(int n)
{
    return (int)ch_rng_below((uint64_t)n, w.seed, CH_RNG_TEST, 0, w.draws++);
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static int32_t position_of(int layer, int t)
{
    return 3 * t + layer;
}

/* Head h of the key (side 0) or value (side 1) row of token t. */
static void naive_row(real *out, const life *s, int layer, int side, int h, int t)
{
    uint64_t x = s->prefix[t] + (uint64_t)(layer * 8 + side * 4 + h);
    for (int i = 0; i < w.o.head_width; i++, x++)
        out[i] = (real)((int)(mix(x) & 0xffff) - 0x8000) / 512;
}

static void write_rows(life *s, int at, int n)
{
    static real k[4 * 32 * HEADS * 64], v[CH_COUNT(k)];
    static int32_t pos[4 * 32];
    const ptrdiff_t ld = HEADS * w.o.head_width + 3;
    assert_true((size_t)(n * ld) <= CH_COUNT(k));
    for (int l = 0; l < LAYERS; l++) {
        for (int t = 0; t < n; t++) {
            for (int h = 0; h < HEADS; h++) {
                naive_row(k + t * ld + h * w.o.head_width, s, l, 0, h, at + t);
                naive_row(v + t * ld + h * w.o.head_width, s, l, 1, h, at + t);
            }
            pos[t] = position_of(l, at + t);
        }
        ch_pages_write(s->q.state[0], l, at, n, k, v, ld, pos);
    }
}

/* The naive stored row: padded, then encoded at once. */
static void check_row(const void *found, ch_dtype t, const real *x)
{
    float padded[64] = {0};
    real plain[64] = {0};
    unsigned char want[64 * 8];
    for (int i = 0; i < w.o.head_width; i++)
        padded[i] = (float)(plain[i] = x[i]);
    ch_dtype_get(t)->encode(want, padded, w.width);
    const void *expected = t == CH_REAL ? (const void *)plain : want;
    assert_memory_equal(found, expected, ch_dtype_bytes(t, w.width));
}

static void check_life(const life *s)
{
    const int n = s->q.length, size = w.o.page_size;
    for (int l = 0; s->q.n_states && l < LAYERS; l++) {
        ch_kv_view v;
        ch_pages_view(&v, s->q.state[0], l, n);
        assert_int_equal(v.keys, n);
        assert_int_equal(v.page_size, size);
        assert_int_equal(v.kv_heads, HEADS);
        assert_int_equal(v.width, w.width);
        assert_true(v.k_dtype == w.o.k_dtype && v.v_dtype == w.o.v_dtype && !v.log_count);
        for (int t = 0; t < n; t++) {
            assert_int_equal(v.pos[t / size][t % size], position_of(l, t));
            for (int h = 0; h < HEADS; h++) {
                real x[64];
                const size_t row = (size_t)(h * size + t % size);
                naive_row(x, s, l, 0, h, t);
                check_row((const char *)v.k[t / size] + row * ch_dtype_bytes(v.k_dtype, v.width),
                          v.k_dtype, x);
                naive_row(x, s, l, 1, h, t);
                check_row((const char *)v.v[t / size] + row * ch_dtype_bytes(v.v_dtype, v.width),
                          v.v_dtype, x);
            }
        }
    }
}

/* ---- What the tables say about sharing ----------------------------------------------------- */

static int pages_of(int tokens)
{
    return (tokens + w.o.page_size - 1) / w.o.page_size;
}

/* How many sequences see the page. */
static int users_of(int layer, const void *page)
{
    int users = 0;
    for (int i = 0; i < SEQUENCES; i++) {
        ch_kv_view v;
        if (w.one[i].q.n_states == 0)
            continue;
        ch_pages_view(&v, w.one[i].q.state[0], layer, INT32_MAX);
        for (int p = 0; p < pages_of(v.keys); p++)
            users += v.k[p] == page;
    }
    return users;
}

static void check_stats(void)
{
    const ch_cache_stats s = ch_cache_get_stats(w.cache);
    double used = 0;
    for (int i = 0; i < SEQUENCES; i++)
        for (int l = 0; w.one[i].q.n_states && l < LAYERS; l++) {
            ch_kv_view v;
            ch_pages_view(&v, w.one[i].q.state[0], l, INT32_MAX);
            for (int p = 0; p < pages_of(v.keys); p++)
                used += 1.0 / users_of(l, v.k[p]);
        }
    assert_int_equal(s.pages, BUDGET_PAGES * LAYERS);
    assert_int_equal(s.used, (int)(used + 0.5));
    assert_in_range(s.findable, 0, s.pages - s.used);
    assert_int_equal(s.findable % LAYERS, 0);
}

static void check_all(void)
{
    for (int i = 0; i < SEQUENCES; i++)
        check_life(&w.one[i]);
    check_stats();
}

/* ---- Things that happen -------------------------------------------------------------------- */

static life *vacant(void)
{
    for (int i = 0; i < SEQUENCES; i++)
        if (w.one[i].q.n_states == 0)
            return &w.one[i];
    return NULL;
}

static void open_life(life *s)
{
    ch_err e;
    assert_ok(ch_pages_open(&s->q.state[0], w.cache, &e), e);
    s->q.n_states = 1;
}

static void extend(life *s, int at, int n)
{
    for (int t = at; t < at + n; t++) {
        /* Few different pages, so that prefixes meet again. */
        s->token[t] = below(t % w.o.page_size == 0 ? 3 : 8 * w.o.page_size) == 0;
        s->prefix[t] = mix((t ? s->prefix[t - 1] : 1) * 3 + (uint64_t)s->token[t]);
    }
}

static void publish(life *s, int page)
{
    ch_hash128 key = w.scope;
    for (int p = 0; p <= page; p++)
        key = ch_page_key(key, s->token + p * w.o.page_size, w.o.page_size);
    ch_pages_publish(s->q.state[0], page, key);
}

/* Fails exactly where the pages that it needs are not to be had, and then nothing has changed. */
static void append(life *s)
{
    const int n = s->q.length, rows = 1 + below(w.o.page_size * 3 / 2 + 1), size = w.o.page_size;
    const ch_cache_stats before = ch_cache_get_stats(w.cache);
    int need = LAYERS * (pages_of(n + rows) - pages_of(n));
    for (int l = 0; l < LAYERS && n % size; l++) {
        ch_kv_view v;
        ch_pages_view(&v, s->q.state[0], l, n);
        need += users_of(l, v.k[n / size]) > 1;
    }
    ch_err e = {0};
    const int rc = ch_sequence_append(&s->q, rows, &e);
    w.appends++;
    if (need > (int)(before.pages - before.used)) {
        assert_fails(rc, CH_ELIMIT, e, "the cache is full: appending");
        assert_int_equal(s->q.length, n);
        assert_int_equal(s->q.state[0]->length, n);
        const ch_cache_stats after = ch_cache_get_stats(w.cache);
        assert_memory_equal(&after, &before, sizeof after);
        w.refused++;
        check_all();
        return;
    }
    assert_ok(rc, e);
    for (int t = n; t < n + rows; t++) { /* not written yet: invalid */
        ch_kv_view v;
        ch_pages_view(&v, s->q.state[0], t % LAYERS, n + rows);
        assert_int_equal(v.pos[t / size][t % size], -1);
    }
    extend(s, n, rows);
    write_rows(s, n, rows);
    for (int p = n / size; p < (n + rows) / size; p++)
        if (below(3))
            publish(s, p);
}

static void fork_life(life *s)
{
    life *copy = vacant();
    if (!copy)
        return;
    const ch_cache_stats before = ch_cache_get_stats(w.cache);
    ch_err e = {0};
    const int rc = ch_sequence_fork(&copy->q, &s->q, &e);
    w.forks++;
    if (rc < 0) {
        assert_fails(rc, CH_ELIMIT, e, "the cache is full: forking");
        assert_true(s->q.length % w.o.page_size != 0);
        assert_in_range(before.pages - before.used, 0, LAYERS - 1);
        assert_int_equal(copy->q.n_states, 0);
        w.refused++;
        return;
    }
    memcpy(copy->token, s->token, sizeof copy->token);
    memcpy(copy->prefix, s->prefix, sizeof copy->prefix);
    check_life(copy);
}

static void roll_back(life *s)
{
    ch_err e = {0};
    const int n = s->q.length;
    assert_fails(ch_sequence_rollback(&s->q, n + 1, &e), CH_EARG, e, "allowed is 0 to");
    assert_fails(ch_sequence_rollback(&s->q, -1, &e), CH_EARG, e, "-1 tokens");
    assert_ok(ch_sequence_rollback(&s->q, n - below(CH_MIN(n, 3 * w.o.page_size) + 1), &e), e);
    w.rollbacks++;
}

static void adopt(life *s)
{
    const int n = s->q.length, size = w.o.page_size, wanted = 1 + below(4);
    ch_hash128 keys[8], key = w.scope;
    if (n % size) {
        assert_int_equal(ch_pages_adopt(s->q.state[0], &key, 1), 0);
        return;
    }
    if (n + wanted * size > MOST)
        return;
    extend(s, n, wanted * size);
    for (int p = 0; p < n / size + wanted; p++) {
        key = ch_page_key(key, s->token + p * size, size);
        if (p >= n / size)
            keys[p - n / size] = key;
    }
    const ch_cache_stats before = ch_cache_get_stats(w.cache);
    const int found = ch_pages_adopt(s->q.state[0], keys, wanted);
    const ch_cache_stats after = ch_cache_get_stats(w.cache);
    assert_in_range(found, 0, wanted);
    assert_int_equal(s->q.state[0]->length, n + found * size);
    assert_int_equal(after.hits - before.hits, found);
    assert_int_equal(after.misses - before.misses, wanted - found);
    assert_int_equal(after.evictions, before.evictions);
    s->q.length = n + found * size;
    w.adopted += found;
}

static void save_and_load(life *s)
{
    life *copy = vacant();
    if (!copy)
        return;
    ch_err e = {0};
    ch_buf b;
    ch_buf_init(&b, 1 << 24);
    assert_ok(ch_sequence_snapshot(&s->q, &b, &e), e);
    open_life(copy);
    const int rc = ch_sequence_restore(&copy->q, b.data, b.size, &e);
    if (rc < 0) {
        assert_fails(rc, CH_ELIMIT, e, "the cache is full");
        ch_sequence_close(&copy->q);
    } else {
        memcpy(copy->token, s->token, sizeof copy->token);
        memcpy(copy->prefix, s->prefix, sizeof copy->prefix);
        assert_int_equal(copy->q.length, s->q.length);
        check_life(copy);
        w.snapshots++;
    }
    ch_buf_close(&b);
}

static void happen(void)
{
    life *s = &w.one[below(SEQUENCES)];
    const int what = below(100);
    if (s->q.n_states == 0) {
        open_life(s);
        assert_int_equal(s->q.length, 0);
        adopt(s);
    } else if (what < 40)
        append(s);
    else if (what < 50)
        fork_life(s);
    else if (what < 68)
        roll_back(s);
    else if (what < 80)
        ch_sequence_close(&s->q);
    else if (what < 86)
        save_and_load(s);
    else if (what < 94)
        adopt(s);
    else if (s->q.length >= w.o.page_size)
        publish(s, below(s->q.length / w.o.page_size));
    check_life(s);
}

static void live(int page_size, ch_dtype k, ch_dtype v, int head_width, int events)
{
    ch_err e = {0};
    const ch_cache_options o = {
        .layers = LAYERS, .kv_heads = HEADS, .head_width = head_width, .page_size = page_size,
        .k_dtype = k, .v_dtype = v, .max_tokens = BUDGET_PAGES * page_size - page_size / 2};
    memset(&w, 0, sizeof w);
    assert_ok(ch_cache_open(&w.cache, &o, &e), e);
    w.o = *ch_cache_get_options(w.cache);
    w.width = ch_cache_width(w.cache);
    w.scope = ch_page_scope((ch_hash128){1, 2}, "", &w.o, "");
    w.seed = (uint64_t)(page_size * 1000 + ch_dtype_get(k)->gguf * 100 +
                        ch_dtype_get(v)->gguf * 10 + head_width);
    for (int i = 0; i < events; i++) {
        happen();
        if (i % 16 == 0)
            check_all();
    }
    check_all();
    for (int i = 0; i < SEQUENCES; i++)
        ch_sequence_close(&w.one[i].q);
    check_stats();
    assert_true(w.appends > 50 && w.refused > 3 && w.forks > 3 && w.rollbacks > 10);
    assert_true(w.adopted > 3 && w.snapshots > 0 && ch_cache_get_stats(w.cache).evictions > 3);
    ch_cache_close(&w.cache);
    assert_null(w.cache);
    ch_cache_close(&w.cache); /* nothing is closed twice */
}

static void lives_of_plain_pages(void **state)
{
    (void)state;
    static const ch_dtype types[] = {CH_REAL, CH_F32, CH_F16, CH_BF16};
    static const int sizes[] = {1, 2, 7, 32};
    for (size_t t = 0; t < CH_COUNT(types); t++)
        for (size_t s = 0; s < CH_COUNT(sizes); s++)
            live(sizes[s], types[t], types[t], t % 2 ? 5 : 8, 400);
}

static void lives_of_block_pages(void **state)
{
    (void)state;
    live(1, CH_Q8_0, CH_Q8_0, 32, 500);
    live(2, CH_Q8_0, CH_Q8_0, 33, 500);
    live(7, CH_Q8_0, CH_Q8_0, 3, 500);
    live(32, CH_Q8_0, CH_Q8_0, 48, 500);
}

static void lives_of_mixed_pages(void **state)
{
    (void)state;
    live(2, CH_F16, CH_Q8_0, 9, 500);
    live(7, CH_Q8_0, CH_BF16, 40, 500);
    live(32, CH_F32, CH_F16, 8, 500);
    live(3, CH_F16, CH_Q4_0, 33, 500);
    live(32, CH_Q8_0, CH_Q4_0, 5, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lives_of_plain_pages),
        cmocka_unit_test(lives_of_block_pages),
        cmocka_unit_test(lives_of_mixed_pages),
    };
    return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
