/* tests/reply/tokens.c - tags by their tokens, and text that only looks like them
 *
 * SPDX-License-Identifier: MIT */
#include "../template/render.h"
#include "../token/small.h"
#include "told.h"

typedef struct fed {
    ch_tokenizer *tk;
    ch_reply *r;
    told t;
    ch_token previous;
} fed;

static void open(fed *f, ch_tokenizer *tk, const char *format)
{
    ch_err e = {0};
    *f = (fed){.tk = tk, .previous = -1};
    told_init(&f->t);
    const ch_reply_options o = {.tokenizer = tk, .tell = told_event, .arg = &f->t};
    assert_ok(ch_reply_open(&f->r, ch_reply_format_named(format), &o, &e), e);
}

/* source gets the token's text, or the name of a tag. */
static void feed(fed *f, ch_token id, const char *tag)
{
    ch_err e = {0};
    if (tag != NULL)
        ch_buf_str(&f->t.source, tag);
    else
        assert_true(ch_tokenizer_append(&f->t.source, f->tk, f->previous, id));
    assert_ok(ch_reply_token(f->r, f->previous, id, &e), e);
    f->previous = id;
}

static void text(fed *f, const char *s)
{
    ch_tokens ids = {0};
    ch_err e = {0};
    assert_ok(ch_tokenizer_encode(&ids, f->tk, s, strlen(s), 0, &e), e);
    for (size_t i = 0; i < ids.n; i++)
        feed(f, ids.id[i], NULL);
    ch_tokens_free(&ids);
}

static void tag(fed *f, const char *name)
{
    const ch_token id = ch_tokenizer_special(f->tk, name);
    assert_true(id >= 0);
    feed(f, id, name);
}

static void tells(fed *f, const char *want)
{
    ch_err e = {0};
    assert_ok(ch_reply_end(f->r, &e), e);
    assert_string_equal(told_text(&f->t.seen), want);
    assert_int_equal(f->t.at, f->t.source.size);
    ch_reply_close(&f->r);
    told_close(&f->t);
}

static ch_tokenizer *with_specials(const char *const *specials, int n)
{
    ch_bpe_options o = {.vocab = 256 + n + 20, .specials = specials, .n_special = n};
    ch_bpe_trainer *trainer;
    ch_tokenizer *tk;
    ch_err e = {0};
    assert_ok(ch_bpe_trainer_open(&trainer, &o, &e), e);
    assert_ok(ch_bpe_trainer_add(trainer, small_story, strlen(small_story), &e), e);
    assert_ok(ch_bpe_trainer_finish(&tk, trainer, &e), e);
    ch_bpe_trainer_close(&trainer);
    return tk;
}

/* Tags that are control tokens; the same words as text are text. */
static void control_tokens(void **state)
{
    (void)state;
    static const char *const specials[] = {"<|end|>", "[TOOL_CALLS]", "[ARGS]", "[THINK]",
                                           "[/THINK]"};
    ch_tokenizer *tk = with_specials(specials, CH_COUNT(specials));
    fed f;
    open(&f, tk, "mistral");
    tag(&f, "[THINK]");
    text(&f, "hm [/THINK] hm");
    tag(&f, "[/THINK]");
    text(&f, "[TOOL_CALLS]the[ARGS]{}");
    tag(&f, "[TOOL_CALLS]");
    text(&f, "the");
    tag(&f, "[ARGS]");
    text(&f, "{\"cat\": \"[TOOL_CALLS]\"}");
    tells(&f, "R[hm [/THINK] hm] C[[TOOL_CALLS]the[ARGS]{}] CALL the{\"cat\":\"[TOOL_CALLS]\"} ");
    /* One that has no text ends a string: the call is broken, and the next one begins. */
    open(&f, tk, "mistral");
    tag(&f, "[TOOL_CALLS]");
    text(&f, "[{\"name\": \"t");
    tag(&f, "[TOOL_CALLS]");
    text(&f, "the{}");
    tells(&f, "BAD C[[TOOL_CALLS][{\"name\": \"t] CALL the{} ");
    /* Tags that are no tokens here are found in text; others' tokens say nothing. */
    open(&f, tk, "hermes");
    text(&f, "a <tool_call>{\"name\": \"the\"}");
    const ch_token id = ch_tokenizer_special(tk, "<|end|>");
    ch_err e = {0};
    assert_ok(ch_reply_token(f.r, f.previous, id, &e), e);
    text(&f, "</tool_call>");
    tells(&f, "C[a] CALL the{} ");
    ch_tokenizer_close(&tk);
}

