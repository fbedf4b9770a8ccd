/* tests/reply/turns.c - what a template writes of an assistant's message, read back, is the message
 *
 * A conversation is rendered with and without its last message; what the message adds, up to the
 * mark of its end, goes through the parser of the template's own format.
 * SPDX-License-Identifier: MIT */
#include "../template/render.h"
#include "told.h"

#define QUESTION "{\"role\": \"user\", \"content\": \"Rain?\"}"
#define TOOLS                                                                                \
    "[{\"type\": \"function\", \"function\": {\"name\": \"rain\", \"description\": \"d\", "   \
    "\"parameters\": {\"type\": \"object\", \"properties\": {\"city\": {\"type\": "           \
    "\"string\"}}}}}]"
#define RAIN(id, arguments)                                                                  \
    "{\"type\": \"function\", " id                                                           \
    "\"function\": {\"name\": \"rain\", \"arguments\": " arguments "}}"
#define CALL1                                                                                \
    RAIN("", "{\"city\": \"K\\u00f6ln \\\"<tool_call>\\\" }{\", \"days\": [1, 2.5, null, "   \
             "{\"deep\": true}]}")
#define CALL2 RAIN("", "{}")
#define ID1 RAIN("\"id\": \"abcdef123\", ", "{\"city\": \"a]\", \"n\": -1}")
#define ID2 RAIN("\"id\": \"abcdef124\", ", "{}")
#define SAYS "{\"role\": \"assistant\", "

static const struct {
    const char *model, *format, *more; /* variables */
    const char *end;                   /* how the template ends the message */
    const char *message;
} turns[] = {
    {"Qwen-Qwen2.5-7B-Instruct", "hermes", "", "<|im_end|>\n",
     SAYS "\"content\": \"No {\\\"name\\\": 1}.\\n\"}"},
    {"Qwen-Qwen2.5-7B-Instruct", "hermes", "", "<|im_end|>\n",
     SAYS "\"content\": \"Let me see.\", \"tool_calls\": ["
     CALL1 ", " CALL2 "]}"},
    {"Qwen-Qwen2.5-7B-Instruct", "hermes", "", "<|im_end|>\n",
     SAYS "\"content\": \"\", \"tool_calls\": [" CALL2 ", " CALL1 "]}"},
    {"Qwen-Qwen3-0.6B", "hermes", "", "<|im_end|>\n",
     SAYS "\"reasoning_content\": \"One.\\n\\nTwo <tool_call> three.\", "
     "\"content\": \"Four.\"}"},
    {"Qwen-Qwen3-0.6B", "hermes", "", "<|im_end|>\n",
     SAYS "\"reasoning_content\": \"One.\", \"content\": \"Let me see.\", \"tool_calls\": ["
     CALL1 ", " CALL2 "]}"},
    {"Qwen-Qwen3-0.6B", "hermes", "", "<|im_end|>\n",
     SAYS "\"reasoning_content\": \"One.\", \"content\": \"\", "
     "\"tool_calls\": [" CALL1 "]}"},
    {"Qwen-Qwen3-0.6B", "hermes", "", "<|im_end|>\n",
     SAYS "\"content\": \"\", \"tool_calls\": [" CALL2 "]}"},
    {"Qwen-Qwen3-0.6B", "hermes", ", \"enable_thinking\": false", "<|im_end|>\n",
     SAYS "\"content\": \"Four.\"}"},
    {"meta-llama-Llama-3.2-3B-Instruct", "llama3", "", "<|eot_id|>",
     SAYS "\"content\": \"{\\\"answer\\\": {}} [1] {\"}"},
    {"meta-llama-Llama-3.2-3B-Instruct", "llama3", "", "<|eot_id|>",
     SAYS "\"content\": \"\", "
     "\"tool_calls\": [" CALL1 "]}"},
    {"mistralai-Mistral-Nemo-Instruct-2407", "mistral", "", "</s>",
     SAYS "\"content\": \"[a] {b}, c\\n\"}"},
    {"mistralai-Mistral-Nemo-Instruct-2407", "mistral", "", "</s>",
     SAYS "\"content\": \"\", \"tool_calls\": [" ID1 ", " ID2 "]}"},
    {"HuggingFaceTB-SmolLM3-3B", "think", "", "<|im_end|>\n",
     SAYS "\"content\": \"Four. \"}"},
    {"HuggingFaceTB-SmolLM3-3B", "think", ", \"enable_thinking\": false", "<|im_end|>\n",
     SAYS "\"content\": \"Four. \"}"},
    {"microsoft-Phi-3.5-mini-instruct", "text", "", "<|end|>\n</s>",
     SAYS "\"content\": \" <think>Four</think>\\n\"}"},
};

