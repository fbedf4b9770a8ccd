/* show_divergence.h - two models over one text, as perplexity --kl-base and quantize tell it
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_SHOW_DIVERGENCE_H
#define CH_SHOW_DIVERGENCE_H

#include "cli.h"
#include "eval.h"

/* Some lines, in words. */
void ch_cli_show_divergence(FILE *to, const ch_divergence *d);
/* Adds "base", "ppl_ratio", "kl" and "same_top" to an object, which may be NULL: then nothing. */
void ch_cli_add_divergence(json_t *to, const ch_divergence *d);
/* A perplexity as an object. */
json_t *ch_cli_perplexity_json(const ch_perplexity *p);
void ch_cli_show_perplexity(FILE *to, const char *name, const ch_perplexity *p);

#endif
