/* eval_report.h - the scores of sets of items, of one model or of two, as a table or as JSON
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_EVAL_REPORT_H
#define CH_EVAL_REPORT_H

#include "cli.h"
#include "task.h"

typedef struct ch_set_result {
    const ch_set *set;
    ch_stats stats[2]; /* of the model, and of the one it is set against */
    ch_score scores[2][CH_SCORES_MOST];
    int n_scores;
} ch_set_result;

typedef struct ch_eval_report {
    const char *model, *against; /* NULL: there is one */
    ch_set_result *at;
    size_t n;
    bool json;
} ch_eval_report;

/* Returns the exit code. */
int ch_eval_print(const ch_eval_report *r);

#endif
