/* op.h - operations: they run at once, and are taped only in training
 *
 *     ch_tensor *h = ch_op_rmsnorm(r, x, &w->attn_norm, eps);
 *     ch_tensor *qkv[3];  ch_op_linear_many(r, qkv, h, weights, 3, rows);
 *
 * An operation takes its output from r->scratch, computes it, and, when r->tape is set, records
 * what its backward needs.  There is no graph: model code is plain C and may branch on data.
 *
 * Measuring.  When r->scratch is measuring, operations take memory and compute nothing; no
 * tensor's data may be read or written.  A run of the same model code then sizes the arena; so
 * model code has no error branches.  Row counts that depend on data are measured at their maximum.
 * Tensors, the tape and its records are headers of the arena (ch_arena_take_header): real in a
 * measuring run, so shapes can be read, and backward walks the same memory. Of the rows only their
 * number is read then, and no view: scratch depends on shapes and weights alone.
 *
 * Threads.  Work is cut by shape alone and every output element is computed by one task in a fixed
 * order: results do not depend on the pool.  Inference results of a row do not depend on the other
 * rows.
 *
 * Lifetimes.  Until backward, what an operation was given stays as it is: tensors, weights, the
 * arrays behind ch_rows. Operations that work in place say so (rope; without a tape add,
 * linear_add and the gated units).
 *
 * Tensors here are reals, rank 2, (rows, width), unless said.  SPDX-License-Identifier: MIT */
#ifndef CH_OP_H
#define CH_OP_H

#include "base.h"
#include "kernel.h"
#include "tensor.h"

typedef enum ch_op_id {
#define OP(name, group) CH_OP_##name,
#include "ops.def"
#undef OP
    CH_OPS
} ch_op_id;

const char *ch_op_name(ch_op_id op);
const char *ch_op_group(ch_op_id op);

/* ---- Running ------------------------------------------------------------------------------- */

/* What operations have cost since it was cleared.  Filled only where r->profile is set. */
typedef struct ch_profile {
    struct {
        uint64_t calls, ns;
        double macs, bytes; /* multiply-adds done; bytes of weights, keys and values read */
    } op[CH_OPS];
    double panel_macs[CH_PANELS]; /* linear's, by what its weights were packed as */
} ch_profile;

typedef struct ch_tape ch_tape;
typedef struct ch_adapters ch_adapters;
typedef struct ch_weight ch_weight;

/* What matrices that are packed at use (training) are multiplied in: floats, or 13-bit integers
 * with one scale a row and group of 128 (kernel.h, gemm_i16), twice as fast where the CPU
 * multiplies integers (ch_kernels_fast_i16).  Decides the bits.  Weights that have panels keep
 * theirs. */
typedef enum ch_precision { CH_PRECISION_F32, CH_PRECISION_I16 } ch_precision;

/* Told what a linear map is given, x (T, K), before it is multiplied. */
typedef void ch_inputs_fn(void *arg, const ch_weight *w, const ch_tensor *x);

typedef struct ch_run {
    ch_arena *scratch;         /* outputs, records, gradients of activations */
    ch_pool *pool;             /* NULL: the calling thread */
    const ch_kernels *kernels;
    ch_tape *tape;             /* NULL: inference */
    ch_profile *profile;       /* NULL: not counted */
    ch_inputs_fn *inputs;      /* NULL: nobody looks */
    void *inputs_arg;
    const ch_adapters *adapters; /* NULL: none; what ch_rows.adapter chooses from */
    ch_precision precision;
} ch_run;

/* The tape lives in r->scratch and ends with the arena's reset.  A taped tensor has a grad, empty
 * at first: the first backward that has something for it stores all of it, later ones ADD, so a
 * tensor may be used more than once; see ch_op_gradient. */
void ch_tape_begin(ch_run *r);
/* Runs every recorded backward, newest first.  Weight gradients are ADDED to stored.grad where
 * that is set. */
void ch_tape_backward(ch_run *r);
void ch_tape_end(ch_run *r); /* r->tape = NULL */

/* ---- Weights ------------------------------------------------------------------------------- */

