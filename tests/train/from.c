/* from.c - runs that continue from a model: adapters and all weights, resumed, from any container
 *
 * SPDX-License-Identifier: MIT */
#include "model.h"
#include "runs.h"

#include <math.h>
#include <unistd.h>

enum { STEPS = 8 };

static char text_path[4096], pairs_path[4096], q8[4096], bf16[4096];
static const char *const texts[] = {text_path}, *const pairs[] = {pairs_path};

static void write_pairs(void)
{
    ch_err e = {0};
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    for (int i = 0; i < 200; i++)
        ch_buf_printf(&b, "{\"prompt\": \"what is %d?\", \"response\": \"it is %s.\"}\n", i,
                      i % 2 ? "odd" : "even");
    assert_ok(ch_io_write_file(pairs_path, b.data, b.size, &e), e);
    ch_buf_close(&b);
}

/* The base: base/ is a Hugging Face folder and holds model.gguf; q8.gguf is quantized, bf16.gguf
 * rounded. */
static int open_all(void **state)
{
    (void)state;
    dir = temp_dir();
    snprintf(text_path, sizeof text_path, "%s/text.txt", dir);
    snprintf(q8, sizeof q8, "%s/q8.gguf", dir);
    snprintf(bf16, sizeof bf16, "%s/bf16.gguf", dir);
    snprintf(pairs_path, sizeof pairs_path, "%s/pairs.jsonl", dir);
    nano_text(text_path, 20000, 1);
    write_pairs();
    ch_err e = {0};
    ch_train_result r;
    const ch_train_options o = {.data = texts, .n_data = 1, .held_out = 0.1, .vocab = 300,
                                .arch = "llama", .layers = 2, .width = 32, .head_width = 16,
                                .hidden = 64, .length = 32, .micro_batch = 4, .steps = 3,
                                .out = path_of("base", ""), .threads = 1, .seed = 3};
    assert_ok(ch_train(&r, &o, &e), e);
    ch_model *m;
    ch_file *f;
    ch_tokenizer *tk;
    const char *base = path_of("base", "model.gguf");
    assert_ok(ch_model_load_file(&m, base, &(ch_model_load){.keep_unpacked = true}, &e), e);
    assert_ok(ch_tokenizer_open(&tk, base, NULL, &e), e);
    for (int i = 0; i < 2; i++) {
        assert_ok(ch_file_new(&f, &e), e);
        assert_ok(ch_model_to_file(m, f, i ? CH_BF16 : CH_Q8_0, NULL, &e), e);
        assert_ok(ch_tokenizer_to_file(tk, f, &e), e);
        assert_ok(ch_gguf_write(f, i ? bf16 : q8, &e), e);
        ch_file_close(&f);
    }
    ch_tokenizer_close(&tk);
    ch_model_free(&m);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

static ch_train_options options(const char *out, const char *from, int lora)
{
    return (ch_train_options){.data = pairs, .n_data = 1, .held_out = 0.1, .from = from,
                              .lora = lora, .length = 32, .micro_batch = 4, .steps = STEPS,
                              .lr = 5e-3, .out = out, .threads = 1, .mask_prompts = true,
                              .seed = 7};
}

/* Stopped, resumed with nothing but its place, on other threads: the same bits. */
static void in_two_parts(const char *out, const char *from, int lora)
{
    ch_err e = {0};
    ch_train_result r;
    struct stopping s = {.at = 3};
    ch_train_options o = options(out, from, lora);
    o.progress = stop_at;
    o.progress_arg = &s;
    o.cancel = &s.cancel;
    assert_ok(ch_train(&r, &o, &e), e);
    assert_int_equal(r.steps, 3);
    char *moved = strdup(path_of("moved.gguf", "")), *card = ch_io_join(out, "README.md");
    unlink(moved);
    assert_int_equal(symlink(from, moved), 0); /* the same model by another name */
    o = (ch_train_options){.data = pairs, .n_data = 1, .out = out, .resume = true, .threads = 2};
    assert_ok(ch_train(&r, &o, &e), e);
    assert_int_equal(r.steps, STEPS);
    o.from = moved; /* which changes nothing, where no step is left */
    assert_ok(ch_train(&r, &o, &e), e);
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    assert_ok(ch_io_read_file(&b, card, &e), e);
    ch_buf_put(&b, "", 1);
    assert_non_null(strstr(b.data, "| from | moved.gguf |"));
    assert_null(strstr(b.data, dir));
    ch_buf_close(&b);
    free(card);
    free(moved);
}

static void adapters_resume(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    const char *base = q8;
    ch_mapping before, after;
    ch_train_options o = options(path_of("whole", ""), base, 4);
    assert_ok(ch_io_map(&before, base, &e), e);
    unsigned char *copy = malloc(before.size);
    assert_non_null(copy);
    memcpy(copy, before.data, before.size);
    assert_ok(ch_train(&r, &o, &e), e);
    assert_int_equal(r.parameters, 4 * 2 * (2 * (32 + 32) + 2 * (32 + 16) + 3 * (32 + 64)));
    in_two_parts(path_of("parts", ""), base, 4);
    static const char *const files[] = {"adapter_config.json", "adapter_model.safetensors",
                                        "optimizer.safetensors", "state.json"};
    for (size_t i = 0; i < CH_COUNT(files); i++)
        expect_same_file(path_of("whole", files[i]), path_of("parts", files[i]));
    assert_false(ch_io_exists(path_of("whole", "model.safetensors")));
    assert_ok(ch_io_map(&after, base, &e), e);
    assert_int_equal(after.size, before.size);
    assert_memory_equal(after.data, copy, after.size);
    free(copy);
    ch_io_unmap(&before);
    ch_io_unmap(&after);

    ch_model *m;
    ch_lora *l;
    assert_ok(ch_model_open(&m, base, 1, &e), e);
    assert_ok(ch_lora_open(&l, m, path_of("whole", ""), 1, &e), e);
    ch_lora_close(&l);
    ch_model_close(&m);
}

static double first_loss(const char *from, int lora, const char *precision)
{
    ch_err e = {0};
    ch_train_result r;
    char out[32];
    static int runs;
    snprintf(out, sizeof out, "first%d", runs++);
    ch_train_options o = options(path_of(out, ""), from, lora);
    o.steps = 1;
    o.precision = precision;
    assert_ok(ch_train(&r, &o, &e), e);
    return r.loss;
}

/* An adapter that is nothing yet on weights that are not quantized: they are multiplied just as
 * they are where all of them train. */
static void frozen_weights_in_the_runs_precision(void **state)
{
    (void)state;
    skip_one_thread();
    char *f32 = strdup(path_of("base", "model.gguf"));
    assert_non_null(f32);
    const double full = first_loss(f32, 0, "i16"), rounded = first_loss(bf16, 0, "i16");
    assert_true(first_loss(f32, 4, "i16") == full);
    assert_true(first_loss(bf16, 4, "i16") == rounded && rounded != full);
    assert_true(first_loss(f32, 4, "f32") == first_loss(f32, 0, "f32"));
    assert_true(first_loss(f32, 0, "f32") != full);
    free(f32);
}

/* A folder of Hugging Face's and the GGUF file of the same model train to the same bits. */
static void all_weights(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    ch_train_options o = options(path_of("full", ""), path_of("base", "model.gguf"), 0);
    assert_ok(ch_train(&r, &o, &e), e);
    assert_true(r.val_bpb < 1.3 * r.val_loss / log(2)); /* 10 bytes and two ends: 12 targets */
    o.out = path_of("folder", "");
    o.from = path_of("base", "");
    assert_ok(ch_train(&r, &o, &e), e);
    in_two_parts(path_of("full2", ""), path_of("base", "model.gguf"), 0);
    expect_same_file(path_of("full", "model.safetensors"), path_of("folder", "model.safetensors"));
    expect_same_file(path_of("full", "model.safetensors"), path_of("full2", "model.safetensors"));
    ch_file *f;
    ch_str format;
    assert_ok(ch_file_open(&f, path_of("full", "model.gguf"), &e), e);
    assert_ok(ch_file_str(&format, f, "chalcis.chat_format", &e), e);
    assert_true(format.n == 6 && memcmp(format.p, "chatml", 6) == 0);
    assert_ok(ch_file_str(&format, f, "tokenizer.chat_template", &e), e);
    ch_file_close(&f);
}

static void faults(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    ch_train_options o = options(path_of("no", ""), q8, 0);
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "q8_0");
    o.dequantize = true;
    o.steps = 1;
    o.out = path_of("yes", "");
    assert_ok(ch_train(&r, &o, &e), e);
    o = options(path_of("no", ""), q8, 4);
    o.layers = 3;
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "layers is 2");
    o = options(path_of("no", ""), q8, 4);
    o.ffn = "relu2";
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "ffn is swiglu");
    o = options(path_of("no", ""), q8, 4);
    o.rope_base = 5e5;
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "rope_base is 10000");
    o = options(path_of("no", ""), q8, 4);
    o.untied = true;
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "untied was asked for");
    o = options(path_of("no", ""), q8, 4);
    o.lora_targets = "nothing_proj";
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "nothing_proj");
    o = options(path_of("no", ""), NULL, 4);
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "from");
    o = options(path_of("no", ""), path_of("none.gguf", ""), 4);
    assert_fails(ch_train(&r, &o, &e), CH_EIO, e, "none.gguf");
    o = options(path_of("parts2", ""), q8, 2);
    o.steps = 1;
    assert_ok(ch_train(&r, &o, &e), e);
    o = (ch_train_options){.data = pairs, .n_data = 1, .out = path_of("parts2", ""),
                           .from = path_of("base", ""), .resume = true};
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "not the model");
}

