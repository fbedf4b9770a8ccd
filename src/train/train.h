/* train.h - the parts of training, each usable and tested by itself
 *
 *   data       texts -> documents -> tokens -> sequences; a batch is a function of (seed, leaf)
 *   gradients  contiguous buckets; leaves are summed along a fixed tree, over processes too
 *   optimizer  AdamW over the parameter bucket, or Muon for its matrices · schedule · spikes
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

/* What a document is made of: one text, or what several have said. */
typedef enum ch_role {
    CH_ROLE_TEXT,
    CH_ROLE_SYSTEM,
    CH_ROLE_USER,
    CH_ROLE_ASSISTANT
} ch_role;

typedef struct ch_part {
    const char *bytes; /* UTF-8; no 0 byte follows */
    size_t n;
    ch_role role;
    bool trains; /* its tokens are targets */
} ch_part;

/* One value of a .json or .jsonl file as parts, all of which train (docs/formats/training_data.md).
 * The parts are good during the call; n is 0 for a value without any text. */
typedef int ch_record_fn(void *arg, const ch_part *part, size_t n, ch_err *e);
/* lines: one value a line, read one at a time; else an array of values, or one value.  `name`
 * stands in errors, with the line. */
int ch_records_read(FILE *f, bool lines, const char *name, ch_record_fn *fn, void *arg, ch_err *e);

/* A path to train on, and its weight; 0: none was given. */
typedef struct ch_source {
    char *path;
    double weight;
} ch_source;
/* "PATH" or "PATH=WEIGHT"; where all of it is the name of something, it has no weight.  All have
 * one or none has. */
int ch_sources_parse(ch_source **out, const char *const *args, int n, ch_err *e);
void ch_sources_free(ch_source *s, int n);

/* Copies of documents, words compared (what lies between blanks), and documents that have at least
 * half of their runs of 50 characters from earlier ones (train/duplicates.c). */
typedef struct ch_duplicates {
    uint64_t exact, exact_bytes, near, near_bytes;
} ch_duplicates;

/* Documents in memory, in an order that depends on their paths alone. */
typedef struct ch_texts {
    struct ch_text {
        size_t first, parts;    /* part[first ...] */
        size_t n;               /* bytes of all parts */
        ch_hash128 hash, words; /* of roles and bytes; of words */
        int source;
        bool held_out, chosen; /* chosen: from `validation` */
    } *at;
    size_t n;
    ch_part *part;
    size_t parts;
    uint64_t bytes;
    ch_source *source; /* every path */
    int paths;
    int sources;     /* paths with weights, else 1: all of them */
    size_t skipped;  /* empty, or found in a directory and not UTF-8 */
    size_t excluded; /* also among those chosen for validation */
    size_t dropped;  /* by dedup */
    ch_duplicates duplicates; /* exact ones, before they are dropped; near: ch_texts_near */
    struct ch_texts_memory *memory;
} ch_texts;

typedef struct ch_texts_options {
    const char *const *data;
    int n_data;
    const char *const *validation; /* these are held out, and not trained on wherever they are */
    int n_validation;
    double held_out; /* share of the others that are, too; <= 0: none */
    bool dedup;      /* of documents with the same words only the first stays */
    bool mask_prompts; /* of what several have said the assistant's part trains alone */
} ch_texts_options;
/* Where the hashes leave a side without a document, the last held_out of the longest text, from the
 * end of a line on, is the only document held out; of ten or more without lines it is one. */
int ch_texts_load(ch_texts *t, const ch_texts_options *o, ch_pool *pool, ch_err *e);
/* CH_EARG where `out`, a directory, would be read as a part of one of the n paths of data: what is
 * written there would be text of the next call. */
int ch_texts_apart(const char *const *data, int n, const char *out, ch_err *e);
/* Gives the documents up and keeps the counts and the sources. */
void ch_texts_release(ch_texts *t);
void ch_texts_free(ch_texts *t);
/* Counts near duplicates, in memory of a fixed size; the bytes of exact ones are among theirs. */
int ch_texts_near(ch_texts *t, ch_err *e);

/* How the parts of one document become tokens: appends ids, and for each a byte to `trains`, 1
 * where it is a target.  What starts and ends a document is its business only where it is `whole`.
 * The name stands in the key of cached tokens: another rendering has another name. */