/* A linear map is given as a handle, not an array: how it is stored (what save, prune and backward
 * see), how it is packed (what kernels see), and its bias. */
struct ch_weight {
    const char *name;     /* as in a GGUF file: "blk.3.attn_q.weight"; borrowed */
    ch_tensor stored; /* (N, K), any dtype, or (N), always reals; data NULL: absent */
    ch_panel_kind kind;   /* of panels */
    void *panels;         /* NULL until packed */
    const ch_weight *bias; /* (N) or NULL */
    int number;            /* in its model's table: what adapters know it by */
};

static inline int64_t ch_weight_rows(const ch_weight *w) { return w->stored.dim[0]; }
static inline int64_t ch_weight_width(const ch_weight *w) { return w->stored.dim[1]; }
/* Bytes that ch_weight_pack needs (64-byte aligned), and packing by the pool from stored into
 * memory of the caller's.  packed, if not NULL, is told of stored bytes that are done with, some
 * 16 MiB at a time. */
typedef void ch_packed_fn(void *arg, const void *stored, size_t bytes);
size_t ch_weight_packed_bytes(const ch_weight *w);
void ch_weight_pack(ch_weight *w, void *memory, ch_pool *pool, ch_packed_fn *packed, void *arg);

/* Low-rank changes of linear maps (Hu et al. 2021): y += scale * B (A x).  Models stay as they
 * are: adapters belong to a run, and its rows choose among them. */
typedef struct ch_low_rank {
    const ch_weight *a; /* (R, K); NULL: the map is as it was */
    const ch_weight *b; /* (N, R) */
    real scale;
} ch_low_rank;

typedef struct ch_adapter {
    const ch_low_rank *at; /* by the number of a weight */
    int n;
} ch_adapter;

struct ch_adapters {
    const ch_adapter *const *at;
    int n;
};

/* ---- Rows ---------------------------------------------------------------------------------- */

/* One row is one token in a step.  It enters as an id or as a vector (a soft prompt, an image
 * patch, a thought). */
typedef struct ch_rows {
    int n;
    const ch_token *id;         /* per row; ignored where a vector is given */
    const real *const *vector;  /* NULL, or per row: NULL or D reals that replace the embedding */
    const int32_t *pos;         /* position in its sequence or document */
    const int32_t *adapter; /* NULL: none; or per row an index into ch_run.adapters; -1, or one
                               that is not there: none */
    const int32_t *seq;         /* inference: which view of the step the row belongs to */
    const ch_token *before; /* inference: the id before the row's in its sequence, -1 for none;
                               NULL: nobody knows */
    const int32_t *first; /* training: the first row of the row's document (documents are
                             contiguous; a row's position in one is its distance from it) */
} ch_rows;

/* ---- Operations ---------------------------------------------------------------------------- */

/* Shapes in capitals as in the design: T rows, D width, H heads, K key heads, E head width. */

/* x (T, D): rows of `table` (V, D, any dtype), or the rows' vectors.  Ids are checked by the
 * caller. */
ch_tensor *ch_op_embed(ch_run *r, const ch_weight *table, const ch_rows *rows);

/* y (T, N) = x w^T + bias + adapters.  w must be packed (inference) or stored as reals (training,
 * where panels are packed at use if absent).  rows may be NULL: no
 * adapters. */
ch_tensor *ch_op_linear(ch_run *r, const ch_tensor *x, const ch_weight *w, const ch_rows *rows);
/* Several maps of one input behind one barrier: x is brought into the kernels' row format once. */
void ch_op_linear_many(ch_run *r, ch_tensor **y, const ch_tensor *x, const ch_weight *const *w,
                       int n, const ch_rows *rows);
/* residual + linear(x); without a tape it is computed into residual, which is returned. */
ch_tensor *ch_op_linear_add(ch_run *r, ch_tensor *residual, const ch_tensor *x, const ch_weight *w,
                            const ch_rows *rows);

/* Over groups of `width` (0: the whole row; E for norms per head).  gain: vector of that width, or
 * NULL. */
ch_tensor *ch_op_rmsnorm(ch_run *r, const ch_tensor *x, const ch_weight *gain, int width,
                         real eps);
