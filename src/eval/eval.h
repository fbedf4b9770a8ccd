/* eval.h - how good a model is: the public part is in chalcis.h ("Perplexity").
 * SPDX-License-Identifier: MIT */
#ifndef CH_EVAL_H
#define CH_EVAL_H

#include "generate.h"
#include "token.h"

/* -log softmax(logits)[target] in nats, in double. */
double ch_eval_nll(const float *logits, int vocab, ch_token target);

/* How often a model finds the right one of several answers (choice.c). */
typedef struct ch_choice {
    uint64_t questions, right;
    double low, high; /* of the share that is right: 95 % interval */
} ch_choice;
int ch_eval_choice(ch_choice *out, ch_model *m, const ch_tokenizer *tk, const char *path,
                   const ch_session_options *o, ch_err *e);
/* Wilson's interval for a share of `right` among n. */
void ch_wilson(double *low, double *high, uint64_t right, uint64_t n);

#endif
