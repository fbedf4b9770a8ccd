/* tests/token/json_read.c - tokenizer.json out and in again; what is refused
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "small.h"
#include "vocab.h"

static void assert_same_ids(const ch_tokenizer *a, const ch_tokenizer *b, const char *text,
                            size_t n)
{
    ch_err e = {0};
    ch_tokens x = {0}, y = {0};
    for (int flags = 0; flags < 4; flags++) {
        assert_ok(ch_tokenizer_encode(&x, a, text, n, flags, &e), e);
        assert_ok(ch_tokenizer_encode(&y, b, text, n, flags, &e), e);
    }
    assert_int_equal(x.n, y.n);
    assert_memory_equal(x.id, y.id, x.n * sizeof *x.id);
    ch_tokens_free(&x);
    ch_tokens_free(&y);
}

static void check_round_trip(const ch_tokenizer *t, const char *text, size_t n)
{
    char *dir = temp_dir(), *path = ch_io_join(dir, "tokenizer.json");
    ch_err e = {0};
    ch_tokenizer *back;
    assert_ok(ch_tokenizer_to_json(t, path, &e), e);
    assert_ok(ch_tokenizer_open(&back, dir, NULL, &e), e); /* by its folder */
    assert_int_equal(back->n, t->n);
    assert_memory_equal(back->text, t->text, t->at[t->n]);
    assert_memory_equal(back->type, t->type, (size_t)t->n);
    assert_memory_equal(back->end, t->end, (size_t)t->n * sizeof *t->end);
    assert_ptr_equal(back->pre, t->pre);
    assert_int_equal(back->bos, t->bos);
    assert_int_equal(back->eos, t->eos);
    assert_int_equal(ch_tokenizer_adds_bos(back), ch_tokenizer_adds_bos(t));
    ch_pair *x = ch_pairs_sorted(&t->pairs), *y = ch_pairs_sorted(&back->pairs);
    assert_int_equal(t->pairs.n, back->pairs.n);
    assert_memory_equal(x, y, t->pairs.n * sizeof *x);
    free(x);
    free(y);
    assert_same_ids(t, back, text, n);
    ch_tokenizer_close(&back);
    free(path);
    temp_dir_remove(dir);
}

static void round_trip(void **state)
{
    (void)state;
    static const char *const pres[] = {"gpt-2",  "llama-bpe",      "qwen2",  "smollm",
                                       "tekken", "deepseek-coder", "default"};
    ch_tokenizer *t = small_bpe(small_story, strlen(small_story), 300);
    for (size_t i = 0; i < CH_COUNT(pres); i++) {
        ch_err e = {0};
        ch_cutter_close(&t->cutter);
        t->pre = ch_pretokenizer_find(pres[i], strlen(pres[i]));
        t->whole_first = t->pre->whole_first;
        assert_ok(ch_cutter_open(&t->cutter, t->pre, &e), e);
        t->add_bos = i % 2;
        check_round_trip(t, small_story, strlen(small_story));
    }
    ch_tokenizer_close(&t);
}

static void gpt2(void **state)
{
    (void)state;
    skip_without("tokenizers/gguf/ggml-vocab-gpt-2.gguf");
    skip_without("text/tinyshakespeare");
    ch_err e = {0};
    ch_tokenizer *t;
    char **files;
    size_t n;
    assert_ok(
        ch_tokenizer_open(&t, shared_path("tokenizers/gguf/ggml-vocab-gpt-2.gguf"), NULL, &e), e);
    assert_ok(ch_io_list(&files, &n, shared_path("text/tinyshakespeare"), &e), e);
    ch_mapping text;
    assert_ok(ch_io_map(&text, files[0], &e), e);
    check_round_trip(t, (const char *)text.data, CH_MIN(text.size, (size_t)100000));
    ch_io_unmap(&text);
    ch_io_free_list(files, n);
    ch_tokenizer_close(&t);
}

