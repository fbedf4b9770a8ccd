/* model.h - configurations, weight tables, and the one loop over layers
 *
 * An architecture is `embed`, `layer` and `head` (arch/<name>.c) and a table of weights.  The
 * same rows load, check, count, initialise, save and quantize.  The loop over layers exists once
 * (forward.c) and is plain C. A model is immutable while it is used and may serve many sessions.
 * SPDX-License-Identifier: MIT */
#ifndef CH_MODEL_H
#define CH_MODEL_H

#include "base.h"
#include "cache.h"
#include "file.h"
#include "op.h"
#include "tensor.h"

/* ---- Configuration ------------------------------------------------------------------------- */

/* How a layer mixes tokens. */
typedef enum ch_layer_kind {
    CH_LAYER_FULL,       /* attention to everything before */
    CH_LAYER_WINDOW,     /* attention to the last `window` tokens */
    CH_LAYER_UNTURNED,   /* attention to everything before, without positions */
    CH_LAYER_CONVOLUTION /* a short convolution; no keys and values */
} ch_layer_kind;

enum { CH_MAX_LAYERS = 1024, CH_MAX_PAIRS = 512 };

/* Rotary positions that were stretched after training: see rope_speeds.c. */
typedef enum ch_stretch_kind {
    CH_STRETCH_NONE,
    CH_STRETCH_LINEAR,
    CH_STRETCH_YARN,
    CH_STRETCH_LONG
} ch_stretch_kind;

typedef struct ch_stretch {
    ch_stretch_kind kind;
    double factor;      /* 0 counts as 1 */
    double magnitude;   /* of cosines and sines, besides what the kind gives; 0 counts as 1 */
    int original;       /* context before; 0: ch_config.context */
    double mixed;       /* YaRN: how much of fast pairs is left as it was [1] */
    double own;         /* YaRN: the magnitude in place of 0.1 ln factor + 1; 0: that */
    double fast, slow;  /* YaRN: turns within `original` [32, 1] */
    double log_mul;     /* YaRN: mscale_all_dim; 0: none */
    int lists;          /* of divisors: 0; 1 (llama3); 2 (LongRoPE: short, long) */
    float divisor[2][CH_MAX_PAIRS]; /* of each pair's speed */
} ch_stretch;

/* What a step of an integrator is drawn to (integrate_block.h). */
typedef enum ch_anchor {
    CH_ANCHOR_NONE,  /* x + F(x), at once: steps are a loop */
    CH_ANCHOR_HERE,  /* x + F(x), with inertia */
    CH_ANCHOR_START, /* x0 + F(x), with inertia: to an equilibrium x = x0 + F(x) */
    CH_ANCHOR_CLOSED, /* x0 + F(x0), N steps in closed form with numbers of each token's own */
    CH_ANCHOR_DRIVEN, /* x0, while the velocity is drawn to F(x): as the published card has it */
    CH_ANCHORS
} ch_anchor;

/* Feed-forward blocks that take several steps. */
typedef struct ch_integrator_config {
    int depth; /* N: most steps of a token in a layer; 0: plain blocks */
    ch_anchor anchor;
    int gate_layer; /* layers before it take one step, and a gate decides there how many a token
                       takes from it on; 0: no gate, all take N */
    int controller_groups; /* driven: as ffn_groups, of controllers */
    int excited;           /* driven: X, channels that oscillate by themselves; 0: none */
    double tolerance; /* nats: the fewest steps with an expected KL to N steps below it; 0: N */
} ch_integrator_config;

enum { CH_MAX_DEPTH = 16 };
/* When the published integrator's rows end (docs/integrator.md, section 5): all after the layer's
 * number of steps; all of a call, once each has moved by less than `threshold` in one; or each by
 * itself. */
typedef enum ch_inl_stop { CH_INL_FIXED, CH_INL_REFERENCE, CH_INL_TOKEN } ch_inl_stop;

typedef struct ch_inl {
    int group;         /* columns that share an offset of the equilibrium; 0: no integrator */
    int min_steps;     /* no row ends before the step of this number, from 0 */
    double step, threshold;
    ch_inl_stop stop;
    uint8_t steps[CH_MAX_LAYERS];
} ch_inl;

