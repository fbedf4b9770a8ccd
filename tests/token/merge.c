/* tests/token/merge.c - the heap, and remembered pieces, against merging the slow way
 *
 * The slow way looks at every pair before every merge.  For SentencePiece it takes the whole text
 * as one piece, so that merging word by word is checked too.  SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "small.h"
#include "vocab.h"

typedef struct slow {
    const ch_tokenizer *t;
    ch_tokens ids;
} slow;

typedef struct part {
    size_t at, n;
    ch_token id;
} part;

/* Merges parts while any two neighbours may be; returns how many are left. */
static size_t merge_slowly(const ch_tokenizer *t, const char *text, part *p, size_t n)
{
    for (;;) {
        size_t best = n;
        uint32_t best_priority = 0;
        ch_token best_id = -1;
        for (size_t i = 0; i + 1 < n; i++) {
            uint32_t priority;
            ch_token id;
            if (t->kind->merges) {
                const ch_pair *pair = ch_pairs_find(&t->pairs, p[i].id, p[i + 1].id);
                if (pair == NULL)
                    continue;
                priority = pair->rank;
                id = pair->id;
            } else {
                id = ch_token_find(t, text + p[i].at, p[i].n + p[i + 1].n);
                if (id < 0)
                    continue;
                priority = t->order[id];
            }
            if (best == n || priority < best_priority) {
                best = i;
                best_priority = priority;
                best_id = id;
            }
        }
        if (best == n)
            return n;
        p[best].n += p[best + 1].n;
        p[best].id = best_id;
        memmove(p + best + 1, p + best + 2, (n - best - 2) * sizeof *p);
        n--;
    }
}

static int slow_piece(void *arg, const char *piece, size_t n, bool valid)
{
    (void)valid;
    slow *s = arg;
    part *p = malloc(n * sizeof *p);
    for (size_t i = 0; i < n; i++)
        p[i] = (part){i, 1, s->t->byte[(unsigned char)piece[i]]};
    n = merge_slowly(s->t, piece, p, n);
    assert_int_equal(ch_tokens_room(&s->ids, n, NULL), CH_OK);
    for (size_t i = 0; i < n; i++)
        s->ids.id[s->ids.n++] = p[i].id;
    free(p);
    return CH_OK;
}

static void assert_same(const ch_tokenizer *t, const char *text, size_t n, const ch_tokens *want)
{
    ch_err e = {0};
    ch_tokens got = {0};
    assert_ok(ch_tokenizer_encode(&got, t, text, n, 0, &e), e);
    assert_int_equal(got.n, want->n);
    if (want->n > 0)
        assert_memory_equal(got.id, want->id, want->n * sizeof *want->id);
    ch_tokens_free(&got);
}

static void bpe_fast_and_slow(void **state)
{
    (void)state;
    ch_err e = {0};
    char text[3000];
    static const char *const letters[] = {"ab ", "aaaaab", "abc\n \xff\xc3\xa9", "abcdefgh    '1"};
    small_text(text, sizeof text, 1, "abcab ");
    ch_tokenizer *t = small_bpe(text, sizeof text, 330);
    ch_cut_work *work;
    assert_ok(ch_cut_work_open(&work, &e), e);
    for (uint64_t k = 0; k < 60; k++) {
        size_t n = k < 40 ? 1 + (size_t)ch_rng_below(200, k, CH_RNG_TEST, 3, 0) : sizeof text;
        small_text(text, n, 100 + k, letters[k % CH_COUNT(letters)]);
        slow s = {.t = t};
        assert_ok(ch_cutter_cut(t->cutter, work, text, n, true, slow_piece, &s, &e), e);
        assert_same(t, text, n, &s.ids);
        ch_tokens_free(&s.ids);
    }
    ch_cut_work_close(&work);
    ch_tokenizer_close(&t);
}

/* A tokenizer.bin with these tokens after the bytes, spaces as llama2.c has them; scores[i] for
 * each. */
static ch_tokenizer *small_spm(const char *const *tokens, const float *scores, size_t n)
{
    ch_buf b;
    ch_err e = {0};
    ch_tokenizer *t;
    ch_buf_init(&b, 1 << 20);
    const uint32_t longest = 32;
    ch_buf_put(&b, &longest, 4);
    for (size_t i = 0; i < 259 + n; i++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)(i - 3) & 255);
        const char *p = i < 3 ? "<x>" : i < 259 ? name : tokens[i - 259];
        uint32_t length = (uint32_t)strlen(p);
        float score = i < 259 ? 0 : scores[i - 259];
        ch_buf_put(&b, &score, 4);
        ch_buf_put(&b, &length, 4);
        ch_buf_put(&b, p, length);
    }
    assert_ok(ch_token_from_llama2c(&t, (const unsigned char *)b.data, b.size, "small", &e), e);
    ch_buf_close(&b);
    return t;
}