static char *read_template(const char *model)
{
    char name[200];
    snprintf(name, sizeof name, "conform/templates/%s.jinja", model);
    ch_mapping m = shared_map(name);
    char *text = strndup((const char *)m.data, m.size);
    assert_non_null(text);
    ch_io_unmap(&m);
    return text;
}

static void rendered(ch_rendered *r, const char *template, size_t i, const char *message,
                     bool opened)
{
    ch_buf b;
    ch_err e = {0};
    ch_buf_init(&b, 1 << 20);
    ch_buf_printf(&b, "{\"messages\": [" QUESTION "%s%s], \"tools\": " TOOLS
                      ", \"documents\": null, \"add_generation_prompt\": %s%s}",
                  message != NULL ? ", " : "", message != NULL ? message : "",
                  opened ? "true" : "false", turns[i].more);
    assert_ok(render(r, template, b.data, "{\"bos_token\": \"<s>\", \"eos_token\": \"</s>\"}", &e),
              e);
    ch_buf_close(&b);
}

static void equal(const json_t *got, const char *want_text, const char *model)
{
    json_t *want = json(want_text);
    if (!json_equal(got, want))
        fail_msg("%s gave\n%s\nwanted\n%s", model, json_dumps(got, 0), want_text);
    json_decref(want);
}

static void there_and_back(void **state)
{
    (void)state;
    skip_without("conform/templates");
    for (size_t i = 0; i < CH_COUNT(turns); i++) {
        char *template = read_template(turns[i].model);
        ch_rendered before = {0}, all = {0};
        json_t *message, *tools = json(TOOLS);
        told t;
        const ch_reply_format *f = ch_reply_format_of(template);
        assert_string_equal(ch_reply_format_name(f), turns[i].format);
        rendered(&before, template, i, NULL, true);
        rendered(&all, template, i, turns[i].message, false);
        const size_t from = before.text.size, end = strlen(turns[i].end);
        assert_true(all.text.size >= from + end);
        assert_memory_equal(all.text.data, before.text.data, from);
        assert_string_equal(all.text.data + all.text.size - end, turns[i].end);
        const ch_reply_options o = {.tools = tools, .prompt = before.text.data,
                                    .prompt_bytes = from};
        told_reply(&t, &message, turns[i].format, &o, all.text.data + from,
                   all.text.size - from - end, NULL, 0);
        equal(message, turns[i].message, turns[i].model);
        told_close(&t);
        json_decref(message);
        json_decref(tools);
        ch_rendered_free(&before);
        ch_rendered_free(&all);
        free(template);
    }
}

/* gpt-oss calls its reasoning thinking. */
static void harmony(void **state)
{
    (void)state;
    static const char text[] = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant to="
                               "functions.rain<|channel|>commentary json<|message|>{\"a\": 1}";
    json_t *m;
    told t;
    told_reply(&t, &m, "harmony", NULL, text, sizeof text - 1, NULL, 0);
    equal(m,
          SAYS "\"thinking\": \"Hm.\", \"content\": \"\", \"tool_calls\": "
          "[{\"type\": \"function\", \"function\": {\"name\": \"rain\", \"arguments\": {\"a\": "
          "1}}}]}",
          "harmony");
    json_decref(m);
    told_close(&t);
}

/* The prompt opens the thought: QwQ's, DeepSeek's and others' do. */
static void opened_by_the_prompt(void **state)
{
    (void)state;
    ch_rendered r = {0};
    ch_err e = {0};
    json_t *m;
    told t;
    assert_ok(render(&r, "{{ messages[0].content }}<|a|>{{ '<think>\\n' }}",
                     "{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}]}", NULL, &e), e);
    const ch_reply_options o = {.prompt = r.text.data, .prompt_bytes = r.text.size};
    told_reply(&t, &m, "think", &o, "a</think>\n\nb", 12, NULL, 0);
    equal(m, SAYS "\"reasoning_content\": \"a\", \"content\": \"b\"}", "think");
    json_decref(m);
    told_close(&t);
    ch_rendered_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(harmony),
        cmocka_unit_test(opened_by_the_prompt),
    };
    return cmocka_run_group_tests_name("reply/turns", tests, NULL, NULL);
}
