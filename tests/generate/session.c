/* session.c - what a session promises besides its bits: limits, errors, saving, vectors, taps,
 * cancelling
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"
#include "tiny.h"

#include "generate.h"

#include <stdlib.h>
#include <string.h>

static ch_model *model;

static int open_model(void **state)
{
    (void)state;
    model = tiny_open("qwen3", CH_F32, 9);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    ch_model_close(&model);
    return 0;
}

static ch_session *open_session(int context, int cache_tokens)
{
    ch_err e = {0};
    ch_session *s;
    const ch_session_options o = {
        .context = context, .cache_tokens = cache_tokens, .threads = 1, .page_size = 8};
    assert_ok(ch_session_open(&s, model, &o, &e), e);
    return s;
}

static const ch_token text[40] = {5,   9,   200, 31, 77, 12, 3,  3,  250, 8,  64, 63, 62, 100,
                                  101, 102, 1,   2,  3,  4,  40, 41, 42,  43, 44, 45, 46, 47,
                                  48,  49,  50,  51, 52, 53, 54, 55, 6,   7,  8,  9};

static void options_are_checked(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_session *s;
    ch_session_options o = {.context = 100000000};
    assert_fails(ch_session_open(&s, model, &o, &e), CH_EARG, e, "100000000");
    assert_null(s);
    o = (ch_session_options){.k_type = "q9_9"};
    assert_fails(ch_session_open(&s, model, &o, &e), CH_EARG, e, "q9_9");
    o = (ch_session_options){.k_type = "q4_0"};
    assert_fails(ch_session_open(&s, model, &o, &e), CH_EARG, e, "q4_0 for values");
    o = (ch_session_options){.v_type = "q8_1"};
    assert_fails(ch_session_open(&s, model, &o, &e), CH_EARG, e, "values");
    o = (ch_session_options){.page_size = -1};
    assert_fails(ch_session_open(&s, model, &o, &e), CH_EARG, e, "-1");
    o = (ch_session_options){.step_rows = -5};
    assert_fails(ch_session_open(&s, model, &o, &e), CH_EARG, e, "-5");
}

static void limits_come_before_work(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_session *s = open_session(32, 0);
    assert_fails(ch_session_feed(s, text, 33, &e), CH_ELIMIT, e, "33");
    assert_int_equal(ch_session_length(s), 0);
    const ch_token bad[2] = {4, 320};
    assert_fails(ch_session_feed(s, bad, 2, &e), CH_EARG, e, "320");
    ch_token t;
    const ch_sampling how = CH_SAMPLING;
    assert_fails(ch_session_next(&t, s, &how, &e), CH_EARG, e, "empty");
    ch_sampling wrong = CH_SAMPLING;
    wrong.temp = -1;
    assert_ok(ch_session_feed(s, text, 31, &e), e);
    assert_fails(ch_session_next(&t, s, &wrong, &e), CH_EARG, e, "temp");
    assert_ok(ch_session_next(&t, s, &how, &e), e);
    assert_fails(ch_session_next(&t, s, &how, &e), CH_ELIMIT, e, "32");
    assert_fails(ch_session_rollback(s, -1, &e), CH_EARG, e, "-1");
    assert_fails(ch_session_rollback(s, 33, &e), CH_EARG, e, "33");
    ch_session_close(&s);
}

/* A cache too small for the family: the sentence comes, and what was there goes on. */
static void a_full_cache_loses_nothing(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_session *s = open_session(64, 48), *f;
    assert_ok(ch_session_feed(s, text, 30, &e), e);
    assert_ok(ch_session_fork(&f, s, &e), e);
    const ch_token other[24] = {9, 9, 9};
    assert_int_equal(ch_session_feed(f, other, 24, &e), CH_ELIMIT);
    ch_session_close(&f);
    assert_ok(ch_session_feed(s, text + 30, 10, &e), e);
    ch_session *plain = open_session(64, 0);
    assert_ok(ch_session_feed(plain, text, 40, &e), e);
    assert_memory_equal(ch_session_logits(s), ch_session_logits(plain), 320 * sizeof(float));
    ch_session_close(&s);
    ch_session_close(&plain);
}

