/* guards.c - tests of what keeps a run in order: spikes, running mean, ramp, patience, time, disks
 *
 * SPDX-License-Identifier: MIT */
#include "runs.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char text_path[4096], run_path[4096];
static const char *const texts[] = {text_path};

static int open_dir(void **state)
{
    (void)state;
    dir = temp_dir();
    snprintf(text_path, sizeof text_path, "%s/text.txt", dir);
    snprintf(run_path, sizeof run_path, "%s/run", dir);
    nano_text(text_path, 12000, 1);
    return 0;
}

static ch_train_options options(int steps)
{
    return (ch_train_options){.data = texts,
                              .n_data = 1,
                              .held_out = 0.2,
                              .vocab = 280,
                              .layers = 1,
                              .width = 32,
                              .head_width = 16,
                              .hidden = 32,
                              .length = 16,
                              .micro_batch = 2,
                              .accumulate = 2,
                              .steps = steps,
                              .out = run_path,
                              .threads = 1,
                              .seed = 3};
}

/* ---- Spikes --------------------------------------------------------------------------------- */

static void a_leap_is_left_out(void **state)
{
    (void)state;
    ch_spike s = {.limit = 5};
    for (int i = 0; i < 40; i++) /* falling and noisy, as losses are */
        assert_false(ch_spike_see(&s, 7 - 0.05 * i + 0.1 * (i % 3), 1 + 0.2 * (i % 2)));
    const ch_spike before = s;
    assert_true(ch_spike_see(&s, 14, 1));
    assert_true(ch_spike_see(&s, 5, 40));
    assert_true(ch_spike_see(&s, (double)NAN, 1));
    assert_true(ch_spike_see(&s, 5, (double)INFINITY));
    assert_true(s.skipped == 4 && s.in_a_row == 4 && s.seen == before.seen);
    assert_memory_equal(s.mean, before.mean, sizeof s.mean); /* nothing learned from them */
    assert_memory_equal(s.var, before.var, sizeof s.var);
    assert_false(ch_spike_see(&s, 1, 0.01)); /* a leap down is welcome */
    assert_int_equal(s.in_a_row, 0);
    ch_spike early = {.limit = 5}, off = {0};
    assert_false(ch_spike_see(&early, 1, 1) || ch_spike_see(&early, 100, 100));
    assert_false(ch_spike_see(&off, (double)NAN, 1));
}

static void the_guard_s_state_survives(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_spike s = {.limit = 5}, read = {.limit = 5};
    ch_buf b;
    for (int i = 0; i < 33; i++)
        ch_spike_see(&s, 1.0 / (3 + i), i % 7 == 6 ? (double)NAN : 0.1 * i);
    json_t *v = ch_spike_to_json(&s), *back;
    ch_buf_init(&b, 4096);
    assert_ok(ch_json_dump(&b, v, &e), e);
    assert_ok(ch_json_parse(&back, b.data, b.size, "state", &e), e);
    assert_ok(ch_spike_from_json(&read, back, &e), e);
    assert_true(s.seen == read.seen && s.skipped == read.skipped && s.in_a_row == read.in_a_row);
    assert_memory_equal(s.mean, read.mean, sizeof s.mean);
    assert_memory_equal(s.var, read.var, sizeof s.var);
    json_object_set_new(back, "mean", json_string("high"));
    assert_fails(ch_spike_from_json(&read, back, &e), CH_EFORMAT, e, "\"spike\"");
    assert_fails(ch_spike_from_json(&read, NULL, &e), CH_EFORMAT, e, "\"spike\"");
    json_decref(v);
    json_decref(back);
    ch_buf_close(&b);
}

static void too_many_spikes_end_the_run(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_corpus c = nano_corpus(3000, 40, 40, 2);
    ch_train_options o = nano_options("qwen3");
    double loss, norm;
    nano n, copy;
    o.spike = 5;
    nano_open(&n, &o, 1, NULL);
    nano_open(&copy, &o, 1, NULL);
    n.model->parameters[3] = copy.model->parameters[3] = (real)NAN;
    for (int i = 1; i < CH_SPIKES_IN_A_ROW; i++)
        assert_ok(ch_trainer_step(&n.trainer, &c, 1e-3, &loss, &norm, &e), e);
    assert_int_equal(n.trainer.spike.skipped, CH_SPIKES_IN_A_ROW - 1);
    assert_int_equal(n.trainer.step, CH_SPIKES_IN_A_ROW - 1);
    assert_fails(ch_trainer_step(&n.trainer, &c, 1e-3, &loss, &norm, &e), CH_EFORMAT, e,
                 "10 steps in a row");
    n.trainer.step = 0;
    assert_true(nano_equal(&n, &copy)); /* and nothing was updated */
    nano_close(&n);
    nano_close(&copy);
    ch_corpus_free(&c);
}

