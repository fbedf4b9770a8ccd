/* tests/serve/own_fields.c - fields beyond an API: samplers, forms, how to think
 *
 * SPDX-License-Identifier: MIT */
#include "asking.h"

#include <stdlib.h>
#include <string.h>

#include "sample.h"

static int read_as(ch_api api, int most, ch_ask **out, json_t *body, ch_refusal *r)
{
    int rc = ch_ask_open(out, body, api, r);
    if (rc == CH_OK) {
        (*out)->most = most;
        rc = ch_ask_own_fields(*out, r);
    }
    if (rc < 0)
        ch_ask_close(out);
    return rc;
}

static int talk(ch_ask **out, json_t *body, const ch_ask_limits *l, ch_refusal *r)
{
    (void)l;
    return read_as(CH_API_CHAT, -1, out, body, r);
}

static int text(ch_ask **out, json_t *body, const ch_ask_limits *l, ch_refusal *r)
{
    (void)l;
    return read_as(CH_API_COMPLETION, 10, out, body, r);
}

/* Whatever samplers.def has can be said, within its bounds and no further. */
static void test_every_parameter(void **state)
{
    (void)state;
    for (const ch_sampling_param *p = ch_sampling_params; p->name; p++) {
        const double ends[] = {p->least, p->most}, beyond[] = {p->least - 1, p->most * 2 + 1};
        for (int i = 0; i < 2; i++) {
            char body[200];
            ch_ask *a;
            ch_refusal r = {0};
            snprintf(body, sizeof body, "{'%s':%.17g}", p->name, ends[i]);
            assert_int_equal(talk(&a, json_of(body), NULL, &r), CH_OK);
            assert_true(ch_sampling_value(&a->sampling, p) >= ends[i] &&
                        ch_sampling_value(&a->sampling, p) <= ends[i]);
            ch_ask_close(&a);
            snprintf(body, sizeof body, "{'%s':%.17g}", p->name, beyond[i]);
            assert_refuses(talk, body, CH_REFUSED_INVALID, p->name, p->name);
        }
    }
}

static void test_taken(void **state)
{
    static const char *const cases[][2] = {
        {"{}", "{}"},
        {"{'temperature':3,'repetition_penalty':1.5}", "{'temp':3.0,'repeat_penalty':1.5}"},
        {"{'repetition_penalty':1.5,'repeat_penalty':2}", "{'repeat_penalty':2.0}"},
        {"{'seed':0}", "{'seed':0}"},
        {"{'seed':9223372036854775807}", "{'seed':9223372036854775807}"},
        {"{'seed':-1}", "{}"},
        {"{'seed':7.0}", "{'seed':7}"},
        {"{'samplers':'top_k;temp'}", "{'samplers':[3,8]}"},
        {"{'samplers':['typ_p','top_k']}", "{'samplers':[4,3]}"},
        {"{'ignore_eos':true,'min_tokens':3}", "{'least':2147483647}"},
        {"{'ignore_eos':false,'min_tokens':3}", "{'least':3}"},
        {"{'chalcis_cost':true}", "{'cost':1}"},
        {"{'grammar':'root ::= \\\"a\\\"'}", "{'form_kind':3,'form':'root ::= \\\"a\\\"'}"},
        {"{'grammar':''}", "{}"},
        {"{'guided_json':{'type':'object'}}", "{'form_kind':2,'form':{'type':'object'}}"},
        {"{'guided_json':'{\\\"type\\\":\\\"object\\\"}'}",
         "{'form_kind':2,'form':{'type':'object'}}"},
        {"{'json_schema':true}", "{'form_kind':2,'form':true}"},
        {"{'guided_regex':'a+'}", "{'form_kind':4,'form':'a+'}"},
        {"{'guided_choice':['a','b']}", "{'form_kind':5,'form':['a','b']}"},
        {"{'guided_grammar':'x'}", "{'form_kind':3,'form':'x'}"},
        {"{'structured_outputs':{'json':{},'regex':null}}", "{'form_kind':2,'form':{}}"},
        {"{'structured_outputs':{'choice':['a']}}", "{'form_kind':5,'form':['a']}"},
        {"{'structured_outputs':{}}", "{}"},
        {"{'chat_template_kwargs':{'enable_thinking':false,'x':[1]}}",
         "{'thinking':1,'variables':{'enable_thinking':false,'x':[1]}}"},
        {"{'bad_words':[],'mirostat':0,'use_beam_search':false,'lora':null,'frob':'x'}", "{}"},
    };
    (void)state;
    for (size_t i = 0; i < CH_COUNT(cases); i++)
        assert_asks(talk, cases[i][0], cases[i][1]);
}

