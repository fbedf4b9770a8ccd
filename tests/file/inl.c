/* inl.c - checkpoints of INL-LLM: every spelling, what nobody reads, steps from the budget
 *
 * SPDX-License-Identifier: MIT */
#include "folders.h"

#include "conversion.h"
#include "model.h"
#include "store.h"

/* ---- Files ----------------------------------------------------------------------------------- */

typedef struct spelling {
    const char *prefix;
    bool inner, old, apart; /* inl.x for inl.inl.x; in_proj_weight; q_proj, k_proj, v_proj */
} spelling;

static void put_part(ch_file *f, const char *name, const ch_tensor *t, int64_t row0, int64_t rows)
{
    ch_err e = {0};
    ch_tensor part = *t;
    part.data = (char *)t->data + ch_dtype_bytes(t->dtype, row0 * (ch_tensor_count(t) / t->dim[0]));
    part.dim[0] = rows;
    assert_ok(ch_file_add_tensor(f, name, &part, &e), e);
}

/* t under the names that a file of this spelling has it by. */
static void put_spelled(ch_file *f, const char *name, const ch_tensor *t, const spelling *s)
{
    static const char *const parts[] = {"q_proj", "k_proj", "v_proj"};
    char full[200];
    const char *qkv = strstr(name, "qkv_proj."), *inl = strstr(name, "inl.inl.");
    const int head = qkv ? (int)(qkv - name) : inl ? (int)(inl - name) : 0;
    for (int i = 0; qkv && s->apart && i < 3; i++) {
        const int64_t rows = t->dim[0] / 3;
        snprintf(full, sizeof full, "%s%.*s%s%s", s->prefix, head, name, parts[i], qkv + 8);
        put_part(f, full, t, i * rows, rows);
    }
    if (qkv && s->apart)
        return;
    if (qkv && s->old)
        snprintf(full, sizeof full, "%s%.*sin_proj_%s", s->prefix, head, name, qkv + 9);
    else if (inl && s->inner)
        snprintf(full, sizeof full, "%s%.*s%s", s->prefix, head, name, inl + 4);
    else
        snprintf(full, sizeof full, "%s%s", s->prefix, name);
    put_part(f, full, t, 0, t->dim[0]);
}

/* The weights of a kind in memory that f owns. */
static ch_file *spelled(const folder_kind *k, ch_dtype type, const spelling *s, ch_file **plain)
{
    ch_err e = {0};
    ch_file *f;
    *plain = folder_weights(k, type, 5);
    assert_ok(ch_file_new(&f, &e), e);
    for (size_t i = 0; i < (*plain)->n_tensors; i++)
        put_spelled(f, (*plain)->tensors[i].name, &(*plain)->tensors[i].t, s);
    return f;
}

static int open_folder(ch_file **out, const char *dir, const ch_file *weights, const char *config,
                       ch_err *e)
{
    char *path = ch_io_join(dir, "model.safetensors");
    assert_ok(ch_safetensors_write(weights, path, e), *e);
    folder_put(dir, "config.json", config);
    free(path);
    return ch_file_open(out, dir, e);
}

static void same(const ch_file *f, const ch_file *g)
{
    assert_int_equal(f->n_tensors, g->n_tensors);
    for (size_t i = 0; i < f->n_tensors; i++) {
        const ch_file_tensor *t = &f->tensors[i], *u = ch_file_tensor_find(g, t->name);
        if (!u || u->bytes != t->bytes || memcmp(u->t.data, t->t.data, t->bytes) != 0)
            fail_msg("tensor %s is not the same", t->name);
    }
}

