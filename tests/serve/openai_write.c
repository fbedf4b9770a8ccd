/* tests/serve/openai_write.c - OpenAI's replies and streams, to the byte
 *
 *     openai_write samples        one line a reply or chunk: {"schema": NAME, "value": ...}
 *     openai_write samples DIR    and each reply and stream into a file of its own, by its name
 *
 * is what openai_schema.sh validates against the API's specification, and openai_sdk.sh shows to
 * its client.  Expected bytes are written with ' in place of ".  SPDX-License-Identifier: MIT */
#include "asking.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "writer_in.h"

#define HI "'messages':[{'role':'user','content':'Hi'}]"
#define TOOLS "'tools':[{'type':'function','function':{'name':'f'}}]"
#define HEAD(id, object) \
    "{'id':'" id "7','object':'" object "','created':5,'model':'m\\\"','system_fingerprint':'fp'," \
    "'choices':["
#define CHUNK "data: " HEAD("chatcmpl-", "chat.completion.chunk")
#define TEXT "data: " HEAD("cmpl-", "text_completion")
#define NONE ",'logprobs':null,'finish_reason':null}]}\n\n"
#define ENDS(why) ",'logprobs':null,'finish_reason':'" why "'}]}\n\n"
#define ROLE(i) \
    CHUNK "{'index':" i ",'delta':{'role':'assistant','content':'','refusal':null}" NONE
#define USAGE                                                                             \
    "{'prompt_tokens':9,'completion_tokens':4,'total_tokens':13,'prompt_tokens_details':" \
    "{'cached_tokens':8},'completion_tokens_details':{'reasoning_tokens':2}}"

#define SAY(i, s) {.kind = CH_DELTA_CONTENT, .answer = i, .text = s, .n = sizeof s - 1}
#define THINK(s) {.kind = CH_DELTA_REASONING, .text = s, .n = sizeof s - 1}
#define CALL(i, id, s) \
    {.kind = CH_DELTA_CALL, .index = i, .name = "f", .call_id = id, .text = s, .n = sizeof s - 1}
#define END(i, w) {.kind = CH_DELTA_END, .answer = i, .why = w}
#define TOLD(s, i, p) {.bytes = s, .n = sizeof s - 1, .id = i, .log_p = p}
#define TOKEN(s, i, p, at, top_, n_) \
    {.kind = CH_DELTA_TOKEN, .token = TOLD(s, i, p), .offset = at, .top = top_, .n_top = n_}

struct script {
    const char *name, *schema;
    ch_ask_reader *read;
    const char *body;
    const ch_delta *deltas;
    int n;
    const char *expected;
};

static const ch_delta plain[] = {SAY(0, "He said \"\n\x01\xc3\xa9"), THINK(""), SAY(0, ""),
                                 SAY(0, "\xff!"), END(0, CH_WHY_STOP)};
static const ch_delta two[] = {SAY(1, "B"), SAY(0, "A"), END(1, CH_WHY_CONTEXT),
                               END(0, CH_WHY_STOPPED)};
static const ch_delta thought[] = {THINK("Hm"), THINK("."), SAY(0, "So"), END(0, CH_WHY_LENGTH)};
static const ch_delta called[] = {CALL(0, "c9", "{\"a\":1}"), CALL(1, NULL, "{}"),
                                  END(0, CH_WHY_CALLS)};

static const ch_told_token top_a[] = {TOLD("A", 65, -0.5), TOLD("\xc3", 195, -1.25)};
static const ch_told_token top_b[] = {TOLD("x", 3, -0.125), TOLD("x", 4, -3)};
static const ch_told_token top_c[] = {TOLD("A", 65, 0)};
static const ch_delta likely[] = {
    {.kind = CH_DELTA_TOKEN, .token = TOLD("th", 7, -1), .reasoning = true},
    TOKEN("A", 65, -0.5, 0, top_a, 2), SAY(0, "A"),
    TOKEN("<end>", 2, -(double)INFINITY, 1, NULL, 0), TOKEN("fed", 9, (double)NAN, 1, NULL, 0),
    END(0, CH_WHY_STOP)};
