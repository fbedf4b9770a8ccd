/* tests/serve/openai_read.c - what OpenAI's requests ask for, and what is refused
 *
 * SPDX-License-Identifier: MIT */
#include "asking.h"

#include <stdlib.h>
#include <string.h>

#define USER "'messages':[{'role':'user','content':'Hi'}]"
#define F "{'type':'function','function':{'name':'f','parameters':{'type':'object'}}}"

/* Bodies of chat, and messages' part of what they ask for. */
static void test_messages(void **state)
{
    static const char *const cases[][2] = {
        {"{'role':'system','content':'S'}", "{'role':'system','content':'S'}"},
        {"{'role':'developer','content':'S'}", "{'role':'system','content':'S'}"},
        {"{'role':'user','content':'a\\u0000b','name':'Al'}",
         "{'role':'user','content':'a\\u0000b','name':'Al'}"},
        {"{'role':'user','content':[{'type':'text','text':'a'},{'type':'text','text':'b'}]}",
         "{'role':'user','content':'a\\nb'}"},
        {"{'role':'user','content':[]}", "{'role':'user','content':''}"},
        {"{'role':'assistant'}", "{'role':'assistant','content':''}"},
        {"{'role':'assistant','content':null,'refusal':'no'}",
         "{'role':'assistant','content':'no'}"},
        {"{'role':'assistant','content':[{'type':'refusal','refusal':'no'}]}",
         "{'role':'assistant','content':'no'}"},
        {"{'role':'assistant','content':'x','reasoning':'r'}",
         "{'role':'assistant','content':'x','reasoning_content':'r'}"},
        {"{'role':'assistant','content':'x','reasoning_content':'r','reasoning':'q'}",
         "{'role':'assistant','content':'x','reasoning_content':'r'}"},
        {"{'role':'tool','tool_call_id':'c1','content':'4'}",
         "{'role':'tool','tool_call_id':'c1','content':'4'}"},
        {"{'role':'tool','tool_call_id':'c1','content':null}",
         "{'role':'tool','tool_call_id':'c1','content':''}"},
        {"{'role':'assistant','content':null,'function_call':{'name':'f','arguments':'{}'}},"
         "{'role':'function','name':'f','content':'4'}",
         "{'role':'assistant','content':'','tool_calls':[{'id':'call_0','type':'function',"
         "'function':{'name':'f','arguments':{}}}]},"
         "{'role':'tool','name':'f','content':'4','tool_call_id':'call_0'}"},
    };
    (void)state;
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        char body[1000], expected[1000];
        snprintf(body, sizeof body, "{'messages':[%s]}", cases[i][0]);
        snprintf(expected, sizeof expected, "{'messages':[%s]}", cases[i][1]);
        assert_asks(ch_openai_chat, body, expected);
    }
}

/* Whatever a model wrote as arguments comes back as history, and is no error. */
static void test_arguments_of_history(void **state)
{
    static const char *const cases[][2] = {
        {"'{\\\"a\\\":[1,{}]}'", "{'a':[1,{}]}"},
        {"'{\\\"a\\\":'", "'{\\\"a\\\":'"},
        {"''", "{}"},
        {"'null'", "'null'"},
        {"'[1]'", "'[1]'"},
        {"'{\\\"a\\\":1,\\\"a\\\":2}'", "'{\\\"a\\\":1,\\\"a\\\":2}'"},
        {"'{\\\"a\\\":1e999}'", "'{\\\"a\\\":1e999}'"},
        {"'{\\\"a\\\":\\u0000}'", "'{\\\"a\\\":\\u0000}'"},
        {"{'a':2}", "{'a':2}"},
        {"null", "{}"},
    };
    (void)state;
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        char body[1000], expected[1000];
        static const char form[] = "{'messages':[{'role':'assistant',%s'tool_calls':[{'id':'c',"
                                   "'type':'function','function':{'name':'f','arguments':%s}}]}]}";
        snprintf(body, sizeof body, form, "", cases[i][0]);
        snprintf(expected, sizeof expected, form, "'content':'',", cases[i][1]);
        assert_asks(ch_openai_chat, body, expected);
    }
}

