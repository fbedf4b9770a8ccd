/* hf_inl.c - checkpoints of INL-LLM v2 and v3: names, what nobody reads, steps of each layer
 *
 * A checkpoint holds everything that its modules registered: an integrator of an earlier design,
 * the budget's statistics, tables of positions, and the first two once more for each layer.  All of
 * it is passed over by name; anything else that is not known is refused.
 *
 * Steps of layer i of L, where the budget's tensors are there (w: budget_weights, s:
 * layer_convergence_speed, g: layer_grad_magnitude, q: layer_L_speed, N: num_iterations_per_layer):
 *
 *     b = softmax(w)_i L N                                   from here after more than 10 updates:
 *     b *= (1 / (s_i + 0.1)) / mean_j 1 / (s_j + 0.1)        *
 *     b *= 0.8;  b *= 0.8, 1.2, 1 in the thirds of the layers (each L / 3, the last the rest)
 *     b *= clamp(g_i / mean g, 0.8, 1.3)                     *
 *     b *= clamp(1 + 0.2 (q_i / mean q - 1), 0.9, 1.2)       *, where mean q > 1e-8
 *     n = clamp(trunc b, max(2, N / 2), 2 N)
 *
 * The first two lines in floats, as the code's tensors are; then in doubles.  Files without them
 * (October 2025) take N steps.  With use_adaptive_stopping false the code ends a budgeted layer
 * after its fourth step.  Source: INL-LLM's get_layer_budget and forward.
 * SPDX-License-Identifier: MIT */
#include "hf_inl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WEIGHTS, SPEED, GRADIENT, L_SPEED, UPDATES, LAYERS_MOST = 1024 };
enum { STEPS_MOST = 255 }; /* of a layer, whoever says it: GGUF's keys and convert have no more */

static const char template[] =
    "{% for m in messages %}{% if not loop.first %}{{ '\\n' }}{% endif %}"
    "{% if m['role'] == 'system' %}{{ '<SYSTEM> ' + m['content'] }}"
    "{% elif m['role'] == 'user' %}{{ '<USER> ' + m['content'] }}"
    "{% elif m['role'] == 'assistant' %}{{ '<ASSISTANT> ' + m['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '\\n<ASSISTANT>' }}{% endif %}";

/* ---- Names ----------------------------------------------------------------------------------- */

/* What follows `with` at the beginning of s, or NULL. */
static const char *after(const char *s, const char *with)
{
    const size_t n = strlen(with);
    return strncmp(s, with, n) == 0 ? s + n : NULL;
}

/* What follows "layers.<number>." or NULL; *layer gets the number. */
static const char *in_layer(const char *name, int *layer)
{
    int n = 0;
    const char *s = after(name, "layers.");
    return s && sscanf(s, "%6d.%n", layer, &n) == 1 && n > 0 && *layer >= 0 ? s + n : NULL;
}

void ch_hf_inl_name(char *out, size_t size, const char *name)
{
    static const char *const spelled[][2] = {
        {"attention.in_proj_weight", "attention.qkv_proj.weight"},
        {"attention.in_proj_bias", "attention.qkv_proj.bias"},
    };
    const char *next;
    int layer = 0;
    while ((next = after(name, "module.")) || (next = after(name, "model.")))
        name = next;
    snprintf(out, size, "%s", name);
    if (strcmp(name, "token_embedding.weight") == 0)
        snprintf(out, size, "token_embedding.embed_low.weight");
    const char *rest = in_layer(name, &layer);
    const int head = rest ? (int)(rest - name) : 0;
    for (size_t i = 0; rest && i < CH_COUNT(spelled); i++)
        if (strcmp(rest, spelled[i][0]) == 0)
            snprintf(out, size, "%.*s%s", head, name, spelled[i][1]);
    next = rest ? after(rest, "inl.") : NULL;
    if (next && !after(next, "inl."))
        snprintf(out, size, "%.*sinl.inl.%s", head, name, next);
}

void ch_hf_inl_plain(char *name, size_t size, const char *gguf, const ch_file *from)
{
    const bool low = ch_file_tensor_find(from, "token_embd_up.weight") != NULL;
    if (!low && strcmp(gguf, "token_embd.weight") == 0)
        snprintf(name, size, "token_embedding.weight");
}