/* "é" in two tokens behind a special one, whose name is no text. */
static const ch_delta scored[] = {
    TOKEN("<s>", 1, (double)NAN, 0, NULL, 0), TOKEN("\xc3", 195, -0.1, 0, top_a, 2),
    TOKEN("\xa9", 169, -2, 1, top_b, 2),      TOKEN("x", 4, -3, 2, top_b, 2),
    SAY(0, "\xc3\xa9x"),                      END(0, CH_WHY_LENGTH)};
/* Two answers to such a prompt, whose second one goes on within a character. */
static const ch_delta forked[] = {
    {.kind = CH_DELTA_TOKEN, .of_prompt = true, .token = TOLD("<s>", 1, (double)NAN)},
    {.kind = CH_DELTA_TOKEN, .of_prompt = true, .token = TOLD("\xc3", 195, -0.1), .top = top_a,
     .n_top = 2},
    SAY(0, "A"), SAY(1, "A"),
    {.kind = CH_DELTA_TOKEN, .answer = 1, .token = TOLD("\xa9", 169, -2), .offset = 1,
     .top = top_b, .n_top = 2},
    SAY(1, "B"), END(0, CH_WHY_LENGTH), END(1, CH_WHY_STOP)};
/* Means: -2, -1 with one that was fed, -1, none. */
#define DRAWN(i, p) {.kind = CH_DELTA_TOKEN, .answer = i, .token = TOLD("x", 4, p)}
static const ch_delta rivals[] = {
    {.kind = CH_DELTA_TOKEN, .of_prompt = true, .token = TOLD("x", 4, -9)},
    SAY(0, "A"), SAY(1, "B"), SAY(2, "C"), SAY(3, "D"),
    DRAWN(0, -2), DRAWN(1, -0.5), DRAWN(1, (double)NAN), DRAWN(1, -1.5), DRAWN(2, -1),
    END(0, CH_WHY_STOP), END(1, CH_WHY_LENGTH), END(2, CH_WHY_STOP), END(3, CH_WHY_STOP)};
static const ch_delta dear[] = {{.kind = CH_DELTA_TOKEN,
                                 .token = {.bytes = "A", .n = 1, .id = 65, .drafted = true,
                                           .iterations = 2.5},
                                 .top = top_c,
                                 .n_top = 1},
                                SAY(0, "A"), END(0, CH_WHY_STOP)};

#define SCORES                                                                                  \
    "{'tokens':['<s>','bytes:\\\\xc3','bytes:\\\\xa9','x'],'token_logprobs':[null,-0.1,-2,-3]," \
    "'top_logprobs':[null,{'A':-0.5,'bytes:\\\\xc3':-1.25},{'x':-0.125,'bytes:\\\\xa9':-2},"    \
    "{'x':-0.125}],'text_offset':[0,0,1,1]}"
#define PROMPT_SCORES(more, more_values, more_tops, more_offsets)                            \
    "{'tokens':['<s>','bytes:\\\\xc3'" more "],'token_logprobs':[null,-0.1" more_values       \
    "],'top_logprobs':[null,{'A':-0.5,'bytes:\\\\xc3':-1.25}" more_tops "],'text_offset':[0," \
    "0" more_offsets "]}"
#define LATER_SCORES \
    PROMPT_SCORES(",'bytes:\\\\xa9'", ",-2", ",{'x':-0.125,'bytes:\\\\xa9':-2}", ",1")
#define COST                                                                                 \
    "'chalcis':{'tokens':[{'token':'A','id':65,'probability':1,'drafted':true,'iterations':" \
    "2.5,'reasoning':false,'top':[{'token':'A','id':65,'probability':1}]}]}"
#define LIKELY                                                                                  \
    "{'content':[{'token':'A','logprob':-0.5,'bytes':[65],'top_logprobs':[{'token':'A',"        \
    "'logprob':-0.5,'bytes':[65]},{'token':'\xef\xbf\xbd','logprob':-1.25,'bytes':[195]}]}"

