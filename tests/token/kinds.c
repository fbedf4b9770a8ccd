/* tests/token/kinds.c - Unigram against all cuttings, WordPiece, BPE over characters
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "small.h"
#include "vocab.h"

static ch_tokenizer *open_json(const char *text)
{
    char *dir = temp_dir(), *path = ch_io_join(dir, "tokenizer.json");
    ch_err e = {0};
    ch_tokenizer *t;
    assert_ok(ch_io_write_file(path, text, strlen(text), &e), e);
    assert_ok(ch_tokenizer_open(&t, path, NULL, &e), e);
    free(path);
    temp_dir_remove(dir);
    return t;
}

static void assert_ids(const ch_tokenizer *t, const char *text, const char *want, int flags)
{
    ch_err e = {0};
    ch_tokens ids = {0};
    ch_buf b;
    ch_buf_init(&b, 1 << 16);
    ch_buf_put(&b, "", 0);
    assert_ok(ch_tokenizer_encode(&ids, t, text, strlen(text), flags, &e), e);
    for (size_t i = 0; i < ids.n; i++)
        ch_buf_printf(&b, "%s%d", i ? " " : "", ids.id[i]);
    assert_string_equal(b.data != NULL ? b.data : "", want);
    ch_buf_close(&b);
    ch_tokens_free(&ids);
}

static void assert_text(const ch_tokenizer *t, const ch_token *id, size_t n, const char *want)
{
    ch_buf b;
    ch_buf_init(&b, 1 << 16);
    ch_buf_put(&b, "", 0);
    for (size_t i = 0; i < n; i++)
        assert_true(ch_tokenizer_append(&b, t, i > 0 ? id[i - 1] : -1, id[i]));
    assert_string_equal(b.data != NULL ? b.data : "", want);
    ch_buf_close(&b);
}

/* ---- Unigram ---- */

#define UNIGRAM(pre)                                                                              \
    "{\"added_tokens\":[{\"id\":0,\"content\":\"<unk>\",\"special\":true}],\"pre_tokenizer\":" pre \
    ",\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\",\"prepend_scheme\":"   \
    "\"always\"},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],"          \
    "[\"a\",-2.5],[\"b\",-2.25],[\"ab\",-4],[\"ba\",-4.125],[\"aba\",-5.5],[\"abab\",-9],"        \
    "[\"bb\",-7],[\"\xe2\x96\x81\",-3],[\"\xe2\x96\x81" "a\",-3.5],[\"c\xc3\xa9\",-1]]}}"
#define META \
    "{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\",\"prepend_scheme\":\"always\"}"

/* The best sum over all ways to cut text into names or unknown characters. */
static double best_sum(const ch_tokenizer *t, const char *text, size_t n)
{
    if (n == 0)
        return 0;
    double best = -HUGE_VAL;
    bool single = false;
    uint32_t cp;
    const size_t size = (size_t)CH_MAX(ch_utf8_read(&cp, text, n), 1);
    for (size_t k = 1; k <= n && k <= t->longest; k++) {
        const ch_token id = ch_token_find(t, text, k);
        if (id < 0)
            continue;
        single = single || k == size;
        best = fmax(best, (double)t->score[id] + best_sum(t, text + k, n - k));
    }
    return single ? best : fmax(best, t->unknown_score + best_sum(t, text + size, n - size));
}

static void unigram(void **state)
{
    (void)state;
    ch_tokenizer *t = open_json(UNIGRAM("null"));
    char text[13];
    for (uint64_t seed = 0; seed < 300; seed++) {
        ch_err e = {0};
        ch_tokens ids = {0};
        const size_t n = 1 + seed % sizeof text;
        double sum = 0;
        small_text(text, n, seed, seed % 3 ? "ab" : "abc\xc3\xa9");
        assert_ok(ch_tokenizer_encode(&ids, t, text, n, 0, &e), e);
        for (size_t i = 0, at = 0; i < ids.n; i++) {
            size_t length;
            const char *name = ch_token_name(t, ids.id[i], &length);
            if (ids.id[i] == 0) { /* as many characters as fit: counted below by the rest */
                sum = (double)NAN;
                break;
            }
            assert_memory_equal(text + at, name, length);
            at += length;
            sum += (double)t->score[ids.id[i]];
        }
        if (!isnan(sum))
            assert_true(fabs(sum - best_sum(t, text, n)) < 1e-9);
        ch_tokens_free(&ids);
    }
    assert_ids(t, "ababa", "3 5", 0);
    assert_ids(t, "c", "0", 0);
    assert_ids(t, "xyzax", "0 1 0", 0);
    assert_ids(t, "<unk>", "0", 0);
    ch_tokenizer_close(&t);
}

