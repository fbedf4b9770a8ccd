/* tests/token/bpe_train.c - training against the textbook, which counts all pairs anew before
 * every merge
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "bpe_learn.h"
#include "small.h"
#include "vocab.h"

/* ---- The textbook ---- */

typedef struct naive {
    const ch_bpe_pieces *p;
    int first;        /* id of byte 0 */
    ch_token *id;     /* tokens of all pieces, one after another */
    size_t *from, *n; /* those of piece i: id[from[i] .. +n[i]) */
    char text[512][1024];
    size_t length[512];
    int words;
} naive;

static uint64_t occurrences(const naive *v, ch_token left, ch_token right)
{
    uint64_t count = 0;
    for (size_t i = 0; i < v->p->n; i++)
        for (size_t k = 0; k + 1 < v->n[i]; k++)
            if (v->id[v->from[i] + k] == left && v->id[v->from[i] + k + 1] == right)
                count += v->p->piece[i].count;
    return count;
}

static bool best_pair(const naive *v, ch_token *left, ch_token *right)
{
    uint64_t best = 0;
    for (size_t i = 0; i < v->p->n; i++)
        for (size_t k = 0; k + 1 < v->n[i]; k++) {
            ch_token a = v->id[v->from[i] + k], b = v->id[v->from[i] + k + 1];
            uint64_t count = occurrences(v, a, b);
            if (count > best || (count == best && (a < *left || (a == *left && b < *right)))) {
                best = count;
                *left = a;
                *right = b;
            }
        }
    return best > 0;
}

static void merge_all(naive *v, ch_token left, ch_token right, ch_token id)
{
    for (size_t i = 0; i < v->p->n; i++) {
        ch_token *t = v->id + v->from[i];
        size_t to = 0;
        for (size_t k = 0; k < v->n[i]; k++) {
            bool hit = k + 1 < v->n[i] && t[k] == left && t[k + 1] == right;
            t[to++] = hit ? id : t[k];
            k += hit;
        }
        v->n[i] = to;
    }
}

/* A new entry; never of a text that is one already. */
static ch_token word(naive *v, ch_token left, ch_token right)
{
    size_t n = v->length[left] + v->length[right];
    char *text = v->text[v->words];
    assert_true(n <= sizeof v->text[0]);
    memcpy(text, v->text[left], v->length[left]);
    memcpy(text + v->length[left], v->text[right], v->length[right]);
    v->length[v->words] = n;
    for (int i = v->first; i < v->words; i++)
        assert_false(v->length[i] == n && memcmp(v->text[i], text, n) == 0);
    return v->words++;
}

/* Learns the same merges, comparing each; returns the number of entries. */
static int compare(const ch_bpe_pieces *p, const ch_bpe_learned *l, int n_special, int vocab)
{
    naive *v = calloc(1, sizeof *v);
    *v = (naive){.p = p, .first = n_special, .words = n_special + 256};
    v->id = malloc((p->bytes + 1) * sizeof *v->id);
    v->from = malloc((p->n + 1) * sizeof *v->from);
    v->n = malloc((p->n + 1) * sizeof *v->n);
    for (size_t i = 0; i < p->n; i++) {
        v->from[i] = p->piece[i].at;
        v->n[i] = p->piece[i].n;
    }
    for (size_t i = 0; i < p->bytes; i++)
        v->id[i] = n_special + (unsigned char)p->text[i];
    for (int b = 0; b < 256; b++) {
        v->text[n_special + b][0] = (char)b;
        v->length[n_special + b] = 1;
    }
    ch_token left = -1, right = -1;
    while (v->words < vocab && best_pair(v, &left, &right)) {
        ch_token id = word(v, left, right);
        assert_true(id < l->words);
        const ch_bpe_word *got = &l->word[id];
        if (got->left != left || got->right != right)
            fail_msg("%d is (%d, %d), wanted (%d, %d)", id, got->left, got->right, left, right);
        assert_int_equal(got->n, v->length[id]);
        assert_memory_equal(got->p, v->text[id], got->n);
        merge_all(v, left, right, id);
    }
    int words = v->words;
    free(v->id);
    free(v->from);
    free(v->n);
    free(v);
    return words;
}

static int count(void *arg, const char *piece, size_t n, bool valid)
{
    (void)valid;
    return ch_bpe_pieces_add(arg, piece, n, NULL);
}

