/* tests/serve/ask_mutations.c - good requests with a value changed, moved or gone
 *
 *     ask_mutations 100000    so many of each
 *
 * Each is read, or refused in a sentence as the client's fault.  SPDX-License-Identifier: MIT */
#include "asking.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    ch_ask_reader *read;
    const char *body;
} good[] = {
    {"chat", ch_openai_chat,
     "{'model':'m','messages':[{'role':'developer','content':'S'},{'role':'user','content':[{"
     "'type':'text','text':'Hi'}],'name':'Al'},{'role':'assistant','content':null,'reasoning':'r',"
     "'tool_calls':[{'id':'c','type':'function','function':{'name':'f','arguments':'{}'}}]},"
     "{'role':'tool','tool_call_id':'c','content':'4'},{'role':'assistant','function_call':{'name':"
     "'f','arguments':'{}'}},{'role':'function','name':'f','content':'5'},{'role':'assistant',"
     "'content':'So'}],'tools':[{'type':'function','function':{'name':'f','description':'d',"
     "'parameters':{'type':'object'}}}],'tool_choice':{'type':'function','function':{'name':'f'}},"
     "'parallel_tool_calls':false,'max_tokens':5,'max_completion_tokens':20,'n':2,'stop':['x','y'],"
     "'logit_bias':{'5':-100,'6':1.5},'logprobs':true,'top_logprobs':2,'temperature':0.5,'top_p':1,"
     "'stream':true,'stream_options':{'include_usage':true},'reasoning_effort':'low','user':'u',"
     "'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':{}}},"
     "'modalities':['text'],'continue_final_message':true,'add_generation_prompt':false}"},
    {"old tools", ch_openai_chat,
     "{'messages':[{'role':'user','content':'Hi'}],'functions':[{'name':'f','parameters':{}},"
     "{'name':'g'}],'function_call':{'name':'g'},'chalcis_cost':true}"},
    {"completion", ch_openai_completion,
     "{'prompt':[[1,2],'a',[3]],'max_tokens':1,'logprobs':1,'echo':true,'temperature':0,'seed':12,"
     "'best_of':3,'n':2,'stop':'x','suffix':'','response_format':{'type':'json_object'}}"},
    {"embedding", ch_openai_embedding,
     "{'input':['a',[1]],'encoding_format':'base64','dimensions':8,'model':'m','user':'u'}"},
    {"own fields", ch_openai_chat,
     "{'messages':[{'role':'user','content':'Hi'}],'samplers':['top_k','temp'],'seed':-1,"
     "'min_tokens':2,'ignore_eos':true,'structured_outputs':{'choice':['a','b']},"
     "'chat_template_kwargs':{'enable_thinking':true,'x':1},'reasoning_depth':4,"
     "'reasoning_tokens':100,'early_stop_threshold':0.85,'thinking_visualization':false,"
     "'thinking_config':{'reasoning_depth':'complex','token_budget':512,'x':1},'top_k':5,"
     "'repetition_penalty':1.1,'mirostat':0,'top_p':1}"},
};

static int most = 4000;

static void check(size_t which, uint64_t seed)
{
    static const ch_ask_limits limits = {.answers = 16, .stops = 4, .biases = 8, .tools = 8};
    uint32_t at = 0;
    ch_ask *a;
    ch_refusal r = {0};
    json_t *body = json_of(good[which].body);
    for (uint64_t times = 1 + ch_rng_below(3, seed, CH_RNG_TEST, 0, at++); times > 0; times--)
        json_mutate(body, seed, &at);
    char *text = json_dumps(body, JSON_COMPACT);
    const int rc = good[which].read(&a, body, &limits, &r);
    const int status = rc < 0 ? ch_refusal_status(&r) : 0;
    const bool fine = rc == CH_OK ? a != NULL && a->answers >= 1 && a->answers <= 16
                                  : !a && r.text[0] && (status < 500);
    if (!fine)
        fail_msg("%s: %d, status %d, \"%s\"", text, rc, status, r.text);
    free(text);
    if (rc == CH_OK)
        json_decref(shown(a));
    ch_ask_close(&a);
}

static void test_mutations(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(good); i++) {
        ch_ask *a;
        ch_refusal r = {0};
        static const ch_ask_limits limits = {0};
        if (good[i].read(&a, json_of(good[i].body), &limits, &r) < 0)
            fail_msg("%s: %s (%s)", good[i].name, r.text, r.param);
        ch_ask_close(&a);
        for (int k = 0; k < most; k++)
            check(i, (uint64_t)k);
    }
}

static int left; /* allocations until one fails */

static void *scarce(size_t n) { return left-- == 0 ? NULL : malloc(n); }

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(good); i++)
        for (int k = 0;; k++) {
            static const ch_ask_limits limits = {0};
            ch_ask *a;
            ch_refusal r = {0};
            json_t *body = json_of(good[i].body);
            left = k;
            json_set_alloc_funcs(scarce, free);
            const int rc = good[i].read(&a, body, &limits, &r);
            json_set_alloc_funcs(malloc, free);
            ch_ask_close(&a);
            if (left >= 0)
                break;
            if (rc != CH_EARG || r.why != CH_REFUSED_FAULT)
                fail_msg("%s without allocation %d: %d, %s", good[i].name, k, rc, r.text);
        }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    most = argc > 1 ? atoi(argv[1]) : most;
    return cmocka_run_group_tests_name("serve/ask_mutations", tests, NULL, NULL);
}