static void test_bad_messages(void **state)
{
    static const struct {
        const char *messages, *param, *part;
    } cases[] = {
        {"[]", "messages", "one message at least"},
        {"{}", "messages", "an array"},
        {"[3]", "messages[0]", "an object"},
        {"[{}]", "messages[0].role", "system, developer"},
        {"[{'role':'robot','content':''}]", "messages[0].role", "system, developer"},
        {"[{'role':3,'content':''}]", "messages[0].role", "a string"},
        {"[{'role':'user'}]", "messages[0].content", "there"},
        {"[{'role':'user','content':null}]", "messages[0].content", "there"},
        {"[{'role':'user','content':3}]", "messages[0].content", "a string or"},
        {"[{'role':'user','content':{'type':'text'}}]", "messages[0].content", "a string or"},
        {"[{'role':'user','content':'a'},{'role':'user','content':[{'type':'text','text':'a'},"
         "{'type':'image_url','image_url':{'url':'x'}}]}]", "messages[1].content[1]", "text alone"},
        {"[{'role':'user','content':[3]}]", "messages[0].content[0]", "with a type"},
        {"[{'role':'user','content':[{'type':'text'}]}]", "messages[0].content[0]", "no string"},
        {"[{'role':'user','content':[{'type':'refusal','refusal':'a'}]}]", "messages[0].content[0]",
         "text alone"},
        {"[{'role':'user','content':'a','name':3}]", "messages[0].name", "a string"},
        {"[{'role':'assistant','tool_calls':3}]", "messages[0].tool_calls", "an array"},
        {"[{'role':'assistant','tool_calls':[3]}]", "messages[0].tool_calls[0]", "an object"},
        {"[{'role':'assistant','tool_calls':[{'id':'a'}]}]", "messages[0].tool_calls[0].function",
         "a name"},
        {"[{'role':'assistant','tool_calls':[{'type':'custom'}]}]",
         "messages[0].tool_calls[0].type", "functions alone"},
        {"[{'role':'assistant','tool_calls':[{'function':{'name':'f','arguments':3}}]}]",
         "messages[0].tool_calls[0].function.arguments", "a string"},
        {"[{'role':'assistant','function_call':{}}]", "messages[0].function", "a name"},
        {"[{'role':'tool','content':'a','tool_call_id':3}]", "messages[0].tool_call_id",
         "a string"},
        {"[0,0,0,0,0,0,0,0,0]", "messages", "allowed are 8"},
    };
    (void)state;
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        char body[1000];
        snprintf(body, sizeof body, "{'messages':%s}", cases[i].messages);
        assert_refuses(ch_openai_chat, body, CH_REFUSED_INVALID, cases[i].param, cases[i].part);
    }
}

