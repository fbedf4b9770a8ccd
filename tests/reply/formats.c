/* tests/reply/formats.c - what each format tells, whole and in pieces
 *
 * Every sample is fed at once, cut in two at every byte, byte by byte and in random pieces; all of
 * that must tell the same.  SPDX-License-Identifier: MIT */
#include "told.h"

static const char rain[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"rain\", \"parameters\": {\"type\": "
    "\"object\", \"properties\": {\"city\": {\"type\": \"string\"}, \"days\": {\"type\": "
    "\"integer\"}, \"deep\": {\"type\": [\"object\", \"null\"]}, \"x\": {\"type\": \"number\"}, "
    "\"on\": {\"type\": \"boolean\"}, \"list\": {\"type\": \"array\"}, \"any\": {}}}}}]";

#define CALL(args) "<tool_call>\n{\"name\": \"rain\", \"arguments\": " args "}\n</tool_call>"

static const struct {
    const char *format, *tools, *prompt, *text, *want;
} samples[] = {
    /* ---- text, reasoning ---- */
    {"text", NULL, NULL, "", ""},
    {"text", NULL, NULL, " <think>a</think> \n", "C[ <think>a</think> \n] "},
    {"text", NULL, NULL, "a\xc3\xa9\xff\xe2\x82\xac\xe2\x82", "C[a\xc3\xa9\xff\xe2\x82\xac\xe2\x82] "},
    {"think", NULL, NULL, "<think>\na b\n\n</think>\n\nso ", "R[a b] C[so ] "},
    {"think", NULL, NULL, "<think>\n\n</think>\n\nso", "C[so] "},
    {"think", NULL, NULL, " \nso", "C[ \nso] "},
    {"think", NULL, NULL, "a <think>b</think>", "C[a <think>b</think>] "},
    {"think", NULL, NULL, "<think>a <b </thin </think", "R[a <b </thin </think] "},
    {"think", NULL, NULL, "<think>a\n", "R[a\n] "},
    {"think", NULL, NULL, "<<think>", "C[<<think>] "},
    {"think", NULL, "..assistant\n<think>\n", "a\n</think>\n\nb", "R[a] C[b] "},
    {"think", NULL, "..<think>\n", "<think>\na<think></think>b", "R[a<think>] C[b] "},
    {"think", NULL, "..<think>\n\n</think>\n\n", "b", "C[b] "},
    {"mistral", NULL, NULL, "[THINK]a[/THINK]b", "R[a] C[b] "},
    {"mistral", NULL, "[/INST][THINK]", "a[/THINK]b", "R[a] C[b] "},
    /* ---- hermes ---- */
    {"hermes", NULL, NULL, CALL("{\"a\": [1, {\"b\": \"}\\\"]\"}]}"),
     "CALL rain{\"a\":[1,{\"b\":\"}\\\"]\"}]} "},
    {"hermes", NULL, NULL, "<think>\nt\n</think>\n\nsay\n\n" CALL("{}") "\n" CALL("{\"k\":1}") "\n",
     "R[t] C[say] CALL rain{} CALL rain{\"k\":1} "},
    {"hermes", NULL, NULL, "a\n" CALL("{}") "\nb", "C[a] CALL rain{} C[\nb] "},
    {"hermes", NULL, NULL, CALL("{}") "\n<think>t</think> " CALL("{}"), "CALL rain{} R[t] CALL rain{} "},
    {"hermes", NULL, NULL, CALL("\"{\\\"a\\\": 1}\""), "CALL rain{\"a\":1} "},
    {"hermes", NULL, NULL, CALL("null"), "CALL rain{} "},
    {"hermes", NULL, NULL, "<tool_call>{\"arguments\": {}, \"id\":\"i\", \"type\" : \"function\", "
     "\"name\":\"f\"}", "CALL f#i{} "},
    {"hermes", NULL, NULL, "<tool_call>{\"name\": \"f\"}</tool_call>", "CALL f{} "},
    {"hermes", NULL, NULL, "<tool_call>{\"name\": \"f\"}</tool_call></tool_call>",
     "CALL f{} C[</tool_call>] "},
    {"hermes", NULL, NULL, CALL("{\"n\": 0.1e-5, \"m\": -0}"), "CALL rain{\"n\":0.1e-5,\"m\":-0} "},
    {"hermes", NULL, NULL, CALL("{\"t\": \"<tool_call> </tool_call>\"}"),
     "CALL rain{\"t\":\"<tool_call> </tool_call>\"} "},
    {"hermes", "[]", NULL, "a " CALL("{}"), "C[a " CALL("{}") "] "},
    {"hermes", rain, NULL, CALL("{}"), "CALL rain{} "},
    {"hermes", rain, NULL, "<tool_call>{\"name\": \"snow\"}</tool_call>",
     "BAD C[<tool_call>{\"name\": \"snow\"}</tool_call>] "},
    {"hermes", NULL, NULL, "a <tool_call>{\"name\": \"f\", oops}</tool_call> b " CALL("{}"),
     "C[a] BAD C[ <tool_call>{\"name\": \"f\", oops}</tool_call> b] CALL rain{} "},
    {"hermes", NULL, NULL, "<tool_call>{\"name\": 1}</tool_call>",
     "BAD C[<tool_call>{\"name\": 1}</tool_call>] "},
    {"hermes", NULL, NULL, "<tool_call>{\"arguments\": {}}", "BAD C[<tool_call>{\"arguments\": {}}] "},
    {"hermes", NULL, NULL, "<tool_call>{\"name\": \"\"}", "BAD C[<tool_call>{\"name\": \"\"}] "},
    {"hermes", NULL, NULL, CALL("[1]"), "BAD C[" CALL("[1]") "] "},
    {"hermes", NULL, NULL, CALL("\"no\""), "BAD C[" CALL("\"no\"") "] "},
    {"hermes", NULL, NULL, CALL("{\"a\":1,\"a\":2}"), "BAD C[" CALL("{\"a\":1,\"a\":2}") "] "},
    {"hermes", NULL, NULL, CALL("{\"a\":\"\xff\"}"), "BAD C[" CALL("{\"a\":\"\xff\"}") "] "},
    {"hermes", NULL, NULL, "<tool_call>{\"name\": \"f\", \"more\": 1}",
     "BAD C[<tool_call>{\"name\": \"f\", \"more\": 1}] "},
    {"hermes", NULL, NULL, "<tool_call>\n<tool_call>{\"name\": \"f\"}",
     "BAD C[<tool_call>\n] CALL f{} "},
    {"hermes", NULL, NULL, "a\n<tool_call>{\"name\": \"f\", \"argu",
     "C[a] CUT C[\n<tool_call>{\"name\": \"f\", \"argu] "},
    {"hermes", NULL, NULL, "a <tool_cal", "C[a <tool_cal] "},
    {"hermes", NULL, NULL, "<think>a <tool_call> b</think>c", "R[a <tool_call> b] C[c] "},
    /* ---- qwen3-coder ---- */
    {"qwen3-coder", rain, NULL,
     "go\n<tool_call>\n<function=rain>\n<parameter=city>\nK\xc3\xb6ln \"x\"\n\n</parameter>\n"
     "<parameter=days>\n2\n</parameter>\n<parameter=deep>\n{ \"a\" : 1 }\n</parameter>\n"
     "<parameter=on>\nTrue\n</parameter>\n<parameter=list>\nnone\n</parameter>\n"
     "<parameter=x>1</parameter><parameter=any>7</parameter><parameter=other>null</parameter>"
     "</function>\n</tool_call>\n",
     "C[go] CALL rain{\"city\":\"K\xc3\xb6ln \\\"x\\\"\\n\",\"days\":2,\"deep\":{\"a\":1},\"on\":"
     "true,\"list\":\"none\",\"x\":1,\"any\":\"7\",\"other\":\"null\"} "},
    {"qwen3-coder", NULL, NULL, "<function=f>\n<parameter=n>\n1\n</parameter>\n</function>",
     "CALL f{\"n\":\"1\"} "},
    {"qwen3-coder", NULL, NULL, "<tool_call><function=f></function></tool_call>x", "CALL f{} C[x] "},
    {"qwen3-coder", NULL, NULL, "<tool_call><function=f>x</function>",
     "BAD C[<tool_call><function=f>x</function>] "},
    {"qwen3-coder", NULL, NULL,
     "<function=f><parameter=a>1</parameter><parameter=a>2</parameter></function>",
     "BAD C[<function=f><parameter=a>1</parameter><parameter=a>2</parameter></function>] "},
    {"qwen3-coder", NULL, NULL, "<function=f><parameter=a>1</param",
     "CUT C[<function=f><parameter=a>1</param] "},
    {"qwen3-coder", NULL, NULL, "<function=f><parameter=a></parameter></function>",
     "CALL f{\"a\":\"\"} "},
    {"qwen3-coder", NULL, NULL, "<function=f><parameter=a>\xff</parameter></function>",
     "BAD C[<function=f><parameter=a>\xff</parameter></function>] "},
    /* ---- generic ---- */
    {"generic", NULL, NULL, "{\"name\": \"f\", \"arguments\": {\"a\": [1, {\"b\": \"}\"}]}}",
     "CALL f{\"a\":[1,{\"b\":\"}\"}]} "},
    {"generic", NULL, NULL, "{\"city\": \"Rome\"}", "C[{\"city\": \"Rome\"}] "},
    {"generic", NULL, NULL, "It is warm.", "C[It is warm.] "},

    /* ---- llama3 ---- */
    {"llama3", NULL, NULL, "{\"name\": \"f\", \"parameters\": {\"a\": \"b\"}}", "CALL f{\"a\":\"b\"} "},
    {"llama3", NULL, NULL, "\n{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}; "
     "{\"name\": \"g\", \"parameters\": {}}\n", "CALL f{} CALL g{} "},
    {"llama3", NULL, NULL, "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}", "CALL f{} "},
    {"llama3", NULL, NULL, "<|python_tag|>print(1)", "BAD C[<|python_tag|>print(1)] "},
    {"llama3", NULL, NULL, "<|python_tag|>find.call(query=\"a, (b)\", n = 1)\n",
     "BAD C[<|python_tag|>find.call(query=\"a, (b)\", n = 1)\n] "},
    {"llama3", NULL, NULL, "<|python_tag|>find.call(query=\"a, (b)\", n= [1, 2], m=1.5,)\n",
     "CALL find{\"query\":\"a, (b)\",\"n\":[1,2],\"m\":1.5} "},
    {"llama3", NULL, NULL, "<|python_tag|>f.call()", "CALL f{} "},
    {"llama3", NULL, NULL, "<|python_tag|>f.call(a=b)", "BAD C[<|python_tag|>f.call(a=b)] "},
    {"llama3", NULL, NULL, "<|python_tag|>f.call(a=1,a=2)", "BAD C[<|python_tag|>f.call(a=1,a=2)] "},
    {"llama3", NULL, NULL, "<|python_tag|>f.call(a=", "CUT C[<|python_tag|>f.call(a=] "},
    {"llama3", NULL, NULL, "{\"answer\": 3}", "C[{\"answer\": 3}] "},
    {"llama3", NULL, NULL, "{\"name\": \"Ada\"}", "C[{\"name\": \"Ada\"}] "},
    {"llama3", NULL, NULL, "{\"name\": \"Ada\", \"age\": 3}", "C[{\"name\": \"Ada\", \"age\": 3}] "},
    {"llama3", NULL, NULL, "{\"name\": \"Ada\", ", "C[{\"name\": \"Ada\", ] "},
    {"llama3", NULL, NULL, "{\"name\": \"f\", \"parameters\": {", "CUT C[{\"name\": \"f\", \"parameters\": {] "},
    {"llama3", NULL, NULL, "So: {\"name\": \"f\", \"parameters\": {}}",
     "C[So: {\"name\": \"f\", \"parameters\": {}}] "},
    {"llama3", "[]", NULL, "{\"name\": \"f\", \"parameters\": {}}",
     "C[{\"name\": \"f\", \"parameters\": {}}] "},
    {"llama3", NULL, NULL, "{\"name\": \"f\", \"parameters\": {}}; or", "CALL f{} C[; or] "},
    /* ---- mistral ---- */
    {"mistral", NULL, NULL,
     "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": [1, 2]}, \"id\": "
     "\"abcdefghi\"}, {\"name\": \"g\", \"arguments\": {}}]",
     "CALL f#abcdefghi{\"a\":[1,2]} CALL g{} "},
    {"mistral", NULL, NULL, "ok[TOOL_CALLS] [ {\"name\": \"f\"} ] then", "C[ok] CALL f{} C[ then] "},
    {"mistral", NULL, NULL, "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[CALL_ID]abc[ARGS]{}",
     "CALL f{\"a\":1} CALL g#abc{} "},
    {"mistral", NULL, NULL, "[TOOL_CALLS]f{\"a\": 1}", "CALL f{\"a\":1} "},
    {"mistral", NULL, NULL, "[TOOL_CALLS][]", "BAD C[[TOOL_CALLS][]] "},
    {"mistral", NULL, NULL, "[TOOL_CALLS][{\"name\": \"f\"}, 3]", "CALL f{} BAD C[, 3]] "},
    {"mistral", NULL, NULL, "[TOOL_CALLS][{\"name\": \"f\"}, ", "CALL f{} CUT C[, ] "},
    {"mistral", NULL, NULL, "[TOOL_CALLS]two words", "BAD C[[TOOL_CALLS]two words] "},
    {"mistral", NULL, NULL, "[TOOL[TOOL_CALLS]f[ARG", "C[[TOOL] CUT C[[TOOL_CALLS]f[ARG] "},
    {"mistral", NULL, NULL, "a, [b], {c}", "C[a, [b], {c}] "},
    {"nemotron", NULL, NULL,
     "<think>a</think>\n<TOOLCALL>[{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"g\"}]"
     "</TOOLCALL>\n",
     "R[a] CALL f{} CALL g{} "},
    {"apriel", NULL, NULL, "<tool_calls> [{\"name\": \"f\"}] </tool_calls> x", "CALL f{} C[ x] "},
    {"seed", rain, NULL,
     "<seed:think>a</seed:think><seed:tool_call>\n<function=rain>\n<parameter=days>2</parameter>"
     "\n</function>\n</seed:tool_call>",
     "R[a] CALL rain{\"days\":2} "},
    /* ---- harmony ---- */
    {"harmony", NULL, NULL,
     "<|channel|>analysis<|message|>hm \n<|end|><|start|>assistant<|channel|>"
     "final<|message|> yes<|return|>", "R[hm \n] C[ yes] "},
    {"harmony", NULL, NULL, "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>"
     "commentary to=functions.rain <|constrain|>json<|message|>{\"a\": 1}<|call|>",
     "R[hm] CALL rain{\"a\":1} "},
    {"harmony", NULL, NULL, " to=functions.rain<|channel|>commentary json<|message|>{ }", "CALL rain{} "},
    {"harmony", NULL, NULL, "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant to="
     "browser.find<|channel|>commentary<|message|>{}\n<|call|>", "C[I look.] CALL browser.find{} "},
    {"harmony", NULL, NULL, "plain", "C[plain] "},
    {"harmony", NULL, NULL, "to", "C[to] "},
    {"harmony", NULL, NULL, "<|channel|>final<|mess", ""},
    {"harmony", NULL, NULL, "<|channel|>commentary to=functions.f<|message|>print()<|call|>",
     "BAD C[<|channel|>commentary to=functions.f<|message|>print()] "},
    {"harmony", NULL, NULL, "<|channel|>commentary to=functions.f<|message|>{\"a\": \"",
     "CUT C[<|channel|>commentary to=functions.f<|message|>{\"a\": \"] "},
    {"harmony", NULL, NULL, "<|channel|>analysis<|message|>a<|channel|>final<|message|>b", "R[a] C[b] "},
};

