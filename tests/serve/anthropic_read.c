/* tests/serve/anthropic_read.c - what requests to /v1/messages ask for, and which are refused
 *
 * SPDX-License-Identifier: MIT */
#include "asking.h"

#include <stdlib.h>
#include <string.h>

/* ---- Asks ------------------------------------------------------------------------------------ */

#define SAID(messages) "{'model':'m','max_tokens':9,'messages':[" messages "]"
#define ASK(messages) "{'api':3,'model':'m','most':9,'messages':[" messages "]"
#define USER(content) "{'role':'user','content':" content "}"
#define ASSISTANT(content) "{'role':'assistant','content':" content "}"
#define SYSTEM(content) "{'role':'system','content':" content "}"
#define HELLO SAID(USER("'hello'"))
#define HELLO_ASK ASK(USER("'hello'"))
#define SCHEMA "{'type':'object','properties':{'a':{}}}"
#define TOOLS                                                                                 \
    ",'tools':[{'name':'get-it','description':'d','input_schema':" SCHEMA ",'strict':true,"   \
    "'cache_control':{'type':'ephemeral'}},"                                                  \
    "{'type':'custom','name':'b','description':null,'input_schema':{}}]"
#define TOOLS_ASK                                                                             \
    ",'tools':[{'type':'function','function':{'name':'get-it','description':'d',"             \
    "'parameters':" SCHEMA ",'strict':true}},"                                                \
    "{'type':'function','function':{'name':'b','parameters':{}}}]"
#define TEXT(text) "{'type':'text','text':'" text "'}"
#define USE "{'type':'tool_use','id':'t1','name':'get-it','input':{'a':[1]}}"
#define CALL                                                                                  \
    "{'id':'t1','type':'function','function':{'name':'get-it','arguments':{'a':[1]}}}"
#define BILLING "x-anthropic-billing-header: cch=1;"

