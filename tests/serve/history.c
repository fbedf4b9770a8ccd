/* tests/serve/history.c - what agents send back goes through real chat templates
 *
 * Calls with broken arguments in the history, among them: servers that fail on those lock agents
 * up.  SPDX-License-Identifier: MIT */
#include "asking.h"

#include <stdlib.h>
#include <string.h>

#include "template.h"

/* user, call, result, call, result, user; %s: arguments of the first, as JSON has them. */
static const char form[] =
    "{'messages':[{'role':'developer','content':'Be brief.'},{'role':'user','content':[{'type':"
    "'text','text':'What is'},{'type':'text','text':'it?'}]},{'role':'assistant','content':null,"
    "'reasoning':'Hm.','tool_calls':[{'id':'abcdefghi','type':'function','function':{'name':'f',"
    "'arguments':%s}}]},{'role':'tool','tool_call_id':'abcdefghi','content':'broken'},"
    "{'role':'assistant','content':'So.'},{'role':'user','content':'Well?'}],"
    "'tools':[{'type':'function','function':{'name':'f','description':'d','parameters':{'type':"
    "'object','properties':{'a':{'type':'integer','description':'x'}}}}}]}";

static ch_template *open_template(const char *rel)
{
    ch_template *t;
    ch_err e = {0};
    ch_mapping m = shared_map(rel);
    assert_ok(ch_template_parse(&t, (const char *)m.data, m.size, rel, &e), e);
    ch_io_unmap(&m);
    return t;
}

/* The rendering has `part`. */
static void assert_renders(const ch_template *t, const char *name, const char *arguments,
                           const char *part)
{
    static const ch_ask_limits limits = {0};
    const struct tm now = {.tm_year = 126, .tm_mday = 2};
    char body[1500];
    ch_ask *a;
    ch_refusal r = {0};
    ch_rendered out = {0};
    ch_err e = {0};
    snprintf(body, sizeof body, form, arguments);
    if (ch_openai_chat(&a, json_of(body), &limits, &r) < 0)
        fail_msg("%s: %s", body, r.text);
    json_t *data = json_pack("{s:O, s:O, s:b}", "messages", a->messages, "tools", a->tools,
                             "add_generation_prompt", 1);
    json_t *names = json_of("{'bos_token':'<s>','eos_token':'</s>'}");
    const ch_template_input in = {.data = data, .trusted = names, .now = &now};
    if (ch_template_render(&out, t, &in, &e) < 0)
        fail_msg("%s with %s: %s", name, arguments, e.text);
    if (!strstr(out.text.data, part))
        fail_msg("%s with %s has no \"%s\":\n%s", name, arguments, part, out.text.data);
    ch_rendered_free(&out);
    json_decref(data);
    json_decref(names);
    ch_ask_close(&a);
}

static void test_arguments(void **state)
{
    /* Those that write calls down. */
    static const char *const names[] = {"Qwen-Qwen2.5-7B-Instruct", "Qwen-Qwen3-0.6B",
                                        "meta-llama-Llama-3.2-3B-Instruct",
                                        "mistralai-Mistral-Nemo-Instruct-2407"};
    (void)state;
    skip_without("conform/templates");
    for (size_t i = 0; i < CH_COUNT(names); i++) {
        char path[200];
        snprintf(path, sizeof path, "conform/templates/%s.jinja", names[i]);
        ch_template *t = open_template(path);
        assert_renders(t, names[i], "'{\\\"a\\\": 17}'", "17");
        assert_renders(t, names[i], "'{\\\"a\\\": 17'", "17");
        assert_renders(t, names[i], "'[17]'", "17");
        assert_renders(t, names[i], "''", "f");
        assert_renders(t, names[i], "null", "f");
        ch_template_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_arguments)};
    return cmocka_run_group_tests_name("serve/history", tests, NULL, NULL);
}
