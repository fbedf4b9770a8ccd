/* decoder.h - what most decoders share: both ends, attention, the gated feed-forward
 *
 * Small pieces; how they go together is each architecture's own file.
 * SPDX-License-Identifier: MIT */
#ifndef CH_DECODER_H
#define CH_DECODER_H

#include "model.h"

/* ---- Both ends ------------------------------------------------------------------------------ */

typedef struct ch_plain_globals {
    ch_weight embedding, norm, output;
    ch_weight depth_gate, depth_gate_bias; /* (N - 1, D), (N - 1): integrate_block.h */
} ch_plain_globals;

enum { CH_PLAIN_ROWS = 5 };
extern const ch_weight_row ch_plain_rows[CH_PLAIN_ROWS];
ch_tensor *ch_plain_embed(ch_forward *f);
ch_tensor *ch_plain_head(ch_forward *f, ch_tensor *x); /* rmsnorm */

#define CH_PLAIN_ENDS                                                                        \
    .globals = ch_plain_rows, .n_globals = CH_PLAIN_ROWS,                                    \
    .globals_bytes = sizeof(ch_plain_globals),                                               \
    .embed = ch_plain_embed, .head = ch_plain_head

/* ---- Pieces of a layer ---------------------------------------------------------------------- */

ch_tensor *ch_block_norm(ch_forward *f, const ch_tensor *x, const ch_weight *gain); /* rmsnorm */

/* attention(rope(q), rope(k), v), as the configuration says for this layer: positions or none, a
 * window, scale, cap.  q and k are turned in place. */
ch_tensor *ch_block_attend(ch_forward *f, int layer, ch_tensor *q, ch_tensor *k, ch_tensor *v);

typedef struct ch_attention_weights {
    ch_weight norm, q, k, v, output, q_norm, k_norm;
    ch_weight q_bias, k_bias, v_bias, output_bias;
} ch_attention_weights;

/* attend(Wq n, Wk n, Wv n), before Wo.  Where norms for queries and keys are given, each head's are
 * normalised by them before they turn. */
ch_tensor *ch_block_heads(ch_forward *f, int layer, const ch_tensor *n,
                          const ch_attention_weights *w);

/* The same of one map whose rows are queries, keys, values. */
ch_tensor *ch_block_fused_heads(ch_forward *f, int layer, const ch_tensor *n, const ch_weight *qkv);

/* x + Wo heads(n), n = rmsnorm(x; norm).  Without a tape it gives back what it took: nothing of it
 * may be kept but x. */
ch_tensor *ch_block_attention(ch_forward *f, int layer, ch_tensor *x,
                              const ch_attention_weights *w);

typedef struct ch_ffn_weights {
    ch_weight norm, gate, up, down;
    ch_weight gate_bias, up_bias, down_bias;
} ch_ffn_weights;

/* silu(Wg n) * Wu n, or max(Wu n, 0)^2 where the configuration says so (So et al. 2021), before Wd.
 * rows: those of n. */
ch_tensor *ch_block_hidden(ch_forward *f, const ch_tensor *n, const ch_ffn_weights *w,
                           const ch_rows *rows);
/* silu(Wg n) * Wu n and gelu(Wg n) * Wu n, before Wd (Shazeer 2020). */
ch_tensor *ch_block_swiglu(ch_forward *f, const ch_tensor *n, const ch_ffn_weights *w);
ch_tensor *ch_block_geglu(ch_forward *f, const ch_tensor *n, const ch_ffn_weights *w);

/* x + Wd hidden(n), n = rmsnorm(x; norm). */
ch_tensor *ch_block_ffn(ch_forward *f, ch_tensor *x, const ch_ffn_weights *w);
/* The same with a norm of its own before maps that layers share. */
ch_tensor *ch_block_shared_ffn(ch_forward *f, ch_tensor *x, const ch_weight *norm,
                               const ch_ffn_weights *maps);

/* Of architectures that have both: "<arch>.feed_forward_type" into c->relu2. */
int ch_config_feed_forward(ch_config *c, const ch_file *f, ch_err *e);

/* ---- Their rows in a table ------------------------------------------------------------------ */

/* at(f): offset of field f, in a struct whose members are `attn` and `ffn`; rope: flags of the
 * queries' and keys' rows; on: flags of all. */