static const char *const asks[][2] = {
    {HELLO "}", HELLO_ASK "}"},
    /* The system prompt, and what some clients put before it. */
    {HELLO ",'system':'s'}", ASK(SYSTEM("'s'") "," USER("'hello'")) "}"},
    {HELLO ",'system':[" TEXT(BILLING) ",{'type':'text','text':'s',"
           "'cache_control':{'type':'ephemeral'}}," TEXT("t") "]}",
     ASK(SYSTEM("'s\\nt'") "," USER("'hello'")) "}"},
    {HELLO ",'system':'" BILLING "\\ns'}", ASK(SYSTEM("'s'") "," USER("'hello'")) "}"},
    {HELLO ",'system':[" TEXT(BILLING) "]}", HELLO_ASK "}"},
    /* Roles: merged in a row, continued at the end, in between. */
    {SAID(USER("'a'") "," USER("[" TEXT("b") "," TEXT(BILLING) "]") "," ASSISTANT("'c'") ","
          ASSISTANT("'d'") "," SYSTEM("'e'") "," USER("'f\\u0000g'") ","
          ASSISTANT("[" TEXT("h") "]")) "}",
     ASK(USER("'a\\nb\\n" BILLING "'") "," ASSISTANT("'cd'") "," SYSTEM("'e'") ","
         USER("'f\\u0000g'") "," ASSISTANT("'h'")) ",'go_on':1}"},
    {SAID(USER("'hello'") "," ASSISTANT("''")) "}", HELLO_ASK "}"},
    /* Tools: called, what they gave, in order. */
    {SAID(USER("'a'") ","
          ASSISTANT("[{'type':'thinking','thinking':'t','signature':''},"
                    "{'type':'redacted_thinking','data':'?'}," TEXT("b") "," USE ","
                    "{'type':'tool_use','id':'t2','name':'none','input':null}]") ","
          USER("[{'type':'tool_result','tool_use_id':'t2',"
               "'content':[" TEXT("x") "," TEXT("y") "]},"
               "{'type':'tool_result','tool_use_id':'t1','is_error':true,'content':'bad'},"
               "{'type':'tool_result','tool_use_id':'t3'}," TEXT("c") "]")) TOOLS "}",
     ASK(USER("'a'") ",{'role':'assistant','content':'b','reasoning_content':'t','tool_calls':["
         CALL ",{'id':'t2','type':'function','function':{'name':'none','arguments':{}}}]},"
         "{'role':'tool','tool_call_id':'t2','name':'none','content':'x\\ny'},"
         "{'role':'tool','tool_call_id':'t1','name':'get-it','content':'Error: bad'},"
         "{'role':'tool','tool_call_id':'t3','content':''}," USER("'c'")) TOOLS_ASK "}"},
    {SAID(USER("'a'") "," ASSISTANT("[" USE "]") ","
          USER("[" TEXT("b") ",{'type':'tool_result','tool_use_id':'t1','content':'r'}]")) "}",
     ASK(USER("'a'") ",{'role':'assistant','content':'','tool_calls':[" CALL "]}," USER("'b'") ","
         "{'role':'tool','tool_call_id':'t1','name':'get-it','content':'r'}") "}"},
    {HELLO TOOLS ",'tool_choice':{'type':'auto','disable_parallel_tool_use':true}}",
     HELLO_ASK TOOLS_ASK ",'one_call':1}"},
    {HELLO TOOLS ",'tool_choice':{'type':'none'}}", HELLO_ASK TOOLS_ASK ",'choose':1}"},
    {HELLO TOOLS ",'tool_choice':{'type':'any'}}", HELLO_ASK TOOLS_ASK ",'choose':2}"},
    {HELLO TOOLS ",'tool_choice':{'type':'tool','name':'b'}}",
     HELLO_ASK TOOLS_ASK ",'choose':3,'tool':'b'}"},
    {HELLO ",'tools':[]}", HELLO_ASK "}"},
    /* How it is answered. */
    {HELLO ",'stream':true,'temperature':1,'top_p':0.5,'top_k':7,'metadata':{'user_id':'u'},"
           "'stop_sequences':['END','','\\n\\n'],'betas':['x'],'anything':{'else':1},"
           "'min_p':0.25,'seed':3,'mcp_servers':[]}",
     HELLO_ASK ",'stream':1,'stream_usage':1,'temp':1.0,'top_p':0.5,'top_k':7.0,'user':'u',"
               "'stop':['END','\\n\\n'],'min_p':0.25,'seed':3}"},
    {HELLO ",'temperature':0,'stop_sequences':null,'system':null,'tool_choice':null,"
           "'thinking':null,'output_config':null,'metadata':null}",
     HELLO_ASK ",'temp':0.0}"},
    {HELLO ",'service_tier':'auto','chalcis_cost':true}",
     HELLO_ASK ",'applied':{'service_tier':'none','chalcis_cost':'none'}}"},
    /* Reasoning, and the text's form. */
    {HELLO ",'thinking':{'type':'enabled','budget_tokens':8}}",
     HELLO_ASK ",'thinking':2,'think_most':8}"},
    {HELLO ",'thinking':{'type':'adaptive','display':'omitted'},'output_config':{'effort':'low'}}",
     HELLO_ASK ",'thinking':2,'think_most':2,'hide_reasoning':1,"
               "'variables':{'reasoning_effort':'low'}}"},
    {HELLO ",'output_config':{'effort':'max'}}",
     HELLO_ASK ",'variables':{'reasoning_effort':'max'}}"},
    {HELLO ",'thinking':{'type':'disabled','display':null},'output_config':{'effort':'low'}}",
     HELLO_ASK ",'thinking':1}"},
    {HELLO ",'thinking':{'type':'enabled','budget_tokens':1,'display':'summarized'},"
           "'output_config':{'effort':'max','format':{'type':'json_schema','schema':" SCHEMA "}}}",
     HELLO_ASK ",'thinking':2,'think_most':1,'form_kind':2,'form':" SCHEMA ","
               "'variables':{'reasoning_effort':'max'}}"},
    {HELLO ",'thinking_config':{'reasoning_depth':4,'thinking_visualization':false}}",
     HELLO_ASK ",'thinking':2,'think_most':512,'hide_reasoning':1,'applied':{'thinking_config':"
               "{'reasoning_depth':'reasoning on, 512 tokens of it at most',"
               "'thinking_visualization':'reasoning is hidden'}}}"},
};

