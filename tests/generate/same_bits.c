/* same_bits.c - the first promise: logits depend on the tokens before, on nothing else
 *
 * For each weight format, architecture and cache format, logits of every position are computed
 * one token at a time by one thread, and compared to the bit with every other way of getting
 * there.  SPDX-License-Identifier: MIT */
#include "support.h"
#include "tiny.h"

#include "generate.h"

#include <stdlib.h>
#include <string.h>

enum { N = 70, MOST_ROWS = 17, CONTEXT = 128 };

struct way {
    ch_model *model;
    const char *k, *v;
    int vocab;
    ch_token tokens[N];
    float *truth; /* (N, V) */
};


static ch_session *open_session(const struct way *w, int threads, int step_rows)
{
    ch_err e = {0};
    ch_session *s;
    const ch_session_options o = {.threads = threads,
                                  .step_rows = step_rows,
                                  .k_type = w->k,
                                  .v_type = w->v,
                                  .context = CONTEXT,
                                  .page_size = 16};
    assert_ok(ch_session_open(&s, w->model, &o, &e), e);
    return s;
}

static void feed(ch_session *s, const ch_token *t, int n)
{
    ch_err e = {0};
    assert_ok(ch_session_feed(s, t, n, &e), e);
}

static void equal_at(const struct way *w, ch_session *s, const char *what)
{
    const int at = ch_session_length(s) - 1;
    const float *got = ch_session_logits(s);
    assert_non_null(got);
    if (memcmp(got, w->truth + (ptrdiff_t)at * w->vocab, (size_t)w->vocab * sizeof *got) != 0)
        fail_msg("%s: the logits at position %d differ (keys %s, values %s)", what, at, w->k,
                 w->v);
}

static int convolving(const ch_model *m)
{
    return m->config.layers - ch_config_attending(&m->config, m->config.layers);
}

static void make_truth(struct way *w)
{
    ch_session *s = open_session(w, 1, 1);
    for (int i = 0; i < N; i++) {
        w->tokens[i] = (ch_token)ch_rng_below((uint64_t)w->vocab, 5, CH_RNG_TEST, 0, (uint64_t)i);
        feed(s, &w->tokens[i], 1);
        memcpy(w->truth + (ptrdiff_t)i * w->vocab, ch_session_logits(s),
               (size_t)w->vocab * sizeof(float));
    }
    ch_session_close(&s);
}

/* Every number of rows a step, with 1, 2, 3 threads, in one call or in ragged ones. */
static void rows_and_threads(const struct way *w)
{
    for (int rows = 1; rows <= MOST_ROWS; rows++)
        for (int threads = FEWEST_THREADS; threads <= 3; threads++) {
            if (threads > 1 && rows > 3 && rows != MOST_ROWS)
                continue;
            ch_session *s = open_session(w, threads, rows);
            feed(s, w->tokens, N);
            equal_at(w, s, "one call");
            ch_session_close(&s);
            s = open_session(w, threads, MOST_ROWS);
            for (int at = 0, n; at < N; at += n) {
                n = CH_MIN(1 + at * rows % 23, N - at);
                feed(s, w->tokens + at, n);
                equal_at(w, s, "ragged calls");
            }
            ch_session_close(&s);
        }
}

struct each {
    const struct way *w;
    int seen;
};

static int same_row(void *arg, int position, const float *logits)
{
    struct each *x = arg;
    const struct way *w = x->w;
    assert_int_equal(position, x->seen++);
    assert_memory_equal(logits, w->truth + (ptrdiff_t)position * w->vocab,
                        (size_t)w->vocab * sizeof *logits);
    return CH_OK;
}

static void every_row_of_a_step(const struct way *w)
{
    ch_err e = {0};
    ch_session *s = open_session(w, 2, 64);
    struct each x = {.w = w};
    assert_ok(ch_session_feed_each(s, w->tokens, N, same_row, &x, &e), e);
    assert_int_equal(x.seen, N);
    ch_session_close(&s);
}