static void metaspace(void **state)
{
    (void)state;
    ch_tokenizer *t = open_json(UNIGRAM(META));
    assert_ids(t, "a ab", "9 9 2", 0);
    assert_ids(t, "  a", "8 9", 0);
    assert_ids(t, "<unk>a<unk>a", "0 9 0 9", CH_ENCODE_SPECIAL);
    assert_text(t, (const ch_token[]){9, 9, 2}, 3, "a ab");
    ch_tokenizer_close(&t);
    t = open_json(UNIGRAM("{\"type\":\"Metaspace\","
                          "\"replacement\":\"\xe2\x96\x81\",\"prepend_scheme\":"
                          "\"first\"}"));
    assert_ids(t, "a<unk>a a", "9 0 1 9", CH_ENCODE_SPECIAL);
    ch_tokenizer_close(&t);
    t = open_json(UNIGRAM("{\"type\":\"Metaspace\","
                          "\"replacement\":\"\xe2\x96\x81\",\"add_prefix_space\":"
                          "false}"));
    assert_ids(t, "a a", "1 9", 0);
    ch_tokenizer_close(&t);
}

/* ---- WordPiece ---- */

static const char words[] =
    "{\"added_tokens\":[{\"id\":0,\"content\":\"[UNK]\",\"special\":true},{\"id\":1,\"content\":"
    "\"[CLS]\",\"special\":true},{\"id\":2,\"content\":\"[SEP]\",\"special\":true},{\"id\":9,"
    "\"content\":\"[X]\",\"special\":false,\"single_word\":true}],"
    "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"
    "\"strip_accents\":null,\"lowercase\":true},"
    "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
    "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",2],\"cls\":[\"[CLS]\",1]},"
    "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},"
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","
    "\"continuing_subword_prefix\":\"##\","
    "\"max_input_chars_per_word\":100,\"vocab\":{\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2,\"un\":3,"
    "\"##aff\":4,\"##able\":5,\",\":6,\"\xe4\xb8\xad\":7,\"##a\":8,\"[X]\":9,\"a\":10}}}";

static void wordpiece(void **state)
{
    (void)state;
    ch_tokenizer *t = open_json(words);
    char long_word[300];
    assert_ids(t, "unaffable,UN", "3 4 5 6 3", 0);
    assert_ids(t, "\xc3\x9cn\xc3\xa1" "ff\t un\x01" "a \xe2\x80\x8b", "3 4 3 8", 0);
    assert_ids(t, "\xe4\xb8\xad\xe4\xb8\xad" "a\xff", "7 7 10", 0);
    assert_ids(t, "unx un", "0 3", 0);
    assert_ids(t, "[X] a[X]a", "9 10 0 0 0 10", 0); /* not within words: [ x ] */
    assert_ids(t, "[CLS]", "0 0 0", 0);
    assert_ids(t, "un", "1 3", CH_ENCODE_BOS);
    memset(long_word, 'a', sizeof long_word);
    long_word[101] = 0;
    assert_ids(t, long_word, "0", 0);
    long_word[3] = 0;
    assert_ids(t, long_word, "10 8 8", 0);
    assert_text(t, (const ch_token[]){3, 4, 5, 6, 10}, 5, "unaffable, a");
    ch_tokenizer_close(&t);
}

/* ---- BPE over characters; added tokens ---- */

static const char chars_json[] =
    "{\"added_tokens\":[{\"id\":0,\"content\":\"<unk>\",\"special\":true},"
    "{\"id\":9,\"content\":\"<l>\",\"special\":false,\"lstrip\":true,\"normalized\":false},"
    "{\"id\":10,\"content\":\"<r>\",\"special\":true,\"rstrip\":true,\"normalized\":false},"
    "{\"id\":11,\"content\":\"b b\",\"special\":false,\"normalized\":true}],"
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":"
    "\"\xe2\x96\x81\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
    "\"content\":\"\xe2\x96\x81\"}]},"
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":"
    "{\"String\":"
    "\"\xe2\x96\x81\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},"
    "{\"type\":\"Fuse\"},{\"type\":"
    "\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]},"
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"fuse_unk\":true,\"vocab\":{\"<unk>\":0,"
    "\"\xe2\x96\x81\":1,\"a\":2,\"b\":3,\"ab\":4,\"\xe2\x96\x81" "a\":5,"
    "\"aa\":6,\"<0x41>\":7,\"aab\":8},"
    "\"merges\":[\"a b\",\"\xe2\x96\x81 a\",\"a a\",[\"a\",\"ab\"]]}}";