typedef struct ch_format {
    const char *name;
    bool whole;
    int (*render)(const void *arg, ch_tokens *ids, ch_buf *trains, const ch_tokenizer *tk,
                  const ch_part *part, size_t n, ch_err *e);
    const void *arg;
} ch_format;
extern const ch_format ch_format_plain; /* parts joined by newlines */
extern const ch_format ch_format_chat;  /* as the vocabulary's chats are written (chat.h) */
/* As the model's own chat template writes conversations (template_data.c); for many threads.  The
 * tokenizer must have one, and outlive it. */
int ch_format_template_open(ch_format **out, const ch_tokenizer *tk, ch_err *e);
void ch_format_template_close(ch_format **f);
/* What a text starts with: BOS, or EOS where a vocabulary has none; -1: nothing. */
static inline ch_token ch_corpus_first(const ch_tokenizer *tk)
{
    return ch_tokenizer_bos(tk) >= 0 ? ch_tokenizer_bos(tk) : ch_tokenizer_eos(tk);
}

/* Documents of one split as one run of tokens; each starts with ch_corpus_first, unless its format
 * is whole.  Or a mixture: sums over its sources, of which sequences are drawn by weight. */
typedef struct ch_corpus {
    const uint16_t *narrow; /* ids of a vocabulary up to 65,536, or NULL: */
    const uint32_t *wide;
    const uint8_t *trains; /* a bit a token, lowest first; NULL: all are targets */
    const int64_t *start;  /* of each document, and n at the end */
    int64_t n, documents;
    int64_t targets; /* in an epoch */
    uint64_t bytes;  /* of text in parts that train */
    ch_token end;    /* EOS: what follows the last token of a document; -1: nothing does */
    bool mapped;     /* the arrays lie in a file */
    struct ch_corpus *source;
    const uint64_t *share; /* of each source, 2^-32 of what those before it left */
    int sources;           /* 0: no mixture */
} ch_corpus;
/* format NULL: plain. */
int ch_corpus_build(ch_corpus *train, ch_corpus *held_out, const ch_texts *t,
                    const ch_tokenizer *tk, const ch_format *f, ch_pool *pool, ch_err *e);
void ch_corpus_free(ch_corpus *c);
ch_hash128 ch_corpus_hash(const ch_corpus *c, ch_pool *pool);

static inline ch_token ch_corpus_token(const ch_corpus *c, int64_t p)
{
    return c->narrow ? c->narrow[p] : (ch_token)c->wide[p];
}

static inline bool ch_corpus_trains(const ch_corpus *c, int64_t p)
{
    return !c->trains || (c->trains[p / 8] >> (p % 8) & 1);
}

/* A corpus of each source, then the held-out one: sections[t->sources + 1]. */
int ch_corpus_sections(ch_corpus *sections, const ch_texts *t, const ch_tokenizer *tk,
                       const ch_format *f, ch_pool *pool, ch_err *e);
/* Takes the sections over, also when it fails. */
int ch_corpus_mix(ch_corpus *train, ch_corpus *held_out, ch_corpus *sections, const ch_texts *t,
                  ch_err *e);
/* Which source the sequence *q of a mixture comes from; *q becomes its number there.  Of the first
 * q sequences each source has its share, to within the number of sources. */
int ch_sources_pick(const uint64_t *share, int n, int64_t *q);
void ch_sources_share(uint64_t *share, const ch_source *s, int n);

/* ch_corpus_build by way of dir/tokens-KEY.bin (docs/formats/training_data.md): mapped if it is
 * whole, made if not.  *map outlives both corpora.  `note` gets a sentence, or "". */
#define CH_NOTE_SIZE 600
int ch_token_cache_get(ch_corpus *train, ch_corpus *held_out, ch_mapping *map, ch_texts *t,
                       const ch_tokenizer *tk, const ch_format *f, const char *dir,
                       ch_pool *pool, char note[CH_NOTE_SIZE], ch_err *e);

/* One leaf: `count` sequences of `length` packed tokens.  An epoch sees the corpus as a ring and
 * cuts it, from an offset on, into ceil(n / length) sequences, of which the last may end in
 * padding (target -1); offset and order depend on (seed, epoch) alone.  Sequences follow one
 * another through the epochs: leaf i has numbers i * count and on.  A row's target is the next
 * token of its document, or `end` after the last: so in each epoch every token but the first of
 * each document, and every document's end, is a target exactly once (where it trains; an end does
 * if the token before it does), and no row predicts, or attends to, another document.  What stands
 * before the cut of a sequence is not seen either.  In a mixture each source has epochs of its own,
 * and a sequence is of one source. */
