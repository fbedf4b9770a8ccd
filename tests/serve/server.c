/* tests/serve/server.c - the bundled model behind HTTP: the same bits in any company, and nobody
 * hurt by what others send, or by their leaving
 *
 * SPDX-License-Identifier: MIT */
#include "wire.h"

#if __has_include(<microhttpd.h>)

#include "serving.h"

/* ---- The same bits --------------------------------------------------------------------------- */

/* Eight at once, of four seeds, say what each says alone: text and log-probs. */
static void test_company(void **state)
{
    (void)state;
    enum { AT_ONCE = 8, SEEDS = 4 };
    ch_server *s = serve(NULL);
    json_t *alone[SEEDS];
    char body[SEEDS][200];
    int fd[AT_ONCE];
    for (int i = 0; i < SEEDS; i++) {
        snprintf(body[i], sizeof body[i],
                 "{'prompt':'The old man said','max_tokens':40,'temperature':0.8,'seed':%d,"
                 "'logprobs':2,'n':%d}",
                 i, 1 + i % 2);
        alone[i] = reply(s, "/v1/completions", body[i]);
        assert_true(json_string_length(json_object_get(choice(alone[i]), "text")) > 20);
    }
    assert_false(json_equal(choice(alone[0]), choice(alone[1])));
    for (int i = 0; i < AT_ONCE; i++)
        fd[i] = begin(ch_server_port(s), "/v1/completions", body[i % SEEDS]);
    for (int i = 0; i < AT_ONCE; i++) {
        answer a = wire_answer(fd[i], false);
        json_t *v = json_in(&a);
        assert_true(json_equal(json_object_get(v, "choices"),
                               json_object_get(alone[i % SEEDS], "choices")));
        json_decref(v);
        close(fd[i]);
    }
    until(idle(s));
    for (int i = 0; i < SEEDS; i++)
        json_decref(alone[i]);
    ch_server_close(&s);
}

static double mean_log_p(const json_t *choice)
{
    const json_t *list = json_object_get(json_object_get(choice, "logprobs"), "token_logprobs");
    double sum = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        sum += json_real_value(json_array_get(list, i));
    return sum / (double)json_array_size(list);
}

static json_int_t used(const json_t *reply, const char *what)
{
    return json_integer_value(json_object_get(json_object_get(reply, "usage"), what));
}

/* Of the answers that `n` would tell the likeliest are told, and all are counted. */
static void test_best_of(void **state)
{
    (void)state;
    enum { DRAWN = 6, TOLD = 2 };
    static const char body[] = "{'prompt':['Once upon','The sea'],'max_tokens':12,'temperature':1,"
                               "'seed':5,'logprobs':1,'stop':'.',%s}";
    char text[300];
    ch_server *s = serve(NULL);
    snprintf(text, sizeof text, body, "'n':6");
    json_t *all = reply(s, "/v1/completions", text);
    snprintf(text, sizeof text, body, "'n':2,'best_of':6");
    json_t *best = reply(s, "/v1/completions", text);
    const json_t *from = json_object_get(all, "choices"), *told = json_object_get(best, "choices");
    assert_int_equal(json_array_size(told), 2 * TOLD);
    assert_int_equal(used(best, "completion_tokens"), used(all, "completion_tokens"));
    assert_int_equal(used(best, "prompt_tokens"), used(all, "prompt_tokens"));
    for (size_t i = 0; i < 2 * TOLD; i++) {
        const json_t *one = json_array_get(told, i);
        int better = 0, same = 0;
        assert_int_equal(json_integer_value(json_object_get(one, "index")), i);
        for (size_t k = 0; k < DRAWN; k++) {
            const json_t *other = json_array_get(from, i / TOLD * DRAWN + k);
            better += mean_log_p(other) > mean_log_p(one);
            same += json_equal(json_object_get(other, "text"), json_object_get(one, "text")) &&
                    mean_log_p(other) == mean_log_p(one);
        }
        assert_true(same >= 1);
        assert_int_equal(better, i % TOLD);
    }
    json_decref(all);
    json_decref(best);
    ch_server_close(&s);
}

