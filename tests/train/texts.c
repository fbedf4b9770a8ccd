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

/* ---- Records, copies, texts that are held out by name ---------------------------------------- */

static void records_in_directories(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_texts t;
    PUT("in/a.json", "[\"a string\", {\"prompt\": \"who?\", \"response\": \"me\"}]");
    PUT("in/b.jsonl", "{\"text\": \"b\"}\n");
    PUT("in/c.txt", "[\"text, as it stands\"]");
    char in[4096];
    snprintf(in, sizeof in, "%s/in", dir);
    const char *const paths[] = {in};
    for (int mask = 0; mask < 2; mask++) {
        const ch_texts_options o = {.data = paths, .n_data = 1, .mask_prompts = mask};
        assert_ok(ch_texts_load(&t, &o, NULL, &e), e);
        assert_int_equal(t.n, 4);
        expect(&t, 0, "a string");
        expect(&t, 2, "b");
        expect(&t, 3, "[\"text, as it stands\"]");
        assert_int_equal(t.at[1].parts, 2);
        assert_int_equal(t.at[1].n, 6);
        const ch_part *p = t.part + t.at[1].first;
        assert_true(p[0].role == CH_ROLE_USER && p[1].role == CH_ROLE_ASSISTANT);
        assert_true(p[0].trains == !mask && p[1].trains);
        ch_texts_free(&t);
    }
    PUT("in/d.json", "{\"name\": \"no record\"}");
    assert_fails(load(&t, in, 0, &e), CH_EFORMAT, e, "in/d.json, line 1: an object with \"name\"");
}

/* Ten documents without lines: one is held out, the same one in any order. */
static void short_records_are_held_out_too(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_texts t;
    char held[2][16] = {"", ""};
    for (int order = 0; order < 2; order++) {
        ch_buf b;
        ch_buf_init(&b, 4096);
        for (int i = 0; i < 10; i++)
            ch_buf_printf(&b, "\"record %d\"\n", order ? 9 - i : i);
        const char *path = put("ten.jsonl", b.data, b.size);
        assert_ok(load(&t, path, 1e-9, &e), e);
        for (size_t i = 0; i < t.n; i++)
            if (t.at[i].held_out) {
                assert_string_equal(held[order], "");
                memcpy(held[order], t.part[t.at[i].first].bytes, t.at[i].n);
            }
        ch_texts_free(&t);
        ch_buf_close(&b);
    }
    assert_true(held[0][0] != 0);
    assert_string_equal(held[0], held[1]);
}

static void copies_are_counted_and_dropped(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_texts t;
    const char *const paths[] = {
        PUT("copies.jsonl", "\"one and two\"\n\" one\\nand  two\"\n\"three\"\n"
                            "\"one and two \"\n\"onea ndtwo\"\n\"Three\"\n")};
    for (int dedup = 0; dedup < 2; dedup++) {
        const ch_texts_options o = {.data = paths, .n_data = 1, .dedup = dedup};
        assert_ok(ch_texts_load(&t, &o, NULL, &e), e);
        assert_int_equal(t.duplicates.exact, 2);
        assert_int_equal(t.duplicates.exact_bytes, 13 + 12);
        assert_int_equal(t.n, dedup ? 4 : 6);
        assert_int_equal(t.dropped, dedup ? 2 : 0);
        expect(&t, 0, "one and two"); /* the first stays */
        expect(&t, dedup ? 1 : 2, "three");
        ch_texts_free(&t);
    }
}

static void add_words(ch_buf *b, uint64_t seed, int n)
{
    for (int i = 0; i < n; i++)
        ch_buf_printf(b, "%s%x", i ? " " : "",
                      (unsigned)ch_rng_below(1 << 20, seed, CH_RNG_TEST, 3, (uint64_t)i));
}

