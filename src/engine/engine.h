/* engine.h - many texts at once; the public part is in chalcis.h ("Engines")
 *
 *   submit.c   from any thread: a request is checked, copied, and waits
 *   admit.c    which request begins, whose pages are given to others, and when they come back
 *   turn.c     one step: a row of each answer, guesses behind it, and parts of prompts
 *   drawn.c    what answers draw, listeners are told, and listeners ask for
 *   suffix.c   guesses: what followed when the text was like this before
 *   gain.c     whether guesses pay
 *
 * An answer is a session.  A prompt is read by its request's first answer, from which the others
 * are forked.  Waiting requests, and who is cancelled, are under the engine's lock; all else
 * belongs to its thread.  SPDX-License-Identifier: MIT */
#ifndef CH_ENGINE_H
#define CH_ENGINE_H

#include "generate.h"
#include "grammar.h"
#include "token.h"

#include <pthread.h>

/* ---- Guesses ---- */

/* Where each pair of tokens of a text was before. */
typedef struct ch_suffix {
    int32_t *head, *before; /* the last place of a pair, by its hash; the one before that */
    int cap, indexed;
    int asked, best; /* behind so many tokens the guess follows this place (-1: none);
                        a step asks twice, first whether, then for how many */
} ch_suffix;

int ch_suffix_open(ch_suffix *x, int context, ch_err *e);
void ch_suffix_close(ch_suffix *x);
ch_draft_fn ch_suffix_guess; /* arg: a ch_suffix */

/* Seconds of steps in which answers are continued and nothing else, by their rows. */
enum { CH_ENGINE_DRAFT = 16 }; /* what sessions guess at most */
enum { CH_GAIN_ROWS = 128, CH_GAIN_LEAST_PERCENT = 5 };
typedef struct ch_gain {
    double seconds[CH_GAIN_ROWS + 1]; /* 0: not known */
    double last; /* gain of the last choice */
    int always;  /* so many guesses whatever was measured, as far as there is room; 0: no */
    unsigned probe;
} ch_gain;

void ch_gain_measure(ch_gain *g, int rows, double seconds);
/* How many guesses (0 to most) each of n answers should make, whose guesses were right with
 * probabilities p. */
int ch_gain_choose(ch_gain *g, const double *p, int n, int most);

/* ---- Requests and answers ---- */

typedef struct ch_engine_user {
    uint64_t id;
    double served; /* rows that were computed for it */
    int active;    /* answers */
} ch_engine_user;

typedef struct ch_demand {
    ch_engine *engine;
    ch_request r; /* the copies are its own */
    ch_sampling how;
    ch_ticket ticket;
    struct ch_demand *next; /* under the lock: in order of arrival, waiting and active alike */
    bool waits, canceled;  /* under the lock */

    ch_engine_user *user;
    int numbers;  /* of answers, given away */
    int active;   /* answers that have not ended */
    bool begun;   /* CH_EVENT_BEGIN was told */
    int shared;
    int prompt_told; /* tokens */
    uint64_t submitted_ns, begun_ns;
    double *mean; /* D, of r.vector */
    ch_ending ending;
    ch_err error;
} ch_demand;

struct ch_answer {
    ch_demand *demand;
    ch_session *s;
    ch_answer *next; /* of all that are active, by age */
    int number;
    bool reading;    /* the prompt */
    bool begun, put_off;
    bool late;       /* the last step had no row for it */
    ch_sampling how;
    int told;        /* tokens */
    ch_ending ending;
    ch_err error;
    ch_suffix suffix;
    ch_token guess;  /* what would be guessed next, or -1; and how often that was right lately */
    double right;
};

struct ch_engine {
    const ch_model *model;
    const ch_tokenizer *tk;
    ch_engine_options o; /* with defaults filled in */
    int context, vocab, width;
    ch_session *root;    /* empty; of the family that all answers belong to */
    ch_tokens ends;      /* that end an answer */

    pthread_mutex_t lock; /* of the following */
    pthread_cond_t work, idle;
    ch_demand *first, **last;
    int n_waiting, n_all;
    int64_t waiting_tokens;
    ch_ticket tickets;
    bool draining, closing, stepping;
    ch_err why;          /* there are no more steps; code CH_OK: there are */
    ch_engine_stats stats;
    double begin_interval_s; /* between requests that begin, lately */
    uint64_t last_begin_ns, last_step_ns;

    pthread_t thread;
    bool started;
    ch_answer *answers; /* that are active, by age */
    int n_answers, n_put_off;
    ch_engine_user *users;
    int n_users, cap_users;
    bool full;          /* the last step found no room: nobody comes back before the next one */
    double floor;       /* the least that a user counts as served */
    ch_candidate *work_area; /* V */
    ch_log_prob top[CH_ENGINE_TOP];
    double row_s;       /* seconds a row, in steps with prompts */
    ch_gain gain;
    ch_share *shares;   /* most_answers of each */
    ch_answer **sharing;
    ch_session **drawing;        /* of those that draw after a step, */
    const ch_sampling **drawing_by;
    double *odds;
    ch_hash128 *keys;
    int fault;          /* CH_OK, or why it makes no more steps */
    ch_engine_stats now; /* counts; copied to stats after a step */
};

/* admit.c */
void ch_engine_admit(ch_engine *g);
void ch_engine_make_room(ch_engine *g, const ch_err *why); /* a step found none */
void ch_engine_served(ch_engine *g, ch_demand *q, int rows);
int ch_engine_taken(const ch_engine *g); /* answers that there are or have to be room for */

/* turn.c */
int ch_engine_turn(ch_engine *g, ch_err *e);

/* drawn.c */
int ch_answer_open(ch_answer **out, ch_demand *q, ch_session *s, ch_err *e); /* takes s */
bool ch_answer_draws(const ch_answer *a); /* would it? */
void ch_answer_draw(ch_answer *a); /* as long as nothing has to be computed */
/* The prompt has been read. */
void ch_answer_has_read(ch_answer *a);
void ch_answer_tell_prompt_token(ch_answer *a, int position, const float *logits);
void ch_answer_end(ch_answer *a, ch_ending how, const ch_err *why);
void ch_engine_bury(ch_engine *g); /* answers that have ended, and what is done */
/* Tells DONE of a request of which no answer is active, and frees it. */
void ch_demand_done(ch_demand *q);
ch_go ch_demand_tell(ch_demand *q, ch_answer *a, ch_event *event);

/* submit.c */
void ch_demand_free(ch_demand *q);

#endif