/* What would change bits has to be what it was. */
static void saved_by_another(void **state)
{
    (void)state;
    ch_err e = {0};
    char *dir = temp_dir();
    char *path = ch_io_join(dir, "session");
    ch_session *s = open_session(64, 0), *l;
    assert_ok(ch_session_feed(s, text, 20, &e), e);
    assert_ok(ch_session_save(s, path, &e), e);
    ch_session_close(&s);
    const ch_session_options rows[] = {{.context = 64, .k_type = "q8_0"},
                                       {.context = 64, .v_type = "q4_0"},
                                       {.context = 64, .page_size = 5}};
    static const char *const parts[] = {"here they are q8_0", "and q4_0", "here they hold 5"};
    for (size_t i = 0; i < CH_COUNT(rows); i++) {
        assert_ok(ch_session_open(&l, model, &rows[i], &e), e);
        assert_fails(ch_session_load(l, path, &e), CH_EFORMAT, e, parts[i]);
        assert_int_equal(ch_session_length(l), 0);
        ch_session_close(&l);
    }
    ch_model *other = tiny_open("llama", CH_F32, 77);
    assert_ok(ch_session_open(&l, other, NULL, &e), e);
    assert_fails(ch_session_load(l, path, &e), CH_EFORMAT, e, "another model");
    ch_session_close(&l);
    ch_model_close(&other);
    const char *mask = getenv("CHALCIS_CPU");
    char *before = mask ? strdup(mask) : NULL;
    unsigned features;
    assert_ok(ch_cpu_features(&features, NULL, &e), e);
    if (features) { /* plain C rounds otherwise */
        setenv("CHALCIS_CPU", "c", 1);
        l = open_session(64, 0);
        assert_fails(ch_session_load(l, path, &e), CH_EFORMAT, e, "CHALCIS_CPU");
        ch_session_close(&l);
        if (before)
            setenv("CHALCIS_CPU", before, 1);
        else
            unsetenv("CHALCIS_CPU");
    }
    free(before);
    free(path);
    temp_dir_remove(dir);
}

static void saved_and_loaded_is_the_same(void **state)
{
    (void)state;
    ch_err e = {0};
    char *dir = temp_dir();
    char *path = ch_io_join(dir, "session");
    ch_session *s = open_session(64, 0), *l = open_session(64, 0);
    assert_ok(ch_session_feed(s, text, 29, &e), e);
    assert_ok(ch_session_save(s, path, &e), e);
    assert_ok(ch_session_load(l, path, &e), e);
    assert_int_equal(ch_session_length(l), 29);
    ch_token a, b;
    const ch_sampling how = CH_SAMPLING;
    for (int i = 0; i < 12; i++) {
        assert_ok(ch_session_next(&a, s, &how, &e), e);
        assert_ok(ch_session_next(&b, l, &how, &e), e);
        assert_int_equal(a, b);
    }
    assert_memory_equal(ch_session_logits(s), ch_session_logits(l), 320 * sizeof(float));
    assert_fails(ch_session_load(l, path, &e), CH_EARG, e, "empty");
    ch_session_close(&l);

    ch_buf bytes;
    ch_buf_init(&bytes, 1 << 24);
    assert_ok(ch_io_read_file(&bytes, path, &e), e);
    for (size_t cut = 0; cut < bytes.size;
         cut += 1 + cut / 7) { /* every stump is refused with a sentence */
        l = open_session(64, 0);
        assert_ok(ch_io_write_file(path, bytes.data, cut, &e), e);
        assert_int_equal(ch_session_load(l, path, &e), CH_EFORMAT);
        assert_true(strlen(e.text) > 10);
        assert_int_equal(ch_session_length(l), 0);
        assert_ok(ch_session_feed(l, text, 3, &e), e);
        ch_session_close(&l);
    }
    for (size_t at = 0; at < bytes.size; at += 1 + at / 5) { /* and so is every changed bit */
        l = open_session(64, 0);
        bytes.data[at] ^= 4;
        assert_ok(ch_io_write_file(path, bytes.data, bytes.size, &e), e);
        assert_int_equal(ch_session_load(l, path, &e), CH_EFORMAT);
        bytes.data[at] ^= 4;
        ch_session_close(&l);
    }
    ch_buf_close(&bytes);
    ch_session_close(&s);
    free(path);
    temp_dir_remove(dir);
}