/* gain is needed, bias may be NULL. */
ch_tensor *ch_op_layernorm(ch_run *r, const ch_tensor *x, const ch_weight *gain,
                           const ch_weight *bias, real eps);

/* Rotary positions (Su et al. 2021), IN PLACE on x (T, heads * E).  The first `dims` of each head
 * turn (0: none, E: whole), as interleaved pairs (2i, 2i+1) or halves (i, i + dims/2).  cos, sin:
 * (T, dims/2), from ch_op_rope_table (which writes, so not while measuring).  Under a tape x is
 * fresh: nothing recorded before needs its values. */
typedef struct ch_rope {
    int dims;
    bool interleaved;
    double base; /* angle of pair i at position p: p * base^(-2i/dims) */
    const double *speed; /* NULL, or dims/2 numbers in place of base^(-2i/dims): stretched positions
                            (llama3, YaRN, LongRoPE); borrowed */
    double magnitude;    /* of cosines and sines, 0 counts as 1 (YaRN's attention factor) */
} ch_rope;
void ch_op_rope_table(real *cosines, real *sines, const ch_rope *rope, const int32_t *pos, int n);
void ch_op_rope(ch_run *r, ch_tensor *x, int heads, const ch_rope *rope, const real *cosines,
                const real *sines);

typedef struct ch_attention_spec {
    int heads, kv_heads, width; /* H, K, E; query head h reads key head h / (H/K) */
    real scale;                 /* usually 1/sqrt(E) */
    int window;                 /* keys seen, the row's own included; 0: all before */
    real softcap;               /* scores s become softcap * tanh(s / softcap) (Gemma 2); 0: no */
    bool alibi; /* add -m_h (p_row - p_key), m_h = 2^(-8(h+1)/H) (Press et al. 2021) */
} ch_attention_spec;

/* Training: causal within each document (rows->first).  q (T, H E), k v (T, K E) -> (T, H E).  q, k
 * and v are three tensors. */
ch_tensor *ch_op_attention(ch_run *r, const ch_tensor *q, const ch_tensor *k, const ch_tensor *v,
                           const ch_rows *rows, const ch_attention_spec *s);
/* Inference: row t reads views[rows->seq[t]], which already hold this step's keys; it sees keys at
 * positions <= its own; with none it gives zeros.  Keys in order, in stretches of
 * CH_ATTENTION_KEYS, with an online softmax (Milakov & Gimelshein 2018) across stretches; so the
 * page size does not matter to the bits.  Where keys are q8_0, queries are rounded to its groups;
 * where values are, weights are rounded to integers (kernel.h).  No backward. */
enum { CH_ATTENTION_KEYS = CH_MIX_KEYS };
ch_tensor *ch_op_attention_pages(ch_run *r, const ch_tensor *q, const ch_kv_view *views,
                                 const ch_rows *rows, const ch_attention_spec *s);

/* silu(gate) * up (Shazeer 2020).  Without a tape the result is in gate. */
ch_tensor *ch_op_swiglu(ch_run *r, ch_tensor *gate, const ch_tensor *up);
/* gelu(gate) * up, in gelu's tanh form (Shazeer 2020); likewise. */
ch_tensor *ch_op_geglu(ch_run *r, ch_tensor *gate, const ch_tensor *up);
ch_tensor *ch_op_gelu(ch_run *r, const ch_tensor *x);
ch_tensor *ch_op_gelu_erf(ch_run *r, const ch_tensor *x); /* x times the normal distribution */
ch_tensor *ch_op_relu2(ch_run *r, const ch_tensor *x);
ch_tensor *ch_op_relu(ch_run *r, const ch_tensor *x);
/* a + b; without a tape computed into a, which is returned. */
ch_tensor *ch_op_add(ch_run *r, ch_tensor *a, const ch_tensor *b);
/* a * b, element by element. */
ch_tensor *ch_op_multiply(ch_run *r, const ch_tensor *a, const ch_tensor *b);
/* factor * x, and cap * tanh(x / cap); without a tape computed into x, which is returned. */
ch_tensor *ch_op_scale(ch_run *r, ch_tensor *x, real factor);
ch_tensor *ch_op_softcap(ch_run *r, ch_tensor *x, real cap);
/* Columns [at, at + n) of x as a tensor of their own: the parts of maps that a file keeps fused. */
ch_tensor *ch_op_columns(ch_run *r, const ch_tensor *x, int64_t at, int64_t n);
/* (T, width): a's columns, b's, and zeros. */
ch_tensor *ch_op_join(ch_run *r, const ch_tensor *a, const ch_tensor *b, int64_t width);