typedef struct ch_batch {
    int n; /* rows: count * length */
    ch_token *id, *target;
    int32_t *pos, *first; /* positions restart with each document, and at a cut */
    int32_t *depth;       /* steps of each row, where they are drawn */
    int64_t targets;      /* rows that have one */
} ch_batch;
int ch_batch_open(ch_batch *b, int count, int length, ch_err *e);
void ch_batch_close(ch_batch *b);
void ch_batch_fill(ch_batch *b, const ch_corpus *c, uint64_t seed, int count, int length,
                   int64_t leaf);
/* Steps of its rows: uniform in 1..most, a function of (seed, leaf, row). */
void ch_batch_draw_depths(ch_batch *b, int most, uint64_t seed, int64_t leaf);
/* For evaluation: numbers at, at + 1, ... of `of` sequences that lie evenly in the corpus, `of` at
 * most n / length rounded up; past the last of them there is padding. */
void ch_batch_fill_even(ch_batch *b, const ch_corpus *c, int count, int length, int64_t at,
                        int64_t of);

/* ---- Gradients ----------------------------------------------------------------------------- */

/* Leaves 0..N-1 of a step are added pairwise, ((0+1)+(2+3))+..., whatever order or process
 * computes them, so 1 x 8 and 2 x 4 give the same bits.  Leaves are sums over targets; the one
 * division by the targets of the whole step is part of the update.  A process holds log2(N)
 * buckets. */
typedef struct ch_grad_tree {
    int64_t n;          /* reals in a bucket */
    bool single;        /* one leaf a step: it is the sum, and not copied */
    real *level[16];    /* partial sums of 2^i leaves */
    bool full[16];
    ch_pool *pool;
} ch_grad_tree;
/* leaves: of this process, a power of two up to 2^15. */
int ch_grad_tree_open(ch_grad_tree *t, int64_t n, int leaves, ch_pool *pool, ch_err *e);
void ch_grad_tree_close(ch_grad_tree *t);
void ch_grad_tree_add(ch_grad_tree *t, real *leaf); /* leaves of this process in order */
/* After 2^k leaves; empties the tree.  Good until the next add; of one leaf it is the leaf. */
real *ch_grad_tree_sum(ch_grad_tree *t);
void ch_grad_tree_clear(ch_grad_tree *t);

/* Who else trains.  ranks is a power of two; rank r computes leaves [r, r+1) * N/ranks of each
 * step. */
typedef struct ch_comm {
    int rank, ranks;
    /* Over ranks, along the same tree, in place. */
    int (*sum)(void *arg, real *bucket, int64_t n, ch_err *e);
    int (*sum_double)(void *arg, double *values, int n, ch_err *e);
    /* What root has, to all. */
    int (*broadcast)(void *arg, void *data, size_t bytes, int root, ch_err *e);
    void *arg;
} ch_comm;
ch_comm ch_comm_self(void);
/* All ranks call it with what they came to, and all get the same: CH_OK, or the code and sentence
 * of the lowest rank that failed. */
int ch_comm_agree(const ch_comm *c, int rc, ch_err *e);

/* ---- Optimizer ------------------------------------------------------------------------------ */

enum { CH_ADAMW_PLAIN, CH_ADAMW_DECAYS, CH_ADAMW_OTHERS }; /* the last: left alone */
typedef struct ch_adamw {
    int64_t n;
    real *m, *v;
    const uint8_t *decays; /* per 64 parameters (weights are padded to that): one of these */
    double beta1, beta2, eps, weight_decay;
} ch_adamw;
/* p -= lr (m^/(sqrt(v^)+eps) + wd p), gradients multiplied by scale first; step counts from 1. */
void ch_adamw_step(ch_adamw *o, real *p, const real *g, double scale, double lr,
                   int64_t step, ch_pool *pool);