static void slow_spm(slow *s, const char *text, size_t n)
{
    char *all = malloc(3 * (n + 1));
    part *p = malloc(3 * (n + 1) * sizeof *p);
    size_t size = 0, parts = 0;
    for (size_t i = 0; i < n + 1; i++) {
        char c = i == 0 ? ' ' : text[i - 1];
        memcpy(all + size, c == ' ' ? "\xe2\x96\x81" : &c, c == ' ' ? 3 : 1);
        size += c == ' ' ? 3 : 1;
    }
    for (size_t at = 0; at < size; at += p[parts++].n) {
        uint32_t cp;
        p[parts] = (part){at, (size_t)CH_MAX(ch_utf8_read(&cp, all + at, size - at), 1), -1};
        p[parts].id = ch_token_find(s->t, all + at, p[parts].n);
    }
    parts = merge_slowly(s->t, all, p, parts);
    assert_int_equal(ch_tokens_room(&s->ids, size, NULL), CH_OK);
    for (size_t i = 0; i < parts; i++)
        for (size_t k = 0; k < (p[i].id >= 0 ? 1 : p[i].n); k++)
            s->ids.id[s->ids.n++] =
                p[i].id >= 0 ? p[i].id : s->t->byte[(unsigned char)all[p[i].at + k]];
    free(all);
    free(p);
}

static void check_spm(const ch_tokenizer *t)
{
    static const char *const letters[] = {"ab ", "abc   ", "abcd\xff\xc3\xa9 ", "aaab",
                                          "ab\xe2\x96\x81 "};
    char text[2000];
    for (uint64_t k = 0; k < 60; k++) {
        size_t n = k < 40 ? 1 + (size_t)ch_rng_below(200, k, CH_RNG_TEST, 3, 0) : sizeof text;
        small_text(text, n, 200 + k, letters[k % CH_COUNT(letters)]);
        slow s = {.t = t};
        slow_spm(&s, text, n);
        assert_same(t, text, n, &s.ids);
        ch_tokens_free(&s.ids);
    }
}

static void spm_fast_and_slow(void **state)
{
    (void)state;
    /* "cd" can be made although "d" is no token; equal scores meet; a score may be -0. */
    static const char *const tokens[] = {" ",   "a",  "b",  "c",  "ab",  "ba",   " a",
                                         " ab", "  ", "aa", "cd", "aab", "abab", "\xc3\xa9"};
    static const float scores[] = {-9, -9, -9, -9, -1, -1, -2, -3, -2, -0.0f, 0, -5, 1, -1};
    ch_tokenizer *t = small_spm(tokens, scores, CH_COUNT(tokens));
    assert_true(ch_token_words_apart(t));
    check_spm(t);
    ch_tokenizer_close(&t);
}

/* Tokens that reach over the start of a word forbid taking words one by one. */
static void spm_over_words(void **state)
{
    (void)state;
    static const char *const tokens[] = {" ", "a", "b", " a", "b a", "a ", "ab"};
    static const float scores[] = {-9, -9, -9, -3, -1, -2, -2};
    ch_tokenizer *t = small_spm(tokens, scores, CH_COUNT(tokens));
    assert_false(ch_token_words_apart(t));
    check_spm(t);
    ch_tokenizer_close(&t);
}

/* Long texts without a place to cut take time in proportion (or this test would not end), and come
 * back whole. */
static void long_pieces(void **state)
{
    (void)state;
    const size_t n = 1 << 18;
    static const char *const letters[] = {"a", "ab", " ", "the", "\xff"};
    static const char *const tokens[] = {" ", "a", "b", "ab", "aa", "aaaa", "  "};
    static const float scores[] = {-9, -9, -9, -3, -1, -2, -2};
    ch_tokenizer *both[] = {small_bpe(small_story, strlen(small_story), 300),
                            small_spm(tokens, scores, CH_COUNT(tokens))};
    char *text = malloc(n);
    for (size_t k = 0; k < 2 * CH_COUNT(letters); k++) {
        ch_err e = {0};
        ch_tokens ids = {0};
        size_t bytes = 0;
        small_text(text, n, k, letters[k / 2]);
        assert_ok(ch_tokenizer_encode(&ids, both[k % 2], text, n, 0, &e), e);
        for (size_t i = 0; i < ids.n; i++) {
            char piece[64];
            int size = ch_tokenizer_piece(piece, sizeof piece, both[k % 2],
                                          i > 0 ? ids.id[i - 1] : -1, ids.id[i]);
            assert_memory_equal(piece, text + bytes, (size_t)size);
            bytes += (size_t)size;
        }
        assert_int_equal(bytes, n);
        ch_tokens_free(&ids);
    }
    free(text);
    ch_tokenizer_close(&both[0]);
    ch_tokenizer_close(&both[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bpe_fast_and_slow),
        cmocka_unit_test(spm_fast_and_slow),
        cmocka_unit_test(spm_over_words),
        cmocka_unit_test(long_pieces),
    };
    return cmocka_run_group_tests_name("token/merge", tests, NULL, NULL);
}