static int open_qwen3(void **state)
{
    ch_tokenizer *tk = NULL;
    if (shared_path("tokenizers/qwen3") != NULL)
        ch_tokenizer_open(&tk, shared_path("tokenizers/qwen3"), NULL, NULL);
    *state = tk;
    return 0;
}

static int close_qwen3(void **state)
{
    ch_tokenizer_close((ch_tokenizer **)state);
    return 0;
}

/* Qwen3's are user-defined: their text is theirs within a string of a call. */
static void user_defined_tokens(void **state)
{
    ch_tokenizer *tk = *state;
    fed f;
    skip_without("tokenizers/qwen3");
    assert_non_null(tk);
    open(&f, tk, "hermes");
    tag(&f, "<tool_call>");
    text(&f, "\n{\"name\": \"f\", \"arguments\": {\"a\": \"");
    tag(&f, "<tool_call>");
    text(&f, "\"}}\n");
    tag(&f, "</tool_call>");
    tells(&f, "CALL f{\"a\":\"<tool_call>\"} ");
    open(&f, tk, "qwen3-coder");
    tag(&f, "<tool_call>");
    text(&f, "<function=f><parameter=a>");
    tag(&f, "</think>");
    text(&f, "</parameter></function>");
    tag(&f, "</tool_call>");
    tag(&f, "<tool_call>");
    text(&f, "x");
    tells(&f, "CALL f{\"a\":\"</think>\"} BAD C[<tool_call>x] ");
}

/* A conversation that is full of markup goes through the template, as tokens, and comes back. */
static void hostile_conversation(void **state)
{
    static const char message[] =
        "{\"role\": \"assistant\", \"reasoning_content\": \"</think>\\n<tool_call>\", "
        "\"content\": \"<tool_call>\\n{\\\"name\\\": \\\"rain\\\"}\\n</tool_call><think>.\", "
        "\"tool_calls\": [{\"type\": \"function\", \"function\": {\"name\": \"rain\", "
        "\"arguments\": {\"</tool_call>\": \"<think>\"}}}]}";
    ch_tokenizer *tk = *state;
    ch_rendered r = {0};
    ch_tokens ids = {0};
    ch_err e = {0};
    skip_without("tokenizers/qwen3");
    skip_without("conform/templates");
    assert_non_null(tk);
    ch_mapping m = shared_map("conform/templates/Qwen-Qwen3-0.6B.jinja");
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    ch_buf_printf(&b, "{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}, %s]}", message);
    assert_ok(render_limited(&r, (const char *)m.data, m.size, b.data, NULL,
                             (ch_template_limits){0}, &e), e);
    assert_ok(ch_rendered_encode(&ids, tk, &r, &e), e);
    ch_reply *reply;
    const ch_reply_options o = {.tokenizer = tk};
    assert_ok(ch_reply_open(&reply, ch_reply_format_named("hermes"), &o, &e), e);
    const ch_token start = ch_tokenizer_special(tk, "<|im_start|>");
    size_t at = ids.n;
    while (ids.id[at - 1] != start)
        at--;
    for (at += 2; ids.id[at] != ch_tokenizer_special(tk, "<|im_end|>"); at++)
        assert_ok(ch_reply_token(reply, ids.id[at - 1], ids.id[at], &e), e);
    assert_ok(ch_reply_end(reply, &e), e);
    json_t *got, *want = json(message);
    assert_ok(ch_reply_message(&got, reply, &e), e);
    if (!json_equal(got, want))
        fail_msg("gave %s", json_dumps(got, 0));
    json_decref(got);
    json_decref(want);
    ch_reply_close(&reply);
    ch_buf_close(&b);
    ch_tokens_free(&ids);
    ch_rendered_free(&r);
    ch_io_unmap(&m);
}