static void chars(void **state)
{
    (void)state;
    ch_tokenizer *t = open_json(chars_json);
    assert_ids(t, "a ab aab", "5 1 4 5 4", 0);
    assert_ids(t, "axya", "5 0 2", 0);
    assert_ids(t, "a \n <l> a", "5 9 1 5", 0);
    assert_ids(t, "a<r>  \na", "5 10 5", CH_ENCODE_SPECIAL);
    assert_ids(t, "<r>", "1 0", 0); /* text stays text */
    assert_text(t, (const ch_token[]){5, 1, 4}, 3, "a ab");
    ch_tokenizer_close(&t);
}

static void assert_span_ids(const ch_tokenizer *t, const char *text, size_t a, size_t b, int flags)
{
    const ch_token_span span[] = {{a, true}, {b, false}, {strlen(text) - a - b, true}};
    ch_tokens got = {0}, want = {0};
    ch_err e = {0};
    assert_ok(ch_tokenizer_encode_spans(&got, t, text, span, 3, &e), e);
    assert_ok(ch_tokenizer_encode(&want, t, text, strlen(text), flags, &e), e);
    assert_int_equal(got.n, want.n);
    assert_memory_equal(got.id, want.id, want.n * sizeof *want.id);
    ch_tokens_free(&got);
    ch_tokens_free(&want);
}

static void assert_spans(const ch_tokenizer *t, const char *text, size_t a, size_t b,
                         const char *want)
{
    const ch_token_span span[] = {{a, true}, {b, false}, {strlen(text) - a - b, true}};
    char got[256] = "";
    ch_tokens ids = {0};
    ch_err e = {0};
    assert_ok(ch_tokenizer_encode_spans(&ids, t, text, span, 3, &e), e);
    for (size_t i = 0, at = 0; i < ids.n && at < sizeof got; i++)
        at += (size_t)snprintf(got + at, sizeof got - at, "%s%d", i ? " " : "", ids.id[i]);
    assert_string_equal(got, want);
    ch_tokens_free(&ids);
}

#define USERS                                                                                     \
    "{\"added_tokens\":[{\"id\":0,\"content\":\"<unk>\",\"special\":true},"                       \
    "{\"id\":4,\"content\":\"<t>\",\"special\":false,\"normalized\":false},"                      \
    "{\"id\":6,\"content\":\"a<t\",\"special\":false,\"normalized\":false}],\"normalizer\":null,"
#define USERS_BPE                                                                                 \
    "\"vocab\":{\"<unk>\":0,\"<\":1,\"t\":2,\">\":3,\"<t>\":4,\"a\":5,\"a<t\":6,\"<t\":7},"       \
    "\"merges\":[\"< t\",\"<t >\"]}}"
#define BYTE_LEVEL "\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false"

/* No algorithm makes of data what is looked for in trusted text only; a plain name that begins in
 * data takes nothing of a trusted token. */
static void spans_of_users(void **state)
{
    (void)state;
    static const struct {
        const char *json, *data, *apart;
    } rows[] = {
        {USERS "\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\","
               "\"prepend_scheme\":\"never\"},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,"
               "\"vocab\":[[\"<unk>\",0],[\"<\",-1],[\"t\",-1],[\">\",-1],[\"<t>\",-1],"
               "[\"a\",-1],[\"a<t\",-9]]}}", "1 2 3", "5 4"},
        {USERS "\"pre_tokenizer\":{" BYTE_LEVEL "},\"decoder\":{\"type\":\"ByteLevel\"},"
               "\"model\":{\"type\":\"BPE\"," USERS_BPE, "7 3", "5 4"},
        {USERS "\"pre_tokenizer\":{" BYTE_LEVEL "},\"decoder\":{\"type\":\"ByteLevel\"},"
               "\"model\":{\"type\":\"BPE\",\"ignore_merges\":true," USERS_BPE, "7 3", "5 4"},
        {USERS "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\","
               "\"pattern\":{\"String\":\"\xe2\x96\x81\"},\"content\":\" \"},"
               "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}]},"
               "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\"," USERS_BPE, "7 3", "5 4"},
    };
    for (size_t i = 0; i < CH_COUNT(rows); i++) {
        ch_tokenizer *t = open_json(rows[i].json);
        assert_ids(t, "<t>", "4", 0); /* of one origin: as everywhere */
        assert_spans(t, "<t>", 0, 3, "4");
        assert_spans(t, "<t>", 0, 0, rows[i].data);
        assert_spans(t, "<t>", 1, 2, rows[i].data);
        assert_spans(t, "<t>", 0, 2, rows[i].data);
        assert_spans(t, "a<t>", 0, 0, "6 3");
        assert_spans(t, "a<t>", 0, 4, "6 3");
        assert_spans(t, "a<t>", 1, 3, rows[i].apart);
        assert_spans(t, "a<t>a<t>", 5, 3, "6 3 5 4");
        ch_tokenizer_close(&t);
    }
}