static bool is_one_of(const char *s, const char *const *list, size_t n)
{
    for (size_t i = 0; s && i < n; i++)
        if (strcmp(s, list[i]) == 0)
            return true;
    return false;
}

bool ch_hf_inl_skipped(const char *name)
{
    static const char *const controller[] = {
        "controller_h.weight", "controller_h.bias", "controller_x.weight", "controller_x.bias",
        "controller_v.weight", "controller_v.bias", "controller_mlp.1.weight",
        "controller_mlp.1.bias", "layer_scalers", "layer_biases"};
    static const char *const budget[] = {
        "budget_weights", "layer_iterations_history", "layer_convergence_speed",
        "layer_velocity_history", "layer_error_history", "unused_budget_history", "layer_L_speed",
        "layer_L_energy", "layer_L_mean", "layer_grad_magnitude", "update_count"};
    static const char *const of_layer[] = {
        "inl.inl.avg_iterations", "inl.inl.num_forwards", "attention.rope.inv_freq",
        "attention.rope.cos_cached", "attention.rope.sin_cached"};
    int layer;
    const char *rest = in_layer(name, &layer);
    if (strcmp(name, "pos_encoding.pe") == 0 || is_one_of(rest, of_layer, CH_COUNT(of_layer)))
        return true;
    rest = rest ? rest : name;
    return is_one_of(after(rest, "shared_controller."), controller, CH_COUNT(controller)) ||
           is_one_of(after(rest, "budget_allocator."), budget, CH_COUNT(budget));
}

/* ---- Tensors that go together ---------------------------------------------------------------- */

int ch_hf_inl_open(ch_hf_inl *s, const ch_hf_config *c)
{
    *s = (ch_hf_inl){0};
    int rc = ch_hf_get_int(&s->layers, c, "block_count", 0);
    if (rc == CH_OK && (s->layers < 1 || s->layers > LAYERS_MOST))
        rc = ch_fail(c->e, CH_EFORMAT, "%s: %lld layers, allowed are 1 to %d", c->path,
                     (long long)s->layers, LAYERS_MOST);
    if (rc < 0)
        return rc;
    const size_t bytes = (size_t)s->layers * sizeof *s->qkv;
    s->qkv = ch_file_memory(c->f, bytes, c->e);
    if (!s->qkv)
        return CH_ENOMEM;
    memset((void *)s->qkv, 0, bytes);
    return CH_OK;
}

bool ch_hf_inl_take(ch_hf_inl *s, const ch_hf_config *c, const char *name, const ch_tensor *t)
{
    static const char *const apart[] = {
        "attention.q_proj.weight", "attention.k_proj.weight", "attention.v_proj.weight",
        "attention.q_proj.bias",   "attention.k_proj.bias",   "attention.v_proj.bias"};
    static const char *const budget[] = {
        [WEIGHTS] = "budget_weights",        [SPEED] = "layer_convergence_speed",
        [GRADIENT] = "layer_grad_magnitude", [L_SPEED] = "layer_L_speed",
        [UPDATES] = "update_count"};
    int layer = -1;
    const char *rest = in_layer(name, &layer);
    const char *of = after(rest ? rest : name, "budget_allocator.");
    s->budgeted |= of != NULL;
    for (size_t i = 0; of && i < CH_COUNT(budget); i++)
        if (strcmp(of, budget[i]) == 0 && (!rest || !s->budget[i]))
            s->budget[i] = t;
    for (int i = 0; rest && c->arch->bit == INL2 && layer < s->layers && i < 6; i++)
        if (strcmp(rest, apart[i]) == 0) {
            s->qkv[layer][i] = t;
            return true;
        }
    return false;
}

