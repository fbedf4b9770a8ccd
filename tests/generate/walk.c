/* walk.c - a family of sessions that feed, draw, guess ahead, fork, go back, are interrupted, saved
 * and loaded at random, in a cache too small for all: whatever happened before, logits are those of
 * a session that was fed the same tokens at once
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"
#include "tiny.h"

#include "generate.h"

#include <stdlib.h>
#include <string.h>

enum { FAMILY = 4, VOCAB = 320, PAGE = 4, FAR = 64 };

struct walk {
    ch_model *model;
    ch_session *truth, *s[FAMILY]; /* truth: an empty session, with a cache of its own */
    ch_sampling how;
    uint64_t draws;
    char *path;
    int context, stretch; /* fed at most at once */
    int drawn, loaded, forked, checked, far;
    uint64_t shared, accepted;
};

static int pick(struct walk *w, int n)
{
    return (int)ch_rng_below((uint64_t)n, 77, CH_RNG_TEST, 3, w->draws++);
}

/* Knows what comes next, and is wrong about every fourth token. */
static int guess(void *arg, const ch_token *tokens, int n, ch_token *out, int most)
{
    struct walk *w = arg;
    ch_err e = {0};
    ch_session *t;
    assert_ok(ch_session_fork(&t, w->truth, &e), e);
    assert_ok(ch_session_feed(t, tokens, n, &e), e);
    for (int i = 0; i < most; i++) {
        assert_ok(ch_session_next(&out[i], t, &w->how, &e), e);
        out[i] = pick(w, 4) ? out[i] : (out[i] + 1) % VOCAB;
    }
    ch_session_close(&t);
    return most;
}

static ch_session *open_one(const struct walk *w, int cache_tokens, int rows)
{
    ch_err e = {0};
    ch_session *s;
    const ch_session_options o = {.threads = 1,
                                  .context = w->context,
                                  .page_size = PAGE,
                                  .step_rows = rows,
                                  .cache_tokens = cache_tokens};
    assert_ok(ch_session_open(&s, w->model, &o, &e), e);
    return s;
}

static void close_one(struct walk *w, ch_session **s)
{
    const ch_session_stats st = ch_session_get_stats(*s);
    w->shared += st.shared_tokens;
    w->accepted += st.accepted;
    ch_session_close(s);
}

/* The logits of s are of its whole text, or of all but the token drawn last. */
static void check(struct walk *w, ch_session *s)
{
    ch_err e = {0};
    const float *got = ch_session_logits(s);
    const int n = ch_session_length(s);
    if (!got || n == 0)
        return;
    bool equal = false;
    for (int take = n; take >= CH_MAX(n - 1, 1) && !equal; take--) {
        ch_session *t;
        assert_ok(ch_session_fork(&t, w->truth, &e), e);
        assert_ok(ch_session_feed(t, ch_session_tokens(s), take, &e), e);
        equal = memcmp(got, ch_session_logits(t), VOCAB * sizeof *got) == 0;
        ch_session_close(&t);
    }
    assert_true(equal);
    w->checked++;
}

static void save_and_load(struct walk *w, int i)
{
    ch_err e = {0};
    assert_ok(ch_session_save(w->s[i], w->path, &e), e);
    ch_session *fresh;
    assert_ok(ch_session_fork(&fresh, w->s[FAMILY - 1], &e), e); /* that one stays empty */
    const int rc = ch_session_load(fresh, w->path, &e);
    assert_true(rc == CH_OK || rc == CH_ELIMIT);
    if (rc == CH_OK) {
        assert_int_equal(ch_session_length(fresh), ch_session_length(w->s[i]));
        close_one(w, &w->s[i]);
        w->s[i] = fresh;
        w->loaded++;
    } else {
        ch_session_close(&fresh);
    }
}

static void fork_one(struct walk *w, int from, int to)
{
    ch_err e = {0};
    ch_session *f;
    const int rc = ch_session_fork(&f, w->s[from], &e);
    assert_true(rc == CH_OK || rc == CH_ELIMIT);
    if (rc < 0) {
        assert_null(f);
        return;
    }
    close_one(w, &w->s[to]);
    w->s[to] = f;
    w->forked++;
}