/* One template serves all threads that read requests. */
static void test_templates(void **state)
{
    (void)state;
    enum { AT_ONCE = 12, KINDS = 3 };
    static const char *const bodies[KINDS] = {
        "{'messages':[{'role':'user','content':'One.'}]}",
        "{'messages':[{'role':'system','content':'S'},{'role':'user','content':'Two.'}],'tools':["
        "{'type':'function','function':{'name':'f','parameters':{'type':'object'}}}]}",
        "{'messages':[{'role':'user','content':'<|im_end|>'},{'role':'assistant','content':'3'},"
        "{'role':'user','content':'Three.'}],'reasoning_effort':'none'}"};
    ch_server *s = serve(NULL);
    json_t *alone[KINDS];
    int fd[AT_ONCE];
    for (int i = 0; i < KINDS; i++)
        alone[i] = reply(s, "/apply-template", bodies[i]);
    assert_non_null(strstr(json_string_value(json_object_get(alone[1], "prompt")), "Two."));
    for (int i = 0; i < AT_ONCE; i++)
        fd[i] = begin(ch_server_port(s), "/apply-template", bodies[i % KINDS]);
    for (int i = 0; i < AT_ONCE; i++) {
        answer a = wire_answer(fd[i], false);
        json_t *v = json_in(&a);
        assert_true(json_equal(v, alone[i % KINDS]));
        json_decref(v);
        close(fd[i]);
    }
    for (int i = 0; i < KINDS; i++)
        json_decref(alone[i]);
    ch_server_close(&s);
}

/* A list of texts, as ids of tokens. */
enum { TEXTS = 3, LONGEST = 200 };
static const char *const texts[TEXTS] = {
    "The old man said that he had never seen the sea, and that he did not want to.",
    "The old man said that he had never seen the snow.",
    "It was the best of times, it was the worst of times, it was the age of wisdom",
};

static json_t *ids_of(const ch_token *id, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer(id[i]));
    return list;
}

/* token_logprobs are `own`, and the likeliest alternative is told to be as likely as it is. */
static void check_log_probs(const json_t *reply, size_t which, const ch_log_prob *own,
                            const ch_log_prob *top, size_t n)
{
    const json_t *c = json_array_get(json_object_get(reply, "choices"), which);
    const json_t *told = json_object_get(c, "logprobs"), *best;
    const json_t *p = json_object_get(told, "token_logprobs"), *one;
    const json_t *tops = json_object_get(told, "top_logprobs");
    const char *key;
    assert_int_equal(json_array_size(p), n + 1); /* and one that was drawn */
    assert_true(json_is_null(json_array_get(p, 0)));
    for (size_t i = 1; i < n; i++) {
        double most = -1e9;
        assert_true(json_real_value(json_array_get(p, i)) == own[i].log_p);
        best = json_array_get(tops, i);
        json_object_foreach((json_t *)(uintptr_t)best, key, one)
            most = CH_MAX(most, json_real_value(one));
        assert_true(most == CH_MAX(top[i].log_p, own[i].log_p));
    }
}

/* What lm-evaluation-harness sends gets the numbers that sessions (and so `eval`) have, to the last
 * digit; also the second time, when all of it is in the cache. */
