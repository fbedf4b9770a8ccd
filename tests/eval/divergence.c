/* divergence.c - two models over one text, against sums made directly
 *
 * SPDX-License-Identifier: MIT */
#include "eval.h"
#include "tiny.h"

#include "../token/small.h"

#include <math.h>
#include <stdlib.h>

enum { TEXT = 1500, WINDOW = 100, STRIDE = 60 };

static char text[TEXT];
static ch_tokenizer *tk;
static ch_model *a, *b, *q8;

static int open_all(void **state)
{
    (void)state;
    small_text(text, TEXT, 4, "aaeeiou  bdtst.");
    tk = small_bpe(text, TEXT, 280);
    a = tiny_open("llama", CH_F32, 5);
    b = tiny_open("llama", CH_F32, 6);
    q8 = tiny_open("llama", CH_Q8_0, 5);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    ch_model_close(&a);
    ch_model_close(&b);
    ch_model_close(&q8);
    ch_tokenizer_close(&tk);
    return 0;
}

static ch_divergence between(ch_model *base, ch_model *m, int threads, int step_rows)
{
    const ch_session_options o = {.threads = threads, .step_rows = step_rows};
    ch_divergence d;
    ch_err e = {0};
    assert_ok(ch_eval_divergence(&d, base, m, tk, text, TEXT, WINDOW, STRIDE, &o, &e), e);
    return d;
}

static long double log_share(const float *x, int n, int i)
{
    long double sum = 0;
    for (int j = 0; j < n; j++)
        sum += expl((long double)x[j]);
    return (long double)x[i] - logl(sum);
}

/* By the definition, in more digits; both ways round; huge and tiny logits. */
static void two_rows(void **state)
{
    (void)state;
    enum { V = 500 };
    float p[V], q[V];
    fill(p, V, FILL_NORMAL, 1);
    fill(q, V, FILL_NORMAL, 2);
    for (int i = 0; i < V; i++)
        q[i] *= 4;
    for (int turn = 0; turn < 2; turn++) {
        const float *x = turn ? q : p, *y = turn ? p : q;
        long double want = 0;
        for (int i = 0; i < V; i++)
            want += expl(log_share(x, V, i)) * (log_share(x, V, i) - log_share(y, V, i));
        assert_true(fabs(ch_eval_kl(x, y, V) - (double)want) < 1e-12 * (double)want);
        assert_true(ch_eval_kl(x, x, V) == 0);
    }
    const float sure[] = {1000, 0, -1000}, other[] = {0, 1000, 0};
    assert_true(ch_eval_kl(sure, other, 3) == 1000);
    const float never[] = {0, -INFINITY, 0}, even[] = {0, 0, 0};
    assert_true(fabs(ch_eval_kl(never, even, 3) - log(1.5)) < 1e-15);
    assert_true(isinf(ch_eval_kl(even, never, 3)));
}

static void with_itself(void **state)
{
    (void)state;
    const ch_divergence d = between(a, a, 1, 0);
    assert_true(d.kl.value == 0 && d.kl.low == 0 && d.kl.high == 0);
    assert_true(d.median == 0 && d.p90 == 0 && d.p99 == 0 && d.most == 0);
    assert_true(d.same.value == 1 && d.ratio.value == 1);
    assert_true(d.base.nll == d.model.nll);
}

/* Both perplexities are what each model alone has, to the bit. */
static void perplexities(void **state)
{
    (void)state;
    ch_perplexity alone;
    ch_err e = {0};
    const ch_session_options o = {.threads = 1};
    const ch_divergence d = between(a, b, 1, 0);
    assert_ok(ch_model_perplexity(&alone, a, tk, text, TEXT, WINDOW, STRIDE, &o, &e), e);
    assert_true(d.base.nll == alone.nll && d.base.bpb == alone.bpb);
    assert_ok(ch_model_perplexity(&alone, b, tk, text, TEXT, WINDOW, STRIDE, &o, &e), e);
    assert_true(d.model.nll == alone.nll && d.model.tokens == alone.tokens);
    assert_true(fabs(d.ratio.value - d.model.ppl / d.base.ppl) < 1e-12);
}

