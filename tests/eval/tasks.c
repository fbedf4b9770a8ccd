/* tasks.c - files of items and what they come to: each task, ties, hostile records
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"
#include "task.h"
#include "tiny.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *dir;
static ch_model *model;
static ch_tokenizer *tk;
static const ch_session_options so = {.threads = 1};

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

static const char *write_file(const char *name, const char *text, size_t n)
{
    static char path[4][512];
    static int at;
    ch_err e = {0};
    char *p = path[at++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    assert_ok(ch_io_write_file(p, text, n, &e), e);
    return p;
}

/* Scores of a file with this text, and the task it was taken for. */
static int evaluate(double *out, const char **task, const char *name, const char *text,
                    const ch_eval_options *o, ch_err *e)
{
    const char *path = write_file(name, text, strlen(text));
    ch_sets sets;
    ch_stats stats = {0};
    ch_score scores[CH_SCORES_MOST];
    int n = 0, rc = ch_sets_open(&sets, &path, 1, NULL, e);
    if (rc < 0)
        return rc;
    *task = sets.at[0].task->name;
    rc = ch_eval_run(&stats, model, tk, &so, &sets.at[0], o, e);
    if (rc == CH_OK)
        rc = ch_eval_scores(scores, &n, &sets.at[0], &stats, 0, e);
    for (int i = 0; i < n; i++) {
        out[i] = scores[i].value;
        assert_true(isnan(scores[i].low) || (scores[i].low <= out[i] + 1e-12 &&
                                             out[i] <= scores[i].high + 1e-12));
    }
    ch_scores_free(scores, n);
    ch_stats_free(&stats);
    ch_sets_close(&sets);
    return rc;
}

static double first(const char *want, const char *name, const char *text, const ch_eval_options *o)
{
    ch_err e = {0};
    const char *task = "";
    double x[CH_SCORES_MOST] = {-1};
    assert_ok(evaluate(x, &task, name, text, o, &e), e);
    assert_string_equal(task, want);
    return x[0];
}

/* ---- Likelihood ------------------------------------------------------------------------------ */

/* log p of `answer`, written behind `before`, a token at a time. */
static double log_p(const char *before, const char *answer)
{
    ch_err e = {0};
    ch_session *s;
    ch_tokens ids = {0}, lead = {0};
    char whole[400];
    double sum = 0;
    snprintf(whole, sizeof whole, "%s%s", before, answer);
    assert_ok(ch_tokenizer_encode(&lead, tk, before, strlen(before), CH_ENCODE_BOS, &e), e);
    assert_ok(ch_tokenizer_encode(&ids, tk, whole, strlen(whole), CH_ENCODE_BOS, &e), e);
    size_t from = 0;
    while (from < lead.n && lead.id[from] == ids.id[from])
        from++;
    assert_true(from > 0);
    assert_ok(ch_session_open(&s, model, &so, &e), e);
    for (size_t i = 0; i + 1 < ids.n; i++) {
        assert_ok(ch_session_feed(s, &ids.id[i], 1, &e), e);
        if (i + 1 >= from)
            sum -= ch_eval_nll(ch_session_logits(s), model->config.vocab, ids.id[i + 1]);
    }
    ch_session_close(&s);
    ch_tokens_free(&ids);
    ch_tokens_free(&lead);
    return sum;
}