static void near_copies_are_counted(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_texts t;
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    for (uint64_t i = 0; i < 20; i++) { /* ten, and ten that share most or little with them */
        ch_buf_str(&b, "\"");
        add_words(&b, i % 10, i < 10 ? 300 : i % 2 ? 250 : 50);
        ch_buf_str(&b, " ");
        add_words(&b, 100 + i, i % 2 ? 50 : 250);
        ch_buf_str(&b, "\"\n");
    }
    assert_ok(load(&t, put("near.jsonl", b.data, b.size), 0, &e), e);
    assert_ok(ch_texts_near(&t, &e), e);
    assert_int_equal(t.duplicates.exact, 0);
#ifndef CH_HOSTILE /* a table of 64 sees little */
    assert_int_equal(t.duplicates.near, 5);
    assert_int_equal(t.duplicates.near_bytes,
                     t.at[11].n + t.at[13].n + t.at[15].n + t.at[17].n + t.at[19].n);
#endif
    ch_texts_free(&t);
    ch_buf_close(&b);
}

static void texts_for_validation_are_not_trained_on(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_texts t;
    PUT("books/a.txt", "the first book\n");
    PUT("books/b.txt", "the second book\n");
    PUT("books/c.txt", "the third book\n");
    char books[4096];
    snprintf(books, sizeof books, "%s/books", dir);
    const char *const data[] = {books};
    const char *const held[] = {PUT("held.txt", "the second\nbook")};
    ch_texts_options o = {.data = data, .n_data = 1, .validation = held, .n_validation = 1};
    assert_ok(ch_texts_load(&t, &o, NULL, &e), e);
    assert_int_equal(t.n, 3);
    assert_int_equal(t.excluded, 1);
    assert_true(!t.at[0].held_out && !t.at[1].held_out && t.at[2].held_out);
    expect(&t, 1, "the third book\n");
    expect(&t, 2, "the second\nbook");
    ch_texts_free(&t);
    o.validation = data;
    assert_fails(ch_texts_load(&t, &o, NULL, &e), CH_EFORMAT, e, "all 3 documents are held out");
    o.validation = (const char *const[]){PUT("nothing.txt", "")};
    assert_fails(ch_texts_load(&t, &o, NULL, &e), CH_EFORMAT, e, "nothing.txt, which is what");
    o.validation = (const char *const[]){"/nowhere/at/all"};
    assert_fails(ch_texts_load(&t, &o, NULL, &e), CH_EIO, e, "/nowhere/at/all");
}

static void weights_make_sources(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_texts t;
    char args[2][4200];
    snprintf(args[0], sizeof args[0], "%s=3", PUT("x.txt", "some text"));
    snprintf(args[1], sizeof args[1], "%s=1", PUT("y.jsonl", "\"y\"\n\"z\"\n"));
    const char *const paths[] = {args[0], args[1]};
    ch_texts_options o = {.data = paths, .n_data = 2};
    assert_ok(ch_texts_load(&t, &o, NULL, &e), e);
    assert_int_equal(t.sources, 2);
    assert_true(t.at[0].source == 0 && t.at[1].source == 1 && t.at[2].source == 1);
    ch_texts_free(&t);
    o.held_out = 0.999999; /* all of them, by their hashes */
    assert_ok(ch_texts_load(&t, &o, NULL, &e), e);
    bool trains[2] = {false};
    for (size_t i = 0; i < t.n; i++)
        trains[t.at[i].source] |= !t.at[i].held_out;
    assert_true(trains[0] && trains[1]);
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
        const char *bytes = t->part[t->at[i].first].bytes;
        assert_ok(ch_tokenizer_encode(&ids, tk, bytes, t->at[i].n, 0, &e), e);
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
        cmocka_unit_test_setup_teardown(records_in_directories, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(short_records_are_held_out_too, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(copies_are_counted_and_dropped, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(near_copies_are_counted, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(texts_for_validation_are_not_trained_on, open_dir,
                                        close_dir),
        cmocka_unit_test_setup_teardown(weights_make_sources, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(tokens_come_in_order, open_dir, close_dir),
    };
    return cmocka_run_group_tests_name("train/texts", tests, NULL, NULL);
}
