/* choice.c - questions with choices: what is right, ties, the interval, records of strangers
 *
 * SPDX-License-Identifier: MIT */
#include "eval.h"
#include "support.h"
#include "tiny.h"

#include "chat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { QUESTIONS = 5, CHOICES = 3 };

static char *dir;
static char data[4096];
static ch_model *model;
static ch_tokenizer *tk;

static int open_all(void **state)
{
    (void)state;
    static const char story[] = "the cat and the dog went to the sea. the sea was blue and the cat "
                                "was wet; the dog's tail was wetter. then the other cats came.";
    static const char *const specials[] = {"<|end|>"};
    const ch_bpe_options o = {.vocab = 280, .specials = specials, .n_special = 1};
    ch_bpe_trainer *trainer;
    ch_err e = {0};
    dir = temp_dir();
    snprintf(data, sizeof data, "%s/questions.jsonl", dir);
    model = tiny_open("qwen3", CH_F32, 5);
    assert_ok(ch_bpe_trainer_open(&trainer, &o, &e), e);
    assert_ok(ch_bpe_trainer_add(trainer, story, sizeof story - 1, &e), e);
    assert_ok(ch_bpe_trainer_finish(&tk, trainer, &e), e);
    ch_bpe_trainer_close(&trainer);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    ch_tokenizer_close(&tk);
    ch_model_close(&model);
    temp_dir_remove(dir);
    return 0;
}

static void write_data(const char *text, size_t n)
{
    ch_err e = {0};
    assert_ok(ch_io_write_file(data, text, n, &e), e);
}

/* f16 keys would round differently in steps of other sizes. */
static int ask(ch_choice *c, ch_err *e)
{
    const ch_session_options o = {.threads = 1, .k_type = "f32", .v_type = "f32"};
    return ch_eval_choice(c, model, tk, data, &o, e);
}

static uint64_t right_of(const char *text, uint64_t questions)
{
    ch_err e = {0};
    ch_choice c;
    write_data(text, strlen(text));
    assert_ok(ask(&c, &e), e);
    assert_int_equal(c.questions, questions);
    return c.right;
}

/* ---- Which one is right --------------------------------------------------------------------- */

static const char *const prompts[QUESTIONS] = {"the cat", "who was wet?", "the \\u00e9 sea", "",
                                               "a\\nline and another"};
static const char *const raw[QUESTIONS] = {"the cat", "who was wet?", "the \xc3\xa9 sea", "",
                                           "a\nline and another"};
static const char *const choices[CHOICES] = {"the dog", "cat", "then the other cats"};

/* The same sum, a token at a time. */
static double log_probability(const char *prompt, const char *choice)
{
    ch_err e = {0};
    ch_session *s;
    ch_tokens ids = {0};
    const ch_session_options o = {.threads = 1, .k_type = "f32", .v_type = "f32"};
    const ch_chat *chat = ch_chat_for(tk);
    double sum = 0;
    assert_string_equal(chat->name, "plain");
    assert_ok(ch_chat_prompt(&ids, chat, tk, NULL, prompt, strlen(prompt), &e), e);
    const size_t from = ids.n;
    assert_ok(ch_chat_text(&ids, chat, tk, choice, strlen(choice), &e), e);
    assert_true(ids.n > from);
    assert_ok(ch_session_open(&s, model, &o, &e), e);
    for (size_t i = 0; i + 1 < ids.n; i++) {
        assert_ok(ch_session_feed(s, &ids.id[i], 1, &e), e);
        if (i + 1 >= from)
            sum -= ch_eval_nll(ch_session_logits(s), model->config.vocab, ids.id[i + 1]);
    }
    ch_session_close(&s);
    ch_tokens_free(&ids);
    return sum;
}

