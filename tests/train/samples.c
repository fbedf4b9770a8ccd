/* samples.c - tests of train/samples.c and train/run_card.c, in runs of ch_train
 *
 * SPDX-License-Identifier: MIT */
#include "runs.h"

static char text_path[4096];

static int open_dir(void **state)
{
    (void)state;
    dir = temp_dir();
    snprintf(text_path, sizeof text_path, "%s/a|b `text`.txt", dir);
    nano_text(text_path, 12000, 1);
    return 0;
}

static const char *const texts[] = {text_path};

static ch_train_options options(const char *out, int steps)
{
    return (ch_train_options){.data = texts, .n_data = 1, .held_out = 0.1, .vocab = 280,
                              .layers = 1, .width = 32, .head_width = 16, .hidden = 64,
                              .length = 32, .micro_batch = 2, .accumulate = 2, .steps = steps,
                              .lr = 8e-3, .out = out, .threads = 1, .save_every = 6, .seed = 3};
}

static void train(const ch_train_options *o)
{
    ch_err e = {0};
    ch_train_result r;
    assert_ok(ch_train(&r, o, &e), e);
}

static void read_file(ch_buf *b, const char *run, const char *name)
{
    ch_err e = {0};
    ch_buf_init(b, 1 << 24);
    assert_ok(ch_io_read_file(b, path_of(run, name), &e), e);
}

static bool same_file(const char *a, const char *b, const char *name)
{
    ch_buf x, y;
    read_file(&x, a, name);
    read_file(&y, b, name);
    const bool same = x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
    ch_buf_close(&x);
    ch_buf_close(&y);
    return same;
}

static int told;
static char newest[1024];

static void note(void *arg, const ch_train_progress *p)
{
    (void)arg;
    if (p->sample) {
        told++;
        snprintf(newest, sizeof newest, "%s", p->sample);
    }
}

/* Samples are drawn between the steps, and the steps do not notice. */
static void samples_change_no_bit(void **state)
{
    (void)state;
    ch_train_options plain = options(path_of("plain", ""), 12);
    ch_train_options with = options(path_of("with", ""), 12);
    with.sample_every = 3;
    with.sample_prompt = "the cat";
    with.progress = note;
    train(&plain);
    train(&with);
    assert_true(same_file("plain", "with", "model.safetensors"));
    assert_true(same_file("plain", "with", "optimizer.safetensors"));
    assert_false(ch_io_exists(path_of("plain", "samples.jsonl")));
    assert_int_equal(told, 4);
}

static void samples_are_the_model_of_their_step(void **state)
{
    (void)state;
    ch_buf b;
    read_file(&b, "with", "samples.jsonl");
    int64_t step = 0;
    const char *texts_at[4], *at = b.data;
    json_t *lines[4];
    for (int i = 0; i < 4; i++) {
        const char *end = strchr(at, '\n');
        const char *prompt = NULL;
        ch_err e = {0};
        assert_non_null(end);
        assert_ok(ch_json_parse(&lines[i], at, (size_t)(end - at), "a line", &e), e);
        assert_ok(ch_json_int(&step, lines[i], "step", 0, 0, 100, "a line", &e), e);
        assert_ok(ch_json_str(&prompt, lines[i], "prompt", NULL, "a line", &e), e);
        assert_ok(ch_json_str(&texts_at[i], lines[i], "text", NULL, "a line", &e), e);
        assert_int_equal(step, 3 * (i + 1));
        assert_string_equal(prompt, "the cat");
        at = end + 1;
    }
    assert_string_not_equal(texts_at[0], texts_at[3]); /* nothing of the first is kept */
    assert_string_equal(texts_at[3], newest);
    for (int i = 0; i < 4; i++)
        json_decref(lines[i]);
    ch_buf_close(&b);
}