static void feed_some(struct walk *w, ch_session *s)
{
    ch_err e = {0};
    ch_token t[40];
    const int n = pick(w, w->stretch + 1);
    for (int i = 0; i < n; i++) /* few texts, so that prefixes meet */
        t[i] = (ch_token)(10 + (ch_session_length(s) + i) % 7 + (pick(w, 32) == 0));
    const int rc = ch_session_feed(s, t, n, &e);
    assert_true(rc == CH_OK || rc == CH_ELIMIT || rc == CH_ECANCELED);
}

static void draw_some(struct walk *w, ch_session *s)
{
    ch_err e = {0};
    ch_session_draft(s, pick(w, 3) ? guess : NULL, w, 1 + pick(w, 6));
    for (int n = 1 + pick(w, 6); n > 0; n--) {
        ch_token t;
        const int before = ch_session_length(s), rc = ch_session_next(&t, s, &w->how, &e);
        assert_int_equal(ch_session_length(s), before + (rc == CH_OK));
        assert_true(rc == CH_OK || rc == CH_ELIMIT || rc == CH_ECANCELED || before == 0);
        w->drawn += rc == CH_OK;
    }
}

static void go_back(struct walk *w, ch_session *s, int length)
{
    ch_err e = {0};
    w->far += ch_session_length(s) - length > FAR;
    assert_ok(ch_session_rollback(s, length, &e), e);
    assert_int_equal(ch_session_length(s), length);
}

static void one_step(struct walk *w)
{
    const int i = pick(w, FAMILY - 1), what = pick(w, 16);
    ch_session *s = w->s[i];
    const int n = ch_session_length(s);
    if (what < 5)
        feed_some(w, s);
    else if (what < 10)
        draw_some(w, s);
    else if (what < 13 && n > 0)
        go_back(w, s, 1 + pick(w, n));
    else if (what == 13)
        fork_one(w, pick(w, 2) ? i : FAMILY - 1, (i + 1) % (FAMILY - 1));
    else if (what == 14)
        save_and_load(w, i);
    else if (what == 15)
        ch_session_cancel(s);
    for (int k = 0; k < FAMILY - 1; k++)
        check(w, w->s[k]);
}

/* What has happened is left in the walk, which is over. */
static struct walk walk_about(const char *arch, int context, int stretch, int steps)
{
    ch_err e = {0};
    char *dir = temp_dir();
    struct walk w = {.model = tiny_open(arch, CH_Q8_0, 21),
                     .how = CH_SAMPLING,
                     .context = context,
                     .stretch = stretch};
    w.path = ch_io_join(dir, "session");
    w.how.temp = 0.3;
    w.truth = open_one(&w, 2 * context, context);
    w.s[FAMILY - 1] = open_one(&w, 2 * context + 5, 5);
    for (int i = 0; i < FAMILY - 1; i++)
        assert_ok(ch_session_fork(&w.s[i], w.s[FAMILY - 1], &e), e);
    for (int i = 0; i < steps; i++)
        one_step(&w);
    for (int i = 0; i < FAMILY; i++)
        close_one(&w, &w.s[i]);
    print_message("# %s: %d checks; %d tokens drawn, %d guessed, %d shared; %d loads, %d forks, %d "
                  "far back\n", arch, w.checked, w.drawn, (int)w.accepted, (int)w.shared, w.loaded,
                  w.forked, w.far);
    ch_session_close(&w.truth);
    ch_model_close(&w.model);
    free(w.path);
    temp_dir_remove(dir);
    assert_true(w.checked > steps && w.drawn > steps / 6 && w.loaded > 5 && w.forked > 5);
    assert_true(w.accepted > 50);
    return w;
}

static void pages_alone(void **state)
{
    (void)state;
    skip_one_thread();
    assert_true(walk_about("llama", 48, 9, 600).shared > 0);
}

/* Convolutions remember less than pages: going farther back computes all again. */
static void with_convolutions(void **state)
{
    (void)state;
    skip_one_thread();
    const struct walk w = walk_about("lfm2", 200, 40, 300);
    assert_true(w.shared == 0 && w.far > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_alone),
        cmocka_unit_test(with_convolutions),
    };
    return cmocka_run_group_tests_name("generate/walk", tests, NULL, NULL);
}
