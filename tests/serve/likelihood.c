/* tests/serve/likelihood.c - what lm-evaluation-harness sends gets the sums of `chalcis eval`,
 * to the last digit: prompts as ids and as texts, with and without a drawn token, alone and among
 * others
 *
 *     {"prompt": [[ids], ...], "max_tokens": 1, "logprobs": 1, "echo": true, "temperature": 0}
 *     sum(token_logprobs[from:-1]); with max_tokens 0: [from:]
 *
 * SPDX-License-Identifier: MIT */
#include "wire.h"

#if __has_include(<microhttpd.h>)

#include "serving.h"
#include "task.h"

enum { MOST = 64, BATCH = 3 };

static const char choices[] =
    "{\"prompt\":\"The old man went down to the sea and\",\"choices\":[\"caught a fish.\","
    "\"sang.\",\"was never seen again by anybody who knew him.\"],\"answer\":0}\n"
    "{\"prompt\":\"She opened the letter\",\"choices\":[\"and read it twice.\",\"of the law.\"],"
    "\"answer\":1}\n"
    "{\"prompt\":\"\",\"choices\":[\"Nothing stands before this.\",\"Or \xc3\xa9t\xc3\xa9.\"],"
    "\"answer\":0}\n";
static const char pairs[] =
    "{\"sentence_good\":\"The cats were asleep.\",\"sentence_bad\":\"The cats was asleep.\"}\n"
    "{\"sentence_good\":\"Nobody had ever seen it.\",\"sentence_bad\":\"Somebody had ever seen "
    "it.\"}\n"
    "{\"sentence_good\":\"He said: \\\"No!\\\"\",\"sentence_bad\":\"He say: \\\"No!\\\"\"}\n";

/* What `eval` computed, and what its text was. */
static struct item {
    json_t *ids;
    char text[200];
    int from, n;
    double log_p;
} items[MOST];
static int n_items;

static void note(void *arg, const ch_detail *d)
{
    const ch_query *q = d->query;
    struct item *to = &items[n_items++];
    (void)arg;
    assert_true(n_items <= MOST && d->line >= 1);
    to->ids = json_array();
    for (int i = 0; i < q->n; i++)
        json_array_append_new(to->ids, json_integer(q->id[i]));
    to->from = q->from;
    to->n = q->n;
    to->log_p = q->log_p;
}

/* The texts, as the tasks put them together. */
static void note_texts(const char *records, int at)
{
    char *copy = strdup(records);
    for (char *rest = copy, *line; (line = strsep(&rest, "\n")) && *line;) {
        json_t *v = json_loads(line, 0, NULL), *one;
        const char *prompt = json_string_value(json_object_get(v, "prompt"));
        size_t i;
        json_array_foreach(json_object_get(v, "choices"), i, one)
            snprintf(items[at++].text, sizeof items->text, "%s%s%s", prompt, *prompt ? " " : "",
                     json_string_value(one));
        for (int bad = 0; bad < 2 && !prompt; bad++)
            snprintf(items[at++].text, sizeof items->text, "%s",
                     json_string_value(
                         json_object_get(v, bad ? "sentence_bad" : "sentence_good")));
        json_decref(v);
    }
    assert_int_equal(at, n_items);
    free(copy);
}

static void run_eval(const char *dir, const char *name, const char *records)
{
    const ch_session_options so = {.threads = 2};
    const ch_eval_options o = {.template = "{}", .detail = note};
    const int before = n_items;
    char *path = ch_io_join(dir, name);
    ch_sets sets;
    ch_stats stats;
    ch_err e = {0};
    assert_ok(ch_io_write_file(path, records, strlen(records), &e), e);
    const char *const paths[] = {path};
    assert_ok(ch_sets_open(&sets, paths, 1, NULL, &e), e);
    assert_ok(ch_eval_run(&stats, model, tk, &so, &sets.at[0], &o, &e), e);
    ch_stats_free(&stats);
    ch_sets_close(&sets);
    free(path);
    note_texts(records, before);
}

/* ---- What the harness sends and reads -------------------------------------------------------- */