/* A plain value: copies are configurations of their own. */
typedef struct ch_config {
    const struct ch_arch *arch;
    int width;      /* D */
    int heads;      /* H */
    int kv_heads;   /* K */
    int head_width; /* E */
    int hidden;     /* F */
    int vocab;      /* V */
    int layers;     /* L */
    int context;    /* P: tokens that the model was made for */
    double norm_eps;
    ch_rope rope;   /* speed and magnitude unset: they follow from stretch */
    ch_stretch stretch;
    double local_base; /* window layers turn by this base, unstretched; 0: like all others */
    int window;        /* keys that rows of window layers see, their own included; 0: none */
    uint8_t kind[CH_MAX_LAYERS]; /* ch_layer_kind */
    int taps;       /* S: of convolutions, the row's own included */
    bool tied;      /* the head is the embedding table */
    bool relu2;     /* feed-forward blocks have no gate and square what is above zero */
    int memory;     /* M: rows of a table that pairs of tokens look up; 0: none */
    int rank;       /* R: of the embedding table, which a map takes to D; 0: it is D wide */
    ch_integrator_config integrator;
    int ffn_groups, attention_groups; /* neighbouring layers in so many groups share these maps; 0:
                                         each layer has its own */
    int biases;     /* which optional ones there are: CH_ROW_QKV_BIAS ... or'ed */
    double attention_scale;          /* of scores; 0: 1 / sqrt(E) */
    double attention_cap, logit_cap; /* cap * tanh(x / cap); 0: none */
    double embedding_scale, residual_scale, logit_scale; /* factors; 0 counts as 1 */
    ch_inl inl;
} ch_config;

enum { /* what a configuration may hold; outside it is CH_EFORMAT with the number and the limit */
       CH_MAX_WIDTH = 65536,
       CH_MAX_HEADS = 1024,
       CH_MAX_VOCAB = 1 << 22,
       CH_MAX_CONTEXT = 1 << 24
};

/* The size a letter stands for: D H K E F V M P S, Q for H + 2 K, R for the embedding's rank (or
 * D), N for the depth of integrators, C for N - 1, X for excited channels, G for an equilibrium's
 * groups, digits for themselves; 0 for others. */
int64_t ch_config_letter(const ch_config *c, char letter);
bool ch_config_attends(const ch_config *c, int layer);
/* How many of the first `layers` layers have keys and values. */
int ch_config_attending(const ch_config *c, int layers);
/* The first of the layers that share with this one; groups: ffn_groups or attention_groups. */
int ch_config_owner(const ch_config *c, int groups, int layer);
/* Tokens that a sequence can have at all: P where positions are a table, else CH_MAX_CONTEXT. */
int ch_config_most_tokens(const ch_config *c);
/* Among attention layers those with windows come in periods: all but every period-th.  1: none;
 * 0: all. */
void ch_config_windows(ch_config *c, int period);
/* Consistent and within limits (H a multiple of K, rope dims even and <= E, ...); `name` stands
 * in the error. */
int ch_config_check(const ch_config *c, const char *name, ch_err *e);
int ch_config_read(ch_config *c, const ch_file *f,
                   ch_err *e); /* general.architecture and <arch>.* keys */
/* What ch_config_read reads: keys, and tensors of divisors, which are no weights. */
int ch_config_write(const ch_config *c, ch_file *f, ch_err *e);
/* Is the tensor one of those? */
bool ch_config_owns(const ch_config *c, const char *name);
/* A small model of c->arch: sizes that are 0 get a value, what the architecture adds is turned on.
 */
int ch_config_small(ch_config *c, ch_err *e);
/* Positions stretched to four times a context of P/4; llama3: by divisors, as Llama 3.1. */
void ch_config_stretch(ch_config *c, ch_stretch_kind kind, bool llama3);
/* Every number of it, chained to `before`. */
ch_hash128 ch_config_hash(ch_hash128 before, const ch_config *c);

/* config_inl.c: the integrator's keys, where a model has one; NULL f: what no file says. */
int ch_inl_read(ch_config *c, const ch_file *f, ch_err *e);
int ch_inl_write(const ch_config *c, ch_file *f, ch_err *e);
int ch_inl_check(const ch_config *c, const char *name, ch_err *e);
ch_hash128 ch_inl_hash(ch_hash128 before, const ch_config *c);
/* The same number of steps in every layer, in place of what was there. */
void ch_inl_set_steps(ch_config *c, int steps);
int ch_inl_stop_by_name(ch_inl_stop *out, const char *name, size_t n); /* <0: there is none */

/* ---- Weight tables ------------------------------------------------------------------------- */

