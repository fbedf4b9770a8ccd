/* run.h - one call of ch_train: what setup.c makes and loop.c uses.  SPDX-License-Identifier: MIT
 * */
#ifndef CH_TRAIN_RUN_H
#define CH_TRAIN_RUN_H

#include "train.h"

typedef struct ch_train_run {
    ch_train_options o; /* settled */
    json_t *stored;     /* state of the run that is resumed, or NULL */
    ch_texts texts;     /* their bytes: until they are tokens */
    ch_corpus train, held_out;
    ch_mapping tokens;  /* where both lie */
    ch_hash128 data; /* of both */
    ch_tokenizer *tk;
    ch_file *source;    /* the model that it continues from, or NULL */
    ch_config config;   /* its, as it shall be; */
    ch_config was;      /* and as it is in the source */
    bool grows;         /* the two differ */
    ch_lora *lora;      /* that trains on it, or NULL: all weights do */
    ch_model *model;
    ch_trainer trainer;
    ch_pool *pool;
    ch_metrics metrics;
    ch_samples samples; /* open with options.sample_every */
    ch_train_progress p;
    int lock;     /* the directory, open and locked as long as this lasts; or -1 */
    uint64_t began_ns;
    double best;  /* held-out loss, or NaN */
    int worse;    /* validations since then */
    bool stopped; /* because of them */
    ch_err *e;
} ch_train_run;

/* From options to a trainer that stands where the run is: at 0, or at its last checkpoint. */
int ch_train_setup(ch_train_run *r, const ch_train_options *asked, ch_err *e);
void ch_train_teardown(ch_train_run *r);

void ch_train_tell(ch_train_run *r, const char *phase);
json_t *ch_train_data_json(
    const ch_train_run *r); /* what the state says of the data; NULL: out of memory */

/* run_card.c: README.md, unless there is one of someone's own. */
int ch_train_card(const ch_train_run *r, double bits_a_byte);

/* from.c, for runs with options.from: the source's configuration into the options (before they are
 * settled; runs without one pass), its vocabulary, its weights. */
int ch_train_from_open(ch_train_run *r);
int ch_train_from_vocabulary(ch_train_run *r);
int ch_train_from_model(ch_train_run *r);
void ch_train_from_save(json_t *state, const ch_train_run *r); /* which model it was */

/* grow.c: a model of configuration c with the weights of a plain one, which `from` holds and `was`
 * describes. */
int ch_train_grow(ch_model **out, const ch_config *c, const ch_config *was, uint64_t seed,
                  const ch_file *from, ch_err *e);

static inline bool ch_train_cancelled(const ch_train_run *r)
{
    return r->o.cancel && *r->o.cancel;
}

#endif
