/* settle.c - options: what was not said, what may be said, and what a resumed run holds one to
 *
 * One line an option.  Those that decide the result are stored in state.json under the same names.
 * SPDX-License-Identifier: MIT */
#include "train.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

typedef enum kind { INT, REAL_NUMBER, TEXT, FLAG, SEED } kind;

typedef struct option {
    const char *name;
    kind kind;
    size_t at;
    double normal, min, max; /* normal: its default; 0: made from others */
    bool off;                /* negative means none */
} option;

#define AT(field) offsetof(ch_train_options, field)
static const option options[] = {
    {"held_out", REAL_NUMBER, AT(held_out), 0.02, 0, 0.9, true},
    {"vocab", INT, AT(vocab), 4096, 2, CH_MAX_VOCAB, false},
    {"arch", TEXT, AT(arch), 0, 0, 0, false},
    {"layers", INT, AT(layers), 6, 1, CH_MAX_LAYERS, false},
    {"width", INT, AT(width), 256, 1, CH_MAX_WIDTH, false},
    {"head_width", INT, AT(head_width), 0, 2, 1024, false},
    {"heads", INT, AT(heads), 0, 1, CH_MAX_HEADS, false},
    {"kv_heads", INT, AT(kv_heads), 0, 1, CH_MAX_HEADS, false},
    {"hidden", INT, AT(hidden), 0, 1, 4.0 * CH_MAX_WIDTH, false},
    {"untied", FLAG, AT(untied), 0, 0, 0, false},
    {"length", INT, AT(length), 256, 2, 1 << 20, false},
    {"micro_batch", INT, AT(micro_batch), 8, 1, 1 << 20, false},
    {"accumulate", INT, AT(accumulate), 2, 1, 1 << 15, false},
    {"steps", INT, AT(steps), 0, 1, INT32_MAX, false},
    {"lr", REAL_NUMBER, AT(lr), 2e-3, 1e-12, 10, false},
    {"lr_end", REAL_NUMBER, AT(lr_end), 0.1, 0, 1, true},
    {"warmup", REAL_NUMBER, AT(warmup), 0.02, 0, 1, true},
    {"weight_decay", REAL_NUMBER, AT(weight_decay), 0.1, 0, 10, true},
    {"beta1", REAL_NUMBER, AT(beta1), 0.9, 1e-6, 0.999999, false},
    {"beta2", REAL_NUMBER, AT(beta2), 0.95, 1e-6, 0.9999999, false},
    {"clip", REAL_NUMBER, AT(clip), 1, 0, 1e6, true},
    {"seed", SEED, AT(seed), 0, 0, 0, false},
};
#undef AT

static void *field(const ch_train_options *o, const option *p)
{
    return (char *)(uintptr_t)o + p->at;
}

/* ---- As JSON, and from it ------------------------------------------------------------------- */

static json_t *to_json(const ch_train_options *o, const option *p)
{
    const void *v = field(o, p);
    switch (p->kind) {
    case INT: return json_integer(*(const int *)v);
    case REAL_NUMBER: return json_real(*(const double *)v);
    case TEXT: return json_string(*(const char *const *)v);
    case FLAG: return json_boolean(*(const bool *)v);
    default:
        return json_integer((json_int_t) *
                            (const uint64_t *)v); /* to the bit, perhaps below zero */
    }
}

json_t *ch_train_describe(const ch_train_options *o)
{
    json_t *all = json_object();
    for (size_t i = 0; all && i < CH_COUNT(options); i++)
        if (json_object_set_new(all, options[i].name, to_json(o, &options[i])) < 0) {
            json_decref(all);
            all = NULL;
        }
    return all;
}

static bool is_set(const ch_train_options *o, const option *p)
{
    const void *v = field(o, p);
    switch (p->kind) {
    case INT: return *(const int *)v != 0;
    case REAL_NUMBER: return *(const double *)v != 0;
    case TEXT: return *(const char *const *)v != NULL;
    case FLAG: return *(const bool *)v;
    default: return *(const uint64_t *)v != 0;
    }
}

static bool matches(const option *p, const json_t *v)
{
    switch (p->kind) {
    case INT:
        return json_is_integer(v) && json_integer_value(v) >= INT32_MIN &&
               json_integer_value(v) <= INT32_MAX;
    case REAL_NUMBER: return json_is_number(v);
    case TEXT: return json_is_string(v);
    case FLAG: return json_is_boolean(v);
    default: return json_is_integer(v);
    }
}

static void take(ch_train_options *o, const option *p, const json_t *v)
{
    void *to = field(o, p);
    switch (p->kind) {
    case INT: *(int *)to = (int)json_integer_value(v); break;
    case REAL_NUMBER: *(double *)to = json_number_value(v); break;
    case TEXT: *(const char **)to = json_string_value(v); break;
    case FLAG: *(bool *)to = json_is_true(v); break;
    default: *(uint64_t *)to = (uint64_t)json_integer_value(v); break;
    }
}

