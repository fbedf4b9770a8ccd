/* token_cache.c - tests of train/token_cache.c: made once, found again, never trusted
 *
 * SPDX-License-Identifier: MIT */
#include "nano.h"

#include <sys/stat.h>

static char *dir, path[4096];
static ch_tokenizer *tk;
static ch_texts texts;

static void write_lines(int documents)
{
    ch_err e = {0};
    ch_buf b;
    ch_buf_init(&b, 1 << 22);
    for (int i = 0; i < documents; i++)
        ch_buf_printf(&b, "{\"prompt\": \"how much is %d and %d?\", \"response\": \"%d\"}\n", i,
                      i % 9, i + i % 9);
    snprintf(path, sizeof path, "%s/data.jsonl", dir);
    assert_ok(ch_io_write_file(path, b.data, b.size, &e), e);
    ch_buf_close(&b);
}

static void load(bool mask)
{
    ch_err e = {0};
    const char *const data[] = {path};
    const ch_texts_options o = {.data = data, .n_data = 1, .held_out = 0.1, .mask_prompts = mask};
    ch_texts_free(&texts);
    assert_ok(ch_texts_load(&texts, &o, NULL, &e), e);
}

static int open_all(void **state)
{
    static const char *const names[] = {"<|endoftext|>"};
    const ch_bpe_options o = {.vocab = 290, .specials = names, .n_special = 1};
    ch_bpe_trainer *bpe;
    ch_err e = {0};
    (void)state;
    dir = temp_dir();
    write_lines(300);
    load(true);
    assert_ok(ch_bpe_trainer_open(&bpe, &o, &e), e);
    for (size_t i = 0; i < texts.parts; i++)
        assert_ok(ch_bpe_trainer_add(bpe, texts.part[i].bytes, texts.part[i].n, &e), e);
    assert_ok(ch_bpe_trainer_finish(&tk, bpe, &e), e);
    ch_bpe_trainer_close(&bpe);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    ch_tokenizer_close(&tk);
    ch_texts_free(&texts);
    temp_dir_remove(dir);
    return 0;
}

/* Gets the tokens by way of the cache, compares them with those made directly; the note says
 * `says`, or nothing where it is NULL. */
static void get(const char *says)
{
    ch_err e = {0};
    ch_corpus train, held, train_again, held_again;
    ch_mapping map;
    char note[CH_NOTE_SIZE];
    assert_ok(ch_corpus_build(&train, &held, &texts, tk, NULL, NULL, &e), e);
    assert_ok(ch_token_cache_get(&train_again, &held_again, &map, &texts, tk, NULL, dir, NULL,
                                 note, &e),
              e);
    if (says ? !strstr(note, says) : *note != 0)
        fail_msg("the note is \"%s\", wanted \"%s\"", note, says ? says : "");
    assert_true(train_again.mapped && held_again.mapped && map.size > 0);
    assert_true(ch_hash_equal(ch_corpus_hash(&train, NULL), ch_corpus_hash(&train_again, NULL)));
    assert_true(ch_hash_equal(ch_corpus_hash(&held, NULL), ch_corpus_hash(&held_again, NULL)));
    assert_int_equal(train.targets, train_again.targets);
    for (int64_t i = 0; i < train.n; i++) {
        assert_int_equal(ch_corpus_token(&train, i), ch_corpus_token(&train_again, i));
        assert_int_equal(ch_corpus_trains(&train, i), ch_corpus_trains(&train_again, i));
    }
    ch_corpus_free(&train_again);
    ch_corpus_free(&held_again);
    ch_io_unmap(&map);
    ch_corpus_free(&train);
    ch_corpus_free(&held);
}

/* The cache files in dir: their number, and the path of the first. */
static size_t caches(char *first)
{
    ch_err e = {0};
    char **files;
    size_t n, found = 0;
    assert_ok(ch_io_list(&files, &n, dir, &e), e);
    for (size_t i = 0; i < n; i++)
        if (strstr(files[i], "/tokens-") && found++ == 0)
            snprintf(first, sizeof path, "%s", files[i]);
    ch_io_free_list(files, n);
    return found;
}

