/* integrate_block.h - feed-forward blocks that take several steps
 *
 * A block with the feed-forward maps F takes N steps from where attention has left a token, x_0:
 *
 *     u = g_k * F(rmsnorm(x_k; n_k))                        k = 0..N-1; n_k, g_k of layer and step
 *     none   x_(k+1) = x_k + u
 *     here   v = a_k v + p u,                x_(k+1) = x_k + v
 *     start  v = a_k v + p (x_0 + u - x_k),  x_(k+1) = x_k + v
 *     closed start with u of x_0 for good, all N steps in closed form; a and p are each token's
 *            own: inertia = A h + c, pull = P h + d, h = max(C rmsnorm(x_0; n_0), 0)^2
 *     driven v = a v + (1 - a) g u + e_k - p (x_k - x_0),  x_(k+1) = x_k + v;  a, p, and g of
 *            gate = G h + b, each token's own in all steps; e: an excitation (op/drive.c).  Layers
 *            may share C, A, P, G (controller_groups) and scale and shift what they say
 *
 * The third seeks an equilibrium x = x_0 + g F(x) that is learned, by a damped motion that is
 * stable by construction (op/integrate.c: one pull for all steps of a layer, any inertia).  N = 1
 * without an anchor is the plain block.  Steps are local to a token: keys and values are written
 * once a layer whatever N is, so tokens may take fewer, each its own number, and neighbours do not
 * matter.
 *
 * Layers may share F (ch_config.ffn_groups): it lies in the first layer of a group.
 *
 * The gate, a global of plain decoders.  Where the block of layer `gate_layer`
 * begins, behind its attention, with h = rmsnorm(x),
 *     z_k = w_k h + b_k      is what ln KL(p_N || p_k) is expected to be, p_k: after k steps,
 * and the token takes the least k with e^z_k < tolerance from there on, or N.
 * SPDX-License-Identifier: MIT */
#ifndef CH_INTEGRATE_H
#define CH_INTEGRATE_H

#include "decoder.h"

typedef struct ch_integrator_weights {
    ch_weight norm, gain, inertia, pull; /* (N, D), (N, D), (N, D), (D) */
    ch_weight to_gate, to_gate_bias, scale, shift, size, speed, phase; /* (D, 64), (D), (3), (X) */
    ch_weight controller, to_inertia, to_inertia_bias, to_pull, to_pull_bias; /* (64, D), (D, 64) */
} ch_integrator_weights;

/* x after the block of layer l, whose weights w and s are, its own maps or none. */
ch_tensor *ch_block_integrate(ch_forward *f, int l, ch_tensor *x, const ch_ffn_weights *w,
                              const ch_integrator_weights *s);

/* at(f): as for other rows (decoder.h), in a struct with a member `steps`. */
#define CH_INTEGRATOR_ROWS(at)                                                               \
    {"blk.%d.integrator_norm.weight", "N D", CH_INIT_ONES, at(steps.norm),                   \
     CH_ROW_STEPS | CH_ROW_REALS, 0},                                                        \
    {"blk.%d.integrator_gain.weight", "N D", CH_INIT_ONES, at(steps.gain),                   \
     CH_ROW_STEPS | CH_ROW_REALS, 0},                                                        \
    {"blk.%d.integrator_inertia.weight", "N D", CH_INIT_INERTIA, at(steps.inertia),          \
     CH_ROW_INERTIA | CH_ROW_REALS, 0},                                                      \
    {"blk.%d.integrator_pull.weight", "D", CH_INIT_PULL, at(steps.pull), CH_ROW_INERTIA, 0}, \
    {"blk.%d.controller.weight", "88 D", CH_INIT_NORMAL, at(steps.controller),               \
     CH_ROW_CONTROLLER | CH_ROW_EXACT, 0},                                                   \
    {"blk.%d.controller_inertia.weight", "D 88", CH_INIT_NORMAL, at(steps.to_inertia),       \
     CH_ROW_CONTROLLER | CH_ROW_EXACT, 0},                                                   \
    {"blk.%d.controller_inertia.bias", "D", CH_INIT_INERTIA, at(steps.to_inertia_bias),      \
     CH_ROW_CONTROLLER, 1 + at(steps.to_inertia)},                                           \
    {"blk.%d.controller_pull.weight", "D 88", CH_INIT_NORMAL, at(steps.to_pull),             \
     CH_ROW_CONTROLLER | CH_ROW_EXACT, 0},                                                   \
    {"blk.%d.controller_pull.bias", "D", CH_INIT_PULL, at(steps.to_pull_bias),               \
     CH_ROW_CONTROLLER, 1 + at(steps.to_pull)},                                              \
    {"blk.%d.controller_gate.weight", "D 88", CH_INIT_NORMAL, at(steps.to_gate),             \
     CH_ROW_CONTROLLER | CH_ROW_DRIVEN | CH_ROW_EXACT, 0},                                   \
    {"blk.%d.controller_gate.bias", "D", CH_INIT_DRIVE, at(steps.to_gate_bias),              \
     CH_ROW_CONTROLLER | CH_ROW_DRIVEN, 1 + at(steps.to_gate)},                              \
    {"blk.%d.controller_scale.weight", "3", CH_INIT_ONES, at(steps.scale), CH_ROW_DRIVEN, 0}, \
    {"blk.%d.controller_shift.weight", "3", CH_INIT_ZEROS, at(steps.shift), CH_ROW_DRIVEN, 0}, \
    {"blk.%d.excitation_size.weight", "X", CH_INIT_ZEROS, at(steps.size),                    \
     CH_ROW_DRIVEN | CH_ROW_EXCITED, 0},                                                     \
    {"blk.%d.excitation_speed.weight", "X", CH_INIT_ONES, at(steps.speed),                   \
     CH_ROW_DRIVEN | CH_ROW_EXCITED, 0},                                                     \
    {"blk.%d.excitation_phase.weight", "X", CH_INIT_ZEROS, at(steps.phase),                  \
     CH_ROW_DRIVEN | CH_ROW_EXCITED, 0}

#endif
