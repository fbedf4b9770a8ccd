/* beam.c - beams against every text there is, and against rules applied by hand
 *
 * The toy model has seven tokens, so all texts of a few of them can be scored one by one.
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include "beam.h"
#include "tiny.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { V = 7, END = 6, MOST = 4, TEXTS = 7 * 7 * 7 * 7 };

static ch_model *model;
static const ch_token prompt[3] = {1, 4, 2}, ends[1] = {END};

static int open_model(void **state)
{
    (void)state;
    ch_config c = {.arch = ch_arch_find("llama", 5), .layers = 2, .vocab = V, .hidden = 32};
    ch_err e = {0};
    assert_ok(ch_config_small(&c, &e), e);
    assert_ok(ch_model_create(&model, &c, 5, NULL, &e), e);
    ch_model_shake(model, 5, 0.2);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    ch_model_free(&model);
    return 0;
}

static ch_session *open_session(void)
{
    ch_err e = {0};
    ch_session *s;
    const ch_session_options o = {
        .context = 64, .cache_tokens = 16384, .threads = 1, .page_size = 4};
    assert_ok(ch_session_open(&s, model, &o, &e), e);
    assert_ok(ch_session_feed(s, prompt, 3, &e), e);
    return s;
}

struct text {
    ch_token id[MOST];
    int n;
    double log_p, score;
};

static int better_first(const void *a, const void *b)
{
    const struct text *x = a, *y = b;
    return (x->score < y->score) - (x->score > y->score);
}

/* ln p of tokens behind the prompt, each in a session of its own kind. */
static void next_log_p(double *out, ch_session *s, const ch_token *id, int n)
{
    ch_err e = {0};
    ch_session *f;
    assert_ok(ch_session_fork(&f, s, &e), e);
    assert_ok(ch_session_feed(f, id, n, &e), e);
    const float *x = ch_session_logits(f);
    double sum = 0;
    for (int i = 0; i < V; i++)
        sum += exp((double)x[i]);
    for (int i = 0; i < V; i++)
        out[i] = (double)x[i] - log(sum);
    ch_session_close(&f);
}

/* All texts that end, or are cut at MOST tokens. */
static int enumerate(struct text *out, ch_session *s, const struct text *from, int least)
{
    double log_p[V];
    int n = 0;
    next_log_p(log_p, s, from->id, from->n);
    for (int t = 0; t < V; t++) {
        struct text next = *from;
        next.id[next.n++] = t;
        next.log_p += log_p[t];
        if (t == END && from->n < least)
            continue;
        if (t == END || next.n == MOST)
            out[n++] = next;
        else
            n += enumerate(out + n, s, &next, least);
    }
    return n;
}

static void wide_beams_find_the_best_of_all(void **state)
{
    (void)state;
    static struct text all[TEXTS];
    static ch_beams found;
    static const double penalties[] = {0, 1, 2.5, -1};
    ch_err e = {0};
    ch_session *s = open_session();
    for (int least = 0; least < 3; least += 2) {
        const struct text none = {.n = 0};
        const int n = enumerate(all, s, &none, least);
        for (size_t p = 0; p < CH_COUNT(penalties); p++) {
            for (int i = 0; i < n; i++)
                all[i].score = all[i].log_p / pow(all[i].n, penalties[p]);
            qsort(all, (size_t)n, sizeof *all, better_first);
            const ch_beam_options o = {.width = 216, /* as many as go on before the last token */
                                       .most = MOST,
                                       .least = least,
                                       .length_penalty = penalties[p],
                                       .until = CH_BEAM_NEVER,
                                       .ends = ends,
                                       .n_ends = 1};
            assert_ok(ch_beam_search(&found, s, &o, &e), e);
            assert_int_equal(found.n, 216);
            for (int i = 0; i < 30; i++) {
                assert_true(fabs(found.at[i].score - all[i].score) < 1e-4);
                assert_int_equal(found.at[i].n, all[i].n);
                assert_memory_equal(found.at[i].id, all[i].id, (size_t)all[i].n * sizeof(ch_token));
                assert_int_equal(found.at[i].ended, all[i].id[all[i].n - 1] == END);
            }
            ch_beams_free(&found);
            assert_int_equal(ch_session_length(s), 3);
        }
    }
    ch_session_close(&s);
}