/* Fields beside USER, and what they ask for beside it. */
static void test_fields(void **state)
{
    static const char *const cases[][2] = {
        {"'model':'m','user':'u','frob':[1],'n_probs':3,'store':true,'metadata':{}",
         "'model':'m','user':'u'"},
        {"'max_tokens':5", "'most':5"},
        {"'max_tokens':5,'max_completion_tokens':7.0", "'most':7"},
        {"'max_tokens':null,'stop':null,'tools':null,'n':null,'seed':null,'stream':null", ""},
        {"'temperature':0,'top_p':0.5,'frequency_penalty':-2,'presence_penalty':2",
         "'temp':0.0,'top_p':0.5,'frequency_penalty':-2.0,'presence_penalty':2.0"},
        {"'n':3", "'answers':3"},
        {"'stop':'x'", "'stop':['x']"},
        {"'stop':['','x','y']", "'stop':['x','y']"},
        {"'logit_bias':{'5':-100,'7':2.5,'9':100,'11':false}",
         "'bias':{'5':'-inf','7':2.5,'9':100.0,'11':'-inf'}"},
        {"'logprobs':true", "'log_probs':1"},
        {"'logprobs':true,'top_logprobs':20", "'log_probs':1,'top':20"},
        {"'top_logprobs':0", ""},
        {"'stream':true,'stream_options':{'include_usage':true,'include_obfuscation':false}",
         "'stream':1,'stream_usage':1"},
        {"'response_format':{'type':'text'}", ""},
        {"'response_format':{'type':'json_object'}", "'form_kind':1"},
        {"'response_format':{'type':'json_object','schema':{'type':'array'}}",
         "'form_kind':2,'form':{'type':'array'}"},
        {"'response_format':{'type':'json_schema','json_schema':{'name':'n','strict':true,"
         "'schema':{'type':'object'}}}", "'form_kind':2,'form':{'type':'object'}"},
        {"'response_format':{'type':'json_schema','json_schema':{'name':'n'}}", "'form_kind':1"},
        {"'tools':[" F "]", "'tools':[" F "]"},
        {"'tools':[]", ""},
        {"'tools':[" F "],'tool_choice':'none','parallel_tool_calls':false",
         "'tools':[" F "],'choose':1,'one_call':1"},
        {"'tools':[" F "],'tool_choice':'required'", "'tools':[" F "],'choose':2"},
        {"'tools':[" F "],'tool_choice':{'type':'function','function':{'name':'f'}}",
         "'tools':[" F "],'choose':3,'tool':'f'"},
        {"'tool_choice':'auto'", ""},
        {"'functions':[{'name':'f','parameters':{'type':'object'}}],'function_call':{'name':'f'}",
         "'tools':[" F "],'choose':3,'tool':'f','one_call':1"},
        {"'reasoning_effort':'none'", "'thinking':1,'think_most':0"},
        {"'reasoning_effort':'low'",
         "'thinking':2,'think_most':512,'variables':{'reasoning_effort':'low'}"},
        {"'reasoning_effort':'minimal','max_tokens':80",
         "'most':80,'thinking':2,'think_most':10,'variables':{'reasoning_effort':'minimal'}"},
        {"'reasoning_effort':'max'", "'thinking':2,'variables':{'reasoning_effort':'max'}"},
        {"'reasoning_effort':'high','max_tokens':2147483647",
         "'most':2147483647,'thinking':2,'think_most':1610612735,"
         "'variables':{'reasoning_effort':'high'}"},
        {"'modalities':['text'],'prediction':{'type':'content','content':'x'}", ""},
    };
    (void)state;
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        char body[1000], expected[1000];
        snprintf(body, sizeof body, "{" USER ",%s}", cases[i][0]);
        snprintf(expected, sizeof expected, "{" USER "%s%s}", *cases[i][1] ? "," : "", cases[i][1]);
        assert_asks(ch_openai_chat, body, expected);
    }
}

static void test_going_on(void **state)
{
    (void)state;
    assert_asks(ch_openai_chat,
                "{'messages':[{'role':'assistant','content':'On'}],'continue_final_message':true,"
                "'add_generation_prompt':false}",
                "{'messages':[{'role':'assistant','content':'On'}],'go_on':1}");
    assert_refuses(ch_openai_chat, "{" USER ",'continue_final_message':true}", CH_REFUSED_INVALID,
                   "continue_final_message", "not the assistant's");
    assert_refuses(ch_openai_chat, "{" USER ",'add_generation_prompt':false}", CH_REFUSED_INVALID,
                   "add_generation_prompt", "only where");
}

struct bad {
    const char *fields, *param, *part;
};

static void assert_bad(const struct bad *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char body[1000];
        snprintf(body, sizeof body, "{" USER ",%s}", cases[i].fields);
        assert_refuses(ch_openai_chat, body, CH_REFUSED_INVALID, cases[i].param, cases[i].part);
    }
}

