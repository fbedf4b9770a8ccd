/* tests/token/vocab_gguf.c - vocabularies to metadata and back; metadata that lies
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "small.h"
#include "vocab.h"

#define KEY "tokenizer.ggml."

static void assert_equal_tokenizers(const ch_tokenizer *a, const ch_tokenizer *b)
{
    assert_ptr_equal(a->kind, b->kind);
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->at, b->at, ((size_t)a->n + 1) * sizeof *a->at);
    assert_memory_equal(a->text, b->text, a->at[a->n]);
    assert_memory_equal(a->type, b->type, (size_t)a->n);
    if (!a->kind->merges)
        assert_memory_equal(a->score, b->score, (size_t)a->n * sizeof *a->score);
    assert_memory_equal(a->end, b->end, (size_t)a->n * sizeof *a->end);
    assert_memory_equal(a->byte, b->byte, sizeof a->byte);
    assert_memory_equal(&a->bos, &b->bos, 5 * sizeof a->bos); /* bos, eos, eot, eom, unknown */
    assert_int_equal(a->add_bos, b->add_bos);
    assert_int_equal(a->add_eos, b->add_eos);
    assert_int_equal(a->add_space_prefix, b->add_space_prefix);
    assert_ptr_equal(a->pre, b->pre);
    assert_string_equal(a->pre_name, b->pre_name);
    assert_int_equal(a->pairs.n, b->pairs.n);
    if (a->kind->merges) {
        ch_pair *x = ch_pairs_sorted(&a->pairs), *y = ch_pairs_sorted(&b->pairs);
        assert_memory_equal(x, y, a->pairs.n * sizeof *x);
        free(x);
        free(y);
    }
}

/* Through memory, and through a file on disk. */
static void check_round_trip(const ch_tokenizer *t)
{
    ch_file *f, *g;
    ch_err e = {0};
    ch_tokenizer *back;
    char *dir = temp_dir(), *path = ch_io_join(dir, "v.gguf");
    assert_ok(ch_file_new(&f, &e), e);
    assert_ok(ch_tokenizer_to_file(t, f, &e), e);
    assert_ok(ch_tokenizer_from_file(&back, f, &e), e);
    assert_equal_tokenizers(t, back);
    ch_tokenizer_close(&back);
    assert_ok(ch_gguf_write(f, path, &e), e);
    ch_file_close(&f);
    assert_ok(ch_file_open(&g, path, &e), e);
    assert_ok(ch_tokenizer_from_file(&back, g, &e), e);
    ch_file_close(&g); /* the tokenizer lives on */
    assert_equal_tokenizers(t, back);
    ch_tokenizer_close(&back);
    free(path);
    temp_dir_remove(dir);
}

static void round_trip(void **state)
{
    (void)state;
    ch_tokenizer *t = small_bpe(small_story, strlen(small_story), 300);
    check_round_trip(t);
    ch_tokenizer_close(&t);
}

static void round_trip_of_others(void **state)
{
    (void)state;
    static const char *const names[] = {
        "tokenizers/gguf/ggml-vocab-gpt-2.gguf",
        "tokenizers/gguf/ggml-vocab-deepseek-coder.gguf",
        "tokenizers/gguf/ggml-vocab-llama-spm.gguf",
        "tokenizers/gguf/ggml-vocab-phi-3.gguf",
        "models/stories260K/tok512.bin",
    };
    for (size_t i = 0; i < CH_COUNT(names); i++)
        skip_without(names[i]);
    for (size_t i = 0; i < CH_COUNT(names); i++) {
        ch_tokenizer *t;
        ch_err e = {0};
        assert_ok(ch_tokenizer_open(&t, shared_path(names[i]), NULL, &e), e);
        check_round_trip(t);
        ch_tokenizer_close(&t);
    }
}

/* ---- Metadata that lies ---- */

enum { N = 260 };

typedef struct made {
    ch_str tokens[N], merges[4];
    char names[N][8];
    int32_t types[N];
    float scores[N];
    size_t n_tokens, n_types, n_scores, n_merges;
    const char *model, *pre;
    uint32_t bos, eos;
    bool no_types, no_scores, no_pre;
} made;

static ch_str str(const char *s)
{
    return (ch_str){s, strlen(s)};
}

