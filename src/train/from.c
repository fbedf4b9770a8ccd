/* from.c - runs that continue from a model: its configuration, vocabulary and weights
 *
 * Either all weights train (a copy of them as reals), or they stay as they lie, in any format, and
 * a low-rank adapter trains (lora.h).  Such a run reads the model again when it is resumed, and
 * holds one to it by its hash.  SPDX-License-Identifier: MIT */
#include "lora.h"
#include "run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LORA_ALPHA = 16, LENGTH = 256 };
static const double full_lr = 3e-4, lora_lr = 2e-3;

/* What the model says; what was asked for has to be the same. */
static int take_int(int *field, const char *name, int64_t value, const ch_train_run *r)
{
    if (*field > 0 && *field != value)
        return ch_fail(r->e, CH_EARG, "%s is %lld in %s and %d was asked for", name,
                       (long long)value, r->o.from, *field);
    *field = (int)value;
    return CH_OK;
}

/* A plain model may be asked to integrate, and one that does to have a gate. */
static int take_integrator(ch_train_run *r)
{
    ch_train_options *o = &r->o;
    ch_integrator_config *i = &r->config.integrator;
    const bool anchored = i->depth > 0 && o->anchor;
    if (anchored && strcmp(o->anchor, ch_train_anchor(&r->config)) != 0)
        return ch_fail(r->e, CH_EARG, "anchor is %s in %s and %.40s was asked for",
                       ch_train_anchor(&r->config), o->from, o->anchor);
    if (o->lora > 0 && (o->depth > i->depth || o->gate_layer > i->gate_layer))
        return ch_fail(r->e, CH_EARG, "an adapter leaves blocks as they are in %s; all weights "
                                      "have to train for steps or a gate that it has not",
                       o->from);
    if (i->depth == 0 && o->anchor && (o->depth <= 0 || !ch_train_is_anchor(o->anchor)))
        return ch_fail(r->e, CH_EARG, "anchor is \"%.40s\" and depth %d; a trained model may "
                                      "be given none, here, start, closed, for a depth of 1 or "
                                      "more",
                       o->anchor, o->depth);
    if (i->depth == 0 && o->anchor && ch_train_anchor_of(o->anchor) == CH_ANCHOR_DRIVEN)
        return ch_fail(r->e, CH_EARG, "driven blocks are trained from the beginning; a trained "
                                      "model may be given anchor none, here, start or closed");
    if (!o->lora)
        i->tolerance = 0; /* a gate is fitted to weights, and these change */
    if (i->depth == 0 && o->depth > 0) {
        if (!o->anchor)
            o->anchor = "start";
        *i = (ch_integrator_config){.depth = o->depth, .anchor = ch_train_anchor_of(o->anchor)};
    }
    if (i->gate_layer == 0 && o->gate_layer > 0)
        i->gate_layer = o->gate_layer;
    r->grows =
        i->depth != r->was.integrator.depth || i->gate_layer != r->was.integrator.gate_layer;
    o->anchor = ch_train_anchor(&r->config);
    return ch_config_check(&r->config, o->from, r->e);
}

static int none_if_0(int value)
{
    return value > 0 ? value : -1;
}