static void test_log_likelihood(void **state)
{
    (void)state;
    ch_server *s = serve(NULL);
    ch_tokens ids[TEXTS] = {{0}};
    ch_err e = {0};
    json_t *prompts = json_array();
    for (int i = 0; i < TEXTS; i++) {
        assert_ok(ch_tokenizer_encode(&ids[i], tk, texts[i], strlen(texts[i]), CH_ENCODE_BOS, &e),
                  e);
        assert_true(ids[i].n <= LONGEST);
        json_array_append_new(prompts, ids_of(ids[i].id, ids[i].n));
    }
    json_t *body = json_pack("{s:s, s:O, s:i, s:i, s:b, s:i, s:i}", "model", "tiny", "prompt",
                             prompts, "max_tokens", 1, "logprobs", 1, "echo", 1, "temperature", 0,
                             "seed", 1234);
    char *text = json_dumps(body, JSON_COMPACT);
    for (int again = 0; again < 2; again++) {
        json_t *v = reply(s, "/v1/completions", text);
        for (int i = 0; i < TEXTS; i++) {
            const ch_session_options o = {.threads = 1};
            ch_log_prob own[LONGEST], top[LONGEST];
            ch_session *session;
            assert_ok(ch_session_open(&session, model, &o, &e), e);
            assert_ok(ch_session_feed_log_probs(own, top, 1, session, ids[i].id, (int)ids[i].n,
                                                &e), e);
            check_log_probs(v, (size_t)i, own, top, ids[i].n);
            ch_session_close(&session);
        }
        json_decref(v);
    }
    free(text);
    json_decref(body);
    json_decref(prompts);
    for (int i = 0; i < TEXTS; i++)
        ch_tokens_free(&ids[i]);
    ch_server_close(&s);
}

/* ---- The cache ------------------------------------------------------------------------------- */

static json_int_t cached(const json_t *reply)
{
    const json_t *usage = json_object_get(reply, "usage");
    return json_integer_value(
        json_object_get(json_object_get(usage, "prompt_tokens_details"), "cached_tokens"));
}

/* What a prompt has in common with an earlier one is not computed again. */
static void test_shared_beginning(void **state)
{
    (void)state;
    ch_server *s = serve(NULL);
    char body[4096], system[2048] = "";
    for (int i = 0; i < 30; i++)
        snprintf(system + strlen(system), sizeof system - strlen(system),
                 "Rule %d: tell a story of a cat. ", i);
    for (int i = 0; i < 2; i++) {
        snprintf(body, sizeof body,
                 "{'messages':[{'role':'system','content':'%s'},{'role':'user','content':"
                 "'Story %d, please.'}],'max_tokens':4}",
                 system, i);
        json_t *v = reply(s, "/v1/chat/completions", body);
        const json_int_t n = json_integer_value(
            json_object_get(json_object_get(v, "usage"), "prompt_tokens"));
        assert_true(n > 300);
        if (i == 0)
            assert_int_equal(cached(v), 0);
        else
            assert_true(cached(v) > n - 64);
        json_decref(v);
    }
    ch_server_close(&s);
}

/* The tokens of a conversation, as ids. */
static json_t *tokens_of(const ch_server *s, const char *body)
{
    json_t *made = reply(s, "/apply-template", body);
    json_t *question = json_pack("{s:O, s:b, s:b}", "content", json_object_get(made, "prompt"),
                                 "parse_special", 1, "add_special", 1);
    char *text = json_dumps(question, JSON_COMPACT);
    json_t *v = reply(s, "/tokenize", text), *ids = json_incref(json_object_get(v, "tokens"));
    assert_int_equal(json_array_size(ids), json_integer_value(json_object_get(made, "count")));
    free(text);
    json_decref(v);
    json_decref(question);
    json_decref(made);
    return ids;
}

/* Tokens found in the cache, of a reply that is streamed: signs of life come however long it takes
 * to read the prompt. */
static json_int_t streamed_cached(const ch_server *s, const char *body)
{
    static const char name[] = "\"cached_tokens\":";
    answer a = ask(s, "/v1/chat/completions", body);
    assert_int_equal(a.status, 200);
    assert_true(a.whole);
    ch_buf_put(&a.body, "", 1);
    const char *at = strstr(a.body.data, name);
    assert_non_null(at);
    const json_int_t n = strtol(at + strlen(name), NULL, 10);
    answer_close(&a);
    return n;
}