static void forks_and_rollbacks(const struct way *w)
{
    ch_err e = {0};
    ch_session *s = open_session(w, 2, 16), *f;
    feed(s, w->tokens, 40);
    assert_ok(ch_session_fork(&f, s, &e), e);
    const ch_token other[3] = {7, 8, 9};
    feed(f, other, 3); /* a neighbour that goes its own way must not be seen */
    feed(s, w->tokens + 40, 10);
    equal_at(w, s, "after a fork");
    assert_ok(ch_session_rollback(f, 35, &e), e);
    feed(f, w->tokens + 35, 20);
    equal_at(w, f, "a fork rolled back and fed again");
    assert_ok(ch_session_rollback(s, 33, &e),
              e); /* within a page, and the last token computed again */
    feed(s, w->tokens + 33, 1);
    equal_at(w, s, "rolled back");
    ch_session_close(&s);
    feed(f, w->tokens + 55, N - 55);
    equal_at(w, f, "after its parent closed");
    ch_session_close(&f);
}

static void shared_prefixes(const struct way *w)
{
    ch_err e = {0};
    ch_session *base = open_session(w, 2, 16), *a, *b;
    assert_ok(ch_session_fork(&a, base, &e), e);
    assert_ok(ch_session_fork(&b, base, &e), e);
    feed(a, w->tokens, 60);
    feed(b, w->tokens, 51);
    equal_at(w, b, "a prefix found in the cache");
    assert_true(ch_session_get_stats(b).shared_tokens >= 32 || convolving(w->model) > 0);
    ch_session_close(&a);
    feed(b, w->tokens + 51, N - 51);
    equal_at(w, b, "after a shared prefix");
    ch_session_close(&b);
    ch_session_close(&base);
}

/* ---- Several sequences in one step, through the model's own interface ---------------------- */

enum { SEQS = 3, STEPS = 6, MOST_STEP = 64 };

struct batch {
    ch_session *lender; /* of cache options */
    ch_kernels kernels;
    ch_pool *pool;
    ch_arena scratch;
    ch_cache *cache;
    ch_sequence seq[SEQS];
};

static void open_batch(struct batch *b, const struct way *w)
{
    ch_err e = {0};
    unsigned features;
    b->lender = open_session(w, 1, 1);
    assert_ok(ch_cpu_features(&features, NULL, &e), e);
    ch_kernels_init(&b->kernels, features);
    assert_ok(ch_pool_open(&b->pool, 2, &e), e);
    const ch_cache_options *co = ch_cache_get_options(ch_session_cache(b->lender));
    const ch_kv_view like = {.page_size = co->page_size,
                             .kv_heads = co->kv_heads,
                             .width = ch_cache_width(ch_session_cache(b->lender)),
                             .keys = CONTEXT,
                             .k_dtype = co->k_dtype,
                             .v_dtype = co->v_dtype};
    const size_t bytes =
        ch_forward_scratch(w->model, NULL, &b->kernels, b->pool, MOST_STEP, MOST_STEP, &like);
    assert_ok(ch_arena_open(&b->scratch, bytes + 4096, &e), e);
    assert_ok(ch_cache_open(&b->cache, co, &e), e);
    const ch_convolution_options vo = {.layers = convolving(w->model),
                                       .width = w->model->config.width,
                                       .taps = w->model->config.taps};
    for (int i = 0; i < SEQS; i++) {
        assert_ok(ch_pages_open(&b->seq[i].state[0], b->cache, &e), e);
        b->seq[i].n_states = 1;
        if (vo.layers > 0)
            assert_ok(ch_convolution_open(&b->seq[i].state[b->seq[i].n_states++], &vo, &e), e);
    }
}

static void close_batch(struct batch *b)
{
    for (int i = 0; i < SEQS; i++)
        ch_sequence_close(&b->seq[i]);
    ch_cache_close(&b->cache);
    ch_arena_close(&b->scratch);
    ch_pool_close(&b->pool);
    ch_session_close(&b->lender);
}

/* Each sequence takes some tokens of the same text; all logits are compared with the truth. */
static void batch_step(struct batch *b, const struct way *w, int step)
{
    ch_err e = {0};
    ch_sequence *seqs[SEQS] = {&b->seq[0], &b->seq[1], &b->seq[2]};
    ch_token id[MOST_STEP], before[MOST_STEP];
    int32_t pos[MOST_STEP], which[MOST_STEP];
    int rows = 0;
    for (int i = 0; i < SEQS; i++) {
        const int n = (i + 1 + step) % 4 + 1;
        assert_ok(ch_sequence_append(&b->seq[i], n, &e), e);
        for (int j = 0; j < n; j++, rows++) {
            pos[rows] = b->seq[i].length - n + j;
            id[rows] = w->tokens[pos[rows]];
            before[rows] = pos[rows] > 0 ? w->tokens[pos[rows] - 1] : -1;
            which[rows] = i;
        }
    }
    ch_arena_reset(&b->scratch, 0);
    ch_run run = {.scratch = &b->scratch, .pool = b->pool, .kernels = &b->kernels};
    const ch_step st = {.rows = {.n = rows, .id = id, .pos = pos, .seq = which, .before = before},
                        .seqs = seqs,
                        .context = CONTEXT,
                        .n_seqs = SEQS,
                        .n_wanted = rows};
    const ch_tensor *logits = ch_forward_logits(&run, w->model, &st);
    for (int r = 0; r < rows; r++)
        assert_memory_equal(ch_tensor_row(logits, r), w->truth + (ptrdiff_t)pos[r] * w->vocab,
                            (size_t)w->vocab * sizeof(float));
}

