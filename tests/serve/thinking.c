/* tests/serve/thinking.c - a model that thinks before it answers, and for how long it may
 *
 * The bundled model with a template that opens a thought, which it never ends by itself.
 * SPDX-License-Identifier: MIT */
#include "wire.h"

#if __has_include(<microhttpd.h>)

#include "file.h"
#include "serving.h"

static const char template[] =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if tools %}{{ tools | tojson }} in <tool_call></tool_call>{% endif %}"
    "<|im_start|>assistant\n{% if enable_thinking is defined and not enable_thinking %}"
    "<think>\n\n</think>\n\n{% else %}<think>\n{% endif %}";

#define ASK "{'messages':[{'role':'user','content':'Why?'}],'seed':5,"
#define TRIP                                                                                   \
    "{'type':'object','properties':{'city':{'type':'string','maxLength':8},'days':{'type':"    \
    "'integer','minimum':1,'maximum':9}},'required':['city','days'],'additionalProperties':false}"

static const char chat[] = "/v1/chat/completions";

static ch_server *s;

static const char *member(const json_t *v, const char *name)
{
    return json_string_value(json_object_get(v, name));
}

static json_int_t reasoning_tokens(const json_t *reply)
{
    const json_t *usage = json_object_get(reply, "usage");
    const json_t *of = json_object_get(usage, "completion_tokens_details");
    of = of ? of : json_object_get(usage, "output_tokens_details");
    const json_t *n = json_object_get(of, "reasoning_tokens");
    return json_integer_value(n ? n : json_object_get(of, "thinking_tokens"));
}

static void assert_no_tags(const char *text)
{
    assert_true(text && *text);
    assert_null(strstr(text, "think>"));
}

/* As many tokens as may be, and those that end it; then the answer. */
static void test_budget(void **state)
{
    (void)state;
    enum { MOST = 12, END = 16 };
    json_t *v = reply(s, chat, ASK "'reasoning_tokens':12,'max_tokens':60}");
    const json_t *m = json_object_get(choice(v), "message");
    assert_no_tags(member(m, "reasoning_content"));
    assert_string_equal(member(m, "reasoning"), member(m, "reasoning_content"));
    assert_no_tags(member(m, "content"));
    assert_in_range(reasoning_tokens(v), MOST, MOST + END);
    const json_t *applied = json_object_get(json_object_get(v, "chalcis"), "applied");
    assert_string_equal(member(applied, "reasoning_tokens"),
                        "reasoning on, 12 tokens of it at most");
    json_decref(v);
    v = reply(s, chat, ASK "'reasoning_tokens':12,'thinking_visualization':false,'max_tokens':60}");
    m = json_object_get(choice(v), "message");
    assert_null(json_object_get(m, "reasoning_content"));
    assert_no_tags(member(m, "content"));
    json_decref(v);
}

static void test_none(void **state)
{
    (void)state;
    static const char *const ways[] = {
        ASK "'max_tokens':20,'reasoning_tokens':0}",
        ASK "'max_tokens':20,'reasoning_depth':'simple'}",
        ASK "'max_tokens':20,'reasoning_effort':'none'}"};
    for (size_t i = 0; i < CH_COUNT(ways); i++) {
        json_t *v = reply(s, chat, ways[i]);
        const json_t *m = json_object_get(choice(v), "message");
        assert_null(json_object_get(m, "reasoning_content"));
        assert_no_tags(member(m, "content"));
        assert_int_equal(reasoning_tokens(v), 0);
        json_decref(v);
    }
}

/* It never ends by itself: without a budget all is a thought. */
static void test_all(void **state)
{
    (void)state;
    json_t *v = reply(s, chat, ASK "'max_tokens':30}");
    const json_t *m = json_object_get(choice(v), "message");
    assert_no_tags(member(m, "reasoning_content"));
    assert_int_equal(reasoning_tokens(v), 30);
    assert_string_equal(member(choice(v), "finish_reason"), "length");
    json_decref(v);
}

static void check_trip(const json_t *trip)
{
    assert_int_equal(json_object_size(trip), 2);
    assert_true(json_is_string(json_object_get(trip, "city")));
    assert_in_range(json_integer_value(json_object_get(trip, "days")), 1, 9);
}

/* What is said obeys; what is thought is free. */
static void test_form(void **state)
{
    (void)state;
    json_t *v = reply(s, chat, ASK "'reasoning_tokens':8,'max_tokens':150,'guided_json':" TRIP "}");
    const json_t *m = json_object_get(choice(v), "message");
    assert_no_tags(member(m, "reasoning_content"));
    json_t *trip = json_loads(member(m, "content"), 0, NULL);
    check_trip(trip);
    json_decref(trip);
    json_decref(v);
}

