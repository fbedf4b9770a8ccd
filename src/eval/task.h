/* task.h - tasks over files
 *
 *     ch_sets sets;
 *     ch_sets_open(&sets, paths, n, NULL, &e);
 *     for each set: ch_eval_run(&stats, m, tk, &session_options, &sets.at[i], &options, &e);
 *                   ch_eval_scores(scores, &sets.at[i], &stats, &e);
 *
 * Files: JSONL whose first record says which task it is (tasks.def; docs/evaluation.md has the
 * fields); NAME.pos and NAME.neg with a text a line; plain texts.  SPDX-License-Identifier: MIT */
#ifndef CH_TASK_H
#define CH_TASK_H

#include "eval.h"

typedef struct ch_set ch_set;
typedef struct ch_eval_options ch_eval_options;
typedef struct ch_evaluation ch_evaluation;

/* ---- Tasks --------------------------------------------------------------------------------- */

typedef struct ch_score_info {
    const char *name;
    ch_score_of_fn *of;
    enum {
        CH_DRAWN,  /* its interval is the bootstrap's */
        CH_SHARE,  /* a share of all items: Wilson's */
        CH_SHARES, /* the mean of each class's share: from Wilson's of the classes */
    } kind;
} ch_score_info;

typedef struct ch_task {
    const char *name, *key, *asks, *template, *help;
    int numbers;
    int (*run)(ch_evaluation *v);
    const ch_score_info *scores; /* ends with name == NULL */
} ch_task;
extern const ch_task ch_tasks[]; /* ends with name == NULL */
const ch_task *ch_task_find(const char *name);

#define TASK(name, key, asks, template, numbers, help) \
    int ch_task_##name(ch_evaluation *v);              \
    extern const ch_score_info ch_scores_##name[];
#include "tasks.def"
#undef TASK

/* ---- Files --------------------------------------------------------------------------------- */

enum { CH_LABELS_MOST = 64, CH_SETS_MOST = 256 };

typedef struct ch_record {
    json_t *v; /* an object */
    const char *file; /* of its set */
    size_t line;
} ch_record;

struct ch_set {
    char name[64];
    const ch_task *task;
    char *path[2]; /* the second: the other half of a pair of labelled files */
    ch_record *at;
    size_t n, cap;
    size_t bytes; /* of a text, which is mapped when it is scored */
};

typedef struct ch_sets {
    ch_set *at;
    size_t n, cap;
} ch_sets;

/* Reads files, and what a directory holds.  task NULL: as each file's own contents say. */
int ch_sets_open(ch_sets *s, const char *const *paths, int n, const ch_task *task, ch_err *e);
void ch_sets_close(ch_sets *s);

/* A text of a record under the first of `keys` (words with a space between) that it has: "FILE,
 * line N: ..." when there is none. */
int ch_record_text(ch_text *out, const ch_record *r, const char *keys, ch_err *e);
/* The same, or a list of texts: at most `most`, *n of them. */
int ch_record_texts(ch_text *out, int *n, int most, const ch_record *r, const char *keys,
                    ch_err *e);
int ch_record_fail(const ch_record *r, ch_err *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- Running ------------------------------------------------------------------------------- */

/* One log-likelihood of those that choice, pairs and classify compare. */
typedef struct ch_detail {
    const char *file;
    size_t line;  /* of the record; 0: of none (classify with pmi: a word after no text) */
    int which;    /* of the record's choices, of the labels in order of their names; of pairs 0: the
                     good sentence, 1: the bad one */
    const ch_query *query;
} ch_detail;
typedef void ch_detail_fn(void *arg, const ch_detail *d);

struct ch_eval_options {
    const char *template; /* {} is the record's text; \n a line; NULL: the task's */
    const char *labels;   /* "neg=bad,pos=good": the words for labels; NULL: the labels */
    const char *shots_file;
    int shots;            /* examples before each question */
    int limit;            /* items, spread evenly; 0: all */
    int count;            /* most tokens of an answer; 0: 256 */
    int window, stride;   /* of bits_per_byte; 0: as perplexity has them */
    bool chat;            /* prompts as the vocabulary's conversations */
    bool pmi;             /* less the log p after an empty text (Holtzman et al. 2021) */
    uint64_t seed;        /* which examples, and the bootstrap's draws */
    ch_count_fn *told;
    void *arg;
    ch_detail_fn *detail; /* NULL, or told of each likelihood, in order */
    void *detail_arg;
};

int ch_eval_run(ch_stats *out, ch_model *m, const ch_tokenizer *tk, const ch_session_options *so,
                const ch_set *set, const ch_eval_options *o, ch_err *e);
void ch_stats_free(ch_stats *s);

enum { CH_SCORES_MOST = 4 };
typedef struct ch_score {
    const char *name;
    double value, low, high;
    double *draws; /* CH_DRAWS, malloc'ed */
} ch_score;
/* *n of them. */
int ch_eval_scores(ch_score scores[CH_SCORES_MOST], int *n, const ch_set *set, const ch_stats *s,
                   uint64_t seed, ch_err *e);
void ch_scores_free(ch_score *scores, int n);

/* Had both models the same items?  Windows of a text are others for another vocabulary. */
bool ch_stats_paired(const ch_stats *a, const ch_stats *b);

/* Of classify: the labels of its records in order of their names, and its share of right ones. */
int ch_set_labels(const char *labels[CH_LABELS_MOST], int *n, const ch_set *set, ch_err *e);
/* counts[label * (n_labels + 1) + predicted]; the last column: a tie. */
void ch_confusion(uint64_t *counts, int n_labels, const ch_stats *s);

/* ---- What tasks share (ask.c) -------------------------------------------------------------- */

struct ch_evaluation {
    const ch_set *set;
    const ch_eval_options *o;
    const ch_tokenizer *tk;
    ch_scorer *scorer;
    ch_record *at; /* of the set, those that are asked */
    size_t n;
    ch_buf shots;  /* the examples */
    ch_stats *stats;
    ch_err *e;
};

typedef struct ch_asked {
    ch_query *q;
    size_t n, cap;
    size_t *from_id; /* where each query's tokens begin */
    size_t cap_from;
    ch_token *id;
    size_t n_id, cap_id;
} ch_asked;

/* prompt, as the template has it, and then the answer, which is scored. */
int ch_eval_ask(ch_asked *a, const ch_evaluation *v, const ch_record *r, ch_text prompt,
                ch_text answer, int item);
/* The same without template: a sentence. */
int ch_ask_text(ch_asked *a, const ch_evaluation *v, const ch_record *r, ch_text text, int item);
int ch_asked_run(ch_asked *a, ch_evaluation *v);
void ch_asked_free(ch_asked *a);
/* The tokens of examples and prompt. */
int ch_prompt_tokens(ch_tokens *out, const ch_evaluation *v, const ch_record *r, ch_text prompt);
/* The choices of a record, 2 to `most`, and which one is right. */
int ch_record_choice(size_t *right, ch_text *choices, int *n, int most, const ch_record *r,
                     ch_err *e);
/* Fills v->shots; marks the set's own records that it took. */
int ch_take_examples(ch_evaluation *v, bool *taken);
/* "neg=bad,pos=good": the word for a label, or the label itself. */
ch_text ch_label_word(const char *labels, const char *label);
/* The numbers of an item.  bits_per_byte, whose items are windows, makes its own room. */
double *ch_stats_row(ch_stats *s, size_t i);
int ch_stats_open(ch_stats *s, size_t n, int k, ch_err *e);

#endif
