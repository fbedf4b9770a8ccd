/* tests/talk/style.c - one style for many conversations on many threads at once: each is told what
 * it would be told with a style of its own
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include "talk.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, ROUNDS = 12 };

static ch_tokenizer *tk;

/* Conversation `kind`: with tools or without, thinking or not, of several lengths. */
static int say(ch_talk *t, int kind, ch_err *e)
{
    char text[200];
    int rc = CH_OK;
    for (int i = 0; i <= kind % 5 && rc == CH_OK; i++) {
        const int n = snprintf(text, sizeof text, "Message %d of %d: \xc3\xa4 <|im_end|> {{ x }}",
                               i, kind);
        rc = ch_talk_say(t, i % 2 ? "assistant" : "user", text, (size_t)n, e);
    }
    if (kind % 2 && rc == CH_OK)
        rc = ch_talk_set(t, "tools",
                         json_pack("[{s:s, s:{s:s, s:s, s:{s:s, s:{}}}}]", "type", "function",
                                   "function", "name", "look", "description", "Looks.",
                                   "parameters", "type", "object", "properties"), e);
    if (kind % 3 && rc == CH_OK)
        rc = ch_talk_set(t, "enable_thinking", json_boolean(kind % 3 == 1), e);
    return rc;
}

struct prompt {
    ch_tokens ids;
    ch_buf text;
    int rc; /* some templates refuse some conversations: then all do */
};

static struct prompt prompt_of(ch_talk *t, int kind)
{
    ch_err e = {0};
    struct prompt p = {0};
    ch_buf_init(&p.text, 1 << 24);
    p.rc = say(t, kind, &e);
    if (p.rc == CH_OK)
        p.rc = ch_talk_prompt(&p.ids, &p.text, t, &e);
    ch_talk_close(&t);
    return p;
}

static void free_prompt(struct prompt *p)
{
    ch_tokens_free(&p->ids);
    ch_buf_close(&p->text);
}

struct worker {
    pthread_t thread;
    const ch_talk_style *style;
    const struct prompt *want;
    int first, wrong;
};

/* Nothing of cmocka here: it is the main thread's. */
static void *work(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < 2 * ROUNDS; i++) {
        const int kind = (w->first + i) % ROUNDS;
        const struct prompt *want = &w->want[kind];
        ch_err e = {0};
        ch_talk *t;
        if (ch_talk_open_in(&t, NULL, w->style, &e) < 0) {
            w->wrong++;
            continue;
        }
        struct prompt p = prompt_of(t, kind);
        w->wrong += p.rc != want->rc || p.text.size != want->text.size ||
                    p.ids.n != want->ids.n ||
                    (p.text.size && memcmp(p.text.data, want->text.data, p.text.size) != 0) ||
                    (p.ids.n && memcmp(p.ids.id, want->ids.id, p.ids.n * sizeof *p.ids.id) != 0);
        free_prompt(&p);
    }
    return NULL;
}

static void check_style(const char *jinja)
{
    ch_err e = {0};
    ch_talk_style *style;
    struct prompt want[ROUNDS];
    struct worker w[THREADS];
    int made = 0;
    for (int i = 0; i < ROUNDS; i++) {
        ch_talk *t;
        assert_ok(ch_talk_open(&t, NULL, tk, jinja, "own", &e), e);
        want[i] = prompt_of(t, i);
        made += want[i].rc == CH_OK && want[i].ids.n > 0;
    }
    assert_true(made >= ROUNDS / 2);
    assert_ok(ch_talk_style_open(&style, tk, jinja, "own", &e), e);
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct worker){.style = style, .want = want, .first = 3 * i};
        assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(w[i].thread, NULL);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(w[i].wrong, 0);
    ch_talk_style_close(&style);
    for (int i = 0; i < ROUNDS; i++)
        free_prompt(&want[i]);
}

static void the_models_own(void **state)
{
    (void)state;
    check_style(NULL);
}

static void long_ones(void **state)
{
    (void)state;
    static const char *const names[] = {
        "conform/templates/Qwen-Qwen3-0.6B.jinja",
        "conform/templates/HuggingFaceTB-SmolLM3-3B.jinja",
        "conform/templates/meta-llama-Llama-3.2-3B-Instruct.jinja"};
    skip_without("conform/templates");
    for (size_t i = 0; i < CH_COUNT(names); i++) {
        ch_err e = {0};
        ch_buf b;
        ch_buf_init(&b, CH_TEMPLATE_BYTES);
        assert_ok(ch_io_read_file(&b, shared_path(names[i]), &e), e);
        ch_buf_put(&b, "", 1);
        check_style(b.data);
        ch_buf_close(&b);
    }
}

static void one_that_is_wrong(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_talk_style *style;
    assert_fails(ch_talk_style_open(&style, tk, "{% if %}", "mine", &e), CH_EFORMAT, e, "mine:1:");
    assert_null(style);
    ch_talk_style_close(&style);
}

static int open_tokenizer(void **state)
{
    ch_err e = {0};
    (void)state;
    return ch_tokenizer_open(&tk, "models/chalcis-tiny.gguf", NULL, &e);
}

static int close_tokenizer(void **state)
{
    (void)state;
    ch_tokenizer_close(&tk);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_models_own),
        cmocka_unit_test(long_ones),
        cmocka_unit_test(one_that_is_wrong),
    };
    return cmocka_run_group_tests_name("talk/style", tests, open_tokenizer, close_tokenizer);
}