static void show(char *out, size_t size, const ch_train_options *o, const option *p)
{
    const void *v = field(o, p);
    switch (p->kind) {
    case INT: snprintf(out, size, "%d", *(const int *)v); break;
    case REAL_NUMBER: snprintf(out, size, "%.9g", *(const double *)v); break;
    case TEXT: snprintf(out, size, "%s", *(const char *const *)v); break;
    case FLAG: snprintf(out, size, "%s", *(const bool *)v ? "true" : "false"); break;
    default: snprintf(out, size, "%" PRIu64, *(const uint64_t *)v); break;
    }
}

/* What was left open is the run's; what was said must be what the run says. */
static int follow(ch_train_options *o, const json_t *stored, ch_err *e)
{
    for (size_t i = 0; i < CH_COUNT(options); i++) {
        const option *p = &options[i];
        const json_t *v = json_object_get(stored, p->name);
        if (!v || !matches(p, v))
            return ch_fail(e, CH_EFORMAT,
                           "state.json: the option \"%s\" is missing or of a wrong kind", p->name);
        ch_train_options run = *o;
        take(&run, p, v);
        char asked[80], found[80];
        show(found, sizeof found, &run, p);
        if (is_set(o, p)) {
            show(asked, sizeof asked, o, p);
            if (strcmp(asked, found) != 0)
                return ch_fail(e, CH_EARG,
                               "cannot resume: %s is %s in the run and %s was asked for", p->name,
                               found, asked);
        }
        *o = run;
    }
    return CH_OK;
}

/* ---- Defaults and ranges -------------------------------------------------------------------- */

static void derive(ch_train_options *o)
{
    if (!o->arch)
        o->arch = "qwen3";
    for (size_t i = 0; i < CH_COUNT(options); i++)
        if (options[i].normal != 0 && !is_set(o, &options[i])) {
            if (options[i].kind == INT)
                *(int *)field(o, &options[i]) = (int)options[i].normal;
            else
                *(double *)field(o, &options[i]) = options[i].normal;
        }
    if (o->head_width == 0)
        o->head_width = o->heads > 0 ? CH_MAX(2, o->width / o->heads) : 64;
    if (o->heads == 0)
        o->heads = CH_MAX(1, o->width / CH_MAX(1, o->head_width));
    if (o->kv_heads == 0)
        o->kv_heads = o->heads % 2 == 0 ? o->heads / 2 : o->heads;
    if (o->hidden == 0)
        o->hidden = 4 * CH_MIN(o->width, CH_MAX_WIDTH);
    if (o->eval_tokens == 0)
        o->eval_tokens = 65536;
}

static int check_ranges(const ch_train_options *o, ch_err *e)
{
    for (size_t i = 0; i < CH_COUNT(options); i++) {
        const option *p = &options[i];
        if ((p->kind != INT && p->kind != REAL_NUMBER) || !is_set(o, p))
            continue;
        const double v = p->kind == INT ? (double)*(const int *)field(o, p)
                                        : *(const double *)field(o, p);
        if (p->off && v < 0)
            continue;
        if (!(v >= p->min && v <= p->max))
            return ch_fail(e, CH_EARG, "%s is %.9g; allowed are %.9g to %.9g%s", p->name, v,
                           p->min, p->max, p->off ? ", or less than 0 for none" : "");
    }
    return CH_OK;
}

static int check_together(const ch_train_options *o, ch_err *e)
{
    const ch_arch *arch = ch_arch_find(o->arch, strlen(o->arch));
    if (!arch)
        return ch_fail(e, CH_EARG, "arch is \"%s\"; known are %s", o->arch, ch_arch_names());
    if (o->heads % o->kv_heads != 0)
        return ch_fail(e, CH_EARG,
                       "heads is %d and kv_heads %d; heads must be a multiple of kv_heads",
                       o->heads, o->kv_heads);
    if (o->head_width % 2 != 0)
        return ch_fail(e, CH_EARG,
                       "head_width is %d; it must be even, because positions turn pairs",
                       o->head_width);
    if (o->accumulate & (o->accumulate - 1))
        return ch_fail(e, CH_EARG, "accumulate is %d; it must be a power of two", o->accumulate);
    if ((int64_t)o->micro_batch * o->length > 1 << 20)
        return ch_fail(e, CH_EARG, "micro_batch times length is %lld; allowed are up to %d rows",
                       (long long)o->micro_batch * o->length, 1 << 20);
    if (!(o->tokens >= 0 && o->tokens <= 1e15))
        return ch_fail(e, CH_EARG, "tokens is %g; allowed are 0 (one pass over the data) to 1e15",
                       o->tokens);
    if (o->eval_every < 0 || o->save_every < 0 || o->eval_tokens < 0 || o->threads < 0)
        return ch_fail(
            e, CH_EARG,
            "eval_every (%d), save_every (%d), eval_tokens (%d), threads (%d): none may be"
            " negative",
            o->eval_every, o->save_every, o->eval_tokens, o->threads);
    return CH_OK;
}

int ch_train_settle(ch_train_options *o, const json_t *stored, ch_err *e)
{
    int rc = check_ranges(o, e);
    if (rc == CH_OK && stored)
        rc = follow(o, stored, e);
    if (rc < 0)
        return rc;
    derive(o);
    rc = check_ranges(o, e);
    return rc == CH_OK ? check_together(o, e) : rc;
}