static void spellings_are_one_model(void **state)
{
    (void)state;
    static const spelling all[] = {{"", false, false, false}, {"module.", true, false, false},
                                   {"model.", false, true, false}, {"", true, false, true},
                                   {"module.model.", false, false, true}};
    static const char *const kinds[] = {"inl v2", "inl v3"};
    static const ch_dtype types[] = {CH_F32, CH_BF16};
    for (int k = 0; k < 2; k++)
        for (size_t d = 0; d < CH_COUNT(types); d++) {
            const folder_kind *kind = kind_of(kinds[k]);
            ch_err e = {0};
            ch_file *first = NULL, *plain, *held = NULL;
            for (size_t i = 0; i < CH_COUNT(all); i++) {
                char *dir = temp_dir();
                ch_file *f, *w = spelled(kind, types[d], &all[i], &plain);
                ch_model *m;
                assert_ok(open_folder(&f, dir, w, kind->config, &e), e);
                if (first)
                    same(first, f);
                assert_ok(ch_model_load_file(&m, dir, NULL, &e), e);
                ch_model_free(&m);
                ch_file_close(&w);
                if (first) {
                    ch_file_close(&f);
                    ch_file_close(&plain);
                } else {
                    first = f;
                    held = plain;
                }
                temp_dir_remove(dir);
            }
            ch_file_close(&first);
            ch_file_close(&held);
        }
}

/* ---- What nobody reads ----------------------------------------------------------------------- */

static void add(ch_file *f, const char *name, int64_t n, float value)
{
    ch_err e = {0};
    float *x = ch_file_memory(f, (size_t)n * sizeof *x, &e);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++)
        x[i] = value;
    const ch_tensor t = ch_tensor_1d(x, CH_F32, n);
    assert_ok(ch_file_add_tensor(f, name, &t, &e), e);
}

static const char *const dead[] = {
    "pos_encoding.pe", "shared_controller.controller_h.weight", "shared_controller.layer_scalers",
    "layers.1.shared_controller.controller_mlp.1.bias", "budget_allocator.unused_budget_history",
    "layers.0.budget_allocator.layer_L_mean", "layers.1.inl.avg_iterations",
    "layers.0.inl.num_forwards", "layers.0.attention.rope.cos_cached"};

static void dead_tensors_are_passed_over(void **state)
{
    (void)state;
    static const char *const unknown[] = {
        "layers.0.inl.inl.controller.4.weight", "layers.0.excitation.gamma", "pos_encoding.qe",
        "shared_controller.controller_w.weight", "budget_allocator.", "layers.x.inl.avg_iterations",
        "layers.0.attention.in_proj", "model.", "layers.00.inl.inl.mu_global"};
    const folder_kind *k = kind_of("inl v2");
    for (size_t bad = 0; bad <= CH_COUNT(unknown); bad++) {
        const spelling s = {.prefix = ""};
        char *dir = temp_dir();
        ch_err e = {0};
        ch_file *plain, *f, *w = spelled(k, CH_F32, &s, &plain);
        for (size_t i = 0; i < CH_COUNT(dead); i++)
            add(w, dead[i], 3, 0.5F);
        if (bad < CH_COUNT(unknown)) {
            add(w, unknown[bad], 3, 0.5F);
            assert_fails(open_folder(&f, dir, w, k->config, &e), CH_EUNSUPPORTED, e, unknown[bad]);
        } else {
            assert_ok(open_folder(&f, dir, w, k->config, &e), e);
            ch_file_close(&f);
        }
        ch_file_close(&w);
        ch_file_close(&plain);
        temp_dir_remove(dir);
    }
}

/* A safetensors file of one f32 tensor and, before it, one of integers. */
static size_t with_integers(char *out, size_t size, const char *name, const char *dtype, int bytes)
{
    char header[400];
    int n = snprintf(header, sizeof header,
                     "{\"%s\":{\"dtype\":\"%s\",\"shape\":[],\"data_offsets\":[0,%d]},"
                     "\"lm_head.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],"
                     "\"data_offsets\":[%d,%d]}}",
                     name, dtype, bytes, bytes, bytes + 8);
    const uint64_t length = (uint64_t)n;
    assert_true((size_t)n + 8 + (size_t)bytes + 8 <= size);
    memset(out, 0, size);
    memcpy(out, &length, sizeof length);
    memcpy(out + 8, header, (size_t)n);
    return 8 + (size_t)n + (size_t)bytes + 8;
}