static const struct script scripts[] = {
    {"plain", "CreateChatCompletionResponse", ch_openai_chat, "{" HI "}", plain, 5,
     HEAD("chatcmpl-", "chat.completion") "{'index':0,'message':{'role':'assistant','content':"
     "'He said \\\"\\n\\u0001\xc3\xa9\xef\xbf\xbd!','refusal':null},'logprobs':null,"
     "'finish_reason':'stop'}],'usage':" USAGE "}"},
    {"two answers", "CreateChatCompletionResponse", ch_openai_chat, "{" HI ",'n':2}", two, 4,
     HEAD("chatcmpl-", "chat.completion") "{'index':0,'message':{'role':'assistant','content':'A',"
     "'refusal':null},'logprobs':null,'finish_reason':'stop'},{'index':1,'message':{'role':"
     "'assistant','content':'B','refusal':null},'logprobs':null,'finish_reason':'length'}],"
     "'usage':" USAGE "}"},
    {"reasoning", "CreateChatCompletionResponse", ch_openai_chat, "{" HI "}", thought, 4,
     HEAD("chatcmpl-", "chat.completion") "{'index':0,'message':{'role':'assistant','content':'So',"
     "'refusal':null,'reasoning_content':'Hm.','reasoning':'Hm.'},'logprobs':null,"
     "'finish_reason':'length'}],'usage':" USAGE "}"},
    {"hidden, applied", "CreateChatCompletionResponse", ch_openai_chat,
     "{" HI ",'thinking_visualization':false}", thought, 4,
     HEAD("chatcmpl-", "chat.completion") "{'index':0,'message':{'role':'assistant','content':'So',"
     "'refusal':null},'logprobs':null,'finish_reason':'length'}],'usage':" USAGE
     ",'chalcis':{'applied':{'thinking_visualization':'reasoning is hidden'}}}"},
    {"calls", "CreateChatCompletionResponse", ch_openai_chat, "{" HI "," TOOLS "}", called, 3,
     HEAD("chatcmpl-", "chat.completion") "{'index':0,'message':{'role':'assistant','content':null,"
     "'refusal':null,'tool_calls':[{'id':'c9','type':'function','function':{'name':'f',"
     "'arguments':'{\\\"a\\\":1}'}},{'id':'call_7_0_1','type':'function','function':{'name':'f',"
     "'arguments':'{}'}}]},'logprobs':null,'finish_reason':'tool_calls'}],'usage':" USAGE "}"},
    {"a function", "CreateChatCompletionResponse", ch_openai_chat,
     "{" HI ",'functions':[{'name':'f'}]}", called, 3,
     HEAD("chatcmpl-", "chat.completion") "{'index':0,'message':{'role':'assistant','content':null,"
     "'refusal':null,'function_call':{'name':'f','arguments':'{\\\"a\\\":1}'}},'logprobs':null,"
     "'finish_reason':'function_call'}],'usage':" USAGE "}"},
    {"log-probs", "CreateChatCompletionResponse", ch_openai_chat,
     "{" HI ",'logprobs':true,'top_logprobs':2}", likely, 6,
     HEAD("chatcmpl-", "chat.completion") "{'index':0,'message':{'role':'assistant','content':'A',"
     "'refusal':null},'logprobs':" LIKELY ",{'token':'<end>','logprob':-9999.0,'bytes':[60,101,"
     "110,100,62],'top_logprobs':[]}],'refusal':null},'finish_reason':'stop'}],'usage':" USAGE
     "}"},
    {"no log-probs", "CreateChatCompletionResponse", ch_openai_chat, "{" HI ",'logprobs':true}",
     plain, 0, HEAD("chatcmpl-", "chat.completion") "{'index':0,'message':{'role':'assistant',"
     "'content':'','refusal':null},'logprobs':{'content':[],'refusal':null},'finish_reason':"
     "'stop'}],'usage':" USAGE "}"},
    {"cost", "CreateChatCompletionResponse", ch_openai_chat, "{" HI ",'chalcis_cost':true}", dear,
     3,
     HEAD("chatcmpl-", "chat.completion") "{'index':0,'message':{'role':'assistant','content':'A',"
     "'refusal':null},'logprobs':null,'finish_reason':'stop'," COST "}],'usage':" USAGE
     ",'chalcis':{'wait_ms':0.500,'prompt_ms':1.250,'drawn_ms':3.000,'drafted':6,'accepted':5}}"},
    {"cost of what is hidden", "CreateChatCompletionResponse", ch_openai_chat,
     "{" HI ",'chalcis_cost':true,'thinking_visualization':false}", likely, 1,
     HEAD("chatcmpl-", "chat.completion") "{'index':0,'message':{'role':'assistant','content':'',"
     "'refusal':null},'logprobs':null,'finish_reason':'stop'}],'usage':" USAGE ",'chalcis':"
     "{'applied':{'thinking_visualization':'reasoning is hidden'},'wait_ms':0.500,'prompt_ms':"
     "1.250,'drawn_ms':3.000,'drafted':6,'accepted':5}}"},
    {"stream", "CreateChatCompletionStreamResponse", ch_openai_chat, "{" HI ",'stream':true}",
     plain, 5,
     ROLE("0") CHUNK "{'index':0,'delta':{'content':'He said \\\"\\n\\u0001\xc3\xa9'}" NONE
     CHUNK "{'index':0,'delta':{'content':'\xef\xbf\xbd!'}" NONE
     CHUNK "{'index':0,'delta':{}" ENDS("stop") "data: [DONE]\n\n"},
    {"stream of two", "CreateChatCompletionStreamResponse", ch_openai_chat,
     "{" HI ",'stream':true,'n':2}", two, 4,
     ROLE("0") ROLE("1") CHUNK "{'index':1,'delta':{'content':'B'}" NONE
     CHUNK "{'index':0,'delta':{'content':'A'}" NONE
     CHUNK "{'index':1,'delta':{}" ENDS("length") CHUNK "{'index':0,'delta':{}" ENDS("stop")
     "data: [DONE]\n\n"},
    {"stream of reasoning", "CreateChatCompletionStreamResponse", ch_openai_chat,
     "{" HI ",'stream':true}", thought, 4,
     ROLE("0") CHUNK "{'index':0,'delta':{'reasoning_content':'Hm','reasoning':'Hm'}" NONE
     CHUNK "{'index':0,'delta':{'reasoning_content':'.','reasoning':'.'}" NONE
     CHUNK "{'index':0,'delta':{'content':'So'}" NONE
     CHUNK "{'index':0,'delta':{}" ENDS("length") "data: [DONE]\n\n"},
    {"stream of calls", "CreateChatCompletionStreamResponse", ch_openai_chat,
     "{" HI ",'stream':true," TOOLS "}", called, 3,
     ROLE("0") CHUNK "{'index':0,'delta':{'tool_calls':[{'index':0,'id':'c9','type':'function',"
     "'function':{'name':'f','arguments':'{\\\"a\\\":1}'}}]}" NONE
     CHUNK "{'index':0,'delta':{'tool_calls':[{'index':1,'id':'call_7_0_1','type':'function',"
     "'function':{'name':'f','arguments':'{}'}}]}" NONE
     CHUNK "{'index':0,'delta':{}" ENDS("tool_calls") "data: [DONE]\n\n"},
    {"stream of a function", "CreateChatCompletionStreamResponse", ch_openai_chat,
     "{" HI ",'stream':true,'functions':[{'name':'f'}]}", called, 3,
     ROLE("0") CHUNK "{'index':0,'delta':{'function_call':{'name':'f','arguments':"
     "'{\\\"a\\\":1}'}}" NONE CHUNK "{'index':0,'delta':{}" ENDS("function_call")
     "data: [DONE]\n\n"},
    {"stream with usage and more", "CreateChatCompletionStreamResponse", ch_openai_chat,
     "{" HI ",'stream':true,'stream_options':{'include_usage':true},'chalcis_cost':true,"
     "'early_stop_threshold':0.5}", dear, 3,
     CHUNK "{'index':0,'delta':{'role':'assistant','content':'','refusal':null},'logprobs':null,"
     "'finish_reason':null}],'usage':null,'chalcis':{'applied':{'early_stop_threshold':'none'}}}"
     "\n\n" CHUNK "{'index':0,'delta':{'content':'A'},'logprobs':null,'finish_reason':null," COST
     "}],'usage':null}\n\n" CHUNK "{'index':0,'delta':{},'logprobs':null,'finish_reason':'stop'}],"
     "'usage':null}\n\n" CHUNK "],'usage':" USAGE ",'chalcis':{'wait_ms':0.500,'prompt_ms':1.250,"
     "'drawn_ms':3.000,'drafted':6,'accepted':5}}\n\ndata: [DONE]\n\n"},
    {"stream of log-probs", "CreateChatCompletionStreamResponse", ch_openai_chat,
     "{" HI ",'stream':true,'logprobs':true,'top_logprobs':2}", likely, 6,
     ROLE("0") CHUNK "{'index':0,'delta':{'content':'A'},'logprobs':" LIKELY "],'refusal':null},"
     "'finish_reason':null}]}\n\n" CHUNK "{'index':0,'delta':{},'logprobs':{'content':[{'token':"
     "'<end>','logprob':-9999.0,'bytes':[60,101,110,100,62],'top_logprobs':[]}],'refusal':null},"
     "'finish_reason':'stop'}]}\n\ndata: [DONE]\n\n"},
    {"completion", "CreateCompletionResponse", ch_openai_completion, "{'prompt':'a'}", plain, 5,
     HEAD("cmpl-", "text_completion") "{'text':'He said \\\"\\n\\u0001\xc3\xa9\xef\xbf\xbd!',"
     "'index':0,'logprobs':null,'finish_reason':'stop'}],'usage':" USAGE "}"},
    {"prompts keep their index", "CreateCompletionResponse", ch_openai_completion,
     "{'prompt':['a','b']}", two, 4,
     HEAD("cmpl-", "text_completion") "{'text':'A','index':0,'logprobs':null,'finish_reason':"
     "'stop'},{'text':'B','index':1,'logprobs':null,'finish_reason':'length'}],'usage':" USAGE
     "}"},
    {"echo with log-probs", "CreateCompletionResponse", ch_openai_completion,
     "{'prompt':[[1,2]],'echo':true,'logprobs':2,'max_tokens':1}", scored, 6,
     HEAD("cmpl-", "text_completion") "{'text':'\xc3\xa9x','index':0,'logprobs':" SCORES ","
     "'finish_reason':'length'}],'usage':" USAGE "}"},
    {"the best", "CreateCompletionResponse", ch_openai_completion,
     "{'prompt':'a','n':2,'best_of':4}", rivals, 14,
     HEAD("cmpl-", "text_completion") "{'text':'B','index':0,'logprobs':null,'finish_reason':"
     "'length'},{'text':'C','index':1,'logprobs':null,'finish_reason':'stop'}],'usage':" USAGE
     "}"},
    {"the best of each prompt", "CreateCompletionResponse", ch_openai_completion,
     "{'prompt':['a','b'],'best_of':2}", rivals, 14,
     HEAD("cmpl-", "text_completion") "{'text':'B','index':0,'logprobs':null,'finish_reason':"
     "'length'},{'text':'C','index':1,'logprobs':null,'finish_reason':'stop'}],'usage':" USAGE
     "}"},
    {"the prompt's log-probs, twice", "CreateCompletionResponse", ch_openai_completion,
     "{'prompt':'a','n':2,'echo':true,'logprobs':2}", forked, 8,
     HEAD("cmpl-", "text_completion") "{'text':'A','index':0,'logprobs':"
     PROMPT_SCORES("", "", "", "") ",'finish_reason':'length'},{'text':'AB','index':1,'logprobs':"
     LATER_SCORES ",'finish_reason':'stop'}],'usage':" USAGE "}"},
    {"stream of the prompt's log-probs, twice", "CreateCompletionResponse", ch_openai_completion,
     "{'prompt':'a','n':2,'echo':true,'logprobs':2,'stream':true}", forked, 8,
     TEXT "{'text':'A','index':0,'logprobs':" PROMPT_SCORES("", "", "", "") ",'finish_reason':null"
     "}]}\n\n" TEXT "{'text':'A','index':1,'logprobs':" PROMPT_SCORES("", "", "", "")
     ",'finish_reason':null}]}\n\n" TEXT "{'text':'B','index':1,'logprobs':{'tokens':["
     "'bytes:\\\\xa9'],'token_logprobs':[-2],'top_logprobs':[{'x':-0.125,'bytes:\\\\xa9':-2}],"
     "'text_offset':[1]},'finish_reason':null}]}\n\n" TEXT "{'text':'','index':0" ENDS("length")
     TEXT "{'text':'','index':1" ENDS("stop") "data: [DONE]\n\n"},
    {"completion stream", "CreateCompletionResponse", ch_openai_completion,
     "{'prompt':['a','b'],'stream':true,'stream_options':{'include_usage':true},"
     "'reasoning_tokens':5}", two, 4,
     TEXT "{'text':'B','index':1,'logprobs':null,'finish_reason':null}],'usage':null,'chalcis':"
     "{'applied':{'reasoning_tokens':'none'}}}\n\n" TEXT "{'text':'A','index':0,'logprobs':null,"
     "'finish_reason':null}],'usage':null}\n\n" TEXT "{'text':'','index':1,'logprobs':null,"
     "'finish_reason':'length'}],'usage':null}\n\n" TEXT "{'text':'','index':0,'logprobs':null,"
     "'finish_reason':'stop'}],'usage':null}\n\n" TEXT "],'usage':" USAGE "}\n\n"
     "data: [DONE]\n\n"},
    {"completion stream of log-probs", "CreateCompletionResponse", ch_openai_completion,
     "{'prompt':'a','stream':true,'logprobs':2}", scored, 6,
     TEXT "{'text':'\xc3\xa9x','index':0,'logprobs':" SCORES ",'finish_reason':null}]}\n\n"
     TEXT "{'text':'','index':0" ENDS("length") "data: [DONE]\n\n"},
};