static void neighbours(const struct way *w)
{
    struct batch b = {0};
    open_batch(&b, w);
    for (int step = 0; step < STEPS; step++)
        batch_step(&b, w, step);
    close_batch(&b);
}

/* ---- Drafts -------------------------------------------------------------------------------- */

struct silly {
    const ch_token *right; /* the text without drafts, from position `from` */
    int from, n, calls;
};

/* Guesses a run of the right tokens with a wrong one at a place that moves about. */
static int guess(void *arg, const ch_token *tokens, int n, ch_token *out, int most)
{
    struct silly *g = arg;
    (void)tokens;
    const int wrong = g->calls++ % 6;
    int k = 0;
    for (; k < most && n - g->from + k < g->n; k++)
        out[k] = k == wrong ? (g->right[n - g->from + k] + 1) % 320 : g->right[n - g->from + k];
    return k;
}

static void drafts(const struct way *w)
{
    enum { GENERATED = 40, PROMPT = 20 };
    const double temps[] = {0, 0.9};
    for (size_t t = 0; t < CH_COUNT(temps); t++) {
        ch_sampling how = CH_SAMPLING;
        how.temp = temps[t];
        how.seed = 11;
        ch_err e = {0};
        ch_token plain[GENERATED], drafted[GENERATED];
        ch_session *s = open_session(w, 1, 8);
        feed(s, w->tokens, PROMPT);
        for (int i = 0; i < GENERATED; i++)
            assert_ok(ch_session_next(&plain[i], s, &how, &e), e);
        ch_session *d = open_session(w, 2, 8);
        struct silly silly = {.right = plain, .from = PROMPT, .n = GENERATED};
        ch_session_draft(d, guess, &silly, 5);
        feed(d, w->tokens, PROMPT);
        for (int i = 0; i < GENERATED; i++)
            assert_ok(ch_session_next(&drafted[i], d, &how, &e), e);
        assert_memory_equal(plain, drafted, sizeof plain);
        const ch_session_stats st = ch_session_get_stats(d);
        assert_true(st.drafted > st.accepted && st.accepted > 0);
        feed(s, w->tokens, 1);
        feed(d, w->tokens, 1);
        assert_memory_equal(ch_session_logits(s), ch_session_logits(d),
                            (size_t)w->vocab * sizeof(float));
        ch_session_close(&s);
        ch_session_close(&d);
    }
}

static void all_ways(const char *arch, ch_dtype weights, const char *k, const char *v)
{
    struct way w = {.model = tiny_open(arch, weights, 3), .k = k, .v = v};
    w.vocab = w.model->config.vocab;
    w.truth = malloc(N * (size_t)w.vocab * sizeof *w.truth);
    assert_non_null(w.truth);
    make_truth(&w);
    rows_and_threads(&w);
    every_row_of_a_step(&w);
    forks_and_rollbacks(&w);
    shared_prefixes(&w);
    neighbours(&w);
    drafts(&w);
    free(w.truth);
    ch_model_close(&w.model);
}

/* Every weight format with every cache format, in the ways that differ most. */
static void all_formats(void **state)
{
    (void)state;
    static const ch_dtype weights[] = {CH_F32, CH_F16, CH_BF16, CH_Q8_0, CH_Q4_0};
    static const char *const caches[] = {"f32", "f16", "bf16", "q8_0"};
    for (size_t i = 0; i < CH_COUNT(weights) * CH_COUNT(caches); i++) {
        const char *cache = caches[i % CH_COUNT(caches)];
        const ch_dtype dtype = weights[i / CH_COUNT(caches)];
        struct way w = {
            .model = tiny_open(i % 2 ? "llama" : "qwen3", dtype, i), .k = cache, .v = cache};
        w.vocab = w.model->config.vocab;
        w.truth = malloc(N * (size_t)w.vocab * sizeof *w.truth);
        assert_non_null(w.truth);
        make_truth(&w);
        every_row_of_a_step(&w);
        forks_and_rollbacks(&w);
        neighbours(&w);
        free(w.truth);
        ch_model_close(&w.model);
    }
}

