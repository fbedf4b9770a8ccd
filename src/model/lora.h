/* lora.h - low-rank adapters of a model: made, trained, kept as PEFT keeps them, merged
 *
 *     y += s B (A x),  s = alpha / R          A (R, K), B (N, R)          Hu et al. 2021
 *
 * The model stays as it is, in whatever format; an adapter's own values are reals in one bucket,
 * A then B of each map, in the order of the model's table.  SPDX-License-Identifier: MIT */
#ifndef CH_LORA_H
#define CH_LORA_H

#include "model.h"

struct ch_lora {
    ch_adapter adapter;
    const ch_adapter *self;
    ch_adapters alone;   /* what a run takes: this one, as number 0 */
    ch_low_rank *low;    /* adapter.n of them */
    ch_weight *maps;     /* A and B of number i at 2 i and 2 i + 1; no data: not adapted */
    int rank;
    double alpha;
    ch_hash128 hash;     /* of values and scale; zero where they train */
    real *parameters;    /* one bucket; each matrix starts at a multiple of 64 reals */
    real *gradients;     /* likewise; NULL unless it trains */
    int64_t bucket;      /* reals in each, padding (zeros) included */
    int64_t count;       /* parameters without padding */
    ch_arena arena;
    ch_arena panels;     /* of values that were read and no longer change */
    ch_arena merged;     /* weights that ch_lora_merge made */
};

enum { CH_MAX_LORA_RANK = 1024 };

typedef struct ch_lora_options {
    int rank;            /* [8] */
    double alpha;        /* [16] */
    const char *targets; /* comma list of globs over names of weights as GGUF, Hugging Face or PEFT
                            write them ("blk.0.attn_q.weight", "model.layers.0.self_attn.q_proj",
                            "q_proj", "*_proj"); NULL: every linear map of the layers */
    uint64_t seed;
} ch_lora_options;

/* To be trained: A uniform within 1 / sqrt(K), as PEFT begins, B zero; so nothing is changed
 * yet.  A pattern that names no linear map of the layers: CH_EARG with what there is. */
int ch_lora_create(ch_lora **out, ch_model *m, const ch_lora_options *o, ch_err *e);
/* From now on l is what trains in place of m's weights: the model's buckets are the adapter's. */
void ch_lora_attach(ch_lora *l, ch_model *m);
/* Is it made for a model of these shapes? */
int ch_lora_fits(const ch_lora *l, const ch_model *m, ch_err *e);

/* The two files of a PEFT folder.  Values are written as they are and read back to the bit;
 * `base` is noted as base_model_name_or_path (may be NULL). */
int ch_lora_write_config(const char *path, const ch_lora *l, ch_model *m, const char *base,
                         ch_err *e);
int ch_lora_write_values(const char *path, const ch_lora *l, ch_model *m, ch_err *e);
/* The same as a GGUF file; name: general.name, or NULL. */
int ch_lora_write_gguf(const char *path, ch_lora *l, ch_model *m, const char *name, ch_err *e);
/* Of one that was opened: every map's scale becomes alpha / its rank, the rest goes into B;
 * one_rank: maps of different ranks are refused, as PEFT's two files written here have one. */
int ch_lora_even(ch_lora *l, bool one_rank, ch_err *e);
/* Into one that was made by ch_lora_create: every value must be there, and no others. */
int ch_lora_read_values(ch_lora *l, ch_model *m, const char *path, ch_err *e);

/* Adds the adapter, once, to the weights of a model that was loaded with keep_unpacked: each
 * rounded to the format it has, or, with as_reals, not at all.  They then live as long as l. */
int ch_lora_merge(ch_model *m, ch_lora *l, bool as_reals, ch_err *e);

/* The rank with which a weight is adapted, 0: not.  Memory for all, values zero; rank and alpha are
 * noted, and give the scale that each map begins with. */
typedef int ch_lora_choose_fn(void *arg, const ch_weight *w, const ch_weight_row *row);
int ch_lora_alloc(ch_lora **out, ch_model *m, int rank, double alpha, bool trains,
                  ch_lora_choose_fn *choose, void *arg, ch_err *e);

#endif
