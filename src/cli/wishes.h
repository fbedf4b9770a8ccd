/* wishes.h - what a command's user wants of the tokens that are drawn, beside the samplers' numbers
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_WISHES_H
#define CH_WISHES_H

#include "cli.h"
#include "sample.h"
#include "stop.h"

typedef struct ch_wishes {
    ch_list stop, bias, allow, breakers; /* as they were given */
    int least;                           /* tokens before an end */
    ch_logit_bias bias_at[CH_COUNT(((ch_list *)0)->at)]; /* what they mean, filled by the next */
    ch_tokens allowed, ends, broken;
    ch_stops *stops; /* NULL: none */
} ch_wishes;

/* The options; the argument is the offset of the ch_wishes. */
#define CH_OPTS_WISHES(w)                                                                         \
    {0, "stop", CH_OPT_LIST, (w) + offsetof(ch_wishes, stop), "TEXT",                             \
     "end where this text would begin; may be given several times", 0, 0},                        \
        {0, "min-tokens", CH_OPT_INT, (w) + offsetof(ch_wishes, least), "N",                      \
         "no end token before so many others", 0, 1e9},                                           \
        {0, "logit-bias", CH_OPT_LIST, (w) + offsetof(ch_wishes, bias), "ID=BIAS",                \
         "add to a token's logit (-inf: it is never drawn); may be given several times", 0, 0},   \
        {0, "allow", CH_OPT_LIST, (w) + offsetof(ch_wishes, allow), "ID,ID,...",                  \
         "draw no other tokens than these", 0, 0},                                                \
        CH_OPT_BREAKERS((w) + offsetof(ch_wishes, breakers))

/* The argument is the offset of a ch_list. */
#define CH_OPT_BREAKERS(list)                                                                     \
    {0, "dry-sequence-breaker", CH_OPT_LIST, (list), "TEXT",                                      \
     "repeats do not reach over tokens with this text (none: over all) [\\n, :, \" and *]", 0, 0}

/* Reads what was given; points `how` to it, whose draws begin at position `from`. */
int ch_wishes_open(ch_wishes *w, ch_sampling *how, const ch_tokenizer *tk, int from, ch_err *e);
/* Appends the tokens at which repeats end: those with one of these texts, or of the usual ones. */
int ch_wishes_breakers(ch_tokens *out, const ch_list *text, const ch_tokenizer *tk, ch_err *e);
void ch_wishes_close(ch_wishes *w);

#endif