/* Of a system prompt of 1,000 tokens that was there before, less than a page is computed again. */
static void test_long_shared_beginning(void **state)
{
    (void)state;
    enum { PAGE = 32 };
    const ch_engine_options o = {.session = {.context = 2048}};
    ch_server *s = serve(&o);
    static char system[8192], body[2][8600];
    system[0] = 0;
    for (int i = 0; i < 75; i++)
        snprintf(system + strlen(system), sizeof system - strlen(system),
                 "Rule %d: tell a story of a cat. ", i);
    for (int i = 0; i < 2; i++)
        snprintf(body[i], sizeof body[i],
                 "{'messages':[{'role':'system','content':'%s'},{'role':'user','content':"
                 "'%s, please.'}],'max_tokens':2,'stream':true,'stream_options':{'include_usage':"
                 "true}}",
                 system, i ? "Now of a dog" : "A story");
    json_t *ids[2] = {tokens_of(s, body[0]), tokens_of(s, body[1])};
    size_t same = 0;
    while (json_equal(json_array_get(ids[0], same), json_array_get(ids[1], same)))
        same++;
    assert_true(same >= 1000);
    assert_int_equal(streamed_cached(s, body[0]), 0);
    const json_int_t before = load(s, "prompt_tokens");
    const json_int_t found = streamed_cached(s, body[1]);
    const json_int_t rest = (json_int_t)(json_array_size(ids[1]) - same);
    const json_int_t rows = load(s, "prompt_tokens") - before;
    assert_int_equal(before, json_array_size(ids[0]));
    assert_in_range(rows, rest, rest + PAGE - 1);
    assert_int_equal(found, (json_int_t)json_array_size(ids[1]) - rows);
    for (int i = 0; i < 2; i++)
        json_decref(ids[i]);
    ch_server_close(&s);
}

/* ---- Hostile clients ------------------------------------------------------------------------- */

static const struct {
    const char *path, *body;
} good[] = {
    {"/v1/chat/completions",
     "{'messages':[{'role':'system','content':'S'},{'role':'user','content':[{'type':'text',"
     "'text':'Hi'}]},{'role':'assistant','content':null,'tool_calls':[{'id':'c','type':'function',"
     "'function':{'name':'f','arguments':'{}'}}]},{'role':'tool','tool_call_id':'c','content':"
     "'4'}],'tools':[{'type':'function','function':{'name':'f','parameters':{'type':'object',"
     "'properties':{'a':{'type':'integer'}}}}}],'tool_choice':'auto','max_tokens':4,'n':2,"
     "'stop':['x'],'logit_bias':{'5':-100},'logprobs':true,'top_logprobs':2,'temperature':0.5,"
     "'stream':true,'stream_options':{'include_usage':true},'reasoning_effort':'low'}"},
    {"/v1/chat/completions",
     "{'messages':[{'role':'user','content':'Hi'}],'max_tokens':8,'tool_choice':'required','tools'"
     ":[{'type':'function','function':{'name':'f','parameters':{'type':'object','properties':{'a':"
     "{'type':'integer'},'b':{'enum':['x',1]}},'required':['a']}}},{'type':'function','function':"
     "{'name':'g'}}]}"},
    {"/v1/chat/completions",
     "{'messages':[{'role':'user','content':'Hi'}],'max_tokens':6,'response_format':{'type':"
     "'json_schema','json_schema':{'name':'n','schema':{'type':'object','properties':{'a':{'type':"
     "'string','maxLength':3}},'required':['a']}}},'reasoning_tokens':3,'samplers':['top_k'],"
     "'chat_template_kwargs':{'x':1},'min_tokens':2}"},
    {"/v1/completions",
     "{'prompt':[[1,2],'a',[3]],'max_tokens':1,'logprobs':1,'echo':true,'temperature':0,'seed':12,"
     "'n':2,'stop':'x','top_k':3,'repeat_penalty':1.1}"},
    {"/v1/embeddings", "{'input':['a',[1]],'encoding_format':'base64','dimensions':8}"},
    {"/v1/messages",
     "{'model':'m','max_tokens':4,'system':[{'type':'text','text':'S'}],'messages':[{'role':"
     "'user','content':[{'type':'text','text':'Hi'}]},{'role':'assistant','content':[{'type':"
     "'tool_use','id':'t','name':'f','input':{}}]},{'role':'user','content':[{'type':"
     "'tool_result','tool_use_id':'t','content':'4'}]}],'tools':[{'name':'f','input_schema':"
     "{'type':'object'}}],'stop_sequences':['x'],'stream':true,'thinking':{'type':'enabled',"
     "'budget_tokens':2},'top_k':3}"},
    {"/v1/messages/count_tokens",
     "{'model':'m','messages':[{'role':'user','content':'Hi'}],'system':'S'}"},
    {"/tokenize", "{'content':'Hi there','add_special':true,'parse_special':true}"},
    {"/detokenize", "{'tokens':[1,2,3,300]}"},
    {"/apply-template", "{'messages':[{'role':'user','content':'Hi'}]}"},
};

