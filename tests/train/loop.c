/* loop.c - tests of ch_train, from text to model.gguf
 *
 * SPDX-License-Identifier: MIT */
#include "runs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static char text_path[4096];

static int open_dir(void **state)
{
    (void)state;
    dir = temp_dir();
    snprintf(text_path, sizeof text_path, "%s/text.txt", dir);
    nano_text(text_path, 20000, 1);
    return 0;
}

static const char *const texts[] = {text_path};

static ch_train_options options(const char *out, int steps)
{
    return (ch_train_options){.data = texts,
                              .n_data = 1,
                              .held_out = 0.1,
                              .vocab = 290,
                              .layers = 1,
                              .width = 32,
                              .head_width = 16,
                              .hidden = 64,
                              .length = 32,
                              .micro_batch = 4,
                              .accumulate = 2,
                              .steps = steps,
                              .lr = 8e-3,
                              .out = out,
                              .threads = 1,
                              .save_every = 100,
                              .seed = 3};
}

/* ---- What is learned ------------------------------------------------------------------------ */

/* Nats a token of the text's own token frequencies: what a model that reads nothing can reach. */
static double unigram_entropy(const char *run, double *bytes_a_token)
{
    ch_err e = {0};
    ch_tokenizer *tk;
    ch_tokens ids = {0};
    ch_mapping m;
    assert_ok(ch_tokenizer_open(&tk, path_of(run, "tokenizer.json"), NULL, &e), e);
    assert_ok(ch_io_map(&m, text_path, &e), e);
    assert_ok(ch_tokenizer_encode(&ids, tk, (const char *)m.data, m.size, 0, &e), e);
    int count[512] = {0};
    double h = 0;
    for (size_t i = 0; i < ids.n; i++)
        count[ids.id[i]]++;
    for (int i = 0; i < 512; i++)
        if (count[i])
            h -= (double)count[i] / (double)ids.n * log((double)count[i] / (double)ids.n);
    *bytes_a_token = (double)m.size / (double)ids.n;
    ch_io_unmap(&m);
    ch_tokens_free(&ids);
    ch_tokenizer_close(&tk);
    return h;
}

static void it_learns_and_the_model_can_be_used(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    char *out = path_of("run", "");
    const ch_train_options o = options(out, 100);
    double ratio;
    assert_ok(ch_train(&r, &o, &e), e);
    const double h = unigram_entropy("run", &ratio);
    assert_true(h > 2.5);
    assert_true(r.loss < 0.6 * h && r.val_loss < 0.6 * h);
    assert_int_equal(r.steps, 100);
    assert_int_equal(r.tokens, 100 * 2 * 4 * 32);
    assert_true(fabs(r.val_bpb - r.val_loss / (log(2) * ratio)) < 0.05 * r.val_bpb);
    assert_true(r.seconds > 0);

    ch_model *m;
    ch_tokenizer *tk;
    ch_model_info info;
    ch_mapping text;
    ch_perplexity p;
    assert_ok(ch_model_open(&m, path_of("run", "model.gguf"), 1, &e), e);
    assert_ok(ch_tokenizer_open(&tk, path_of("run", "model.gguf"), NULL, &e), e);
    ch_model_get_info(&info, m);
    assert_string_equal(info.name, "run");
    assert_int_equal(info.parameters, r.parameters);
    assert_int_equal(info.vocab, 290);
    assert_int_equal(ch_tokenizer_bos(tk), 0);
    assert_int_equal(ch_tokenizer_eos(tk), 0);
    assert_true(ch_tokenizer_adds_bos(tk));
    assert_ok(ch_io_map(&text, text_path, &e), e);
    assert_ok(ch_model_perplexity(&p, m, tk, (const char *)text.data, 4000, 32, 16, NULL, &e), e);
    assert_true(p.nll < 0.6 * h &&
                fabs(p.nll - r.val_loss) < 0.3); /* another code path, the same model */
    ch_io_unmap(&text);
    ch_tokenizer_close(&tk);
    ch_model_close(&m);
}

