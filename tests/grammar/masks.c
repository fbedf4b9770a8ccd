/* tests/grammar/masks.c - masks against every token tried alone, memory, and sessions that obey
 *
 * SPDX-License-Identifier: MIT */
#include "beam.h"
#include "generate.h"
#include "obey.h"

static ch_tokenizer *vocabulary;
static ch_grammar *shared;

static ch_grammar *open_with(ch_grammar_kind kind, const char *text, size_t memory)
{
    ch_grammar *g;
    ch_err e = {0};
    const ch_grammar_options o = {.like = shared, .memory = memory};
    assert_ok(ch_grammar_open(&g, vocabulary, kind, text, strlen(text), &o, &e), e);
    return g;
}

static const char *const grammars[] = {
    "root ::= s (\",\" s)*\ns ::= \"\\\"\" c* \"\\\"\" ws\nc ::= [^\"\\\\] | \"\\\\\" [\"n]\nws ::= [ \\n]*",
    "root ::= word+ \"end\"\nword ::= l l? l?\nl ::= [a-z] | \" \"",
    "root ::= \"a\" root \"b\" | [\xc3\xa0-\xc3\xbf\xe2\x82\xac]+ | \"(\" root \")\" root",
    "root ::= a a a\na ::= \"t\" | \"th\" | \"the\" | \" \" a | \"\"",
};

/* The mask says of each token what trying it says. */
static void as_tried(ch_grammar *g, ch_place p)
{
    const uint64_t *mask;
    ch_err e = {0};
    assert_ok(ch_grammar_mask(&mask, &p, g, &e), e);
    for (ch_token t = 0; t < ch_grammar_vocab(g); t++) {
        ch_place q = p;
        if (allowed(mask, t) != (ch_grammar_token(&q, g, t, &e) == CH_OK))
            fail_msg("token %d is %s by the mask", (int)t,
                     allowed(mask, t) ? "allowed" : "forbidden");
    }
}

static void each_token_alone(void **state)
{
    (void)state;
    skip_one_thread();
    for (size_t i = 0; i < CH_COUNT(grammars); i++) {
        ch_grammar *g = open_with(CH_GRAMMAR_GBNF, grammars[i], 0);
        for (uint64_t seed = 0; seed < 4; seed++) {
            ch_place p;
            ch_err e = {0};
            assert_ok(ch_grammar_start(&p, g, &e), e);
            for (uint64_t step = 0; step < 6; step++) {
                const uint64_t *mask;
                as_tried(g, p);
                assert_ok(ch_grammar_mask(&mask, &p, g, &e), e);
                const ch_token t = draw_allowed(mask, ch_grammar_vocab(g), seed, step);
                if (ch_tokenizer_is_end(vocabulary, t))
                    break;
                assert_ok(ch_grammar_token(&p, g, t, &e), e);
            }
        }
        ch_grammar_close(&g);
    }
}

static void control_tokens_are_never_allowed(void **state)
{
    (void)state;
    ch_grammar *g = open_with(CH_GRAMMAR_GBNF, "root ::= .*", 0);
    const uint64_t *mask;
    ch_place p;
    ch_err e = {0};
    assert_ok(ch_grammar_start(&p, g, &e), e);
    assert_ok(ch_grammar_mask(&mask, &p, g, &e), e);
    int ends = 0;
    for (ch_token t = 0; t < ch_grammar_vocab(g); t++) {
        const bool end = ch_tokenizer_is_end(vocabulary, t);
        ends += end;
        if (end || ch_tokenizer_is_control(vocabulary, t))
            assert_int_equal(allowed(mask, t), end);
    }
    assert_true(ends > 0);
    assert_ok(ch_grammar_token(&p, g, ch_tokenizer_eos(vocabulary), &e), e);
    assert_fails(ch_grammar_bytes(&p, g, "a", 1, &e), CH_EARG, e, "byte 0 (0x61)");
    ch_grammar_close(&g);
}

