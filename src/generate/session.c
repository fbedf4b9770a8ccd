/* session.c - opening, forking and closing timelines
 *
 * SPDX-License-Identifier: MIT */
#include "session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#ifdef CH_HOSTILE
enum { STEP_ROWS = 7, THREADS = 3 };
#else
enum { STEP_ROWS = 256, THREADS = 0 };
#endif
enum { DEFAULT_CONTEXT = 4096, LOGIT_REALS = 1 << 24 };

static void close_family(ch_family *f)
{
    if (--f->members > 0)
        return;
    ch_cache_close(&f->cache);
    ch_pool_close(&f->pool);
    ch_arena_close(&f->scratch);
    free(f->work);
    free(f->lanes);
    free(f->hidden);
    free(f);
}

void ch_session_close(ch_session **s)
{
    if (!*s)
        return;
    ch_sequence_close(&(*s)->sequence);
    if ((*s)->family)
        close_family((*s)->family);
    free((*s)->tokens);
    free((*s)->page_keys);
    free((*s)->last);
    free((*s)->guess_logits);
    free(*s);
    *s = NULL;
}

/* Do tokens not tell what pages hold?  Parameters change, and no page may outlive them; by the
 * reference rule a token's keys and values depend on which others were in its call. */
static bool keeps_to_itself(const ch_model *m)
{
    return m->parameters != NULL ||
           (m->config.inl.group > 0 && m->config.inl.stop == CH_INL_REFERENCE);
}

/* A member without state: memory for its tokens and logits.  On failure *out is NULL and the
 * family is left alone. */
static int open_member(ch_session **out, ch_family *f, ch_err *e)
{
    const size_t context = (size_t)f->context, vocab = (size_t)f->model->config.vocab;
    const size_t page = (size_t)ch_cache_get_options(f->cache)->page_size;
    ch_session *s = calloc(1, sizeof *s);
    *out = s;
    if (s) {
        s->tokens = malloc(context * sizeof *s->tokens);
        s->page_keys = malloc((context / page + 1) * sizeof *s->page_keys);
        s->last = malloc(vocab * sizeof *s->last);
    }
    if (!s || !s->tokens || !s->page_keys || !s->last) {
        ch_session_close(out);
        return ch_fail(e, CH_ENOMEM, "no memory for a session of %zu tokens", context);
    }
    s->family = f;
    s->scope = f->scope;
    s->private_pages = keeps_to_itself(f->model);
    f->members++;
    return CH_OK;
}

/* Errors in keys are errors in every score, so four bits are for values alone. */
static int kv_dtype(ch_dtype *out, const char *name, bool keys, ch_err *e)
{
    *out = CH_F16;
    if (!name ||
        (ch_dtype_by_name(out, name) && (*out == CH_REAL || *out == CH_F32 || *out == CH_F16 ||
                                         *out == CH_BF16 || *out == CH_Q8_0 ||
                                         (*out == CH_Q4_0 && !keys))))
        return CH_OK;
    return ch_fail(e, CH_EARG, "%s cannot be kept as \"%s\"; allowed are f32, f16, bf16, q8_0%s",
                   keys ? "keys" : "values", name, keys ? " (q4_0 for values)" : ", q4_0");
}

static int open_cache(ch_family *f, const ch_session_options *o, ch_err *e)
{
    const ch_config *c = &f->model->config;
    const int tokens = o->cache_tokens ? o->cache_tokens : 2 * f->context;
    if (o->cache_tokens < 0 || o->page_size < 0 || o->page_size > 1024)
        return ch_fail(e, CH_EARG,
                       "a cache of %d tokens in pages of %d is not possible; pages hold 1 to 1024",
                       o->cache_tokens, o->page_size);
    ch_cache_options co = {.layers = ch_config_attending(c, c->layers),
                           .kv_heads = c->kv_heads,
                           .head_width = c->head_width,
                           .page_size = o->page_size,
                           .kernels = &f->kernels,
                           .max_tokens = tokens};
    int rc = kv_dtype(&co.k_dtype, o->k_type, true, e);
    if (rc == CH_OK)
        rc = kv_dtype(&co.v_dtype, o->v_type, false, e);
    return rc == CH_OK ? ch_cache_open(&f->cache, &co, e) : rc;
}

