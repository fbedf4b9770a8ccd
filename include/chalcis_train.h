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
    const char *phase; /* reading, vocabulary, tokenizing, measuring, training, evaluating,
                          sampling, saving */
    int step, steps;
    double loss;       /* of the step, nats a token */
    double val_loss;   /* newest, or NaN */
    double lr, grad_norm, tok_s, eta_s;
    int64_t tokens;    /* seen so far */
    const char *sample; /* NULL, or what the model wrote after the sample's prompt */
    const char *note;  /* NULL, or a sentence to show once: what the data is, what went wrong */
    double token_flop; /* of the model, forward and backward: 6 N + 12 L HE T (Chowdhery 2022) */
} ch_train_progress;

/* Zero (or NULL) chooses the default in brackets; less than zero means none where none is
 * meaningful.  What decides the result is stored in the run: on resume zero means what the run
 * says, and anything else has to agree with it.  src/train/options.def has the ranges. */
typedef struct ch_train_options {
    /* data: text files, .json and .jsonl (docs/formats/training_data.md), or directories of them,
     * where what is not UTF-8 is passed over.  "PATH=WEIGHT" for each: sequences are drawn in these
     * proportions; without weights the paths are one source */
    const char *const *data;
    int n_data;
    const char *const *validation; /* these documents are kept for validation, and are not trained
                                      on wherever else they are found */
    int n_validation;
    double held_out; /* share of documents kept for validation [0.02; with `validation` none]; split
                        by a hash of their content; where that leaves a side empty, the end of the
                        longest one */
    const char *tokenizer; /* a file with a vocabulary; NULL: train one on the data */
    int vocab;             /* entries of a trained vocabulary [4096] */
    const char *cache;     /* a directory for tokens, to share between runs [out] */
    bool dedup;            /* of documents with the same words only the first is used */
    bool mask_prompts;     /* of prompt and response only the response is a target */
    /* model */
    const char *preset;    /* "nano" 2 x 64, "tiny" 8 x 256, "small" 12 x 512, "medium" 16 x 768 */
    const char *from;      /* a model to continue from, with its vocabulary */
    int lora;              /* rank of an adapter that trains in place of its weights [none] */
    double lora_alpha;     /* it is added alpha / rank times [16] */
    const char *lora_targets; /* comma list of names or globs [every linear map of the layers] */
    bool dequantize;       /* all weights of a quantized model may train, as what they decode to */
    const char *arch;      /* ["qwen3"] */
    /* [6 256 4 2 64 1024]; at other widths heads of 64, half as many for keys, hidden 4 x width */
    int layers, width, heads, kv_heads, head_width, hidden;
    bool untied;           /* a head of its own */
    int context;           /* that the model says it is made for, at least length [length] */
    double rope_base;      /* [10000] */
    const char *ffn;       /* swiglu; relu2 in chalcis and integrator models ["swiglu"];
                              "integrator" stands for swiglu and a depth of 3 */
    int depth;             /* steps through such a block: llama, qwen3, integrator models [none] */
    const char *anchor;    /* of steps: none, here, start, closed, driven ["start"] */
    int gate_layer;        /* from it on a gate says how many; drawn in training [none] */
    int controller_groups; /* anchor driven: controllers, shared by neighbours [one a layer] */
    double excitation;     /* anchor driven: share of the channels that oscillate [none] */
    int ffn_groups;        /* copies of the feed-forward maps, shared by neighbours [one a layer] */
    int attention_groups;  /* integrator models: likewise [one a layer] */
    int embedding_rank;    /* integrator models: of the embedding table [width] */
    int memory;            /* chalcis models: rows of the memory that pairs look up [none] */
    /* steps: at most one of the last four is given; all 0: one pass over the data */
    int length;            /* tokens in a sequence [256] */
    int micro_batch;       /* sequences in one leaf of the gradient tree [8] */
    int accumulate;        /* leaves in a step, a power of two [2] */
    double ramp;           /* share of the steps that have half the leaves, at the start [none] */
    int steps;             /* optimizer steps */
    double epochs;         /* passes over the data */
    double tokens;         /* tokens to see in all */
    double hours;          /* about as long; made into steps once, after a few that are measured */
    /* optimizer */
    const char *optimizer; /* "muon" (Jordan 2024) for the layers' matrices, or "adamw" (Loshchilov
                              & Hutter 2019) for all ["muon"; to continue a model "adamw"] */
    double lr;             /* [5e-3 beside Muon, 2e-3] */
    double matrix_lr;      /* of Muon [0.01] */
    double momentum;       /* of Muon [0.95] */
    double weight_decay;   /* on matrices, not on the embedding table or vectors [0.1] */
    double beta1, beta2;   /* [0.9 0.95] */
    double clip;           /* gradient norm [1.0] */
    const char *schedule;  /* ["cosine"], "linear", "constant" and then a line down */
    double warmup;         /* share of steps, from 0 on [0.02] */
    double decay;          /* share of steps in which "constant" comes down [0.2] */
    double lr_end;         /* share of lr at the end [0.1] */
    double ema;            /* e.g. 0.999: what is scored, and model.gguf, is a running mean */
    double smoothing;      /* share of each target that is spread over the vocabulary [none] */
    const char *precision; /* of products: "i16" or "f32" [the CPU's best] */
    double spike;          /* steps whose loss or gradient norm is so many deviations off are left
                              out [none] */
    int patience;          /* stop after so many validations without a better one [none] */
    /* run */
    const char *out;
    bool resume;
    uint64_t seed;
    int threads;           /* 0: one per CPU */
    int eval_every, save_every; /* steps [a twentieth of the run, a tenth]; none: at the end */
    int eval_tokens;       /* held-out tokens scored each time [65536] */
    int sample_every;      /* steps between samples of text [none] */
    const char *sample_prompt;
    int watch;             /* port of a page that follows the run [none] */
    double time;           /* hours after which this call stops with a checkpoint [none] */
    /* Set to nonzero: stop after this step with a checkpoint, and CH_OK; result.steps is then less
     * than was asked for, and there is no model.gguf yet. */
    const volatile int *cancel;
    /* told of each phase and after each step; NULL: silent */
    void (*progress)(void *arg, const ch_train_progress *p);
    void *progress_arg;
} ch_train_options;

typedef struct ch_train_result {
    int steps;
    int64_t tokens, parameters;
    double loss, val_loss, val_bpb, seconds; /* NaN: there was none */
    int64_t skipped; /* steps left out as spikes */
    bool finished;   /* there is a model.gguf, or a whole adapter */
} ch_train_result;

int ch_train(ch_train_result *out, const ch_train_options *o, ch_err *e);

#ifdef __cplusplus
}
#endif
#endif
