/* six.c - conversations at random through six real templates: what the session holds is always the
 * text that the template makes of the messages, however it came to be there
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include "talk.h"

#include <stdlib.h>
#include <string.h>

static ch_model *model;
static ch_tokenizer *tk;

static int open_model(void **state)
{
    ch_err e = {0};
    (void)state;
    if (ch_model_open(&model, "models/chalcis-tiny.gguf", 1, &e) < 0 ||
        ch_tokenizer_open(&tk, "models/chalcis-tiny.gguf", NULL, &e) < 0) {
        print_error("%s\n", e.text);
        return -1;
    }
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    ch_tokenizer_close(&tk);
    ch_model_close(&model);
    return 0;
}

struct walk {
    ch_session *s;
    ch_talk *t;
    const char *template;
    uint64_t draws;
    ch_tokens script;
    size_t at;
    uint64_t prompts; /* tokens of all prompts together */
};

static int pick(struct walk *w, int n)
{
    return (int)ch_rng_below((uint64_t)n, 5, CH_RNG_TEST, 9, w->draws++);
}

static void follow_script(void *arg, ch_candidates *c, const ch_sample_view *v)
{
    struct walk *w = arg;
    (void)v;
    const ch_token id = w->at < w->script.n ? w->script.id[w->at++] : ch_tokenizer_eos(tk);
    c->at[0] = (ch_candidate){.id = id, .logit = 1};
    c->n = 1;
}

/* Text, with the special token that this vocabulary has as a byte of its own. */
static void decode(ch_buf *b, const ch_token *id, size_t n)
{
    ch_buf_init(b, 1 << 20);
    for (size_t i = 0; i < n; i++)
        if (id[i] == ch_tokenizer_eos(tk))
            ch_buf_put(b, "\1", 1);
        else
            assert_true(ch_tokenizer_append(b, tk, i ? id[i - 1] : -1, id[i]));
}

/* The session against a conversation that is new. */
static void check(struct walk *w)
{
    ch_err e = {0};
    ch_talk *fresh;
    ch_tokens ids = {0};
    ch_buf is, want;
    assert_ok(ch_talk_open(&fresh, NULL, tk, w->template, "template", &e), e);
    json_array_extend(ch_talk_messages(fresh), ch_talk_messages(w->t));
    assert_ok(ch_talk_prompt(&ids, NULL, fresh, &e), e);
    decode(&want, ids.id, ids.n);
    decode(&is, ch_session_tokens(w->s), (size_t)ch_session_length(w->s));
    assert_int_equal(is.size, want.size);
    assert_memory_equal(is.data, want.data, is.size);
    w->prompts += ids.n;
    ch_tokens_free(&ids);
    ch_buf_close(&is);
    ch_buf_close(&want);
    ch_talk_close(&fresh);
}

static const char *const words[] = {"fox", " crow", "\n", "  ", "<think>", "</think>", " the",
                                    "\n\n", "<|im_end|>", "[INST]", "\xc3\xa9", "x = {\"a\": 1}",
                                    " ", "<|endoftext|>", "user", "."};

static size_t invent(struct walk *w, char out[200])
{
    *out = '\0';
    for (int i = pick(w, 8); i >= 0; i--)
        strcat(out, words[pick(w, CH_COUNT(words))]);
    return strlen(out);
}

/* Cuts the text where no tokenizer would, every other time. */
static void write_script(struct walk *w, const char *text, size_t n)
{
    ch_err e = {0};
    w->script.n = w->at = 0;
    const size_t part = pick(w, 2) ? 1 : n;
    for (size_t i = 0; i < n; i += part)
        assert_ok(ch_tokenizer_encode(&w->script, tk, text + i, part, 0, &e), e);
}

static void answer(struct walk *w)
{
    ch_err e = {0};
    const ch_sampling how = CH_SAMPLING;
    char text[200] = "", thought[100] = "";
    bool more = true;
    assert_ok(ch_talk_read(w->t, &e), e);
    check(w);
    if (pick(w, 3) == 0)
        snprintf(thought, sizeof thought, "<think>\n%s\n</think>\n\n", pick(w, 2) ? "hm" : "");
    invent(w, text);
    char all[300];
    const int n = snprintf(all, sizeof all, "%s%s", thought, text);
    write_script(w, all, (size_t)n);
    for (int left = pick(w, 4) ? 1000 : 3; more && left > 0; left--) /* some are cut short */
        assert_ok(ch_talk_next(&more, w->t, &how, &e), e);
    assert_ok(ch_talk_answered(w->t, &e), e);
}

static void undo(struct walk *w)
{
    json_t *m = ch_talk_messages(w->t);
    for (int i = 2 * (1 + pick(w, 2)); i > 0 && json_array_size(m) > 1; i--)
        json_array_remove(m, json_array_size(m) - 1);
}

static void one_step(struct walk *w)
{
    ch_err e = {0};
    char text[200];
    json_t *m = ch_talk_messages(w->t);
    const int what = pick(w, 10);
    if (what == 0)
        undo(w);
    if (what == 1)
        json_object_set_new(json_array_get(m, 0), "content",
                            json_string(pick(w, 2) ? "Be kind." : "Be brief."));
    if (what == 2 && json_array_size(m) > 2) { /* the same message, another answer */
        json_array_remove(m, json_array_size(m) - 1);
    } else {
        const size_t n = invent(w, text);
        assert_ok(ch_talk_say(w->t, "user", text, n, &e), e);
    }
    answer(w);
    if (json_array_size(m) > 12)
        while (json_array_size(m) > 1)
            json_array_remove(m, 1);
}

static void walk_through(const char *name)
{
    char rel[200];
    ch_err e = {0};
    struct walk w = {0};
    ch_buf text;
    snprintf(rel, sizeof rel, "conform/templates/%s", name);
    ch_buf_init(&text, 1 << 20);
    assert_ok(ch_io_read_file(&text, shared_path(rel), &e), e);
    w.template = text.data;
    const ch_session_options o = {.context = 4000, .threads = 1};
    const ch_own_sampler own = {follow_script, &w};
    assert_ok(ch_session_open(&w.s, model, &o, &e), e);
    assert_ok(ch_talk_open(&w.t, w.s, tk, w.template, name, &e), e);
    ch_session_own_sampler(w.s, &own);
    assert_ok(ch_talk_say(w.t, "system", "Be brief.", 9, &e), e);
    for (int i = 0; i < 30; i++)
        one_step(&w);
    const uint64_t read = ch_session_get_stats(w.s).prompt_tokens;
    if (read * 2 > w.prompts)
        fail_msg("%s: of %d tokens in prompts %d were read", name, (int)w.prompts, (int)read);
    ch_talk_close(&w.t);
    ch_session_close(&w.s);
    ch_tokens_free(&w.script);
    ch_buf_close(&text);
}

static void six_templates(void **state)
{
    static const char *const names[] = {
        "HuggingFaceTB-SmolLM3-3B.jinja",         "Qwen-Qwen2.5-7B-Instruct.jinja",
        "Qwen-Qwen3-0.6B.jinja",                  "meta-llama-Llama-3.2-3B-Instruct.jinja",
        "microsoft-Phi-3.5-mini-instruct.jinja",  "mistralai-Mistral-Nemo-Instruct-2407.jinja"};
    (void)state;
    skip_one_thread();
    skip_without("conform/templates");
    for (size_t i = 0; i < CH_COUNT(names); i++)
        walk_through(names[i]);
}

int main(void)
{
    const struct CMUnitTest six_tests[] = {cmocka_unit_test(six_templates)};
    return cmocka_run_group_tests(six_tests, open_model, close_model);
}