static int take_config(ch_train_run *r)
{
    ch_train_options *o = &r->o;
    const int grown = take_integrator(r);
    if (grown < 0)
        return grown;
    const ch_config *c = &r->config;
    const struct {
        int *field;
        const char *name;
        int value;
    } ints[] = {{&o->layers, "layers", c->layers},
                {&o->width, "width", c->width},
                {&o->heads, "heads", c->heads},
                {&o->kv_heads, "kv_heads", c->kv_heads},
                {&o->head_width, "head_width", c->head_width},
                {&o->hidden, "hidden", c->hidden},
                {&o->vocab, "vocab", c->vocab},
                {&o->context, "context", c->context},
                {&o->memory, "memory", none_if_0(c->memory)},
                {&o->depth, "depth", none_if_0(c->integrator.depth)},
                {&o->gate_layer, "gate_layer", none_if_0(c->integrator.gate_layer)},
                {&o->controller_groups, "controller_groups",
                 none_if_0(c->integrator.controller_groups)},
                {&o->ffn_groups, "ffn_groups", none_if_0(c->ffn_groups)},
                {&o->attention_groups, "attention_groups", none_if_0(c->attention_groups)},
                {&o->embedding_rank, "embedding_rank", none_if_0(c->rank)}};
    if (o->excitation > 0)
        return ch_fail(r->e, CH_EARG, "excitation is %g; %s has %d excited channels and keeps them",
                       o->excitation, o->from, c->integrator.excited);
    if (o->arch && strcmp(o->arch, c->arch->name) != 0)
        return ch_fail(r->e, CH_EARG, "arch is %s in %s and %s was asked for", c->arch->name,
                       o->from, o->arch);
    for (size_t i = 0; i < CH_COUNT(ints); i++) {
        const int rc = take_int(ints[i].field, ints[i].name, ints[i].value, r);
        if (rc < 0)
            return rc;
    }
    const char *ffn = c->relu2 ? "relu2" : "swiglu";
    if (o->ffn && strcmp(o->ffn, ffn) != 0)
        return ch_fail(r->e, CH_EARG, "ffn is %s in %s and %s was asked for", ffn, o->from, o->ffn);
    if (o->rope_base > 0 && (float)o->rope_base != (float)c->rope.base)
        return ch_fail(r->e, CH_EARG, "rope_base is %g in %s and %g was asked for", c->rope.base,
                       o->from, o->rope_base);
    if (o->untied && c->tied)
        return ch_fail(r->e, CH_EARG, "untied was asked for, and the head of %s is its embedding "
                                      "table", o->from);
    o->arch = c->arch->name;
    o->ffn = ffn;
    o->untied = !c->tied;
    o->rope_base = c->rope.base;
    return CH_OK;
}

static void choose(ch_train_options *o)
{
    if (o->length == 0)
        o->length = CH_MIN(LENGTH, o->context);
    if (o->lr == 0)
        o->lr = o->lora ? lora_lr : full_lr;
    if (o->lora && o->lora_alpha == 0)
        o->lora_alpha = LORA_ALPHA;
}

/* All weights can train where they were rounded to at most half precision. */
static int refuse_quantized(const ch_train_run *r)
{
    for (size_t i = 0; i < r->source->n_tensors; i++) {
        const ch_file_tensor *t = &r->source->tensors[i];
        if (ch_dtype_get(t->t.dtype)->block > 1)
            return ch_fail(r->e, CH_EARG,
                           "%s: tensor %s is %s: train an adapter on it (lora 8), or the decoded "
                           "weights (dequantize)",
                           r->o.from, t->name, ch_dtype_get(t->t.dtype)->name);
    }
    return CH_OK;
}

/* The finished model replaces out/model.gguf; an adapter replaces nothing. */
static int refuse_overwriting(const ch_train_run *r)
{
    struct stat from, to;
    char *path = ch_io_join(r->o.out, "model.gguf");
    if (!path)
        return ch_fail(r->e, CH_ENOMEM, "no memory for a path in %s", r->o.out);
    const bool same = stat(r->o.from, &from) == 0 && stat(path, &to) == 0 &&
                      from.st_dev == to.st_dev && from.st_ino == to.st_ino;
    free(path);
    return same ? ch_fail(r->e, CH_EARG,
                          "%s: the run in %s would replace the model that it continues from; "
                          "choose another directory (out)",
                          r->o.from, r->o.out)
                : CH_OK;
}

static void hash_of(char hash[33], const ch_train_run *r)
{
    const ch_hash128 h = ch_model_file_hash(&r->was, r->source);
    snprintf(hash, 33, "%016" PRIx64 "%016" PRIx64, h.hi, h.lo);
}

