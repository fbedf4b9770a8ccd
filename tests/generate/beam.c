/* beam.c - beams against every text there is, and against rules applied by hand
 *
 * The toy model has seven tokens, so all texts of a few of them can be scored one by one.
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include "beam.h"
#include "grammar.h"
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
static void next_log_p(double *out, int vocab, ch_session *s, const ch_token *id, int n)
{
    ch_err e = {0};
    ch_session *f;
    assert_ok(ch_session_fork(&f, s, &e), e);
    assert_ok(ch_session_feed(f, id, n, &e), e);
    const float *x = ch_session_logits(f);
    double sum = 0;
    for (int i = 0; i < vocab; i++)
        sum += exp((double)x[i]);
    for (int i = 0; i < vocab; i++)
        out[i] = (double)x[i] - log(sum);
    ch_session_close(&f);
}

/* All texts that end, or are cut at MOST tokens. */
static int enumerate(struct text *out, ch_session *s, const struct text *from, int least)
{
    double log_p[V];
    int n = 0;
    next_log_p(log_p, V, s, from->id, from->n);
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
                const bool ended = all[i].id[all[i].n - 1] == END;
                assert_int_equal(found.at[i].why, ended ? CH_BEAM_END : CH_BEAM_LENGTH);
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
            next_log_p(log_p, V, s, kept[b].id, kept[b].n);
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
                    early += b->why == CH_BEAM_END;
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

/* ---- Grammars and stops -------------------------------------------------------------------- */

/* Tokens are bytes, but for "zz" and, where there is one, an end: id 0 with id 1 + c for byte c. */
enum { LETTERS = 5, WIDE = 120, ALL_MOST = 400 };

struct spelt {
    ch_model *model;
    ch_tokenizer *tk;
    ch_grammar *g;
    ch_session *s;
    ch_stops *stops;
    ch_token letter[LETTERS + 1]; /* a, b, c, z, zz, the end or -1 */
    int vocab;
};

static void open_spelt(struct spelt *p, const char *regex, bool has_end, const char *const *stops,
                       int n_stops)
{
    static const char *const specials[] = {"<|endoftext|>"};
    const int first = has_end;
    const ch_bpe_options o = {.vocab = 257 + first, .specials = specials, .n_special = first,
                              .bos = -1, .eos = first - 1};
    const ch_session_options so = {
        .context = 32, .cache_tokens = 16384, .threads = 1, .page_size = 4};
    ch_err e = {0};
    ch_bpe_trainer *t;
    *p = (struct spelt){.vocab = o.vocab};
    for (int i = 0; i < 4; i++)
        p->letter[i] = first + "abcz"[i];
    p->letter[4] = first + 256;
    p->letter[5] = first - 1;
    ch_config c = {.arch = ch_arch_find("llama", 5), .layers = 2, .vocab = o.vocab, .hidden = 32};
    assert_ok(ch_bpe_trainer_open(&t, &o, &e), e);
    assert_ok(ch_bpe_trainer_add(t, "zz zz zz", 8, &e), e);
    assert_ok(ch_bpe_trainer_finish(&p->tk, t, &e), e);
    ch_bpe_trainer_close(&t);
    assert_ok(ch_config_small(&c, &e), e);
    assert_ok(ch_model_create(&p->model, &c, 5, NULL, &e), e);
    ch_model_shake(p->model, 5, 0.2);
    assert_ok(ch_session_open(&p->s, p->model, &so, &e), e);
    assert_ok(ch_session_feed(p->s, prompt, 3, &e), e);
    assert_ok(ch_grammar_open(&p->g, p->tk, CH_GRAMMAR_REGEX, regex, strlen(regex), NULL, &e), e);
    assert_ok(ch_session_grammar(p->s, p->g, &e), e);
    if (n_stops > 0)
        assert_ok(ch_stops_open(&p->stops, stops, n_stops, &e), e);
}

static void close_spelt(struct spelt *p)
{
    ch_session_close(&p->s);
    ch_grammar_close(&p->g);
    ch_stops_close(&p->stops);
    ch_tokenizer_close(&p->tk);
    ch_model_free(&p->model);
}

struct rule { /* what a grammar and stops mean, by hand */
    bool (*begins)(const char *text), (*whole)(const char *text), (*stopped)(const char *text);
};

static ch_beam_why why_of(const struct spelt *p, const struct rule *r, const struct text *t)
{
    char text[2 * MOST + 1] = "";
    for (int i = 0; i < t->n; i++)
        for (int k = 0; k < LETTERS; k++)
            if (t->id[i] == p->letter[k])
                strcat(text, k == 4 ? "zz" : (char[]){"abcz"[k], 0});
    const bool ended = t->n > 0 && t->id[t->n - 1] == p->letter[LETTERS];
    if (!r->begins(text) || (ended && !r->whole(text)))
        return CH_BEAM_GRAMMAR; /* against it */
    return ended ? CH_BEAM_END : r->stopped(text) ? CH_BEAM_STOP : CH_BEAM_LENGTH;
}

static int enumerate_spelt(struct text *out, const struct spelt *p, const struct rule *r,
                           const struct text *from)
{
    double log_p[258];
    int n = 0;
    next_log_p(log_p, p->vocab, p->s, from->id, from->n);
    for (int k = 0; k <= LETTERS; k++) {
        struct text next = *from;
        next.id[next.n++] = p->letter[k];
        next.log_p += log_p[p->letter[k]];
        next.score = next.log_p / next.n;
        const ch_beam_why why = why_of(p, r, &next);
        if (why == CH_BEAM_GRAMMAR)
            continue;
        if (why != CH_BEAM_LENGTH || next.n == MOST)
            out[n++] = next;
        else
            n += enumerate_spelt(out + n, p, r, &next);
        assert_true(n < ALL_MOST - 10);
    }
    return n;
}

static void expect_spelt(struct spelt *p, const struct rule *r)
{
    static struct text all[ALL_MOST];
    static ch_beams found;
    ch_err e = {0};
    const struct text none = {.n = 0};
    const int n = enumerate_spelt(all, p, r, &none);
    int seen[4] = {0};
    qsort(all, (size_t)n, sizeof *all, better_first);
    const ch_beam_options o = {.width = WIDE, .most = MOST, .length_penalty = 1,
                               .until = CH_BEAM_NEVER, .ends = &p->letter[LETTERS], .n_ends = 1,
                               .stops = p->stops, .tokenizer = p->tk};
    assert_ok(ch_beam_search(&found, p->s, &o, &e), e);
    assert_in_range(n, 20, WIDE);
    assert_int_equal(found.n, n);
    for (int i = 0; i < n; i++) {
        const ch_beam *b = &found.at[i];
        assert_true(fabs(b->score - all[i].score) < 1e-4);
        assert_int_equal(b->n, all[i].n);
        assert_memory_equal(b->id, all[i].id, (size_t)b->n * sizeof *b->id);
        assert_int_equal(b->why, why_of(p, r, &all[i]));
        seen[b->why]++;
    }
    assert_true(seen[CH_BEAM_LENGTH] > 0 && seen[CH_BEAM_END] > 0);
    assert_true((seen[CH_BEAM_STOP] > 0) == (p->stops != NULL));
    ch_beams_free(&found);
}

static bool never(const char *text) { return !text; }
static bool begins_abz(const char *t)
{
    const size_t n = 1 + (*t ? strspn(t + 1, "bz") : 0);
    return !*t || (*t == 'a' && (!t[n] || (t[n] == 'c' && !t[n + 1])));
}
static bool ends_in_c(const char *t) { return *t && t[strlen(t) - 1] == 'c'; }
static bool is_bz(const char *t) { return strspn(t, "bz") == strlen(t); }
static bool has_stop(const char *t) { return strstr(t, "bz") || strstr(t, "zzzb"); }

/* Every text that a grammar allows is found, and no other. */
static void beams_obey_grammars(void **state)
{
    (void)state;
    struct spelt p;
    open_spelt(&p, "a[bz]*c", true, NULL, 0);
    expect_spelt(&p, &(struct rule){begins_abz, ends_in_c, never});
    close_spelt(&p);
}

static void beams_end_at_stops(void **state)
{
    (void)state;
    static const char *const stops[] = {"bz", "zzzb"};
    struct spelt p;
    open_spelt(&p, "[bz]*", true, stops, 2);
    expect_spelt(&p, &(struct rule){is_bz, is_bz, has_stop});
    close_spelt(&p);
}

/* A whole text without a token to say so is found as it is, whether there is none or it may not be
 * drawn; the session goes on by its grammar. */
static void whole_texts_that_cannot_end(void **state)
{
    (void)state;
    static ch_beams found;
    ch_err e = {0};
    ch_token t;
    const ch_sampling how = CH_SAMPLING;
    for (int has_end = 0; has_end < 2; has_end++) {
        struct spelt p;
        open_spelt(&p, "abz|ac", has_end, NULL, 0);
        const ch_beam_options o = {.width = 4, .most = 9, .least = 8, .length_penalty = 1,
                                   .ends = &p.letter[LETTERS], .n_ends = has_end};
        assert_ok(ch_beam_search(&found, p.s, &o, &e), e);
        assert_int_equal(found.n, 2);
        for (int i = 0; i < 2; i++) {
            const ch_beam *b = &found.at[i];
            assert_int_equal(b->why, CH_BEAM_GRAMMAR);
            assert_int_equal(b->id[0], p.letter[0]);
            assert_int_equal(b->id[b->n - 1], p.letter[b->n == 3 ? 3 : 2]);
            assert_true(fabs(b->score - b->log_p / b->n) < 1e-9);
        }
        assert_int_equal(found.at[0].n + found.at[1].n, 5);
        ch_beams_free(&found);
        assert_ok(ch_session_next(&t, p.s, &how, &e), e);
        assert_int_equal(t, p.letter[0]);
        close_spelt(&p);
    }
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
    static const char *const text[] = {"a"};
    assert_ok(ch_stops_open(&o.stops, text, 1, &e), e);
    assert_fails(ch_beam_search(&found, s, &o, &e), CH_EARG, e, "tokenizer");
    ch_stops_close(&o.stops);
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
        cmocka_unit_test(beams_obey_grammars),
        cmocka_unit_test(beams_end_at_stops),
        cmocka_unit_test(whole_texts_that_cannot_end),
        cmocka_unit_test(limits_are_told),
    };
    return cmocka_run_group_tests_name("generate/beam", tests, open_model, close_model);
}