static char *request_for(int first, bool text, int most)
{
    json_t *prompts = json_array();
    for (int i = first; i < CH_MIN(first + BATCH, n_items); i++)
        json_array_append_new(prompts, text ? json_string(items[i].text)
                                            : json_incref(items[i].ids));
    json_t *body = json_pack("{s:s, s:o, s:i, s:i, s:b, s:i, s:i}", "model", "tiny", "prompt",
                             prompts, "max_tokens", most, "logprobs", 1, "echo", 1, "temperature",
                             0, "seed", 1234);
    char *out = json_dumps(body, JSON_COMPACT), *request;
    json_decref(body);
    assert_true(asprintf(&request,
                         "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                         "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                         strlen(out), out) > 0);
    free(out);
    return request;
}

static void check_sums(const json_t *reply, int first, int most)
{
    const json_t *list = json_object_get(reply, "choices");
    assert_int_equal(json_array_size(list), CH_MIN(BATCH, n_items - first));
    for (int i = first; i < CH_MIN(first + BATCH, n_items); i++) {
        const struct item *x = &items[i];
        const json_t *c = json_array_get(list, (size_t)(i - first));
        const json_t *p = json_object_get(json_object_get(c, "logprobs"), "token_logprobs");
        const int told = (int)json_array_size(p) - most;
        char want[40], is[40];
        double sum = 0;
        assert_int_equal(told, x->n);
        for (int k = x->from; k < told; k++)
            sum += json_real_value(json_array_get(p, (size_t)k));
        snprintf(want, sizeof want, "%.17g", x->log_p);
        snprintf(is, sizeof is, "%.17g", sum);
        assert_string_equal(is, want);
    }
}

/* All items, each twice at once: as ids and as texts. */
static void ask_all(const ch_server *s, int most)
{
    int fd[2 * MOST], n = 0;
    for (int i = 0; i < n_items; i += BATCH)
        for (int text = 0; text < 2; text++) {
            char *request = request_for(i, text, most);
            fd[n] = wire_open_port(ch_server_port(s));
            wire_say(fd[n++], request);
            free(request);
        }
    for (int i = 0; i < n; i++) {
        answer a = wire_answer(fd[i], false);
        json_t *v = json_in(&a);
        check_sums(v, i / 2 * BATCH, most);
        json_decref(v);
        close(fd[i]);
    }
}

static void test_sums(void **state)
{
    (void)state;
    ch_server *s = serve(NULL);
    for (int most = 0; most < 2; most++)
        ask_all(s, most);
    ch_server_close(&s);
}

/* Among answers that are drawn, guessed ahead and forked, in a cache that is too small for all. */
static void test_sums_under_load(void **state)
{
    (void)state;
    const ch_engine_options small = {.session = {.context = 256, .cache_tokens = 512},
                                     .most_answers = 8};
    ch_server *s = serve(&small);
    int fd[6];
    for (size_t i = 0; i < CH_COUNT(fd); i++)
        fd[i] = begin(ch_server_port(s), "/v1/completions",
                      i % 2 ? "{'prompt':'The old man went down','max_tokens':200,'ignore_eos':"
                              "true,'stream':true,'temperature':1,'n':2}"
                            : "{'prompt':'a b a b a b a b a b','max_tokens':200,'ignore_eos':true,"
                              "'stream':true,'temperature':0}");
    until(load(s, "active") > 0);
    for (int most = 0; most < 2; most++)
        ask_all(s, most);
    for (size_t i = 0; i < CH_COUNT(fd); i++)
        close(fd[i]);
    until(idle(s));
    ch_server_close(&s);
}

static int setup(void **state)
{
    (void)state;
    if (open_model("models/chalcis-tiny.gguf") < 0)
        return -1;
    char *dir = temp_dir();
    run_eval(dir, "choices.jsonl", choices);
    run_eval(dir, "pairs.jsonl", pairs);
    temp_dir_remove(dir);
    return 0;
}

static int teardown(void **state)
{
    for (int i = 0; i < n_items; i++)
        json_decref(items[i].ids);
    return close_model(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_sums_under_load),
    };
    return cmocka_run_group_tests_name("serve/likelihood", tests, setup, teardown);
}

#else

int main(void)
{
    print_message("# skipped: needs libmicrohttpd\n");
    return 0;
}

#endif
