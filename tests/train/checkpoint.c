/* checkpoint.c - tests of train/checkpoint.c and train/hf.c: to the bit, or not at all
 *
 * SPDX-License-Identifier: MIT */
#include "nano.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char *dir;
static ch_tokenizer *tk;
static ch_corpus corpus;

static int open_all(void **state)
{
    (void)state;
    static const char *const names[] = {"<|endoftext|>"};
    const ch_bpe_options o = {.vocab = 260, .specials = names, .n_special = 1};
    ch_bpe_trainer *bpe;
    ch_err e = {0};
    dir = temp_dir();
    corpus = nano_corpus(2000, 40, 40, 2);
    assert_ok(ch_bpe_trainer_open(&bpe, &o, &e), e);
    assert_ok(ch_bpe_trainer_add(bpe, "a test, a test, a test", 22, &e), e);
    assert_ok(ch_bpe_trainer_finish(&tk, bpe, &e), e);
    ch_bpe_trainer_close(&bpe);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    ch_tokenizer_close(&tk);
    ch_corpus_free(&corpus);
    temp_dir_remove(dir);
    return 0;
}

static char *path_of(const char *name)
{
    static char path[4][4096];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static int save(const nano *n)
{
    ch_err e = {0};
    json_t *state = json_pack("{s:I}", "step", (json_int_t)n->trainer.step);
    assert_non_null(state);
    const int rc = ch_checkpoint_save(dir, &n->trainer, tk, state, &e);
    json_decref(state);
    return rc;
}

static void load(nano *n)
{
    ch_err e = {0};
    json_t *state;
    assert_ok(ch_checkpoint_load(dir, &n->trainer, &state, &e), e);
    json_decref(state);
}

static void everything_comes_back(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        ch_train_options o = nano_options(i % 2 ? "llama" : "qwen3");
        nano a, b;
        o.untied = i / 2;
        nano_open(&a, &o, 1, NULL);
        nano_steps(&a, &corpus, 3, NULL);
        assert_int_equal(save(&a), CH_OK);
        assert_true(ch_checkpoint_exists(dir));
        o.seed = 99;
        nano_open(&b, &o, 2, NULL);
        assert_false(nano_equal(&a, &b));
        load(&b);
        assert_true(nano_equal(&a, &b));
        nano_close(&a);
        nano_close(&b);
    }
}

/* A small model of any architecture, with all that it adds, in place of the options' plain one. */
static void open_arch(nano *n, const ch_arch *arch, const ch_train_options *o, uint64_t seed)
{
    ch_err e = {0};
    const ch_comm self = ch_comm_self();
    ch_config c = {.arch = arch,
                   .layers = 3,
                   .width = o->width,
                   .hidden = o->hidden,
                   .head_width = o->head_width,
                   .vocab = o->vocab,
                   .context = 64};
    assert_ok(ch_config_small(&c, &e), e);
    assert_ok(ch_pool_open(&n->pool, 1, &e), e);
    assert_ok(ch_model_create(&n->model, &c, 0, NULL, &e), e);
    ch_model_shake(n->model, seed, 0.1);
    assert_ok(ch_trainer_open(&n->trainer, n->model, o, &self, n->pool, &e), e);
}

static void every_architecture_comes_back(void **state)
{
    (void)state;
    for (int i = 0; ch_arch_at(i); i++) {
        const ch_train_options o = nano_options("llama");
        nano a, b;
        double loss[5], again[5];
        open_arch(&a, ch_arch_at(i), &o, 1);
        for (int64_t k = 0; k < a.model->bucket; k++)
            a.model->parameters[k] *= (real)0.3; /* gains, too: less 1 they are rounded */
        nano_steps(&a, &corpus, 3, loss);
        assert_int_equal(save(&a), CH_OK);
        open_arch(&b, ch_arch_at(i), &o, 2);
        load(&b);
        if (!nano_equal(&a, &b))
            fail_msg("a %s model comes back as another", ch_arch_at(i)->name);
        nano_steps(&a, &corpus, 5, loss);
        nano_steps(&b, &corpus, 5, again);
        assert_memory_equal(loss + 3, again + 3, 2 * sizeof *loss);
        nano_close(&a);
        nano_close(&b);
    }
}

