/* texts.c - tests of train/texts.c and train/corpus.c: from files to tokens
 *
 * SPDX-License-Identifier: MIT */
#include "nano.h"

static char *dir;

static int open_dir(void **state)
{
    (void)state;
    dir = temp_dir();
    return 0;
}

static int close_dir(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

/* A file in the directory; the path is good until the next call but three. */
static const char *put(const char *name, const char *bytes, size_t n)
{
    static char path[4][4096];
    static int next;
    ch_err e = {0};
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    char *slash = strrchr(p, '/');
    *slash = 0;
    assert_ok(ch_io_make_dir(p, &e), e);
    *slash = '/';
    assert_ok(ch_io_write_file(p, bytes, n, &e), e);
    return p;
}

static int load(ch_texts *t, const char *path, double held_out, ch_err *e)
{
    const ch_texts_options o = {.data = &path, .n_data = 1, .held_out = held_out};
    return ch_texts_load(t, &o, NULL, e);
}

#define PUT(name, text) put(name, text, sizeof text - 1)

static void expect(const ch_texts *t, size_t i, const char *text)
{
    assert_true(i < t->n);
    assert_int_equal(t->at[i].parts, 1);
    assert_int_equal(t->at[i].n, strlen(text));
    assert_int_equal(t->part[t->at[i].first].n, strlen(text));
    assert_memory_equal(t->part[t->at[i].first].bytes, text, strlen(text));
}

static void files_and_lines_are_documents(void **state)
{
    (void)state;
    ch_texts t;
    ch_err e = {0};
    PUT("b.txt", "second");
    PUT("a/z.md", "\xef\xbb\xbf"
                  "first, its mark gone");
    PUT("c.jsonl",
        "{\"text\": \"third \\u00e9\", \"id\": 1}\n\n  \r\n{\"text\": \"\"}\n"
        "{\"text\": \"a\\nb\"}");
    PUT("d.bin", "no \xff text");
    PUT("e.txt", "");
    PUT(".hidden", "not seen");
    assert_ok(load(&t, dir, -1, &e), e);
    assert_int_equal(t.n, 4);
    expect(&t, 0, "first, its mark gone");
    expect(&t, 1, "second");
    expect(&t, 2, "third \xc3\xa9");
    expect(&t, 3, "a\nb");
    assert_int_equal(t.skipped, 3); /* an empty text, d.bin, e.txt */
    assert_int_equal(t.bytes, 20 + 6 + 8 + 3);
    ch_texts_free(&t);
}

static void faults_are_sentences(void **state)
{
    (void)state;
    ch_texts t;
    ch_err e = {0};
    char empty[4096];
    snprintf(empty, sizeof empty, "%s/empty", dir);
    assert_ok(ch_io_make_dir(empty, &e), e);
    const struct {
        const char *path;
        int code;
        const char *says;
    } faults[] = {
        {"/nowhere/at/all", CH_EIO, "/nowhere/at/all"},
        {empty, CH_EFORMAT, "no text in"},
        {PUT("bad.txt", "good until \xc3\x28"), CH_EFORMAT, "not a UTF-8 text (byte 11 is 0xc3)"},
        {PUT("bad.jsonl", "{\"text\": \"x\"}\n{\"text\": \n"), CH_EFORMAT, "bad.jsonl, line 2"},
        {PUT("none.jsonl", "\n\"\"\n"), CH_EFORMAT, "no text in"},
        {PUT("cut.txt", "ends in \xe2\x82"), CH_EFORMAT, "not a UTF-8 text (byte 8"},
    };
    for (size_t i = 0; i < CH_COUNT(faults); i++) {
        assert_fails(load(&t, faults[i].path, 0.02, &e), faults[i].code, e,
                     faults[i].says);
        assert_true(t.n == 0 && t.at == NULL);
    }
}

/* The side of a document follows from its bytes alone, and the share is about what was asked for.
 * */
static void the_split_follows_content(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_buf lines;
    ch_buf_init(&lines, 1 << 20);
    for (int i = 0; i < 2000; i++)
        ch_buf_printf(&lines, "{\"text\": \"document %d\"}\n", i % 1000);
    const char *path = put("many.jsonl", lines.data, lines.size);
    ch_texts t;
    assert_ok(load(&t, path, 0.1, &e), e);
    int held = 0;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(t.at[i].held_out, t.at[i + 1000].held_out); /* copies stay together */
        held += t.at[i].held_out;
    }
    assert_true(held > 60 && held < 140);
    ch_texts_free(&t);
    ch_buf_close(&lines);
}