static void counters_are_passed_over(void **state)
{
    (void)state;
    static const struct {
        const char *name, *dtype;
        int bytes;
        const char *says; /* NULL: it opens */
    } all[] = {{"layers.0.inl.num_forwards", "I64", 8, NULL},
               {"module.layers.1.inl.inl.num_forwards", "I32", 4, NULL},
               {"layers.0.inl.num_forwards", "I64", 4, "not of one size"},
               {"layers.0.norm1.weight", "I64", 8, "holds integers"},
               {"layers.0.inl.num_forwards", "C64", 8, "dtype \"C64\""}};
    char room[640];
    const char *config = kind_of("inl v2")->config;
    for (size_t i = 0; i < CH_COUNT(all); i++) {
        ch_err e = {0};
        ch_file *f;
        const size_t n = with_integers(room, sizeof room, all[i].name, all[i].dtype, all[i].bytes);
        const int rc = ch_file_open_folder_memory(&f, config, strlen(config), room, n, "x", &e);
        if (all[i].says) {
            assert_true(rc < 0);
            if (!strstr(e.text, all[i].says))
                fail_msg("%s: \"%s\"", all[i].says, e.text);
        } else {
            assert_ok(rc, e);
            assert_int_equal(f->n_tensors, 1);
            ch_file_close(&f);
        }
        if (!all[i].says) /* a file of its own has no counters */
            assert_fails(ch_file_open_memory(&f, room, n, "x", &e), CH_EUNSUPPORTED, e, "dtype");
    }
}

/* Those are in the file that an index names, as all tensors are. */
static void counters_are_where_the_index_says(void **state)
{
    (void)state;
    static const char *const files[] = {"1.safetensors", "2.safetensors"};
    static const char *const names[] = {"layers.0.inl.num_forwards", "layers.1.inl.num_forwards"};
    for (int swapped = 0; swapped < 2; swapped++) {
        ch_err e = {0};
        ch_file *f;
        char room[640], index[400], *dir = temp_dir();
        for (int i = 0; i < 2; i++) {
            char *path = ch_io_join(dir, files[i]);
            size_t n = with_integers(room, sizeof room, names[i], "I64", 8);
            char *head = strstr(room + 8, "lm_head");
            head[0] = i ? 'm' : 'l'; /* the second's has another name */
            assert_ok(ch_io_write_file(path, room, n, &e), e);
            free(path);
        }
        snprintf(index, sizeof index,
                 "{\"weight_map\":{\"lm_head.weight\":\"%s\",\"mm_head.weight\":\"%s\","
                 "\"%s\":\"%s\",\"%s\":\"%s\"}}",
                 files[0], files[1], names[0], files[swapped], names[1], files[!swapped]);
        folder_put(dir, "model.safetensors.index.json", index);
        folder_put(dir, "config.json", kind_of("inl v2")->config);
        if (swapped) /* where they are right only mm_head is wrong */
            assert_fails(ch_file_open(&f, dir, &e), CH_EFORMAT, e,
                         "num_forwards\" is not in 2.safetensors");
        else
            assert_fails(ch_file_open(&f, dir, &e), CH_EUNSUPPORTED, e, "\"mm_head.weight\"");
        temp_dir_remove(dir);
    }
}

/* ---- Steps ----------------------------------------------------------------------------------- */

typedef struct budget_case {
    int layers, each;
    float updates, weight, speed, gradient, L_speed; /* of the last layer; the others: usual */
    const char *also, *want; /* of config.json; steps, a character each */
} budget_case;

static void put_last(ch_file *f, const char *name, int n, float usual, float last)
{
    char full[80];
    snprintf(full, sizeof full, "budget_allocator.%s", name);
    add(f, full, n, usual);
    ((float *)ch_file_tensor_find(f, full)->t.data)[n - 1] = last;
}