/* A step of 1 to 16 rows and one more row, by 1 to 3 threads. */
static void few_rows(const struct way *w)
{
    for (int rows = 1; rows <= 16; rows++) {
        ch_session *s = open_session(w, CH_MAX(1 + rows % 3, FEWEST_THREADS), rows);
        feed(s, w->tokens, rows + 1);
        equal_at(w, s, "few rows a step");
        ch_session_close(&s);
    }
}

/* Every kind of panel that a file's matrices are packed into. */
static void all_panels(void **state)
{
    (void)state;
    static const char *const caches[] = {"f32", "f16", "bf16", "q8_0"};
    bool done[CH_PANELS] = {[CH_PANEL_I16] = true}; /* no file's: training's */
    for (int t = 0; t < CH_DTYPES; t++) {
        const ch_dtype_info *d = ch_dtype_get((ch_dtype)t);
        if (!d->encode || done[d->panel] || (ch_dtype)t == CH_F64)
            continue;
        struct way w = {.model = tiny_open_wide((ch_dtype)t, 9), .k = caches[t % 4],
                        .v = t % 5 == 0 ? "q4_0" : caches[t % 4]};
        assert_int_equal(w.model->output->kind, d->panel);
        w.vocab = w.model->config.vocab;
        w.truth = malloc(N * (size_t)w.vocab * sizeof *w.truth);
        assert_non_null(w.truth);
        make_truth(&w);
        few_rows(&w);
        every_row_of_a_step(&w);
        neighbours(&w);
        done[d->panel] = true;
        free(w.truth);
        ch_model_close(&w.model);
    }
    for (int kind = 0; kind < CH_PANELS; kind++)
        assert_true(done[kind]);
}

/* Every architecture, with all that it adds: windows shorter than the text, the second list of
 * LongRoPE, convolutions, ... */
static void all_architectures(void **state)
{
    (void)state;
    static const char *const caches[] = {"f32", "f16", "q8_0"};
    for (int i = 0; ch_arch_at(i); i++) {
        const char *cache = caches[i % (int)CH_COUNT(caches)];
        struct way w = {.model = tiny_open(ch_arch_at(i)->name, i % 2 ? CH_Q8_0 : CH_F32, 7),
                        .k = cache,
                        .v = cache};
        w.vocab = w.model->config.vocab;
        w.truth = malloc(N * (size_t)w.vocab * sizeof *w.truth);
        assert_non_null(w.truth);
        make_truth(&w);
        every_row_of_a_step(&w);
        forks_and_rollbacks(&w);
        shared_prefixes(&w);
        neighbours(&w);
        drafts(&w);
        free(w.truth);
        ch_model_close(&w.model);
    }
}

static void looked_up(void **state) { (void)state; all_ways("chalcis", CH_Q8_0, "f16", "f16"); }
static void weights_f32(void **state) { (void)state; all_ways("llama", CH_F32, "f32", "f32"); }
static void weights_f16(void **state) { (void)state; all_ways("llama", CH_F16, "f16", "f16"); }
static void weights_bf16(void **state) { (void)state; all_ways("qwen3", CH_BF16, "bf16", "bf16"); }
static void weights_q8_0(void **state) { (void)state; all_ways("qwen3", CH_Q8_0, "f16", "q8_0"); }
static void weights_q4_0(void **state) { (void)state; all_ways("llama", CH_Q4_0, "q8_0", "f16"); }
static void cache_q8_0(void **state) { (void)state; all_ways("qwen3", CH_F32, "q8_0", "q8_0"); }
static void values_q4_0(void **state) { (void)state; all_ways("llama", CH_F32, "q8_0", "q4_0"); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looked_up), cmocka_unit_test(weights_f32),  cmocka_unit_test(weights_f16),
        cmocka_unit_test(weights_bf16), cmocka_unit_test(weights_q8_0),
        cmocka_unit_test(weights_q4_0), cmocka_unit_test(cache_q8_0), cmocka_unit_test(values_q4_0),
        cmocka_unit_test(all_formats), cmocka_unit_test(all_panels),
        cmocka_unit_test(all_architectures),
    };
    return cmocka_run_group_tests_name("generate/same_bits", tests, NULL, NULL);
}
