/* load.c - what an engine under load says is what a session alone says, to the bit
 *
 * 200 prompts of the bundled model, many with the same beginning, some with several answers, some
 * that repeat themselves (so that guesses are right), arrive in any order and by several users,
 * also at an engine whose cache is too small for all of them.  SPDX-License-Identifier: MIT */
#include "support.h"

#include "engine.h"

#include <stdlib.h>
#include <string.h>

enum { PROMPTS = 200, MOST = 16, ANSWERS = 3, TOP = 3, LONGEST = 160 };

static ch_model *model;
static ch_tokenizer *tk;

struct said {
    ch_token id[MOST];
    double log_p[MOST];
    ch_log_prob top[MOST][TOP];
    int n;
    ch_ending ending;
};

struct talk {
    ch_token prompt[LONGEST];
    int n_prompt, answers, most;
    ch_sampling how;
    struct said alone[ANSWERS], said[ANSWERS];
    double prompt_log_p[LONGEST];
    int begun, ended, done, prompt_told, prompt_seen;
    ch_ticket ticket;
};

static struct talk talks[PROMPTS];

static uint64_t below(uint64_t n, uint64_t a, uint64_t b)
{
    return ch_rng_below(n, 17, CH_RNG_TEST, a, b);
}

static void append(struct talk *t, const char *text)
{
    ch_err e = {0};
    ch_tokens ids = {0};
    assert_ok(ch_tokenizer_encode(&ids, tk, text, strlen(text), 0, &e), e);
    for (size_t i = 0; i < ids.n && t->n_prompt < LONGEST; i++)
        t->prompt[t->n_prompt++] = ids.id[i];
    ch_tokens_free(&ids);
}

static void make_talk(struct talk *t, uint64_t i)
{
    static const char *const begins[] = {
        "It was a dark night, and the old man who had come from the sea sat by the fire and "
        "told the children of the house what he had seen in the islands of the south.  ",
        "The letter said no more than this: that she would come by the evening train, alone, and "
        "that nobody was to wait for her at the station but himself.  ",
        "one two three four one two three four one two three four one two three four one two ",
    };
    static const char *const ends[] = {"The king", "She said", "And then he", "\"No,\" said",
                                       "There was", "one two", "I do not", "At last the"};
    *t = (struct talk){.answers = 1, .most = 1 + (int)below(MOST, i, 1), .how = CH_SAMPLING};
    if (below(4, i, 2))
        append(t, begins[below(CH_COUNT(begins), i, 3)]);
    append(t, ends[below(CH_COUNT(ends), i, 4)]);
    for (uint64_t k = 0; k < below(20, i, 5); k++)
        t->prompt[t->n_prompt++] = (ch_token)below(4000, i, 100 + k);
    t->how.seed = i;
    t->how.temp = below(3, i, 6) ? 0.8 : 0;
    t->how.repeat_penalty = below(5, i, 7) ? 1 : 1.1;
    if (below(5, i, 8) == 0)
        t->answers = ANSWERS;
}

static int setup(void **state)
{
    ch_err e = {0};
    (void)state;
    if (ch_model_open(&model, "models/chalcis-tiny.gguf", 2, &e) < 0 ||
        ch_tokenizer_open(&tk, "models/chalcis-tiny.gguf", NULL, &e) < 0) {
        print_error("%s\n", e.text);
        return -1;
    }
    for (uint64_t i = 0; i < PROMPTS; i++)
        make_talk(&talks[i], i);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ch_tokenizer_close(&tk);
    ch_model_close(&model);
    return 0;
}

/* ---- Alone --------------------------------------------------------------------------------- */

static void answer_alone(struct talk *t, int number, ch_session *s)
{
    ch_err e = {0};
    struct said *a = &t->alone[number];
    ch_sampling how = t->how;
    how.sample += (uint32_t)number;
    a->ending = CH_ENDING_LENGTH;
    while (a->n < t->most) {
        assert_ok(ch_session_next(&a->id[a->n], s, &how, &e), e);
        ch_log_prob own;
        assert_ok(ch_session_log_probs(&own, a->top[a->n], TOP, s, &e), e);
        a->log_p[a->n] = own.log_p;
        if (ch_tokenizer_is_end(tk, a->id[a->n++])) {
            a->ending = CH_ENDING_END;
            break;
        }
    }
}

static void all_alone(void)
{
    ch_err e = {0};
    const ch_session_options o = {.context = 256, .threads = 1};
    for (struct talk *t = talks; t < talks + PROMPTS; t++)
        for (int i = 0; i < t->answers; i++) {
            ch_session *s;
            ch_log_prob own[LONGEST];
            assert_ok(ch_session_open(&s, model, &o, &e), e);
            assert_ok(ch_session_feed_log_probs(own, NULL, 0, s, t->prompt, t->n_prompt, &e),
                      e);
            for (int k = 0; k < t->n_prompt; k++)
                t->prompt_log_p[k] = own[k].log_p;
            answer_alone(t, i, s);
            ch_session_close(&s);
        }
}

/* ---- Together ------------------------------------------------------------------------------ */

