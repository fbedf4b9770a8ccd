/* listeners.c - what listeners ask for, who is refused, guesses and whether they pay
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include "engine.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 64, ANSWERS = 8 };

static ch_model *model;
static ch_tokenizer *tk;

static int setup(void **state)
{
    ch_err e = {0};
    (void)state;
    return ch_model_open(&model, "models/chalcis-tiny.gguf", 1, &e) == CH_OK &&
                   ch_tokenizer_open(&tk, "models/chalcis-tiny.gguf", NULL, &e) == CH_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    ch_tokenizer_close(&tk);
    ch_model_close(&model);
    return 0;
}

/* What was heard, and what is done when an answer begins or says something. */
typedef struct heard heard;
struct heard {
    void (*act)(heard *h, ch_answer *a, const ch_event *v);
    ch_token id[ANSWERS][MOST];
    bool fed[ANSWERS][MOST];
    int n[ANSWERS], begun, ended, done;
    ch_ending ending[ANSWERS], how;
    ch_err error;
    int code; /* what the last act returned */
    ch_grammar *grammar;
    float first;
    int width;
};

static ch_go hear(void *arg, ch_answer *a, const ch_event *v)
{
    heard *h = arg;
    if (v->kind == CH_EVENT_BEGIN)
        h->begun++;
    if (v->kind == CH_EVENT_TOKEN) {
        h->fed[v->answer][h->n[v->answer]] = v->fed;
        h->id[v->answer][h->n[v->answer]++] = v->id;
    }
    if (v->kind == CH_EVENT_VECTOR) {
        h->width = v->width;
        h->first = v->vector[0];
    }
    if (v->kind == CH_EVENT_END) {
        h->ended++;
        h->ending[v->answer] = v->ending;
    }
    if (v->kind == CH_EVENT_DONE) {
        h->done++;
        h->how = v->ending;
    }
    if (v->error)
        h->error = *v->error;
    if (a && h->act)
        h->act(h, a, v);
    return CH_GO_ON;
}

static ch_tokens ids_of(const char *text)
{
    ch_err e = {0};
    ch_tokens ids = {0};
    assert_ok(ch_tokenizer_encode(&ids, tk, text, strlen(text), CH_ENCODE_BOS, &e), e);
    return ids;
}

static ch_engine *open_engine(void)
{
    ch_err e = {0};
    ch_engine *g;
    const ch_engine_options o = {.session = {.context = 128, .threads = 1}, .most_answers = 4};
    assert_ok(ch_engine_open(&g, model, tk, &o, &e), e);
    return g;
}

static void run(ch_engine *g)
{
    ch_err e = {0};
    for (bool busy = true; busy;)
        assert_ok(ch_engine_step(&busy, g, &e), e);
}

static void ask(heard *h, int most)
{
    ch_err e = {0};
    ch_ticket t;
    ch_engine *g = open_engine();
    ch_tokens ids = ids_of("The king said");
    const ch_request r = {
        .prompt = ids.id, .n_prompt = (int)ids.n, .most = most, .tell = hear, .arg = h};
    assert_ok(ch_engine_submit(&t, g, &r, &e), e);
    run(g);
    ch_engine_close(&g);
    ch_tokens_free(&ids);
    assert_int_equal(h->done, 1);
    assert_int_equal(h->begun, h->ended);
}

/* ---- Feeding, forking, grammars ------------------------------------------------------------ */

static void feed_once(heard *h, ch_answer *a, const ch_event *v)
{
    static const ch_token three[3] = {300, 301, 302};
    if (v->kind == CH_EVENT_TOKEN && v->tokens == 4)
        h->code = ch_answer_feed(a, three, 3, NULL);
}

static void what_is_fed_is_told_and_gone_on_from(void **state)
{
    (void)state;
    heard h = {.act = feed_once}, plain = {0};
    ask(&plain, 12);
    ask(&h, 12);
    assert_int_equal(h.code, CH_OK);
    assert_int_equal(h.n[0], 12);
    assert_memory_equal(h.id[0], plain.id[0], 4 * sizeof(ch_token));
    for (int i = 0; i < 12; i++)
        assert_int_equal(h.fed[0][i], i >= 4 && i < 7);
    assert_int_equal(h.id[0][5], 301);
    /* alone, from the same tokens */
    ch_err e = {0};
    ch_session *s;
    ch_tokens ids = ids_of("The king said");
    const ch_sampling how = CH_SAMPLING;
    assert_ok(ch_session_open(&s, model, &(ch_session_options){.context = 128}, &e), e);
    assert_ok(ch_session_feed(s, ids.id, (int)ids.n, &e), e);
    assert_ok(ch_session_feed(s, h.id[0], 7, &e), e);
    for (int i = 7; i < 12; i++) {
        ch_token t;
        assert_ok(ch_session_next(&t, s, &how, &e), e);
        assert_int_equal(t, h.id[0][i]);
    }
    ch_session_close(&s);
    ch_tokens_free(&ids);
}