/* A call that is required comes behind the thought; and many where they may be. */
static void test_calls(void **state)
{
    (void)state;
    static const char *const ways[] = {"'required'", "{'type':'function','function':{'name':'b'}}"};
    for (size_t i = 0; i < CH_COUNT(ways); i++) {
        char body[2000];
        snprintf(body, sizeof body,
                 ASK "'reasoning_tokens':8,'max_tokens':200,'parallel_tool_calls':false,"
                     "'tool_choice':%s,'tools':[{'type':'function','function':{'name':'a',"
                     "'parameters':" TRIP "}},{'type':'function','function':{'name':'b',"
                     "'parameters':" TRIP "}}]}", ways[i]);
        json_t *v = reply(s, chat, body);
        const json_t *m = json_object_get(choice(v), "message");
        const json_t *calls = json_object_get(m, "tool_calls");
        assert_no_tags(member(m, "reasoning_content"));
        assert_int_equal(json_array_size(calls), 1);
        const json_t *f = json_object_get(json_array_get(calls, 0), "function");
        assert_true(strcmp(member(f, "name"), "b") == 0 || i == 0);
        json_t *trip = json_loads(member(f, "arguments"), 0, NULL);
        check_trip(trip);
        assert_string_equal(member(choice(v), "finish_reason"), "tool_calls");
        json_decref(trip);
        json_decref(v);
    }
}

static void test_anthropic(void **state)
{
    (void)state;
    static const char body[] = "{'model':'m','messages':[{'role':'user','content':'Why?'}],"
                               "'max_tokens':60,'seed':5,'thinking':{'type':'enabled',"
                               "'budget_tokens':10}%s}";
    char text[400];
    snprintf(text, sizeof text, body, "");
    json_t *v = reply(s, "/v1/messages", text);
    const json_t *blocks = json_object_get(v, "content");
    assert_int_equal(json_array_size(blocks), 2);
    assert_no_tags(member(json_array_get(blocks, 0), "thinking"));
    assert_no_tags(member(json_array_get(blocks, 1), "text"));
    assert_in_range(reasoning_tokens(v), 10, 26);
    json_decref(v);
    snprintf(text, sizeof text, body, ",'stream':true");
    answer a = ask(s, "/v1/messages", text);
    ch_buf_put(&a.body, "", 1);
    const char *at = a.body.data;
    static const char *const order[] = {"message_start", "thinking_delta", "signature_delta",
                                        "content_block_stop", "text_delta", "content_block_stop",
                                        "message_delta", "message_stop"};
    for (size_t i = 0; i < CH_COUNT(order); i++)
        if (!(at = strstr(at, order[i])))
            fail_msg("no %s where it should be: %s", order[i], a.body.data);
    answer_close(&a);
}

/* ---------------------------------------------------------------------------------------------- */

/* The model with the template, in a file of its own. */
static int write_model(const char *path, ch_err *e)
{
    ch_file *from = NULL, *to = NULL;
    int rc = ch_file_open(&from, "models/chalcis-tiny.gguf", e);
    if (rc == CH_OK)
        rc = ch_file_new(&to, e);
    for (size_t i = 0; rc == CH_OK && i < from->n_meta; i++)
        rc = ch_file_set_meta(to, &from->meta[i], e);
    if (rc == CH_OK)
        rc = ch_file_set_str(to, "tokenizer.chat_template", template, sizeof template - 1, e);
    for (size_t i = 0; rc == CH_OK && i < from->n_tensors; i++)
        rc = ch_file_add_tensor(to, from->tensors[i].name, &from->tensors[i].t, e);
    if (rc == CH_OK)
        rc = ch_gguf_write(to, path, e);
    ch_file_close(&to);
    ch_file_close(&from);
    return rc;
}

static int setup(void **state)
{
    (void)state;
    ch_err e = {0};
    char path[4096], *dir = temp_dir();
    snprintf(path, sizeof path, "%s/thinks.gguf", dir);
    if (write_model(path, &e) < 0)
        print_message("# %s\n", e.text);
    const int rc = open_model(path);
    temp_dir_remove(dir);
    s = rc == 0 ? serve(NULL) : NULL;
    return rc;
}

static int teardown(void **state)
{
    ch_server_close(&s);
    return close_model(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget), cmocka_unit_test(test_none), cmocka_unit_test(test_all),
        cmocka_unit_test(test_form), cmocka_unit_test(test_calls),
        cmocka_unit_test(test_anthropic),
    };
    return cmocka_run_group_tests_name("serve/thinking", tests, setup, teardown);
}

#else

int main(void)
{
    print_message("# skipped: needs libmicrohttpd\n");
    return 0;
}

#endif