/* The matrices of the layers, where they are not AdamW's (muon.c). */
typedef struct ch_muon_matrix {
    int64_t at; /* in the bucket */
    int rows, cols;
} ch_muon_matrix;
typedef struct ch_muon {
    ch_muon_matrix *matrix; /* owned, from malloc */
    int matrices;
    real *momentum; /* a bucket; borrowed, like kernels */
    double mu, weight_decay;
    const ch_kernels *kernels;
    ch_arena *scratch; /* one a thread */
    int threads;
} ch_muon;
/* With matrix, matrices, momentum, mu and weight_decay set: memory for the rest.  Closes itself on
 * failure. */
int ch_muon_open(ch_muon *o, const ch_kernels *kernels, ch_pool *pool, ch_err *e);
void ch_muon_close(ch_muon *o);
void ch_muon_step(ch_muon *o, real *p, const real *g, double scale, double lr, ch_pool *pool);

/* The learning rate at a step, from 1, as a share of its peak. */
typedef struct ch_schedule {
    const char *kind; /* of ch_schedule_names */
    int64_t steps;
    double warmup, decay, lr_end;
} ch_schedule;
extern const char *const ch_schedule_names[]; /* NULL ends them */
double ch_schedule_at(const ch_schedule *s, int64_t step);

/* Which steps are not to be believed (spike.c). */
enum { CH_SPIKES_IN_A_ROW = 10 }; /* so many, and it is no spike */
typedef struct ch_spike {
    double limit; /* deviations; <= 0: all are believed */
    int64_t seen, skipped;
    int in_a_row;
    double mean[2], var[2]; /* of the loss, and of the gradient's norm */
} ch_spike;
bool ch_spike_see(ch_spike *s, double loss, double norm); /* is this one to be left out? */
json_t *ch_spike_to_json(const ch_spike *s);
int ch_spike_from_json(ch_spike *s, const json_t *v, ch_err *e);

/* Square root of the sum of squares, in a fixed order, in double. */
double ch_grad_norm(const real *g, int64_t n, ch_pool *pool);

/* ---- One step, and checkpoints -------------------------------------------------------------- */

typedef struct ch_trainer {
    ch_model *model; /* borrowed, like pool */
    ch_adamw adamw;
    ch_muon muon;      /* no matrices: AdamW alone */
    double matrix_lr;  /* Muon's learning rate, as a multiple of AdamW's */
    ch_spike spike;
    real *ema;         /* running mean of the parameters, or NULL */
    double ema_keep;
    ch_grad_tree tree;
    ch_batch batch;
    ch_arena scratch;
    ch_kernels kernels;
    ch_pool *pool;
    ch_comm comm;
    ch_profile *profile; /* NULL, or counts operations */
    uint64_t seed;
    int length, micro_batch, leaves; /* leaves over all ranks */
    int64_t ramp;                    /* the first steps, which have half as many */
    int32_t *chosen;                 /* adapter 0 for every row, where one trains; or NULL */
    int64_t step;                    /* steps done */
    double clip;                     /* <= 0: off */
    double smoothing;                /* of labels */
    ch_precision precision;          /* of products */
} ch_trainer;
/* Options are settled (below).  Weight decay applies to matrices, a head of its own among them,
 * and neither to the embedding table nor to vectors. */
int ch_trainer_open(ch_trainer *t, ch_model *m, const ch_train_options *o, const ch_comm *comm,
                    ch_pool *pool, ch_err *e);
void ch_trainer_close(ch_trainer *t);
/* Parts of open, close and step: who updates which parameters, and the update. */
int ch_optimizer_open(ch_trainer *t, const ch_train_options *o, ch_err *e);
void ch_optimizer_close(ch_trainer *t);
void ch_optimizer_step(ch_trainer *t, const real *g, double scale, double lr);
/* Leaves of the steps before `step` (from 0) together: a leaf's number, and what was seen. */
int64_t ch_trainer_leaves_before(const ch_trainer *t, int64_t step);
/* Rank 0's parameters and optimizer state to all. */
int ch_trainer_share(ch_trainer *t, ch_err *e);
/* The parameters and their running mean change places; without one nothing happens. */
void ch_trainer_swap_ema(ch_trainer *t);
/* Computes this rank's leaves, sums, clips, updates.  A spike is counted and not followed; a loss
 * or norm that is not finite without a guard, or too many spikes in a row: CH_EFORMAT, nothing
 * updated.  Where no row of any rank has a target, both are NaN, the step counts, nothing is
 * updated and no guard is asked. */