static void the_likeliest_choice(void **state)
{
    (void)state;
    static const char *const prompts[] = {"the cat", "who was wet?", "the sea", "a dog:"};
    static const char *const choices[] = {" the dog", " cat", " then the other cats"};
    for (size_t p = 0; p < CH_COUNT(prompts); p++) {
        int best = 0, best_norm = 0;
        double x[3];
        for (int i = 0; i < 3; i++) {
            x[i] = log_p(prompts[p], choices[i]);
            best = x[i] > x[best] ? i : best;
            const double mean = x[i] / (double)(strlen(choices[i]) - 1);
            best_norm = mean > x[best_norm] / (double)(strlen(choices[best_norm]) - 1) ? i
                                                                                      : best_norm;
        }
        for (int i = 0; i < 3; i++) {
            char text[300];
            ch_err e = {0};
            const char *task;
            double got[CH_SCORES_MOST];
            snprintf(text, sizeof text, "{\"prompt\": \"%s\", \"choices\": [\"%s\", \"%s\", "
                     "\"%s\"], \"answer\": %d, \"more\": null}\n\n", prompts[p], choices[0] + 1,
                     choices[1] + 1, choices[2] + 1, i);
            assert_ok(evaluate(got, &task, "c.jsonl", text, NULL, &e), e);
            assert_string_equal(task, "choice");
            assert_true(got[0] == (i == best) && got[1] == (i == best_norm));
        }
    }
}

static void ties_are_wrong(void **state)
{
    (void)state;
    static const char choice[] =
        "{\"prompt\": \"p\", \"choices\": [\"cat\", \"cat\"], \"answer\": 0}\n"
        "{\"prompt\": \"p\", \"choices\": [\"cat\", \"cat\"], \"answer\": 1}\n";
    assert_true(first("choice", "c.jsonl", choice, NULL) == 0);
    static const char pair[] =
        "{\"sentence_good\": \"the cat\", \"sentence_bad\": \"the cat\"}\n";
    assert_true(first("pairs", "p.jsonl", pair, NULL) == 0);
    static const char class[] = "{\"text\": \"the cat\", \"label\": \"a\"}\n"
                                "{\"text\": \"the dog\", \"label\": \"b\"}\n";
    const ch_eval_options o = {.labels = "a=same,b=same"};
    assert_true(first("classify", "l.jsonl", class, &o) == 0);
}

static void pairs(void **state)
{
    (void)state;
    static const char one[] =
        "{\"sentence_good\": \"the cat was wet\", \"sentence_bad\": \"the zq was wet\"}\n";
    static const char other[] =
        "{\"sentence_good\": \"the zq was wet\", \"sentence_bad\": \"the cat was wet\"}\n";
    const double a = first("pairs", "p.jsonl", one, NULL);
    assert_true(a + first("pairs", "p.jsonl", other, NULL) == 1);
    char both[400];
    snprintf(both, sizeof both, "%s%s", one, other);
    assert_true(first("pairs", "p.jsonl", both, NULL) == 0.5);
}

/* The words' likelihoods decide; a calibrated model that always says one thing does not. */
static void classes(void **state)
{
    (void)state;
    const ch_eval_options o = {.template = "{} was"};
    ch_err e = {0};
    write_file("s.neg", "the cat\nthe caf\xe9\n", 16);
    const char *const paths[] = {write_file("s.pos", "the sea\n", 8), dir};
    ch_sets sets;
    assert_ok(ch_sets_open(&sets, paths + 1, 1, ch_task_find("classify"), &e), e);
    const ch_set *s = NULL;
    for (size_t i = 0; i < sets.n; i++)
        s = strcmp(sets.at[i].name, "s") == 0 ? &sets.at[i] : s;
    assert_non_null(s);
    assert_true(s->n == 3 && s->path[1] != NULL);
    ch_text t;
    assert_ok(ch_record_text(&t, &s->at[1], "text", &e), e);
    assert_string_equal(t.p, "the caf\xc3\xa9"); /* was Latin-1 */
    ch_stats stats;
    assert_ok(ch_eval_run(&stats, model, tk, &so, s, &o, &e), e);
    uint64_t counts[6];
    ch_confusion(counts, 2, &stats);
    static const char *const texts[] = {"the cat was", "the caf\xc3\xa9 was", "the sea was"};
    uint64_t want[6] = {0};
    for (int i = 0; i < 3; i++)
        want[(i == 2) * 3 + (log_p(texts[i], " positive") > log_p(texts[i], " negative"))]++;
    assert_memory_equal(counts, want, sizeof want);
    ch_stats_free(&stats);
    ch_sets_close(&sets);
}