static void same(const char *format, const ch_reply_options *o, const char *text, size_t n,
                 const size_t *cut, size_t n_cuts, const char *want)
{
    told t;
    told_reply(&t, NULL, format, o, text, n, cut, n_cuts);
    if (strcmp(told_text(&t.all), want) != 0)
        fail_msg("%s, cut at %zu, ...: %s\ntold %s\nwanted %s", format, cut[0], text,
                 told_text(&t.all), want);
    told_close(&t);
}

static void all_cuts(const char *format, const ch_reply_options *o, const char *text, size_t n,
                     const char *want)
{
    size_t cut[1000];
    assert_true(n < CH_COUNT(cut));
    for (size_t i = 0; i <= n; i++)
        same(format, o, text, n, &i, 1, want);
    for (size_t i = 0; i < n; i++)
        cut[i] = i;
    same(format, o, text, n, cut, n, want);
    for (int k = 0; k < 20; k++) {
        size_t used = 0;
        for (size_t i = 1; i < n; i++)
            if (ch_rng_below(5, n, CH_RNG_TEST, (uint32_t)k, i) == 0)
                cut[used++] = i;
        same(format, o, text, n, cut, used, want);
    }
}

static void told_and_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(samples); i++) {
        json_t *tools = told_json(samples[i].tools);
        const char *prompt = samples[i].prompt, *text = samples[i].text;
        const ch_reply_options o = {.tools = tools, .prompt = prompt,
                                    .prompt_bytes = prompt != NULL ? strlen(prompt) : 0};
        told t;
        told_reply(&t, NULL, samples[i].format, &o, text, strlen(text), NULL, 0);
        if (strcmp(told_text(&t.seen), samples[i].want) != 0)
            fail_msg("%s: %s\ntold   %s\nwanted %s", samples[i].format, text, told_text(&t.seen),
                     samples[i].want);
        all_cuts(samples[i].format, &o, text, strlen(text), told_text(&t.all));
        told_close(&t);
        json_decref(tools);
    }
}