/* What is called `applied` is what the rest of the ask then says. */
static void test_compact_description(void **state)
{
    static const char *const cases[][2] = {
        {"{'reasoning_depth':'adaptive'}",
         "{'applied':{'reasoning_depth':'reasoning as the model decides'}}"},
        {"{'reasoning_depth':'simple'}",
         "{'thinking':1,'think_most':0,'applied':{'reasoning_depth':'reasoning off'}}"},
        {"{'reasoning_depth':'complex'}",
         "{'thinking':2,'applied':{'reasoning_depth':'reasoning on, as long as it takes'}}"},
        {"{'reasoning_depth':4}", "{'thinking':2,'think_most':512,'applied':{'reasoning_depth':"
                                  "'reasoning on, 512 tokens of it at most'}}"},
        {"{'reasoning_depth':0.0}",
         "{'thinking':1,'think_most':0,'applied':{'reasoning_depth':'reasoning off'}}"},
        {"{'early_stop_threshold':0.85}", "{'applied':{'early_stop_threshold':'none'}}"},
        {"{'thinking_visualization':true}",
         "{'applied':{'thinking_visualization':'reasoning is told'}}"},
        {"{'thinking_visualization':false}",
         "{'hide_reasoning':1,'applied':{'thinking_visualization':'reasoning is hidden'}}"},
        {"{'reasoning_tokens':100}",
         "{'thinking':2,'think_most':100,'applied':{"
         "'reasoning_tokens':'reasoning on, 100 tokens of it at most'}}"},
        {"{'reasoning_depth':'simple','reasoning_tokens':1,"
         "'thinking_config':{'reasoning_depth':2}}",
         "{'thinking':2,'think_most':1,'applied':{'thinking_config':{'reasoning_depth':'none'},"
         "'reasoning_depth':'none','reasoning_tokens':'reasoning on, 1 tokens of it at most'}}"},
        {"{'thinking_config':{'reasoning_depth':1,'thinking_visualization':true,"
         "'max_reasoning_paths':3,'dynamic_depth':true}}",
         "{'thinking':2,'think_most':128,'applied':{'thinking_config':{'reasoning_depth':"
         "'reasoning on, 128 tokens of it at most','thinking_visualization':'reasoning is told',"
         "'max_reasoning_paths':'none','dynamic_depth':'none'}}}"},
        {"{'thinking_config':{'token_budget':512}}",
         "{'thinking':2,'think_most':512,'applied':{'thinking_config':{'token_budget':"
         "'reasoning on, 512 tokens of it at most'}}}"},
        {"{'thinking_config':{}}", "{'applied':{'thinking_config':{}}}"},
    };
    (void)state;
    for (size_t i = 0; i < CH_COUNT(cases); i++)
        assert_asks(talk, cases[i][0], cases[i][1]);
    assert_asks(text, "{'reasoning_tokens':100,'thinking_visualization':false}",
                "{'api':1,'most':10,'applied':{'thinking_visualization':'none',"
                "'reasoning_tokens':'none'}}");
}