/* ---- Interrupted, and resumed --------------------------------------------------------------- */

/* One line a step in order, and the losses of both runs the same. */
static void expect_same_losses(const char *a, const char *b, int steps)
{
    ch_err e = {0};
    ch_buf x[2];
    for (int i = 0; i < 2; i++) {
        ch_buf_init(&x[i], 1 << 24);
        assert_ok(ch_io_read_file(&x[i], path_of(i ? b : a, "metrics.jsonl"), &e), e);
    }
    int seen = 0;
    char *at[2], *left[2] = {x[0].data, x[1].data};
    while ((at[0] = strtok_r(left[0], "\n", &left[0])) &&
           (at[1] = strtok_r(left[1], "\n", &left[1]))) {
        json_t *v[2];
        for (int i = 0; i < 2; i++)
            assert_ok(ch_json_parse(&v[i], at[i], strlen(at[i]), "line", &e), e);
        static const char *const keys[] = {"step",   "loss",     "lr",     "grad_norm",
                                           "tokens", "val_loss", "val_bpb"};
        for (size_t k = 0; k < CH_COUNT(keys); k++) {
            const json_t *p = json_object_get(v[0], keys[k]), *q = json_object_get(v[1], keys[k]);
            assert_true(p == q || json_equal(p, q)); /* both absent, or alike */
        }
        if (json_object_get(v[0], "loss"))
            assert_int_equal(json_integer_value(json_object_get(v[0], "step")), ++seen);
        json_decref(v[0]);
        json_decref(v[1]);
    }
    assert_int_equal(seen, steps);
    ch_buf_close(&x[0]);
    ch_buf_close(&x[1]);
}

static void expect_same_run(const char *a, const char *b, int steps)
{
    static const char *const files[] = {"model.safetensors", "optimizer.safetensors",
                                        "config.json", "tokenizer.json", "state.json"};
    for (size_t i = 0; i < CH_COUNT(files); i++)
        expect_same_file(path_of(a, files[i]), path_of(b, files[i]));
    expect_same_losses(a, b, steps);
}

static void interrupted_and_resumed(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    enum { STEPS = 12 };
    ch_train_options o = options(path_of("whole", ""), STEPS);
    o.out = strdup(o.out);
    assert_ok(ch_train(&r, &o, &e), e);
    free((char *)(uintptr_t)o.out);
    o.out = strdup(path_of("parts", ""));
    static const int stops[] = {0, 5, 6, 100};
    for (size_t i = 0; i < CH_COUNT(stops); i++) {
        struct stopping s = {.at = stops[i]};
        ch_train_options part = o;
        part.resume = i > 0;
        part.progress = stop_at;
        part.progress_arg = &s;
        part.cancel = &s.cancel;
        part.threads = 1 + (int)i % 2;
        if (i == 2)
            part = (ch_train_options){.data = texts,
                                      .n_data = 1,
                                      .out = o.out,
                                      .resume = true,
                                      .progress = stop_at,
                                      .progress_arg = &s,
                                      .cancel = &s.cancel}; /* the run knows the rest */
        assert_ok(ch_train(&r, &part, &e), e);
        assert_int_equal(r.steps, CH_MIN(stops[i], STEPS));
        assert_true(ch_io_exists(path_of("parts", "model.gguf")) == (r.steps == STEPS));
    }
    expect_same_run("whole", "parts", STEPS);
    free((char *)(uintptr_t)o.out);
}

