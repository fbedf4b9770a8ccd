/* observed.c - what ch_step.watch tells of integrators beside the same numbers of the reference
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "nano.h"
#include "reference.h"
#include "support.h"

enum { T = 48, STEPS = 16, NUMBERS = 6 };

typedef struct seeing {
    int width, layers;
    double *number; /* (L, STEPS, T, D, NUMBERS); NaN: nothing was said */
} seeing;

static double *place(const seeing *s, int layer, int step, int token, int channel)
{
    assert_in_range(layer, 0, s->layers - 1);
    assert_in_range(step, 0, STEPS - 1);
    assert_in_range(token, 0, T - 1);
    assert_in_range(channel, 0, s->width - 1);
    double *at = s->number + ((((int64_t)layer * STEPS + step) * T + token) * s->width + channel) *
                                 NUMBERS;
    assert_true(isnan(at[0])); /* once */
    return at;
}

static void hear_reference(void *arg, const ref_seen *r)
{
    double *at = place(arg, r->layer, r->step, r->token, r->channel);
    memcpy(at, (double[]){r->alpha, r->beta, r->gate, r->gain, r->v, r->e}, NUMBERS * sizeof *at);
}

static void hear(void *arg, const ch_watched *w)
{
    const seeing *s = arg;
    for (int j = 0; w->alpha && j < s->width; j++) {
        double *at = place(s, w->layer, w->step, w->row, j);
        at[0] = (double)w->alpha[j];
        at[1] = (double)w->beta[j];
        at[2] = w->gate ? (double)w->gate[j] : 1;
        at[3] = w->gain ? (double)w->gain[j] : 1;
        at[4] = w->v ? (double)w->v[j] : 0;
        at[5] = (double)w->away[j];
    }
}

static seeing open_seeing(const ch_config *c)
{
    const size_t n = (size_t)c->layers * STEPS * T * (size_t)c->width * NUMBERS;
    seeing s = {.width = c->width, .layers = c->layers, .number = malloc(n * sizeof(double))};
    assert_non_null(s.number);
    for (size_t i = 0; i < n; i++)
        s.number[i] = (double)NAN;
    return s;
}

static void watch(const seeing *s, const ch_model *m, const ch_token *id)
{
    ch_err e;
    unsigned features;
    ch_kernels k;
    ch_arena scratch;
    int32_t pos[T], first[T] = {0};
    for (int t = 0; t < T; t++)
        pos[t] = t;
    assert_ok(ch_cpu_features(&features, NULL, &e), e);
    ch_kernels_init(&k, features);
    const ch_step step = {.rows = {.n = T, .id = id, .pos = pos, .first = first},
                          .watch = hear, .watch_arg = (void *)s};
    ch_arena_measure(&scratch);
    ch_run r = {.scratch = &scratch, .kernels = &k};
    ch_forward_hidden(&r, m, &step);
    const size_t peak = scratch.peak;
    ch_arena_close(&scratch);
    assert_ok(ch_arena_open(&scratch, peak, &e), e);
    ch_forward_hidden(&r, m, &step);
    ch_arena_close(&scratch);
}

/* The error of floats grows along the layers and steps, by less than this. */
#ifdef CH_REAL_IS_DOUBLE
static const double allowed = 1e-11;
#else
static const double allowed = 1e-4;
#endif

void observed_agrees(void **state)
{
    const nano *n = *state;
    ch_err e;
    ch_config c;
    ch_model *m;
    ch_token id[T];
    ch_file *f = nano_build(n, -1);
    for (int t = 0; t < T; t++)
        id[t] = (ch_token)ch_rng_below(NANO_VOCAB, 11, CH_RNG_TEST, 2, (uint64_t)t);
    assert_ok(ch_config_read(&c, f, &e), e);
    assert_ok(ch_model_create(&m, &c, 0, f, &e), e);
    const seeing ours = open_seeing(&c), right = open_seeing(&c);
    watch(&ours, m, id);
    ref_observe(f, id, T, hear_reference, (void *)&right);
    const int64_t all = (int64_t)c.layers * STEPS * T * c.width * NUMBERS;
    int64_t said = 0;
    double worst = 0;
    for (int64_t i = 0; i < all; i++) {
        assert_int_equal(isnan(ours.number[i]), isnan(right.number[i]));
        if (isnan(right.number[i]))
            continue;
        worst = fmax(worst, fabs(ours.number[i] - right.number[i]) / (1 + fabs(right.number[i])));
        said++;
    }
    print_message("# %-18s %lld numbers, apart %.1e\n", n->name, (long long)said, worst);
    assert_true(said >= (int64_t)c.layers * T * c.width * NUMBERS);
    assert_true(worst <= allowed);
    free(ours.number);
    free(right.number);
    ch_model_free(&m);
    ch_file_close(&f);
}

bool observed_has(const nano *n)
{
    bool inertia = false;
    for (int k = 0; k < NANO_KEYS && n->keys[k].key; k++)
        inertia |= strcmp(n->keys[k].key, "integrator.anchor") == 0 && n->keys[k].v > 0;
    return inertia || strncmp(n->arch, "inl", 3) == 0;
}