static void feed_too_much(heard *h, ch_answer *a, const ch_event *v)
{
    ch_token many[9] = {0};
    const ch_token end = ch_tokenizer_eos(tk);
    for (int i = 0; i < 9; i++)
        many[i] = 300;
    if (v->kind == CH_EVENT_BEGIN) {
        assert_int_equal(ch_answer_feed(a, many, 9, NULL), CH_ELIMIT);
        assert_int_equal(ch_answer_feed(a, &end, 1, NULL), CH_EARG);
        h->code = ch_answer_feed(a, many, 8, NULL);
    }
}

static void all_or_none_is_fed(void **state)
{
    (void)state;
    heard h = {.act = feed_too_much};
    ask(&h, 8);
    assert_int_equal(h.code, CH_OK);
    assert_int_equal(h.n[0], 8);
    assert_int_equal(h.ending[0], CH_ENDING_LENGTH);
}

static void fork_thrice(heard *h, ch_answer *a, const ch_event *v)
{
    int number;
    if (v->answer == 0 && v->kind == CH_EVENT_BEGIN)
        for (int i = 0; i < 4; i++)
            h->code = ch_answer_fork(&number, a, NULL);
}

static void forks_are_as_many_as_may_be(void **state)
{
    (void)state;
    heard h = {.act = fork_thrice};
    ask(&h, 6);
    assert_int_equal(h.begun, 4);
    assert_int_equal(h.code, CH_ELIMIT);
    assert_memory_not_equal(h.id[0], h.id[1], 6 * sizeof(ch_token));
    assert_memory_not_equal(h.id[1], h.id[2], 6 * sizeof(ch_token));
}

static void obey(heard *h, ch_answer *a, const ch_event *v)
{
    if (v->kind == CH_EVENT_BEGIN)
        h->code = ch_answer_grammar(a, h->grammar, "[1", 2, NULL);
    if (v->kind == CH_EVENT_BEGIN)
        assert_int_equal(ch_answer_grammar(a, h->grammar, "x", 1, NULL), CH_EARG);
}

static void grammars_may_have_begun(void **state)
{
    static const char schema[] = "{\"type\":\"array\",\"items\":{\"const\":17},\"minItems\":2,"
                                 "\"maxItems\":2}";
    ch_err e = {0};
    (void)state;
    heard h = {.act = obey};
    const ch_grammar_options o = {.compact = true};
    assert_ok(ch_grammar_open(&h.grammar, tk, CH_GRAMMAR_SCHEMA, schema, strlen(schema), &o, &e),
              e);
    ask(&h, 30);
    assert_int_equal(h.code, CH_OK);
    ch_buf text;
    ch_buf_init(&text, 1000);
    for (int i = 0; i < h.n[0]; i++)
        ch_tokenizer_append(&text, tk, i > 0 ? h.id[0][i - 1] : 300, h.id[0][i]);
    assert_true(text.size >= 5);
    assert_memory_equal(text.data, "7,17]", 5);
    assert_true(h.ending[0] == CH_ENDING_END || h.ending[0] == CH_ENDING_GRAMMAR);
    ch_buf_close(&text);
    ch_grammar_close(&h.grammar);
}

/* ---- Who is refused, cancelled, drained ---------------------------------------------------- */

static void requests_are_checked(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_ticket t;
    heard h = {0};
    ch_token prompt[200] = {0};
    ch_engine *g = open_engine();
    ch_request r = {.prompt = prompt, .n_prompt = 0, .tell = hear, .arg = &h};
    assert_int_equal(ch_engine_submit(&t, g, &r, &e), CH_EARG);
    r.n_prompt = 128;
    assert_int_equal(ch_engine_submit(&t, g, &r, &e), CH_ELIMIT);
    assert_non_null(strstr(e.text, "128"));
    r.n_prompt = 2;
    prompt[1] = 4096;
    assert_int_equal(ch_engine_submit(&t, g, &r, &e), CH_EARG);
    prompt[1] = 1;
    r.answers = 5;
    assert_int_equal(ch_engine_submit(&t, g, &r, &e), CH_EARG);
    r.answers = 1;
    r.top = CH_ENGINE_TOP + 1;
    assert_int_equal(ch_engine_submit(&t, g, &r, &e), CH_EARG);
    r.top = 0;
    assert_int_equal(t, 0);
    assert_ok(ch_engine_submit(&t, g, &r, &e), e);
    ch_engine_cancel(g, t);
    run(g);
    assert_int_equal(h.done, 1);
    assert_int_equal(h.begun, 0);
    assert_int_equal(h.how, CH_ENDING_CANCELED);
    ch_engine_drain(g);
    assert_int_equal(ch_engine_submit(&t, g, &r, &e), CH_ECANCELED);
    ch_engine_close(&g);
}