static void against_the_textbook(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_cutter *c;
    ch_cut_work *w;
    assert_ok(ch_cutter_open(&c, ch_pretokenizer_find("gpt-2", 5), &e), e);
    assert_ok(ch_cut_work_open(&w, &e), e);
    static const char *const letters[] = {"ab", "abc ", "aaab ", "abcde  ", "a", "ab\xff\n"};
    for (uint64_t k = 0; k < 40; k++) {
        char text[700];
        size_t n = k < 5 ? k : 20 + (size_t)ch_rng_below(680, k, CH_RNG_TEST, 0, 0);
        small_text(text, n, k, letters[k % CH_COUNT(letters)]);
        ch_bpe_pieces p = {0};
        assert_ok(ch_cutter_cut(c, w, text, n, true, count, &p, &e), e);
        ch_bpe_options o = {.vocab = 260 + (int)(k % 5) * 20, .n_special = (int)(k % 3)};
        static const char *const specials[] = {"<|a|>", "<|b|>"};
        o.specials = specials;
        ch_bpe_learned l;
        assert_ok(ch_bpe_learn(&l, &p, &o, &e), e);
        assert_int_equal(compare(&p, &l, o.n_special, o.vocab), l.words);
        ch_bpe_learned_close(&l);
        ch_bpe_pieces_close(&p);
    }
    ch_cut_work_close(&w);
    ch_cutter_close(&c);
}

/* ---- The interface ---- */

static void assert_equal_tokenizers(const ch_tokenizer *a, const ch_tokenizer *b)
{
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->at[a->n], b->at[b->n]);
    assert_memory_equal(a->text, b->text, a->at[a->n]);
    assert_int_equal(a->pairs.n, b->pairs.n);
    for (size_t i = 0; i < a->pairs.cap; i++) {
        const ch_pair *x = &a->pairs.slots[i];
        const ch_pair *y = x->left >= 0 ? ch_pairs_find(&b->pairs, x->left, x->right) : NULL;
        if (x->left >= 0)
            assert_true(y != NULL && y->rank == x->rank && y->id == x->id);
    }
}

/* Texts in another order, cut in the same places, give the same vocabulary. */
static void order_of_texts(void **state)
{
    (void)state;
    static const char *const parts[] = {"the cat sat on the mat\n", "a dog and a cat\n",
                                        "the theatre of dogs\n", "cats and mats and that\n"};
    ch_err e = {0};
    ch_tokenizer *t[2];
    for (int round = 0; round < 2; round++) {
        ch_bpe_options o = {.vocab = 280, .bos = -1, .eos = -1};
        ch_bpe_trainer *trainer;
        assert_ok(ch_bpe_trainer_open(&trainer, &o, &e), e);
        for (int i = 0; i < 4; i++) {
            const char *text = parts[round == 0 ? i : 3 - i];
            assert_ok(ch_bpe_trainer_add(trainer, text, strlen(text), &e), e);
        }
        assert_ok(ch_bpe_trainer_finish(&t[round], trainer, &e), e);
        ch_bpe_trainer_close(&trainer);
    }
    assert_equal_tokenizers(t[0], t[1]);
    assert_int_equal(ch_tokenizer_bos(t[0]), -1);
    assert_false(ch_tokenizer_adds_bos(t[0]));
    ch_tokenizer_close(&t[0]);
    ch_tokenizer_close(&t[1]);
}

static void what_is_trained(void **state)
{
    (void)state;
    ch_tokenizer *t = small_bpe(small_story, strlen(small_story), 290);
    size_t n;
    ch_err e = {0};
    ch_tokens ids = {0};
    assert_int_equal(ch_tokenizer_size(t), 290);
    assert_int_equal(ch_tokenizer_special(t, "<|end|>"), 0);
    assert_int_equal(ch_tokenizer_bos(t), 0);
    assert_true(ch_tokenizer_is_control(t, 0) && ch_tokenizer_is_end(t, 0));
    assert_memory_equal(ch_tokenizer_name(t, 1 + 'a', &n), "a", 1);
    assert_memory_equal(ch_tokenizer_name(t, 1 + ' ', &n), "\xc4\xa0", 2);
    assert_ok(ch_tokenizer_encode(&ids, t, "a<|end|>", 8, CH_ENCODE_BOS | CH_ENCODE_SPECIAL, &e),
              e);
    assert_int_equal(ids.n, 3);
    assert_int_equal(ids.id[0], 0);
    assert_int_equal(ids.id[1], 1 + 'a');
    assert_int_equal(ids.id[2], 0);
    ch_tokens_free(&ids);
    for (unsigned k = 0; k < 256; k++) { /* every byte comes back */
        char byte = (char)k, out[8];
        ids = (ch_tokens){0};
        assert_ok(ch_tokenizer_encode(&ids, t, &byte, 1, 0, &e), e);
        assert_int_equal(ids.n, 1);
        assert_int_equal(ids.id[0], 1 + (int)k);
        assert_int_equal(ch_tokenizer_piece(out, sizeof out, t, -1, ids.id[0]), 1);
        assert_int_equal(out[0], byte);
        ch_tokens_free(&ids);
    }
    ch_tokenizer_close(&t);
}