/* Little memory is forgotten again and again; what may come does not change. */
static void memory_is_bounded(void **state)
{
    (void)state;
    const char *grammar = "root ::= \"[\" root* \"]\" | \"<\" ([a-z ] root?)* \">\"";
    ch_grammar *small = open_with(CH_GRAMMAR_GBNF, grammar, 1), *large =
        open_with(CH_GRAMMAR_GBNF, grammar, 0);
    ch_place p, q, first;
    ch_err e = {0};
    assert_ok(ch_grammar_start(&p, small, &e), e);
    assert_ok(ch_grammar_start(&q, large, &e), e);
    first = p;
    const size_t fixed = ch_grammar_bytes_used(small);
    for (uint64_t step = 0; step < 3000; step++) {
        const uint64_t *a, *b;
        assert_ok(ch_grammar_mask(&a, &p, small, &e), e);
        assert_ok(ch_grammar_mask(&b, &q, large, &e), e);
        assert_memory_equal(a, b, ch_grammar_mask_words(small) * sizeof *a);
        assert_true(ch_grammar_bytes_used(small) - fixed < (size_t)2 << 20);
        const char *next = step % 5 == 4 ? "<" : "[";
        if (step % 7 == 6 && step % 5 != 0)
            next = "]";
        const int rc = ch_grammar_bytes(&p, small, next, 1, &e);
        assert_int_equal(ch_grammar_bytes(&q, large, next, 1, &e), rc);
        if (rc < 0) {
            assert_ok(ch_grammar_bytes(&p, small, "a[", 2, &e), e);
            assert_ok(ch_grammar_bytes(&q, large, "a[", 2, &e), e);
        }
    }
    assert_true(ch_grammar_stale(small, first));
    assert_fails(ch_grammar_bytes(&first, small, "[", 1, &e), CH_EARG, e, "forgotten");
    assert_true(ch_grammar_bytes_used(small) < ch_grammar_bytes_used(large) ||
                ch_grammar_bytes_used(small) < (size_t)8 << 20);
    ch_grammar_close(&small);
    ch_grammar_close(&large);
}

/* A mask that runs out of memory on its way is made again with all of it. */
static void tried_again(void **state)
{
    (void)state;
    skip_one_thread();
    ch_grammar *g = open_with(CH_GRAMMAR_GBNF, "root ::= [a-z ] root [a-z ] | [a-z ]", 1);
    ch_place p;
    ch_err e = {0};
    assert_ok(ch_grammar_start(&p, g, &e), e);
    for (uint64_t step = 0; step < 110; step++) {
        const uint64_t *mask;
        assert_ok(ch_grammar_mask(&mask, &p, g, &e), e);
        assert_ok(ch_grammar_token(&p, g, draw_allowed(mask, ch_grammar_vocab(g), 0, step), &e), e);
    }
    ch_grammar_close(&g);
}

static void too_many_readings(void **state)
{
    (void)state;
    skip_one_thread();
    ch_grammar *g = open_with(CH_GRAMMAR_GBNF, "root ::= \"a\" root x? | \"\"\nx ::= \"b\"", 0);
    ch_place p;
    ch_err e = {0};
    assert_ok(ch_grammar_start(&p, g, &e), e);
    int rc = CH_OK;
    for (int i = 0; i < 10000 && rc == CH_OK; i++)
        rc = ch_grammar_bytes(&p, g, "a", 1, &e);
    assert_fails(rc, CH_ELIMIT, e, "too many ways");
    assert_ok(ch_grammar_bytes(&p, g, "b", 1, &e), e); /* p is where it was */
    ch_grammar_close(&g);
}

/* One of two arrays, whichever needs fewer changes; and back. */
static void logits(void **state)
{
    (void)state;
    float x[200], y[200];
    static const uint64_t first[] = {4, 0x5555555555555555u, UINT64_MAX};
    for (size_t k = 0; k < 3; k++)
        for (int vocab = 100; vocab <= 200; vocab += 50) {
            uint64_t mask[4] = {first[k], first[k], first[k] & (((uint64_t)1 << 22) - 1), 0};
            for (int i = 0; i < 3; i++)
                mask[3] += (uint64_t)__builtin_popcountll(mask[i]);
            for (int i = 0; i < 200; i++) {
                x[i] = (float)i;
                y[i] = -INFINITY;
            }
            const float *left = ch_grammar_hide(x, y, vocab, mask, 150);
            for (int i = 0; i < vocab; i++)
                assert_true(left[i] == (i < 150 && allowed(mask, i) ? (float)i : -INFINITY));
            ch_grammar_show(x, y, vocab, mask, 150);
            for (int i = 0; i < 200; i++)
                assert_true(x[i] == (float)i && y[i] == -INFINITY);
        }
}

/* ---- Sessions -------------------------------------------------------------------------------- */