/* ---- Narrow beams, by hand ----------------------------------------------------------------- */

enum { LONG = 12 };
struct hand {
    ch_token id[LONG];
    int n;
    double sum, score;
    int rank; /* among its sisters */
};

static int by_sum(const void *a, const void *b)
{
    const struct hand *x = a, *y = b;
    return x->sum != y->sum ? (x->sum < y->sum) - (x->sum > y->sum) : x->rank - y->rank;
}

static void add(struct hand *found, int *n, int width, struct hand h, double penalty)
{
    h.score = h.sum / pow(h.n, penalty);
    int at = *n;
    while (at > 0 && found[at - 1].score < h.score)
        at--;
    if (at == width)
        return;
    memmove(found + at + 1, found + at, (size_t)(*n - at) * sizeof *found);
    found[at] = h;
    *n = CH_MIN(*n + 1, width);
}

static int by_hand(struct hand *found, ch_session *s, int width, int most, double penalty,
                   ch_beam_until until)
{
    struct hand kept[8] = {{.n = 0}}, all[8 * V];
    int n_kept = 1, n_found = 0;
    for (;;) {
        int n = 0, going = 0;
        for (int b = 0; b < n_kept; b++) {
            double log_p[V];
            next_log_p(log_p, s, kept[b].id, kept[b].n);
            for (int t = 0; t < V; t++) {
                all[n] = kept[b];
                all[n].id[all[n].n++] = t;
                all[n].sum += log_p[t];
                all[n].rank = n;
                n++;
            }
        }
        qsort(all, (size_t)n, sizeof *all, by_sum);
        for (int i = 0; i < n && i < 2 * width && going < width; i++)
            if (all[i].id[all[i].n - 1] != END)
                kept[going++] = all[i];
            else if (i < width)
                add(found, &n_found, width, all[i], penalty);
        n_kept = going;
        if (kept[0].n == most) {
            for (int i = 0; i < n_kept; i++)
                add(found, &n_found, width, kept[i], penalty);
            return n_found;
        }
        if (n_found < width)
            continue;
        const double length = until == CH_BEAM_NEVER && penalty > 0 ? most : kept[0].n;
        if (until == CH_BEAM_EARLY ||
            kept[0].sum / pow(length, penalty) <= found[width - 1].score)
            return n_found;
    }
}

static void narrow_beams_follow_the_rules(void **state)
{
    (void)state;
    static ch_beams found;
    ch_err e = {0};
    ch_session *s = open_session();
    int early = 0;
    for (int width = 1; width <= 3; width++)
        for (int until = CH_BEAM_LIKELY; until <= CH_BEAM_NEVER; until++)
            for (int p = -1; p <= 2; p++) {
                struct hand want[9];
                const ch_beam_options o = {.width = width,
                                           .most = LONG,
                                           .length_penalty = p,
                                           .until = (ch_beam_until)until,
                                           .ends = ends,
                                           .n_ends = 1};
                const int n = by_hand(want, s, width, LONG, p, o.until);
                assert_ok(ch_beam_search(&found, s, &o, &e), e);
                assert_int_equal(found.n, n);
                for (int i = 0; i < n; i++) {
                    const ch_beam *b = &found.at[i];
                    assert_int_equal(b->n, want[i].n);
                    assert_memory_equal(b->id, want[i].id, (size_t)b->n * sizeof *b->id);
                    assert_true(fabs(b->score - want[i].score) < 1e-4);
                    assert_true(fabs(b->log_p - want[i].sum) < 1e-4);
                    early += b->ended;
                }
                ch_beams_free(&found);
            }
    assert_in_range(early, 5, 71); /* both kinds of end were seen */
    ch_session_close(&s);
}