static void check_budget(const budget_case *c, bool budgeted)
{
    ch_err e = {0};
    ch_file *w, *f;
    char config[600], *dir = temp_dir();
    snprintf(config, sizeof config,
             "{\"model_type\":\"inl-llm-v2\",\"vocab_size\":40,\"d_model\":32,\"num_heads\":4,"
             "\"num_layers\":%d,\"num_iterations_per_layer\":%d%s}",
             c->layers, c->each, c->also ? c->also : "");
    assert_ok(ch_file_new(&w, &e), e);
    add(w, "final_norm.bias", 32, 0);
    const int64_t head[] = {40, 32, 0};
    folder_add(w, "lm_head.weight", head, CH_F32, 1);
    if (budgeted) {
        put_last(w, "budget_weights", c->layers, 1.0F / (float)c->layers, c->weight);
        put_last(w, "layer_convergence_speed", c->layers, 1, c->speed);
        put_last(w, "layer_grad_magnitude", c->layers, 1, c->gradient);
        put_last(w, "layer_L_speed", c->layers, c->L_speed > 0 ? 1 : 0, c->L_speed);
        put_last(w, "update_count", 1, 0, c->updates);
    }
    assert_ok(open_folder(&f, dir, w, config, &e), e);
    const ch_meta *m = ch_file_meta_find(f, "inl_v2.integrator.iterations");
    assert_non_null(m);
    assert_int_equal(m->v.a.n, strlen(c->want));
    for (size_t i = 0; c->want[i]; i++) {
        int64_t n = 0;
        assert_ok(ch_meta_at_int(&n, m, i), e);
        if (n != c->want[i] - '0')
            fail_msg("layer %zu of %s takes %lld steps", i, c->want, (long long)n);
    }
    ch_file_close(&f);
    ch_file_close(&w);
    temp_dir_remove(dir);
}

/* Wanted: by hand.  25 x 5 new: 5 x 0.8 is 4, in thirds 3.2, 4.8, 4.  Six layers of five: 3.2, 4.8
 * and 4 again; a last layer nine times as fast has (1 / 9.1) / ((5 / 1.1 + 1 / 9.1) / 6) = 0.142 of
 * that, least 2, the others 1.17. */
static void budgets_are_as_the_code_says(void **state)
{
    (void)state;
    const float u = 1.0F / 6;
    static const char fresh[] = "3333333344444444444444444", fives[] = "5555555555555555555555555";
    check_budget(&(budget_case){25, 5, 0, 0.04F, 1, 1, 0, NULL, fresh}, true);
    check_budget(&(budget_case){25, 5, 1e6F, 0.04F, 1, 1, 0, NULL, fresh}, true);
    check_budget(&(budget_case){25, 5, 0, 0, 0, 0, 0, NULL, fives}, false);
    check_budget(&(budget_case){18, 2, 0, 1.0F / 18, 1, 1, 0, NULL, "222222222222222222"}, true);
    check_budget(&(budget_case){2, 5, 0, 0.5F, 1, 1, 0, NULL, "44"}, true);
    check_budget(&(budget_case){6, 5, 10, u, 9, 1, 0, NULL, "334444"}, true);
    check_budget(&(budget_case){6, 5, 11, u, 9, 1, 0, NULL, "335542"}, true);
    check_budget(&(budget_case){6, 5, 11, u, 1, 9, 0, NULL, "223335"}, true);
    check_budget(&(budget_case){6, 5, 11, u, 1, 1, 9, NULL, "224434"}, true);
    check_budget(&(budget_case){6, 4, 0, u + 3, 1, 1, 0, NULL, "222228"}, true);
    const char *const stops = ",\"use_adaptive_stopping\":false";
    check_budget(&(budget_case){6, 9, 0, u, 1, 1, 0, NULL, "558877"}, true);
    check_budget(&(budget_case){6, 9, 0, u, 1, 1, 0, stops, "444444"}, true);
    check_budget(&(budget_case){3, 9, 0, 0, 0, 0, 0, stops, "999"}, false);
    const char *const list = ",\"integrator_iterations\":[1,7,3]";
    check_budget(&(budget_case){3, 5, 0, 0, 0, 0, 0, list, "173"}, false);
}