static int wrong_guesses(void *arg, const ch_token *tokens, int n, ch_token *out, int most)
{
    const ch_tokens *right = arg;
    int k = 0;
    (void)tokens;
    for (; k < most && k < 4 && (size_t)(n + k) < right->n; k++)
        out[k] = k == 2 ? 5 : right->id[n + k];
    return k;
}

static void draw_until(ch_session *s, int length)
{
    const ch_sampling how = {.repeat_penalty = 1, .top_k = 5, .top_p = 1, .temp = 1.5, .seed = 3};
    ch_err e = {0};
    while (ch_session_length(s) < length) {
        ch_token t;
        assert_ok(ch_session_next(&t, s, &how, &e), e);
    }
}

static void same_tokens(const ch_session *s, const ch_tokens *want)
{
    assert_int_equal(ch_session_length(s), want->n);
    assert_memory_equal(ch_session_tokens(s), want->id, want->n * sizeof *want->id);
}

static void sessions_obey(void **state)
{
    (void)state;
    enum { LENGTH = 40 };
    ch_model *m;
    ch_session *s, *fork;
    ch_err e = {0};
    const ch_session_options o = {.threads = 1, .context = 64};
    assert_ok(ch_model_open(&m, "models/chalcis-tiny.gguf", 1, &e), e);
    assert_ok(ch_session_open(&s, m, &o, &e), e);
    ch_grammar *g = open_with(CH_GRAMMAR_GBNF, "root ::= ([0-9]{1,3} (\"+\" | \"-\"))+", 0);
    const ch_token prompt[] = {300, 301};
    assert_ok(ch_session_feed(s, prompt, 2, &e), e);
    assert_ok(ch_session_grammar(s, g, &e), e);
    draw_until(s, LENGTH);
    ch_tokens right = {.id = malloc(LENGTH * sizeof(ch_token)), .n = LENGTH};
    memcpy(right.id, ch_session_tokens(s), LENGTH * sizeof(ch_token));
    ch_buf text;
    ch_buf_init(&text, 1 << 16);
    for (int i = 2; i < LENGTH; i++)
        assert_true(ch_tokenizer_append(&text, vocabulary, right.id[i - 1], right.id[i]));
    assert_int_equal(strspn(text.data, "0123456789+-"), text.size);
    ch_buf_close(&text);

    assert_ok(ch_session_rollback(s, 9, &e), e);
    assert_ok(ch_session_fork(&fork, s, &e), e);
    draw_until(s, LENGTH);
    same_tokens(s, &right);
    ch_session_draft(fork, wrong_guesses, &right, 4);
    draw_until(fork, LENGTH);
    same_tokens(fork, &right);
    assert_true(ch_session_get_stats(fork).accepted > 0);

    assert_ok(ch_session_rollback(fork, 1, &e), e); /* before its beginning: it begins here */
    assert_ok(ch_session_feed(fork, prompt, 1, &e), e);
    ch_token t;
    const ch_sampling how = CH_SAMPLING;
    assert_fails(ch_session_next(&t, fork, &how, &e), CH_EARG, e, "token 1: the grammar");
    assert_ok(ch_session_grammar(fork, NULL, &e), e);
    assert_ok(ch_session_next(&t, fork, &how, &e), e);
    ch_tokens_free(&right);
    ch_session_close(&fork);
    ch_session_close(&s);
    ch_grammar_close(&g);
    ch_model_close(&m);
}

/* Bans the tokens that the regex [0-9] could begin with; there are at most ten. */
static int digits(ch_logit_bias *out)
{
    int n = 0;
    for (ch_token t = 0; t < ch_tokenizer_size(vocabulary) && n < 10; t++) {
        char piece[8];
        if (!ch_tokenizer_is_control(vocabulary, t) &&
            ch_tokenizer_piece(piece, sizeof piece, vocabulary, 100, t) == 1 &&
            piece[0] >= '0' && piece[0] <= '9')
            out[n++] = (ch_logit_bias){.id = t, .bias = -INFINITY};
    }
    return n;
}