/* The client's fault, or done: never the server's. */
static void check_mutation(const ch_server *s, size_t which, uint64_t seed)
{
    uint32_t at = 0;
    json_t *body = json_of(good[which].body);
    for (uint64_t n = ch_rng_below(3, seed, CH_RNG_TEST, which, 99); n > 0; n--)
        json_mutate(body, seed, &at);
    if (json_is_object(body) && seed % 8 == 0)
        json_object_set_new(body, "stream", json_true());
    char *text = json_dumps(body, JSON_COMPACT);
    answer a = ask(s, good[which].path, text);
    ch_buf_put(&a.body, "", 1);
    const bool fine = a.whole && (a.status == 200 || a.status == 503 ||
                                  (a.status >= 400 && a.status < 500));
    if (!fine || strstr(a.body.data, "server_error") || strstr(a.body.data, "api_error"))
        fail_msg("%s %s: %d %s", good[which].path, text, a.status, a.body.data);
    answer_close(&a);
    free(text);
    json_decref(body);
}

/* Every file of the suite as a body: what is no JSON is refused, and nothing is a fault. */
static void test_suite(void **state)
{
    (void)state;
    skip_without("conform/JSONTestSuite/test_parsing");
    ch_server *s = serve(NULL);
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", shared_path("conform/JSONTestSuite/test_parsing"));
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *f; (f = readdir(d));) {
        char path[5000], head[200];
        snprintf(path, sizeof path, "%s/%s", folder, f->d_name);
        if (f->d_name[0] == '.')
            continue;
        ch_err e = {0};
        ch_mapping m = {0};
        assert_ok(ch_io_map(&m, path, &e), e);
        const int n = snprintf(head, sizeof head,
                               "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Length: %zu\r\n\r\n",
                               m.size);
        const int fd = wire_open_port(ch_server_port(s));
        wire_send(fd, head, (size_t)n);
        wire_send(fd, (const char *)m.data, m.size);
        answer a = wire_answer(fd, false);
        if (a.status != 400 || !a.whole)
            fail_msg("%s: %d", f->d_name, a.status); /* none of them is a request */
        answer_close(&a);
        close(fd);
        ch_io_unmap(&m);
    }
    closedir(d);
    ch_server_close(&s);
}

static void test_mutations(void **state)
{
    (void)state;
    enum { SEEDS = FEWEST_THREADS > 1 ? 5 : 50 };
    const ch_engine_options small = {.session = {.context = 64}};
    ch_server *s = serve(&small);
    for (size_t i = 0; i < CH_COUNT(good); i++)
        for (uint64_t seed = 0; seed < SEEDS; seed++)
            check_mutation(s, i, seed);
    until(idle(s));
    ch_server_close(&s);
}