/* One file under two names has no second class to offer. */
static void a_file_is_taken_once(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_sets sets;
    char other[600];
    const char *paths[2] = {write_file("twice.pos", "the sea\n", 8), other};
    snprintf(other, sizeof other, "%s/twice.neg", dir);
    assert_int_equal(symlink("twice.pos", other), 0);
    assert_fails(ch_sets_open(&sets, paths, 2, NULL, &e), CH_EARG, e, "are the same file");
    paths[1] = paths[0];
    assert_fails(ch_sets_open(&sets, paths, 2, NULL, &e), CH_EARG, e, "are the same file");
    assert_int_equal(unlink(other), 0);
}

static void scores_of_classes(void **state)
{
    (void)state;
    ch_err e = {0};
    /* classes 0: 3 of 4 right; 1: 1 of 2, and one tie */
    const int tie = CH_LABELS_MOST;
    double at[] = {0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, tie};
    ch_stats s = {at, 6, 2, 0};
    const ch_set set = {.task = ch_task_find("classify")};
    ch_score x[CH_SCORES_MOST];
    int n;
    assert_ok(ch_eval_scores(x, &n, &set, &s, 0, &e), e);
    assert_int_equal(n, 3);
    assert_true(fabs(x[0].value - 4.0 / 6) < 1e-12);
    assert_true(fabs(x[1].value - (3.0 / 4 + 1.0 / 2) / 2) < 1e-12);
    assert_true(fabs(x[2].value - (2 * 3.0 / (4 + 3) + 2 * 1.0 / (2 + 2)) / 2) < 1e-12);
    ch_scores_free(x, n);
    ch_stats all_right = {at, 3, 2, 0}; /* of one class: 3 of 3 */
    assert_ok(ch_eval_scores(x, &n, &set, &all_right, 0, &e), e);
    for (int i = 0; i < 2; i++)
        assert_true(x[i].value == 1 && fabs(x[i].low - 0.4385030) < 1e-6 && x[i].high == 1);
    assert_true(x[2].value == 1 && isnan(x[2].low));
    ch_scores_free(x, n);
    at[11] = 2; /* a class that is only predicted has an F1 of 0 */
    assert_ok(ch_eval_scores(x, &n, &set, &s, 0, &e), e);
    assert_true(fabs(x[1].value - (3.0 / 4 + 1.0 / 2) / 2) < 1e-12);
    assert_true(fabs(x[2].value - (2 * 3.0 / (4 + 3) + 2 * 1.0 / (2 + 2)) / 3) < 1e-12);
    ch_scores_free(x, n);
}

static void bits_are_perplexitys(void **state)
{
    (void)state;
    static const char text[] = "the cat and the dog went to the sea. then the other cats came, "
                               "wetter and wetter, and the dog's tail was blue as the sea.";
    for (int window = 7; window < 200; window += 30) {
        const ch_eval_options o = {.window = window};
        ch_perplexity p;
        ch_err e = {0};
        assert_ok(ch_model_perplexity(&p, model, tk, text, sizeof text - 1, window, 0, &so, &e), e);
        assert_true(fabs(first("bits_per_byte", "t.txt", text, &o) - p.bpb) < 1e-12);
    }
}

