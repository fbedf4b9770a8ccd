/* log_prob_rows.h - log-probs of tokens, kept to be printed: a table, or arrays in JSON
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_LOG_PROB_ROWS_H
#define CH_LOG_PROB_ROWS_H

#include "cli.h"

typedef struct ch_log_prob_rows {
    ch_log_prob *at; /* n rows of a token and `top` others */
    size_t n, cap;
    int top; /* below 0: nothing is kept */
} ch_log_prob_rows;

/* The token drawn last; n tokens, which are fed. */
int ch_log_prob_rows_drawn(ch_log_prob_rows *r, ch_session *s, ch_err *e);
int ch_log_prob_rows_feed(ch_log_prob_rows *r, ch_session *s, const ch_token *tokens, int n,
                          ch_err *e);
json_t *ch_log_prob_rows_json(const ch_log_prob_rows *r, const ch_tokenizer *tk);
void ch_log_prob_rows_print(const ch_log_prob_rows *r, const ch_tokenizer *tk, const char *what);
void ch_log_prob_rows_close(ch_log_prob_rows *r);

#endif