static const ch_usage usage = {.prompt = 9,
                               .cached = 8,
                               .drawn = 4,
                               .reasoning = 2,
                               .drafted = 6,
                               .accepted = 5,
                               .wait_ms = 0.5,
                               .prompt_ms = 1.25,
                               .drawn_ms = 3};
static const ch_scribe_info info = {.id = "7", .model = "m\"", .fingerprint = "fp", .created = 5};

static void open_both(ch_ask **a, ch_scribe **w, ch_ask_reader *read, const char *body)
{
    static const ch_ask_limits limits = {0};
    ch_refusal r = {0};
    ch_err e = {0};
    if (read(a, json_of(body), &limits, &r) < 0)
        fail_msg("%s: %s", body, r.text);
    assert_ok(ch_scribe_open(w, *a, &info, &e), e);
}

static void write_script(ch_buf *b, const struct script *s)
{
    ch_ask *a;
    ch_scribe *w;
    open_both(&a, &w, s->read, s->body);
    ch_scribe_begin(w, b, &usage);
    for (int i = 0; i < s->n; i++)
        ch_scribe_tell(w, b, &s->deltas[i]);
    ch_scribe_done(w, b, &usage);
    assert_int_equal(ch_scribe_error(w), CH_OK);
    ch_scribe_close(&w);
    ch_ask_close(&a);
}