/* Qwen3's own file: Qwen2's published ids, NFC, its end tokens, and out and in again. */
static void qwen3(void **state)
{
    (void)state;
    skip_without("tokenizers/qwen3/tokenizer.json");
    static const struct {
        const char *text;
        ch_token id[24];
        size_t n;
    } published[] = {
        {"ied 4 \xc2\xbd months", {1122, 220, 19, 220, 26062, 3951}, 6},
        {"\xc3\x84pfel", {86975, 15897, 301}, 3},
        {"\x41\xcc\x88pfel", {86975, 15897, 301}, 3}, /* composed first */
        {" Hello, world!", {21927, 11, 1879, 0}, 4},
        {"w048 7tuijk dsdfhu", {86, 15, 19, 23, 220, 22, 83, 1963, 41808, 11472, 2940, 16739}, 12},
        {"C\xe1\xbb\xad" "a Vi\xe1\xbb\x87t", {34, 90063, 128324}, 3},
        {"    Hello\n    Hello", {262, 21927, 198, 262, 21927}, 5},
        {"\t\n", {1572}, 1},
        {"3333333", {18, 18, 18, 18, 18, 18, 18}, 7},
        {"\n =", {198, 284}, 2},
        {"<|im_end|>", {27, 91, 318, 6213, 91, 29}, 6}, /* text stays text */
        {"<tool_call>", {151657}, 1}, /* added, and no special token */
    };
    ch_err e = {0};
    ch_tokenizer *t;
    assert_ok(ch_tokenizer_open(&t, shared_path("tokenizers/qwen3"), NULL, &e), e);
    for (size_t i = 0; i < CH_COUNT(published); i++) {
        ch_tokens ids = {0};
        assert_ok(ch_tokenizer_encode(&ids, t, published[i].text, strlen(published[i].text), 0, &e),
                  e);
        assert_int_equal(ids.n, published[i].n);
        assert_memory_equal(ids.id, published[i].id, ids.n * sizeof *ids.id);
        ch_tokens_free(&ids);
    }
    assert_string_equal(t->pre_name, "qwen2");
    assert_int_equal(ch_tokenizer_eos(t), ch_tokenizer_special(t, "<|im_end|>"));
    assert_int_equal(t->pad, ch_tokenizer_special(t, "<|endoftext|>"));
    assert_false(ch_tokenizer_adds_bos(t));
    assert_non_null(strstr(t->template, "enable_thinking"));
    check_round_trip(t, small_story, strlen(small_story));
    ch_tokenizer_close(&t);
}

/* ---- Documents by hand ---- */

#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"
#define VOCAB "\"a\":0,\"b\":1,\"ab\":2"

/* Opens a small document in which one part is replaced; "" takes GPT-2's parts. */
static int open_with(ch_tokenizer **t, const char *key, const char *value, ch_err *e)
{
    static const char *const parts[][2] = {
        {"truncation", "null"},
        {"padding", "null"},
        {"normalizer", "null"},
        {"added_tokens", "[{\"id\":3,\"content\":\"<|endoftext|>\",\"special\":true}]"},
        {"pre_tokenizer", BYTE_LEVEL},
        {"post_processor", BYTE_LEVEL},
        {"decoder", BYTE_LEVEL},
        {"model", "{\"vocab\":{" VOCAB "},\"merges\":[\"a b\"]}"},
    };
    char *dir = temp_dir(), *path = ch_io_join(dir, "tokenizer.json");
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < CH_COUNT(parts); i++)
        ch_buf_printf(&b, "%s\"%s\":%s", i ? "," : "{", parts[i][0],
                      strcmp(parts[i][0], key) == 0 ? value : parts[i][1]);
    ch_buf_str(&b, "}");
    assert_ok(ch_io_write_file(path, b.data, b.size, e), *e);
    int rc = ch_tokenizer_open(t, path, NULL, e);
    ch_buf_close(&b);
    free(path);
    temp_dir_remove(dir);
    return rc;
}

