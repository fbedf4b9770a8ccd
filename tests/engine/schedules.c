/* schedules.c - random schedules: submitted, forked, fed, cancelled at any moment; no page is lost
 *
 * CHALCIS_SCHEDULES=N makes it N of them.  SPDX-License-Identifier: MIT */
#include "support.h"
#include "tiny.h"

#include "engine.h"

#include <stdlib.h>
#include <string.h>

enum { SCHEDULES = 300, REQUESTS = 12, CONTEXT = 48 };

static ch_model *model;
static ch_tokenizer *tk;

static int setup(void **state)
{
    ch_err e = {0};
    (void)state;
    model = tiny_open("llama", CH_F32, 3);
    return model && ch_tokenizer_open(&tk, "models/chalcis-tiny.gguf", NULL, &e) == CH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    ch_tokenizer_close(&tk);
    ch_model_close(&model);
    return 0;
}

struct request {
    struct schedule *of;
    ch_ticket ticket;
    int open, forks, prompt, told[64], tokens, done;
    bool begun[64], ended[64];
};

struct schedule {
    ch_engine *g;
    uint64_t seed, at;
    struct request r[REQUESTS];
    int n, done;
};

static int below(struct schedule *s, int n)
{
    return (int)ch_rng_below((uint64_t)n, s->seed, CH_RNG_TEST, 0, s->at++);
}

static void meddle(struct request *q, ch_answer *a)
{
    struct schedule *s = q->of;
    const ch_token two[2] = {7, 8};
    ch_err e = {0};
    int number;
    switch (below(s, 12)) {
    case 0:
        if (ch_answer_fork(&number, a, &e) == CH_OK) {
            assert_in_range(number, 1, 63);
            assert_false(q->begun[number]);
            q->forks++;
        } else {
            assert_int_equal(e.code, CH_ELIMIT);
        }
        break;
    case 1:
        if (ch_answer_feed(a, two, 1 + below(s, 2), &e) < 0)
            assert_int_equal(e.code, CH_ELIMIT);
        break;
    case 2:
        ch_answer_no_end(a, below(s, 2));
        break;
    case 3:
        ch_engine_cancel(s->g, s->r[below(s, REQUESTS)].ticket);
        break;
    default:
        break;
    }
}

static ch_go hear(void *arg, ch_answer *a, const ch_event *v)
{
    struct request *q = arg;
    assert_int_equal(q->done, 0);
    assert_in_range(v->answer, 0, 63);
    if (q->ticket)
        assert_int_equal(v->ticket, q->ticket);
    if (v->kind == CH_EVENT_BEGIN) {
        assert_false(q->begun[v->answer]);
        q->begun[v->answer] = true;
        q->told[v->answer] = v->tokens;
        q->open++;
    } else if (v->kind == CH_EVENT_TOKEN) {
        assert_true(q->begun[v->answer] && !q->ended[v->answer]);
        assert_int_equal(v->tokens, ++q->told[v->answer]);
        assert_true(q->prompt + v->tokens <= CONTEXT);
    } else if (v->kind == CH_EVENT_END) {
        assert_true(q->begun[v->answer] && !q->ended[v->answer]);
        assert_true(v->ending != CH_ENDING_NONE && v->ending != CH_ENDING_FAILED);
        q->ended[v->answer] = true;
        q->open--;
    } else if (v->kind == CH_EVENT_DONE) {
        assert_int_equal(q->open, 0);
        assert_null(v->error);
        q->done++;
        q->of->done++;
    }
    if (!a)
        return CH_GO_ON;
    meddle(q, a);
    return below(q->of, 40) == 0 ? CH_GO_END : CH_GO_ON;
}

static ch_go hear_only(void *arg, ch_answer *a, const ch_event *v)
{
    struct request *q = arg;
    (void)a;
    q->of->done += v->kind == CH_EVENT_DONE;
    return CH_GO_ON;
}

