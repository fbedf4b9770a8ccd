/* tests/token/containers.c - one vocabulary through every container it comes in: equal ids
 *
 * Texts are of many languages, with code, emoji, control characters and bytes that are no UTF-8.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "small.h"
#include "vocab.h"

#define T "tokenizers/"

static const char odd[] =
    "\t\r\n\v\f \x01\x7f\x80\xff\xfe a\xcc\x88o\xcc\x88 \xc3\x84 "
    "\xe2\x80\x8b\xe3\x80\x80z\xc2\xa0.\n\n\n"
    "int main(void) { return 0x1F + 12345678; } // 'twas WE'LL they'd\n"
    "\xf0\x9f\xa6\x99\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80 "
    "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c "
    "\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85 "
    "\xe0\xa4\xa8\xe0\xa4\xae\xe0\xa4\xb8\xe0\xa5\x8d\xe0\xa4\xa4\xe0\xa5\x87 "
    "\xec\x95\x88\xeb\x85\x95 \xed\xa0\x80 \xf4\x90\x80\x80 \xc3 "
    "<s></s><unk><0x0A><|endoftext|> \xe2\x96\x81\xe2\x96\x81x  ";

static void assert_same(const ch_tokenizer *a, const ch_tokenizer *b, const char *text, size_t n)
{
    ch_err e = {0};
    ch_tokens x = {0}, y = {0};
    for (int flags = 0; flags < 4; flags++) {
        assert_ok(ch_tokenizer_encode(&x, a, text, n, flags, &e), e);
        assert_ok(ch_tokenizer_encode(&y, b, text, n, flags, &e), e);
        for (size_t i = 0; i < CH_MIN(x.n, y.n); i++)
            if (x.id[i] != y.id[i])
                fail_msg("id %zu is %d and %d", i, x.id[i], y.id[i]);
        assert_int_equal(x.n, y.n);
        x.n = y.n = 0;
    }
    ch_tokens_free(&x);
    ch_tokens_free(&y);
}

/* The beginning of every file of the storybook, and what is odd. */
static void assert_same_everywhere(const ch_tokenizer *a, const ch_tokenizer *b)
{
    char **files;
    size_t n;
    ch_err e = {0};
    assert_same(a, b, odd, sizeof odd);
    assert_ok(ch_io_list(&files, &n, shared_path("text/storybook"), &e), e);
    assert_true(n > 5);
    for (size_t i = 0; i < n; i++) {
        ch_mapping m;
        assert_ok(ch_io_map(&m, files[i], &e), e);
        assert_same(a, b, (const char *)m.data, CH_MIN(m.size, (size_t)5000));
        ch_io_unmap(&m);
    }
    ch_io_free_list(files, n);
}

static ch_tokenizer *open_shared(const char *rel)
{
    ch_err e = {0};
    ch_tokenizer *t;
    assert_ok(ch_tokenizer_open(&t, shared_path(rel), NULL, &e), e);
    return t;
}

static void gpt2(void **state)
{
    (void)state;
    skip_without(T "gpt2/encoder.json");
    skip_without(T "gguf/ggml-vocab-gpt-2.gguf");
    skip_without("text/storybook");
    ch_tokenizer *gguf = open_shared(T "gguf/ggml-vocab-gpt-2.gguf");
    static const char *const names[] = {T "gpt2", T "gpt2/encoder.json", T "gpt2/vocab.bpe"};
    for (size_t i = 0; i < CH_COUNT(names); i++) {
        ch_tokenizer *t = open_shared(names[i]);
        assert_int_equal(ch_tokenizer_eos(t), 50256);
        assert_int_equal(ch_tokenizer_special(t, "<|endoftext|>"), 50256);
        if (i == 0)
            assert_same_everywhere(gguf, t);
        else
            assert_same(gguf, t, odd, sizeof odd);
        ch_tokenizer_close(&t);
    }
    ch_tokenizer_close(&gguf);
}