/* A hundred leave while they write, wait, or are answered. */
static void test_who_leaves(void **state)
{
    (void)state;
    ch_server *s = serve(NULL);
    const int port = ch_server_port(s);
    int fd[100];
    for (uint64_t i = 0; i < CH_COUNT(fd); i++) {
        static const char *const bodies[] = {
            "{'prompt':'Once','max_tokens':400,'ignore_eos':true,'stream':true}",
            "{'prompt':['Once','upon','a time'],'max_tokens':300,'ignore_eos':true,'n':3}",
            "{'prompt':'It was a dark night','max_tokens':200,'echo':true,'logprobs':2}"};
        char *request = request_of("/v1/completions", bodies[i % CH_COUNT(bodies)]);
        const size_t n = strlen(request);
        const bool part = ch_rng_below(4, 1, CH_RNG_TEST, i, 0) == 0;
        fd[i] = wire_open_port(port);
        wire_send(fd[i], request, part ? (size_t)ch_rng_below(n, 1, CH_RNG_TEST, i, 1) : n);
        free(request);
        usleep((useconds_t)ch_rng_below(8000, 1, CH_RNG_TEST, i, 2));
        if (i >= 5) /* some stay a little longer */
            close(fd[i - 5]);
    }
    for (size_t i = CH_COUNT(fd) - 5; i < CH_COUNT(fd); i++)
        close(fd[i]);
    until(idle(s));
    json_decref(reply(s, "/v1/completions", "{'prompt':'Once','max_tokens':2}"));
    ch_server_close(&s);
}

/* Who finds no place is told when to come again; all others are answered. */
static void test_overflow(void **state)
{
    (void)state;
    const ch_engine_options few = {.most_answers = 1, .most_waiting = 2};
    ch_server *s = serve(&few);
    int fd[12], fine = 0, busy = 0;
    for (size_t i = 0; i < CH_COUNT(fd); i++)
        fd[i] = begin(ch_server_port(s), "/v1/completions",
                      "{'prompt':'Once','max_tokens':150,'ignore_eos':true}");
    for (size_t i = 0; i < CH_COUNT(fd); i++) {
        answer a = wire_answer(fd[i], false);
        char *after = answer_header(&a, "Retry-After");
        assert_true(a.whole);
        if (a.status == 503)
            assert_true(after && atoi(after) >= 1);
        else
            assert_int_equal(a.status, 200);
        fine += a.status == 200;
        busy += a.status == 503;
        free(after);
        answer_close(&a);
        close(fd[i]);
    }
    assert_true(fine >= 2 && busy >= 1);
    until(idle(s));
    ch_server_close(&s);
}