#define CH_QKV_ROWS(at, rope, on)                                                            \
    {"blk.%d.attn_q.weight", "HE D", CH_INIT_NORMAL, at(attn.q), (rope) | (on), 0},          \
    {"blk.%d.attn_k.weight", "KE D", CH_INIT_NORMAL, at(attn.k), (rope) | (on), 0},          \
    {"blk.%d.attn_v.weight", "KE D", CH_INIT_NORMAL, at(attn.v), (on), 0},                   \
    {"blk.%d.attn_output.weight", "D HE", CH_INIT_RESIDUAL, at(attn.output), (on), 0}
#define CH_ATTENTION_ROWS(at, rope)                                                          \
    {"blk.%d.attn_norm.weight", "D", CH_INIT_ONES, at(attn.norm), 0, 0},                     \
    CH_QKV_ROWS(at, rope, 0)
#define CH_QKV_BIAS_ROWS(at, rope)                                                           \
    {"blk.%d.attn_q.bias", "HE", CH_INIT_ZEROS, at(attn.q_bias),                             \
     (rope) | CH_ROW_QKV_BIAS, 1 + at(attn.q)},                                              \
    {"blk.%d.attn_k.bias", "KE", CH_INIT_ZEROS, at(attn.k_bias),                             \
     (rope) | CH_ROW_QKV_BIAS, 1 + at(attn.k)},                                              \
    {"blk.%d.attn_v.bias", "KE", CH_INIT_ZEROS, at(attn.v_bias),                             \
     CH_ROW_QKV_BIAS, 1 + at(attn.v)}
#define CH_OUTPUT_BIAS_ROW(at)                                                               \
    {"blk.%d.attn_output.bias", "D", CH_INIT_ZEROS, at(attn.output_bias),                    \
     CH_ROW_OUTPUT_BIAS, 1 + at(attn.output)}
#define CH_HEAD_NORM_ROWS(at, on)                                                            \
    {"blk.%d.attn_q_norm.weight", "E", CH_INIT_ONES, at(attn.q_norm), (on), 0},              \
    {"blk.%d.attn_k_norm.weight", "E", CH_INIT_ONES, at(attn.k_norm), (on), 0}

#define CH_GATED_ROWS(at)                                                                    \
    {"blk.%d.ffn_gate.weight", "F D", CH_INIT_NORMAL, at(ffn.gate),                          \
     CH_ROW_GATE | CH_ROW_FFN, 0},                                                           \
    {"blk.%d.ffn_up.weight", "F D", CH_INIT_NORMAL, at(ffn.up), CH_ROW_FFN, 0},              \
    {"blk.%d.ffn_down.weight", "D F", CH_INIT_RESIDUAL, at(ffn.down), CH_ROW_FFN, 0}
#define CH_FFN_ROWS(at)                                                                      \
    {"blk.%d.ffn_norm.weight", "D", CH_INIT_ONES, at(ffn.norm), CH_ROW_PLAIN, 0},            \
    CH_GATED_ROWS(at)
#define CH_FFN_BIAS_ROWS(at)                                                                 \
    {"blk.%d.ffn_gate.bias", "F", CH_INIT_ZEROS, at(ffn.gate_bias),                          \
     CH_ROW_HIDDEN_BIAS | CH_ROW_FFN, 1 + at(ffn.gate)},                                     \
    {"blk.%d.ffn_up.bias", "F", CH_INIT_ZEROS, at(ffn.up_bias),                              \
     CH_ROW_HIDDEN_BIAS | CH_ROW_FFN, 1 + at(ffn.up)},                                       \
    {"blk.%d.ffn_down.bias", "D", CH_INIT_ZEROS, at(ffn.down_bias),                          \
     CH_ROW_HIDDEN_BIAS | CH_ROW_FFN, 1 + at(ffn.down)}

/* at(f): offset of field f in the globals. */
#define CH_DEPTH_GATE_ROWS(at)                                                               \
    {"depth_gate.weight", "C D", CH_INIT_ZEROS, at(depth_gate),                              \
     CH_ROW_DEPTH_GATE | CH_ROW_REALS, 0},                                                   \
    {"depth_gate.bias", "C", CH_INIT_ZEROS, at(depth_gate_bias), CH_ROW_DEPTH_GATE, 0}

#endif