/* The same run writes the same; one that is taken up at step 6 goes on after what stood there. */
static void another_run_has_the_same_samples(void **state)
{
    (void)state;
    ch_train_options o = options(path_of("again", ""), 12);
    o.sample_every = 3;
    o.sample_prompt = "the cat";
    train(&o);
    assert_true(same_file("with", "again", "samples.jsonl"));
    ch_err e = {0};
    ch_samples s;
    nano n;
    const ch_train_options small = nano_options("llama");
    nano_open(&n, &small, 1, NULL);
    ch_tokenizer *tk;
    assert_ok(ch_tokenizer_open(&tk, path_of("with", "tokenizer.json"), NULL, &e), e);
    assert_ok(ch_samples_open(&s, path_of("again", ""), 6, "x", tk, n.model, &e), e);
    ch_samples_close(&s);
    ch_buf b;
    read_file(&b, "again", "samples.jsonl");
    assert_non_null(strstr(b.data, "\"step\":6"));
    assert_null(strstr(b.data, "\"step\":9"));
    ch_buf_close(&b);
    ch_tokenizer_close(&tk);
    nano_close(&n);
}

static void prompts_that_cannot_be(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    char longer[400];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    const struct {
        const char *prompt, *says;
    } bad[] = {{longer, "the model's context is 32"}, {"a\xff", "is not UTF-8"}};
    for (size_t i = 0; i < CH_COUNT(bad); i++) {
        ch_train_options o = options(path_of(i ? "bad1" : "bad0", ""), 2);
        o.sample_every = 1;
        o.sample_prompt = bad[i].prompt;
        assert_fails(ch_train(&r, &o, &e), CH_EARG, e, bad[i].says);
        assert_false(ch_checkpoint_exists(o.out)); /* told before the first step */
    }
}

/* ---- The card ------------------------------------------------------------------------------- */

static void expect_in(const ch_buf *b, const char *part)
{
    if (!strstr(b->data, part))
        fail_msg("README.md has no \"%s\"", part);
}

static void a_card_says_what_the_run_knows(void **state)
{
    (void)state;
    ch_buf b;
    read_file(&b, "plain", "README.md");
    expect_in(&b, "# plain\n");
    expect_in(&b, "- a\\|b \\`text\\`.txt\n");
    expect_in(&b, "| vocabulary | 280 |");
    expect_in(&b, "| lr | 0.008 | 0.005 |");
    expect_in(&b, "12 steps, 1536 tokens");
    expect_in(&b, "| held-out bits a byte | ");
    assert_null(strstr(b.data, "| beta1 |"));
    assert_null(strstr(b.data, dir)); /* where it was made is nobody's business */
    char text[80];
    ch_err e = {0};
    ch_model *m;
    assert_ok(ch_model_open(&m, path_of("plain", "model.gguf"), 1, &e), e);
    ch_model_info info;
    ch_model_get_info(&info, m);
    snprintf(text, sizeof text, "| parameters | %lld |\n| of them outside of embeddings | %lld |",
             (long long)info.parameters, (long long)info.parameters - 280 * 32);
    expect_in(&b, text);
    ch_model_close(&m);
    ch_buf_close(&b);
}

static void a_readme_of_someone_stays(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_buf b;
    ch_train_options o = options(path_of("kept", ""), 1);
    assert_ok(ch_io_make_dir(o.out, &e), e);
    assert_ok(ch_io_write_file(path_of("kept", "README.md"), "mine\n", 5, &e), e);
    train(&o);
    read_file(&b, "kept", "README.md");
    assert_string_equal(b.data, "mine\n");
    ch_buf_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_change_no_bit),
        cmocka_unit_test(samples_are_the_model_of_their_step),
        cmocka_unit_test(another_run_has_the_same_samples),
        cmocka_unit_test(prompts_that_cannot_be),
        cmocka_unit_test(a_card_says_what_the_run_knows),
        cmocka_unit_test(a_readme_of_someone_stays),
    };
    return cmocka_run_group_tests_name("train/samples", tests, open_dir, close_dir);
}