/* Rows of three tensors, or elements of three vectors, one after the other. */
static int join(const ch_tensor *const part[3], int64_t layer, const char *ending,
                const ch_hf_config *c)
{
    char name[64];
    size_t bytes[3], all = 0;
    int64_t rows = 0;
    ch_tensor t = *part[0];
    snprintf(name, sizeof name, "blk.%lld.attn_qkv.%s", (long long)layer, ending);
    for (int i = 0; i < 3; i++) {
        if (part[i]->rank != t.rank || part[i]->dtype != t.dtype ||
            (t.rank > 1 && ch_tensor_width(part[i]) != ch_tensor_width(&t)) || t.rank > 2)
            return ch_fail(c->e, CH_EFORMAT,
                           "%s: q_proj, k_proj and v_proj of layer %lld do not fit together",
                           c->f->path, (long long)layer);
        bytes[i] = ch_dtype_bytes(t.dtype, ch_tensor_count(part[i]));
        all += bytes[i];
        rows += part[i]->dim[0];
    }
    char *data = ch_file_memory(c->f, all, c->e), *at = data;
    if (!data)
        return CH_ENOMEM;
    for (int i = 0; i < 3; at += bytes[i++])
        memcpy(at, part[i]->data, bytes[i]);
    t = t.rank == 2 ? ch_tensor_2d(data, t.dtype, rows, t.dim[1])
                    : ch_tensor_1d(data, t.dtype, rows);
    return ch_file_put_tensor(c->f, (ch_str){name, strlen(name)}, &t, all, c->e);
}

static int join_all(const ch_hf_inl *s, const ch_hf_config *c)
{
    int rc = CH_OK;
    for (int64_t l = 0; l < s->layers && rc == CH_OK; l++)
        for (int bias = 0; bias < 2 && rc == CH_OK; bias++) {
            const ch_tensor *const *part = s->qkv[l] + 3 * bias;
            const int n = (part[0] != NULL) + (part[1] != NULL) + (part[2] != NULL);
            if (n == 3)
                rc = join(part, l, bias ? "bias" : "weight", c);
            else if (n > 0)
                rc = ch_fail(c->e, CH_EFORMAT,
                             "%s: of q_proj, k_proj and v_proj of layer %lld some are missing",
                             c->f->path, (long long)l);
        }
    return rc;
}

/* ---- Steps ----------------------------------------------------------------------------------- */

typedef struct budget {
    double updates;
    float weight[LAYERS_MOST], speed[LAYERS_MOST], gradient[LAYERS_MOST], L_speed[LAYERS_MOST];
} budget;

/* n numbers of a buffer, or `or` in all. */
static int read_buffer(float *out, const ch_tensor *t, int64_t n, float or, const ch_hf_config *c)
{
    real values[LAYERS_MOST];
    if (t && (ch_tensor_count(t) != n || ch_dtype_get(t->dtype)->block != 1))
        return ch_fail(c->e, CH_EFORMAT, "%s: a tensor of budget_allocator has %lld numbers, "
                                         "wanted are %lld",
                       c->f->path, (long long)ch_tensor_count(t), (long long)n);
    if (t)
        ch_tensor_read(values, t, 0, n);
    for (int64_t i = 0; i < n; i++)
        out[i] = t ? (float)values[i] : or;
    return CH_OK;
}

static int read_budget(budget *b, const ch_hf_inl *s, const ch_hf_config *c)
{
    const int64_t L = s->layers;
    float updates = 0;
    int rc = read_buffer(b->weight, s->budget[WEIGHTS], L, 1.0f / (float)L, c);
    if (rc == CH_OK)
        rc = read_buffer(b->speed, s->budget[SPEED], L, 1, c);
    if (rc == CH_OK)
        rc = read_buffer(b->gradient, s->budget[GRADIENT], L, 1, c);
    if (rc == CH_OK)
        rc = read_buffer(b->L_speed, s->budget[L_SPEED], L, 0, c);
    if (rc == CH_OK)
        rc = read_buffer(&updates, s->budget[UPDATES], 1, 0, c);
    b->updates = (double)updates;
    return rc;
}

static double mean_of(const float *x, int64_t n)
{
    float sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    return (double)(sum / (float)n);
}

static double clamp(double x, double least, double most)
{
    return x < least ? least : x > most ? most : x;
}

