/* tests/template/shipped.c - six templates as their models ship them
 *
 * The texts follow from Jinja's semantics: which tags take white space along, what `trim` takes,
 * where text is added and where JSON is written.  SPDX-License-Identifier: MIT */
#include "render.h"

static const char turns[] =
    "\"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\"}, {\"role\": \"user\", "
    "\"content\": \"Hi <|im_end|>\"}, {\"role\": \"assistant\", \"content\": \"Hello.\"}, "
    "{\"role\": \"user\", \"content\": \" Bye\\n\"}]";
static const char one[] =
    "\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]";
static const char call[] =
    "\"messages\": [{\"role\": \"user\", \"content\": \"Rain?\"}, {\"role\": \"assistant\", "
    "\"content\": \"\", \"tool_calls\": [{\"id\": \"call12345\", \"type\": \"function\", "
    "\"function\": {\"name\": \"rain\", \"arguments\": {\"city\": \"K\\u00f6ln\", \"days\": "
    "2}}}]}, {\"role\": \"tool\", \"tool_call_id\": \"call12345\", \"content\": \"<no>\"}]";
static const char think[] =
    "\"messages\": [{\"role\": \"user\", \"content\": \"q\"}, {\"role\": \"assistant\", "
    "\"content\": \"<think>\\nold\\n</think>\\n\\nan answer\"}, {\"role\": \"user\", "
    "\"content\": \"r\"}, {\"role\": \"assistant\", \"content\": \"b\", "
    "\"reasoning_content\": \"new\\n\"}]";
static const char rain[] =
    "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"rain\", "
    "\"description\": \"Will it rain?\", \"parameters\": {\"type\": \"object\", "
    "\"properties\": {\"city\": {\"type\": \"string\"}}}}}]";

