/* log_probs.c - ln p of tokens by the model alone
 *
 *   ln p_i = logit_i - ln sum_j exp(logit_j)                      sums in double, in order of ids
 *
 * SPDX-License-Identifier: MIT */
#include "sample.h"

double ch_sample_log_sum(const float *logits, int vocab)
{
    float max = logits[0];
    for (int i = 1; i < vocab; i++)
        max = CH_MAX(max, logits[i]);
    double sum = 0;
    for (int i = 0; i < vocab; i++)
        sum += exp((double)logits[i] - (double)max);
    return log(sum) + (double)max;
}

void ch_sample_log_probs(ch_log_prob *own, ch_log_prob *top, int n_top, ch_candidate *work,
                         const float *logits, int vocab, ch_token id)
{
    const double sum = ch_sample_log_sum(logits, vocab);
    ch_candidates c = {.at = work};
    *own = (ch_log_prob){id, (double)logits[id] - sum};
    if (n_top <= 0)
        return;
    ch_candidates_fill(&c, logits, vocab, n_top);
    ch_candidates_sort(&c, n_top);
    for (int i = 0; i < n_top; i++)
        top[i] = i < c.n ? (ch_log_prob){c.at[i].id, (double)c.at[i].logit - sum}
                         : (ch_log_prob){-1, (double)NAN};
}