static void what_is_asked(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(asks); i++)
        assert_asks(ch_anthropic_messages, asks[i][0], asks[i][1]);
}

/* The same but for how it is answered. */
static void tokens_are_counted(void **state)
{
    (void)state;
    assert_asks(ch_anthropic_count,
                "{'model':'m','system':'s','messages':[" USER("'hello'") "],"
                "'output_config':{'effort':'low'},'thinking':{'type':'adaptive'}" TOOLS "}",
                "{'api':4,'model':'m','messages':[" SYSTEM("'s'") "," USER("'hello'") "],"
                "'variables':{'reasoning_effort':'low'},'thinking':2,'think_most':512" TOOLS_ASK
                "}");
    assert_refuses(ch_anthropic_count, "{'model':'m'}", CH_REFUSED_INVALID, "messages", "missing");
}

/* ---- Refusals -------------------------------------------------------------------------------- */

#define TOLD(content) SAID(USER(content)) "}"
#define ANSWERED(content) SAID(USER("'a'") "," ASSISTANT(content)) "}"
#define TOOL(text) HELLO ",'tools':[" text "]}"

static const struct { const char *body, *param, *part; } refusals[] = {
    {"[]", "", "JSON object"},
    {"{'max_tokens':1,'messages':[]}", "model", "missing"},
    {"{'model':7,'max_tokens':1,'messages':[]}", "model", "wanted a string"},
    {"{'model':'m','messages':[{'role':'user','content':'a'}]}", "max_tokens",
     "missing"},
    {"{'model':'m','max_tokens':0,'messages':[]}", "max_tokens", "wanted 1 to"},
    {"{'model':'m','max_tokens':1e99,'messages':[]}", "max_tokens", "wanted an integer"},
    {SAID("") "}", "messages", "empty"},
    {"{'model':'m','max_tokens':9,'messages':{}}", "messages", "an array"},
    {SAID("7") "}", "messages[0].role", "missing"},
    {SAID("{'role':'tool','content':''}") "}", "messages[0].role",
     "is \"tool\"; allowed are user"},
    {SAID("{'role':'user\\u0000','content':''}") "}", "messages[0].role",
     "0 byte"},
    {SAID("{'role':'user'}") "}", "messages[0].content", "string or an array"},
    {SAID("{'role':'assistant','content':''}") "}", "messages", "no message"},
    {SAID("1,2,3,4,5,6,7,8,9") "}", "messages", "9 messages; allowed are 8"},
    {TOLD("['a']"), "messages[0].content[0]", "\"type\""},
    {TOLD("[{'type':'text'}]"), "messages[0].content[0].text", "missing"},
    {TOLD("[{'type':'text','text':7}]"), "messages[0].content[0].text", "no string"},
    {TOLD("[{'type':'text','text':'a'},{'type':'image','source':{}}]"),
     "messages[0].content[1]", "type \"image\" of role \"user\" cannot be read"},
    {TOLD("[{'type':'document'}]"), "messages[0].content[0]", "\"document\""},
    {TOLD("[{'type':'search_result'}]"), "messages[0].content[0]", "\"search_result\""},
    {TOLD("[" USE "]"), "messages[0].content[0]", "\"tool_use\" of role \"user\""},
    {TOLD("[{'type':'tool_result'}]"), "messages[0].content[0].tool_use_id", "missing"},
    {TOLD("[{'type':'tool_result','tool_use_id':''}]"),
     "messages[0].content[0].tool_use_id", "empty"},
    {TOLD("[{'type':'tool_result','tool_use_id':'t','is_error':1}]"),
     "messages[0].content[0].is_error", "true or false"},
    {TOLD("[{'type':'tool_result','tool_use_id':'t','content':7}]"),
     "messages[0].content[0].content", "string or an array"},
    {TOLD("[{'type':'tool_result','tool_use_id':'t','content':[{'type':'text',"
          "'text':''},{'type':'image'}]}]"),
     "messages[0].content[0].content[1]", "\"image\""},
    {ANSWERED("[" USE "]"), "messages", "tool_result"},
    {ANSWERED("[{'type':'tool_use','id':'t','input':{}}]"),
     "messages[1].content[0].name", "missing"},
    {ANSWERED("[{'type':'tool_use','id':'t','name':'n','input':'{}'}]"),
     "messages[1].content[0]", "\"input\" has to be an object"},
    {ANSWERED("[{'type':'server_tool_use'}]"), "messages[1].content[0]", "server_tool_use"},
    {HELLO ",'system':{}}", "system", "string or an array"},
    {HELLO ",'system':[{'type':'image'}]}", "system[0]", "\"image\""},
    {HELLO ",'temperature':1.5}", "temperature", "allowed are 0 to 1"},
    {HELLO ",'temperature':'1'}", "temperature", "number"},
    {HELLO ",'top_p':-0.1}", "top_p", "allowed are 0 to 1"},
    {HELLO ",'top_k':-1}", "top_k", "allowed"},
    {HELLO ",'stream':1}", "stream", "true or false"},
    {HELLO ",'metadata':{'user_id':7}}", "metadata.user_id", "wanted a string"},
    {HELLO ",'stop_sequences':'a'}", "stop_sequences", "an array"},
    {HELLO ",'stop_sequences':['a',7]}", "stop_sequences[1]", "string"},
    {HELLO ",'stop_sequences':['a\\u0000']}", "stop_sequences[0]", "0 byte"},
    {HELLO ",'stop_sequences':['123456789012345678901']}", "stop_sequences[0]",
     "21 bytes; allowed are 20"},
    {HELLO ",'stop_sequences':['','','','','']}", "stop_sequences", "5 texts"},
    {HELLO ",'container':'c'}", "container", "at Anthropic"},
    {HELLO ",'mcp_servers':[{}]}", "mcp_servers", "at Anthropic"},
    {TOOL("7"), "tools[0]", "an object"},
    {TOOL("{'type':'web_search_20250305','name':'web_search'}"), "tools[0]",
     "\"web_search_20250305\", a tool of Anthropic's own"},
    {TOOL("{'name':'a'}"), "tools[0]", "input_schema"},
    {TOOL("{'name':'a b','input_schema':{}}"), "tools[0]", "\"name\" has to be"},
    {TOOL("{'name':'a','input_schema':{}},{'name':'a','input_schema':{}}"), "tools[1]",
     "already"},
    {TOOL("{'name':'a','input_schema':{},'strict':'yes'}"), "tools[0].strict",
     "true or false"},
    {TOOL("{'name':'a','input_schema':{},'description':[]}"), "tools[0].description",
     "wanted a string"},
    {TOOL("1,2,3,4,5"), "tools", "5 tools; allowed are 4"},
    {HELLO ",'tool_choice':{'type':'any'}}", "tool_choice", "no tools"},
    {HELLO ",'tool_choice':'any'}", "tool_choice", "an object"},
    {HELLO TOOLS ",'tool_choice':{'type':'required'}}", "tool_choice.type",
     "is \"required\"; allowed are auto, none, any, tool"},
    {HELLO TOOLS ",'tool_choice':{}}", "tool_choice.type", "is missing; allowed"},
    {HELLO TOOLS ",'tool_choice':{'type':'tool'}}", "tool_choice.name", "no tool's name"},
    {HELLO TOOLS ",'tool_choice':{'type':'tool','name':'x'}}", "tool_choice.name",
     "\"x\""},
    {HELLO ",'thinking':true}", "thinking", "an object"},
    {HELLO ",'thinking':{'type':'on'}}", "thinking.type", "disabled, enabled, adaptive"},
    {HELLO ",'thinking':{'type':'enabled'}}", "thinking.budget_tokens", "missing"},
    {HELLO ",'thinking':{'type':'enabled','budget_tokens':0}}", "thinking.budget_tokens",
     "wanted 1 to"},
    {HELLO ",'thinking':{'type':'enabled','budget_tokens':9}}", "thinking.budget_tokens",
     "less than \"max_tokens\", which is 9"},
    {HELLO ",'thinking':{'type':'adaptive','display':'all'}}", "thinking.display",
     "summarized, omitted"},
    {HELLO ",'output_config':{'effort':'huge'}}", "output_config.effort", "low, medium"},
    {HELLO ",'output_config':{'format':{'type':'text'}}}", "output_config.format.type",
     "json_schema"},
    {HELLO ",'output_config':{'format':{'type':'json_schema'}}}",
     "output_config.format.schema", "missing"},
    {HELLO ",'output_config':{'format':{'type':'json_schema','schema':[]}}}",
     "output_config.format.schema", "an object"},
    {HELLO ",'thinking_config':{'reasoning_depth':'deep'}}",
     "thinking_config.reasoning_depth", "adaptive"},
};