typedef enum ch_init {
    CH_INIT_NORMAL,   /* N(0, 0.02^2) */
    CH_INIT_RESIDUAL, /* the same divided by sqrt(2 L): what is added to the residual stream */
    CH_INIT_FILTER,   /* N(0, 1 / (3 S)) */
    CH_INIT_ONES,
    CH_INIT_ZEROS,
    CH_INIT_INERTIA, /* of an integrator: a = 0.1 */
    CH_INIT_PULL,    /* p = 1 where a = 0.1 */
    CH_INIT_DRIVE    /* g = 0.9 */
} ch_init;

enum {
    CH_ROW_ROPE = 1, /* rows are (heads, E), stored in pairs by GGUF, in halves by Hugging Face */
    CH_ROW_HEAD = 2,   /* the head: not there when it is tied to the embedding */
    CH_ROW_GATE = 4,   /* not there when the feed-forward blocks are relu2 */
    CH_ROW_MEMORY = 8, /* a table that is only looked up: not there when M is 0 */
    CH_ROW_QKV_BIAS = 16, /* there when ch_config.biases says so; likewise the next two */
    CH_ROW_OUTPUT_BIAS = 32,
    CH_ROW_HIDDEN_BIAS = 64,
    CH_ROW_BIASES = CH_ROW_QKV_BIAS | CH_ROW_OUTPUT_BIAS | CH_ROW_HIDDEN_BIAS,
    CH_ROW_ATTENTION = 128,   /* only in layers that attend */
    CH_ROW_CONVOLUTION = 256, /* only in layers of that kind */
    CH_ROW_POSITIONS = 512,   /* a table that positions look up */
    CH_ROW_REALS = 1024,      /* no product reads it: kept as reals */
    CH_ROW_FFN = 2048,        /* only in layers that own their feed-forward maps */
    CH_ROW_SHARED_QKV = 4096, /* only in layers that own their attention's maps */
    CH_ROW_PLAIN = 8192,      /* not there when blocks integrate; the next six are there then: */
    CH_ROW_STEPS = 16384,     /* always, */
    CH_ROW_INERTIA = 32768,   /* here and from a start, */
    CH_ROW_DEPTH_GATE = 65536, /* with a gate */
    CH_ROW_CONTROLLER = 524288, /* closed and driven, in layers that own it; */
    CH_ROW_DRIVEN = 1048576,  /* there alone, */
    CH_ROW_EXCITED = 2097152, /* and where channels oscillate */
    CH_ROW_RANK = 131072,     /* only where the embedding is of low rank */
    CH_ROW_EXACT = 262144     /* products read it, and in reals: no format of fewer bits */
};

typedef struct ch_weight_row {
    const char *name;  /* "blk.%d.attn_q.weight"; globals have no %d */
    const char *shape; /* "HE D": rows by columns, letters and digits multiplied */
    ch_init init;
    size_t field;      /* offset of its ch_weight in the arch's struct of weights */
    int flags;
    size_t bias_of;    /* for a bias: 1 + offset of the weight that it belongs to, else 0 */
} ch_weight_row;

/* ---- Architectures ------------------------------------------------------------------------- */

typedef struct ch_forward ch_forward;

typedef struct ch_arch {
    const char *name;
    bool layernorm; /* norms subtract the mean: another key holds their epsilon */
    bool ends;      /* positions end with the context, though no table holds them */
    int window_period; /* for ch_config_windows, where a file with a window does not say */
    double attention_cap, logit_cap; /* of the configuration, where a file does not say */
    bool scales; /* of embedding, residual and logits are computed; refused otherwise */
    bool integrates; /* its blocks may take several steps, and share their feed-forward maps */
    const ch_weight_row *globals, *per_layer;
    int n_globals, n_per_layer;
    size_t globals_bytes, layer_bytes; /* of the structs of ch_weight */
    /* Fills what the common keys do not say (rope style ...), before ch_config_check; f may be
     * NULL: then what no file says. */
    int (*configure)(ch_config *c, const ch_file *f, ch_err *e);
    /* NULL, or turns on, in a small model, what the architecture adds (ch_config_small). */
    void (*small)(ch_config *c);
    ch_tensor *(*embed)(ch_forward *f);
    ch_tensor *(*layer)(ch_forward *f, int layer, ch_tensor *x);
    ch_tensor *(*head)(ch_forward *f,
                       ch_tensor *x); /* the final norm; logits are taken from ch_model_output */
} ch_arch;

const ch_arch *ch_arch_find(const char *name, size_t n); /* NULL: unknown */
const ch_arch *ch_arch_at(int i);                        /* NULL: past the last */
const char *ch_arch_names(void);                         /* "llama, qwen3" for messages */