static int open_scratch(ch_family *f, ch_err *e)
{
    const ch_cache_options *co = ch_cache_get_options(f->cache);
    const ch_kv_view like = {.page_size = co->page_size,
                             .kv_heads = co->kv_heads,
                             .width = ch_cache_width(f->cache),
                             .keys = f->context,
                             .k_dtype = co->k_dtype,
                             .v_dtype = co->v_dtype};
    const size_t step =
        ch_forward_scratch(f->model, f->adapters, &f->kernels, f->pool, f->step_rows,
                           f->logit_rows, &like);
    /* and what describes a step */
    const size_t row = 128 + ch_session_spent_bytes(f->model);
    return ch_arena_open(&f->scratch, step + (size_t)f->step_rows * row + 4096, e);
}

/* The only adapter that the family's rows can choose, and its name in page keys. */
static int take_adapter(char *name, size_t size, ch_family *f, const ch_lora *lora, ch_err *e)
{
    if (!lora)
        return CH_OK;
    const int rc = ch_lora_fits(lora, f->model, e);
    f->adapters = &lora->alone;
    f->adapter = lora->hash;
    snprintf(name, size, "%016" PRIx64 "%016" PRIx64, lora->hash.hi, lora->hash.lo);
    return rc;
}

static int fill_family(ch_family *f, const ch_session_options *o, ch_err *e)
{
    const ch_config *c = &f->model->config;
    if (o->context < 0 || o->context > CH_MAX_CONTEXT)
        return ch_fail(e, CH_EARG, "a context of %d tokens was asked for; allowed are 1 to %d",
                       o->context, CH_MAX_CONTEXT);
    if (o->step_rows < 0 || o->step_rows > 65536)
        return ch_fail(e, CH_EARG, "steps of %d rows were asked for; allowed are 1 to 65536",
                       o->step_rows);
    f->context = o->context ? o->context : CH_MIN(c->context, DEFAULT_CONTEXT);
    if (f->context > ch_config_most_tokens(c))
        return ch_fail(e, CH_EARG,
                       "a context of %d tokens was asked for; the model has %d positions",
                       f->context, ch_config_most_tokens(c));
    f->step_rows = CH_MIN(o->step_rows ? o->step_rows : STEP_ROWS, f->context);
    f->logit_rows = CH_MIN(CH_MAX(LOGIT_REALS / c->vocab, CH_DRAFT_MOST + 1), f->step_rows);
    char adapter[40] = "";
    int rc = take_adapter(adapter, sizeof adapter, f, o->lora, e);
    if (rc < 0)
        return rc;
    rc = ch_cpu_features(&f->features, NULL, e);
    if (rc < 0)
        return rc;
    ch_kernels_init(&f->kernels, f->features);
    rc = ch_pool_open(&f->pool, o->threads ? o->threads : THREADS, e);
    if (rc == CH_OK)
        rc = open_cache(f, o, e);
    if (rc == CH_OK)
        rc = open_scratch(f, e);
    if (rc < 0)
        return rc;
    const bool beyond = ch_model_rope(c, f->context) != CH_ROPE_SHORT; /* other keys than before */
    f->scope = ch_page_scope(f->model->hash, adapter, ch_cache_get_options(f->cache),
                             beyond ? "long positions" : "");
    f->work = malloc((size_t)c->vocab * sizeof *f->work);
    return f->work ? CH_OK : ch_fail(e, CH_ENOMEM, "no memory for %d candidates", c->vocab);
}

static int open_states(ch_session *s, ch_err *e)
{
    const ch_config *c = &s->family->model->config;
    ch_sequence *q = &s->sequence;
    const ch_convolution_options co = {.layers = c->layers - ch_config_attending(c, c->layers),
                                       .width = c->width,
                                       .taps = c->taps};
    int rc = ch_pages_open(&q->state[0], s->family->cache, e);
    q->n_states = rc == CH_OK;
    if (rc == CH_OK && co.layers > 0) {
        rc = ch_convolution_open(&q->state[1], &co, e);
        q->n_states += rc == CH_OK;
    }
    return rc;
}

