/* beam.h - the likeliest continuations, searched for with several at once
 *
 * A hypothesis's score is its sum of ln p divided by (its number of tokens)^length_penalty; tokens
 * are those written, its end included.  Each step looks at the 2 W best continuations of the W that
 * are kept, by sums: of the first W of these, those that end are hypotheses; the first W that do
 * not are kept.  Rules and defaults are those of Hugging Face's generate().  Ties: the earlier kept
 * one, then the lower id.
 * A session's grammar is obeyed: tokens that it forbids are no continuations, and ln p are the
 * model's own, of all tokens.  A text that reaches a stop ends as one with an end token does.
 * SPDX-License-Identifier: MIT */
#ifndef CH_BEAM_H
#define CH_BEAM_H

#include "generate.h"
#include "stop.h"

enum { CH_BEAMS_MOST = 256 };

/* When to end before `most` tokens, once W hypotheses are found. */
typedef enum ch_beam_until {
    CH_BEAM_LIKELY, /* HF's false: the best kept one, as long as it is now, is no better than the
                       worst of them */
    CH_BEAM_EARLY,  /* true: at once */
    CH_BEAM_NEVER,  /* "never": as CH_BEAM_LIKELY, at the length that gives the best score */
} ch_beam_until;

typedef struct ch_beam_options {
    int width;             /* W, 1 to CH_BEAMS_MOST */
    int most;              /* most tokens of a hypothesis, at least 1 */
    int least;             /* no end before so many others */
    double length_penalty; /* above 0 favours long ones; HF's default is 1 */
    ch_beam_until until;
    const ch_token *ends;
    int n_ends;
    ch_stops *stops; /* NULL: none; else the tokenizer is needed, and a reset afterwards */
    const ch_tokenizer *tokenizer;
} ch_beam_options;

typedef enum ch_beam_why {
    CH_BEAM_LENGTH,  /* it was cut at `most` */
    CH_BEAM_END,     /* its last token is an end */
    CH_BEAM_STOP,    /* with its last token the text has a stop, which is none of it */
    CH_BEAM_GRAMMAR, /* the text is whole, and no token may say so */
} ch_beam_why;

typedef struct ch_beam {
    ch_token *id; /* n, the end included */
    int n;
    ch_beam_why why;
    double log_p, score;
} ch_beam;

typedef struct ch_beams {
    ch_beam at[CH_BEAMS_MOST]; /* n of them, best first */
    int n;                     /* W, or what there is */
} ch_beams;

/* Continues s, which holds at least one token, has no own sampler (CH_EUNSUPPORTED), and stays as
 * it is; the family's cache must have room for W timelines.  Free with ch_beams_free, after a
 * failure, too. */
int ch_beam_search(ch_beams *out, ch_session *s, const ch_beam_options *o, ch_err *e);
void ch_beams_free(ch_beams *b);

#endif