/* What cp -r and the like make of a run. */
static void copies_without_links_are_told(void **state)
{
    (void)state;
    ch_err e = {0};
    nano n;
    const ch_train_options o = nano_options("llama");
    nano_open(&n, &o, 1, NULL);
    nano_steps(&n, &corpus, 1, NULL);
    assert_int_equal(save(&n), CH_OK);
    assert_ok(ch_checkpoint_links(dir, &e), e);
    assert_ok(ch_checkpoint_claim(dir, false, &e), e); /* its own links are no one else's */
    assert_int_equal(unlink(path_of("current")), 0);
    assert_fails(ch_checkpoint_links(dir, &e), CH_EARG, e, "is a run's, and nothing names it");
    assert_ok(ch_io_make_dir(path_of("current"), &e), e);
    assert_fails(ch_checkpoint_links(dir, &e), CH_EARG, e, "current is no link to");
    assert_int_equal(rmdir(path_of("current")), 0);
    assert_int_equal(symlink("elsewhere", path_of("current")), 0);
    assert_fails(ch_checkpoint_links(dir, &e), CH_EARG, e, "current is no link to");
    nano_close(&n);
}

static void what_is_no_run_s_stays(void **state)
{
    (void)state;
    static const char *const names[] = {"config.json", "model.safetensors", "model.gguf",
                                        "metrics.jsonl", "samples.jsonl"};
    ch_err e = {0};
    assert_ok(ch_checkpoint_claim(dir, false, &e), e);
    for (int i = 0; i < (int)CH_COUNT(names); i++) {
        assert_ok(ch_io_write_file(path_of(names[i]), "mine", 4, &e), e);
        assert_fails(ch_checkpoint_claim(dir, false, &e), CH_EARG, e, names[i]);
        if (i < 3) /* an adapter has no use for a model's places */
            assert_ok(ch_checkpoint_claim(dir, true, &e), e);
        assert_int_equal(unlink(path_of(names[i])), 0);
    }
}

/* 4 steps, saved, loaded elsewhere, 4 more: as 8 at a stretch. */
static void going_on_is_not_having_stopped(void **state)
{
    (void)state;
    const ch_train_options o = nano_options("llama");
    double loss[8], again[8];
    nano whole, first, second;
    nano_open(&whole, &o, 1, NULL);
    nano_open(&first, &o, 2, NULL);
    nano_open(&second, &o, 1, NULL);
    nano_steps(&whole, &corpus, 8, loss);
    nano_steps(&first, &corpus, 4, again);
    assert_int_equal(save(&first), CH_OK);
    load(&second);
    nano_steps(&second, &corpus, 8, again);
    assert_memory_equal(loss, again, sizeof loss);
    assert_true(nano_equal(&whole, &second));
    nano_close(&whole);
    nano_close(&first);
    nano_close(&second);
}

/* Hugging Face turns pairs (i, i + E/2): row 2i + p of a head here is row p E/2 + i there. */
static void rotary_rows_are_in_halves(void **state)
{
    (void)state;
    ch_err e = {0};
    const ch_train_options o = nano_options("llama");
    nano n;
    ch_file *f;
    nano_open(&n, &o, 1, NULL);
    assert_int_equal(save(&n), CH_OK);
    assert_ok(ch_file_open(&f, path_of("model.safetensors"), &e), e);
    const int E = o.head_width, D = o.width;
    const ch_file_tensor *q = ch_file_tensor_find(f, "model.layers.1.self_attn.q_proj.weight");
    const ch_file_tensor *v = ch_file_tensor_find(f, "model.layers.1.self_attn.v_proj.weight");
    assert_true(q && v);
    ch_model_free(&n.model); /* the same weights again, from the seed */
    ch_config c = {.arch = ch_arch_find("llama", 5),
                   .width = D,
                   .heads = 4,
                   .kv_heads = 2,
                   .head_width = E,
                   .hidden = o.hidden,
                   .vocab = o.vocab,
                   .layers = 2,
                   .context = o.length,
                   .norm_eps = 1e-6,
                   .tied = true,
                   .rope = {.dims = E, .base = 10000, .interleaved = true}};
    ch_file *same;
    assert_ok(ch_model_create(&n.model, &c, o.seed, NULL, &e), e);
    assert_ok(ch_file_new(&same, &e), e);
    assert_ok(ch_model_to_file(n.model, same, CH_REAL, NULL, &e), e);
    const real *here = ch_file_tensor_find(same, "blk.1.attn_q.weight")->t.data,
               *there = q->t.data;
    for (int h = 0; h < 4; h++)
        for (int i = 0; i < E / 2; i++)
            for (int p = 0; p < 2; p++)
                assert_memory_equal(here + (h * E + 2 * i + p) * D,
                                    there + (h * E + p * E / 2 + i) * D, (size_t)D * sizeof(real));
    assert_memory_equal(ch_file_tensor_find(same, "blk.1.attn_v.weight")->t.data, v->t.data,
                        v->bytes);
    ch_file_close(&same);
    ch_file_close(&f);
    nano_close(&n);
}

