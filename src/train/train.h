/* train.h - the parts of training, each usable and tested by itself
 *
 *   data       texts -> documents -> tokens -> sequences; a batch is a function of (seed, step, leaf)
 *   gradients  contiguous buckets; leaves are summed along a fixed tree; processes agree through ch_comm
 *   optimizer  AdamW over the parameter bucket · schedule · clip
 *   checkpoint Hugging Face directory, exact resume
 *   loop       ch_train (chalcis_train.h)
 * SPDX-License-Identifier: MIT */
#ifndef CH_TRAIN_H
#define CH_TRAIN_H

#include "chalcis_train.h"

#include "base.h"
#include "model.h"
#include "token.h"

/* ---- Data --------------------------------------------------------------------------------- */

/* Texts in memory, in an order that depends on their paths alone. */
typedef struct ch_texts {
    struct ch_text {
        char *bytes;
        size_t n;
        bool held_out;
    } *at;
    size_t n;
    uint64_t bytes;
    size_t skipped; /* empty, or not UTF-8 */
} ch_texts;
int ch_texts_load(ch_texts *t, const char *const *paths, int n, double held_out, ch_err *e);
void ch_texts_free(ch_texts *t);

/* Documents of one split as one run of tokens; each starts with BOS (or EOS where a vocabulary has none). */
typedef struct ch_corpus {
    ch_token *token;
    int64_t n;
    int64_t *start; /* of each document, and n at the end */
    int64_t documents;
    uint64_t bytes; /* of text */
} ch_corpus;
int ch_corpus_build(ch_corpus *train, ch_corpus *held_out, const ch_texts *t, const ch_tokenizer *tk, ch_pool *pool, ch_err *e);
void ch_corpus_free(ch_corpus *c);

/* One leaf: `count` sequences of `length` packed tokens.  Sequence number i of the epoch is cut from the corpus at an
 * offset and in an order that depend on (seed, epoch) alone.  Targets are the next tokens; the first token of a document
 * is never a target from the document before it (-1). */
typedef struct ch_batch {
    int n; /* rows: count * length */
    ch_token *id, *target;
    int32_t *pos, *first; /* documents are attended to separately; positions restart with each */
    int64_t targets;      /* rows that have one */
} ch_batch;
int ch_batch_open(ch_batch *b, int count, int length, ch_err *e);
void ch_batch_close(ch_batch *b);
void ch_batch_fill(ch_batch *b, const ch_corpus *c, uint64_t seed, int count, int length, int64_t leaf);

/* ---- Gradients ---------------------------------------------------------------------------------
 * Leaves 0..N-1 of a step are added pairwise, ((0+1)+(2+3))+..., whatever order or process computes them, so 1 x 8 and
 * 2 x 4 give the same bits.  A process holds at most log2(N)+1 buckets. */
typedef struct ch_grad_tree {
    int64_t n;          /* reals in a bucket */
    real *level[16];    /* partial sums of 2^i leaves; taken when needed */
    bool full[16];
    ch_pool *pool;
} ch_grad_tree;
int ch_grad_tree_open(ch_grad_tree *t, int64_t n, int leaves, ch_pool *pool, ch_err *e);
void ch_grad_tree_close(ch_grad_tree *t);
void ch_grad_tree_add(ch_grad_tree *t, const real *leaf); /* leaves of this process in order */
const real *ch_grad_tree_sum(ch_grad_tree *t);            /* after 2^k leaves; empties the tree */

/* Who else trains.  ranks is a power of two; rank r computes leaves [r, r+1) * N/ranks of each step. */
typedef struct ch_comm {
    int rank, ranks;
    int (*sum)(void *arg, real *bucket, int64_t n, ch_err *e); /* over ranks, along the same tree, in place */
    int (*sum_double)(void *arg, double *values, int n, ch_err *e);
    void *arg;
} ch_comm;
ch_comm ch_comm_self(void);

/* ---- Optimizer ------------------------------------------------------------------------------------ */

typedef struct ch_adamw {
    int64_t n;
    real *m, *v;
    const uint8_t *decays; /* per 64 parameters (buckets are padded per weight): weight decay applies */
    double beta1, beta2, eps, weight_decay;
} ch_adamw;
/* p -= lr (m^/(sqrt(v^)+eps) + wd p), gradients multiplied by scale first; step counts from 1. */
void ch_adamw_step(ch_adamw *o, real *p, const real *g, double scale, double lr, int64_t step, ch_pool *pool);
double ch_schedule_lr(int64_t step, int64_t steps, double lr, double lr_end, double warmup);
/* Square root of the sum of squares, in a fixed order, in double. */
double ch_grad_norm(const real *g, int64_t n, ch_pool *pool);

/* ---- One step, and checkpoints ----------------------------------------------------------------------- */

typedef struct ch_trainer {
    ch_model *model;
    ch_adamw adamw;
    ch_grad_tree tree;
    ch_batch batch;
    ch_arena scratch;
    ch_kernels kernels;
    ch_pool *pool;
    ch_comm comm;
    uint64_t seed;
    int length, micro_batch, leaves; /* leaves over all ranks */
    int64_t step;                    /* steps done */
    double clip;
} ch_trainer;
/* Computes this rank's leaves, sums, clips, updates.  A loss or norm that is not finite: CH_EFORMAT, nothing updated. */
int ch_trainer_step(ch_trainer *t, const ch_corpus *c, double lr, double *loss, double *norm, ch_err *e);
/* Mean nll of at most `tokens` held-out tokens, always the same ones. */
int ch_trainer_eval(ch_trainer *t, const ch_corpus *c, int64_t tokens, double *nll, int64_t *scored, ch_err *e);

int ch_checkpoint_save(const char *dir, const ch_trainer *t, const ch_tokenizer *tk, const json_t *state, ch_err *e);
/* Into a trainer whose model has the right shape; *state gets what was saved (a new reference). */
int ch_checkpoint_load(const char *dir, ch_trainer *t, json_t **state, ch_err *e);

#endif