static void submit(struct schedule *s)
{
    struct request *q = &s->r[s->n++];
    ch_token prompt[CONTEXT];
    ch_sampling how = CH_SAMPLING;
    ch_err e = {0};
    *q = (struct request){.of = s, .prompt = 1 + below(s, CONTEXT - 2)};
    for (int i = 0; i < q->prompt; i++)
        prompt[i] = (ch_token)(i < 20 ? i : below(s, 64));
    how.seed = s->seed;
    const ch_request r = {.prompt = prompt,
                          .n_prompt = q->prompt,
                          .answers = below(s, 4),
                          .most = below(s, 12) - 1,
                          .sampling = &how,
                          .prompt_log_probs = below(s, 4) == 0,
                          .log_probs = below(s, 2),
                          .top = below(s, 3),
                          .vector = below(s, 8) == 0,
                          .user = (uint64_t)below(s, 3),
                          .salt = (uint64_t)below(s, 2),
                          .tell = hear,
                          .arg = q};
    ch_ticket t;
    const int rc = ch_engine_submit(&t, s->g, &r, &e);
    assert_true(rc == CH_OK || rc == CH_EBUSY);
    q->ticket = t;
    if (rc == CH_EBUSY) {
        q->done = 1;
        s->done++;
    }
}

static void play(uint64_t seed)
{
    struct schedule s = {.seed = seed};
    ch_err e = {0};
    ch_engine_options o = {.session = {.context = CONTEXT,
                                       .page_size = 8,
                                       .threads = seed % 8 ? 1 : 2},
                           .most_answers = 3 + below(&s, 6),
                           .most_waiting = 2 + below(&s, 10),
                           .draft = below(&s, 3) ? 4 : -1};
    o.session.cache_tokens = CONTEXT + 8 * below(&s, 20);
    o.session.step_rows = 1 + below(&s, 40);
    assert_ok(ch_engine_open(&s.g, model, tk, &o, &e), e);
    const bool cut_short = below(&s, 4) == 0;
    while (s.n < REQUESTS || (s.done < s.n && !cut_short)) {
        bool busy = false;
        if (s.n < REQUESTS && below(&s, 3) == 0)
            submit(&s);
        if (s.n > 0 && below(&s, 10) == 0)
            ch_engine_cancel(s.g, s.r[below(&s, s.n)].ticket);
        assert_ok(ch_engine_step(&busy, s.g, &e), e);
        assert_true(busy || s.done == s.n);
    }
    ch_engine_stats stats;
    ch_engine_get_stats(&stats, s.g);
    if (!cut_short)
        assert_int_equal(stats.cache_used, 0);
    ch_engine_close(&s.g);
    for (int i = 0; i < s.n; i++)
        assert_int_equal(s.r[i].done, 1);
}

static void no_page_is_lost(void **state)
{
    const char *n = getenv("CHALCIS_SCHEDULES");
    const uint64_t all = n ? strtoull(n, NULL, 10) : SCHEDULES;
    (void)state;
    for (uint64_t i = 0; i < all; i++)
        play(i);
}

/* Two long prompts and a short one in a cache that is all but full: giving way and coming back must
 * not go on for ever. */
static void giving_way_ends(void **state)
{
    (void)state;
    static const int prompts[] = {42, 42, 5};
    for (int cache = 48; cache < 120; cache += 8) {
        struct schedule s = {.seed = 1};
        ch_err e = {0};
        ch_token prompt[CONTEXT] = {0};
        const ch_engine_options o = {.session = {.context = CONTEXT,
                                                 .cache_tokens = cache,
                                                 .page_size = 8,
                                                 .step_rows = 16,
                                                 .threads = 1},
                                     .draft = -1};
        assert_ok(ch_engine_open(&s.g, model, tk, &o, &e), e);
        for (int i = 0; i < 3; i++) {
            struct request *q = &s.r[s.n++];
            *q = (struct request){.of = &s, .prompt = prompts[i]};
            for (int k = 0; k < prompts[i]; k++)
                prompt[k] = (ch_token)(10 * i + k);
            const ch_request r = {.prompt = prompt, .n_prompt = prompts[i], .most = 6,
                                  .user = (uint64_t)i, .tell = hear_only, .arg = q};
            assert_ok(ch_engine_submit(&q->ticket, s.g, &r, &e), e);
        }
        int steps = 0;
        for (bool busy = true; busy; steps++) {
            assert_true(steps < 200);
            assert_ok(ch_engine_step(&busy, s.g, &e), e);
        }
        assert_int_equal(s.done, 3);
        ch_engine_close(&s.g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_page_is_lost),
                                       cmocka_unit_test(giving_way_ends)};
    return cmocka_run_group_tests_name("engine/schedules", tests, setup, teardown);
}