static void config_json_says_what_hugging_face_reads(void **state)
{
    (void)state;
    ch_err e = {0};
    const ch_train_options o = nano_options("qwen3");
    nano n;
    json_t *c;
    nano_open(&n, &o, 1, NULL);
    assert_int_equal(save(&n), CH_OK);
    assert_ok(ch_json_load(&c, path_of("config.json"), 1 << 20, &e), e);
    static const struct {
        const char *key;
        int value;
    } numbers[] = {{"hidden_size", 32},        {"intermediate_size", 48},
                   {"num_hidden_layers", 2},   {"num_attention_heads", 4},
                   {"num_key_value_heads", 2}, {"head_dim", 8},
                   {"vocab_size", 40},         {"max_position_embeddings", 16},
                   {"bos_token_id", 0},        {"eos_token_id", 0},
                   {"rope_theta", 10000}};
    for (size_t i = 0; i < CH_COUNT(numbers); i++)
        assert_true(json_number_value(json_object_get(c, numbers[i].key)) == numbers[i].value);
    assert_string_equal(json_string_value(json_object_get(c, "model_type")), "qwen3");
    assert_string_equal(json_string_value(json_array_get(json_object_get(c, "architectures"), 0)),
                        "Qwen3ForCausalLM");
    assert_string_equal(json_string_value(json_object_get(c, "torch_dtype")), "float32");
    assert_true(json_is_true(json_object_get(c, "tie_word_embeddings")));
    assert_true(json_real_value(json_object_get(c, "rms_norm_eps")) == 1e-6);
    json_decref(c);
    ch_mapping m; /* tensors have Hugging Face's names in the file itself */
    assert_ok(ch_io_map(&m, path_of("model.safetensors"), &e), e);
    assert_non_null(memmem(m.data, m.size, "\"model.layers.1.self_attn.q_norm.weight\"", 40));
    assert_non_null(memmem(m.data, m.size, "\"format\"", 8));
    ch_io_unmap(&m);
    nano_close(&n);
}

/* ---- Interrupted, and damaged --------------------------------------------------------------- */

/* Saves step after step until it is killed; says so before each save. */
static void save_forever(const ch_train_options *o, int fd)
{
    nano n;
    nano_open(&n, o, 1, NULL);
    load(&n);
    for (;;) {
        nano_steps(&n, &corpus, (int)n.trainer.step + 1, NULL);
        if (write(fd, "", 1) != 1 || save(&n) < 0)
            _exit(1);
    }
}

/* Kills it `after_us` into its save number `saves` or thereabouts. */
static void save_and_be_killed(const ch_train_options *o, int saves, uint64_t after_us)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        save_forever(o, ends[1]);
    close(ends[1]);
    for (int i = 0; i < saves; i++) {
        char byte;
        assert_int_equal(read(ends[0], &byte, 1), 1);
    }
    usleep((useconds_t)after_us);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    close(ends[0]);
}

static void killed_at_any_moment(void **state)
{
    (void)state;
    ch_train_options o = nano_options("llama");
    nano n, whole;
    o.accumulate = 1;
    nano_open(&n, &o, 1, NULL);
    const uint64_t began = ch_clock_ns();
    assert_int_equal(save(&n), CH_OK);
    const uint64_t usual_us = (ch_clock_ns() - began) / 1000 + 1; /* of a save on this machine */
    for (int i = 0; i < 10; i++) {
        const int64_t reached = n.trainer.step, saves = 1 + i % 2;
        save_and_be_killed(&o, (int)saves, ch_rng_below(usual_us, 4, CH_RNG_TEST, 0, (uint64_t)i));
        load(&n); /* whole, and with every save that had ended */
        assert_true(n.trainer.step >= reached + saves - 1);
    }
    nano_open(&whole, &o, 1, NULL);
    nano_steps(&whole, &corpus, (int)n.trainer.step, NULL);
    assert_true(nano_equal(&n, &whole));
    nano_close(&whole);
    nano_close(&n);
}