/* 256 bytes, "ab", "abc" and two control tokens, as model says. */
static made good(const char *model)
{
    made m = {.n_tokens = N,
              .n_types = N,
              .n_scores = N,
              .n_merges = 2,
              .model = model,
              .pre = "gpt-2",
              .bos = 258,
              .eos = 259};
    m.merges[0] = str("a b");
    m.merges[1] = str("ab c");
    for (int i = 0; i < N; i++)
        m.types[i] = i < 258 ? CH_TOKEN_NORMAL : CH_TOKEN_CONTROL;
    return m;
}

static void name_tokens(made *m)
{
    for (int b = 0; b < 256; b++) {
        uint32_t cp = b <= 32                ? 256u + (unsigned)b
                      : b >= 127 && b <= 160 ? 162u + (unsigned)b
                      : b == 173             ? 323u
                                             : (unsigned)b;
        if (m->tokens[b].p != NULL)
            continue;
        m->tokens[b] = (ch_str){m->names[b], (size_t)ch_utf8_write(m->names[b], cp)};
    }
    static const char *const last[] = {"ab", "abc", "<s>", "</s>"};
    for (int i = 256; i < N; i++)
        if (m->tokens[i].p == NULL)
            m->tokens[i] = str(last[i - 256]);
}

static int open_made(ch_tokenizer **t, made *m, ch_err *e)
{
    ch_file *f;
    name_tokens(m);
    assert_ok(ch_file_new(&f, e), *e);
    assert_ok(ch_file_set_str(f, KEY "model", m->model, strlen(m->model), e), *e);
    if (!m->no_pre)
        assert_ok(ch_file_set_str(f, KEY "pre", m->pre, strlen(m->pre), e), *e);
    assert_ok(ch_file_set_strs(f, KEY "tokens", m->tokens, m->n_tokens, e), *e);
    if (!m->no_types)
        assert_ok(ch_file_set_i32s(f, KEY "token_type", m->types, m->n_types, e), *e);
    if (!m->no_scores)
        assert_ok(ch_file_set_f32s(f, KEY "scores", m->scores, m->n_scores, e), *e);
    assert_ok(ch_file_set_strs(f, KEY "merges", m->merges, m->n_merges, e), *e);
    assert_ok(ch_file_set_u32(f, KEY "bos_token_id", m->bos, e), *e);
    assert_ok(ch_file_set_u32(f, KEY "eos_token_id", m->eos, e), *e);
    int rc = ch_tokenizer_from_file(t, f, e);
    ch_file_close(&f);
    return rc;
}

static void assert_refused(made m, int code, const char *part)
{
    ch_err e = {0};
    ch_tokenizer *t;
    assert_fails(open_made(&t, &m, &e), code, e, part);
    assert_null(t);
}

static void lies_in_lists(void **state)
{
    (void)state;
    made m = good("gpt2");
    ch_err e = {0};
    ch_tokenizer *t;
    assert_ok(open_made(&t, &m, &e), e);
    ch_tokenizer_close(&t);

    static const char *const merges[][2] = {
        {"ab d", "makes \"abd\", which is no token"},
        {"xy z", "\"xy\" is no token"},
        {"a xyz", "\"xyz\" is no token"},
        {"ab", "not two tokens"},
        {" b", "not two tokens"},
        {"a ", "not two tokens"},
        {"", "not two tokens"},
        {" ", "not two tokens"},
        {"< s>", "no token"},
    };
    for (size_t i = 0; i < CH_COUNT(merges); i++) {
        m = good("gpt2");
        m.merges[1] = str(merges[i][0]);
        assert_refused(m, CH_EFORMAT, merges[i][1]);
    }
    m = good("gpt2");
    m.n_tokens = 0;
    m.n_types = m.n_scores = 0;
    assert_refused(m, CH_EFORMAT, "empty");
    m = good("gpt2");
    m.n_types = N - 1;
    assert_refused(m, CH_EFORMAT, "token_type has 259 elements for 260 tokens");
    m = good("llama");
    m.n_scores = N - 1;
    assert_refused(m, CH_EFORMAT, "scores has 259 elements for 260 tokens");
    m = good("llama");
    m.no_scores = true;
    assert_refused(m, CH_EFORMAT, "scores is missing");
    m = good("gpt2");
    m.types[7] = 7;
    assert_refused(m, CH_EFORMAT, "element 7 is no number from 0 to 6");
    m = good("gpt2");
    m.types[7] = -1;
    assert_refused(m, CH_EFORMAT, "element 7");
    m = good("llama");
    m.scores[9] = NAN;
    assert_refused(m, CH_EFORMAT, "the score of token 9 is not a number");
    m = good("llama");
    m.types[65] = CH_TOKEN_BYTE;
    assert_refused(m, CH_EFORMAT, "byte token 65");
}