static void the_likeliest_is_right(void **state)
{
    (void)state;
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    for (int q = 0; q < QUESTIONS; q++) {
        int best = 0;
        double score[CHOICES];
        for (int i = 0; i < CHOICES; i++) {
            score[i] = log_probability(raw[q], choices[i]);
            best = score[i] > score[best] ? i : best;
        }
        for (int i = 0; i < CHOICES; i++)
            assert_true(i == best || score[best] - score[i] > 1e-3);
        for (int i = 0; i < CHOICES; i++) {
            ch_buf_clear(&b);
            ch_buf_printf(&b, "{\"prompt\": \"%s\", \"choices\": [\"%s\", \"%s\", \"%s\"], "
                              "\"answer\": %d, \"more\": null}\n",
                          prompts[q], choices[0], choices[1], choices[2], i);
            ch_buf_put(&b, "", 1);
            assert_int_equal(right_of((const char *)b.data, 1), i == best);
        }
    }
    ch_buf_close(&b);
}

static void a_tie_is_wrong(void **state)
{
    (void)state;
    static const char text[] =
        "{\"prompt\": \"p\", \"choices\": [\"cat\", \"cat\"], \"answer\": 0}\n"
        "\r\n  \n" /* blank lines are none */
        "{\"prompt\": \"p\", \"choices\": [\"cat\", \"cat\"], \"answer\": 1}";
    assert_int_equal(right_of(text, 2), 0);
}

static void any_number_of_threads(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_choice one, two;
    static const char text[] =
        "{\"prompt\": \"the\", \"choices\": [\"cat\", \"dog\"], \"answer\": 0}\n"
        "{\"prompt\": \"the\", \"choices\": [\"cat\", \"dog\"], \"answer\": 1}\n"
        "{\"prompt\": \"a\", \"choices\": [\"sea\", \"dog\", \"x\"], \"answer\": 2}\n";
    write_data(text, sizeof text - 1);
    ch_session_options o = {.threads = 1};
    assert_ok(ch_eval_choice(&one, model, tk, data, &o, &e), e);
    o.threads = 2;
    assert_ok(ch_eval_choice(&two, model, tk, data, &o, &e), e);
    assert_true(one.questions == 3 && one.right == two.right && one.low == two.low);
    assert_true(one.right == 1 || one.right == 2); /* the first two are one question */
    double low, high;
    ch_wilson(&low, &high, one.right, 3);
    assert_true(one.low == low && one.high == high);
}

/* ---- The interval --------------------------------------------------------------------------- */

static void interval(void **state)
{
    (void)state;
    static const struct {
        uint64_t right, n;
        double low, high;
    } rows[] = {{8, 10, 0.4901624715, 0.9433178485},
                {0, 10, 0, 0.2775327999},
                {10, 10, 0.7224672001, 1},
                {50, 100, 0.4038315304, 0.5961684696},
                {1, 1, 0.2065493144, 1},
                {0, 0, 0, 1}};
    for (size_t i = 0; i < CH_COUNT(rows); i++) {
        double low, high;
        ch_wilson(&low, &high, rows[i].right, rows[i].n);
        if (!(fabs(low - rows[i].low) < 1e-9 && fabs(high - rows[i].high) < 1e-9))
            fail_msg("%d of %d: %.10f to %.10f", (int)rows[i].right, (int)rows[i].n, low, high);
        assert_true(low >= 0 && high <= 1);
    }
}

/* ---- Records of strangers ------------------------------------------------------------------- */

static void expect_refused(const char *name, const char *text, size_t n, int code,
                           const char *part)
{
    ch_err e = {0};
    ch_choice c;
    write_data(text, n);
    const int rc = ask(&c, &e);
    if (rc != code || !strstr(e.text, part))
        fail_msg("%s: %d \"%s\", wanted %d with \"%s\"", name, rc, e.text, code, part);
}