static void llama2(void **state)
{
    (void)state;
    skip_without(T "llama2/tokenizer.model");
    skip_without(T "gguf/ggml-vocab-llama-spm.gguf");
    skip_without("text/storybook");
    ch_tokenizer *gguf = open_shared(T "gguf/ggml-vocab-llama-spm.gguf"),
                 *model = open_shared(T "llama2"), *bin = open_shared(T "llama2/tokenizer.bin");
    assert_same_everywhere(gguf, model);
    assert_same_everywhere(model, bin);
    assert_int_equal(ch_tokenizer_bos(model), 1);
    assert_int_equal(ch_tokenizer_eos(model), 2);
    assert_true(ch_tokenizer_adds_bos(model));
    assert_int_equal(model->n, gguf->n);
    assert_memory_equal(model->type, gguf->type, (size_t)model->n);
    assert_memory_equal(model->score, gguf->score, (size_t)model->n * sizeof *model->score);
    assert_memory_equal(model->text, gguf->text, model->at[model->n]);
    ch_tokenizer_close(&gguf);
    ch_tokenizer_close(&model);
    ch_tokenizer_close(&bin);
}

/* Out as tokenizer.json and as metadata, and in again. */
static void check_through(const ch_tokenizer *t, bool everywhere)
{
    char *dir = temp_dir(), *path = ch_io_join(dir, "tokenizer.json");
    ch_err e = {0};
    ch_tokenizer *back;
    ch_file *f;
    assert_ok(ch_tokenizer_to_json(t, path, &e), e);
    assert_ok(ch_tokenizer_open(&back, dir, NULL, &e), e);
    assert_int_equal(back->bos, t->bos);
    assert_int_equal(back->eos, t->eos);
    assert_int_equal(ch_token_unknown(back), ch_token_unknown(t));
    assert_int_equal(back->add_bos, t->add_bos);
    assert_int_equal(back->add_eos, t->add_eos);
    assert_int_equal(back->add_space_prefix, t->add_space_prefix);
    assert_memory_equal(back->text, t->text, t->at[t->n]);
    assert_same(t, back, odd, sizeof odd);
    if (everywhere)
        assert_same_everywhere(t, back);
    /* The folder as metadata, with rows that no token has. */
    assert_ok(ch_file_new(&f, &e), e);
    assert_ok(ch_tokenizer_folder_to_file(f, dir, t->n + 3, &e), e);
    ch_tokenizer_close(&back);
    assert_ok(ch_tokenizer_from_file(&back, f, &e), e);
    assert_int_equal(back->n, t->n + 3);
    assert_int_equal(back->type[t->n], CH_TOKEN_UNUSED);
    assert_same(t, back, odd, sizeof odd);
    assert_fails(ch_tokenizer_folder_to_file(f, dir, t->n - 1, &e), CH_EFORMAT, e, "rows");
    ch_file_close(&f);
    ch_tokenizer_close(&back);
    free(path);
    temp_dir_remove(dir);
}

static void out_and_in(void **state)
{
    (void)state;
    skip_without(T "gguf/ggml-vocab-llama-spm.gguf");
    skip_without(T "gguf/ggml-vocab-phi-3.gguf");
    skip_without(T "llama2/tokenizer.model");
    skip_without("text/storybook");
    static const char *const names[] = {T "llama2/tokenizer.model", T "gguf/ggml-vocab-phi-3.gguf",
                                        T "gguf/ggml-vocab-deepseek-coder.gguf"};
    for (size_t i = 0; i < CH_COUNT(names); i++) {
        ch_tokenizer *t = open_shared(names[i]);
        check_through(t, i == 0);
        ch_tokenizer_close(&t);
    }
}

/* ---- SentencePiece models by hand ---- */

static void put_field(ch_buf *b, int number, const void *p, size_t n)
{
    char head[2] = {(char)(number << 3 | 2), (char)n};
    ch_buf_put(b, head, 2);
    ch_buf_put(b, p, n);
}

static void put_piece(ch_buf *b, const char *name, float score, int type)
{
    char part[80];
    size_t n = strlen(name), at = 0;
    part[at++] = 1 << 3 | 2;
    part[at++] = (char)n;
    memcpy(part + at, name, n);
    at += n;
    part[at++] = 2 << 3 | 5;
    memcpy(part + at, &score, 4);
    at += 4;
    part[at++] = 3 << 3;
    part[at++] = (char)type;
    put_field(b, 1, part, at);
}