static void test_bad_numbers(void **state)
{
    static const struct bad cases[] = {
        {"'model':3", "model", "a string"},
        {"'model':'a\\u0000b'", "model", "0 byte"},
        {"'max_tokens':0", "max_tokens", "wanted 1"},
        {"'max_tokens':-1", "max_tokens", "wanted 1"},
        {"'max_tokens':1.5", "max_tokens", "an integer"},
        {"'max_tokens':'5'", "max_tokens", "an integer"},
        {"'max_tokens':1e300", "max_tokens", "an integer"},
        {"'max_tokens':9223372036854775807", "max_tokens", "wanted 1"},
        {"'max_completion_tokens':true", "max_completion_tokens", "an integer"},
        {"'temperature':-0.1", "temperature", "0 to 2"},
        {"'temperature':2.1", "temperature", "0 to 2"},
        {"'temperature':'NaN'", "temperature", "a number"},
        {"'temperature':1e308", "temperature", "0 to 2"},
        {"'top_p':1.1", "top_p", "0 to 1"},
        {"'frequency_penalty':2.5", "frequency_penalty", "-2 to 2"},
        {"'presence_penalty':[]", "presence_penalty", "a number"},
        {"'n':0", "n", "wanted 1 to 16"},
        {"'n':17", "n", "wanted 1 to 16"},
    };
    (void)state;
    assert_bad(cases, CH_COUNT(cases));
}

static void test_bad_answering(void **state)
{
    static const struct bad cases[] = {
        {"'stop':3", "stop", "a string"},
        {"'stop':['a',3]", "stop", "a string"},
        {"'stop':'a\\u0000'", "stop", "0 bytes"},
        {"'stop':['a','b','c','d','e']", "stop", "allowed are 4"},
        {"'stop':'aaaaaaaaaaaaaaaaaaaaa'", "stop", "21 bytes"},
        {"'logit_bias':[]", "logit_bias", "an object"},
        {"'logit_bias':{'x':1}", "logit_bias", "no id"},
        {"'logit_bias':{'-1':1}", "logit_bias", "no id"},
        {"'logit_bias':{' 1':1}", "logit_bias", "no id"},
        {"'logit_bias':{'1x':1}", "logit_bias", "no id"},
        {"'logit_bias':{'99999999999999999999':1}", "logit_bias", "no id"},
        {"'logit_bias':{'4294967296':1}", "logit_bias", "no id"},
        {"'logit_bias':{'1':101}", "logit_bias", "no such number"},
        {"'logit_bias':{'1':'5'}", "logit_bias", "no such number"},
        {"'logit_bias':{'1':1,'2':1,'3':1,'4':1,'5':1}", "logit_bias", "allowed are 4"},
        {"'logprobs':1", "logprobs", "true or false"},
        {"'logprobs':true,'top_logprobs':21", "top_logprobs", "0 to 20"},
        {"'top_logprobs':2", "top_logprobs", "not true"},
        {"'stream':'yes'", "stream", "true or false"},
        {"'stream_options':{'include_usage':1}", "stream_options.include_usage", "true or false"},
        {"'response_format':'json'", "response_format", "an object"},
        {"'response_format':{}", "response_format.type", "json_object"},
        {"'response_format':{'type':'xml'}", "response_format.type", "json_object"},
        {"'response_format':{'type':'json_schema'}", "response_format.json_schema", "an object"},
        {"'response_format':{'type':'json_schema','json_schema':{'name':'a b'}}",
         "response_format.json_schema.name", "letters"},
        {"'response_format':{'type':'json_schema','json_schema':{'name':'a','schema':[]}}",
         "response_format.json_schema.schema", "an object"},
        {"'reasoning_effort':'huge'", "reasoning_effort", "xhigh"},
        {"'modalities':'text'", "modalities", "an array"},
    };
    (void)state;
    assert_bad(cases, CH_COUNT(cases));
}