static bool same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static ch_go hear(void *arg, ch_answer *answer, const ch_event *v)
{
    struct talk *t = arg;
    struct said *a = &t->said[v->answer];
    assert_true(answer || (v->kind != CH_EVENT_BEGIN && v->kind != CH_EVENT_TOKEN));
    assert_int_equal(t->done, 0);
    switch (v->kind) {
    case CH_EVENT_PROMPT_TOKEN:
        assert_int_equal(v->id, t->prompt[t->prompt_told]);
        assert_true(same(v->log_p, t->prompt_log_p[t->prompt_told]));
        t->prompt_told++;
        break;
    case CH_EVENT_PROMPT:
        assert_int_equal(v->prompt_tokens, t->n_prompt);
        t->prompt_seen++;
        break;
    case CH_EVENT_BEGIN:
        assert_int_equal(t->prompt_seen, 1);
        t->begun++;
        break;
    case CH_EVENT_TOKEN:
        assert_true(a->n < t->most);
        a->id[a->n] = v->id;
        a->log_p[a->n] = v->log_p;
        assert_int_equal(v->n_top, TOP);
        memcpy(a->top[a->n++], v->top, sizeof a->top[0]);
        assert_int_equal(v->tokens, a->n);
        break;
    case CH_EVENT_END:
        a->ending = v->ending;
        t->ended++;
        break;
    default:
        t->done++;
    }
    return CH_GO_ON;
}

static void submit(ch_engine *g, struct talk *t, bool scored, uint64_t user)
{
    ch_err e = {0};
    const ch_request r = {.prompt = t->prompt,
                          .n_prompt = t->n_prompt,
                          .answers = t->answers,
                          .most = t->most,
                          .sampling = &t->how,
                          .log_probs = true,
                          .prompt_log_probs = scored,
                          .top = TOP,
                          .user = user,
                          .salt = user % 2,
                          .tell = hear,
                          .arg = t};
    t->begun = t->ended = t->done = t->prompt_told = t->prompt_seen = 0;
    memset(t->said, 0, sizeof t->said);
    assert_ok(ch_engine_submit(&t->ticket, g, &r, &e), e);
}

static void compare(const struct talk *t, bool scored)
{
    assert_int_equal(t->done, 1);
    assert_int_equal(t->begun, t->answers);
    assert_int_equal(t->ended, t->answers);
    assert_int_equal(t->prompt_told, scored ? t->n_prompt : 0);
    for (int i = 0; i < t->answers; i++) {
        const struct said *a = &t->alone[i], *b = &t->said[i];
        assert_int_equal(a->n, b->n);
        assert_int_equal(a->ending, b->ending);
        for (int k = 0; k < a->n; k++) {
            assert_int_equal(a->id[k], b->id[k]);
            assert_true(same(a->log_p[k], b->log_p[k]));
            assert_memory_equal(a->top[k], b->top[k], sizeof a->top[k]);
        }
    }
}

static ch_engine_stats run(ch_engine_options o, int guesses, bool own_thread, uint64_t seed)
{
    ch_err e = {0};
    ch_engine *g;
    o.session.context = 256;
    o.most_waiting_tokens = 1 << 20;
    o.most_waiting = PROMPTS;
    int order[PROMPTS];
    for (int i = 0; i < PROMPTS; i++)
        order[i] = i;
    for (int i = PROMPTS - 1; i > 0; i--) {
        const int j = (int)below((uint64_t)i + 1, seed, (uint64_t)i);
        const int keep = order[i];
        order[i] = order[j];
        order[j] = keep;
    }
    assert_ok(ch_engine_open(&g, model, tk, &o, &e), e);
    g->gain.always = guesses; /* where they pay is another question */
    if (own_thread)
        assert_ok(ch_engine_start(g, &e), e);
    for (int i = 0; i < PROMPTS; i++) {
        const uint64_t user = below(5, seed, 1000 + (uint64_t)i);
        submit(g, &talks[order[i]], user == 4, user);
        for (uint64_t k = below(4, seed, 2000 + (uint64_t)i); k > 1 && !own_thread; k--) {
            bool busy;
            assert_ok(ch_engine_step(&busy, g, &e), e);
        }
    }
    for (bool busy = !own_thread; busy;)
        assert_ok(ch_engine_step(&busy, g, &e), e);
    if (own_thread)
        assert_ok(ch_engine_wait(g, 600000, &e), e);
    for (int i = 0; i < PROMPTS; i++)
        compare(&talks[order[i]], below(5, seed, 1000 + (uint64_t)i) == 4);
    ch_engine_stats s;
    ch_engine_get_stats(&s, g);
    ch_engine_close(&g);
    assert_int_equal(s.cache_used, 0);
    assert_int_equal(s.requests, PROMPTS);
    return s;
}

static void as_alone(void **state)
{
    (void)state;
    all_alone();
    ch_engine_stats s = run(
        (ch_engine_options){.most_answers = 8, .session = {.step_rows = 256}}, 3, false, 1);
    assert_true(s.shared_tokens > 0);
    assert_true(s.drafted > 0 && s.accepted > 0);
    assert_int_equal(s.put_off, 0);
    /* nothing here is measured, so that who gives way is always the same */
    const ch_engine_options crowded = {.most_answers = 32,
                                       .draft = -1,
                                       .step_ms = 3600000,
                                       .session = {.cache_tokens = 256, .step_rows = 256}};
    s = run(crowded, 0, false, 2);
    assert_true(s.put_off > 0);
    run((ch_engine_options){.most_answers = 16, .session = {.step_rows = 24}}, 0, true, 3);
    s = run((ch_engine_options){.most_answers = 3, .draft = -1, .session = {.threads = 1}}, 0,
            true, 4);
    assert_int_equal(s.drafted, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_alone)};
    return cmocka_run_group_tests_name("engine/load", tests, setup, teardown);
}