/* No merge makes the name of a special token. */
static void special_names_stay_free(void **state)
{
    (void)state;
    static const char *const specials[] = {"\xc4\xa0the", "the"};
    ch_bpe_options o = {
        .vocab = 256 + 2 + 8, .specials = specials, .n_special = 2, .bos = -1, .eos = -1};
    ch_bpe_trainer *trainer;
    ch_tokenizer *t;
    ch_err e = {0};
    ch_tokens ids = {0};
    assert_ok(ch_bpe_trainer_open(&trainer, &o, &e), e);
    assert_ok(ch_bpe_trainer_add(trainer, small_story, strlen(small_story), &e), e);
    assert_ok(ch_bpe_trainer_finish(&t, trainer, &e), e);
    assert_ok(ch_tokenizer_encode(&ids, t, "the the", 7, 0, &e), e);
    for (size_t i = 0; i < ids.n; i++)
        assert_false(ch_tokenizer_is_control(t, ids.id[i]));
    ch_tokens_free(&ids);
    ch_tokenizer_close(&t);
    ch_bpe_trainer_close(&trainer);
}

static void progress(void *arg, int done, int of)
{
    int *last = arg;
    assert_true(done >= last[0] && done <= of);
    last[0] = done;
    last[1] = of;
}

static void too_little_text(void **state)
{
    (void)state;
    int last[2] = {0};
    ch_bpe_options o = {.vocab = 300, .bos = -1, .eos = -1, .progress = progress, .arg = last};
    ch_bpe_trainer *trainer;
    ch_tokenizer *t;
    ch_err e = {0};
    assert_ok(ch_bpe_trainer_open(&trainer, &o, &e), e);
    assert_fails(ch_bpe_trainer_finish(&t, trainer, &e), CH_EARG, e, "the text gives only 256");
    assert_null(t);
    assert_ok(ch_bpe_trainer_add(trainer, "abcd abcd", 9, &e), e);
    assert_fails(ch_bpe_trainer_finish(&t, trainer, &e), CH_EARG, e, "the text gives only 260");
    assert_int_equal(last[0], 4);
    assert_int_equal(last[1], 44);
    last[0] = 0;
    assert_ok(ch_bpe_trainer_add(trainer, small_story, strlen(small_story), &e),
              e); /* more may follow */
    assert_ok(ch_bpe_trainer_finish(&t, trainer, &e), e);
    assert_int_equal(last[0], 44);
    ch_tokenizer_close(&t);
    ch_bpe_trainer_close(&trainer);
    ch_bpe_trainer_close(&trainer);
}

static void refused_options(void **state)
{
    (void)state;
    static const char *const twice[] = {"<a>", "<a>"}, *const byte[] = {"a"},
                             *const empty[] = {""}, *const broken[] = {"<\xff>"},
                             *const good[] = {"<a>"};
    const struct {
        ch_bpe_options o;
        const char *part;
    } cases[] = {
        {{.vocab = 256, .bos = -1, .eos = -1}, "257 to 65536"},
        {{.vocab = 65537, .bos = -1, .eos = -1}, "257 to 65536"},
        {{.vocab = 300, .n_special = -1}, "-1 special tokens"},
        {{.vocab = 65536, .n_special = 70000}, "70000 special tokens"},
        {{.vocab = 300, .specials = good, .n_special = 1, .bos = 1, .eos = 0}, "BOS 1"},
        {{.vocab = 300, .specials = good, .n_special = 1, .bos = 0, .eos = -2}, "EOS -2"},
        {{.vocab = 300, .specials = twice, .n_special = 2}, "twice"},
        {{.vocab = 300, .specials = byte, .n_special = 1}, "name of a byte"},
        {{.vocab = 300, .specials = empty, .n_special = 1}, "0 bytes"},
        {{.vocab = 300, .specials = broken, .n_special = 1}, "no UTF-8"},
    };
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        ch_bpe_trainer *trainer;
        ch_err e = {0};
        assert_fails(ch_bpe_trainer_open(&trainer, &cases[i].o, &e), CH_EARG, e, cases[i].part);
        assert_null(trainer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_the_textbook), cmocka_unit_test(order_of_texts),
        cmocka_unit_test(what_is_trained),      cmocka_unit_test(special_names_stay_free),
        cmocka_unit_test(too_little_text),      cmocka_unit_test(refused_options),
    };
    return cmocka_run_group_tests_name("token/bpe_train", tests, NULL, NULL);
}
