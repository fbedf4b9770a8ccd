/* writer_in.h - what writers have in common: the table of kinds, and JSON as bytes
 *
 * A kind's own struct begins with a ch_scribe.  Its functions are called as writer.h says, with
 * deltas whose answer is below w->answers; memory that runs out is noted in w->starved and told by
 * ch_scribe_error.  SPDX-License-Identifier: MIT */
#ifndef CH_WRITER_IN_H
#define CH_WRITER_IN_H

#include "writer.h"

typedef struct ch_scribe_kind {
    size_t size; /* of the struct, which is zeros but for its ch_scribe when open is called */
    bool (*open)(ch_scribe *w);  /* false: no memory; close follows */
    void (*close)(ch_scribe *w); /* what is in it, not itself */
    void (*begin)(ch_scribe *w, ch_buf *b, const ch_usage *u);
    void (*tell)(ch_scribe *w, ch_buf *b, const ch_delta *d);
    void (*done)(ch_scribe *w, ch_buf *b, const ch_usage *u);
    void (*fail)(ch_scribe *w, ch_buf *b, const ch_refusal *r); /* of streams alone */
    void (*ping)(ch_scribe *w, ch_buf *b);                      /* of streams alone */
    void (*vector)(ch_scribe *w, const float *v, int n);        /* NULL: never */
} ch_scribe_kind;

struct ch_scribe {
    const ch_scribe_kind *kind;
    const ch_ask *ask;
    ch_scribe_info info;
    int answers; /* prompts times answers to each */
    bool starved;
    ch_buf head;             /* what each chunk begins with, once it has been made, */
    const char *head_object; /* of this object */
};

extern const ch_scribe_kind ch_scribe_chat, ch_scribe_completion, ch_scribe_embedding;
extern const ch_scribe_kind ch_scribe_anthropic;

/* A text that is kept until it is told; its failure becomes w->starved. */
void ch_scribe_keep(ch_scribe *w, ch_buf *b, const char *bytes, size_t n);
void ch_scribe_kept(ch_scribe *w, ch_buf *b); /* notes a failure of b */

/* ---- JSON, appended ---- */

/* A string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void ch_scribe_put_text(ch_buf *b, const char *text, size_t n);
void ch_scribe_put_string(ch_buf *b, const char *text); /* NULL: null */
/* The fewest digits that read back as v; no number: null. */
void ch_scribe_put_number(ch_buf *b, double v);
/* A log-probability: -inf as -9999.0, as all servers have it; NaN: null. */
void ch_scribe_put_log_p(ch_buf *b, double v);
void ch_scribe_put_json(ch_buf *b, const json_t *v); /* compact */

#endif