/* A text that is complete, and the token that would say so is banned. */
static void complete_without_an_end(void **state)
{
    (void)state;
    ch_model *m;
    ch_session *s;
    ch_err e = {0};
    ch_token t;
    bool yes = false;
    const ch_session_options o = {.threads = 1, .context = 64};
    const ch_token prompt[] = {300};
    ch_token end[8];
    int n_ends = 0;
    for (t = 0; t < ch_tokenizer_size(vocabulary) && n_ends < 8; t++)
        if (ch_tokenizer_is_end(vocabulary, t))
            end[n_ends++] = t;
    ch_sampling how = CH_SAMPLING;
    assert_ok(ch_model_open(&m, "models/chalcis-tiny.gguf", 1, &e), e);
    assert_ok(ch_session_open(&s, m, &o, &e), e);
    ch_grammar *g = open_with(CH_GRAMMAR_REGEX, "[0-9]", 0);
    assert_ok(ch_session_feed(s, prompt, 1, &e), e);
    assert_ok(ch_session_may_end(&yes, s, &e), e);
    assert_true(yes); /* no grammar */
    assert_ok(ch_session_grammar(s, g, &e), e);
    assert_ok(ch_session_may_end(&yes, s, &e), e);
    assert_false(yes);
    ch_logit_bias none[10];
    how.bias = none;
    how.n_bias = digits(none); /* nothing left, and not complete */
    assert_fails(ch_session_next(&t, s, &how, &e), CH_EARG, e, "or against the grammar");
    how.n_bias = 0;
    assert_ok(ch_session_next(&t, s, &how, &e), e);
    how.ends = end;
    how.n_ends = n_ends;
    how.ends_from = 60;
    assert_fails(ch_session_next(&t, s, &how, &e), CH_EARG, e, "complete by its grammar");
    assert_int_equal(ch_session_length(s), 2);
    assert_ok(ch_session_may_end(&yes, s, &e), e);
    assert_true(yes);
    how.ends_from = 0;
    assert_ok(ch_session_next(&t, s, &how, &e), e);
    assert_true(ch_tokenizer_is_end(vocabulary, t));
    ch_session_close(&s);
    ch_grammar_close(&g);
    ch_model_close(&m);
}

/* Each beam has its own place, also in a grammar that has to forget. */
static void beams_obey(void **state)
{
    (void)state;
    static ch_beams found;
    ch_model *m;
    ch_session *s;
    ch_err e = {0};
    const ch_session_options o = {.threads = 1, .context = 64, .cache_tokens = 4096};
    const ch_beam_options beams = {.width = 8, .most = 40, .length_penalty = 1};
    const ch_grammar_options small = {.memory = 1 << 20, .like = shared};
    ch_grammar *g;
    const ch_token prompt[] = {300};
    assert_ok(ch_model_open(&m, "models/chalcis-tiny.gguf", 1, &e), e);
    assert_ok(ch_session_open(&s, m, &o, &e), e);
    assert_ok(ch_session_feed(s, prompt, 1, &e), e);
    assert_ok(ch_grammar_open(&g, vocabulary, CH_GRAMMAR_JSON, "", 0, &small, &e), e);
    assert_ok(ch_session_grammar(s, g, &e), e);
    assert_ok(ch_beam_search(&found, s, &beams, &e), e);
    assert_int_equal(found.n, 8);
    for (int i = 0; i < found.n; i++) {
        ch_place p;
        assert_ok(ch_grammar_start(&p, shared, &e), e);
        for (int k = 0; k < found.at[i].n; k++)
            assert_ok(ch_grammar_token(&p, shared, found.at[i].id[k], &e), e);
    }
    ch_beams_free(&found);
    ch_session_close(&s);
    ch_grammar_close(&g);
    ch_model_close(&m);
}

static int open_all(void **state)
{
    (void)state;
    ch_err e = {0};
    vocabulary = bundled_vocabulary();
    return ch_grammar_open(&shared, vocabulary, CH_GRAMMAR_JSON, "", 0, NULL, &e);
}

static int close_all(void **state)
{
    (void)state;
    ch_grammar_close(&shared);
    ch_tokenizer_close(&vocabulary);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_token_alone), cmocka_unit_test(control_tokens_are_never_allowed),
        cmocka_unit_test(memory_is_bounded), cmocka_unit_test(tried_again),
        cmocka_unit_test(too_many_readings),
        cmocka_unit_test(logits), cmocka_unit_test(sessions_obey),
        cmocka_unit_test(complete_without_an_end), cmocka_unit_test(beams_obey),
    };
    return cmocka_run_group_tests_name("grammar/masks", tests, open_all, close_all);
}