static void what_is_left_lying_is_cleared(void **state)
{
    (void)state;
    ch_err e = {0};
    const ch_train_options o = nano_options("qwen3");
    nano n;
    nano_open(&n, &o, 1, NULL);
    assert_int_equal(save(&n), CH_OK);
    const bool first = ch_io_is_dir(path_of("checkpoint.0"));
    assert_true(first != ch_io_is_dir(path_of("checkpoint.1"))); /* only one */
    const char *other = first ? "checkpoint.1" : "checkpoint.0";
    assert_ok(ch_io_make_dir(path_of(other), &e), e);
    char name[64];
    snprintf(name, sizeof name, "%s/.chalcis-1-0.tmp", other);
    assert_ok(ch_io_write_file(path_of(name), "half", 4, &e), e);
    nano_steps(&n, &corpus, 1, NULL);
    assert_int_equal(save(&n), CH_OK);
    assert_true(ch_io_is_dir(path_of(other)));
    assert_false(ch_io_exists(path_of(name)));
    assert_int_equal(save(&n), CH_OK);
    assert_false(ch_io_is_dir(path_of(other)));
    nano_close(&n);
}

static void a_failed_save_leaves_the_last(void **state)
{
    (void)state;
    ch_err e = {0};
    const ch_train_options o = nano_options("qwen3");
    nano n, kept;
    json_t *left = json_pack("{s:I}", "step", (json_int_t)1), *s;
    nano_open(&n, &o, 1, NULL);
    nano_open(&kept, &o, 1, NULL);
    assert_int_equal(save(&n), CH_OK);
    nano_steps(&n, &corpus, 1, NULL);
    const bool first = ch_io_is_dir(path_of("checkpoint.0"));
    assert_ok(ch_io_write_file(path_of(first ? "checkpoint.1" : "checkpoint.0"), "", 0, &e),
              e); /* in the way */
    assert_int_equal(ch_checkpoint_save(dir, &n.trainer, tk, left, &e), CH_EIO);
    assert_ok(ch_checkpoint_load(dir, &kept.trainer, &s, &e), e);
    assert_int_equal(kept.trainer.step, 0);
    assert_fails(ch_checkpoint_save("/nowhere", &n.trainer, tk, left, &e), CH_EIO, e, "/nowhere");
    assert_int_equal(unlink(path_of(first ? "checkpoint.1" : "checkpoint.0")), 0);
    json_decref(s);
    json_decref(left);
    nano_close(&n);
    nano_close(&kept);
}

static void damage_is_told(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_options o = nano_options("qwen3");
    nano n, other;
    json_t *s;
    nano_open(&n, &o, 1, NULL);
    assert_int_equal(save(&n), CH_OK);
    o.hidden = 64;
    nano_open(&other, &o, 1, NULL);
    assert_int_equal(ch_checkpoint_load(dir, &other.trainer, &s, &e), CH_EFORMAT);
    assert_non_null(strstr(e.text, "ffn_gate"));
    static const char *const files[] = {"current/state.json", "current/model.safetensors",
                                        "current/optimizer.safetensors"};
    for (size_t i = 0; i < CH_COUNT(files); i++) {
        ch_buf b;
        ch_buf_init(&b, 1 << 24);
        assert_ok(ch_io_read_file(&b, path_of(files[i]), &e), e);
        for (size_t part = 0; part < 4; part++) {
            assert_ok(ch_io_write_file(path_of(files[i]), b.data, b.size * part / 4, &e), e);
            assert_true(ch_checkpoint_load(dir, &n.trainer, &s, &e) < 0);
            assert_non_null(strstr(e.text, files[i] + 8));
            assert_null(s);
        }
        assert_ok(ch_io_write_file(path_of(files[i]), b.data, b.size, &e), e);
        ch_buf_close(&b);
    }
    load(&n);
    nano_close(&n);
    nano_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_comes_back, open_all, close_all),
        cmocka_unit_test_setup_teardown(every_architecture_comes_back, open_all, close_all),
        cmocka_unit_test_setup_teardown(copies_without_links_are_told, open_all, close_all),
        cmocka_unit_test_setup_teardown(what_is_no_run_s_stays, open_all, close_all),
        cmocka_unit_test_setup_teardown(going_on_is_not_having_stopped, open_all, close_all),
        cmocka_unit_test_setup_teardown(rotary_rows_are_in_halves, open_all, close_all),
        cmocka_unit_test_setup_teardown(config_json_says_what_hugging_face_reads, open_all,
                                        close_all),
        cmocka_unit_test_setup_teardown(killed_at_any_moment, open_all, close_all),
        cmocka_unit_test_setup_teardown(what_is_left_lying_is_cleared, open_all, close_all),
        cmocka_unit_test_setup_teardown(a_failed_save_leaves_the_last, open_all, close_all),
        cmocka_unit_test_setup_teardown(damage_is_told, open_all, close_all),
    };
    return cmocka_run_group_tests_name("train/checkpoint", tests, NULL, NULL);
}
