/* tests/token/vocab_llama2c.c - tokenizer.bin, whole and damaged
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "small.h"
#include "vocab.h"

/* Token i of a vocabulary in the layout; damaged afterwards. */
static void put(ch_buf *b, float score, const char *text, size_t n)
{
    uint32_t length = (uint32_t)n;
    ch_buf_put(b, &score, 4);
    ch_buf_put(b, &length, 4);
    ch_buf_put(b, text, n);
}

static void make(ch_buf *b)
{
    const uint32_t longest = 7;
    ch_buf_init(b, 1 << 20);
    ch_buf_put(b, &longest, 4);
    put(b, 0, "<unk>", 5);
    put(b, 0, "\n<s>\n", 5);
    put(b, 0, "\n</s>\n", 6);
    for (int i = 0; i < 256; i++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", i);
        put(b, 0, name, 6);
    }
    static const char *const words[] = {" ",   "t",    "h",  "e",         "th",
                                        "the", " the", " t", "a\xc3\xa9", "\n"};
    for (size_t i = 0; i < CH_COUNT(words); i++)
        put(b, -(float)i, words[i], strlen(words[i]));
}

static void reads(void **state)
{
    (void)state;
    ch_buf b;
    ch_err e = {0};
    ch_tokenizer *t;
    ch_tokens ids = {0};
    size_t n;
    make(&b);
    assert_true(ch_token_is_llama2c((const unsigned char *)b.data, b.size));
    assert_ok(ch_token_from_llama2c(&t, (const unsigned char *)b.data, b.size, "made", &e), e);
    ch_buf_close(&b);
    assert_int_equal(ch_tokenizer_size(t), 269);
    assert_memory_equal(ch_tokenizer_name(t, 1, &n), "<s>", 3);
    assert_memory_equal(ch_tokenizer_name(t, 265, &n), "\xe2\x96\x81the", 6);
    assert_ok(ch_tokenizer_encode(&ids, t, "the the\nx", 9, CH_ENCODE_BOS, &e), e);
    const ch_token want[] = {1, 265, 265, 268, 3 + 'x'};
    assert_int_equal(ids.n, CH_COUNT(want));
    assert_memory_equal(ids.id, want, sizeof want);
    ch_tokens_free(&ids);
    ch_tokenizer_close(&t);
}

static void refused(void **state)
{
    (void)state;
    ch_buf b;
    make(&b);
    const struct {
        size_t size, at;
        unsigned char byte;
        const char *part;
    } cases[] = {
        {0, SIZE_MAX, 0, "the longest token's length"},
        {3, SIZE_MAX, 0, "the longest token's length"},
        {4, SIZE_MAX, 0, "of 0 tokens"},
        {11, SIZE_MAX, 0, "ends within a token"},
        {17 + 13, SIZE_MAX, 0, "of 2 tokens"},
        {b.size - 1, SIZE_MAX, 0, "ends within a token"},
        {b.size, 0, 0, "the longest token's length"},
        {b.size, 2, 1, "the longest token's length"},
        {b.size, 0, 5, "longer than the longest"},
        {b.size, 8, 8, "longer than the longest"},
        {b.size, 11, 0x80, "longer than the longest"},
        {b.size, b.size - 3, 0xff, "longer than the longest"},
    };
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        char *copy = guarded(cases[i].size);
        ch_err e = {0};
        ch_tokenizer *t;
        memcpy(copy, b.data, cases[i].size);
        if (cases[i].at < cases[i].size)
            copy[cases[i].at] = (char)cases[i].byte;
        assert_fails(ch_token_from_llama2c(&t, (unsigned char *)copy, cases[i].size, "made", &e),
                     CH_EFORMAT, e, cases[i].part);
        assert_null(t);
        assert_false(ch_token_is_llama2c((unsigned char *)copy, cases[i].size));
        guarded_free(copy, cases[i].size);
    }
    /* A score that is no number. */
    ch_err e = {0};
    ch_tokenizer *t;
    memset(b.data + 4, 0xff, 4);
    assert_fails(ch_token_from_llama2c(&t, (unsigned char *)b.data, b.size, "made", &e),
                 CH_EFORMAT, e, "made: the score of token 0");
    ch_buf_close(&b);
}

/* Damaged at random: a sentence, or a tokenizer that works; never a crash. */
static void mutated(void **state)
{
    (void)state;
    ch_buf b;
    make(&b);
    char *copy = malloc(b.size);
    int opened = 0;
    for (uint64_t k = 0; k < 10000; k++) {
        size_t size = k % 4 == 0 ? (size_t)ch_rng_below(b.size, k, CH_RNG_TEST, 0, 0) : b.size;
        memcpy(copy, b.data, size);
        for (uint64_t i = 0; i < k % 5 && size > 0;
             i++) /* anywhere, or in the last tokens' numbers */
            copy[ch_rng_below(size, k, CH_RNG_TEST, 1, i)] =
                (char)ch_rng_below(256, k, CH_RNG_TEST, 2, i);
        ch_err e = {0};
        ch_tokenizer *t;
        int rc = ch_token_from_llama2c(&t, (unsigned char *)copy, size, "damaged", &e);
        assert_int_equal(rc < 0, t == NULL);
        if (rc < 0) {
            assert_non_null(strstr(e.text, "damaged"));
            continue;
        }
        opened++;
        ch_tokens ids = {0};
        char piece[64];
        rc = ch_tokenizer_encode(&ids, t, "<s> the thee \xff\xe2\x82", 16, (int)(k % 4), &e);
        for (size_t i = 0; i < ids.n; i++)
            assert_true(ids.id[i] >= 0 && ids.id[i] < ch_tokenizer_size(t));
        for (ch_token id = -2; id < ch_tokenizer_size(t) + 2; id += 13)
            ch_tokenizer_piece(piece, sizeof piece, t, id - 1, id);
        ch_tokens_free(&ids);
        ch_tokenizer_close(&t);
    }
    assert_true(opened > 1000);
    free(copy);
    ch_buf_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(refused),
        cmocka_unit_test(mutated),
    };
    return cmocka_run_group_tests_name("token/vocab_llama2c", tests, NULL, NULL);
}