/* One beam without ends is the greedy text. */
static void one_beam_is_greedy(void **state)
{
    (void)state;
    static ch_beams found;
    ch_err e = {0};
    ch_sampling how = CH_SAMPLING;
    how.temp = 0;
    ch_session *s = open_session();
    const ch_beam_options o = {.width = 1, .most = 20, .length_penalty = 1};
    assert_ok(ch_beam_search(&found, s, &o, &e), e);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.at[0].n, 20);
    double sum = 0;
    for (int i = 0; i < 20; i++) {
        ch_token t;
        ch_log_prob drawn, top;
        assert_ok(ch_session_next(&t, s, &how, &e), e);
        assert_ok(ch_session_log_probs(&drawn, &top, 1, s, &e), e);
        assert_int_equal(t, found.at[0].id[i]);
        assert_int_equal(top.id, t);
        sum += drawn.log_p;
    }
    assert_true(fabs(sum - found.at[0].log_p) < 1e-9);
    ch_beams_free(&found);
    ch_session_close(&s);
}

static void as_is(void *arg, ch_candidates *c, const ch_sample_view *v)
{
    (void)arg;
    (void)c;
    (void)v;
}

static void limits_are_told(void **state)
{
    (void)state;
    static ch_beams found;
    ch_err e = {0};
    ch_session *s = open_session(), *small;
    ch_beam_options o = {.width = 0, .most = 3};
    assert_fails(ch_beam_search(&found, s, &o, &e), CH_EARG, e, "0 beams");
    o = (ch_beam_options){.width = CH_BEAMS_MOST + 1, .most = 3};
    assert_fails(ch_beam_search(&found, s, &o, &e), CH_EARG, e, "257 beams");
    o = (ch_beam_options){.width = 2};
    assert_fails(ch_beam_search(&found, s, &o, &e), CH_EARG, e, "0 tokens");
    o = (ch_beam_options){.width = 2, .most = 3, .length_penalty = (double)NAN};
    assert_fails(ch_beam_search(&found, s, &o, &e), CH_EARG, e, "nan");
    o = (ch_beam_options){.width = 2, .most = INT32_MAX}; /* the context's end ends it */
    assert_ok(ch_beam_search(&found, s, &o, &e), e);
    assert_int_equal(found.at[0].n, 64 - 3);
    ch_beams_free(&found);
    const ch_own_sampler own = {.apply = as_is};
    ch_session_own_sampler(s, &own);
    assert_fails(ch_beam_search(&found, s, &o, &e), CH_EUNSUPPORTED, e, "own sampler");
    ch_session_own_sampler(s, NULL);
    ch_session_cancel(s);
    assert_int_equal(ch_beam_search(&found, s, &o, &e), CH_ECANCELED);
    ch_beams_free(&found);
    ch_session_close(&s);
    const ch_session_options so = {.context = 64, .cache_tokens = 64, .threads = 1, .page_size = 4};
    assert_ok(ch_session_open(&small, model, &so, &e), e);
    assert_int_equal(ch_beam_search(&found, small, &o, &e), CH_EARG);
    assert_ok(ch_session_feed(small, prompt, 3, &e), e);
    o.width = 8;
    assert_int_equal(ch_beam_search(&found, small, &o, &e), CH_ELIMIT); /* the cache is full */
    ch_beams_free(&found);
    assert_int_equal(ch_session_length(small), 3);
    o = (ch_beam_options){.width = 2, .most = 3};
    assert_ok(ch_beam_search(&found, small, &o, &e), e); /* and usable again */
    ch_beams_free(&found);
    ch_session_close(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wide_beams_find_the_best_of_all),
        cmocka_unit_test(narrow_beams_follow_the_rules),
        cmocka_unit_test(one_beam_is_greedy),
        cmocka_unit_test(limits_are_told),
    };
    return cmocka_run_group_tests_name("generate/beam", tests, open_model, close_model);
}