/* ---- Models -------------------------------------------------------------------------------- */

typedef enum ch_rope_choice { CH_ROPE_SHORT, CH_ROPE_LONG, CH_ROPE_LOCAL, CH_ROPES } ch_rope_choice;

struct ch_model {
    ch_config config;
    char name[64];     /* general.name of the file, cut at a whole character */
    void *globals;     /* the arch's struct of global weights */
    void *layers;      /* L structs of layer weights */
    ch_weight *output; /* the head: its own or the tied table */
    ch_rope rope[CH_ROPES]; /* how positions turn, by ch_rope_choice */
    ch_hash128 hash;   /* of configuration and weights: part of page keys */
    ch_file *file;     /* what stored views point into; NULL for models made here */
    ch_arena arena;    /* panels, vectors; for trained models the parameters */
    real *parameters;  /* trainable: one contiguous bucket in table order; each weight starts at a
                          multiple of 64 reals */
    real *gradients;   /* likewise; both NULL when the model came from a file */
    int64_t bucket;    /* reals in each, padding (zeros) included */
    ch_lora *lora;     /* NULL, or what trains in place of the weights, which then have no gradients
                          and stay as they are; the buckets are its own */
};

typedef struct ch_model_load {
    ch_pool *pool;      /* packs weights; NULL: the caller */
    bool keep_unpacked; /* do not pack (show, quantize, save) */
    /* Matrices of plain floats (f32, f16, bf16, f64) as reals and unpacked, so that a run packs
     * them in its precision: what lies frozen under an adapter in training. */
    bool plain_as_reals;
    /* NULL, or told after each weight: bytes of the file that are done, of how many. */
    void (*told)(void *arg, size_t done, size_t of);
    void *arg;
} ch_model_load;

/* Opens a file of any format of files.def.  Missing, superfluous or misshapen tensors: one
 * sentence. */
int ch_model_load_file(ch_model **out, const char *path, const ch_model_load *o, ch_err *e);
/* A trainable model: all weights reals in one contiguous bucket (and gradients in another),
 * initialised from seed, or read from `from` (NULL: nothing is), which then must have every tensor
 * of the configuration, in its shape, and no others.  Its hash says nothing of the weights, which
 * change: sessions share no pages of such a model, and each is good until the weights change. */
int ch_model_create(ch_model **out, const ch_config *c, uint64_t seed, const ch_file *from,
                    ch_err *e);
/* Random weights under which everything matters: gains 1 + noise n and biases noise n, n normal;
 * matrices that keep the size of what they map. */
void ch_model_shake(ch_model *m, uint64_t seed, double noise);
void ch_model_free(ch_model **m);
/* What a model loaded from f has as its hash. */
ch_hash128 ch_model_file_hash(const ch_config *c, const ch_file *f);

/* Calls fn for every weight in table order (globals, then layers 0..L-1); stops at the first
 * nonzero result. */
typedef int ch_weight_fn(void *arg, ch_weight *w, const ch_weight_row *row, int layer);
int ch_model_each(ch_model *m, ch_weight_fn *fn, void *arg);
/* Which rope full layers take in sequences of at most `context` tokens: LongRoPE has two sets. */
ch_rope_choice ch_model_rope(const ch_config *c, int context);
int64_t ch_model_count(const ch_config *c, bool embeddings); /* parameters, from the table alone */
/* No linear map but vectors of tokens and positions (the embedding, the head, the look-up memory)
 * or filters of convolutions. */
bool ch_row_is_table(const ch_weight_row *row);
void *ch_model_layer(const ch_model *m, int layer);
/* Where row r of a CH_ROW_ROPE matrix stands in Hugging Face's order, when the configuration turns
 * interleaved pairs: head by head, row 2i + p of the R that turn at p R/2 + i, p in {0, 1}. */
int64_t ch_row_there(const ch_config *c, int64_t r);
/* Writes configuration and tensors (each in `dtype`, or with CH_DTYPES as it is; vectors in f32; a
 * matrix whose rows are no whole blocks falls back to f16 and is counted in *fallbacks) to a file
 * under construction.
 * Tensor data is encoded into memory that f owns until closed. */
int ch_model_to_file(ch_model *m, ch_file *f, ch_dtype dtype, int *fallbacks, ch_err *e);

/* ---- Forward ------------------------------------------------------------------------------- */