/* Any number of steps that a model may have comes back from a folder. */
static void every_number_of_steps_comes_back(void **state)
{
    (void)state;
    static const int all[] = {1, 127, 128, 254, 255};
    for (size_t i = 0; i < CH_COUNT(all); i++) {
        const ch_conversion_options as_it_is = {.type = CH_DTYPES};
        const int32_t steps[] = {all[i], all[i]};
        ch_err e = {0};
        ch_file *f;
        ch_conversion *c;
        ch_model *m;
        char *top = temp_dir(), *a = ch_io_join(top, "a"), *b = ch_io_join(top, "b");
        folder_write(a, kind_of("inl v2"), CH_F32, 0, 7);
        assert_ok(ch_file_open(&f, a, &e), e);
        assert_ok(ch_file_set_i32s(f, "inl_v2.integrator.iterations", steps, 2, &e), e);
        assert_ok(ch_conversion_open(&c, f, b, &as_it_is, &e), e);
        assert_ok(ch_conversion_write(c, &e), e);
        ch_conversion_close(&c);
        ch_file_close(&f);
        assert_ok(ch_model_load_file(&m, b, NULL, &e), e);
        for (int l = 0; l < 2; l++)
            assert_int_equal(m->config.inl.steps[l], all[i]);
        ch_model_free(&m);
        free(a);
        free(b);
        temp_dir_remove(top);
    }
}

/* The average is for those without a list; a budget may not make more of it than there may be. */
static void the_list_comes_first(void **state)
{
    (void)state;
    const char *const list = ",\"integrator_iterations\":[2,9],\"x\":0";
    check_budget(&(budget_case){2, 999, 0, 0, 0, 0, 0, list, "29"}, false);
    ch_err e = {0};
    ch_file *w, *f;
    char *dir = temp_dir();
    assert_ok(ch_file_new(&w, &e), e);
    add(w, "final_norm.bias", 32, 0);
    put_last(w, "budget_weights", 2, 0, 9);
    assert_fails(open_folder(&f, dir, w, "{\"model_type\":\"inl-llm-v2\",\"vocab_size\":40,"
                             "\"d_model\":32,\"num_heads\":4,\"num_layers\":2,"
                             "\"num_iterations_per_layer\":255}", &e),
                 CH_EFORMAT, e, "gives layer 1 407 steps, allowed are 1 to 255");
    ch_file_close(&w);
    temp_dir_remove(dir);
}

static void bad_configurations_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key, *says;
    } all[] = {{"\"num_iterations_per_layer\":0", "num_iterations_per_layer"},
               {"\"num_iterations_per_layer\":256", "num_iterations_per_layer"},
               {"\"lowrank_ratio\":-1", "lowrank_ratio"},
               {"\"lowrank_ratio\":1e30", "lowrank_ratio"},
               {"\"integrator_iterations\":[1]", "integrator_iterations"},
               {"\"integrator_iterations\":[1,2,0]", "integrator_iterations"},
               {"\"integrator_iterations\":[1,2,256]", "integrator_iterations"},
               {"\"integrator_iterations\":{}", "integrator_iterations"},
               {"\"feedforward_dim\":0", "feedforward_dim"},
               {"\"num_layers\":1025", "layers"}};
    for (size_t i = 0; i < CH_COUNT(all); i++) {
        ch_err e = {0};
        ch_file *f;
        char room[640], config[400];
        const size_t n = with_integers(room, sizeof room, "layers.0.inl.num_forwards", "I64", 8);
        snprintf(config, sizeof config, "{\"model_type\":\"inl-llm\",\"vocab_size\":40,"
                 "\"d_model\":32,\"num_heads\":4,%s%s}",
                 strstr(all[i].key, "num_layers") ? "" : "\"num_layers\":3,", all[i].key);
        assert_true(ch_file_open_folder_memory(&f, config, strlen(config), room, n, "x", &e) < 0);
        if (!strstr(e.text, all[i].says))
            fail_msg("%s: \"%s\"", all[i].key, e.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings_are_one_model),
        cmocka_unit_test(dead_tensors_are_passed_over),
        cmocka_unit_test(counters_are_passed_over),
        cmocka_unit_test(counters_are_where_the_index_says),
        cmocka_unit_test(budgets_are_as_the_code_says),
        cmocka_unit_test(every_number_of_steps_comes_back),
        cmocka_unit_test(the_list_comes_first),
        cmocka_unit_test(bad_configurations_are_refused),
    };
    return cmocka_run_group_tests_name("file/inl", tests, NULL, NULL);
}