static void what_is_markup(void **state)
{
    (void)state;
    static const char *const yes[] = {"<a>", "</s>", "<|x|>", "<1>", "[INST]", "[/x]", "\n<a>\n\n",
                                      "\xe2\x96\x81<a>", "<\xef\xbd\x9cU\xef\xbd\x9c>", "|a|"};
    static const char *const no[] = {"<", "<>", "< >", "[1]", "[]", "\n\n", "  ", "a>", "<a", "a",
                                     "\xe2\x96\x81", "<<<>>>", "|", "||"};
    const size_t n = CH_COUNT(yes) + CH_COUNT(no);
    ch_tokenizer *t;
    ch_err e = {0};
    assert_ok(ch_token_new(&t, ch_token_kind_find("gpt2", 4), n, 400, &e), e);
    for (size_t i = 0; i < n; i++) {
        const char *name = i < CH_COUNT(yes) ? yes[i] : no[i - CH_COUNT(yes)];
        ch_token_add(t, (ch_token)i, name, strlen(name), CH_TOKEN_USER, 0);
        if (ch_token_is_markup(t, (ch_token)i) != (i < CH_COUNT(yes)))
            fail_msg("\"%s\"", name);
        t->type[i] = CH_TOKEN_NORMAL;
        assert_false(ch_token_is_markup(t, (ch_token)i));
    }
    ch_tokenizer_close(&t);
}

/* A special token is one where all of it is of one piece without data; where it is looked for in
 * normalized text, that nobody can tell byte by byte: all that was normalized has to be. */
static void spans(void **state)
{
    (void)state;
    char json[sizeof chars_json];
    memcpy(json, chars_json, sizeof json);
    ch_tokenizer *t = open_json(json);
    assert_span_ids(t, "a <r>  a", 2, 3, CH_ENCODE_SPECIAL);
    assert_span_ids(t, "a <r>  a", 0, 8, CH_ENCODE_SPECIAL);
    assert_span_ids(t, "a <r>  a", 2, 2, 0);
    assert_span_ids(t, "a <r>  a", 3, 5, 0);
    assert_spans(t, "a <l> a", 0, 0, "5 1 0 5"); /* markup, as if it were special */
    assert_spans(t, "a <l> a", 0, 7, "5 9 1 5");
    assert_spans(t, "a <l> a", 2, 3, "5 9 1 5");
    assert_spans(t, "a <l> a", 2, 2, "5 1 0 5");
    assert_span_ids(t, "ab ba", 0, 0, 0); /* b b: found in any text */
    ch_tokenizer_close(&t);
    char *r = strstr(strstr(json, "<r>"), "false");
    memcpy(r, "true ", 5); /* <r>: normalized */
    t = open_json(json);
    assert_span_ids(t, "a<r>a", 0, 5, CH_ENCODE_SPECIAL);
    assert_span_ids(t, "a<r>a", 1, 3, 0);
    assert_span_ids(t, "a<r>a", 0, 4, 0);
    ch_tokenizer_close(&t);
}

/* What a hostile file may ask for ends with a sentence. */
static void bounded(void **state)
{
    (void)state;
    ch_buf b;
    ch_err e = {0};
    ch_tokenizer *t;
    ch_tokens ids = {0};
    char *text = malloc(200000);
    memset(text, 'a', 200000);
    ch_buf_init(&b, 1 << 20);
    ch_buf_str(&b, "{\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\"},"
                   "\"normalizer\":"
                   "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"");
    ch_buf_put(&b, text, 1000);
    ch_buf_str(&b, "\"},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0]");
    for (int i = 0; i < 5000; i++) /* one name, again and again */
        ch_buf_str(&b, ",[\"a\",-1]");
    ch_buf_str(&b, "]}}");
    assert_ok(ch_token_from_json(&t, b.data, b.size, "x", &e), e);
    assert_int_equal(t->pieces.n, 1);
    assert_ok(ch_tokenizer_encode(&ids, t, "aa", 2, 0, &e), e);
    assert_int_equal(ids.n, 2000);
    assert_fails(ch_tokenizer_encode(&ids, t, text, 200000, 0, &e), CH_ELIMIT, e,
                 "normalized text");
    assert_int_equal(ids.n, 2000);
    ch_tokens_free(&ids);
    ch_tokenizer_close(&t);
    ch_buf_close(&b);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unigram),
        cmocka_unit_test(metaspace),
        cmocka_unit_test(wordpiece),
        cmocka_unit_test(chars),
        cmocka_unit_test(spans),
        cmocka_unit_test(spans_of_users),
        cmocka_unit_test(what_is_markup),
        cmocka_unit_test(bounded),
    };
    return cmocka_run_group_tests_name("token/kinds", tests, NULL, NULL);
}