static void what_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(refusals); i++)
        assert_refuses(ch_anthropic_messages, refusals[i].body, CH_REFUSED_INVALID,
                       refusals[i].param, refusals[i].part);
}

static const ch_ask_limits limits = {.stops = 4, .stop_bytes = 20, .tools = 4, .messages = 8};

/* A type that is long and cut within a character still makes a sentence. */
static void long_words_are_cut(void **state)
{
    (void)state;
    ch_ask *a;
    ch_refusal r;
    char *type = malloc(3 * 5000 + 1);
    for (int i = 0; i < 5000; i++)
        memcpy(type + 3 * i, "\xe2\x82\xac", 4);
    json_t *body = json_pack("{s:s, s:i, s:[{s:s, s:[{s:s}]}]}", "model", "m", "max_tokens", 1,
                             "messages", "role", "user", "content", "type", type);
    assert_int_equal(ch_anthropic_messages(&a, body, &limits, &r), CH_EARG);
    json_t *said = ch_refusal_json(&r, true, "req_1");
    assert_non_null(said);
    assert_non_null(json_object_get(said, "error"));
    json_decref(said);
    free(type);
}

/* ---- Whatever is sent ------------------------------------------------------------------------ */

static uint32_t below(uint64_t *drawn, uint32_t n)
{
    return (uint32_t)ch_rng_below(n, 5, 0, 0, (*drawn)++);
}