static void assert_bytes(const ch_buf *b, const char *expected, const char *name)
{
    char *want = strdup(expected);
    for (char *c = want; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    if (b->size != strlen(want) || (b->size && memcmp(b->data, want, b->size) != 0))
        fail_msg("%s:\n  is   %s\n  want %s", name, b->size ? b->data : "", want);
    free(want);
}

static void test_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(scripts); i++) {
        ch_buf b;
        ch_buf_init(&b, 1 << 20);
        write_script(&b, &scripts[i]);
        assert_bytes(&b, scripts[i].expected, scripts[i].name);
        ch_buf_close(&b);
    }
}

static const float numbers[] = {1, -0.1F, 0.5F, INFINITY};

static void write_vectors(ch_buf *b, const char *body, int width)
{
    ch_ask *a;
    ch_scribe *w;
    open_both(&a, &w, ch_openai_embedding, body);
    ch_scribe_begin(w, b, &usage);
    ch_scribe_vector(w, numbers, width);
    ch_scribe_vector(w, numbers, 1);
    ch_scribe_done(w, b, &usage);
    assert_int_equal(ch_scribe_error(w), CH_OK);
    ch_scribe_close(&w);
    ch_ask_close(&a);
}

static void test_embeddings(void **state)
{
    static const struct {
        const char *format, *first, *second;
        int width;
    } cases[] = {{"float", "[1,-0.100000001,0.5,null]", "[1]", 4},
                 {"float", "[]", "[1]", 0},
                 {"base64", "'AACAP83MzL0AAAA/AACAfw=='", "'AACAPw=='", 4},
                 {"base64", "'AACAP83MzL0='", "'AACAPw=='", 2},
                 {"base64", "'AACAP83MzL0AAAA/'", "'AACAPw=='", 3}};
    (void)state;
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        char body[200], expected[500];
        ch_buf b;
        snprintf(body, sizeof body, "{'input':['a','b'],'encoding_format':'%s'}", cases[i].format);
        snprintf(expected, sizeof expected,
                 "{'object':'list','data':[{'object':'embedding','index':0,'embedding':%s},"
                 "{'object':'embedding','index':1,'embedding':%s}],'model':'m\\\"','usage':"
                 "{'prompt_tokens':9,'total_tokens':9}}", cases[i].first, cases[i].second);
        ch_buf_init(&b, 1 << 20);
        write_vectors(&b, body, cases[i].width);
        assert_bytes(&b, expected, cases[i].format);
        ch_buf_close(&b);
    }
}