struct taps {
    int calls, last;
    real first[4][64];
};

static void tap(void *arg, int layer, const ch_rows *rows, const ch_tensor *x)
{
    struct taps *t = arg;
    assert_int_equal(rows->n, ch_tensor_rows(x));
    assert_int_equal(rows->pos[0], 10);
    assert_int_equal(layer, t->last + 1);
    t->last = layer == 2 ? -2 : layer;
    t->calls++;
    memcpy(t->first[layer + 1], ch_tensor_row(x, 0), sizeof t->first[0]);
}

/* A row that enters as the embedding of a token is that token; and its layers can be looked at. */
static void vectors_stand_in_for_tokens(void **state)
{
    (void)state;
    ch_err e = {0};
    const ch_file_tensor *table = ch_file_tensor_find(model->file, "token_embd.weight");
    real vectors[3 * 64];
    for (int i = 0; i < 3; i++)
        ch_tensor_read(vectors + (ptrdiff_t)i * 64, &table->t, (int64_t)text[10 + i] * 64, 64);
    ch_session *a = open_session(64, 0), *b = open_session(64, 0);
    struct taps ta = {.last = -2}, tb = {.last = -2};
    assert_ok(ch_session_feed(a, text, 10, &e), e);
    assert_ok(ch_session_feed(b, text, 10, &e), e);
    ch_session_tap(a, tap, &ta);
    ch_session_tap(b, tap, &tb);
    assert_ok(ch_session_feed(a, text + 10, 3, &e), e);
    assert_ok(ch_session_feed_vectors(b, vectors, 3, &e), e);
    assert_int_equal(ta.calls, 4);
    assert_memory_equal(ta.first, tb.first, sizeof ta.first);
    assert_memory_equal(ch_session_logits(a), ch_session_logits(b), 320 * sizeof(float));
    assert_int_equal(ch_session_tokens(b)[11], -1);
    ch_token t;
    const ch_sampling how = CH_SAMPLING;
    assert_ok(ch_session_rollback(b, 12, &e), e);
    assert_fails(ch_session_next(&t, b, &how, &e), CH_EARG, e, "vector");
    ch_session_tap(a, NULL, NULL);
    ch_session_tap(b, NULL, NULL);
    assert_ok(ch_session_rollback(a, 12, &e), e);
    assert_ok(ch_session_feed(a, text, 1, &e), e);
    assert_ok(ch_session_feed(b, text, 1, &e), e);
    assert_memory_equal(ch_session_logits(a), ch_session_logits(b), 320 * sizeof(float));
    ch_session_close(&a);
    ch_session_close(&b);
}

static void cancel_on_first(void *arg, int layer, const ch_rows *rows, const ch_tensor *x)
{
    (void)rows, (void)x;
    if (layer == 0)
        ch_session_cancel(arg);
}

static void cancelling_keeps_whole_tokens(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_session *s;
    const ch_session_options o = {
        .context = 64, .step_rows = 4, .threads = 1, .page_size = 8};
    assert_ok(ch_session_open(&s, model, &o, &e), e);
    ch_session_tap(s, cancel_on_first, s);
    assert_int_equal(ch_session_feed(s, text, 20, &e), CH_ECANCELED);
    assert_int_equal(ch_session_length(s), 4);
    ch_session_tap(s, NULL, NULL);
    assert_ok(ch_session_feed(s, text + 4, 16, &e), e);
    ch_session *plain = open_session(64, 0);
    assert_ok(ch_session_feed(plain, text, 20, &e), e);
    assert_memory_equal(ch_session_logits(s), ch_session_logits(plain), 320 * sizeof(float));
    ch_session_close(&s);
    ch_session_close(&plain);
}