static const struct {
    const char *model, *messages, *tools, *more;
    const char *want;
} cases[] = {
    /* The system message goes under a heading of its own; an answer of the past gets an empty
     * thought only without thinking. */
    {"HuggingFaceTB-SmolLM3-3B", turns, "\"tools\": null", "",
     "<|im_start|>system\n"
     "## Metadata\n"
     "\n"
     "Knowledge Cutoff Date: June 2025\n"
     "Reasoning Mode: /think\n"
     "\n"
     "## Custom Instructions\n"
     "\n"
     "Be brief.\n"
     "\n"
     "<|im_end|>\n"
     "<|im_start|>user\n"
     "Hi <|im_end|><|im_end|>\n"
     "<|im_start|>assistant\n"
     "Hello.<|im_end|>\n"
     "<|im_start|>user\n"
     " Bye\n"
     "<|im_end|>\n"
     "<|im_start|>assistant\n"},
    /* Thinking on: the long instructions, and the answer is only opened. */
    {"HuggingFaceTB-SmolLM3-3B", one, "\"tools\": null", ", \"enable_thinking\": true",
     "<|im_start|>system\n"
     "## Metadata\n"
     "\n"
     "Knowledge Cutoff Date: June 2025\n"
     "Reasoning Mode: /think\n"
     "\n"
     "## Custom Instructions\n"
     "\n"
     "You are a helpful AI assistant named SmolLM, trained by Hugging Face. Your role as an "
     "assistant involves thoroughly exploring questions through a systematic thinking "
     "process before providing the final precise and accurate solutions. This requires "
     "engaging in a comprehensive cycle of analysis, summarizing, exploration, reassessment, "
     "reflection, backtracking, and iteration to develop well-considered thinking process. "
     "Please structure your response into two main sections: Thought and Solution using the "
     "specified format: <think> Thought section </think> Solution section. In the Thought "
     "section, detail your reasoning process in steps. Each step should include detailed "
     "considerations such as analysing questions, summarizing relevant findings, "
     "brainstorming new ideas, verifying the accuracy of the current steps, refining any "
     "errors, and revisiting previous steps. In the Solution section, based on various "
     "attempts, explorations, and reflections from the Thought section, systematically "
     "present the final solution that you deem correct. The Solution section should be "
     "logical, accurate, and concise and detail necessary steps needed to reach the "
     "conclusion.\n"
     "\n"
     "<|im_end|>\n"
     "<|im_start|>user\n"
     "Hi<|im_end|>\n"
     "<|im_start|>assistant\n"},
    /* Thinking off: the thought is there already, and empty. */
    {"HuggingFaceTB-SmolLM3-3B", one, "\"tools\": null", ", \"enable_thinking\": false",
     "<|im_start|>system\n"
     "## Metadata\n"
     "\n"
     "Knowledge Cutoff Date: June 2025\n"
     "Reasoning Mode: /no_think\n"
     "\n"
     "## Custom Instructions\n"
     "\n"
     "You are a helpful AI assistant named SmolLM, trained by Hugging Face.\n"
     "\n"
     "<|im_end|>\n"
     "<|im_start|>user\n"
     "Hi<|im_end|>\n"
     "<|im_start|>assistant\n"
     "<think>\n"
     "\n"
     "</think>\n"},
    /* A tool's answer comes as a user's; the call itself, an empty text, stays. */
    {"HuggingFaceTB-SmolLM3-3B", call, "\"tools\": null", "",
     "<|im_start|>system\n"
     "## Metadata\n"
     "\n"
     "Knowledge Cutoff Date: June 2025\n"
     "Reasoning Mode: /think\n"
     "\n"
     "## Custom Instructions\n"
     "\n"
     "You are a helpful AI assistant named SmolLM, trained by Hugging Face. Your role as an "
     "assistant involves thoroughly exploring questions through a systematic thinking "
     "process before providing the final precise and accurate solutions. This requires "
     "engaging in a comprehensive cycle of analysis, summarizing, exploration, reassessment, "
     "reflection, backtracking, and iteration to develop well-considered thinking process. "
     "Please structure your response into two main sections: Thought and Solution using the "
     "specified format: <think> Thought section </think> Solution section. In the Thought "
     "section, detail your reasoning process in steps. Each step should include detailed "
     "considerations such as analysing questions, summarizing relevant findings, "
     "brainstorming new ideas, verifying the accuracy of the current steps, refining any "
     "errors, and revisiting previous steps. In the Solution section, based on various "
     "attempts, explorations, and reflections from the Thought section, systematically "
     "present the final solution that you deem correct. The Solution section should be "
     "logical, accurate, and concise and detail necessary steps needed to reach the "
     "conclusion.\n"
     "\n"
     "<|im_end|>\n"
     "<|im_start|>user\n"
     "Rain?<|im_end|>\n"
     "<|im_start|>assistant\n"
     "<|im_end|>\n"
     "<|im_start|>user\n"
     "<no><|im_end|>\n"
     "<|im_start|>assistant\n"},
    /* The user's own <|im_end|> is text like any other. */
    {"Qwen-Qwen2.5-7B-Instruct", turns, "\"tools\": null", "",
     "<|im_start|>system\n"
     "Be brief.<|im_end|>\n"
     "<|im_start|>user\n"
     "Hi <|im_end|><|im_end|>\n"
     "<|im_start|>assistant\n"
     "Hello.<|im_end|>\n"
     "<|im_start|>user\n"
     " Bye\n"
     "<|im_end|>\n"
     "<|im_start|>assistant\n"},
    /* Tools in the system message, one JSON a line; results within the user's turn. */
    {"Qwen-Qwen2.5-7B-Instruct", call, rain, "",
     "<|im_start|>system\n"
     "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.\n"
     "\n"
     "# Tools\n"
     "\n"
     "You may call one or more functions to assist with the user query.\n"
     "\n"
     "You are provided with function signatures within <tools></tools> XML tags:\n"
     "<tools>\n"
     "{\"type\": \"function\", \"function\": {\"name\": \"rain\", \"description\": \"Will it "
     "rain?\", \"parameters\": {\"type\": \"object\", \"properties\": {\"city\": {\"type\": "
     "\"string\"}}}}}\n"
     "</tools>\n"
     "\n"
     "For each function call, return a json object with function name and arguments within "
     "<tool_call></tool_call> XML tags:\n"
     "<tool_call>\n"
     "{\"name\": <function-name>, \"arguments\": <args-json-object>}\n"
     "</tool_call><|im_end|>\n"
     "<|im_start|>user\n"
     "Rain?<|im_end|>\n"
     "<|im_start|>assistant\n"
     "<tool_call>\n"
     "{\"name\": \"rain\", \"arguments\": {\"city\": \"K\303\266ln\", \"days\": 2}}\n"
     "</tool_call><|im_end|>\n"
     "<|im_start|>user\n"
     "<tool_response>\n"
     "<no>\n"
     "</tool_response><|im_end|>\n"
     "<|im_start|>assistant\n"},
    /* No system message of its own. */
    {"Qwen-Qwen3-0.6B", turns, "\"tools\": null", "",
     "<|im_start|>system\n"
     "Be brief.<|im_end|>\n"
     "<|im_start|>user\n"
     "Hi <|im_end|><|im_end|>\n"
     "<|im_start|>assistant\n"
     "Hello.<|im_end|>\n"
     "<|im_start|>user\n"
     " Bye\n"
     "<|im_end|>\n"
     "<|im_start|>assistant\n"},
    /* After the last question: a call in an assistant's turn that has no thought to show. */
    {"Qwen-Qwen3-0.6B", call, rain, "",
     "<|im_start|>system\n"
     "# Tools\n"
     "\n"
     "You may call one or more functions to assist with the user query.\n"
     "\n"
     "You are provided with function signatures within <tools></tools> XML tags:\n"
     "<tools>\n"
     "{\"type\": \"function\", \"function\": {\"name\": \"rain\", \"description\": \"Will it "
     "rain?\", \"parameters\": {\"type\": \"object\", \"properties\": {\"city\": {\"type\": "
     "\"string\"}}}}}\n"
     "</tools>\n"
     "\n"
     "For each function call, return a json object with function name and arguments within "
     "<tool_call></tool_call> XML tags:\n"
     "<tool_call>\n"
     "{\"name\": <function-name>, \"arguments\": <args-json-object>}\n"
     "</tool_call><|im_end|>\n"
     "<|im_start|>user\n"
     "Rain?<|im_end|>\n"
     "<|im_start|>assistant\n"
     "<tool_call>\n"
     "{\"name\": \"rain\", \"arguments\": {\"city\": \"K\303\266ln\", \"days\": 2}}\n"
     "</tool_call><|im_end|>\n"
     "<|im_start|>user\n"
     "<tool_response>\n"
     "<no>\n"
     "</tool_response><|im_end|>\n"
     "<|im_start|>assistant\n"},
    /* Thoughts before the last question go, those after it stay, stripped of newlines. */
    {"Qwen-Qwen3-0.6B", think, "\"tools\": null", "",
     "<|im_start|>user\n"
     "q<|im_end|>\n"
     "<|im_start|>assistant\n"
     "an answer<|im_end|>\n"
     "<|im_start|>user\n"
     "r<|im_end|>\n"
     "<|im_start|>assistant\n"
     "<think>\n"
     "new\n"
     "</think>\n"
     "\n"
     "b<|im_end|>\n"
     "<|im_start|>assistant\n"},
    /* Thinking on: nothing is opened. */
    {"Qwen-Qwen3-0.6B", one, "\"tools\": null", ", \"enable_thinking\": true",
     "<|im_start|>user\n"
     "Hi<|im_end|>\n"
     "<|im_start|>assistant\n"},
    /* Thinking off: an empty thought. */
    {"Qwen-Qwen3-0.6B", one, "\"tools\": null", ", \"enable_thinking\": false",
     "<|im_start|>user\n"
     "Hi<|im_end|>\n"
     "<|im_start|>assistant\n"
     "<think>\n"
     "\n"
     "</think>\n"
     "\n"},
    /* BOS by the template; messages trimmed; the date as given. */
    {"meta-llama-Llama-3.2-3B-Instruct", turns, "\"tools\": null", "",
     "<s><|start_header_id|>system<|end_header_id|>\n"
     "\n"
     "Cutting Knowledge Date: December 2023\n"
     "Today Date: 02 Jan 2026\n"
     "\n"
     "Be brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n"
     "\n"
     "Hi <|im_end|><|eot_id|><|start_header_id|>assistant<|end_header_id|>\n"
     "\n"
     "Hello.<|eot_id|><|start_header_id|>user<|end_header_id|>\n"
     "\n"
     "Bye<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n"
     "\n"},
    /* tools with indent=4 in the first user's message; a result that is text is iterable, so it
     * is written as JSON. */
    {"meta-llama-Llama-3.2-3B-Instruct", call, rain, "",
     "<s><|start_header_id|>system<|end_header_id|>\n"
     "\n"
     "Environment: ipython\n"
     "Cutting Knowledge Date: December 2023\n"
     "Today Date: 02 Jan 2026\n"
     "\n"
     "<|eot_id|><|start_header_id|>user<|end_header_id|>\n"
     "\n"
     "Given the following functions, please respond with a JSON for a function call with its "
     "proper arguments that best answers the given prompt.\n"
     "\n"
     "Respond in the format {\"name\": function name, \"parameters\": dictionary of argument "
     "name and its value}.Do not use variables.\n"
     "\n"
     "{\n"
     "    \"type\": \"function\",\n"
     "    \"function\": {\n"
     "        \"name\": \"rain\",\n"
     "        \"description\": \"Will it rain?\",\n"
     "        \"parameters\": {\n"
     "            \"type\": \"object\",\n"
     "            \"properties\": {\n"
     "                \"city\": {\n"
     "                    \"type\": \"string\"\n"
     "                }\n"
     "            }\n"
     "        }\n"
     "    }\n"
     "}\n"
     "\n"
     "Rain?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n"
     "\n"
     "{\"name\": \"rain\", \"parameters\": {\"city\": \"K\303\266ln\", \"days\": "
     "2}}<|eot_id|><|start_header_id|>ipython<|end_header_id|>\n"
     "\n"
     "\"<no>\"<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n"
     "\n"},
    /* The same in the system message. */
    {"meta-llama-Llama-3.2-3B-Instruct", call, rain, ", \"tools_in_user_message\": false",
     "<s><|start_header_id|>system<|end_header_id|>\n"
     "\n"
     "Environment: ipython\n"
     "Cutting Knowledge Date: December 2023\n"
     "Today Date: 02 Jan 2026\n"
     "\n"
     "You have access to the following functions. To call a function, please respond with "
     "JSON for a function call.Respond in the format {\"name\": function name, "
     "\"parameters\": dictionary of argument name and its value}.Do not use variables.\n"
     "\n"
     "{\n"
     "    \"type\": \"function\",\n"
     "    \"function\": {\n"
     "        \"name\": \"rain\",\n"
     "        \"description\": \"Will it rain?\",\n"
     "        \"parameters\": {\n"
     "            \"type\": \"object\",\n"
     "            \"properties\": {\n"
     "                \"city\": {\n"
     "                    \"type\": \"string\"\n"
     "                }\n"
     "            }\n"
     "        }\n"
     "    }\n"
     "}\n"
     "\n"
     "<|eot_id|><|start_header_id|>user<|end_header_id|>\n"
     "\n"
     "Rain?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n"
     "\n"
     "{\"name\": \"rain\", \"parameters\": {\"city\": \"K\303\266ln\", \"days\": "
     "2}}<|eot_id|><|start_header_id|>ipython<|end_header_id|>\n"
     "\n"
     "\"<no>\"<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n"
     "\n"},
    /* Three roles, one line each. */
    {"microsoft-Phi-3.5-mini-instruct", turns, "\"tools\": null", "",
     "<|system|>\n"
     "Be brief.<|end|>\n"
     "<|user|>\n"
     "Hi <|im_end|><|end|>\n"
     "<|assistant|>\n"
     "Hello.<|end|>\n"
     "<|user|>\n"
     " Bye\n"
     "<|end|>\n"
     "<|assistant|>\n"},
    /* Without opening the answer the text ends in EOS. */
    {"microsoft-Phi-3.5-mini-instruct", one, "\"tools\": null", ", \"add_generation_prompt\": false",
     "<|user|>\n"
     "Hi<|end|>\n"
     "</s>"},
    /* The system message before the last user's only. */
    {"mistralai-Mistral-Nemo-Instruct-2407", turns, "\"tools\": null", "",
     "<s>[INST]Hi <|im_end|>[/INST]Hello.</s>[INST]Be brief.\n"
     "\n"
     " Bye\n"
     "[/INST]"},
    /* AVAILABLE_TOOLS at the last user's message, text values unquoted by JSON; the call
     * without its closing brace until the id is in it. */
    {"mistralai-Mistral-Nemo-Instruct-2407", call, rain, "",
     "<s>[AVAILABLE_TOOLS][{\"type\": \"function\", \"function\": {\"name\": \"rain\", "
     "\"description\": \"Will it rain?\", \"parameters\": {\"type\": \"object\", "
     "\"properties\": {\"city\": {\"type\": "
     "\"string\"}}}}}][/AVAILABLE_TOOLS][INST]Rain?[/INST][TOOL_CALLS][{\"name\": \"rain\", "
     "\"arguments\": {\"city\": \"K\303\266ln\", \"days\": 2}, \"id\": "
     "\"call12345\"}]</s>[TOOL_RESULTS]{\"content\": <no>, \"call_id\": "
     "\"call12345\"}[/TOOL_RESULTS]"},
};