/* Without BOS a text's first token is not scored, and its bytes are not either. */
static void bits_of_what_is_scored(void **state)
{
    (void)state;
    static const char json[] =
        "{\"model\":{\"type\":\"BPE\",\"merges\":[[\"t\",\"h\"]],\"vocab\":{\"t\":0,\"h\":1,"
        "\"e\":2,\"\\u0120\":3,\"c\":4,\"a\":5,\"th\":6}},\"decoder\":{\"type\":\"ByteLevel\"},"
        "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
        "\"trim_offsets\":true}}";
    static const char text[] = "the cat ate the tea";
    ch_err e = {0};
    ch_perplexity p;
    ch_tokens ids = {0};
    ch_buf b;
    ch_tokenizer *was = tk;
    assert_ok(ch_tokenizer_from_json(&tk, write_file("tokenizer.json", json, sizeof json - 1), &e),
              e);
    assert_false(ch_tokenizer_adds_bos(tk));
    assert_ok(ch_tokenizer_encode(&ids, tk, text, sizeof text - 1, CH_ENCODE_BOS, &e), e);
    ch_buf_init(&b, 100);
    assert_true(ch_tokenizer_append(&b, tk, -1, ids.id[0]) && b.size > 0);
    const double bits = -log_p(b.data, text + b.size) / log(2);
    assert_ok(ch_model_perplexity(&p, model, tk, text, sizeof text - 1, 0, 0, &so, &e), e);
    assert_int_equal(p.tokens, ids.n - 1);
    assert_int_equal(p.bytes, sizeof text - 1 - b.size);
    const double want = bits / (double)(sizeof text - 1 - b.size);
    assert_true(fabs(p.bpb - want) < 1e-9);
    assert_true(fabs(first("bits_per_byte", "t.txt", text, NULL) - want) < 1e-9);
    const ch_eval_options o = {.window = 300};
    const char *task;
    double x[CH_SCORES_MOST];
    assert_fails(evaluate(x, &task, "t.txt", text, &o, &e), CH_EARG, e, "2 to 256");
    ch_tokenizer_close(&tk);
    tk = was;
    ch_tokens_free(&ids);
    ch_buf_close(&b);
}