static int same_source(const ch_train_run *r)
{
    const json_t *was = json_object_get(r->stored, "from_hash");
    char is[33];
    hash_of(is, r);
    if (json_is_string(was) && strcmp(json_string_value(was), is) == 0)
        return CH_OK;
    return ch_fail(r->e, CH_EARG, "cannot resume: %s is not the model that the run began with",
                   r->o.from);
}

void ch_train_from_save(json_t *state, const ch_train_run *r)
{
    char hash[33];
    hash_of(hash, r);
    json_object_set_new(state, "from_hash", json_string(hash));
}

int ch_train_from_open(ch_train_run *r)
{
    ch_train_options *o = &r->o;
    const json_t *options = json_object_get(r->stored, "options");
    const char *from = json_string_value(json_object_get(options, "from"));
    if (r->stored && (o->from ? 1 : 0) > (from ? 1 : 0))
        return ch_fail(r->e, CH_EARG, "cannot resume: the run did not begin with a model");
    o->from = o->from ? o->from : from;
    if (!o->from) {
        if (o->lora || o->lora_targets || o->dequantize)
            return ch_fail(r->e, CH_EARG, "an adapter is trained on a model (from)");
        return CH_OK;
    }
    if (o->lora == 0) /* the run's, before the others are made from it */
        o->lora = (int)json_integer_value(json_object_get(options, "lora"));
    ch_train_unfold(o);
    if (o->depth == 0)
        o->depth = (int)json_integer_value(json_object_get(options, "depth"));
    if (o->gate_layer == 0)
        o->gate_layer = (int)json_integer_value(json_object_get(options, "gate_layer"));
    if (!o->anchor && o->depth > 0)
        o->anchor = json_string_value(json_object_get(options, "anchor"));
    if (!o->dequantize)
        o->dequantize = json_is_true(json_object_get(options, "dequantize"));
    int rc = ch_file_open(&r->source, o->from, r->e);
    if (rc == CH_OK)
        rc = ch_config_read(&r->config, r->source, r->e);
    r->was = r->config;
    if (rc == CH_OK && r->stored)
        rc = same_source(r);
    if (rc == CH_OK && r->stored && o->from != from) /* the same model, wherever it is now */
        json_object_set_new(json_object_get(r->stored, "options"), "from", json_string(o->from));
    if (rc == CH_OK && !o->lora && !o->dequantize)
        rc = refuse_quantized(r);
    if (rc == CH_OK && !o->lora)
        rc = refuse_overwriting(r);
    if (rc == CH_OK)
        rc = take_config(r);
    if (rc == CH_OK && !r->stored)
        choose(o);
    return rc;
}

int ch_train_from_vocabulary(ch_train_run *r)
{
    const int rc = ch_tokenizer_open(&r->tk, r->o.from, r->o.tokenizer, r->e);
    if (rc == CH_OK && ch_tokenizer_size(r->tk) > r->config.vocab)
        return ch_fail(r->e, CH_EARG, "%s: the vocabulary has %d entries, the model's table %d",
                       r->o.tokenizer ? r->o.tokenizer : r->o.from, ch_tokenizer_size(r->tk),
                       r->config.vocab);
    return rc;
}

int ch_train_from_model(ch_train_run *r)
{
    const ch_train_options *o = &r->o;
    if (!o->lora && r->grows)
        return ch_train_grow(&r->model, &r->config, &r->was, o->seed, r->source, r->e);
    if (!o->lora)
        return ch_model_create(&r->model, &r->config, o->seed, r->source, r->e);
    const ch_lora_options lo = {
        .rank = o->lora, .alpha = o->lora_alpha, .targets = o->lora_targets, .seed = o->seed};
    /* In i16 only: in f32 panels made once are as good and are not made again in every step. */
    const ch_model_load how = {.pool = r->pool,
                               .plain_as_reals = strcmp(o->precision, "i16") == 0};
    int rc = ch_model_load_file(&r->model, o->from, &how, r->e);
    if (rc == CH_OK)
        rc = ch_lora_create(&r->lora, r->model, &lo, r->e);
    if (rc == CH_OK)
        ch_lora_attach(r->lora, r->model);
    return rc;
}