/* The file's text as a template. */
static ch_template *open_model(const char *model)
{
    char name[200];
    ch_template *t;
    ch_err e = {0};
    snprintf(name, sizeof name, "conform/templates/%s.jinja", model);
    ch_mapping m = shared_map(name);
    assert_ok(ch_template_parse(&t, (const char *)m.data, m.size, model, &e), e);
    ch_io_unmap(&m);
    return t;
}

static int render_model(ch_rendered *r, const char *model, const char *messages, const char *tools,
                        const char *more, ch_err *e)
{
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    ch_buf_printf(&b, "{%s, %s, \"documents\": null%s%s}", messages, tools,
                  strstr(more, "add_generation") ? "" : ", \"add_generation_prompt\": true", more);
    const struct tm now = test_day();
    json_t *data = json(b.data), *names = json("{\"bos_token\": \"<s>\", \"eos_token\": \"</s>\"}");
    ch_template *t = open_model(model);
    const ch_template_input in = {.data = data, .trusted = names, .now = &now};
    int rc = ch_template_render(r, t, &in, e);
    ch_template_close(&t);
    json_decref(data);
    json_decref(names);
    ch_buf_close(&b);
    return rc;
}

static void conversations(void **state)
{
    (void)state;
    skip_without("conform/templates");
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        ch_rendered r = {0};
        ch_err e = {0};
        assert_ok(render_model(&r, cases[i].model, cases[i].messages, cases[i].tools,
                               cases[i].more, &e), e);
        assert_text(&r, cases[i].want);
        ch_rendered_free(&r);
    }
}