static void test_bad_tools(void **state)
{
    static const struct bad cases[] = {
        {"'tools':{}", "tools", "an array"},
        {"'tools':[3]", "tools[0]", "an object"},
        {"'tools':[{}]", "tools[0].type", "functions alone"},
        {"'tools':[" F ",{'type':'custom'}]", "tools[1].type", "functions alone"},
        {"'tools':[{'type':'function'}]", "tools[0].function", "an object"},
        {"'tools':[{'type':'function','function':{'name':'a b'}}]", "tools[0].function.name",
         "letters"},
        {"'tools':[{'type':'function','function':{}}]", "tools[0].function.name", "letters"},
        {"'tools':[{'type':'function','function':{'name':'f','parameters':'x'}}]",
         "tools[0].function.parameters", "an object"},
        {"'tools':[" F "," F "]", "tools[1].name", "two tools"},
        {"'tools':[0,0,0,0,0]", "tools", "allowed are 4"},
        {"'tool_choice':'maybe'", "tool_choice", "required"},
        {"'tool_choice':3", "tool_choice", "a string or"},
        {"'tool_choice':'required'", "tool_choice", "no tools"},
        {"'tools':[" F "],'tool_choice':{'type':'function','function':{'name':'g'}}",
         "tool_choice.function.name", "none of the tools"},
        {"'tools':[" F "],'tool_choice':{'type':'function'}", "tool_choice.function.name",
         "none of the tools"},
        {"'tools':[" F "],'parallel_tool_calls':3", "parallel_tool_calls", "true or false"},
        {"'functions':[3]", "functions[0].name", "an object"},
        {"'functions':[{'name':'f'}],'function_call':'required'", "function_call", "none"},
    };
    (void)state;
    assert_bad(cases, CH_COUNT(cases));
}

static void test_unsupported(void **state)
{
    (void)state;
    assert_refuses(ch_openai_chat, "{" USER ",'modalities':['text','audio']}",
                   CH_REFUSED_UNSUPPORTED, "modalities", "audio");
    assert_refuses(ch_openai_chat, "{" USER ",'audio':{'voice':'x'}}", CH_REFUSED_UNSUPPORTED,
                   "audio", "text alone");
    assert_refuses(ch_openai_chat, "{" USER ",'web_search_options':{}}", CH_REFUSED_UNSUPPORTED,
                   "web_search_options", "text alone");
    assert_refuses(ch_openai_chat,
                   "{" USER ",'tools':[" F "],'tool_choice':{'type':'allowed_tools'}}",
                   CH_REFUSED_UNSUPPORTED, "tool_choice", "allowed_tools");
    char many[300 * 4 + 100] = "{'n':16,'prompt':['a'";
    for (int i = 1; i < 257; i++)
        strcat(many, ",'a'");
    strcat(many, "]}");
    assert_refuses(ch_openai_completion, many, CH_REFUSED_INVALID, "prompt", "257 texts with 16");
    assert_refuses(ch_openai_completion, "{'prompt':'a','suffix':'b'}", CH_REFUSED_UNSUPPORTED,
                   "suffix", "at the end alone");
}