static double metric(const ch_server *s, const char *name)
{
    const int fd = wire_open_port(ch_server_port(s));
    wire_say(fd, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    answer a = wire_answer(fd, false);
    char line[100];
    close(fd);
    ch_buf_put(&a.body, "", 1);
    snprintf(line, sizeof line, "\nchalcis_%s ", name);
    const char *at = strstr(a.body.data, line);
    assert_non_null(at);
    const double v = strtod(at + strlen(line), NULL);
    answer_close(&a);
    return v;
}

/* A cache of one context, and what would fill several: answers are put off and come back, and all
 * are what they would be with room for all.  What no cache has room for is the client's fault. */
static void test_out_of_pages(void **state)
{
    (void)state;
    static const ch_engine_options room = {.session = {.context = 256}},
                                   tight = {.session = {.context = 256, .cache_tokens = 256}};
    static const char *const bodies[] = {
        "{'prompt':'Once upon a time','max_tokens':220,'ignore_eos':true,'seed':1,'logprobs':1}",
        "{'prompt':'The sea','max_tokens':120,'ignore_eos':true,'seed':2,'n':4,'logprobs':1}",
        "{'prompt':['A cat','A dog','A man'],'max_tokens':100,'ignore_eos':true,'seed':3}"};
    enum { AT_ONCE = 9, BODIES = CH_COUNT(bodies) };
    int fd[AT_ONCE];
    json_t *wanted[BODIES];
    ch_server *s = serve(&room);
    for (int i = 0; i < BODIES; i++)
        wanted[i] = reply(s, "/v1/completions", bodies[i]);
    ch_server_close(&s);
    s = serve(&tight);
    for (int i = 0; i < AT_ONCE; i++)
        fd[i] = begin(ch_server_port(s), "/v1/completions", bodies[i % BODIES]);
    json_decref(reply(s, "/v1/embeddings", "{'input':['a cat','a dog']}"));
    answer a = ask(s, "/v1/completions", "{'prompt':'Once','max_tokens':400,'n':17}");
    assert_int_equal(a.status, 400);
    answer_close(&a);
    for (int i = 0; i < AT_ONCE; i++) {
        a = wire_answer(fd[i], false);
        json_t *v = json_in(&a);
        assert_true(json_equal(json_object_get(v, "choices"),
                               json_object_get(wanted[i % BODIES], "choices")));
        json_decref(v);
        close(fd[i]);
    }
    assert_true(metric(s, "put_off_total") > 0);
    assert_true(metric(s, "answers_failed_total") == 0);
    until(idle(s));
    ch_server_close(&s);
    for (int i = 0; i < BODIES; i++)
        json_decref(wanted[i]);
}

/* A grammar that can soon be read in too many ways ends a stream in its middle; the error names the
 * request as the header does. */
static void test_broken_stream(void **state)
{
    (void)state;
    ch_server *s = serve(NULL);
    answer a = ask(s, "/v1/messages",
                   "{'model':'m','messages':[{'role':'user','content':'Hi'}],'max_tokens':60,"
                   "'temperature':0,'stream':true,'grammar':'root ::= z \\'~\\'\\nz ::= x | y\\nx "
                   "::= \\'a\\' z z | \\'a\\'\\ny ::= \\'a\\' z x | \\'a\\' y y y'}");
    char *id = answer_header(&a, "request-id"), *same = answer_header(&a, "x-request-id");
    char want[100];
    assert_int_equal(a.status, 200);
    assert_true(a.whole && id && same);
    assert_string_equal(id, same);
    ch_buf_put(&a.body, "", 1);
    assert_non_null(strstr(a.body.data, "event: message_start\n"));
    assert_non_null(strstr(a.body.data, "event: error\n"));
    snprintf(want, sizeof want, "\"request_id\":\"%s\"}\n\n", id);
    const char *end = a.body.data + a.body.size - 1 - strlen(want);
    assert_string_equal(end, want);
    free(id);
    free(same);
    answer_close(&a);
    ch_server_close(&s);
}

/* A schema is compiled once, and with what was found out by then the answers are the same. */
static void test_schemas(void **state)
{
    (void)state;
    static const char body[] =
        "{'messages':[{'role':'user','content':'Hi'}],'max_tokens':40,'seed':3,'temperature':0.9,"
        "'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':{'type':"
        "'object','properties':{'a':{'type':'string','maxLength':9},'b':{'type':'integer'}},"
        "'required':['a','b']}}}}";
    enum { AT_ONCE = 6 };
    ch_server *s = serve(NULL);
    json_t *first = reply(s, "/v1/chat/completions", body);
    int fd[AT_ONCE];
    assert_true(metric(s, "grammars_compiled_total") == 1);
    for (int i = 0; i < AT_ONCE; i++)
        fd[i] = begin(ch_server_port(s), "/v1/chat/completions", body);
    for (int i = 0; i < AT_ONCE; i++) {
        answer a = wire_answer(fd[i], false);
        json_t *v = json_in(&a);
        assert_true(json_equal(choice(v), choice(first)));
        json_decref(v);
        close(fd[i]);
    }
    assert_true(metric(s, "grammars_compiled_total") == 1);
    assert_true(metric(s, "grammars_found_total") == AT_ONCE);
    until(metric(s, "grammars_used_bytes") == 0);
    assert_true(metric(s, "grammars_kept_bytes") > 0);
    json_decref(first);
    ch_server_close(&s);
}

/* A stream that waits behind another request gets signs of life first, and then all it would. */
static void test_signs_of_life(void **state)
{
    (void)state;
    static const char *const paths[] = {"/v1/completions", "/v1/messages"};
    static const char *const bodies[] = {
        "{'prompt':'Once','max_tokens':5,'stream':true}",
        "{'model':'m','messages':[{'role':'user','content':'Hi'}],'max_tokens':5,'stream':true}"};
    static const char *const signs[] = {":\n\n", "event: ping\ndata: {\"type\":\"ping\"}\n\n"};
    static const char *const ends[] = {"data: [DONE]\n\n", "event: message_stop\n"};
    const ch_engine_options one = {.most_answers = 1, .session = {.context = 8000}};
    ch_server *s = serve(&one);
    for (size_t i = 0; i < CH_COUNT(paths); i++) {
        int before[8]; /* some seconds' work */
        for (size_t j = 0; j < CH_COUNT(before); j++)
            before[j] = begin(ch_server_port(s), "/v1/completions",
                              "{'prompt':'Once','max_tokens':7000,'ignore_eos':true}");
        until(load(s, "active") + load(s, "waiting") == (json_int_t)CH_COUNT(before));
        const int fd = begin(ch_server_port(s), paths[i], bodies[i]);
        answer a;
        bool whole = false;
        assert_true(wire_head(fd, &a));
        assert_int_equal(a.status, 200);
        assert_true(wire_chunk(fd, &a.body, &whole));
        assert_memory_equal(a.body.data, signs[i], strlen(signs[i]));
        for (size_t j = 0; j < CH_COUNT(before); j++)
            close(before[j]); /* and it is its turn */
        while (wire_chunk(fd, &a.body, &whole))
            continue;
        assert_true(whole);
        ch_buf_put(&a.body, "", 1);
        assert_non_null(strstr(a.body.data, ends[i]));
        answer_close(&a);
        close(fd);
    }
    until(idle(s));
    ch_server_close(&s);
}

/* ---- The end --------------------------------------------------------------------------------- */

static void *drain(void *arg)
{
    ch_server_drain(arg, 20000);
    return NULL;
}

/* Is somebody new turned away?  (Or waits, until the listener is closed.) */
static bool refused(const ch_server *s)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)ch_server_port(s)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval most = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    bool no = connect(fd, (const struct sockaddr *)&at, sizeof at) < 0;
    if (!no) {
        char *request = request_of("/v1/completions", "{'prompt':'Once','max_tokens':1}");
        wire_say(fd, request);
        answer a = wire_answer(fd, false);
        no = a.status == 503 || a.status == 0;
        answer_close(&a);
        free(request);
    }
    close(fd);
    return no;
}