static void accepted(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""}, /* as GPT-2's own: no "type" in the model */
        {"model",
         "{\"type\":\"BPE\",\"dropout\":null,\"vocab\":{" VOCAB "},\"merges\":[[\"a\",\"b\"]]}"},
        {"pre_tokenizer", "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\","
                          "\"individual_digits\":true}," BYTE_LEVEL "]}"},
        {"post_processor", "null"},
        {"truncation", "{\"direction\":\"Right\",\"max_length\":1}"}, /* left over from training */
        {"added_tokens", "[{\"id\":3,\"content\":\"<|endoftext|>\",\"special\":true},{\"id\":2,"
                         "\"content\":\"ab\"}]"},
    };
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        ch_tokenizer *t;
        ch_err e = {0};
        ch_tokens ids = {0};
        assert_ok(open_with(&t, cases[i][0], cases[i][1], &e), e);
        assert_int_equal(ch_tokenizer_size(t), 4);
        assert_int_equal(ch_tokenizer_eos(t), 3);
        assert_ok(ch_tokenizer_encode(&ids, t, "abba", 4, 0, &e), e);
        assert_int_equal(ids.n, 3);
        assert_int_equal(ids.id[0], 2);
        ids.n = 0;
        assert_fails(ch_tokenizer_encode(&ids, t, "abc", 3, 0, &e), CH_EUNSUPPORTED, e,
                     "no token for byte 0x63");
        assert_int_equal(ids.n, 0);
        ch_tokens_free(&ids);
        ch_tokenizer_close(&t);
    }
}

