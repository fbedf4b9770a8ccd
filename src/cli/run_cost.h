/* run_cost.h - run --show-cost: how sure a model was of each token, and how many steps it took
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_RUN_COST_H
#define CH_RUN_COST_H

#include "cli.h"

typedef struct ch_cost_token {
    ch_token id;
    double p;     /* by the logits, before any sampler */
    double steps; /* ch_session_steps */
    size_t end;   /* of its bytes in the text */
} ch_cost_token;

typedef enum ch_cost_paint { CH_COST_PLAIN, CH_COST_256, CH_COST_RGB } ch_cost_paint;

typedef struct ch_cost {
    ch_cost_token *at;
    size_t n, cap;
    size_t shown; /* tokens of it */
    ch_cost_paint paint;
} ch_cost;

/* How this terminal shows it; when: as ch_cli_color. */
int ch_cost_open(ch_cost *c, const char *when, ch_err *e);
void ch_cost_close(ch_cost *c);
/* The token drawn last, with which the text grew to `end` bytes. */
int ch_cost_add(ch_cost *c, ch_session *s, size_t end, ch_err *e);
/* What is whole of the text's first `safe` bytes, on stdout; `last`: and the rest, and on stderr
 * what the shades mean. */
void ch_cost_show(ch_cost *c, const ch_buf *text, size_t safe, bool last);
json_t *ch_cost_json(const ch_cost *c, const ch_buf *text);

#endif