static void hostile_records(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *part;
    } rows[] = {
        {"nothing", "", "no question"},
        {"blank lines", "\n \t\r\n\n", "no question"},
        {"no JSON", "hello", "line 1"},
        {"half a record", "{\"prompt\": \"p\", \"choices\": [\"a\"", "line 1"},
        {"a list", "[\"p\", [\"a\", \"b\"], 0]", "something else"},
        {"a number", "3", "line 1"},
        {"no prompt", "{\"choices\": [\"a\", \"b\"], \"answer\": 0}", "something else"},
        {"no answer", "{\"prompt\": \"p\", \"choices\": [\"a\", \"b\"]}", "something else"},
        {"no choices", "{\"prompt\": \"p\", \"answer\": 0}", "something else"},
        {"one choice", "{\"prompt\": \"p\", \"choices\": [\"a\"], \"answer\": 0}", "2 to 64"},
        {"a choice that is a number", "{\"prompt\": \"p\", \"choices\": [\"a\", 7], \"answer\": 0}", "no text"},
        {"a null choice", "{\"prompt\": \"p\", \"choices\": [null, \"a\"], \"answer\": 0}", "no text"},
        {"an answer below", "{\"prompt\": \"p\", \"choices\": [\"a\", \"b\"], \"answer\": -1}", "from 0"},
        {"an answer above", "{\"prompt\": \"p\", \"choices\": [\"a\", \"b\"], \"answer\": 2}", "from 0"},
        {"an answer far above", "{\"prompt\": \"p\", \"choices\": [\"a\", \"b\"], "
                                "\"answer\": 9223372036854775807}", "from 0"},
        {"an answer beyond 64 bits", "{\"prompt\": \"p\", \"choices\": [\"a\", \"b\"], "
                                     "\"answer\": 99999999999999999999}", "line 1"},
        {"an answer that is a text", "{\"prompt\": \"p\", \"choices\": [\"a\", \"b\"], "
                                     "\"answer\": \"a\"}", "from 0"},
        {"an answer that is real", "{\"prompt\": \"p\", \"choices\": [\"a\", \"b\"], \"answer\": 0.0}",
         "from 0"},
        {"the second line", "{\"prompt\": \"p\", \"choices\": [\"a\", \"b\"], \"answer\": 0}\n{}\n",
         "line 2"},
        {"bytes that are no UTF-8", "{\"prompt\": \"\xff\", \"choices\": [\"a\", \"b\"], \"answer\": 0}",
         "line 1"},
    };
    for (size_t i = 0; i < CH_COUNT(rows); i++)
        expect_refused(rows[i].name, rows[i].text, strlen(rows[i].text), CH_EFORMAT, rows[i].part);
    static const char zero[] = "{\"prompt\": \"p\0\", \"choices\": [\"a\", \"b\"], \"answer\": 0}";
    expect_refused("a zero byte", zero, sizeof zero - 1, CH_EFORMAT, "line 1");
}

static void too_much(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_choice c;
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    ch_buf_printf(&b, "{\"prompt\": \"p\", \"answer\": 0, \"choices\": [\"a\"");
    for (int i = 0; i < 64; i++)
        ch_buf_printf(&b, ", \"a\"");
    ch_buf_printf(&b, "]}");
    expect_refused("65 choices", (const char *)b.data, b.size, CH_EFORMAT, "2 to 64");
    ch_buf_clear(&b);
    ch_buf_printf(&b, "{\"prompt\": \"p\", \"answer\": 0, \"choices\": [\"a\", \"");
    for (int i = 0; i < 400; i++)
        ch_buf_printf(&b, "z%d", i % 10);
    ch_buf_printf(&b, "\"]}");
    expect_refused("beyond the context", (const char *)b.data, b.size, CH_ELIMIT, "holds 256");
    ch_buf_close(&b);
    const ch_session_options o = {.threads = 1};
    const char *none = "/nonexistent/q.jsonl";
    assert_fails(ch_eval_choice(&c, model, tk, none, &o, &e), CH_EIO, e, none);
    assert_int_equal(c.questions, 0);
    assert_fails(ch_eval_choice(&c, model, tk, dir, &o, &e), CH_EIO, e, dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_likeliest_is_right), cmocka_unit_test(a_tie_is_wrong),
        cmocka_unit_test(any_number_of_threads),  cmocka_unit_test(interval),
        cmocka_unit_test(hostile_records),        cmocka_unit_test(too_much),
    };
    return cmocka_run_group_tests_name("eval/choice", tests, open_all, close_all);
}