int ch_trainer_step(ch_trainer *t, const ch_corpus *c, double lr, double *loss, double *norm,
                    ch_err *e);
/* Mean nll of about `tokens` held-out tokens, always the same ones; NaN where there are none.  Of
 * the running mean, where there is one. */
int ch_trainer_eval(ch_trainer *t, const ch_corpus *c, int64_t tokens, double *nll,
                    int64_t *scored, ch_err *e);

/* A checkpoint is one of two folders in dir; the link `current` names the one that is whole, and
 * is replaced in one rename once the other is written and synced.  config.json and the rest stand
 * in dir as links through it. */
int ch_checkpoint_save(const char *dir, const ch_trainer *t, const ch_tokenizer *tk,
                       const json_t *state, ch_err *e);
/* Into a trainer whose model has the right shape (NULL: read the state only); *state gets what was
 * saved (a new reference). */
int ch_checkpoint_load(const char *dir, ch_trainer *t, json_t **state, ch_err *e);
bool ch_checkpoint_exists(const char *dir);
/* Before a run begins in dir: nothing stands where it will write (an adapter, no model.gguf).
 * Before it looks for one there: `current` is a run's link, or there is neither it nor a folder
 * that it should name. */
int ch_checkpoint_claim(const char *dir, bool adapter, ch_err *e);
int ch_checkpoint_links(const char *dir, ch_err *e);

/* ---- The run -------------------------------------------------------------------------------- */

/* Fields left at zero get what `stored` (options of the run that is resumed; NULL: none) says,
 * then their defaults. Fields that are set and differ from `stored`, or are out of range, are
 * refused by name. */
int ch_train_settle(ch_train_options *o, const json_t *stored, ch_err *e);
/* What decides the result; NULL: out of memory. */
json_t *ch_train_describe(const ch_train_options *o);
/* Sets the option of that name where it is still open, from what someone wrote down: a 0 is no
 * "choose for me" then.  An unknown name or a wrong kind is a sentence that begins with `where`.
 * Strings are borrowed from v. */
int ch_train_option_set(ch_train_options *o, const char *name, const json_t *v, const char *where,
                        ch_err *e);
/* The same from a flag's or a variable's text. */
int ch_train_option_parse(ch_train_options *o, const char *name, const char *text,
                          const char *where, ch_err *e);
/* The shape that settled options ask for. */
ch_config ch_train_config(const ch_train_options *o);
/* What the anchor of a configuration is called among options; the other way, of a known name. */
const char *ch_train_anchor(const ch_config *c);
ch_anchor ch_train_anchor_of(const char *name);
bool ch_train_is_anchor(const char *name);
/* ffn "integrator" is a short way to say two things: to what it stands for. */
void ch_train_unfold(ch_train_options *o);

/* metrics.jsonl: one line a step. */
typedef struct ch_metrics {
    FILE *f;
    char *path;
} ch_metrics;
/* Opens dir/name for appending after the lines of the first `step` steps; later ones go. */
int ch_metrics_open(ch_metrics *m, const char *dir, const char *name, int64_t step, ch_err *e);
/* The file at path, if there is one, without the lines of later steps. */
int ch_metrics_shorten(const char *path, int64_t step, ch_err *e);
/* Takes line over; NULL stands for one that there was no memory for. */
int ch_metrics_put(ch_metrics *m, json_t *line, ch_err *e);
void ch_metrics_close(ch_metrics *m);

/* samples.jsonl: what the model writes on the way, after the same prompt and with the same draws
 * each time.  Reads weights only: the training's bits do not depend on it. */
typedef struct ch_samples {
    ch_metrics log;
    char *prompt;
    ch_tokens start; /* what it begins with: at least one token */
    ch_buf text;     /* the newest: valid UTF-8 */
} ch_samples;
/* prompt NULL: none.  One that fills the model's context is CH_EARG. */
int ch_samples_open(ch_samples *s, const char *dir, int64_t step, const char *prompt,
                    const ch_tokenizer *tk, const ch_model *m, ch_err *e);
int ch_samples_take(ch_samples *s, ch_model *m, const ch_lora *lora, const ch_tokenizer *tk,
                    int64_t step, uint64_t seed, int threads, ch_err *e);
void ch_samples_close(ch_samples *s);

#endif