/* ---- Running mean and ramp ------------------------------------------------------------------ */

static void the_mean_follows_the_weights(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_corpus c = nano_corpus(3000, 40, 40, 2);
    ch_train_options o = nano_options("qwen3");
    enum { STEPS = 6 };
    nano n;
    o.ema = 0.5;
    nano_open(&n, &o, 2, NULL);
    const int64_t count = n.model->bucket;
    double *mean = calloc((size_t)count, sizeof *mean);
    assert_non_null(mean);
    for (int64_t i = 0; i < count; i++)
        mean[i] = (double)n.model->parameters[i];
    for (int t = 1; t <= STEPS; t++) {
        nano_steps(&n, &c, t, NULL);
        const double keep = fmin(0.5, (1.0 + t) / (10.0 + t));
        for (int64_t i = 0; i < count; i++)
            mean[i] = keep * mean[i] + (1 - keep) * (double)n.model->parameters[i];
    }
    double apart = 0;
    for (int64_t i = 0; i < count; i++) {
        assert_true(fabs((double)n.trainer.ema[i] - mean[i]) < 1e-6);
        apart = fmax(apart, fabs(mean[i] - (double)n.model->parameters[i]));
    }
    assert_true(apart > 1e-4);
    double of_mean, of_weights;
    int64_t scored;
    real *ema = n.trainer.ema;
    assert_ok(ch_trainer_eval(&n.trainer, &c, 1000, &of_mean, &scored, &e), e);
    n.trainer.ema = NULL;
    assert_ok(ch_trainer_eval(&n.trainer, &c, 1000, &of_weights, &scored, &e), e);
    assert_true(of_mean != of_weights); /* the mean was scored */
    memcpy(n.model->parameters, ema, (size_t)count * sizeof *ema);
    assert_ok(ch_trainer_eval(&n.trainer, &c, 1000, &of_weights, &scored, &e), e);
    assert_true(of_mean == of_weights);
    n.trainer.ema = ema;
    free(mean);
    nano_close(&n);
    ch_corpus_free(&c);
}

static void a_ramp_halves_the_first_steps(void **state)
{
    (void)state;
    ch_corpus c = nano_corpus(3000, 40, 40, 2);
    ch_train_options o = nano_options("qwen3"), half = o;
    nano n, m;
    double ramped[12], plain[12];
    o.ramp = 0.1; /* of 100 steps */
    half.accumulate = o.accumulate / 2;
    nano_open(&n, &o, 1, NULL);
    nano_open(&m, &half, 1, NULL);
    assert_int_equal(ch_trainer_leaves_before(&n.trainer, 10), 40);
    assert_int_equal(ch_trainer_leaves_before(&n.trainer, 11), 48);
    assert_int_equal(ch_trainer_leaves_before(&n.trainer, 100), 40 + 90 * 8);
    nano_steps(&n, &c, 12, ramped);
    nano_steps(&m, &c, 12, plain);
    for (int i = 0; i < 12; i++)
        assert_true((ramped[i] == plain[i]) == (i < 10));
    nano_close(&n);
    nano_close(&m);
    ch_corpus_free(&c);
}

/* ---- When to stop --------------------------------------------------------------------------- */

static void patience_ends_a_run(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    char gguf[4200];
    ch_train_options o = options(400);
    o.lr = 2e-2; /* too much: held-out text gets no better for long */
    o.schedule = "constant";
    o.eval_every = 4;
    o.patience = 2;
    assert_ok(ch_train(&r, &o, &e), e);
    assert_true(r.finished && r.steps < 400 && r.steps % 4 == 0);
    snprintf(gguf, sizeof gguf, "%s/model.gguf", run_path);
    assert_true(ch_io_exists(gguf));
    const int steps = r.steps;
    o.resume = true; /* it knows that it has stopped */
    assert_ok(ch_train(&r, &o, &e), e);
    assert_true(r.finished && r.steps == steps);
    o.eval_every = 3; /* and would have stopped elsewhere with these */
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "eval_every is 4 in the run and 3");
    o.eval_every = 0;
    o.eval_tokens = 160;
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "eval_tokens is 65536 in the run and 160");
    o.eval_tokens = 0;
    assert_ok(ch_train(&r, &o, &e), e);
    assert_true(r.finished && r.steps == steps);
}

static int stored_int(const char *name)
{
    ch_err e = {0};
    json_t *s;
    assert_ok(ch_checkpoint_load(run_path, NULL, &s, &e), e);
    const json_t *v = json_object_get(json_object_get(s, "options"), name);
    assert_true(json_is_integer(v));
    const int value = (int)json_integer_value(v);
    json_decref(s);
    return value;
}