/* Two vocabularies cut a text into other windows: what one draws is not what the other draws. */
static void other_windows_are_not_paired(void **state)
{
    (void)state;
    double a[] = {1, 10, 2, 20}, b[] = {3, 10, 1, 20}, c[] = {3, 11, 1, 19};
    const ch_stats x = {a, 2, 2, 8}, y = {b, 2, 2, 8}, z = {c, 2, 2, 8}, less = {a, 1, 2, 8};
    const ch_stats items = {c, 2, 2, 0};
    assert_true(ch_stats_paired(&x, &y));
    assert_false(ch_stats_paired(&x, &z));
    assert_false(ch_stats_paired(&x, &less));
    assert_true(ch_stats_paired(&items, &x));
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* What the model writes is found out, and then is the right answer. */
static void written(void **state)
{
    (void)state;
    const ch_eval_options o = {.count = 12, .template = "{}"};
    ch_err e = {0};
    ch_tokens ids = {0};
    ch_session *s;
    ch_buf b;
    ch_sampling how = CH_SAMPLING;
    how.temp = 0;
    ch_buf_init(&b, 1000);
    assert_ok(ch_tokenizer_encode(&ids, tk, "the cat", 7, CH_ENCODE_BOS, &e), e);
    assert_ok(ch_session_open(&s, model, &so, &e), e);
    assert_ok(ch_session_feed(s, ids.id, (int)ids.n, &e), e);
    for (int i = 0; i < 12; i++) {
        ch_token t;
        assert_ok(ch_session_next(&t, s, &how, &e), e);
        if (ch_tokenizer_is_end(tk, t))
            break;
        assert_true(ch_tokenizer_append(&b, tk, -1, t));
    }
    ch_session_close(&s);
    ch_tokens_free(&ids);
    ch_buf clean;
    ch_buf_init(&clean, 4000);
    assert_true(ch_buf_utf8(&clean, b.data, b.size));
    json_t *text = json_stringn(clean.data, clean.size);
    static const char *const tasks[][2] = {{"exact", "question\": \"the cat\", \"answer"},
                                           {"summary", "document\": \"the cat\", \"summary"},
                                           {"translation", "source\": \"the cat\", \"translation"}};
    char *quoted = json_dumps(text, JSON_ENCODE_ANY);
    for (size_t i = 0; i < CH_COUNT(tasks); i++) {
        char line[4000];
        snprintf(line, sizeof line, "{\"%s\": %s}\n", tasks[i][1], quoted);
        const double right = first(tasks[i][0], "w.jsonl", line, &o);
        if (i == 0 && clean.size == b.size) /* else bytes were no UTF-8 */
            assert_true(right == 1);
        snprintf(line, sizeof line, "{\"%s\": \"%s\"}\n", tasks[i][1], "nothing of the kind: 77");
        assert_true(first(tasks[i][0], "w.jsonl", line, &o) < 0.5);
    }
    free(quoted);
    json_decref(text);
    ch_buf_close(&clean);
    ch_buf_close(&b);
}

static void examples(void **state)
{
    (void)state;
    static const char text[] =
        "{\"prompt\": \"a\", \"choices\": [\"cat\", \"dog\"], \"answer\": 0}\n"
        "{\"prompt\": \"b\", \"choices\": [\"sea\", \"dog\"], \"answer\": 1}\n"
        "{\"prompt\": \"c\", \"choices\": [\"sea\", \"tail\"], \"answer\": 1}\n";
    const char *path = write_file("shots.jsonl", text, sizeof text - 1);
    ch_err e = {0};
    ch_sets sets;
    ch_stats s;
    assert_ok(ch_sets_open(&sets, &path, 1, NULL, &e), e);
    ch_eval_options o = {.shots = 2};
    assert_ok(ch_eval_run(&s, model, tk, &so, &sets.at[0], &o, &e), e);
    assert_int_equal(s.n, 1); /* two are examples */
    ch_stats_free(&s);
    o.shots_file = path;
    assert_ok(ch_eval_run(&s, model, tk, &so, &sets.at[0], &o, &e), e);
    assert_int_equal(s.n, 3);
    ch_stats_free(&s);
    o = (ch_eval_options){.shots = 3};
    assert_fails(ch_eval_run(&s, model, tk, &so, &sets.at[0], &o, &e), CH_EARG, e, "3 records");
    o = (ch_eval_options){.limit = 2};
    assert_ok(ch_eval_run(&s, model, tk, &so, &sets.at[0], &o, &e), e);
    assert_int_equal(s.n, 2);
    ch_stats_free(&s);
    ch_sets_close(&sets);
}

/* ---- Records of strangers -------------------------------------------------------------------- */

static void hostile(void **state)
{
    (void)state;
#define GOOD "{\"prompt\": \"p\", \"choices\": [\"a\", \"b\"], \"answer\": 0}\n"
    static const struct {
        const char *name, *text, *part;
    } rows[] = {
        {"nothing", "", "no record"},
        {"blank lines", "\n \t\r\n\n", "no record"},
        {"no JSON", "hello", "line 1"},
        {"half a record", "{\"prompt\": \"p\", \"choices\": [\"a\"", "line 1"},
        {"a list", "[\"p\", [\"a\", \"b\"], 0]", "something else"},
        {"no task", "{\"prompt\": \"p\"}", "no task"},
        {"no prompt", "{\"choices\": [\"a\", \"b\"], \"answer\": 0}", "\"prompt\" is missing"},
        {"no answer", "{\"prompt\": \"p\", \"choices\": [\"a\", \"b\"]}", "from 0 to 1"},
        {"one choice", "{\"prompt\": \"p\", \"choices\": [\"a\"], \"answer\": 0}", "2 to 64"},
        {"no choice", "{\"prompt\": \"p\", \"choices\": [], \"answer\": 0}", "0 texts"},
        {"a number", "{\"prompt\": \"p\", \"choices\": [\"a\", 7], \"answer\": 0}", "text 1"},
        {"an empty one", "{\"prompt\": \"p\", \"choices\": [\"a\", \"\"], \"answer\": 0}", "empty"},
        {"an answer below",
         "{\"prompt\": \"p\", \"choices\": [\"a\", \"b\"], \"answer\": -1}", "from 0"},
        {"an answer above",
         "{\"prompt\": \"p\", \"choices\": [\"a\", \"b\"], \"answer\": 2}", "from 0"},
        {"a real answer",
         "{\"prompt\": \"p\", \"choices\": [\"a\", \"b\"], \"answer\": 0.0}", "from 0"},
        {"the second line", GOOD "{}\n", "line 2"},
        {"no UTF-8",
         "{\"prompt\": \"\xff\", \"choices\": [\"a\", \"b\"], \"answer\": 0}", "line 1"},
        {"half a pair", "{\"sentence_good\": \"x\"}", "sentence_bad"},
        {"an empty sentence", "{\"sentence_good\": \"x\", \"sentence_bad\": \"\"}", "empty"},
        {"one label", "{\"text\": \"x\", \"label\": \"a\"}", "another"},
        {"a label that is none", "{\"text\": \"x\", \"label\": 3}", "label"},
        {"an empty label", "{\"text\": \"x\", \"label\": \"\"}", "empty"},
        {"an answer of no text", "{\"question\": \"x\", \"answer\": 3}", "answer"},
        {"references of none", "{\"source\": \"x\", \"translation\": []}", "0 texts"},
    };
    const ch_eval_options o = {.count = 2};
    for (size_t i = 0; i < CH_COUNT(rows); i++) {
        ch_err e = {0};
        const char *task;
        double x[CH_SCORES_MOST];
        const int rc = evaluate(x, &task, "h.jsonl", rows[i].text, &o, &e);
        if (rc != CH_EFORMAT || !strstr(e.text, rows[i].part))
            fail_msg("%s: %d \"%s\", wanted \"%s\"", rows[i].name, rc, e.text, rows[i].part);
    }
}

static void too_much(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_sets sets;
    ch_buf b;
    const char *task;
    double x[CH_SCORES_MOST];
    ch_buf_init(&b, 1 << 20);
    ch_buf_printf(&b, "{\"prompt\": \"p\", \"answer\": 0, \"choices\": [\"a\", \"");
    for (int i = 0; i < 400; i++)
        ch_buf_printf(&b, "z%d", i % 10);
    ch_buf_printf(&b, "\"]}");
    assert_fails(evaluate(x, &task, "m.jsonl", b.data, NULL, &e), CH_ELIMIT, e, "holds 256");
    ch_buf_clear(&b);
    for (int i = 0; i < 65; i++)
        ch_buf_printf(&b, "{\"text\": \"x\", \"label\": \"l%d\"}\n", i);
    assert_fails(evaluate(x, &task, "m.jsonl", b.data, NULL, &e), CH_EFORMAT, e, "more than 64");
    ch_buf_close(&b);
    /* Of a line without end no more is read than is allowed. */
    char *endless = malloc(40 << 20);
    memset(endless, ' ', 40 << 20);
    const char *path = write_file("endless.jsonl", endless, 40 << 20);
    free(endless);
    assert_fails(ch_sets_open(&sets, &path, 1, NULL, &e), CH_ELIMIT, e, "more than 16777216");
    const char *none = "/nonexistent/q.jsonl";
    assert_fails(ch_sets_open(&sets, &none, 1, NULL, &e), CH_EIO, e, none);
    char *empty = temp_dir();
    path = empty;
    assert_fails(ch_sets_open(&sets, &path, 1, NULL, &e), CH_EARG, e, ".jsonl");
    temp_dir_remove(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_likeliest_choice), cmocka_unit_test(ties_are_wrong),
        cmocka_unit_test(pairs),                cmocka_unit_test(classes),
        cmocka_unit_test(a_file_is_taken_once),
        cmocka_unit_test(scores_of_classes),    cmocka_unit_test(bits_are_perplexitys),
        cmocka_unit_test(bits_of_what_is_scored),
        cmocka_unit_test(other_windows_are_not_paired),
        cmocka_unit_test(written),              cmocka_unit_test(examples),
        cmocka_unit_test(hostile),              cmocka_unit_test(too_much),
    };
    return cmocka_run_group_tests_name("eval/tasks", tests, open_all, close_all);
}