static void write_failure(ch_buf *b, bool stream)
{
    ch_ask *a;
    ch_scribe *w;
    ch_refusal r;
    open_both(&a, &w, ch_openai_chat, stream ? "{" HI ",'stream':true}" : "{" HI "}");
    ch_refuse(&r, CH_REFUSED_FAULT, NULL, "the model \xff failed");
    ch_scribe_ping(w, b);
    ch_scribe_begin(w, b, &usage);
    ch_scribe_fail(w, b, &r);
    ch_scribe_close(&w);
    ch_ask_close(&a);
}

/* What does not belong to a whole reply writes nothing there. */
static void test_pings_and_failures(void **state)
{
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        ch_buf b;
        ch_buf_init(&b, 1 << 20);
        write_failure(&b, stream);
        assert_bytes(&b, stream ? ":\n\n" ROLE("0") "data: {'error':{'message':'the model "
                                  "\xef\xbf\xbd failed','type':'server_error','param':null,"
                                  "'code':null}}\n\n" : "", "failure");
        ch_buf_close(&b);
    }
}

/* Bytes that have no room are an error that stays. */
static void test_no_room(void **state)
{
    ch_ask *a;
    ch_scribe *w;
    ch_buf b;
    (void)state;
    ch_buf_init(&b, 100);
    open_both(&a, &w, ch_openai_chat, "{" HI "}");
    ch_scribe_tell(w, &b, &plain[0]);
    assert_int_equal(ch_scribe_error(w), CH_OK);
    ch_scribe_done(w, &b, &usage);
    assert_int_equal(ch_scribe_error(w), CH_ENOMEM);
    ch_scribe_close(&w);
    assert_null(w);
    ch_scribe_close(&w);
    ch_ask_close(&a);
    ch_buf_close(&b);
}