static json_t *odd_value(uint64_t *s)
{
    static const char *const values[] = {
        "null", "true", "-1", "0", "1", "2147483648", "1e300", "0.5", "''", "'\\u0000'",
        "'text'", "'user'", "'assistant'", "'tool_result'", "[]", "{}", "[[]]",
        "{'type':'text','text':'a'}", "[{'type':'image'}]", "{'type':'tool'}"};
    return json_of(values[below(s, CH_COUNT(values))]);
}

/* Somewhere in v a value becomes another, or goes. */
static void mutate_tree(json_t *v, uint64_t *s)
{
    const char *key;
    json_t *child = NULL;
    uint32_t n = (uint32_t)(json_is_object(v) ? json_object_size(v) : json_array_size(v));
    if (n == 0)
        return;
    n = below(s, n);
    const uint32_t what = below(s, 6);
    if (json_is_array(v)) {
        child = json_array_get(v, n);
        if (what > 1 && json_array_size(child) + json_object_size(child) > 0)
            mutate_tree(child, s);
        else if (what == 1)
            json_array_remove(v, n);
        else
            json_array_set_new(v, n, odd_value(s));
        return;
    }
    json_object_foreach(v, key, child)
        if (n-- == 0)
            break;
    if (what > 1 && json_array_size(child) + json_object_size(child) > 0)
        mutate_tree(child, s);
    else if (what == 1)
        json_object_del(v, key);
    else
        json_object_set_new(v, key, odd_value(s));
}