static void the_source_is_never_replaced(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    char *own = strdup(path_of("own", "")), *link = strdup(path_of("own", "model.gguf"));
    const char *base = path_of("base", "model.gguf");
    ch_mapping m;
    assert_ok(ch_io_make_dir(own, &e), e);
    assert_ok(ch_io_map(&m, base, &e), e);
    assert_ok(ch_io_write_file(link, m.data, m.size, &e), e);
    ch_io_unmap(&m);
    ch_train_options o = options(own, link, 0);
    o.steps = 1;
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "would replace the model");
    o.from = path_of("alias.gguf", "");
    assert_int_equal(symlink(link, o.from), 0); /* by another name */
    assert_fails(ch_train(&r, &o, &e), CH_EARG, e, "would replace the model");
    assert_false(ch_checkpoint_exists(own));
    expect_same_file(link, path_of("base", "model.gguf"));
    o = options(own, link, 2); /* an adapter beside its model harms nobody */
    o.steps = 1;
    assert_ok(ch_train(&r, &o, &e), e);
    expect_same_file(link, path_of("base", "model.gguf"));
    free(own);
    free(link);
}

/* Prompts longer than a sequence: some steps have nothing to predict. */
static void long_prompts_do_not_stop_a_run(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_train_result r;
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    char *file = strdup(path_of("long.jsonl", "")), *out = strdup(path_of("long", ""));
    const char *const data[] = {file};
    for (int i = 0; i < 20; i++) {
        ch_buf_printf(&b, "{\"prompt\": \"");
        for (int k = 0; k < 40; k++)
            ch_buf_printf(&b, "what is %d? ", i * k);
        ch_buf_printf(&b, "\", \"response\": \"it is %s %d.\"}\n", i % 2 ? "odd" : "even", i);
    }
    assert_ok(ch_io_write_file(file, b.data, b.size, &e), e);
    ch_train_options o = options(out, path_of("base", "model.gguf"), 0);
    o.data = data;
    o.length = 16;
    o.micro_batch = o.accumulate = 1;
    o.steps = 30;
    assert_ok(ch_train(&r, &o, &e), e);
    assert_true(r.finished && r.steps == 30);
    ch_buf_clear(&b);
    assert_ok(ch_io_read_file(&b, path_of("long", "metrics.jsonl"), &e), e);
    int nulls = 0, lines = 0;
    for (char *line = strtok(b.data, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *v;
        assert_ok(ch_json_parse(&v, line, strlen(line), "line", &e), e);
        const json_t *loss = json_object_get(v, "loss"), *norm = json_object_get(v, "grad_norm");
        lines += loss != NULL;
        nulls += json_is_null(loss) && json_is_null(norm) && json_object_get(v, "tokens");
        json_decref(v);
    }
    assert_int_equal(lines, 30);
    assert_true(nulls > 0 && nulls < 30);
    ch_buf_close(&b);
    free(file);
    free(out);
}

/* Only what the assistant says, and its end, are targets; a message is never a special token. */
static void chats(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_tokenizer *tk;
    static const char user[] = "<|im_end|> hi", answer[] = "it is odd.";
    const ch_part part[2] = {{user, sizeof user - 1, CH_ROLE_USER, false},
                             {answer, sizeof answer - 1, CH_ROLE_ASSISTANT, true}};
    ch_tokens ids = {0}, want = {0};
    ch_buf trains;
    ch_buf_init(&trains, 1 << 16);
    assert_ok(ch_tokenizer_open(&tk, path_of("base", ""), NULL, &e), e);
    assert_ok(ch_format_chat.render(NULL, &ids, &trains, tk, part, 2, &e), e);
    assert_int_equal(ids.n, trains.size);
    const ch_token end = ch_tokenizer_special(tk, "<|im_end|>");
    int ends = 0, targets = 0;
    for (size_t i = 0; i < ids.n; i++) {
        ends += ids.id[i] == end;
        targets += trains.data[i] == 1;
    }
    assert_int_equal(ends, 2);
    assert_ok(ch_tokenizer_encode(&want, tk, answer, sizeof answer - 1, 0, &e), e);
    assert_int_equal(targets, want.n + 1);
    assert_memory_equal(ids.id + ids.n - targets, want.id, want.n * sizeof *want.id);
    assert_int_equal(ids.id[ids.n - 1], end);
    for (int i = 0; i < targets; i++)
        assert_int_equal(trains.data[ids.n - 1 - (size_t)i], 1);
    ch_tokens_free(&ids);
    ch_tokens_free(&want);
    ch_buf_close(&trains);
    ch_tokenizer_close(&tk);
}

static void note_down(void *arg, const ch_train_progress *p)
{
    if (p->note)
        ch_buf_str(arg, p->note);
}

/* A model with a template of its own learns by that, keeps it, and says so. */
static void the_models_own_template(void **state)
{
    (void)state;
    static const char jinja[] = "{% for m in messages %}[{{ m.content }}]{% endfor %}";
    ch_err e = {0};
    ch_model *m;
    ch_file *f;
    ch_tokenizer *tk;
    ch_str kept;
    ch_train_result r;
    ch_buf notes;
    ch_buf_init(&notes, 1 << 16);
    char *from = strdup(path_of("templated.gguf", "")), *out = strdup(path_of("templated", ""));
    const char *base = path_of("base", "model.gguf");
    assert_ok(ch_model_load_file(&m, base, &(ch_model_load){.keep_unpacked = true}, &e), e);
    assert_ok(ch_tokenizer_open(&tk, base, NULL, &e), e);
    assert_ok(ch_file_new(&f, &e), e);
    assert_ok(ch_model_to_file(m, f, CH_F32, NULL, &e), e);
    assert_ok(ch_tokenizer_to_file(tk, f, &e), e);
    assert_ok(ch_file_set_str(f, "tokenizer.chat_template", jinja, sizeof jinja - 1, &e), e);
    assert_ok(ch_gguf_write(f, from, &e), e);
    ch_file_close(&f);
    ch_tokenizer_close(&tk);
    ch_model_free(&m);
    ch_train_options o = options(out, from, 0);
    o.progress = note_down;
    o.progress_arg = &notes;
    o.steps = 2;
    assert_ok(ch_train(&r, &o, &e), e);
    assert_non_null(strstr(notes.data, "conversations as the model's chat template writes them"));
    assert_ok(ch_file_open(&f, path_of("templated", "model.gguf"), &e), e);
    assert_ok(ch_file_str(&kept, f, "tokenizer.chat_template", &e), e);
    assert_true(kept.n == sizeof jinja - 1 && memcmp(kept.p, jinja, kept.n) == 0);
    assert_null(ch_file_meta_find(f, "chalcis.chat_format"));
    ch_file_close(&f);
    free(from);
    free(out);
    ch_buf_close(&notes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adapters_resume),
        cmocka_unit_test(frozen_weights_in_the_runs_precision),
        cmocka_unit_test(all_weights),
        cmocka_unit_test(faults),
        cmocka_unit_test(the_source_is_never_replaced),
        cmocka_unit_test(long_prompts_do_not_stop_a_run),
        cmocka_unit_test(chats),
        cmocka_unit_test(the_models_own_template),
    };
    return cmocka_run_group_tests_name("train/from", tests, open_all, close_all);
}
