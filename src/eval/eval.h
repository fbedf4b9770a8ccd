/* eval.h - how good a model is: the public part is in chalcis.h ("Perplexity").
 * SPDX-License-Identifier: MIT */
#ifndef CH_EVAL_H
#define CH_EVAL_H

#include "generate.h"
#include "token.h"

/* -log softmax(logits)[target] in nats, in double. */
double ch_eval_nll(const float *logits, int vocab, ch_token target);

#endif