/* What was drawn and shown stays, even if its own step is interrupted. */
static void cancelling_forgets_nothing(void **state)
{
    (void)state;
    ch_err e = {0};
    const ch_sampling how = CH_SAMPLING;
    ch_session *s = open_session(64, 0), *plain = open_session(64, 0);
    ch_token a[3], b[3];
    assert_ok(ch_session_feed(plain, text, 8, &e), e);
    for (int i = 0; i < 3; i++)
        assert_ok(ch_session_next(&b[i], plain, &how, &e), e);

    assert_ok(ch_session_feed(s, text, 8, &e), e);
    assert_ok(ch_session_next(&a[0], s, &how, &e), e);
    ch_session_cancel(s);
    assert_int_equal(ch_session_next(&a[1], s, &how, &e), CH_ECANCELED);
    assert_int_equal(ch_session_length(s), 9);
    ch_session_cancel(s);
    assert_int_equal(ch_session_feed(s, text, 3, &e), CH_ECANCELED);
    assert_int_equal(ch_session_length(s), 9);
    assert_int_equal(ch_session_get_stats(s).prompt_tokens, 8);
    assert_ok(ch_session_next(&a[1], s, &how, &e), e);
    assert_ok(ch_session_next(&a[2], s, &how, &e), e);
    assert_memory_equal(a, b, sizeof a);
    ch_session_close(&s);
    ch_session_close(&plain);
}

/* The prompt ends early, between two steps: the next draw computes the logits that it needs. */
static void drawing_after_an_interrupted_prompt(void **state)
{
    (void)state;
    ch_err e = {0};
    const ch_session_options o = {.context = 64, .step_rows = 4, .threads = 1, .page_size = 8};
    const ch_sampling how = CH_SAMPLING;
    ch_session *s, *plain = open_session(64, 0);
    ch_token a, b;
    assert_ok(ch_session_open(&s, model, &o, &e), e);
    ch_session_tap(s, cancel_on_first, s);
    assert_int_equal(ch_session_feed(s, text, 20, &e), CH_ECANCELED);
    ch_session_tap(s, NULL, NULL);
    assert_ok(ch_session_feed(plain, text, 4, &e), e);
    assert_ok(ch_session_next(&a, s, &how, &e), e);
    assert_ok(ch_session_next(&b, plain, &how, &e), e);
    assert_int_equal(a, b);
    assert_memory_equal(ch_session_logits(s), ch_session_logits(plain), 320 * sizeof(float));
    ch_session_close(&s);
    ch_session_close(&plain);
}

static int stop_at(void *arg, int position, const float *logits)
{
    (void)logits;
    return position == *(const int *)arg ? 7 : CH_OK;
}

/* Whoever looks at each row may end it; the session goes on from the last row that was fed. */
static void looking_may_end_early(void **state)
{
    (void)state;
    ch_err e = {0};
    int at = 2;
    ch_session *s = open_session(64, 0), *plain = open_session(64, 0);
    assert_int_equal(ch_session_feed_each(s, text, 6, stop_at, &at, &e), 7);
    assert_ok(ch_session_feed(plain, text, ch_session_length(s), &e), e);
    assert_memory_equal(ch_session_logits(s), ch_session_logits(plain), 320 * sizeof(float));
    ch_session_cancel(s);
    assert_int_equal(ch_session_feed_each(s, text, 6, NULL, NULL, &e), CH_ECANCELED);
    ch_session_close(&s);
    ch_session_close(&plain);
}

static int too_many(void *arg, const ch_token *tokens, int n, ch_token *out, int most)
{
    (void)arg, (void)tokens, (void)n;
    for (int i = 0; i < most; i++)
        out[i] = 3;
    return 1 << 20;
}

/* The logits that a caller sees do not depend on a drafter, and one that lies about its number is
 * believed up to what was allowed. */
static void drafts_are_not_seen(void **state)
{
    (void)state;
    ch_err e = {0};
    const ch_sampling how = CH_SAMPLING;
    ch_session *s = open_session(64, 0), *plain = open_session(64, 0);
    ch_session_draft(s, too_many, NULL, 4);
    assert_ok(ch_session_feed(s, text, 5, &e), e);
    assert_ok(ch_session_feed(plain, text, 5, &e), e);
    for (int i = 0; i < 20; i++) {
        ch_token a, b;
        assert_ok(ch_session_next(&a, s, &how, &e), e);
        assert_ok(ch_session_next(&b, plain, &how, &e), e);
        assert_int_equal(a, b);
        assert_memory_equal(ch_session_logits(s), ch_session_logits(plain), 320 * sizeof(float));
    }
    ch_session_close(&s);
    ch_session_close(&plain);
}