static void test_completions(void **state)
{
    static const char *const cases[][2] = {
        {"{'prompt':'Once'}", "{'api':1,'prompts':['Once'],'most':16}"},
        {"{'prompt':['a',''],'suffix':null}", "{'api':1,'prompts':['a',''],'most':16}"},
        {"{'prompt':[1,2]}", "{'api':1,'prompts':[[1,2]],'most':16}"},
        {"{'prompt':[[1,2],[3]],'max_tokens':1,'logprobs':1,'echo':true,'temperature':0,"
         "'seed':1234,'model':'m'}",
         "{'api':1,'prompts':[[1,2],[3]],'most':1,'log_probs':1,'top':1,'echo':1,'temp':0.0,"
         "'seed':1234,'model':'m'}"},
        {"{'prompt':'a','max_tokens':0,'echo':true,'logprobs':0}",
         "{'api':1,'prompts':['a'],'most':0,'echo':1,'log_probs':1}"},
        {"{'prompt':'a','n':2,'best_of':4,'logprobs':null}",
         "{'api':1,'prompts':['a'],'most':16,'answers':2,'best_of':4}"},
        {"{'prompt':'a','stream':true,'n':2,'stop':['\\n']}",
         "{'api':1,'prompts':['a'],'most':16,'answers':2,'stream':1,'stop':['\\n']}"},
    };
    static const struct {
        const char *body, *param, *part;
    } bad[] = {
        {"[]", "", "a JSON object"},
        {"{}", "prompt", "a string"},
        {"{'prompt':3}", "prompt", "a string"},
        {"{'prompt':[]}", "prompt", "a string"},
        {"{'prompt':['a',3]}", "prompt[1]", "a string"},
        {"{'prompt':[[]]}", "prompt[0]", "a string"},
        {"{'prompt':[[-1]]}", "prompt[0]", "a string"},
        {"{'prompt':[2147483648]}", "prompt[0]", "a string"},
        {"{'prompt':[1.0]}", "prompt[0]", "a string"},
        {"{'prompt':{'a':1}}", "prompt", "a string"},
        {"{'prompt':'a','max_tokens':-1}", "max_tokens", "wanted 0"},
        {"{'prompt':'a','logprobs':21}", "logprobs", "0 to 20"},
        {"{'prompt':'a','echo':1}", "echo", "true or false"},
        {"{'prompt':'a','n':3,'best_of':2}", "best_of", "\"n\" is 3"},
        {"{'prompt':'a','best_of':17}", "best_of", "1 to 16"},
        {"{'prompt':'a','best_of':2,'stream':true}", "best_of", "streamed"},
    };
    (void)state;
    for (size_t i = 0; i < CH_COUNT(cases); i++)
        assert_asks(ch_openai_completion, cases[i][0], cases[i][1]);
    for (size_t i = 0; i < CH_COUNT(bad); i++)
        assert_refuses(ch_openai_completion, bad[i].body, CH_REFUSED_INVALID, bad[i].param,
                       bad[i].part);
}

static void test_embeddings(void **state)
{
    (void)state;
    assert_asks(ch_openai_embedding, "{'input':'a','model':'m'}",
                "{'api':2,'prompts':['a'],'model':'m'}");
    assert_asks(ch_openai_embedding,
                "{'input':[[1],[2]],'encoding_format':'base64','dimensions':8,'user':'u'}",
                "{'api':2,'prompts':[[1],[2]],'base64':1,'dimensions':8,'user':'u'}");
    assert_refuses(ch_openai_embedding, "{'input':''  ,'encoding_format':'int8'}",
                   CH_REFUSED_INVALID, "encoding_format", "float");
    assert_refuses(ch_openai_embedding, "{'input':'a','dimensions':0}", CH_REFUSED_INVALID,
                   "dimensions", "wanted 1");
    assert_refuses(ch_openai_embedding, "{}", CH_REFUSED_INVALID, "input", "a string");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),     cmocka_unit_test(test_arguments_of_history),
        cmocka_unit_test(test_bad_messages), cmocka_unit_test(test_fields),
        cmocka_unit_test(test_going_on),     cmocka_unit_test(test_bad_numbers),
        cmocka_unit_test(test_bad_tools),    cmocka_unit_test(test_bad_answering),
        cmocka_unit_test(test_unsupported),  cmocka_unit_test(test_completions),
        cmocka_unit_test(test_embeddings),
    };
    return cmocka_run_group_tests_name("serve/openai_read", tests, NULL, NULL);
}