/* One step of the published integrator (inl_step.c) on u = [h | x | v] (T, 3D), o (T, 3D) being
 * what its controller says; without a tape computed into u, which is returned.  mu (1), offsets
 * (ceil(D / group)).  moved: NULL, or gets |x' - x|_2 a row.  frozen: NULL, or rows that stay as
 * they are (not under a tape; their `moved` stays too). */
typedef struct ch_inl_step {
    const ch_weight *mu, *offsets;
    int group;
    real step;
    const uint8_t *frozen;
    real *moved;
} ch_inl_step;
ch_tensor *ch_op_inl_step(ch_run *r, ch_tensor *u, const ch_tensor *o, const ch_inl_step *how);
/* What the step makes of a row (3D) of o: alpha, beta, gate and the equilibrium, (4, D). */
void ch_op_inl_factors(const ch_run *r, real *out, const real *o, int D, const ch_inl_step *how);

/* Rows at[0..n), rising, of x as a tensor of their own; and x with those rows replaced by y's
 * (without a tape in x, which is returned). */
ch_tensor *ch_op_pick_rows(ch_run *r, const ch_tensor *x, const int32_t *at, int n);
ch_tensor *ch_op_put_rows(ch_run *r, ch_tensor *x, const ch_tensor *y, const int32_t *at);

/* One step of a damped integrator towards c = start + gain force, or x + gain force without a
 * start: v' = a v + p (c - x) goes to *velocity (NULL: unwanted), returned is x + v'.  integrate.c
 * says how a and p follow from inertia and pull, and why it is stable. */
typedef struct ch_op_motion {
    const ch_tensor *x;        /* (T, D); no other of these */
    const ch_tensor *start;    /* or NULL */
    const ch_tensor *velocity; /* NULL: at rest */
    const ch_tensor *force;
    const ch_weight *gain, *inertia, *pull; /* (D); inertia and pull NULL: a = 0, p = 1 */
} ch_op_motion;
ch_tensor *ch_op_integrate(ch_run *r, const ch_op_motion *m, ch_tensor **velocity);
/* a and p of numbers z of inertia and pull, (D). */
void ch_op_integrate_factors(real *a, real *p, const real *inertia, const real *pull, int64_t D);

/* The same from rest towards x + gain force, `steps` of them in closed form, where inertia and pull
 * are each row's own (T, D) and, like the force, rest (settle_closed.c). */
typedef struct ch_op_settling {
    const ch_tensor *x, *force, *inertia, *pull; /* (T, D) */
    const ch_weight *gain;                       /* (D) */
    int steps;
} ch_op_settling;
ch_tensor *ch_op_settle_closed(ch_run *r, const ch_op_settling *s);

/* One step of the integrator of the published card (drive.c): x + w', and w' to *velocity. */
typedef struct ch_op_driving {
    const ch_tensor *x, *start, *velocity, *force; /* as in ch_op_motion */
    const ch_tensor *said[3];                /* (T, D) of the controller: inertia, pull, gate */
    const ch_weight *gain;                   /* (D) */
    const ch_weight *scale, *shift;          /* (3) of what is said */
    const ch_weight *size, *speed, *phase;   /* (X) of the excitation; NULL: there is none */
    int number;                              /* of the step, from 1 */
} ch_op_driving;
ch_tensor *ch_op_drive(ch_run *r, const ch_op_driving *m, ch_tensor **velocity);
/* Of row t (D): a, p, what the force is multiplied by, and what x lacks to where it is drawn, with
 * what is excited: w' = a w + p away (0 where p is). */
void ch_op_drive_factors(real *a, real *p, real *gain, real *away, const ch_op_driving *m,
                         int64_t t);