/* ---- For openai_schema.sh and openai_sdk.sh ---- */

static void print(const char *schema, const char *json, size_t n)
{
    if (n != 6 || memcmp(json, "[DONE]", 6) != 0)
        printf("{\"schema\":\"%s\",\"value\":%.*s}\n", schema, (int)n, json);
}

/* Prints and empties b; folder: NULL, or where its bytes go, too. */
static void sample(ch_buf *b, const char *schema, const char *folder, const char *name)
{
    const char *at = b->data;
    if (folder) {
        char path[500];
        ch_err e = {0};
        snprintf(path, sizeof path, "%s/%s", folder, name);
        assert_ok(ch_io_write_file(path, b->data, b->size, &e), e);
    }
    if (schema && *at != 'd')
        print(schema, at, b->size);
    for (; schema && *at == 'd'; at = strstr(at, "\n\n") + 2)
        print(schema, at + 6, (size_t)(strstr(at, "\n\n") - at - 6));
    ch_buf_clear(b);
}

static void print_samples(const char *folder)
{
    ch_buf b;
    ch_refusal r;
    ch_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < CH_COUNT(scripts); i++) {
        write_script(&b, &scripts[i]);
        sample(&b, scripts[i].schema, folder, scripts[i].name);
    }
    write_vectors(&b, "{'input':['a','b']}", 3);
    sample(&b, "CreateEmbeddingResponse", folder, "embedding");
    write_vectors(&b, "{'input':['a','b'],'encoding_format':'base64'}", 3);
    sample(&b, NULL, folder, "embedding base64");
    write_failure(&b, true);
    sample(&b, NULL, folder, "failure");
    ch_refuse(&r, CH_REFUSED_BUSY, "messages", "no");
    json_t *v = ch_refusal_json(&r, false, NULL);
    ch_scribe_put_json(&b, v);
    sample(&b, "ErrorResponse", folder, "refusal");
    json_decref(v);
    ch_buf_close(&b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_embeddings),
        cmocka_unit_test(test_pings_and_failures),
        cmocka_unit_test(test_no_room),
    };
    if (argc > 1 && strcmp(argv[1], "samples") == 0) {
        print_samples(argc > 2 ? argv[2] : NULL);
        return 0;
    }
    return cmocka_run_group_tests_name("serve/openai_write", tests, NULL, NULL);
}