/* Answers to one prompt: the same seed gives the same one, another sample another one. */
static void samples_differ_by_their_number(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_token draws[3][16];
    for (int i = 0; i < 3; i++) {
        ch_sampling how = CH_SAMPLING;
        how.temp = 2;
        how.sample = i == 2;
        ch_session *s = open_session(64, 0);
        assert_ok(ch_session_feed(s, text, 5, &e), e);
        for (int j = 0; j < 16; j++)
            assert_ok(ch_session_next(&draws[i][j], s, &how, &e), e);
        ch_session_close(&s);
    }
    assert_memory_equal(draws[0], draws[1], sizeof draws[0]);
    assert_memory_not_equal(draws[0], draws[2], sizeof draws[0]);
}

enum { OWN_STEPS = 16 };

struct remembered {
    ch_token id[OWN_STEPS];
    int from;
};

/* What was drawn the last time, and something else now and then. */
static int remember(void *arg, const ch_token *tokens, int n, ch_token *out, int most)
{
    const struct remembered *r = arg;
    (void)tokens;
    int k = 0;
    for (int at = n - r->from; k < most && k < 4 && at + k < OWN_STEPS; k++)
        out[k] = k == 3 ? (r->id[at + k] + 1) % 256 : r->id[at + k];
    return k;
}

/* Where a gate decides, a token has as many steps however it came to be computed. */
static void steps_are_the_tokens_own(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_model *m = tiny_open("integrator", CH_F32, 5);
    const ch_session_options o = {.threads = 1, .context = 64};
    const ch_sampling how = CH_SAMPLING;
    struct remembered r = {.from = 20};
    double steps[OWN_STEPS], least = 100, most = 0;
    ch_session *s;
    for (int way = 0; way < 3; way++) { /* drawn, with guesses, fed */
        assert_ok(ch_session_open(&s, m, &o, &e), e);
        if (way == 1)
            ch_session_draft(s, remember, &r, 4);
        assert_ok(ch_session_feed(s, text, 20, &e), e);
        for (int i = 0; i < OWN_STEPS; i++) {
            ch_token t = r.id[i];
            if (way < 2)
                assert_ok(ch_session_next(&t, s, &how, &e), e);
            const double is = ch_session_steps(s);
            if (way == 0)
                r.id[i] = t, steps[i] = is;
            else
                assert_true(is == steps[i] && t == r.id[i]);
            if (way == 2)
                assert_ok(ch_session_feed(s, &t, 1, &e), e);
            least = is < least ? is : least;
            most = is > most ? is : most;
        }
        assert_true(way != 1 || ch_session_get_stats(s).accepted > 0);
        ch_session_close(&s);
    }
    assert_true(least >= 1 && least < most && most <= 3);
    ch_model_close(&m);
    s = open_session(32, 0);
    assert_ok(ch_session_feed(s, text, 5, &e), e);
    assert_true(ch_session_steps(s) == 0);
    ch_session_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_the_tokens_own),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(limits_come_before_work),
        cmocka_unit_test(a_full_cache_loses_nothing),
        cmocka_unit_test(saved_and_loaded_is_the_same), cmocka_unit_test(saved_by_another),
        cmocka_unit_test(vectors_stand_in_for_tokens),
        cmocka_unit_test(cancelling_keeps_whole_tokens),
        cmocka_unit_test(cancelling_forgets_nothing),
        cmocka_unit_test(drawing_after_an_interrupted_prompt),
        cmocka_unit_test(looking_may_end_early),
        cmocka_unit_test(drafts_are_not_seen),
        cmocka_unit_test(samples_differ_by_their_number),
    };
    return cmocka_run_group_tests_name("generate/session", tests, open_model, close_model);
}