static void test_refused(void **state)
{
    static const struct {
        const char *body, *param, *part;
    } cases[] = {
        {"{'top_k':'40'}", "top_k", "a number"},
        {"{'seed':0.5}", "seed", "an integer"},
        {"{'seed':1e300}", "seed", "an integer"},
        {"{'samplers':3}", "samplers", "names"},
        {"{'samplers':['top_k',3]}", "samplers", "names"},
        {"{'samplers':'magic'}", "samplers", "no sampler \"magic\""},
        {"{'samplers':['top_k','top_k']}", "samplers", "twice"},
        {"{'min_tokens':-1}", "min_tokens", "wanted 0"},
        {"{'ignore_eos':1}", "ignore_eos", "true or false"},
        {"{'chalcis_cost':'yes'}", "chalcis_cost", "true or false"},
        {"{'grammar':{}}", "grammar", "a string"},
        {"{'guided_json':[]}", "guided_json", "an object"},
        {"{'guided_json':'{'}", "guided_json", "an object"},
        {"{'guided_json':'3'}", "guided_json", "an object"},
        {"{'guided_regex':3}", "guided_regex", "a string"},
        {"{'guided_choice':[]}", "guided_choice", "strings"},
        {"{'guided_choice':['a',3]}", "guided_choice", "strings"},
        {"{'guided_choice':'a'}", "guided_choice", "strings"},
        {"{'guided_json':{},'grammar':'x'}", "grammar", "a second form"},
        {"{'structured_outputs':3}", "structured_outputs", "an object"},
        {"{'structured_outputs':{'regex':3}}", "structured_outputs.regex", "a string"},
        {"{'structured_outputs':{'json':{},'regex':'a'}}", "structured_outputs.regex",
         "a second form"},
        {"{'chat_template_kwargs':3}", "chat_template_kwargs", "an object"},
        {"{'chat_template_kwargs':{'messages':[]}}", "chat_template_kwargs.messages", "its own"},
        {"{'chat_template_kwargs':{'enable_thinking':1}}", "chat_template_kwargs.enable_thinking",
         "true or false"},
        {"{'reasoning_depth':'deep'}", "reasoning_depth", "adaptive"},
        {"{'reasoning_depth':-1}", "reasoning_depth", "wanted 0 to 64"},
        {"{'reasoning_depth':65}", "reasoning_depth", "wanted 0 to 64"},
        {"{'reasoning_depth':1.5}", "reasoning_depth", "an integer"},
        {"{'reasoning_depth':[]}", "reasoning_depth", "adaptive"},
        {"{'early_stop_threshold':1.5}", "early_stop_threshold", "0 to 1"},
        {"{'thinking_visualization':'on'}", "thinking_visualization", "true or false"},
        {"{'reasoning_tokens':-1}", "reasoning_tokens", "wanted 0"},
        {"{'thinking_config':3}", "thinking_config", "an object"},
        {"{'thinking_config':{'reasoning_depth':'deep'}}", "thinking_config.reasoning_depth",
         "adaptive"},
        {"{'thinking_config':{'early_stop_threshold':-1}}", "thinking_config.early_stop_threshold",
         "0 to 1"},
    };
    (void)state;
    for (size_t i = 0; i < CH_COUNT(cases); i++)
        assert_refuses(talk, cases[i].body, CH_REFUSED_INVALID, cases[i].param, cases[i].part);
    assert_refuses(text, "{'min_tokens':11}", CH_REFUSED_INVALID, "min_tokens", "10 tokens");
    assert_refuses(talk, "{'stop_token_ids':[5]}", CH_REFUSED_UNSUPPORTED, "stop_token_ids",
                   "does not know");
    assert_refuses(talk, "{'mirostat':2}", CH_REFUSED_UNSUPPORTED, "mirostat", "does not know");
    assert_refuses(talk, "{'structured_outputs':{'magic':1}}", CH_REFUSED_UNSUPPORTED,
                   "structured_outputs.magic", "json, regex, choice and grammar");
}

static void test_refusals(void **state)
{
    ch_refusal r;
    (void)state;
    assert_int_equal(ch_refuse(&r, CH_REFUSED_TOO_LONG, "a", "no: %d", 3), CH_EARG);
    assert_int_equal(ch_refuse_within(&r, "b[%d]", 2), CH_EARG);
    assert_string_equal(r.param, "b[2].a");
    for (int i = 0; i < 100; i++) /* what is too long is cut */
        ch_refuse_within(&r, "within");
    assert_int_equal(strlen(r.param), sizeof r.param - 1);
    ch_refuse(&r, CH_REFUSED_TOO_LONG, "\xe2\x82", "cut \xf0\x9f");
    r.code = "context_length_exceeded";
    json_t *is = ch_refusal_json(&r, false, NULL);
    json_t *want = json_of("{'error':{'message':'cut \\ufffd','type':'invalid_request_error',"
                           "'param':'\\ufffd','code':'context_length_exceeded'}}");
    assert_true(json_equal(is, want));
    json_decref(is);
    json_decref(want);
    assert_int_equal(ch_refusal_status(&r), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_parameter),     cmocka_unit_test(test_taken),
        cmocka_unit_test(test_compact_description), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests_name("serve/own_fields", tests, NULL, NULL);
}