static void killed_and_resumed(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    enum { STEPS = 16, KILLS = 20 };
    ch_train_options o = options(NULL, STEPS);
    o.save_every = 1;
    o.optimizer = "muon"; /* everything that has a state to resume */
    o.ema = 0.9;
    o.spike = 6;
    o.ramp = 0.3;
    o.patience = 50;
    char *whole = strdup(path_of("straight", "")), *killed = strdup(path_of("killed", ""));
    o.out = whole;
    assert_ok(ch_train(&r, &o, &e), e);
    const uint64_t usual_us = (uint64_t)(r.seconds * 1e6) / 4 + 1; /* a quarter of the run */
    o.out = killed;
    for (uint64_t i = 0; i < KILLS; i++) {
        int status;
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            o.resume = ch_checkpoint_exists(killed);
            o.threads = 1 + (int)i % 2;
            if (ch_train(&r, &o, &e) < 0)
                _exit(1);
            for (;;)
                pause();
        }
        usleep((useconds_t)ch_rng_below(usual_us, 5, CH_RNG_TEST, 0, i));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
    }
    o.resume = ch_checkpoint_exists(killed);
    assert_ok(ch_train(&r, &o, &e), e);
    expect_same_run("straight", "killed", STEPS);
    free(whole);
    free(killed);
}

/* ---- Faults --------------------------------------------------------------------------------- */

static void resuming_asks_for_the_same(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    char *out = strdup(path_of("run", ""));
    ch_train_options o = options(out, 3), w = o;
    w.resume = true;
    assert_fails(ch_train(&r, &w, &e), CH_EARG, e, "no checkpoint to resume from");
    assert_ok(ch_train(&r, &o, &e), e);
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "a run is there already");
    w.lr = 1e-3;
    assert_fails(ch_train(&r, &w, &e), CH_EARG, e,
                 "lr is 0.008 in the run and 0.001 was asked for");
    w = o;
    w.resume = true;
    w.steps = 0;
    w.tokens = 1e6;
    assert_fails(ch_train(&r, &w, &e), CH_EARG, e,
                 "steps is 3 in the run and tokens asks for 3907");
    w = o;
    w.resume = true;
    nano_text(text_path, 21000, 1);
    assert_fails(ch_train(&r, &w, &e), CH_EARG, e, "cannot resume: the data had");
    nano_text(text_path, 20000, 1);
    assert_ok(ch_train(&r, &w, &e), e); /* nothing left to do, and nothing lost by asking */
    assert_int_equal(r.steps, 3);
    assert_true(isfinite(r.val_loss));
    free(out);
}

static void see_the_lock(void *arg, const ch_train_progress *p)
{
    bool *held = arg;
    const int fd = open(path_of("run", ""), O_RDONLY);
    assert_true(fd >= 0);
    if (strcmp(p->phase, "training") == 0)
        *held = flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    close(fd);
}

static void one_process_at_a_time(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    char *out = strdup(path_of("run", "")), *log = strdup(path_of("run", "metrics.jsonl"));
    ch_train_options o = options(out, 3);
    bool held = false;
    assert_ok(ch_io_make_dir(out, &e), e);
    const int fd = open(out, O_RDONLY);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "another process is training this run");
    assert_false(ch_io_exists(log)); /* nor was anything begun */
    assert_int_equal(flock(fd, LOCK_UN), 0);
    o.progress = see_the_lock;
    o.progress_arg = &held;
    assert_ok(ch_train(&r, &o, &e), e);
    assert_true(held);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0); /* it was given back */
    o.resume = true;
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "another process is training this run");
    close(fd);
    assert_ok(ch_train(&r, &o, &e), e);
    free(out);
    free(log);
}

static void a_run_is_no_text(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    char *inside = strdup(path_of("sub/run", "")), *beside = strdup(path_of("textual", ""));
    char *data = strdup(path_of("text", "")), *hidden = strdup(path_of("text/.run", ""));
    char weighted[4200], *log = strdup(path_of("sub/run", "metrics.jsonl"));
    const char *paths[] = {weighted}, *all[] = {dir};
    ch_train_options o = options(inside, 1);
    snprintf(weighted, sizeof weighted, "%s/../%s=2", dir, strrchr(dir, '/') + 1);
    o.data = paths;
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "the run would read what it writes");
    assert_non_null(strstr(e.text, inside));
    assert_false(ch_io_exists(log));
    o.out = dir; /* the directory itself */
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "the run would read what it writes");
    o = options(inside, 1);
    o.validation = all;
    o.n_validation = 1;
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "the run would read what it writes");
    assert_ok(ch_io_make_dir(data, &e), e);
    nano_text(path_of("text", "a.txt"), 20000, 1);
    paths[0] = data;
    o = options(beside, 1); /* its name begins alike */
    o.data = paths;
    assert_ok(ch_train(&r, &o, &e), e);
    o.out = hidden; /* what is hidden is not read */
    assert_ok(ch_train(&r, &o, &e), e);
    o.resume = true;
    assert_ok(ch_train(&r, &o, &e), e);
    free(inside);
    free(beside);
    free(data);
    free(hidden);
    free(log);
}