/* Streams that have begun, and what waits behind them, come to their ends. */
static void test_drain(void **state)
{
    (void)state;
    const ch_engine_options few = {.most_answers = 4};
    ch_server *s = serve(&few);
    pthread_t thread;
    answer a[8];
    int fd[8];
    for (size_t i = 0; i < CH_COUNT(fd); i++)
        fd[i] = begin(ch_server_port(s), "/v1/completions",
                      "{'prompt':'Once','max_tokens':120,'ignore_eos':true,'stream':true}");
    until(load(s, "active") + load(s, "waiting") == (json_int_t)CH_COUNT(fd));
    assert_int_equal(pthread_create(&thread, NULL, drain, s), 0);
    until(refused(s));
    for (size_t i = 0; i < CH_COUNT(fd); i++) {
        a[i] = wire_answer(fd[i], false);
        ch_buf_put(&a[i].body, "", 1);
        assert_int_equal(a[i].status, 200);
        assert_true(a[i].whole);
        assert_non_null(strstr(a[i].body.data, "\"finish_reason\":\"length\""));
        assert_non_null(strstr(a[i].body.data, "data: [DONE]\n\n"));
        answer_close(&a[i]);
        close(fd[i]);
    }
    pthread_join(thread, NULL);
    ch_server_close(&s);
}

static int setup(void **state)
{
    (void)state;
    return open_model("models/chalcis-tiny.gguf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_company),
        cmocka_unit_test(test_best_of),
        cmocka_unit_test(test_templates),
        cmocka_unit_test(test_log_likelihood),
        cmocka_unit_test(test_shared_beginning),
        cmocka_unit_test(test_long_shared_beginning),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_suite),
        cmocka_unit_test(test_who_leaves),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_out_of_pages),
        cmocka_unit_test(test_schemas),
        cmocka_unit_test(test_broken_stream),
        cmocka_unit_test(test_signs_of_life),
        cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests_name("serve/server", tests, setup, close_model);
}

#else

int main(void)
{
    print_message("# skipped: needs libmicrohttpd\n");
    return 0;
}

#endif