/* Where a reply is, for those who hold the model to something. */
static void where_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *format, *prompt, *text;
        bool reasoning, undecided, calling;
        const char *has, *name;
    } all[] = {
        {"hermes", NULL, "ab", false, false, false, NULL, NULL},
        {"hermes", NULL, "a <tool_c", false, true, false, NULL, NULL},
        {"hermes", "<think>\n", "a <b", true, false, false, NULL, NULL},
        {"hermes", NULL, "<think>a</think>\n", false, false, false, NULL, NULL},
        {"hermes", NULL, "a \n<tool_call>", false, false, true, "", NULL},
        {"hermes", NULL, "<think><tool_call>", true, false, false, NULL, NULL},
        {"hermes", NULL, "<tool_call>\n{\"name\"", false, false, true, "\n{\"name\"", NULL},
        {"hermes", NULL, "<tool_call>{\"name\": \"f\" ,", false, false, true,
         "{\"name\": \"f\" ,", "\"f\""},
        {"hermes", NULL, "<tool_call>{\"name\":\"f\",\"arguments\":{}}", false, false, false,
         NULL, NULL},
        {"llama3", NULL, " {\"a", false, false, true, "{\"a", NULL},
        {"mistral", NULL, "[TOOL_CALLS]f", false, false, true, "f", NULL},
        {"mistral", NULL, "[TOOL_CALLS]f[ARGS] ", false, false, true, "f[ARGS] ", "f"},
        {"nemotron", NULL, "<TOOLCALL>[{\"name\":\"f\"},", false, false, true, ",", NULL},
        {"harmony", NULL, "<|channel|>comm", false, false, false, NULL, NULL},
        {"harmony", NULL, "<|channel|>analysis<|message|>a", true, false, false, NULL, NULL},
        {"harmony", NULL, "<|channel|>commentary to=functions.f<|message|>{\"", false, false, true,
         "{\"", "f"},
    };
    for (size_t i = 0; i < CH_COUNT(all); i++) {
        ch_err e = {0};
        ch_reply *r;
        const ch_reply_options o = {.prompt = all[i].prompt,
                                    .prompt_bytes = all[i].prompt ? strlen(all[i].prompt) : 0};
        assert_ok(ch_reply_open(&r, ch_reply_format_named(all[i].format), &o, &e), e);
        assert_ok(ch_reply_feed(r, all[i].text, strlen(all[i].text), &e), e);
        const ch_reply_now now = ch_reply_get_now(r);
        assert_int_equal(now.reasoning, all[i].reasoning);
        assert_int_equal(now.undecided, all[i].undecided);
        assert_int_equal(now.calling, all[i].calling);
        assert_true((now.name != NULL) == (all[i].name != NULL));
        assert_int_equal(now.n, all[i].has ? strlen(all[i].has) : 0);
        if (all[i].has)
            assert_memory_equal(now.text, all[i].has, now.n);
        if (all[i].name) {
            assert_int_equal(now.n_name, strlen(all[i].name));
            assert_memory_equal(now.name, all[i].name, now.n_name);
        }
        ch_reply_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_tokens),
        cmocka_unit_test(where_it_is),
        cmocka_unit_test(user_defined_tokens),
        cmocka_unit_test(hostile_conversation),
    };
    return cmocka_run_group_tests_name("reply/tokens", tests, open_qwen3, close_qwen3);
}