static const struct {
    const char *key, *value;
    int code;
    const char *part;
} refusals[] = {
    {"padding", "{}", CH_EUNSUPPORTED, "padding"},
    {"normalizer", "{\"type\":\"Nmt\"}", CH_EUNSUPPORTED, "normalizer {\"type\":\"Nmt\"}"},
    {"normalizer", "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},7]}",
     CH_EUNSUPPORTED, "normalizer 7"},
    {"normalizer", "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAA*\"}", CH_EFORMAT,
     "not base64"},
    {"normalizer", "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"////////AA==\"}",
     CH_EFORMAT, "precompiled_charsmap of 7 bytes"},
    {"decoder", "{\"type\":\"WordPiece\"}", CH_EUNSUPPORTED, "decoder"},
    {"decoder", "null", CH_EUNSUPPORTED, "decoder"},
    {"pre_tokenizer", "null", CH_EUNSUPPORTED, "pre_tokenizer"},
    {"pre_tokenizer", "{\"type\":\"UnicodeScripts\"}", CH_EUNSUPPORTED, "UnicodeScripts"},
    {"pre_tokenizer", "{\"type\":\"Whitespace\"}", CH_EUNSUPPORTED, "Whitespace"},
    {"pre_tokenizer",
     "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a"
     "\\\\h\"},"
     "\"behavior\":\"Isolated\"}," BYTE_LEVEL "]}",
     CH_EUNSUPPORTED, "this escape in the pattern a\\h"},
    {"pre_tokenizer", "{\"type\":\"Sequence\",\"pretokenizers\":[" BYTE_LEVEL "," BYTE_LEVEL "]}",
     CH_EUNSUPPORTED, "pre_tokenizer"},
    {"post_processor", "{\"type\":\"BertProcessing\"}", CH_EUNSUPPORTED, "BertProcessing"},
    {"post_processor",
     "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"?\"}}]}",
     CH_EUNSUPPORTED, "TemplateProcessing"},
    {"model", "{\"type\":\"WordLevel\",\"vocab\":{},\"merges\":[]}", CH_EUNSUPPORTED,
     "model type \"WordLevel\""},
    {"model", "{\"type\":\"BPE\",\"vocab\":{" VOCAB "},\"merges\":[],\"byte_fallback\":true}",
     CH_EUNSUPPORTED, "byte_fallback"},
    {"model", "{\"vocab\":{" VOCAB "},\"merges\":[],\"end_of_word_suffix\":\"</w>\"}",
     CH_EUNSUPPORTED, "</w>"},
    {"model", "{\"vocab\":{" VOCAB "},\"merges\":[],\"dropout\":0.1}", CH_EUNSUPPORTED,
     "dropout 0.1"},
    {"model", "{\"vocab\":{" VOCAB "},\"merges\":[\"a c\"]}", CH_EFORMAT, "\"c\" is no token"},
    {"model", "{\"vocab\":{" VOCAB "},\"merges\":[\"ab\"]}", CH_EFORMAT,
     "merge 0 is not two tokens"},
    {"model", "{\"vocab\":{" VOCAB "},\"merges\":[\"\"]}", CH_EFORMAT,
     "merge 0 is not two tokens"},
    {"model", "{\"vocab\":{" VOCAB "},\"merges\":[[\"a\"]]}", CH_EFORMAT,
     "merge 0 is not two tokens"},
    {"model", "{\"vocab\":{" VOCAB "},\"merges\":[7]}", CH_EFORMAT, "merge 0 is not two tokens"},
    {"model", "{\"vocab\":{\"a\":0,\"b\":1,\"ab\":7},\"merges\":[]}", CH_EFORMAT, "no wide gaps"},
    {"model", "{\"vocab\":{\"a\":0,\"b\":1,\"ab\":-1},\"merges\":[]}", CH_EFORMAT, "\"ab\""},
    {"model", "{\"vocab\":{\"a\":0,\"b\":1,\"ab\":1},\"merges\":[]}", CH_EFORMAT, "have id 1"},
    {"model", "{\"vocab\":{\"a\":0,\"b\":1,\"ab\":\"2\"},\"merges\":[]}", CH_EFORMAT, "\"ab\""},
    {"model", "{\"vocab\":[],\"merges\":[]}", CH_EFORMAT, "no \"model\""},
    {"model", "7", CH_EFORMAT, "no \"model\""},
    {"added_tokens", "[{\"id\":3}]", CH_EFORMAT, "no content"},
    {"added_tokens", "[{\"id\":0,\"content\":\"<x>\"},{\"id\":3,\"content\":\"y\"}]", CH_EFORMAT,
     "have id 0"},
    {"added_tokens", "[7]", CH_EFORMAT, "no content"},
};

static void refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(refusals); i++) {
        ch_tokenizer *t;
        ch_err e = {0};
        assert_fails(open_with(&t, refusals[i].key, refusals[i].value, &e), refusals[i].code, e,
                     refusals[i].part);
        assert_null(t);
    }
}

/* Tokens that JSON cannot hold are named. */
static void cannot_be_written(void **state)
{
    (void)state;
    ch_tokenizer *t = small_bpe(small_story, strlen(small_story), 270);
    ch_err e = {0};
    char *dir = temp_dir(), *path = ch_io_join(dir, "tokenizer.json");
    t->text[t->at[261]] = '\xff';
    assert_fails(ch_tokenizer_to_json(t, path, &e), CH_EUNSUPPORTED, e,
                 "token 261 cannot be written");
    assert_false(ch_io_exists(path));
    memcpy(t->text + t->at[1], t->text + t->at[2], t->at[2] - t->at[1]);
    assert_fails(ch_tokenizer_to_json(t, path, &e), CH_EUNSUPPORTED, e,
                 "tokens 1 and 2 are both named");
    free(path);
    temp_dir_remove(dir);
    ch_tokenizer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),  cmocka_unit_test(gpt2),
        cmocka_unit_test(qwen3),       cmocka_unit_test(accepted),
        cmocka_unit_test(refused),     cmocka_unit_test(cannot_be_written),
    };
    return cmocka_run_group_tests_name("token/json_read", tests, NULL, NULL);
}