static int32_t steps_of(const budget *b, int64_t i, int64_t L, int64_t each)
{
    const bool trained = b->updates > 10;
    float most = b->weight[0], sum = 0, share;
    double inverse = 0;
    for (int64_t j = 0; j < L; j++) {
        most = fmaxf(most, b->weight[j]);
        inverse += 1 / ((double)b->speed[j] + 0.1);
    }
    for (int64_t j = 0; j < L; j++)
        sum += expf(b->weight[j] - most);
    share = expf(b->weight[i] - most) / sum * (float)(L * each);
    if (trained)
        share *= (float)(1 / ((double)b->speed[i] + 0.1) / (inverse / (double)L));
    const float place = i < L / 3 ? 0.8f : i < 2 * (L / 3) ? 1.2f : 1.0f;
    double n = (double)share * 0.8 * (double)place;
    const double gradient = mean_of(b->gradient, L), speed = mean_of(b->L_speed, L);
    if (trained && gradient > 1e-8)
        n *= clamp((double)b->gradient[i] / gradient, 0.8, 1.3);
    if (trained && speed > 1e-8)
        n *= clamp(1 + 0.2 * ((double)b->L_speed[i] / speed - 1), 0.9, 1.2);
    const double least = (double)CH_MAX(2, each / 2);
    return n > least ? (int32_t)CH_MIN(n, 2.0 * (double)each) : (int32_t)least;
}

/* What config.json of a model written here says: a list. */
static int read_list(int32_t *n, const json_t *list, int64_t layers, const ch_hf_config *c)
{
    for (int64_t l = 0; l < layers; l++) {
        const json_t *v = json_array_get(list, (size_t)l);
        const json_int_t is = json_integer_value(v);
        if (!json_is_integer(v) || is < 1 || is > STEPS_MOST ||
            json_array_size(list) != (size_t)layers)
            return ch_fail(c->e, CH_EFORMAT,
                           "%s: \"integrator_iterations\" is no list of %lld numbers from 1 to %d",
                           c->path, (long long)layers, STEPS_MOST);
        n[l] = (int32_t)is;
    }
    return CH_OK;
}

/* What a published one says: an average, and statistics. */
static int compute_steps(int32_t *n, const ch_hf_inl *s, const ch_hf_config *c)
{
    int64_t each;
    budget b;
    const bool four = s->budgeted && json_is_false(json_object_get(c->v, "use_adaptive_stopping"));
    int rc = ch_json_int(&each, c->v, "num_iterations_per_layer", 5, 1, STEPS_MOST, c->path, c->e);
    if (rc == CH_OK)
        rc = read_budget(&b, s, c);
    for (int64_t l = 0; rc == CH_OK && l < s->layers; l++) {
        n[l] = s->budgeted ? steps_of(&b, l, s->layers, each) : (int32_t)each;
        n[l] = four ? CH_MIN(n[l], 4) : n[l];
        if (n[l] > STEPS_MOST)
            rc = ch_fail(c->e, CH_EFORMAT,
                         "%s: the budget gives layer %lld %d steps, allowed are 1 to %d", c->path,
                         (long long)l, (int)n[l], STEPS_MOST);
    }
    return rc;
}

static int put_steps(const ch_hf_inl *s, const ch_hf_config *c)
{
    int32_t n[LAYERS_MOST];
    char key[CH_HF_KEY_MOST];
    const json_t *list = json_object_get(c->v, "integrator_iterations");
    const int rc = list ? read_list(n, list, s->layers, c) : compute_steps(n, s, c);
    ch_hf_key(key, c, "integrator.iterations");
    return rc < 0 ? rc : ch_file_set_i32s(c->f, key, n, (size_t)s->layers, c->e);
}

int ch_hf_inl_close(const ch_hf_inl *s, const ch_hf_config *c)
{
    const int rc = join_all(s, c);
    return rc == CH_OK ? put_steps(s, c) : rc;
}

/* ---- config.json ----------------------------------------------------------------------------- */

static int64_t rank_of(int64_t width, double ratio)
{
    return CH_MAX((int64_t)((double)width * ratio), (int64_t)64);
}

static int read_rank(const ch_hf_config *c)
{
    int64_t width;
    double ratio;
    int rc = ch_hf_get_int(&width, c, "embedding_length", 0);
    if (rc == CH_OK)
        rc = ch_json_real(&ratio, c->v, "lowrank_ratio", 0.125, c->path, c->e);
    if (rc < 0 || json_is_false(json_object_get(c->v, "use_lowrank_embeddings")))
        return rc;
    if (!(ratio > 0 && ratio <= 16))
        return ch_fail(c->e, CH_EFORMAT, "%s: \"lowrank_ratio\" is %g, allowed are 0 to 16",
                       c->path, ratio);
    return ch_hf_put_int(c, "embedding_rank", rank_of(width, ratio));
}