static void faults_are_sentences(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    const char *const missing[] = {"/nowhere/at/all"};
    char *out = strdup(path_of("none", "")), *few = strdup(path_of("few.txt", ""));
    const char *const tiny[] = {few};
    ch_train_options o = options(NULL, 3);
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "out: a directory");
    o = options("/proc/nowhere/run", 3);
    assert_fails(ch_train(&r, &o, &e), CH_EIO, e, "/proc/nowhere");
    o = options(text_path, 3);
    assert_fails(ch_train(&r, &o, &e), CH_EIO, e, "a file is in its way");
    o = options(out, 3);
    o.n_data = 0;
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "data: at least one");
    o.n_data = 1;
    o.data = missing;
    assert_fails(ch_train(&r, &o, &e), CH_EIO, e, "/nowhere/at/all");
    o = options(out, 3);
    o.vocab = 60000;
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "60000");
    assert_ok(ch_io_write_file(few, "so little text, so little text\nthat is all\n", 43, &e), e);
    o = options(out, 3);
    o.data = tiny;
    o.vocab = 260;
    o.length = 64;
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "a sequence alone takes 64");
    o = options(out, 3);
    o.tokenizer = text_path;
    assert_true(ch_train(&r, &o, &e) < 0);
    assert_non_null(strstr(e.text, text_path));
    assert_false(ch_checkpoint_exists(out)); /* none of it has begun a run */
    free(out);
    free(few);
}

static void a_run_that_diverges_keeps_its_checkpoint(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    char *out = strdup(path_of("wild", ""));
    ch_train_options o = options(out, 60);
    o.lr =
        10; /* steps of 10 in every weight: products overflow sooner or later, or the norm does */
    o.optimizer = "adamw";
    o.weight_decay = 10;
    o.clip = -1;
    o.warmup = -1;
    o.save_every = 1;
    assert_fails(ch_train(&r, &o, &e), CH_EFORMAT, e, "must be finite");
    assert_true(ch_checkpoint_exists(out));
    json_t *s;
    assert_ok(ch_checkpoint_load(out, NULL, &s, &e), e);
    assert_true(json_integer_value(json_object_get(s, "step")) < 60);
    json_decref(s);
    free(out);
}

static void threads_and_the_file_s_vocabulary(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    char *first = strdup(path_of("first", "")), *second = strdup(path_of("second", ""));
    ch_train_options o = options(first, 4);
    o.arch = "llama";
    assert_ok(ch_train(&r, &o, &e), e);
    o.out = second;
    o.threads = 3;
    o.tokenizer = path_of("first", "model.gguf");
    assert_ok(ch_train(&r, &o, &e), e);
    expect_same_file(path_of("first", "model.safetensors"), path_of("second", "model.safetensors"));
    expect_same_file(path_of("first", "optimizer.safetensors"),
                     path_of("second", "optimizer.safetensors"));
    free(first);
    free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_learns_and_the_model_can_be_used, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(interrupted_and_resumed, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(killed_and_resumed, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(resuming_asks_for_the_same, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(one_process_at_a_time, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(a_run_is_no_text, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(faults_are_sentences, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(a_run_that_diverges_keeps_its_checkpoint, open_dir,
                                        close_dir),
        cmocka_unit_test_setup_teardown(threads_and_the_file_s_vocabulary, open_dir, close_dir),
    };
    return cmocka_run_group_tests_name("train/loop", tests, NULL, NULL);
}