/* Where they decide nothing a resumed run may have others. */
static void validations_without_patience_are_free(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    volatile int stop = 1;
    ch_train_options o = options(8), part = o;
    part.cancel = &stop;
    part.eval_every = -1;
    part.eval_tokens = 320;
    assert_ok(ch_train(&r, &part, &e), e);
    assert_int_equal(stored_int("eval_every"), -1);
    part.resume = true; /* the same again */
    assert_ok(ch_train(&r, &part, &e), e);
    o.resume = true;
    o.eval_every = -1;
    o.eval_tokens = -7;
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "eval_tokens is -7");
    o.eval_every = 2;
    o.eval_tokens = 0;
    assert_ok(ch_train(&r, &o, &e), e);
    assert_true(r.finished && isfinite(r.val_loss));
    assert_int_equal(stored_int("eval_every"), 2);
    assert_int_equal(stored_int("eval_tokens"), 320);
}

static void hours_become_steps_once(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    json_t *s;
    ch_train_options o = options(0);
    o.hours = 0.3 / 3600; /* under the least allowed */
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "hours is");
    o.hours = 1e-4;
    o.ramp = 0.5;
    assert_ok(ch_train(&r, &o, &e), e);
    assert_true(r.steps >= 1 && r.finished);
    assert_ok(ch_checkpoint_load(run_path, NULL, &s, &e), e);
    const json_t *stored = json_object_get(json_object_get(s, "options"), "steps");
    assert_int_equal(json_integer_value(stored), r.steps);
    json_decref(s);
    const int steps = r.steps;
    o.resume = true;
    o.hours = 7; /* says nothing any more */
    assert_ok(ch_train(&r, &o, &e), e);
    assert_int_equal(r.steps, steps);
}

static void time_stops_with_a_checkpoint(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    ch_train_options o = options(1000000);
    o.time = 0.05 / 3600;
    o.eval_every = o.save_every = -1;
    assert_ok(ch_train(&r, &o, &e), e);
    assert_true(!r.finished && r.steps < 1000000 && ch_checkpoint_exists(run_path));
}

/* ---- Texts and disks ------------------------------------------------------------------------ */

static void nothing_held_out_is_no_fault(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    ch_train_options o = options(4);
    o.held_out = -1;
    assert_ok(ch_train(&r, &o, &e), e);
    assert_true(r.finished && isnan(r.val_loss) && isnan(r.val_bpb) && isfinite(r.loss));
    o = options(4);
    assert_ok(ch_io_write_file(text_path, "", 0, &e), e);
    snprintf(run_path, sizeof run_path, "%s/other", dir);
    assert_true(ch_train(&r, &o, &e) < 0 && e.text[0]);
    assert_false(ch_checkpoint_exists(run_path));
}

/* Where files may grow to `limit` bytes only, in a process of its own: 0 where the sentence is
 * about a file that could not be written. */
static int train_with_limit(const ch_train_options *o, rlim_t limit)
{
    const pid_t child = fork();
    int status;
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit l = {limit, limit};
        ch_err e = {0};
        ch_train_result r;
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &l) != 0)
            _exit(3);
        if (ch_train(&r, o, &e) == CH_OK)
            _exit(2);
        _exit(e.code == CH_EIO && strstr(e.text, dir) ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void a_full_disk_leaves_the_last_checkpoint(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    json_t *s;
    volatile int stop = 1;
    ch_train_options o = options(8), part = o;
    part.cancel = &stop;
    assert_ok(ch_train(&r, &part, &e), e); /* the checkpoint of step 0 */
    o.resume = true;
    o.save_every = 2;
    static const rlim_t limits[] = {16384, 40000, 1000};
    for (size_t i = 0; i < CH_COUNT(limits); i++) {
        assert_int_equal(train_with_limit(&o, limits[i]), 0);
        assert_ok(ch_checkpoint_load(run_path, NULL, &s, &e), e);
        assert_int_equal(json_integer_value(json_object_get(s, "step")), 0);
        json_decref(s);
    }
    assert_ok(ch_train(&r, &o, &e), e); /* there is room again */
    assert_true(r.finished && r.steps == 8);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, open_dir, close_dir)
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leap_is_left_out),
        cmocka_unit_test(the_guard_s_state_survives),
        cmocka_unit_test(too_many_spikes_end_the_run),
        cmocka_unit_test(the_mean_follows_the_weights),
        cmocka_unit_test(a_ramp_halves_the_first_steps),
        TEST(patience_ends_a_run),
        TEST(validations_without_patience_are_free),
        TEST(hours_become_steps_once),
        TEST(time_stops_with_a_checkpoint),
        TEST(nothing_held_out_is_no_fault),
        TEST(a_full_disk_leaves_the_last_checkpoint),
    };
    return cmocka_run_group_tests_name("train/guards", tests, NULL, NULL);
}
