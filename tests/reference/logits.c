/* logits.c - architectures beside an implementation that shares the file reader alone
 *
 * The same random nano models go through the engine and through tests/reference, teacher-forced.
 * How far the two may be apart at one position, |a - b| / |b| over its V logits, is derived and
 * not chosen: the reference runs again with each result moved, at random up or down, by what
 * arithmetic of unit roundoff u may do to it there (reference.h says how much: n u for a sum of n
 * terms), enlarged by a common factor into the range where the answer is linear and well above
 * double's own noise.  The effect on the logits, divided by that factor, is the bound, the largest
 * of SEEDS runs.  It holds the depth, the reduction lengths and the condition of the model, and
 * nothing fitted.  It is pessimistic by about sqrt n, as real errors of a sum partly cancel;
 * random signs are of the kind that errors have (Higham, Mary 2019).
 *
 * This file is built twice.  In floats u is 2^-24: what users run, through a session with a cache
 * of floats, too.  With real = double u is 2^-53 and a wrong constant in the tenth digit is seen:
 * that is the test of meaning.
 *
 * As a program of its own:  logits MODEL.gguf [T [CONTEXT [OUT.f32]]]  compares a file, or writes
 * the reference's logits (T, V) for ids on standard input;  logits -w DIR  writes the nano models.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conversion.h"
#include "model.h"
#include "nano.h"
#include "reference.h"
#include "session.h"
#include "support.h"

enum { T = 64, SEEDS = 2 };

static const double noise = 0x1p-33;
#ifdef CH_REAL_IS_DOUBLE
static const double unit = 0x1p-53;
static const char *const numbers = "double";
#else
static const double unit = 0x1p-24;
static const char *const numbers = "float";
#endif

static ch_token *make_ids(int n, int vocab)
{
    ch_token *id = malloc((size_t)n * sizeof *id);
    assert_non_null(id);
    for (int t = 0; t < n; t++)
        id[t] = (ch_token)ch_rng_below((uint64_t)vocab, 11, CH_RNG_TEST, 1, (uint64_t)t);
    return id;
}

/* ---- Ours ----------------------------------------------------------------------------------- */

/* All positions in one pass, no cache. */
static double *pass(ch_model *m, const ch_token *id, int n, int context)
{
    ch_err e;
    unsigned features;
    ch_kernels k;
    ch_arena scratch;
    int32_t *pos = calloc(3 * (size_t)n, sizeof *pos), *first = pos + n;
    double *out = malloc((size_t)n * (size_t)m->config.vocab * sizeof *out);
    assert_true(pos && out);
    for (int t = 0; t < n; t++)
        pos[t] = t;
    memcpy(pos + 2 * n, id, (size_t)n * sizeof *id);
    assert_ok(ch_cpu_features(&features, NULL, &e), e);
    ch_kernels_init(&k, features);
    assert_ok(ch_arena_open(&scratch, ch_forward_scratch(m, NULL, &k, NULL, n, n, NULL), &e), e);
    ch_run r = {.scratch = &scratch, .kernels = &k};
    const ch_step step = {.rows = {.n = n, .id = pos + 2 * n, .pos = pos, .first = first},
                          .context = context};
    const ch_tensor *z = ch_forward_logits(&r, m, &step);
    for (int64_t i = 0; i < (int64_t)n * m->config.vocab; i++)
        out[i] = (double)((const real *)z->data)[i];
    ch_arena_close(&scratch);
    free(pos);
    return out;
}

#ifndef CH_REAL_IS_DOUBLE
struct rows {
    double *out;
    int V;
};

static int keep_row(void *arg, int position, const float *logits)
{
    const struct rows *r = arg;
    for (int v = 0; v < r->V; v++)
        r->out[(int64_t)position * r->V + v] = (double)logits[v];
    return CH_OK;
}

/* Through a cache of floats, in steps that end anywhere. */
static double *session(ch_model *m, const ch_token *id, int n, int context)
{
    enum { STEP = 7 };
    const ch_session_options o = {.threads = 1, .context = CH_MAX(context, n), .step_rows = STEP,
                                  .page_size = 16, .k_type = "f32", .v_type = "f32"};
    const int V = m->config.vocab;
    ch_err e;
    ch_session *s;
    double *out = malloc((size_t)n * (size_t)V * sizeof *out);
    assert_non_null(out);
    assert_ok(ch_session_open(&s, m, &o, &e), e);
    struct rows r = {out, V};
    assert_ok(ch_session_feed_each(s, id, n, keep_row, &r, &e), e);
    ch_session_close(&s);
    return out;
}
#endif

/* ---- How far apart -------------------------------------------------------------------------- */

static double apart(const double *a, const double *b, int n)
{
    double dd = 0, bb = 0;
    for (int i = 0; i < n; i++) {
        dd += (a[i] - b[i]) * (a[i] - b[i]);
        bb += b[i] * b[i];
    }
    return sqrt(dd / bb);
}

typedef struct judge {
    const ch_file *file;
    ch_token *id;
    int n, context, V;
    double *right; /* (n, V) */
    double *bound; /* of each position */
} judge;