/* By what a template writes, and what it does not. */
static void of_templates(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"<tool_call>\n{\"name\": \"x\", \"arguments\": ", "hermes"},
        {"<think><tool_call>\n{\"name\": \"x\", \"arguments\": </think>", "hermes"},
        {"<tool_call>x<arg_key>arguments</think>", "think"},
        {"<tool_call>\n<function=x>\n<parameter=y> arguments", "qwen3-coder"},
        {"<seed:tool_call>\n<function=x>\n<parameter=y>", "seed"},
        {"<think></think><TOOLCALL>[{", "nemotron"},
        {"<tool_calls>[{", "apriel"},
        {"[TOOL_CALLS][", "mistral"},
        {"[THINK][TOOL_CALLS]f[ARGS]", "mistral"},
        {"<|start_header_id|>{\"name\": \"x\", \"parameters\": ", "llama3"},
        {"<|start_header_id|>", "text"},
        {"<|start|>assistant<|channel|>final<|message|>", "harmony"},
        {"<think>\n\n</think>", "think"},
        {"", "text"},
    };
    for (size_t i = 0; i < CH_COUNT(rows); i++)
        assert_string_equal(ch_reply_format_name(ch_reply_format_of(rows[i][0])), rows[i][1]);
    for (size_t i = 0; ch_reply_format_at(i) != NULL; i++)
        assert_ptr_equal(ch_reply_format_named(ch_reply_format_name(ch_reply_format_at(i))),
                         ch_reply_format_at(i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told_and_cut),
        cmocka_unit_test(of_templates),
    };
    return cmocka_run_group_tests_name("reply/formats", tests, NULL, NULL);
}
