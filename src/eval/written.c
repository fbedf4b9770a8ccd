/* written.c - tasks that look at what the model writes: exact, summary, translation
 *
 * The likeliest token at each step, until the model ends, begins an empty line (plain prompts) or
 * has written `count` tokens.  What examples and prompts begin with in common is found in the
 * cache.  SPDX-License-Identifier: MIT */
#include "task.h"

#include <ctype.h>
#include <string.h>

enum { COUNT_OR = 256, REFERENCES_MOST = 64 };

static bool ends(const ch_evaluation *v, ch_buf *text)
{
    if (v->o->chat || !text->data)
        return false;
    const size_t lead = strspn(text->data, " \n"); /* an empty line before all is none */
    const char *end = strstr(text->data + CH_MIN(lead, text->size), "\n\n");
    if (end)
        text->size = (size_t)(end - text->data);
    return end != NULL;
}

static int write_answer(ch_buf *text, const ch_evaluation *v, ch_session *s, const ch_tokens *ids)
{
    ch_sampling likeliest = CH_SAMPLING;
    likeliest.temp = 0;
    const int most = v->o->count ? v->o->count : COUNT_OR;
    ch_token before = ids->id[ids->n - 1], t;
    int rc = ch_session_feed(s, ids->id, (int)ids->n, v->e);
    for (int i = 0; i < most && rc == CH_OK; i++, before = t) {
        if (ch_session_length(s) == ch_session_context(s))
            break;
        rc = ch_session_next(&t, s, &likeliest, v->e);
        if (rc < 0 || ch_tokenizer_ends_text(v->tk, t))
            break;
        if (!ch_tokenizer_append(text, v->tk, before, t))
            rc = ch_buf_check(text, "an answer", v->e);
        else if (ends(v, text))
            break;
    }
    return rc;
}

static int answer(ch_buf *text, const ch_evaluation *v, const ch_record *r)
{
    ch_tokens ids = {0};
    ch_session *s = NULL;
    ch_text prompt;
    ch_buf_clear(text);
    int rc = ch_record_text(&prompt, r, v->set->task->asks, v->e);
    if (rc == CH_OK)
        rc = ch_prompt_tokens(&ids, v, r, prompt);
    if (rc == CH_OK && ids.n > (size_t)ch_scorer_context(v->scorer))
        rc = ch_fail(v->e, CH_ELIMIT, "%s, line %zu: %zu tokens, the context holds %d", r->file,
                     r->line, ids.n, ch_scorer_context(v->scorer));
    if (rc == CH_OK)
        rc = ch_session_fork(&s, ch_scorer_empty(v->scorer), v->e);
    if (rc == CH_OK)
        rc = write_answer(text, v, s, &ids);
    ch_session_close(&s);
    ch_tokens_free(&ids);
    return rc;
}

/* ---- Exactly --------------------------------------------------------------------------------- */

static int same(double *out, ch_text a, ch_text b, ch_err *e)
{
    ch_buf x, y;
    ch_buf_init(&x, (size_t)1 << 28);
    ch_buf_init(&y, (size_t)1 << 28);
    int rc = ch_answer_normal(&x, a, e);
    if (rc == CH_OK)
        rc = ch_answer_normal(&y, b, e);
    ch_answer_trim(&a);
    ch_answer_trim(&b);
    if (x.size == 0 || y.size == 0) /* articles and signs alone: as they stand */
        *out = rc == CH_OK && a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
    else
        *out = rc == CH_OK && x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
    ch_buf_close(&x);
    ch_buf_close(&y);
    return rc;
}

/* Is t a number, but for signs and blanks around it? */
static bool is_number(ch_text *number, ch_text t)
{
    if (!ch_answer_last_number(number, t))
        return false;
    for (const char *p = t.p; p < t.p + t.n; p++)
        if ((p < number->p || p >= number->p + number->n) &&
            (isalnum((unsigned char)*p) || (unsigned char)*p >= 0x80))
            return false;
    return true;
}

/* row[0]: the answer as a whole, or what is marked in both; row[1]: the last number, where the
 * right answer is one, else the same as row[0]. */
static int compare(double *row, const ch_record *r, ch_text written, ch_err *e)
{
    ch_text right, marked = written, number;
    int rc = ch_record_text(&right, r, "answer", e);
    if (rc < 0)
        return rc;
    const bool marks = ch_answer_marked(&right, right);
    row[0] = row[1] = 0;
    if (!marks || ch_answer_marked(&marked, written))
        rc = same(&row[0], marked, right, e);
    if (rc == CH_OK && is_number(&number, right))
        return ch_answer_last_number(&number, written) ? same(&row[1], number, right, e) : CH_OK;
    row[1] = row[0];
    return rc;
}

typedef int finish_fn(double *row, const ch_record *r, ch_text written, ch_err *e);

static int write_all(ch_evaluation *v, finish_fn *finish)
{
    ch_buf text;
    int rc = CH_OK;
    ch_buf_init(&text, (size_t)1 << 28);
    for (size_t i = 0; i < v->n && rc == CH_OK; i++) {
        rc = answer(&text, v, &v->at[i]);
        if (rc == CH_OK)
            rc = finish(ch_stats_row(v->stats, i), &v->at[i],
                        (ch_text){text.data ? text.data : "", text.size}, v->e);
        if (v->o->told)
            v->o->told(v->o->arg, (int64_t)i + 1, (int64_t)v->n);
    }
    ch_buf_close(&text);
    return rc;
}

static int measure_summary(double *row, const ch_record *r, ch_text written, ch_err *e)
{
    ch_text references[REFERENCES_MOST];
    int n;
    const int rc = ch_record_texts(references, &n, REFERENCES_MOST, r, "summary", e);
    return rc == CH_OK ? ch_rouge(row, written, references, n, e) : rc;
}

static int measure_translation(double *row, const ch_record *r, ch_text written, ch_err *e)
{
    ch_text references[REFERENCES_MOST];
    int n;
    const int rc = ch_record_texts(references, &n, REFERENCES_MOST, r, "translation", e);
    return rc == CH_OK ? ch_chrf_count(row, written, references, n, e) : rc;
}

int ch_task_exact(ch_evaluation *v) { return write_all(v, compare); }
int ch_task_summary(ch_evaluation *v) { return write_all(v, measure_summary); }
int ch_task_translation(ch_evaluation *v) { return write_all(v, measure_translation); }