static judge judge_open(const ch_file *f, int n, int context)
{
    const ch_file_tensor *table = ch_file_tensor_find(f, "token_embd.weight");
    assert_non_null(table);
    judge j = {.file = f, .n = n, .context = context, .V = (int)table->t.dim[0]};
    j.id = make_ids(n, j.V);
    j.right = ref_logits(&j.V, f, j.id, n, context, 0, 0);
    j.bound = calloc((size_t)n, sizeof *j.bound);
    assert_non_null(j.bound);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        double *moved = ref_logits(&j.V, f, j.id, n, context, noise, seed << 32);
        for (int t = 0; t < n; t++) {
            const double d = apart(moved + (int64_t)t * j.V, j.right + (int64_t)t * j.V, j.V);
            /* the reference itself is off by what double arithmetic does to it */
            j.bound[t] = fmax(j.bound[t], d / noise * (unit + 0x1p-53));
        }
        free(moved);
    }
    return j;
}

static void judge_close(judge *j)
{
    free(j->id);
    free(j->right);
    free(j->bound);
}

/* Frees `ours`.  Positions that are further apart than they may be. */
static int judge_logits(const judge *j, const char *name, const char *way, double *ours)
{
    double worst = 0, most = 0, tightest = 0, limit = 0;
    int bad = 0;
    for (int t = 0; t < j->n; t++) {
        const double *a = ours + (int64_t)t * j->V, *b = j->right + (int64_t)t * j->V;
        const double d = apart(a, b, j->V);
        if (!(d <= j->bound[t]) && bad++ == 0)
            print_message("# %s, %s: position %d is %.3g apart, at most %.3g\n", name, way, t, d,
                          j->bound[t]);
        worst = fmax(worst, d);
        tightest = fmax(tightest, d / j->bound[t]);
        limit = fmax(limit, j->bound[t]);
        for (int i = 0; i < j->V; i++)
            most = fmax(most, fabs(a[i] - b[i]));
    }
    print_message("# %-12s %-7s %-6s apart %.1e (largest difference %.1e), bound %.1e, used %.3f\n",
                  name, way, numbers, worst, most, limit, tightest);
    free(ours);
    return bad;
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static int compare(const ch_file *f, const char *path, const char *name, int n, int context)
{
    ch_err e;
    ch_model *m;
    judge j = judge_open(f, n, context);
    int bad;
#ifdef CH_REAL_IS_DOUBLE
    ch_config c;
    (void)path;
    assert_ok(ch_config_read(&c, f, &e), e);
    assert_ok(ch_model_create(&m, &c, 0, f, &e), e);
    bad = judge_logits(&j, name, "pass", pass(m, j.id, n, context));
#else
    assert_ok(ch_model_load_file(&m, path, NULL, &e), e);
    bad = judge_logits(&j, name, "pass", pass(m, j.id, n, context));
    if (m->config.inl.stop != CH_INL_REFERENCE) /* whose rows end with those of their step */
        bad += judge_logits(&j, name, "session", session(m, j.id, n, context));
#endif
    ch_model_free(&m);
    judge_close(&j);
    return bad;
}

static void agrees(void **state)
{
    const nano *n = *state;
    ch_err e;
    char *dir = temp_dir(), *path = ch_io_join(dir, "nano.gguf");
    ch_file *made = nano_build(n, -1), *f;
    assert_ok(ch_gguf_write(made, path, &e), e);
    ch_file_close(&made);
    assert_ok(ch_file_open(&f, path, &e), e);
    const int bad = compare(f, path, n->name, T, n->context ? n->context : NANO_CONTEXT);
    ch_file_close(&f);
    free(path);
    temp_dir_remove(dir);
    assert_int_equal(bad, 0);
}

/* Weights as a checkpoint's folder has them, in two bytes or four, and not packed: both sides read
 * the same numbers. */
static void folders_agree(void **state)
{
    static const ch_dtype types[] = {CH_F32, CH_BF16};
    const nano *n = *state;
    int bad = 0;
    for (size_t i = 0; i < CH_COUNT(types); i++) {
        ch_err e;
        ch_conversion *c;
        ch_config config;
        ch_model *m;
        char *dir = temp_dir(), *path = ch_io_join(dir, "folder");
        ch_file *made = nano_build(n, -1), *f;
        const ch_conversion_options o = {.type = types[i]};
        assert_ok(ch_conversion_open(&c, made, path, &o, &e), e);
        assert_ok(ch_conversion_write(c, &e), e);
        ch_conversion_close(&c);
        assert_ok(ch_file_open(&f, path, &e), e);
        judge j = judge_open(f, T, NANO_CONTEXT);
        assert_ok(ch_config_read(&config, f, &e), e);
        assert_ok(ch_model_create(&m, &config, 0, f, &e), e);
        bad += judge_logits(&j, n->name, ch_dtype_get(types[i])->name,
                            pass(m, j.id, T, NANO_CONTEXT));
        judge_close(&j);
        ch_model_free(&m);
        ch_file_close(&f);
        ch_file_close(&made);
        free(path);
        temp_dir_remove(dir);
    }
    assert_int_equal(bad, 0);
}

#ifdef CH_REAL_IS_DOUBLE
/* What metadata says matters: doubled, it moves the reference's logits far more than any bound. */
static void matters(void **state)
{
    enum { FEW = 48 };
    (void)state;
    ch_token *id = make_ids(FEW, NANO_VOCAB);
    for (int i = 0; i < n_nanos; i++) {
        const nano *n = &nanos[i];
        const int context = n->context ? n->context : NANO_CONTEXT;
        ch_file *f = nano_build(n, -1);
        int V;
        double *as_is = ref_logits(&V, f, id, FEW, context, 0, 0);
        for (int k = 0; k < NANO_KEYS && n->keys[k].key; k++) {
            if (n->keys[k].type != 'i' && n->keys[k].type != 'f')
                continue;
            ch_file *other = nano_build(n, k);
            double *z = ref_logits(&V, other, id, FEW, context, 0, 0);
            const double moved = apart(z, as_is, FEW * V);
            if (moved < 1e-3)
                fail_msg("%s: twice %s moves the logits by %g", n->name, n->keys[k].key, moved);
            free(z);
            ch_file_close(&other);
        }
        free(as_is);
        ch_file_close(&f);
    }
    free(id);
}
#endif

static void stories(void **state)
{
    (void)state;
    ch_err e;
    ch_file *f;
    skip_without("models/stories260K/stories260K-f32.gguf");
    const char *path = shared_path("models/stories260K/stories260K-f32.gguf");
    assert_ok(ch_file_open(&f, path, &e), e);
    assert_int_equal(compare(f, path, "stories260K", T, 512), 0);
    ch_file_close(&f);
}

/* ---- A file ------------------------------------------------------------------------------ */

static int write_reference(const ch_file *f, int n, int context, const char *out)
{
    ch_err e = {0};
    int V, read = 0;
    ch_token *id = malloc((size_t)n * sizeof *id);
    assert_non_null(id);
    while (read < n && scanf("%*[^0-9]") != EOF && scanf("%d", &id[read]) == 1)
        read++;
    if (read < n) {
        print_message("%d ids on standard input, %d wanted\n", read, n);
        return 1;
    }
    double *z = ref_logits(&V, f, id, n, context, 0, 0);
    const size_t count = (size_t)n * (size_t)V;
    float *small = malloc(count * sizeof *small);
    assert_non_null(small);
    for (size_t i = 0; i < count; i++)
        small[i] = (float)z[i];
    const int rc = ch_io_write_file(out, small, count * sizeof *small, &e);
    if (rc < 0)
        print_message("%s\n", e.text);
    free(small);
    free(z);
    free(id);
    return rc < 0;
}

static int one_file(const char *path, int n, int context, const char *out)
{
    ch_err e = {0};
    ch_file *f;
    if (ch_file_open(&f, path, &e) < 0) {
        print_message("%s\n", e.text);
        return 2;
    }
    const int bad = out ? write_reference(f, n, context, out)
                        : compare(f, path, "file", n, context) > 0;
    ch_file_close(&f);
    return bad;
}

static int write_nanos(const char *dir)
{
    for (int i = 0; i < n_nanos; i++) {
        ch_err e = {0};
        char name[64];
        snprintf(name, sizeof name, "%s.gguf", nanos[i].name);
        for (char *p = name; *p; p++)
            *p = *p == ' ' ? '-' : *p;
        char *path = ch_io_join(dir, name);
        ch_file *f = nano_build(&nanos[i], -1);
        if (ch_gguf_write(f, path, &e) < 0) {
            print_message("%s\n", e.text);
            return 1;
        }
        ch_file_close(&f);
        free(path);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "-w"))
        return write_nanos(argv[2]);
    if (argc > 1) {
        const int n_ids = argc > 2 ? atoi(argv[2]) : T, context = argc > 3 ? atoi(argv[3]) : n_ids;
        return one_file(argv[1], n_ids, context, argc > 4 ? argv[4] : NULL);
    }
    struct CMUnitTest tests[128];
    int n = 0;
    if (3 * n_nanos + 2 > (int)CH_COUNT(tests))
        return 2;
    for (int i = 0; i < n_nanos; i++) {
        tests[n++] = (struct CMUnitTest){nanos[i].name, agrees, NULL, NULL, (void *)&nanos[i]};
        if (!strncmp(nanos[i].arch, "inl", 3))
            tests[n++] =
                (struct CMUnitTest){nanos[i].name, folders_agree, NULL, NULL, (void *)&nanos[i]};
    }
    for (int i = 0; i < n_nanos; i++)
        if (observed_has(&nanos[i]))
            tests[n++] =
                (struct CMUnitTest){nanos[i].name, observed_agrees, NULL, NULL, (void *)&nanos[i]};
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(stories);
#ifdef CH_REAL_IS_DOUBLE
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(matters);
#endif
    return _cmocka_run_group_tests("reference", tests, (size_t)n, NULL, NULL);
}