int ch_hf_inl_read(const ch_hf_config *c)
{
    int64_t hidden, width;
    const char *stop = "";
    const bool v2 = c->arch->bit == INL2;
    int rc = ch_hf_get_int(&width, c, "embedding_length", 0);
    if (rc == CH_OK)
        rc = ch_json_int(&hidden, c->v, "feedforward_dim", 4 * width, 1, 1 << 28, c->path, c->e);
    if (rc == CH_OK)
        rc = ch_hf_put_int(c, "feed_forward_length", v2 ? hidden : 2 * hidden / 3);
    if (rc == CH_OK)
        rc = read_rank(c);
    if (rc == CH_OK)
        rc = ch_json_str(&stop, c->v, "integrator_stop", "", c->path, c->e);
    if (rc == CH_OK && *stop)
        rc = ch_hf_put_str(c, "integrator.stop", stop);
    return rc == CH_OK ? ch_file_set_str(c->f, "tokenizer.chat_template", template,
                                         sizeof template - 1, c->e)
                       : rc;
}

static int write_rank(const ch_hf_config *c)
{
    int64_t rank = 0, width = 0;
    int rc = ch_hf_get_int(&rank, c, "embedding_rank", 0);
    if (rc == CH_OK)
        rc = ch_hf_get_int(&width, c, "embedding_length", 0);
    double ratio = 0.125;
    if (rank > 0 && width > 0 && rank_of(width, ratio) != rank)
        ratio = ((double)rank + 0.5) / (double)width;
    if (rc == CH_OK && rank > 0 && rank_of(width, ratio) != rank)
        return ch_fail(c->e, CH_EUNSUPPORTED,
                       "%s: an embedding of rank %lld; a config.json of %s says 64 or more",
                       c->f->path, (long long)rank, c->arch->type);
    if (rc == CH_OK)
        rc = ch_hf_set(c, c->to, "use_lowrank_embeddings", json_boolean(rank > 0));
    return rc == CH_OK ? ch_hf_set(c, c->to, "lowrank_ratio", json_real(ratio)) : rc;
}

/* The average that the code would start from, and each layer's own. */
static int write_steps(const ch_hf_config *c)
{
    char key[CH_HF_KEY_MOST];
    int64_t n = 0, sum = 0;
    ch_hf_key(key, c, "integrator.iterations");
    const ch_meta *m = ch_file_meta_find(c->f, key);
    json_t *list = json_array();
    for (size_t i = 0; m && m->type == CH_META_ARRAY && i < m->v.a.n; i++, sum += n)
        if (ch_meta_at_int(&n, m, i) < 0 || json_array_append_new(list, json_integer(n)) < 0)
            break;
    const int64_t layers = (int64_t)json_array_size(list);
    if (layers < 1 || (size_t)layers != m->v.a.n) {
        json_decref(list);
        return ch_fail(c->e, CH_EFORMAT, "%s: metadata \"%s\" is no list of numbers", c->f->path,
                       key);
    }
    const int rc = ch_hf_set(c, c->to, "integrator_iterations", list);
    return rc == CH_OK ? ch_hf_set(c, c->to, "num_iterations_per_layer",
                                   json_integer(CH_MAX((sum + layers / 2) / layers, (int64_t)1)))
                       : rc;
}

int ch_hf_inl_write(const ch_hf_config *c)
{
    char key[CH_HF_KEY_MOST];
    int64_t hidden;
    ch_hf_key(key, c, "integrator.stop");
    const ch_meta *m = ch_file_meta_find(c->f, key);
    int rc = ch_hf_get_int(&hidden, c, "feed_forward_length", 0);
    if (rc == CH_OK) /* of v3's, the least of which two thirds are it */
        rc = ch_hf_set(c, c->to, "feedforward_dim",
                       json_integer(c->arch->bit == INL2 ? hidden : (3 * hidden + 1) / 2));
    if (rc == CH_OK)
        rc = write_rank(c);
    if (rc == CH_OK)
        rc = write_steps(c);
    if (rc == CH_OK && m && m->type == CH_META_STR)
        rc = ch_hf_set(c, c->to, "integrator_stop", json_stringn(m->v.s.p, m->v.s.n));
    return rc == CH_OK ? ch_hf_set(c, c->to, "use_adaptive_stopping", json_true()) : rc;
}