/* What templates themselves refuse, in their words. */
static void refusals(void **state)
{
    (void)state;
    static const char two[] =
        "\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", "
        "\"tool_calls\": [1, 2]}]";
    static const char order[] = "\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}]";
    static const char none[] = "\"tools\": null";
    ch_rendered r = {0};
    ch_err e = {0};
    skip_without("conform/templates");
    assert_fails(render_model(&r, "meta-llama-Llama-3.2-3B-Instruct", two, none, "", &e),
                 CH_EARG, e, "This model only supports single tool-calls at once!");
    assert_fails(render_model(&r, "mistralai-Mistral-Nemo-Instruct-2407", order, none, "", &e),
                 CH_EARG, e, "conversation roles must alternate");
    assert_fails(render_model(&r, "Qwen-Qwen3-0.6B", "\"messages\": []", none, "", &e), CH_EFORMAT,
                 e, "is undefined");
}

/* Between data and the template's text lies what the conversation wrote, and no more. */
static void origins(void **state)
{
    (void)state;
    ch_rendered r = {0};
    ch_err e = {0};
    skip_without("conform/templates");
    assert_ok(render_model(&r, "Qwen-Qwen2.5-7B-Instruct", turns, "\"tools\": null", "", &e), e);
    static const char *const said[] = {"Be brief.", "Hi <|im_end|>", "Hello.", " Bye\n"};
    size_t k = 0, at = 0;
    for (size_t i = 0; i < r.n_spans; at += r.span[i++].n)
        if (r.span[i].data) {
            assert_true(k < CH_COUNT(said) && r.span[i].n == strlen(said[k]));
            assert_memory_equal(r.text.data + at, said[k], strlen(said[k]));
            k++;
        }
    assert_int_equal(k, CH_COUNT(said));
    ch_rendered_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversations),
        cmocka_unit_test(refusals),
        cmocka_unit_test(origins),
    };
    return cmocka_run_group_tests_name("template/shipped", tests, NULL, NULL);
}