/* type 1 unigram, 2 BPE. */
static void put_model(ch_buf *b, int type, bool collapse)
{
    static const char *const names[] = {
        "\xe2\x96\x81", "a", "b", "ab", ("\xe2\x96\x81" "ab"), "ba"};
    ch_buf_init(b, 1 << 16);
    put_piece(b, "<unk>", 0, CH_TOKEN_UNKNOWN);
    put_piece(b, "<s>", 0, CH_TOKEN_CONTROL);
    put_piece(b, "</s>", 0, CH_TOKEN_CONTROL);
    for (size_t i = 0; i < CH_COUNT(names); i++)
        put_piece(b, names[i], -1.0f - (float)i / 4, CH_TOKEN_NORMAL);
    put_piece(b, "<sep>", 0, CH_TOKEN_USER);
    const char trainer[] = {3 << 3, (char)type};
    const char normal[] = {4 << 3, collapse};
    put_field(b, 2, trainer, sizeof trainer);
    put_field(b, 3, normal, sizeof normal);
}

static void assert_ids(const ch_tokenizer *t, const char *text, const char *want)
{
    ch_err e = {0};
    ch_tokens ids = {0};
    ch_buf b;
    ch_buf_init(&b, 1 << 16);
    ch_buf_put(&b, "", 0);
    assert_ok(ch_tokenizer_encode(&ids, t, text, strlen(text), 0, &e), e);
    for (size_t i = 0; i < ids.n; i++)
        ch_buf_printf(&b, "%s%d", i ? " " : "", ids.id[i]);
    assert_string_equal(b.data != NULL ? b.data : "", want);
    ch_buf_close(&b);
    ch_tokens_free(&ids);
}

static void sentencepiece(void **state)
{
    (void)state;
    for (int type = 1; type <= 2; type++) {
        ch_buf b;
        ch_err e = {0};
        ch_tokenizer *t;
        put_model(&b, type, true);
        assert_true(ch_token_is_sentencepiece((const unsigned char *)b.data, b.size));
        assert_ok(ch_token_from_sentencepiece(&t, (const unsigned char *)b.data, b.size, "x", &e),
                  e);
        assert_ids(t, "  ab   ba ", "7 3 8");
        assert_ids(t, "ab??\xf0\x9f\xa6\x99 a", "7 0 3 4"); /* unknown in a row are one */
        assert_ids(t, "a<sep>b<s>", type == 1 ? "3 4 9 3 5 0" : "3 4 9 3 5 0");
        assert_int_equal(t->add_eos, type == 1);
        check_through(t, false);
        ch_tokenizer_close(&t);
        /* Cut anywhere it is refused or is another, shorter model. */
        for (size_t n = 0; n < b.size; n++) {
            int rc =
                ch_token_from_sentencepiece(&t, (const unsigned char *)b.data, n, "cut", &e);
            assert_true((rc == CH_OK) == (t != NULL));
            ch_tokenizer_close(&t);
        }
        ch_buf_close(&b);
    }
}

static void refused_models(void **state)
{
    (void)state;
    ch_buf b;
    ch_err e = {0};
    ch_tokenizer *t;
    put_model(&b, 3, true);
    assert_fails(ch_token_from_sentencepiece(&t, (const unsigned char *)b.data, b.size, "x", &e),
                 CH_EUNSUPPORTED, e, "model type 3");
    ch_buf_close(&b);
    put_model(&b, 1, true);
    const char suffix[] = {(char)(24 << 3 | 0x80), 1, 1};
    put_field(&b, 2, suffix, sizeof suffix);
    assert_fails(ch_token_from_sentencepiece(&t, (const unsigned char *)b.data, b.size, "x", &e),
                 CH_EUNSUPPORTED, e, "treat_whitespace_as_suffix");
    ch_buf_close(&b);
    put_model(&b, 1, true);
    put_field(&b, 3, "\x12\x03\x08\x00\x00", 5);
    assert_fails(ch_token_from_sentencepiece(&t, (const unsigned char *)b.data, b.size, "x", &e),
                 CH_EFORMAT, e, "precompiled_charsmap of 3 bytes");
    ch_buf_close(&b);
    assert_fails(ch_tokenizer_open(&t, "/", NULL, &e), CH_EIO, e, "no tokenizer.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt2),          cmocka_unit_test(llama2),
        cmocka_unit_test(out_and_in),    cmocka_unit_test(sentencepiece),
        cmocka_unit_test(refused_models),
    };
    return cmocka_run_group_tests_name("token/containers", tests, NULL, NULL);
}