static void same_bits(void **state)
{
    (void)state;
    const ch_divergence one = between(a, q8, 1, 0), other = between(a, q8, 3, 17);
    assert_true(one.kl.value == other.kl.value && one.kl.low == other.kl.low);
    assert_true(one.kl.high == other.kl.high && one.median == other.median);
    assert_true(one.most == other.most && one.same.value == other.same.value);
    assert_true(one.ratio.value == other.ratio.value && one.ratio.low == other.ratio.low);
}

struct kept {
    float *rows;
    int vocab;
};

static int keep(void *arg, int position, const float *logits)
{
    struct kept *k = arg;
    for (int i = 0; i < k->vocab; i++)
        k->rows[position * k->vocab + i] = logits[i];
    return CH_OK;
}

/* One window, from whole rows of both. */
static void direct(void **state)
{
    (void)state;
    ch_tokens ids = {0};
    ch_err e = {0};
    ch_divergence d;
    double sum = 0, most = 0, same = 0;
    float *rows[2];
    const int V = a->config.vocab;
    assert_ok(ch_tokenizer_encode(&ids, tk, text, 200, CH_ENCODE_BOS, &e), e);
    const int n = (int)ids.n;
    for (int i = 0; i < 2; i++) {
        ch_session *s;
        rows[i] = calloc((size_t)(n * V), sizeof(float));
        struct kept k = {rows[i], V};
        assert_ok(ch_session_open(&s, i ? q8 : a, &(ch_session_options){.threads = 1}, &e), e);
        assert_ok(ch_session_feed_each(s, ids.id, n, keep, &k, &e), e);
        ch_session_close(&s);
    }
    for (int t = 0; t < n - 1; t++) {
        const float *p = rows[0] + t * V, *q = rows[1] + t * V;
        int best[2] = {0};
        const double kl = ch_eval_kl(p, q, V);
        for (int i = 1; i < V; i++) {
            best[0] = p[i] > p[best[0]] ? i : best[0];
            best[1] = q[i] > q[best[1]] ? i : best[1];
        }
        sum += kl;
        most = fmax(most, kl);
        same += best[0] == best[1];
    }
    assert_ok(ch_eval_divergence(&d, a, q8, tk, text, 200, n, 0,
                                 &(ch_session_options){.threads = 1}, &e), e);
    assert_int_equal(d.model.tokens, n - 1);
    assert_true(fabs(d.kl.value - sum / (n - 1)) < 1e-15 && d.most == most && most > 0);
    assert_true(fabs(d.same.value - same / (n - 1)) < 1e-15 && d.same.value < 1);
    assert_true(d.median <= d.p90 && d.p90 <= d.p99 && d.p99 <= d.most);
    free(rows[0]);
    free(rows[1]);
    ch_tokens_free(&ids);
}

static void refused(void **state)
{
    (void)state;
    ch_divergence d;
    ch_err e = {0};
    ch_tokenizer *other = small_bpe(text, TEXT, 270);
    ch_model odd = *b;
    odd.config.vocab--;
    assert_fails(ch_eval_divergence(&d, a, &odd, tk, text, TEXT, 0, 0, NULL, &e), CH_EARG, e,
                 "one vocabulary");
    assert_fails(ch_eval_divergence(&d, a, b, tk, "", 0, 0, 0, NULL, &e), CH_EARG, e,
                 "at least 2");
    assert_ok(ch_eval_same_tokens(tk, tk, text, TEXT, &e), e);
    assert_fails(ch_eval_same_tokens(tk, other, text, TEXT, &e), CH_EARG, e,
                 "read the text differently");
    ch_tokenizer_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_rows),  cmocka_unit_test(with_itself), cmocka_unit_test(perplexities),
        cmocka_unit_test(same_bits), cmocka_unit_test(direct),      cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests_name("eval/divergence", tests, open_all, close_all);
}
