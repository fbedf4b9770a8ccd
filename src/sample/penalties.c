/* penalties.c - tokens seen lately become less likely
 *
 *   logit > 0: logit / repeat    else: logit * repeat       (Keskar et al. 2019, CTRL, section 4.1)
 *   logit - frequency * count - presence                    (as OpenAI's API defines them)
 *
 * once for every token of the last repeat_last_n, count being how often it is there; the logit is
 * what it would be had temperature only divided it.  Cost: V, and
 * a look-up for each token seen.  SPDX-License-Identifier: MIT */
#include "sample.h"

void ch_sample_penalties(ch_candidates *c, const ch_sampling *s, const ch_sample_view *v)
{
    const int all = v->n_tokens;
    const int n = s->repeat_last_n < 0 || s->repeat_last_n > all ? all : (int)s->repeat_last_n;
    if (n <= 0)
        return;
    const ch_token *seen = v->tokens + all - n;
    ch_candidates_by_id(c);
    for (int i = 0; i < n; i++) { /* p is how often it was seen */
        ch_candidate *a = ch_candidates_find(c, seen[i]);
        if (a)
            a->p++;
    }
    for (int i = 0; i < n; i++) {
        ch_candidate *a = ch_candidates_find(c, seen[i]);
        if (!a || a->p == 0)
            continue;
        const double x = (double)a->logit + c->less, repeat = s->repeat_penalty;
        const double less = s->frequency_penalty * (double)a->p + s->presence_penalty;
        a->logit = (float)((x > 0 ? x / repeat : x * repeat) - less - c->less);
        a->p = 0;
    }
}
