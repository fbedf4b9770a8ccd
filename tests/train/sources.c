/* sources.c - tests of train/sources.c and of batches from mixtures
 *
 * SPDX-License-Identifier: MIT */
#include "nano.h"

static void paths_and_weights(void **state)
{
    (void)state;
    char *dir = temp_dir(), odd[4096];
    ch_err e = {0};
    ch_source *s;
    snprintf(odd, sizeof odd, "%s/a=3", dir);
    assert_ok(ch_io_write_file(odd, "x", 1, &e), e);
    const char *const plain[] = {odd, "b"}, *const weighed[] = {"a=0.5", "b=x=20"};
    assert_ok(ch_sources_parse(&s, plain, 2, &e), e);
    assert_string_equal(s[0].path, odd); /* there is such a file */
    assert_true(s[0].weight == 0 && s[1].weight == 0);
    ch_sources_free(s, 2);
    assert_ok(ch_sources_parse(&s, weighed, 2, &e), e);
    assert_string_equal(s[0].path, "a");
    assert_string_equal(s[1].path, "b=x");
    assert_true(s[0].weight == 0.5 && s[1].weight == 20);
    ch_sources_free(s, 2);
    static const struct {
        const char *args[2];
        const char *says;
    } faults[] = {
        {{"a=1", "b"}, "a has a weight and b has none"},
        {{"a", "b=2"}, "a has no weight and b has one"},
        {{"a=", "b"}, "a=: the weight is \"\"; allowed are numbers from 0.001 to 1000"},
        {{"a=0", "b"}, "the weight is \"0\""},
        {{"a=-1", "b"}, "the weight is \"-1\""},
        {{"a=nan", "b"}, "the weight is \"nan\""},
        {{"a=1e9", "b"}, "the weight is \"1e9\""},
        {{"a=1x", "b"}, "the weight is \"1x\""},
    };
    for (size_t i = 0; i < CH_COUNT(faults); i++) {
        assert_fails(ch_sources_parse(&s, faults[i].args, 2, &e), CH_EARG, e, faults[i].says);
        assert_null(s);
    }
    temp_dir_remove(dir);
}

/* Each source gets its numbers 0, 1, 2 ... in turn, and its share of any beginning. */
static void shares_are_kept(void **state)
{
    (void)state;
    static const ch_source mixes[][5] = {
        {{NULL, 1}, {NULL, 1}, {NULL, 1}, {NULL, 1}, {NULL, 1}},
        {{NULL, 0.7}, {NULL, 0.1}, {NULL, 0.05}, {NULL, 0.1}, {NULL, 0.05}},
        {{NULL, 0.001}, {NULL, 1000}, {NULL, 3}, {NULL, 0.5}, {NULL, 77}},
    };
    for (size_t m = 0; m < CH_COUNT(mixes); m++)
        for (int n = 1; n <= 5; n++) {
            uint64_t share[5];
            int64_t next[5] = {0};
            double sum = 0;
            for (int k = 0; k < n; k++)
                sum += mixes[m][k].weight;
            ch_sources_share(share, mixes[m], n);
            for (int64_t q = 0; q < 5000; q++) {
                int64_t number = q;
                const int k = ch_sources_pick(share, n, &number);
                assert_true(k >= 0 && k < n);
                assert_int_equal(number, next[k]++);
                for (int i = 0; i < n; i++)
                    assert_true(fabs((double)next[i] -
                                     (double)(q + 1) * mixes[m][i].weight / sum) <= n);
            }
            int64_t far = ((int64_t)1 << 50) + 12345, further = far + 1;
            const int a = ch_sources_pick(share, n, &far), b = ch_sources_pick(share, n, &further);
            assert_true(far >= 0 && further >= 0 && (a != b || further == far + 1));
        }
}

enum { SOURCES = 3, LENGTH = 16, COUNT = 4 };

static ch_corpus part(int64_t n, int64_t from, uint64_t seed)
{
    ch_corpus c = nano_corpus(n, 40, 50, seed);
    uint32_t *token = (uint32_t *)(uintptr_t)c.wide;
    for (int64_t i = 0; i < n; i++)
        token[i] = (uint32_t)(from + i);
    c.end = 100000;
    return c;
}

/* Every token of a source is seen once in each of its own epochs, whatever the others do. */
static void each_source_has_its_epochs(void **state)
{
    (void)state;
    static const int64_t sizes[SOURCES] = {500, 77, 1000};
    static const ch_source weights[SOURCES] = {{NULL, 3}, {NULL, 1}, {NULL, 0.5}};
    ch_err e = {0};
    ch_corpus mix = {.end = 100000, .sources = SOURCES};
    uint64_t *share = calloc(SOURCES, sizeof *share);
    mix.source = calloc(SOURCES, sizeof *mix.source);
    assert_true(mix.source && share);
    ch_sources_share(share, weights, SOURCES);
    mix.share = share;
    for (int k = 0; k < SOURCES; k++) {
        mix.source[k] = part(sizes[k], 2000 * k, (uint64_t)k);
        mix.n += sizes[k];
    }
    ch_batch b, alone;
    assert_ok(ch_batch_open(&b, COUNT, LENGTH, &e), e);
    assert_ok(ch_batch_open(&alone, 1, LENGTH, &e), e);
    int seen[SOURCES * 2000] = {0};
    int64_t done[SOURCES] = {0};
    for (int64_t leaf = 0; leaf < 200; leaf++) {
        ch_batch_fill(&b, &mix, 5, COUNT, LENGTH, leaf);
        for (int i = 0; i < COUNT; i++) {
            const int32_t *id = b.id + i * LENGTH;
            const int k = id[0] / 2000;
            /* the sequence that this source alone would give next */
            ch_batch_fill(&alone, &mix.source[k], 5, 1, LENGTH, done[k]++);
            assert_memory_equal(id, alone.id, LENGTH * sizeof *id);
            assert_memory_equal(b.target + i * LENGTH, alone.target, LENGTH * sizeof *id);
            for (int t = 0; t < LENGTH; t++)
                seen[id[t]] += b.target[i * LENGTH + t] >= 0;
            const int64_t S = (sizes[k] + LENGTH - 1) / LENGTH;
            for (int64_t p = 0; done[k] % S == 0 && p < sizes[k]; p++)
                assert_int_equal(seen[2000 * k + p], done[k] / S);
        }
    }
    for (int k = 0; k < SOURCES; k++)
        assert_true(fabs((double)done[k] - 800 * weights[k].weight / 4.5) <= SOURCES);
    assert_true(done[1] > 3 * ((77 + LENGTH - 1) / LENGTH)); /* several epochs of a small one */
    ch_batch_close(&b);
    ch_batch_close(&alone);
    ch_corpus_free(&mix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_and_weights),
        cmocka_unit_test(shares_are_kept),
        cmocka_unit_test(each_source_has_its_epochs),
    };
    return cmocka_run_group_tests_name("train/sources", tests, NULL, NULL);
}