int ch_session_open(ch_session **out, ch_model *m, const ch_session_options *o, ch_err *e)
{
    *out = NULL;
    const ch_session_options none = {0};
    ch_family *f = calloc(1, sizeof *f);
    if (!f)
        return ch_fail(e, CH_ENOMEM, "no memory for a session");
    f->model = m;
    f->members = 1; /* this function's hold, until a session has it */
    int rc = fill_family(f, o ? o : &none, e);
    if (rc == CH_OK)
        rc = open_member(out, f, e);
    if (rc == CH_OK && (rc = open_states(*out, e)) < 0)
        ch_session_close(out);
    close_family(f);
    return rc;
}

int ch_session_another(ch_session **out, ch_session *s, ch_err *e)
{
    int rc = open_member(out, s->family, e);
    if (rc == CH_OK && (rc = open_states(*out, e)) < 0)
        ch_session_close(out);
    return rc;
}

/* All of a timeline but what was computed of it. */
static void copy_timeline(ch_session *n, const ch_session *s)
{
    memcpy(n->tokens, s->tokens, (size_t)s->n_tokens * sizeof *n->tokens);
    n->n_tokens = s->n_tokens;
    n->scope = s->scope;
    n->private_pages = s->private_pages;
    n->grammar = s->grammar;
    n->grammar_from = s->grammar_from;
    n->n_grammar_begun = s->n_grammar_begun;
    memcpy(n->grammar_begun, s->grammar_begun, sizeof n->grammar_begun);
    n->grammar_at = s->grammar_at;
    n->place = s->place;
    n->own = s->own;
    n->has_own = s->has_own;
}

int ch_session_fork(ch_session **out, ch_session *s, ch_err *e)
{
    *out = NULL;
    int rc = ch_session_drop_guesses(s, e);
    if (rc == CH_OK)
        rc = open_member(out, s->family, e);
    if (rc < 0)
        return rc;
    ch_session *n = *out;
    rc = ch_sequence_fork(&n->sequence, &s->sequence, e);
    if (rc < 0) {
        ch_session_close(out);
        return rc;
    }
    copy_timeline(n, s);
    memcpy(n->page_keys, s->page_keys, (size_t)s->keyed * sizeof *n->page_keys);
    memcpy(n->last, s->last, (size_t)s->family->model->config.vocab * sizeof *n->last);
    n->computed = s->computed;
    n->keyed = s->keyed;
    n->has_last = s->has_last;
    n->last_steps = s->last_steps;
    return CH_OK;
}

int ch_session_fork_later(ch_session **out, ch_session *s, ch_err *e)
{
    const int rc = ch_session_another(out, s, e);
    if (rc == CH_OK)
        copy_timeline(*out, s);
    return rc;
}

/* ---- What a session tells ------------------------------------------------------------------ */

int ch_session_length(const ch_session *s) { return s->n_tokens; }
int ch_session_context(const ch_session *s) { return s->family->context; }
int ch_session_step_rows(const ch_session *s) { return s->family->step_rows; }
int ch_session_step_logits(const ch_session *s) { return s->family->logit_rows; }
const ch_token *ch_session_tokens(const ch_session *s) { return s->tokens; }
ch_session_stats ch_session_get_stats(const ch_session *s) { return s->stats; }
void ch_session_cancel(ch_session *s) { atomic_store(&s->cancelled, 1); }
const float *ch_session_logits(const ch_session *s) { return s->has_last ? s->last : NULL; }
const ch_cache *ch_session_cache(const ch_session *s) { return s->family->cache; }
size_t ch_session_scratch(const ch_session *s) { return s->family->scratch.size; }
ch_pool_stats ch_session_pool_stats(const ch_session *s)
{
    return ch_pool_get_stats(s->family->pool);
}

void ch_session_own_sampler(ch_session *s, const ch_own_sampler *own)
{
    s->has_own = own != NULL;
    if (own)
        s->own = *own;
}

void ch_session_tap(ch_session *s, ch_tap_fn *tap, void *arg)
{
    s->tap = tap;
    s->tap_arg = arg;
}

void ch_session_inputs(ch_session *s, ch_inputs_fn *inputs, void *arg)
{
    s->inputs = inputs;
    s->inputs_arg = arg;
    s->private_pages = s->private_pages || inputs; /* what is found there is not computed */
}

void ch_session_profile(ch_session *s, ch_profile *p) { s->profile = p; }
