/* log_prob_rows.c - see log_prob_rows.h.  SPDX-License-Identifier: MIT */
#include "log_prob_rows.h"

#include <math.h>
#include <stdlib.h>

static ch_log_prob *row_at(const ch_log_prob_rows *r, size_t i)
{
    return r->at + i * ((size_t)r->top + 1);
}

static int room(ch_log_prob_rows *r, size_t more, ch_err *e)
{
    const size_t width = ((size_t)r->top + 1) * sizeof *r->at;
    return ch_array_room(&r->at, &r->cap, r->n + more, width)
               ? CH_OK
               : ch_fail(e, CH_ENOMEM, "no memory for the log-probs of %zu tokens", r->n + more);
}

int ch_log_prob_rows_drawn(ch_log_prob_rows *r, ch_session *s, ch_err *e)
{
    int rc = r->top < 0 ? CH_OK : room(r, 1, e);
    if (r->top < 0 || rc < 0)
        return rc;
    ch_log_prob *row = row_at(r, r->n);
    rc = ch_session_log_probs(row, row + 1, r->top, s, e);
    r->n += rc == CH_OK;
    return rc;
}

int ch_log_prob_rows_feed(ch_log_prob_rows *r, ch_session *s, const ch_token *tokens, int n,
                          ch_err *e)
{
    enum { AT_ONCE = 64 };
    if (r->top < 0)
        return ch_session_feed(s, tokens, n, e);
    const size_t top = (size_t)r->top;
    ch_log_prob *own = calloc(AT_ONCE * (top + 1), sizeof *own);
    int rc = own ? room(r, (size_t)n, e) : ch_fail(e, CH_ENOMEM, "no memory for log-probs");
    for (int i = 0; i < n && rc == CH_OK; i += AT_ONCE) {
        const int count = CH_MIN(n - i, (int)AT_ONCE);
        rc = ch_session_feed_log_probs(own, own + AT_ONCE, r->top, s, tokens + i, count, e);
        for (int j = 0; j < count && rc == CH_OK; j++) {
            ch_log_prob *row = row_at(r, r->n++);
            *row = own[j];
            for (size_t k = 0; k < top; k++)
                row[k + 1] = own[AT_ONCE + (size_t)j * top + k];
        }
    }
    free(own);
    return rc;
}

/* The token's text, or the name of one that has none. */
static void text_of(ch_buf *b, const ch_tokenizer *tk, ch_token id)
{
    ch_buf raw;
    size_t n;
    ch_buf_init(&raw, (size_t)1 << 20);
    ch_tokenizer_append(&raw, tk, id, id);
    ch_buf_clear(b);
    if (raw.size > 0)
        ch_buf_utf8(b, raw.data, raw.size);
    else {
        const char *name = ch_tokenizer_name(tk, id, &n);
        ch_buf_utf8(b, name, name ? n : 0);
    }
    ch_buf_close(&raw);
}

static json_t *one(const ch_log_prob *p, const ch_tokenizer *tk)
{
    ch_buf text;
    ch_buf_init(&text, (size_t)1 << 20);
    text_of(&text, tk, p->id);
    json_t *v = json_pack("{s:i, s:s%, s:o}", "id", (int)p->id, "token",
                          text.data ? text.data : "", text.size, "logprob",
                          ch_cli_number(p->log_p));
    ch_buf_close(&text);
    return v;
}

json_t *ch_log_prob_rows_json(const ch_log_prob_rows *r, const ch_tokenizer *tk)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < r->n; i++) {
        const ch_log_prob *row = row_at(r, i);
        json_t *v = one(row, tk), *top = json_array();
        for (int k = 1; k <= r->top && row[k].id >= 0; k++)
            json_array_append_new(top, one(&row[k], tk));
        json_object_set_new(v, "top", top);
        json_array_append_new(rows, v);
    }
    return rows;
}

static void print_one(const ch_log_prob *p, const ch_tokenizer *tk, int width)
{
    ch_buf text;
    ch_buf_init(&text, (size_t)1 << 20);
    text_of(&text, tk, p->id);
    if (text.data)
        ch_utf8_printable(text.data, text.size);
    if (isnan(p->log_p))
        fputs("        -  ", stderr);
    else
        fprintf(stderr, "%9.4f  ", p->log_p);
    fprintf(stderr, "%6d \"%s\"%*s", (int)p->id, text.data ? text.data : "",
            CH_MAX(0, width - (int)text.size), "");
    ch_buf_close(&text);
}

void ch_log_prob_rows_print(const ch_log_prob_rows *r, const ch_tokenizer *tk, const char *what)
{
    if (r->top < 0)
        return;
    fprintf(stderr, "\n%s: ln p, token%s\n", what, r->top ? " | the likeliest there" : "");
    for (size_t i = 0; i < r->n; i++) {
        const ch_log_prob *row = row_at(r, i);
        print_one(row, tk, r->top ? 16 : 0);
        for (int k = 1; k <= r->top && row[k].id >= 0; k++) {
            fputs(k == 1 ? " |" : "", stderr);
            print_one(&row[k], tk, 10);
        }
        fputc('\n', stderr);
    }
}

void ch_log_prob_rows_close(ch_log_prob_rows *r)
{
    free(r->at);
    r->at = NULL;
    r->n = r->cap = 0;
}