static void check_messages(const ch_ask *a)
{
    size_t i;
    json_t *m;
    assert_true(json_array_size(a->messages) > 0);
    json_array_foreach(a->messages, i, m)
    {
        const char *role = json_string_value(json_object_get(m, "role"));
        assert_non_null(role);
        assert_true(json_is_string(json_object_get(m, "content")));
        if (strcmp(role, "tool") == 0)
            assert_true(json_is_string(json_object_get(m, "tool_call_id")));
        if (a->go_on && i + 1 == json_array_size(a->messages))
            assert_string_equal(role, "assistant");
    }
    assert_true(a->model && a->most > 0 && a->answers == 1);
    assert_true(a->sampling.temp >= 0 && a->think_most >= -1);
    assert_true(a->choose != CH_TOOLS_NAMED || a->tool);
}

static bool read_one(json_t *body)
{
    ch_ask *a;
    ch_refusal r = {0};
    const int rc = ch_anthropic_messages(&a, body, &limits, &r);
    if (rc == CH_OK) {
        check_messages(a);
        ch_ask_close(&a);
        return true;
    }
    assert_true(rc == CH_EARG && !a && r.text[0] && ch_refusal_status(&r) < 502);
    return false;
}

static void whatever_is_sent(void **state)
{
    (void)state;
    enum { MUTATIONS = 100000 };
    uint64_t s = 0;
    int read = 0, sent = 0;
    json_t *good[CH_COUNT(asks)];
    for (size_t i = 0; i < CH_COUNT(asks); i++)
        good[i] = json_of(asks[i][0]);
    for (int i = 0; i < MUTATIONS; i++) {
        const uint32_t which = below(&s, CH_COUNT(asks));
        json_t *body;
        if (below(&s, 4) > 0) {
            body = json_deep_copy(good[which]);
            for (uint32_t n = 1 + below(&s, 3); n > 0; n--)
                mutate_tree(body, &s);
        } else {
            ch_err e;
            char *text = json_dumps(good[which], JSON_COMPACT);
            const size_t n = strlen(text);
            text[below(&s, (uint32_t)n)] = (char)below(&s, 256);
            const int rc = ch_json_parse(&body, text, n, "body", &e);
            free(text);
            if (rc < 0)
                continue;
        }
        sent++;
        read += read_one(body);
    }
    for (size_t i = 0; i < CH_COUNT(asks); i++)
        json_decref(good[i]);
    print_message("# %d bodies, %d of them asks\n", sent, read);
    assert_true(sent > MUTATIONS / 2 && read > sent / 20 && read < sent);
}

/* ---- No memory ------------------------------------------------------------------------------- */

static int left; /* allocations until one fails */

static void *scarce(size_t n) { return left-- == 0 ? NULL : malloc(n); }

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(asks); i++)
        for (int k = 0;; k++) {
            ch_ask *a;
            ch_refusal r = {0};
            json_t *body = json_of(asks[i][0]);
            left = k;
            json_set_alloc_funcs(scarce, free);
            const int rc = ch_anthropic_messages(&a, body, &limits, &r);
            json_set_alloc_funcs(malloc, free);
            ch_ask_close(&a);
            if (left >= 0)
                break;
            if (rc != CH_EARG || r.why != CH_REFUSED_FAULT)
                fail_msg("%s without allocation %d: %d, %s", asks[i][0], k, rc, r.text);
        }
}

int main(void)
{
    const struct CMUnitTest anthropic_reading[] = {
        cmocka_unit_test(what_is_asked),    cmocka_unit_test(tokens_are_counted),
        cmocka_unit_test(what_is_refused),  cmocka_unit_test(long_words_are_cut),
        cmocka_unit_test(whatever_is_sent), cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("serve/anthropic_read", anthropic_reading, NULL, NULL);
}
