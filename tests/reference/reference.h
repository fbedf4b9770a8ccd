/* reference.h - decoders once more: double precision, plain loops, nothing shared with the engine
 *
 * Written from the papers and from what the configurations of Hugging Face's models mean, over
 * GGUF's keys and tensor names; of the project only the reading of files is used.  A model is a
 * function from ids to logits (T, V): every position in one pass, no cache, no blocks, no tricks.
 *
 * Rounding.  With `noise` > 0 every result is moved by noise * m, up or down at random, where u * m
 * bounds the error that arithmetic with unit roundoff u makes in that result:
 *     a sum of n terms, in any order:  m = n * sum |terms|     (Higham 2002, section 4.2)
 *     a function of the C library and the few products around it:  m = 4 |result|
 * so (logits with noise - logits) / noise * u is how far such arithmetic may end up: depth,
 * cancellation, and what the layers make of an error are all in it.
 * SPDX-License-Identifier: MIT */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "file.h"

/* One step of one channel of an integrator: gain of the force (1: there is none), v before the
 * step; e is what x lacks to where it is drawn. */
typedef struct ref_seen {
    int layer, step, token, channel;
    double alpha, beta, gate, gain, v, e;
} ref_seen;
typedef void ref_seen_fn(void *arg, const ref_seen *s);

typedef struct ref {
    const ch_file *file;
    const char *arch;
    const ch_token *id;
    int T;       /* ids */
    int context; /* tokens that the run is made for: some models turn otherwise in long ones */
    int D, H, K, E, F, V, L;
    double eps;
    double noise;
    uint64_t drawn;
    ref_seen_fn *seen; /* or NULL */
    void *seen_arg;
    void **owned; /* freed at the end */
    size_t n_owned, cap_owned;
} ref;

/* Logits (T, V) of the architecture that the file names; free them.  Anything missing fails the
 * running test with a sentence. */
double *ref_logits(int *vocab, const ch_file *f, const ch_token *id, int n, int context,
                   double noise, uint64_t seed);
/* The same, which calls fn for every step of an integrator and forgets the logits. */
void ref_observe(const ch_file *f, const ch_token *id, int n, ref_seen_fn *fn, void *arg);
bool ref_knows(const char *arch);

/* ---- One function an architecture: logits (T, V), owned by r -------------------------------- */

double *ref_llama(ref *r);
double *ref_qwen2(ref *r);
double *ref_qwen3(ref *r);
double *ref_gpt2(ref *r);
double *ref_gemma2(ref *r);
double *ref_gemma3(ref *r);
double *ref_phi3(ref *r);
double *ref_smollm3(ref *r);
double *ref_olmo2(ref *r);
double *ref_granite(ref *r);
double *ref_lfm2(ref *r);
double *ref_integrator(ref *r);
double *ref_inl_v2(ref *r);
double *ref_inl_v3(ref *r);

/* ---- Reading: NAME stands for the architecture, %d for the layer ---------------------------- */

int ref_int(const ref *r, const char *key, int or);  /* "NAME.<key>"; or INT_MIN: required */
double ref_real(const ref *r, const char *key, double or); /* or NAN: required */
int ref_int_at(const ref *r, const char *key, int i, int or); /* element i, or the one for all */
bool ref_says(const ref *r, const char *key, const char *word); /* a string that is word */
/* Whether this layer's window is attention.sliding_window; `period` where the file does not say:
 * all layers but every period-th. */
bool ref_is_local(const ref *r, int layer, int period);
bool ref_has(const ref *r, const char *name, int layer);
/* A tensor of rows x cols; anything else: the test fails. */
double *ref_tensor(ref *r, const char *name, int layer, int64_t rows, int64_t cols);
double *ref_new(ref *r, int64_t n); /* zeros */

/* ---- Pieces (pieces.c) ---------------------------------------------------------------------- */

double ref_round(ref *r, double v, double m); /* v moved by noise * m, up or down */
/* Rows of token_embd.weight, times scale. */
double *ref_embed(ref *r, double scale);
/* x (T, in) W^T + b; W is `name`.weight (out, in), b `name`.bias (out) where the file has it. */
double *ref_linear(ref *r, const double *x, const char *name, int layer, int out, int in);
/* x / sqrt(mean x^2 + eps) * gain over vectors of `width`, `each` of them a token. */
double *ref_rms(ref *r, const double *x, const char *name, int layer, int width, int each);
double *ref_rms_by(ref *r, const double *x, const double *gain, int width, int each);
double *ref_layer_norm(ref *r, const double *x, const char *name, int layer);
/* a + b_scale b, (T, D). */
double *ref_add(ref *r, const double *a, const double *b, double b_scale);
double ref_silu(ref *r, double x);
double ref_gelu_tanh(ref *r, double x);
double ref_cap(ref *r, double x, double cap); /* cap tanh(x / cap); x when cap is 0 */
/* Columns from..from+n of rows of `width`. */
double *ref_columns(ref *r, const double *x, int width, int from, int n);
/* down(act(gate x) * up x), names as GGUF has them. */
double *ref_gated(ref *r, const double *x, int layer, double (*act)(ref *, double));
/* The feed-forward block of llama, qwen3 and integrator models, plain or in steps (integrator.c).
 * depth (T): how many steps each token takes; of ref_depths, then of the gate. */
double *ref_block(ref *r, double *x, int layer, int *depth);
int *ref_depths(ref *r);
/* The last norm is done; output.weight, or the embedding where there is none. */
double *ref_head(ref *r, const double *x);

/* ---- Turning (rope.c) ----------------------------------------------------------------------- */

typedef struct ref_rope {
    int pairs;     /* of each head, from its first element on; the rest stays */
    bool halves;   /* pairs are (i, i + pairs), else (2i, 2i + 1) */
    double length; /* that turning multiplies by */
    double speed[256]; /* radians a position */
} ref_rope;

/* What the metadata says: base, dimensions, scaling of kind none, linear, yarn, or by the tensors
 * of factors. */
ref_rope ref_rope_read(ref *r, bool halves);
/* `base` and nothing else, for layers that are not scaled. */
ref_rope ref_rope_plain(ref *r, bool halves, double base);
void ref_turn(ref *r, double *x, int heads, const ref_rope *p);

/* ---- Attention (attention.c) ---------------------------------------------------------------- */

/* softmax(cap(scale q k) where j in (i - window, i]) v; q (T, H, E), k and v (T, K, E); window and
 * cap 0: none. */
double *ref_attend(ref *r, const double *q, const double *k, const double *v, double scale,
                   int window, double cap);

#endif