/* One step takes rows of one or many sequences through the layers.  Inference: seqs hold the
 * state, rows->seq says which one a row extends; the rows of one sequence stand together, are its
 * last tokens, and have been appended.  Training: seqs is NULL, rows->first cuts documents,
 * run->tape may be set. */
/* After `layer` (-1: the embedding); may read x, whose rows are `rows`. */
typedef void ch_tap_fn(void *arg, int layer, const ch_rows *rows, const ch_tensor *x);

/* What one row is given for one step of a layer that integrates, seen before the step is taken
 * (arch/inl.c, arch/integrate_block.c): v' = alpha v + beta away, x' = x + dt gate v'.  Vectors of
 * the model's width, good until the call returns. */
typedef struct ch_watched {
    int layer, step, row; /* row: of the ch_step */
    int steps;            /* that the layer takes */
    double dt;
    const real *alpha, *beta; /* NULL: the row stays as it is from here on */
    const real *gate;         /* NULL: ones */
    const real *gain;         /* that the force was multiplied by; NULL: there is none */
    const real *away;         /* what x lacks to where it is drawn */
    const real *v;            /* NULL: at rest */
} ch_watched;
typedef void ch_watch_fn(void *arg, const ch_watched *w);

typedef struct ch_step {
    ch_rows rows;
    int context; /* tokens that the sequences may come to hold: decides between two sets of rotary
                    speeds, where a model has them; 0: no more than before they were stretched */
    ch_sequence *const *seqs;
    int n_seqs;
    const int32_t *wanted; /* rows whose logits are wanted, ascending; NULL: all */
    int n_wanted;
    const int32_t *depth; /* NULL, or per row: steps it takes in layers that integrate, 1 to N */
    real *gate_input; /* NULL, or where what the depth gate is given goes: (T, D) */
    int32_t *spent; /* NULL, or (L, rows), zeros: gets the steps that each row took in layers that
                       integrate, where rows may differ */
    ch_tap_fn *tap; /* NULL, or called between layers */
    void *tap_arg;
    ch_watch_fn *watch; /* NULL, or called before steps of layers that integrate; not in training */
    void *watch_arg;
    const ch_kv_view
        *like; /* measuring only: a view of the largest size that will be met; NULL otherwise */
} ch_step;

typedef struct ch_turns { /* cosines, sines: (T, rope dims / 2), of the rows of a step */
    const ch_rope *rope;
    real *cosines, *sines;
} ch_turns;

struct ch_forward { /* what an architecture's functions see */
    ch_run *run;
    const ch_model *model;
    const ch_step *step;
    const ch_rows *rows;   /* that this layer, or the head, computes; the head knows their number
                              and adapters alone */
    ch_turns full, local;  /* local: of window layers */
    const int32_t *depth;  /* of rows, once it is known; NULL: all of them N */
    int32_t *decided;      /* where a gate writes them */
};

/* Final hidden states (T or n_wanted, D); run->scratch holds them. */
ch_tensor *ch_forward_hidden(ch_run *r, const ch_model *m, const ch_step *s);
/* Logits (n_wanted, V). */
ch_tensor *ch_forward_logits(ch_run *r, const ch_model *m, const ch_step *s);
/* Training: the loss of ch_op_cross_entropy over rows with targets. */
void ch_forward_loss(ch_run *r, const ch_model *m, const ch_step *s, const ch_token *target,
                     double scale, double smoothing, double *nll_sum, real *nll);
/* Keys and values into the sequences (or, in training, straight on), then attention: for layer
 * functions. */
ch_tensor *ch_forward_attend(ch_forward *f, int layer, ch_tensor *q, ch_tensor *k, ch_tensor *v,
                             const ch_attention_spec *s);
/* Likewise a short convolution: `layer` counts those that convolve. */
ch_tensor *ch_forward_convolve(ch_forward *f, int layer, const ch_tensor *x, const ch_weight *w);
/* What a depth gate w (N - 1, D), b (N - 1) says of a row: the least k with exp(w_k h + b_k) <
 * tolerance, or N. */
int ch_depth_choose(const real *w, const real *b, const real *h, int D, int N, double tolerance);
/* Bytes of scratch for any step of at most `rows` rows, `wanted` of them with logits, over
 * sequences that look at most like `like`; NULL: training, with the tape.  adapters: of the run,
 * or NULL. */
size_t ch_forward_scratch(const ch_model *m, const ch_adapters *adapters, const ch_kernels *k,
                          ch_pool *pool, int rows, int wanted, const ch_kv_view *like);

#endif
