/* job.h - one request at work: from what is asked, through the engine, to what goes over the wire
 *
 * A handler reads what is asked and hands it over; a prompt is made and checked on its thread, and
 * submitted.  From then on the engine's thread tells the job what happens, which tells its scribe
 * and sends.  A client that goes away has its tickets cancelled.  SPDX-License-Identifier: MIT */
#ifndef CH_JOB_H
#define CH_JOB_H

#include <pthread.h>

#include "ask.h"
#include "exchange.h"
#include "shelf.h"
#include "talk.h"
#include "writer.h"

/* What all jobs share; outlives them. */
typedef struct ch_service {
    ch_model *model;
    const ch_tokenizer *tk;
    ch_engine *engine;
    const ch_talk_style *style; /* NULL: the model's template is none, and no_style says why */
    ch_err no_style;
    ch_shelf *shelf;        /* of all grammars */
    const char *name;       /* of the model */
    char fingerprint[24];
    ch_tokens ends;         /* that end an answer */
    int context, width;
    size_t grammar_bytes;   /* that one grammar may find out while it runs */
    pthread_mutex_t lock;   /* of the jobs that are submitted */
    struct ch_job *jobs;
} ch_service;

/* Streams that were silent for so long are told that they are not forgotten; any thread. */
void ch_service_ping(ch_service *s, double silent_s);

/* Takes a, and x, which it replies to now or later. */
void ch_job_run(ch_service *s, ch_exchange *x, ch_ask *a);

/* The prompt of a conversation: its tokens and, if text is not NULL, what was rendered. */
int ch_job_prompt(ch_talk **talk, ch_tokens *out, ch_buf *text, const ch_service *s,
                  const ch_ask *a, ch_refusal *r);
/* e as a client is told it. */
int ch_job_refuse(ch_refusal *r, const ch_err *e);

#endif
