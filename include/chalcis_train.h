/* chalcis_train.h - make and keep training a small language model
 *
 *     ch_train_options o = {.data = paths, .n_data = 1, .out = "run"};
 *     ch_train_result r;
 *     if (ch_train(&r, &o, &e) < 0) puts(e.text);
 *
 * `out` becomes a directory in Hugging Face's layout (config.json, model.safetensors,
 * tokenizer.json) plus optimizer.safetensors, state.json, metrics.jsonl, and model.gguf when the
 * run ends.  Nothing in it is ever half written.  Running again with resume set continues where
 * the last checkpoint was, to the same bits as if it had not stopped.
 * SPDX-License-Identifier: MIT */
#ifndef CHALCIS_TRAIN_H
#define CHALCIS_TRAIN_H

#include "chalcis.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ch_train_progress {
    const char *phase; /* reading, vocabulary, tokenizing, training, evaluating, saving */
    int step, steps;
    double loss;       /* of the step, nats a token */
    double val_loss;   /* newest, or NaN */
    double lr, grad_norm, tok_s, eta_s;
    int64_t tokens;    /* seen so far */
} ch_train_progress;

/* Zero (or NULL) chooses the default in brackets; less than zero means none for held_out, lr_end,
 * warmup, weight_decay and clip.  What decides the result is stored in the run: on resume zero
 * means what the run says, and anything else has to agree with it. */
typedef struct ch_train_options {
    /* data: text files, or directories of them, where what is not UTF-8 is passed over; a file is
     * a document, and so is each line of .jsonl with "text" */
    const char *const *data;
    int n_data;
    double held_out; /* share of documents kept for validation [0.02]; split by a hash of their
                        content; where that leaves a side empty, the end of the longest one */
    const char *tokenizer; /* a file with a vocabulary; NULL: train one on the data */
    int vocab;             /* entries of a trained vocabulary [4096] */
    /* model */
    const char *arch;      /* ["qwen3"] */
    /* [6 256 4 2 64 1024]; at other widths heads of 64, half as many for keys, hidden 4 x width */
    int layers, width, heads, kv_heads, head_width, hidden;
    bool untied;           /* a head of its own */
    /* steps */
    int length;            /* tokens in a sequence [256] */
    int micro_batch;       /* sequences in one leaf of the gradient tree [8] */
    int accumulate;        /* leaves in a step, a power of two [2] */
    int steps;             /* optimizer steps; 0: from tokens */
    double tokens;         /* tokens to see in all; 0: one pass over the data */
    /* optimizer: AdamW (Loshchilov & Hutter 2019), linear warm-up, cosine to lr * lr_end */
    double lr;             /* [2e-3] */
    double lr_end;         /* [0.1] */
    double warmup;         /* share of steps [0.02] */
    double weight_decay;   /* on matrices, not on the embedding table or vectors [0.1] */
    double beta1, beta2;   /* [0.9 0.95] */
    double clip;           /* gradient norm [1.0] */
    /* run */
    const char *out;
    bool resume;
    uint64_t seed;
    int threads;           /* 0: one per CPU */
    int eval_every, save_every; /* steps [a twentieth of the run, a tenth] */
    int eval_tokens;       /* held-out tokens scored each time [65536] */
    /* Set to nonzero: stop after this step with a checkpoint, and CH_OK; result.steps is then less
     * than was asked for, and there is no model.gguf yet. */
    const volatile int *cancel;
    /* told after each step; NULL: silent */
    void (*progress)(void *arg, const ch_train_progress *p);
    void *progress_arg;
} ch_train_options;

typedef struct ch_train_result {
    int steps;
    int64_t tokens, parameters;
    double loss, val_loss, val_bpb, seconds;
} ch_train_result;

int ch_train(ch_train_result *out, const ch_train_options *o, ch_err *e);

#ifdef __cplusplus
}
#endif
#endif
