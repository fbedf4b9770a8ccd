/* job_in.h - what the files of a job share.  SPDX-License-Identifier: MIT */
#ifndef CH_JOB_IN_H
#define CH_JOB_IN_H

#include <stdatomic.h>

#include "caller.h"
#include "job.h"

typedef struct ch_job ch_job;

/* One of its prompts, and the request to the engine that it is. */
typedef struct ch_job_part {
    ch_job *job;
    int index;
    ch_tokens tokens;
    _Atomic ch_ticket ticket;
    int shared, told; /* tokens of its prompt: found in the cache; with their log-probs */
    size_t echoed;   /* bytes of its prompt that were told as tokens */
    float *vector;
    int width;
} ch_job_part;

/* One answer being heard. */
typedef struct ch_job_answer {
    ch_job *job;
    ch_job_part *part;
    int index;       /* of all that the reply has */
    ch_listener *listener;
    ch_stops *stops;
    ch_caller *caller;
    ch_token before; /* the token behind which the next one stands */
    int drawn, reasoning, drafted, accepted, calls;
    bool closed;     /* its reasoning was ended for it */
    bool formed;     /* its grammar has been set */
    const char *stop;
    bool stopped;    /* by a text of its own or the format's */
    bool full;       /* it has no room for what has to be put in */
} ch_job_answer;

struct ch_job {
    ch_service *service;
    ch_job *next, **self;  /* of the service's */
    pthread_mutex_t lock;  /* of all that follows the engine's events */
    uint64_t t_sent;
    ch_exchange *x;
    ch_ask *ask;
    ch_talk *talk;       /* of a conversation, or NULL */
    ch_buf prompt;       /* as it was rendered */
    const char *unthink; /* what ends reasoning, or NULL */
    json_t *no_tools;
    ch_shelved *grammar; /* that the text obeys, or NULL */
    ch_call_rules *rules;
    ch_scribe *scribe;
    ch_sampling how;
    char id[40];
    ch_buf out;          /* what is to be sent */
    ch_job_part *parts;
    ch_job_answer *answers;
    int n_parts, n_answers;
    int drawn;           /* answers to each prompt */
    atomic_int left;     /* parts that are not done, and who still submits them */
    atomic_bool gone;
    bool begun;          /* the first bytes of a stream have been sent */
    int next_part, under_way; /* parts that are submitted; of those, not done */
    bool refused;        /* refusal says why */
    ch_refusal refusal;
    uint64_t t_submit, t_begin, t_last;
    double wait_ms;
};

/* prompting.c */
int ch_job_text(ch_tokens *out, const ch_service *s, const json_t *prompt, ch_refusal *r);
/* wait_ns: as in ch_shelf_want. */
int ch_job_grammar(ch_job *j, uint64_t *wait_ns, ch_refusal *r);

int ch_job_refuse_form(ch_refusal *r, const char *field, const ch_err *e); /* a grammar's fault */

/* hearing.c: of the engine's thread, but for the first */
bool ch_job_wants_tokens(const ch_job *j); /* with their log-probs */
ch_event_fn ch_job_hear; /* arg: a ch_job_part */
void ch_job_fail(ch_job *j, const ch_refusal *r); /* all of it ends */

/* job.c */
void ch_job_let_go(ch_job *j); /* of one of `left`; the last one finishes the job */
void ch_job_cancel(ch_job *j);
/* Submits parts until the engine has no room; under_way: that it has now.  Under the job's lock. */
void ch_job_submit_more(ch_job *j, int under_way);

#endif
