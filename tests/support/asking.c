/* asking.c - requests and what readers make of them
 *
 * SPDX-License-Identifier: MIT */
#include "asking.h"

#include <stdlib.h>
#include <string.h>

#include "sample.h"

json_t *json_of(const char *text)
{
    json_error_t e;
    char *copy = strdup(text);
    for (char *c = copy; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *v = json_loads(copy, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (!v)
        fail_msg("%s: %s", copy, e.text);
    free(copy);
    return v;
}

/* ---- Mutations ------------------------------------------------------------------------------- */

static const char *const odd[] = {
    "null", "true", "false", "0", "-1", "1", "1.5", "1e308", "-1e308", "9223372036854775807",
    "-9223372036854775808", "2147483648", "'0'", "''", "'\\u0000'", "'x'", "'\\ud83d\\ude00'",
    "[]", "[[]]", "{}", "{'a':1}", "[null]", "{'type':'text','text':'t'}", "{'':{'':[{}]}}",
    "'function'", "'none'", "[1,2,3]", "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]",
};

static uint64_t draw(uint64_t seed, uint32_t *at, uint64_t below)
{
    return ch_rng_below(below, seed, CH_RNG_TEST, 0, (*at)++);
}

/* Member or element number i, and back. */
static json_t *child(json_t *v, size_t i, const char **key)
{
    json_t *one;
    size_t k = 0;
    *key = NULL;
    if (json_is_array(v))
        return json_array_get(v, i);
    json_object_foreach(v, *key, one)
        if (k++ == i)
            return one;
    return NULL;
}

static void change(json_t *v, size_t i, const char *key, json_t *to)
{
    if (key)
        assert_int_equal(json_object_set_new(v, key, to), 0);
    else
        assert_int_equal(json_array_set_new(v, i, to), 0);
}

void json_mutate(json_t *v, uint64_t seed, uint32_t *at)
{
    for (;;) {
        const char *key;
        const size_t n = json_is_array(v) ? json_array_size(v) : json_object_size(v);
        if (n == 0)
            return;
        const size_t i = draw(seed, at, n);
        json_t *one = child(v, i, &key);
        const bool inner = json_array_size(one) > 0 || json_object_size(one) > 0;
        if (inner && draw(seed, at, 4) != 0) {
            v = one;
            continue;
        }
        const char *other;
        switch (draw(seed, at, 5)) {
        case 0:
            if (key)
                json_object_del(v, key);
            else
                json_array_remove(v, i);
            return;
        case 1: change(v, i, key, json_deep_copy(child(v, draw(seed, at, n), &other))); return;
        default: change(v, i, key, json_of(odd[draw(seed, at, CH_COUNT(odd))])); return;
        }
    }
}

/* ---- What was asked for ---------------------------------------------------------------------- */

static void put(json_t *to, const char *name, json_t *v)
{
    assert_int_equal(json_object_set_new(to, name, v), 0);
}

static void put_int(json_t *to, const char *name, int v, int or)
{
    if (v != or)
        put(to, name, json_integer(v));
}

static void put_value(json_t *to, const char *name, json_t *v)
{
    if (v)
        put(to, name, json_incref(v));
}

static void put_text(json_t *to, const char *name, const char *text)
{
    if (text)
        put(to, name, json_string(text));
}

static void put_sampling(json_t *to, const ch_ask *a)
{
    json_t *list = json_object();
    for (const ch_sampling_param *p = ch_sampling_params; p->name; p++) {
        const double v = ch_sampling_value(&a->sampling, p);
        if (v < p->or || v > p->or)
            put(to, p->name, json_real(v));
    }
    for (int i = 0; i < a->sampling.n_bias; i++) {
        char id[20];
        const float by = a->bias[i].bias;
        snprintf(id, sizeof id, "%d", (int)a->bias[i].id);
        put(list, id, isinf(by) ? json_string("-inf") : json_real((double)by));
    }
    if (a->sampling.n_bias)
        put_value(to, "bias", list);
    json_decref(list);
    if (a->seeded)
        put(to, "seed", json_integer((json_int_t)a->sampling.seed));
    if (a->sampling.order[0]) {
        list = json_array();
        for (int i = 0; i < 16 && a->sampling.order[i] && a->sampling.order[i] != 255; i++)
            json_array_append_new(list, json_integer(a->sampling.order[i] - 1));
        put(to, "samplers", list);
    }
}

static void put_numbers(json_t *to, const ch_ask *a)
{
    const struct {
        const char *name;
        int v, or;
    } all[] = {{"api", (int)a->api, 0},
               {"go_on", a->go_on, 0},
               {"echo", a->echo, 0},
               {"answers", a->answers, 1},
               {"best_of", a->best_of, a->answers},
               {"most", a->most, -1},
               {"least", a->least, 0},
               {"log_probs", a->log_probs, 0},
               {"top_log_probs", a->top_log_probs, a->top > 0},
               {"top", a->top, 0},
               {"choose", (int)a->choose, 0},
               {"one_call", a->one_call, 0},
               {"form_kind", (int)a->form_kind, 0},
               {"thinking", (int)a->thinking, 0},
               {"think_most", a->think_most, -1},
               {"hide_reasoning", a->hide_reasoning, 0},
               {"cost", a->cost, 0},
               {"stream", a->stream, 0},
               {"stream_usage", a->stream_usage, 0},
               {"dimensions", a->dimensions, 0},
               {"base64", a->base64, 0}};
    for (size_t i = 0; i < CH_COUNT(all); i++)
        put_int(to, all[i].name, all[i].v, all[i].or);
}

json_t *shown(const ch_ask *a)
{
    json_t *to = json_object();
    put_text(to, "model", a->model);
    put_text(to, "user", a->user);
    put_text(to, "tool", a->tool);
    put_value(to, "messages", a->messages);
    put_value(to, "tools", a->tools);
    put_value(to, "variables", a->variables);
    put_value(to, "prompts", a->prompts);
    put_value(to, "stop", a->stop);
    put_value(to, "form", a->form);
    put_value(to, "applied", a->applied);
    put_numbers(to, a);
    put_sampling(to, a);
    return to;
}

static const ch_ask_limits limits = {.answers = 16,
                                     .stops = 4,
                                     .stop_bytes = 20,
                                     .biases = 4,
                                     .tools = 4,
                                     .messages = 8};

void assert_asks(ch_ask_reader *read, const char *body, const char *expected)
{
    ch_ask *a;
    ch_refusal r = {0};
    json_t *want = json_of(expected);
    if (read(&a, json_of(body), &limits, &r) < 0)
        fail_msg("%s: %s (%s)", body, r.text, r.param);
    json_t *is = shown(a);
    if (!json_equal(is, want)) {
        char *text = json_dumps(is, JSON_COMPACT);
        fail_msg("%s:\n  is   %s\n  want %s", body, text, expected);
    }
    json_decref(is);
    json_decref(want);
    ch_ask_close(&a);
}

void assert_refuses(ch_ask_reader *read, const char *body, ch_refused why, const char *param,
                    const char *part)
{
    ch_ask *a;
    ch_refusal r = {0};
    const int rc = read(&a, json_of(body), &limits, &r);
    assert_null(rc < 0 ? a : NULL);
    if (rc != CH_EARG || r.why != why || strcmp(r.param, param) != 0 || !strstr(r.text, part))
        fail_msg("%s: %d, %d, param \"%s\", \"%s\"; wanted %d, \"%s\", \"%s\"", body, rc,
                 (int)r.why, r.param, r.text, (int)why, param, part);
}