static void a_single_document_is_cut(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_texts t;
    const char *path = PUT("long.txt", "one\ntwo\nthree\nfour\nfive\nsix\nseven\n");
    assert_ok(load(&t, path, 0.4, &e), e);
    assert_int_equal(t.n, 2);
    assert_false(t.at[0].held_out);
    assert_true(t.at[1].held_out);
    expect(&t, 0, "one\ntwo\nthree\nfour\n");
    expect(&t, 1, "five\nsix\nseven\n");
    assert_int_equal(t.bytes, 34);
    ch_texts_free(&t);
    path = PUT("line.txt", "one line and nothing else");
    assert_ok(load(&t, path, 0.5, &e), e);
    assert_int_equal(t.n, 1); /* nothing to cut at: all of it is for training */
    assert_false(t.at[0].held_out);
    ch_texts_free(&t);
}

/* ---- Tokens --------------------------------------------------------------------------------- */

static ch_tokenizer *learn(const ch_texts *t, int specials)
{
    static const char *const names[] = {"<|endoftext|>"};
    const ch_bpe_options o = {.vocab = 256 + specials + 20,
                              .specials = names,
                              .n_special = specials,
                              .bos = specials - 1,
                              .eos = specials - 1};
    ch_bpe_trainer *bpe;
    ch_tokenizer *tk;
    ch_err e = {0};
    assert_ok(ch_bpe_trainer_open(&bpe, &o, &e), e);
    for (size_t i = 0; i < t->n; i++)
        assert_ok(ch_bpe_trainer_add(bpe, t->part[t->at[i].first].bytes, t->at[i].n, &e), e);
    assert_ok(ch_bpe_trainer_finish(&tk, bpe, &e), e);
    ch_bpe_trainer_close(&bpe);
    return tk;
}

static void check_corpus(const ch_corpus *c, const ch_texts *t, const ch_tokenizer *tk,
                         bool held_out)
{
    const ch_token begin = ch_tokenizer_bos(tk);
    int64_t document = 0, at = 0;
    ch_err e = {0};
    for (size_t i = 0; i < t->n; i++) {
        if (t->at[i].held_out != held_out)
            continue;
        ch_tokens ids = {0};
        assert_ok(ch_tokenizer_encode(&ids, tk, t->part[t->at[i].first].bytes, t->at[i].n, 0, &e), e);
        assert_int_equal(c->start[document++], at);
        if (begin >= 0)
            assert_int_equal(ch_corpus_token(c, at++), begin);
        for (size_t k = 0; k < ids.n; k++)
            assert_int_equal(ch_corpus_token(c, at++), ids.id[k]);
        ch_tokens_free(&ids);
    }
    assert_int_equal(c->documents, document);
    assert_int_equal(c->start[document], at);
    assert_int_equal(c->n, at);
    assert_int_equal(c->end, ch_tokenizer_eos(tk));
}

static void tokens_come_in_order(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_buf lines;
    ch_buf_init(&lines, 1 << 22);
    for (int i = 0; i < 3000; i++)
        ch_buf_printf(&lines, "{\"text\": \"%d is %s than %d\"}\n", i,
                      i % 7 ? "more" : "rather less", i * 5 % 77);
    const char *path = put("order.jsonl", lines.data, lines.size);
    ch_texts t;
    ch_hash128 first = {0, 0};
    assert_ok(load(&t, path, 0.1, &e), e);
    for (int specials = 0; specials < 2; specials++) {
        ch_tokenizer *tk = learn(&t, specials);
        for (int threads = 1; threads <= 3; threads++) {
            ch_corpus train, held;
            ch_pool *pool;
            assert_ok(ch_pool_open(&pool, threads, &e), e);
            assert_ok(ch_corpus_build(&train, &held, &t, tk, NULL, pool, &e), e);
            check_corpus(&train, &t, tk, false);
            check_corpus(&held, &t, tk, true);
            const ch_hash128 h = ch_corpus_hash(&train, pool);
            assert_true(threads == 1 || ch_hash_equal(h, first));
            assert_false(ch_hash_equal(h, ch_corpus_hash(&held, pool)));
            first = h;
            ch_corpus_free(&train);
            ch_corpus_free(&held);
            ch_pool_close(&pool);
        }
        ch_tokenizer_close(&tk);
    }
    ch_texts_free(&t);
    ch_buf_close(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_and_lines_are_documents, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(faults_are_sentences, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(the_split_follows_content, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(a_single_document_is_cut, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(tokens_come_in_order, open_dir, close_dir),
    };
    return cmocka_run_group_tests_name("train/texts", tests, NULL, NULL);
}