/* Short causal convolution, a filter of J taps for each column (LFM2): y_td = sum_j w_dj
 * x_(t-J+1+j)d; w (D, J) stored as reals.  Rows before the first of a document (training: before is
 * NULL, rows->first tells) or of a sequence are left out.  Inference: rows of one sequence stand
 * together, and of the J - 1 before them before[rows->seq[t] (J - 1) + i] is the i-th, the nearest
 * last; NULL: there was none. */
enum { CH_CONVOLVE_TAPS = 8 }; /* most */
ch_tensor *ch_op_convolve(ch_run *r, const ch_tensor *x, const ch_weight *w,
                          const real *const *before, const ch_rows *rows);

/* loss = scale * sum_t -log softmax(x_t head^T)[target_t] over rows with target >= 0; returns it
 * unscaled in *nll_sum (a double sum, row order) and per row in nll (T, may be NULL; 0 for ignored
 * rows).  Logits exist for CH_CE_CHUNK rows at a time only.  Under a tape the gradient of the
 * scaled loss goes to x->grad and head's at once, so this is the last operation recorded.
 * smoothing, 0 <= s < 1: that gradient is of (1 - s) of the above plus s times the mean over all
 * words of -log softmax; what is returned stays as above.  softcap: logits z are taken as cap *
 * tanh(z / cap); 0: as they are. */
enum { CH_CE_CHUNK = 128 }; /* a group of I16 panels */
typedef struct ch_loss_spec {
    double scale, smoothing, softcap;
} ch_loss_spec;
void ch_op_cross_entropy(ch_run *r, const ch_tensor *x, const ch_weight *head,
                         const ch_token *target, const ch_loss_spec *spec, double *nll_sum,
                         real *nll);

/* No operation and never taped: y (M, N) = a b^T, or a b where columns is set; a (M, K), b (N, K)
 * or (K, N), all rows contiguous. */
void ch_op_matmul(ch_run *r, real *y, const real *a, const real *b, int M, int N, int K,
                  bool columns);
/* y (M, M) = a a^T, in the caller alone. */
void ch_op_matmul_square(ch_run *r, real *y, const real *a, int M, int K);

/* ---- For operations themselves ------------------------------------------------------------- */

/* Data uninitialised; under a tape an empty grad. */
ch_tensor *ch_op_output(ch_run *r, int64_t rows, int64_t width);
/* For a backward about to write t's gradient (NULL: it takes none): *add says whether to add to it;
 * else the whole of it is to be stored.  From then on it counts as stored. */
real *ch_op_gradient(const ch_tensor *t, bool *add);
/* For a backward that can only add: zeros where nothing is stored yet. */
real *ch_op_gradient_zeroed(const ch_run *r, const ch_tensor *t);
/* t's gradient (+)= d, where t takes one. */
void ch_op_gradient_add(const ch_run *r, const ch_tensor *t, const real *d);
/* Whether anything has been stored: else a backward has nothing to do. */
static inline bool ch_op_reached(const ch_tensor *t)
{
    return t->grad && !(t->grad_empty && *t->grad_empty);
}
/* Under a tape: memory for a record that `backward` will be called with; NULL without one. */
void *ch_op_record(ch_run *r, ch_op_id op, size_t bytes,
                   void (*backward)(ch_run *r, void *record));
static inline bool ch_op_computes(const ch_run *r) { return !r->scratch->measuring; }

typedef struct ch_op_timer {
    uint64_t t0;
} ch_op_timer;
/* _end adds one call and the time since _begin to the profile; _count adds work alone (backward:
 * the tape times it). */
ch_op_timer ch_op_begin(const ch_run *r);
void ch_op_end(ch_run *r, ch_op_timer t, ch_op_id op, double macs, double bytes);
void ch_op_count(const ch_run *r, ch_op_id op, double macs, double bytes);

/* Calls fn(arg, row0, row1) over [0, rows) in blocks of a size fixed by (rows, cost per row); in
 * the caller when the whole is too small to be worth a barrier. */
typedef void ch_rows_task(void *arg, int64_t row0, int64_t row1);
void ch_op_for_rows(const ch_run *r, int64_t rows, double cost_per_row, ch_rows_task *fn,
                    void *arg);

#endif
