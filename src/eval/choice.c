/* choice.c - questions with choices: is the right one the likeliest?
 *
 *     {"prompt": "...", "choices": ["...", "..."], "answer": 0}          one a line
 *
 * The prompt is written as the vocabulary's chats are (chat.h); a choice's score is the sum of the
 * log-probabilities of its tokens as the answer.  The right one has to be above every other: a tie
 * is an error of the model.  Interval: Wilson 1927, 95 %.  SPDX-License-Identifier: MIT */
#include "chat.h"
#include "eval.h"
#include "generate.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MOST = 1 << 24, CHOICES_MOST = 64 };

void ch_wilson(double *low, double *high, uint64_t right, uint64_t n)
{
    const double z = 1.959963984540054, N = (double)n, p = n ? (double)right / N : 0;
    const double middle = p + z * z / (2 * N), root = sqrt(p * (1 - p) / N + z * z / (4 * N * N));
    *low = n ? fmax(0, (middle - z * root) / (1 + z * z / N)) : 0;
    *high = n ? fmin(1, (middle + z * root) / (1 + z * z / N)) : 1;
}

struct scoring {
    const ch_token *id; /* of the whole sequence */
    int from, n, vocab; /* tokens [from, n) are scored */
    double sum;
};

static int score_row(void *arg, int position, const float *logits)
{
    struct scoring *s = arg;
    const int next = position + 1;
    if (next < s->from || next >= s->n)
        return CH_OK;
    s->sum -= ch_eval_nll(logits, s->vocab, s->id[next]);
    return CH_OK;
}

struct asking {
    ch_model *m;
    const ch_tokenizer *tk;
    ch_session *empty;
    const char *name; /* of the file */
    size_t line;
    int vocab;
    ch_err *e;
};

static int fail_line(const struct asking *a, const char *what)
{
    return ch_fail(a->e, CH_EFORMAT,
                   "%s, line %zu: %s; a record is {\"prompt\", \"choices\": [2 to %d texts], "
                   "\"answer\": the right one's number from 0 on}",
                   a->name, a->line, what, CHOICES_MOST);
}

static int score(double *out, const struct asking *a, const ch_tokens *prompt, const char *text,
                 size_t n)
{
    ch_tokens all = {0};
    ch_session *s = NULL;
    int rc = ch_chat_text(&all, ch_chat_for(a->tk), a->tk, text, n, a->e);
    const size_t chosen = all.n, length = prompt->n + chosen;
    ch_token *id = malloc((length + 1) * sizeof *id);
    if (rc == CH_OK && !id)
        rc = ch_fail(a->e, CH_ENOMEM, "no memory for %zu tokens", length);
    if (rc == CH_OK && chosen == 0)
        rc = fail_line(a, "a choice is empty");
    if (rc == CH_OK && length > (size_t)ch_session_context(a->empty))
        rc = ch_fail(a->e, CH_ELIMIT, "%s, line %zu: %zu tokens, the context holds %d", a->name,
                     a->line, length, ch_session_context(a->empty));
    if (rc == CH_OK) {
        memcpy(id, prompt->id, prompt->n * sizeof *id);
        memcpy(id + prompt->n, all.id, chosen * sizeof *id);
        rc = ch_session_fork(&s, a->empty, a->e);
    }
    struct scoring w = {.id = id, .from = (int)prompt->n, .n = (int)length, .vocab = a->vocab};
    if (rc == CH_OK)
        rc = ch_session_feed_each(s, id, (int)length - 1, score_row, &w, a->e);
    *out = w.sum;
    ch_session_close(&s);
    ch_tokens_free(&all);
    free(id);
    return rc;
}

static int ask(bool *right, const struct asking *a, const json_t *v)
{
    const json_t *prompt = json_object_get(v, "prompt"), *choices = json_object_get(v, "choices");
    const json_t *answer = json_object_get(v, "answer");
    const size_t n = json_array_size(choices);
    double scores[CHOICES_MOST];
    if (!json_is_string(prompt) || n < 2 || n > CHOICES_MOST || !json_is_integer(answer) ||
        json_integer_value(answer) < 0 || (size_t)json_integer_value(answer) >= n)
        return fail_line(a, "this is something else");
    ch_tokens ids = {0};
    int rc = ch_chat_prompt(&ids, ch_chat_for(a->tk), a->tk, NULL, json_string_value(prompt),
                            json_string_length(prompt), a->e);
    for (size_t i = 0; i < n && rc == CH_OK; i++) {
        const json_t *c = json_array_get(choices, i);
        rc = json_is_string(c)
                 ? score(&scores[i], a, &ids, json_string_value(c), json_string_length(c))
                 : fail_line(a, "a choice is no text");
    }
    const size_t wanted = (size_t)json_integer_value(answer);
    *right = true;
    for (size_t i = 0; i < n && rc == CH_OK; i++)
        *right &= i == wanted || scores[wanted] > scores[i];
    ch_tokens_free(&ids);
    return rc;
}

static int ask_all(ch_choice *out, struct asking *a, FILE *f)
{
    char *line = NULL;
    size_t cap = 0;
    int rc = CH_OK;
    for (ssize_t n; rc == CH_OK && (n = getline(&line, &cap, f)) >= 0;) {
        char name[300];
        json_t *v = NULL;
        bool right = false;
        a->line++;
        if (strspn(line, " \t\r\n") == (size_t)n)
            continue;
        snprintf(name, sizeof name, "%s, line %zu", a->name, a->line);
        rc = n > LINE_MOST ? fail_line(a, "it is too long")
                           : ch_json_parse(&v, line, (size_t)n, name, a->e);
        if (rc == CH_OK)
            rc = ask(&right, a, v);
        json_decref(v);
        if (rc == CH_OK) {
            out->questions++;
            out->right += right;
        }
    }
    if (rc == CH_OK && ferror(f))
        rc = ch_fail(a->e, CH_EIO, "%s: %s", a->name, strerror(errno));
    if (rc == CH_OK && out->questions == 0)
        rc = ch_fail(a->e, CH_EFORMAT, "%s: there is no question in it", a->name);
    free(line);
    return rc;
}

int ch_eval_choice(ch_choice *out, ch_model *m, const ch_tokenizer *tk, const char *path,
                   const ch_session_options *o, ch_err *e)
{
    struct asking a = {.m = m, .tk = tk, .name = path, .vocab = m->config.vocab, .e = e};
    *out = (ch_choice){0};
    FILE *f = fopen(path, "r");
    if (!f)
        return ch_fail(e, CH_EIO, "cannot open %s: %s", path, strerror(errno));
    int rc = ch_session_open(&a.empty, m, o, e);
    if (rc == CH_OK)
        rc = ask_all(out, &a, f);
    if (rc == CH_OK)
        ch_wilson(&out->low, &out->high, out->right, out->questions);
    ch_session_close(&a.empty);
    fclose(f);
    return rc;
}
