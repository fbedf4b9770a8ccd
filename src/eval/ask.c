/* ask.c - from records to queries: templates, examples, conversations
 *
 * A question is the examples, each with its answer and an empty line behind, and the record's text
 * in the template.  Answers are set off by a space where neither side has one.  What is scored are
 * the tokens in which text with and without the answer differ, so that a token that spans both
 * counts whole.  SPDX-License-Identifier: MIT */
#include "task.h"

#include "chat.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MOST = 1 << 28 };

static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/* "{}" is what, "\n" and "\t" are as in C. */
static void put_template(ch_buf *b, const char *template, ch_text what)
{
    for (const char *t = template; *t; t++) {
        if (t[0] == '{' && t[1] == '}') {
            ch_buf_put(b, what.p, what.n);
            t++;
        } else if (t[0] == '\\' && (t[1] == 'n' || t[1] == 't')) {
            ch_buf_str(b, *++t == 'n' ? "\n" : "\t");
        } else {
            ch_buf_put(b, t, 1);
        }
    }
}

static const char *template_of(const ch_evaluation *v)
{
    return v->o->template ? v->o->template : v->set->task->template;
}

static bool wants_space(const ch_buf *before, ch_text answer)
{
    return before->size > 0 && !is_blank(before->data[before->size - 1]) && answer.n > 0 &&
           !is_blank(answer.p[0]);
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

/* A token to begin with, for what would be scored after nothing. */
static int put_start(ch_tokens *ids, const ch_tokenizer *tk, ch_err *e)
{
    const ch_token bos = ch_tokenizer_bos(tk), eos = ch_tokenizer_eos(tk);
    const ch_token start = bos >= 0 ? bos : eos;
    if (start < 0)
        return CH_OK;
    if (!ch_array_room(&ids->id, &ids->cap, ids->n + 1, sizeof *ids->id))
        return ch_fail(e, CH_ENOMEM, "no memory for a token");
    ids->id[ids->n++] = start;
    return CH_OK;
}

/* As the model was trained: BOS where it had one.  first: what the text begins with is scored. */
static int encode(ch_tokens *ids, const ch_tokenizer *tk, ch_text t, bool first, ch_err *e)
{
    int rc = CH_OK;
    if (first && !ch_tokenizer_adds_bos(tk))
        rc = put_start(ids, tk, e);
    return rc == CH_OK ? ch_tokenizer_encode(ids, tk, t.p, t.n, CH_ENCODE_BOS, e) : rc;
}

int ch_prompt_tokens(ch_tokens *out, const ch_evaluation *v, const ch_record *r, ch_text prompt)
{
    ch_buf b;
    ch_buf_init(&b, TEXT_MOST);
    ch_buf_put(&b, v->shots.data ? v->shots.data : "", v->shots.size);
    put_template(&b, template_of(v), prompt);
    int rc = ch_buf_check(&b, "a question", v->e);
    const ch_text text = {b.data ? b.data : "", b.size};
    if (rc == CH_OK && v->o->chat)
        rc = ch_chat_prompt(out, ch_chat_for(v->tk), v->tk, NULL, text.p, text.n, v->e);
    else if (rc == CH_OK)
        rc = encode(out, v->tk, text, text.n == 0, v->e);
    if (rc == CH_OK && out->n == 0)
        rc = ch_record_fail(r, v->e, "the question is empty, and the model has no token to begin "
                                     "a text with");
    ch_buf_close(&b);
    return rc;
}

/* ---- Queries --------------------------------------------------------------------------------- */

static int add(ch_asked *a, const ch_evaluation *v, const ch_record *r, const ch_tokens *ids,
               size_t from, int item)
{
    if (from >= ids->n)
        return ch_record_fail(r, v->e, "an answer is empty");
    if (from == 0) /* its first token would be free */
        return ch_record_fail(r, v->e, "nothing stands before an answer, and the model has no "
                                       "token to begin a text with");
    if (ids->n > (size_t)ch_scorer_context(v->scorer))
        return ch_fail(v->e, CH_ELIMIT, "%s, line %zu: %zu tokens, the context holds %d", r->file,
                       r->line, ids->n, ch_scorer_context(v->scorer));
    if (!ch_array_room(&a->q, &a->cap, a->n + 1, sizeof *a->q) ||
        !ch_array_room(&a->from_id, &a->cap_from, a->n + 1, sizeof *a->from_id) ||
        !ch_array_room(&a->id, &a->cap_id, a->n_id + ids->n, sizeof *a->id))
        return ch_fail(v->e, CH_ENOMEM, "no memory for %zu queries", a->n + 1);
    memcpy(a->id + a->n_id, ids->id, ids->n * sizeof *a->id);
    a->from_id[a->n] = a->n_id;
    a->n_id += ids->n;
    a->q[a->n++] = (ch_query){.from = (int)from, .n = (int)ids->n, .item = item};
    return CH_OK;
}

static int ask_chat(ch_asked *a, const ch_evaluation *v, const ch_record *r, ch_text prompt,
                    ch_text answer, int item)
{
    ch_tokens ids = {0};
    int rc = ch_prompt_tokens(&ids, v, r, prompt);
    const size_t from = ids.n;
    if (rc == CH_OK)
        rc = ch_chat_text(&ids, ch_chat_for(v->tk), v->tk, answer.p, answer.n, v->e);
    if (rc == CH_OK)
        rc = add(a, v, r, &ids, from, item);
    ch_tokens_free(&ids);
    return rc;
}

int ch_eval_ask(ch_asked *a, const ch_evaluation *v, const ch_record *r, ch_text prompt,
                ch_text answer, int item)
{
    if (v->o->chat)
        return ask_chat(a, v, r, prompt, answer, item);
    ch_tokens whole = {0}, before = {0};
    ch_buf b;
    ch_buf_init(&b, TEXT_MOST);
    ch_buf_put(&b, v->shots.data ? v->shots.data : "", v->shots.size);
    put_template(&b, template_of(v), prompt);
    const size_t asked = b.size;
    if (wants_space(&b, answer))
        ch_buf_str(&b, " ");
    ch_buf_put(&b, answer.p, answer.n);
    int rc = ch_buf_check(&b, "a question", v->e);
    const char *text = b.data ? b.data : "";
    if (rc == CH_OK)
        rc = encode(&before, v->tk, (ch_text){text, asked}, asked == 0, v->e);
    if (rc == CH_OK)
        rc = encode(&whole, v->tk, (ch_text){text, b.size}, asked == 0, v->e);
    size_t from = 0;
    while (from < before.n && from < whole.n && before.id[from] == whole.id[from])
        from++;
    if (rc == CH_OK)
        rc = answer.n ? add(a, v, r, &whole, from, item)
                      : ch_record_fail(r, v->e, "an answer is empty");
    ch_tokens_free(&whole);
    ch_tokens_free(&before);
    ch_buf_close(&b);
    return rc;
}

int ch_ask_text(ch_asked *a, const ch_evaluation *v, const ch_record *r, ch_text text, int item)
{
    ch_tokens ids = {0};
    int rc = encode(&ids, v->tk, text, true, v->e);
    if (rc == CH_OK && text.n == 0)
        rc = ch_record_fail(r, v->e, "a sentence is empty");
    if (rc == CH_OK)
        rc = add(a, v, r, &ids, 1, item); /* without a token to begin with, all but its first */
    ch_tokens_free(&ids);
    return rc;
}

static void tell_details(const ch_asked *a, const ch_evaluation *v)
{
    ch_detail d = {0};
    for (size_t i = 0; i < a->n; i++) {
        const ch_query *q = &a->q[i];
        const bool of_record = (size_t)q->item < v->n;
        d.which = i > 0 && a->q[i - 1].item == q->item ? d.which + 1 : 0;
        d.file = v->at[of_record ? q->item : 0].file;
        d.line = of_record ? v->at[q->item].line : 0;
        d.query = q;
        v->o->detail(v->o->detail_arg, &d);
    }
}

int ch_asked_run(ch_asked *a, ch_evaluation *v)
{
    for (size_t i = 0; i < a->n; i++)
        a->q[i].id = a->id + a->from_id[i];
    const int rc = ch_scorer_run(v->scorer, a->q, a->n, v->o->told, v->o->arg, v->e);
    if (rc == CH_OK && v->o->detail)
        tell_details(a, v);
    return rc;
}

void ch_asked_free(ch_asked *a)
{
    free(a->q);
    free(a->from_id);
    free(a->id);
    *a = (ch_asked){0};
}

/* ---- Examples -------------------------------------------------------------------------------- */

ch_text ch_label_word(const char *labels, const char *label)
{
    const size_t n = strlen(label);
    for (const char *p = labels ? labels : ""; *p;) {
        const size_t k = strcspn(p, ",");
        if (k > n && p[n] == '=' && memcmp(p, label, n) == 0)
            return (ch_text){p + n + 1, k - n - 1};
        p += k + (p[k] == ',');
    }
    return (ch_text){label, n};
}

int ch_record_choice(size_t *right, ch_text *choices, int *n, int most, const ch_record *r,
                     ch_err *e)
{
    const json_t *answer = json_object_get(r->v, "answer");
    int rc = ch_record_texts(choices, n, most, r, "choices", e);
    if (rc == CH_OK && *n < 2)
        rc = ch_record_fail(r, e, "there is one choice, allowed are 2 to %d", most);
    if (rc == CH_OK && (!json_is_integer(answer) || json_integer_value(answer) < 0 ||
                        json_integer_value(answer) >= *n))
        rc = ch_record_fail(r, e, "\"answer\" has to be the right choice's number, from 0 to %d",
                            *n - 1);
    *right = rc == CH_OK ? (size_t)json_integer_value(answer) : 0;
    return rc;
}

static int example(ch_buf *b, const ch_evaluation *v, const ch_record *r)
{
    ch_text prompt, answer, choices[CH_LABELS_MOST];
    const char *key = v->set->task->key;
    int n = 1;
    size_t right = 0;
    int rc = ch_record_text(&prompt, r, v->set->task->asks, v->e);
    if (rc == CH_OK && strcmp(key, "choices") == 0)
        rc = ch_record_choice(&right, choices, &n, CH_LABELS_MOST, r, v->e);
    else if (rc == CH_OK)
        rc = ch_record_texts(choices, &n, CH_LABELS_MOST, r, key, v->e);
    if (rc < 0)
        return rc;
    answer = choices[right];
    if (strcmp(key, "label") == 0)
        answer = ch_label_word(v->o->labels, answer.p);
    put_template(b, template_of(v), prompt);
    if (wants_space(b, answer))
        ch_buf_str(b, " ");
    ch_buf_put(b, answer.p, answer.n);
    ch_buf_str(b, "\n\n");
    return ch_buf_check(b, "the examples", v->e);
}

/* Draws records of `from` until there are enough; those are marked. */
static int draw_examples(ch_evaluation *v, const ch_set *from, bool *taken)
{
    const int shots = v->o->shots;
    if ((size_t)shots >= from->n)
        return ch_fail(v->e, CH_EARG, "%s: %d examples are asked for, there are %zu records",
                       from->path[0], shots, from->n);
    int rc = CH_OK;
    for (uint64_t draw = 0, n = 0; n < (uint64_t)shots && rc == CH_OK; draw++) {
        const size_t i = ch_rng_below(from->n, v->o->seed, CH_RNG_EVAL, UINT32_MAX, draw);
        if (taken[i])
            continue;
        taken[i] = true;
        n++;
        rc = example(&v->shots, v, &from->at[i]);
    }
    return rc;
}

int ch_take_examples(ch_evaluation *v, bool *taken)
{
    if (v->o->shots <= 0)
        return CH_OK;
    if (!*v->set->task->asks)
        return ch_fail(v->e, CH_EARG, "%s: %s takes no examples", v->set->path[0],
                       v->set->task->name);
    if (!v->o->shots_file)
        return draw_examples(v, v->set, taken);
    ch_sets others;
    int rc = ch_sets_open(&others, &v->o->shots_file, 1, v->set->task, v->e);
    if (rc < 0)
        return rc;
    bool *mark = calloc(others.at[0].n + 1, sizeof *mark);
    rc = mark ? draw_examples(v, &others.at[0], mark)
              : ch_fail(v->e, CH_ENOMEM, "no memory for examples");
    free(mark);
    ch_sets_close(&others);
    return rc;
}