static void lies_in_settings(void **state)
{
    (void)state;
    made m = good("gpt2");
    m.bos = N;
    assert_refused(m, CH_EFORMAT, "bos_token_id is 260 in a vocabulary of 260");
    m = good("llama");
    m.eos = UINT32_MAX - 1;
    assert_refused(m, CH_EFORMAT, "eos_token_id is 4294967294");
    m = good("gpt2");
    m.pre = "gpt-99";
    assert_refused(m, CH_EUNSUPPORTED, "pre \"gpt-99\" is unknown; known are: gpt-2");
    m = good("gpt2");
    m.pre = "";
    assert_refused(m, CH_EUNSUPPORTED, "is unknown");
    m = good("rwkv");
    assert_refused(m, CH_EUNSUPPORTED, "model \"rwkv\" is unknown; known are: gpt2, llama");

    ch_file *f;
    ch_err e = {0};
    ch_tokenizer *t;
    assert_ok(ch_file_new(&f, &e), e);
    assert_fails(ch_tokenizer_from_file(&t, f, &e), CH_EFORMAT, e, KEY "model");
    assert_ok(ch_file_set_str(f, KEY "model", "gpt2", 4, &e), e);
    assert_fails(ch_tokenizer_from_file(&t, f, &e), CH_EFORMAT, e, KEY "tokens");
    assert_ok(ch_file_set_u32(f, KEY "tokens", 3, &e), e);
    assert_fails(ch_tokenizer_from_file(&t, f, &e), CH_EFORMAT, e, "array");
    ch_file_close(&f);
}

/* What may be absent, and what "no such token" looks like. */
static void defaults(void **state)
{
    (void)state;
    made m = good("gpt2");
    ch_err e = {0};
    ch_tokenizer *t;
    m.no_types = m.no_scores = m.no_pre = true;
    assert_ok(open_made(&t, &m, &e), e);
    assert_string_equal(t->pre_name, "default");
    assert_true(ch_tokenizer_is_control(t, 258) && ch_tokenizer_is_end(t, 259));
    assert_false(ch_tokenizer_adds_bos(t));
    ch_tokenizer_close(&t);
    m = good("gpt2");
    m.bos = UINT32_MAX;
    m.pre = "llama-bpe";
    assert_ok(open_made(&t, &m, &e), e);
    assert_int_equal(ch_tokenizer_bos(t), -1);
    assert_false(ch_tokenizer_adds_bos(t)); /* it would, but there is none */
    ch_tokenizer_close(&t);
}

/* A vocabulary that tries to turn text into control tokens: by a whole piece, by equal names, by
 * byte names. */
static void no_way_to_special(void **state)
{
    (void)state;
    made m = good("gpt2");
    ch_err e = {0};
    ch_tokenizer *t;
    ch_tokens ids = {0};
    m.pre = "llama-bpe"; /* asks for whole pieces first */
    m.types[257] = CH_TOKEN_CONTROL;
    m.n_merges = 1;
    m.tokens[1] = str("<|im_end|>"); /* a normal token by its type, an end by its name */
    m.merges[0] = str("b c");
    m.tokens[256] = str("bc");
    assert_ok(open_made(&t, &m, &e), e);
    assert_true(ch_tokenizer_is_control(t, 1) && ch_tokenizer_is_end(t, 1));
    assert_ok(ch_tokenizer_encode(&ids, t, "abc bc <|im_end|>", 17, 0, &e), e);
    for (size_t i = 0; i < ids.n; i++)
        assert_true(ids.id[i] >= 0 && !ch_tokenizer_is_control(t, ids.id[i]));
    ch_tokens_free(&ids);
    ch_tokenizer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),    cmocka_unit_test(round_trip_of_others),
        cmocka_unit_test(lies_in_lists), cmocka_unit_test(lies_in_settings),
        cmocka_unit_test(defaults),      cmocka_unit_test(no_way_to_special),
    };
    return cmocka_run_group_tests_name("token/vocab_gguf", tests, NULL, NULL);
}