static void only_so_many_wait(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_ticket t;
    heard h[8] = {{0}};
    const ch_token prompt[3] = {5, 6, 7};
    const ch_engine_options o = {.session = {.context = 64, .threads = 1},
                                 .most_waiting = 5,
                                 .most_waiting_user = 3};
    ch_engine *g;
    assert_ok(ch_engine_open(&g, model, tk, &o, &e), e);
    for (int i = 0; i < 8; i++) {
        const ch_request r = {.prompt = prompt,
                              .n_prompt = 3,
                              .most = 2,
                              .user = i < 4 ? 1 : 2,
                              .tell = hear,
                              .arg = &h[i]};
        const int rc = ch_engine_submit(&t, g, &r, &e);
        assert_int_equal(rc, i == 3 || i > 5 ? CH_EBUSY : CH_OK);
    }
    assert_true(ch_engine_retry_ms(g) >= 1);
    ch_engine_close(&g); /* those that wait are told */
    for (int i = 0; i < 8; i++)
        assert_int_equal(h[i].done, i == 3 || i > 5 ? 0 : 1);
}

static void a_vector_is_the_mean(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_ticket t;
    heard one = {0}, two = {0};
    ch_engine *g = open_engine();
    const ch_token prompt[100] = {1, 2, 3};
    ch_request r = {.prompt = prompt, .n_prompt = 100, .vector = true, .tell = hear, .arg = &one};
    assert_ok(ch_engine_submit(&t, g, &r, &e), e);
    run(g);
    r.arg = &two;
    assert_ok(ch_engine_submit(&t, g, &r, &e), e);
    run(g);
    assert_int_equal(one.width, 256);
    assert_true(one.first != 0 && isfinite(one.first) && one.first == two.first);
    assert_int_equal(one.begun, 0);
    ch_engine_close(&g);
}

/* ---- Guesses ------------------------------------------------------------------------------- */

static void what_followed_is_guessed(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_suffix x;
    const ch_token text[] = {1, 2, 3, 4, 9, 2, 3, 5, 6, 1, 2, 3};
    ch_token out[4];
    assert_ok(ch_suffix_open(&x, 64, &e), e);
    assert_int_equal(ch_suffix_guess(&x, text, 2, out, 4), 0);
    /* "1 2 3" was once before, "2 3" twice: the longer one counts */
    assert_int_equal(ch_suffix_guess(&x, text, 12, out, 4), 4);
    assert_int_equal(out[0], 4);
    assert_int_equal(out[1], 9);
    ch_suffix_close(&x);
    assert_ok(ch_suffix_open(&x, 64, &e), e);
    assert_int_equal(ch_suffix_guess(&x, text, 7, out, 3), 3);
    assert_int_equal(out[0], 4);
    ch_suffix_close(&x);
}

/* Whoever asks again, for more, is told what a fresh look at the text would tell, at any length. */
static void asked_again(void **state)
{
    (void)state;
    enum { N = 200 };
    ch_err e = {0};
    ch_suffix x;
    ch_token text[N], one[1], out[8], fresh[8];
    for (uint64_t i = 0; i < N; i++)
        text[i] = (ch_token)ch_rng_below(3, 1, CH_RNG_TEST, 0, i);
    assert_ok(ch_suffix_open(&x, N, &e), e);
    for (int n = 1; n <= N; n++) {
        ch_suffix y;
        assert_ok(ch_suffix_open(&y, N, &e), e);
        const int any = ch_suffix_guess(&x, text, n, one, 1);
        const int many = ch_suffix_guess(&x, text, n, out, 8);
        assert_int_equal(ch_suffix_guess(&y, text, n, fresh, 8), many);
        assert_int_equal(any, CH_MIN(many, 1));
        if (many > 0) {
            assert_int_equal(one[0], out[0]);
            assert_memory_equal(out, fresh, (size_t)many * sizeof *out);
        }
        ch_suffix_close(&y);
    }
    ch_suffix_close(&x);
}

static void guesses_have_to_pay(void **state)
{
    (void)state;
    ch_gain g = {0};
    const double sure = 0.99, unsure = 0.3;
    assert_int_equal(ch_gain_choose(&g, &sure, 1, 8), 0); /* nothing is known yet */
    for (int rows = 1; rows <= 9; rows++)
        ch_gain_measure(&g, rows, 1 + 0.05 * rows);
    assert_int_equal(ch_gain_choose(&g, &sure, 1, 8), 8);
    assert_in_range(ch_gain_choose(&g, &unsure, 1, 8), 1, 2);
    for (int i = 0; i < 200; i++)
        for (int rows = 1; rows <= 9; rows++)
            ch_gain_measure(&g, rows, rows); /* rows cost as much as steps */
    assert_int_equal(ch_gain_choose(&g, &sure, 1, 8), 0);
    assert_int_equal(ch_gain_choose(&g, &unsure, 1, 8), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_fed_is_told_and_gone_on_from),
        cmocka_unit_test(all_or_none_is_fed),
        cmocka_unit_test(forks_are_as_many_as_may_be),
        cmocka_unit_test(grammars_may_have_begun),
        cmocka_unit_test(requests_are_checked),
        cmocka_unit_test(only_so_many_wait),
        cmocka_unit_test(a_vector_is_the_mean),
        cmocka_unit_test(what_followed_is_guessed),
        cmocka_unit_test(asked_again),
        cmocka_unit_test(guesses_have_to_pay),
    };
    return cmocka_run_group_tests_name("engine/listeners", tests, setup, teardown);
}