static void made_once(void **state)
{
    (void)state;
    char first[4096];
    get(NULL);
    assert_int_equal(caches(first), 1);
    struct stat before, after;
    assert_int_equal(stat(first, &before), 0);
    get(NULL);
    get(NULL);
    assert_int_equal(stat(first, &after), 0);
    assert_true(before.st_ino == after.st_ino); /* read, not written again */
    load(false); /* other masks, another file */
    get(NULL);
    assert_int_equal(caches(first), 2);
    write_lines(301);
    load(false); /* other texts */
    get(NULL);
    assert_int_equal(caches(first), 3);
}

static void damage_is_found(void **state)
{
    (void)state;
    skip_one_thread();
    char first[4096];
    ch_err e = {0};
    get(NULL);
    assert_int_equal(caches(first), 1);
    ch_buf good;
    ch_buf_init(&good, 1 << 24);
    assert_ok(ch_io_read_file(&good, first, &e), e);
    for (size_t i = 0; i < 400; i++) { /* each byte of the header and the sections, and others */
        const size_t at = i < 250 ? i : ch_rng_below(good.size, 3, CH_RNG_TEST, 1, i);
        good.data[at] ^= (char)(1 << i % 8);
        assert_ok(ch_io_write_file(first, good.data, good.size, &e), e);
        get("is damaged: the texts are tokenized again");
        good.data[at] ^= (char)(1 << i % 8);
        get(NULL);
    }
    static const size_t sizes[] = {0, 1, 7, 8, 60, 87, 88, 200, 1000};
    for (size_t i = 0; i < CH_COUNT(sizes) + 2; i++) {
        const size_t n = i < CH_COUNT(sizes) ? sizes[i] : good.size - 8 * (i & 1) - 1;
        assert_ok(ch_io_write_file(first, good.data, n, &e), e);
        get("is damaged");
    }
    ch_buf_put(&good, "\0\0\0\0\0\0\0", 8);
    assert_ok(ch_io_write_file(first, good.data, good.size, &e), e);
    get("is damaged");
    memset(good.data + 32, 0xff, good.size - 32);
    assert_ok(ch_io_write_file(first, good.data, good.size, &e), e);
    get("is damaged");
    ch_buf_close(&good);
}

static void a_place_that_cannot_be_written(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_corpus train, held;
    ch_mapping map;
    char note[CH_NOTE_SIZE];
    assert_ok(ch_token_cache_get(&train, &held, &map, &texts, tk, NULL, "/proc/nowhere", NULL,
                                 note, &e),
              e);
    assert_non_null(strstr(note, "tokens are not kept: cannot create /proc/nowhere/tokens-"));
    assert_true(!train.mapped && map.size == 0 && train.n > 0);
    ch_corpus_free(&train);
    ch_corpus_free(&held);
}

/* The prompt is seen and not predicted; what ends the document is. */
static void masks_reach_the_targets(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_corpus train, held;
    ch_batch b;
    enum { LENGTH = 64 };
    assert_ok(ch_corpus_build(&train, &held, &texts, tk, NULL, NULL, &e), e);
    assert_non_null(train.trains);
    assert_ok(ch_batch_open(&b, 1, LENGTH, &e), e);
    int64_t targets = 0, ends = 0;
    const int64_t S = (train.n + LENGTH - 1) / LENGTH;
    for (int64_t leaf = 0; leaf < S; leaf++) {
        ch_batch_fill(&b, &train, 1, 1, LENGTH, leaf);
        targets += b.targets;
        for (int t = 0; t < LENGTH; t++) {
            char piece[64] = "";
            if (b.target[t] >= 0 && b.target[t] != train.end)
                ch_tokenizer_piece(piece, sizeof piece, tk, -1, b.target[t]);
            ends += b.target[t] == train.end;
            assert_int_equal(strspn(piece, "0123456789"), strlen(piece)); /* responses are */
        }
    }
    assert_int_equal(targets, train.targets);
    assert_int_equal(ends, train.documents);
    assert_true(targets < train.n / 2 && targets > train.documents);
    ch_batch_close(&b);
    ch_corpus_free(&train);
    ch_corpus_free(&held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(made_once, open_all, close_all),
        cmocka_unit_test_setup_teardown(damage_is_found, open_all, close_all),
        cmocka_unit_test_setup_teardown(a_place_that_cannot_be_written, open_all, close_all),
        cmocka_unit_test_setup_teardown(masks_reach_the_targets, open_all, close_all),
    };
    return cmocka_run_group_tests_name("train/token_cache", tests, NULL, NULL);
}
