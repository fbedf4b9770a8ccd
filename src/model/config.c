/* config.c - a model's configuration: sizes, what it may be, its hash
 *
 * SPDX-License-Identifier: MIT */
#include "model.h"

#include <math.h>
#include <string.h>

int64_t ch_config_letter(const ch_config *c, char letter)
{
    switch (letter) {
    case 'D': return c->width;
    case 'H': return c->heads;
    case 'K': return c->kv_heads;
    case 'Q': return c->heads + 2 * c->kv_heads;
    case 'E': return c->head_width;
    case 'F': return c->hidden;
    case 'V': return c->vocab;
    case 'M': return c->memory;
    case 'P': return c->context;
    case 'S': return c->taps;
    case 'N': return c->integrator.anchor == CH_ANCHOR_CLOSED ? 1 : c->integrator.depth;
    case 'C': return c->integrator.depth - 1;
    case 'X': return c->integrator.excited;
    case 'R': return c->rank > 0 ? c->rank : c->width;
    case 'G': return c->inl.group > 0 ? (c->width + c->inl.group - 1) / c->inl.group : 0;
    default: return letter >= '1' && letter <= '9' ? letter - '0' : 0;
    }
}

bool ch_config_attends(const ch_config *c, int layer)
{
    return c->kind[layer] != CH_LAYER_CONVOLUTION;
}

int ch_config_attending(const ch_config *c, int layers)
{
    int n = 0;
    for (int l = 0; l < layers; l++)
        n += ch_config_attends(c, l);
    return n;
}

int ch_config_owner(const ch_config *c, int groups, int layer)
{
    if (groups == 0 || layer < 0)
        return layer;
    const int64_t group = (int64_t)layer * groups / c->layers;
    return (int)((group * c->layers + groups - 1) / groups);
}

int ch_config_most_tokens(const ch_config *c)
{
    for (int i = 0; i < c->arch->n_globals; i++)
        if (c->arch->globals[i].flags & CH_ROW_POSITIONS)
            return c->context;
    return c->arch->ends ? c->context : CH_MAX_CONTEXT;
}

void ch_config_windows(ch_config *c, int period)
{
    for (int l = 0; l < CH_MIN(c->layers, CH_MAX_LAYERS); l++)
        if (c->kind[l] <= CH_LAYER_WINDOW)
            c->kind[l] = period == 0 || l % period < period - 1 ? CH_LAYER_WINDOW : CH_LAYER_FULL;
}

/* ---- What it may be ------------------------------------------------------------------------- */

static int check_sizes(const ch_config *c, const char *name, ch_err *e)
{
    const struct {
        const char *what;
        int64_t found, most;
    } limits[] = {
        {"embedding_length", c->width, CH_MAX_WIDTH},
        {"attention.head_count", c->heads, CH_MAX_HEADS},
        {"attention.head_count_kv", c->kv_heads, CH_MAX_HEADS},
        {"attention.key_length", c->head_width, 2 * CH_MAX_PAIRS},
        {"feed_forward_length", c->hidden, 4 * CH_MAX_WIDTH},
        {"vocab_size", c->vocab, CH_MAX_VOCAB},
        {"block_count", c->layers, CH_MAX_LAYERS},
        {"context_length", c->context, CH_MAX_CONTEXT},
    };
    for (size_t i = 0; i < CH_COUNT(limits); i++)
        if (limits[i].found < 1 || limits[i].found > limits[i].most)
            return ch_fail(e, CH_EFORMAT, "%s: %s is %lld, allowed are 1 to %lld", name,
                           limits[i].what, (long long)limits[i].found, (long long)limits[i].most);
    if (c->heads % c->kv_heads != 0)
        return ch_fail(e, CH_EFORMAT, "%s: %d heads cannot share %d key heads evenly", name,
                       c->heads, c->kv_heads);
    if (c->memory < 0 || c->memory > CH_MAX_VOCAB)
        return ch_fail(e, CH_EFORMAT, "%s: memory_length is %d, allowed are 0 to %d", name,
                       c->memory, CH_MAX_VOCAB);
    if (!(c->norm_eps > 0 && c->norm_eps < 1))
        return ch_fail(e, CH_EFORMAT,
                       "%s: the norm's epsilon is %g, allowed is more than 0 and less than 1",
                       name, c->norm_eps);
    return CH_OK;
}

static bool has_convolutions(const ch_arch *a)
{
    for (int i = 0; i < a->n_per_layer; i++)
        if (a->per_layer[i].flags & CH_ROW_CONVOLUTION)
            return true;
    return false;
}

static int check_layers(const ch_config *c, const char *name, ch_err *e)
{
    const int attending = ch_config_attending(c, c->layers);
    if (attending == 0)
        return ch_fail(e, CH_EFORMAT, "%s: none of %d layers has keys and values", name, c->layers);
    if (attending < c->layers && !has_convolutions(c->arch))
        return ch_fail(e, CH_EFORMAT, "%s: %d of %d layers have no key heads; %s models cannot",
                       name, c->layers - attending, c->layers, c->arch->name);
    if (attending < c->layers && (c->taps < 1 || c->taps > CH_CONVOLVE_TAPS))
        return ch_fail(e, CH_EFORMAT, "%s: shortconv.l_cache is %d, allowed are 1 to %d", name,
                       c->taps, CH_CONVOLVE_TAPS);
    for (int l = 0; l < c->layers; l++)
        if (c->kind[l] == CH_LAYER_WINDOW && (c->window < 1 || c->window > CH_MAX_CONTEXT))
            return ch_fail(e, CH_EFORMAT,
                           "%s: layer %d sees a window and attention.sliding_window is %d, allowed "
                           "are 1 to %d",
                           name, l, c->window, CH_MAX_CONTEXT);
    return CH_OK;
}

static int check_stretch(const ch_config *c, const char *name, ch_err *e)
{
    const ch_stretch *s = &c->stretch;
    if (s->factor != 0 && !(s->factor >= 1e-3 && s->factor <= 1e6))
        return ch_fail(e, CH_EFORMAT, "%s: rope.scaling.factor is %g, allowed are 0.001 to 1e6",
                       name, s->factor);
    if (!(s->magnitude >= 0 && s->magnitude <= 1e3 && s->own >= 0 && s->own <= 1e3))
        return ch_fail(e, CH_EFORMAT, "%s: a rope.scaling magnitude is %g, allowed are 0 to 1000",
                       name, CH_MAX(s->magnitude, s->own));
    if (s->original < 0 || s->original > CH_MAX_CONTEXT)
        return ch_fail(e, CH_EFORMAT,
                       "%s: rope.scaling.original_context_length is %d, allowed are 0 to %d", name,
                       s->original, CH_MAX_CONTEXT);
    if (s->kind == CH_STRETCH_YARN &&
        !(c->rope.base > 1 && s->slow > 0 && s->fast >= s->slow && s->fast <= 1e6 &&
          s->mixed >= 0 && s->mixed <= 1 && s->log_mul >= 0 && s->log_mul <= 1e3))
        return ch_fail(e, CH_EFORMAT,
                       "%s: YaRN with beta_fast %g, beta_slow %g, ext_factor %g, "
                       "log_multiplier %g and a base of %g is not possible",
                       name, s->fast, s->slow, s->mixed, s->log_mul, c->rope.base);
    for (int list = 0; list < s->lists; list++)
        for (int i = 0; i < c->rope.dims / 2; i++)
            if (!(s->divisor[list][i] >= 1e-6f && s->divisor[list][i] <= 1e6f))
                return ch_fail(e, CH_EFORMAT,
                               "%s: rotary divisor %d is %g, allowed are 1e-6 to 1e6", name, i,
                               (double)s->divisor[list][i]);
    return CH_OK;
}

static int check_rope(const ch_config *c, const char *name, ch_err *e)
{
    if (c->rope.dims < 0 || c->rope.dims > c->head_width || c->rope.dims % 2 != 0)
        return ch_fail(
            e, CH_EFORMAT,
            "%s: rope.dimension_count is %d, allowed is an even number up to the head width %d",
            name, c->rope.dims, c->head_width);
    if (!(c->rope.base >= 1 && c->rope.base <= 1e12))
        return ch_fail(e, CH_EFORMAT, "%s: rope.freq_base is %g, allowed are 1 to 1e12", name,
                       c->rope.base);
    if (c->local_base != 0 && !(c->local_base >= 1 && c->local_base <= 1e12))
        return ch_fail(e, CH_EFORMAT, "%s: rope.freq_base_swa is %g, allowed are 1 to 1e12", name,
                       c->local_base);
    return check_stretch(c, name, e);
}

static int check_scales(const ch_config *c, const char *name, ch_err *e)
{
    const struct {
        const char *what;
        double found;
    } scales[] = {
        {"attention.scale", c->attention_scale},
        {"attn_logit_softcapping", c->attention_cap},
        {"final_logit_softcapping", c->logit_cap},
        {"embedding_scale", c->embedding_scale},
        {"residual_scale", c->residual_scale},
        {"logit_scale", c->logit_scale},
    };
    for (size_t i = 0; i < CH_COUNT(scales); i++)
        if (scales[i].found != 0 && !(scales[i].found >= 1e-9 && scales[i].found <= 1e9))
            return ch_fail(e, CH_EFORMAT, "%s: %s is %g, allowed are 1e-9 to 1e9, or 0 for none",
                           name, scales[i].what, scales[i].found);
    return CH_OK;
}

static int check_integrator(const ch_config *c, const char *name, ch_err *e)
{
    const ch_integrator_config *i = &c->integrator;
    const bool driven = i->depth > 0 && i->anchor == CH_ANCHOR_DRIVEN;
    const struct {
        const char *what;
        int64_t found, most;
    } limits[] = {
        {"integrator.depth", i->depth, CH_MAX_DEPTH},
        {"integrator.anchor", i->anchor, CH_ANCHORS - 1},
        {"integrator.gate_layer", i->gate_layer,
         i->depth > 1 && i->anchor != CH_ANCHOR_CLOSED ? c->layers - 1 : 0},
        {"integrator.controller_groups", i->controller_groups, driven ? c->layers : 0},
        {"integrator.excited", i->excited, driven ? c->width : 0},
        {"feed_forward_groups", c->ffn_groups, c->layers},
        {"attention_groups", c->attention_groups, c->layers},
        {"embedding_rank", c->rank, CH_MAX_WIDTH},
    };
    for (size_t k = 0; k < CH_COUNT(limits); k++)
        if (limits[k].found < 0 || limits[k].found > limits[k].most)
            return ch_fail(e, CH_EFORMAT, "%s: %s is %lld, allowed are 0 to %lld", name,
                           limits[k].what, (long long)limits[k].found, (long long)limits[k].most);
    if (!(i->tolerance >= 0 && i->tolerance <= 1e3))
        return ch_fail(e, CH_EFORMAT, "%s: integrator.tolerance is %g, allowed are 0 to 1000 nats",
                       name, i->tolerance);
    if ((i->depth > 0 || c->ffn_groups > 0) && !c->arch->integrates)
        return ch_fail(e, CH_EFORMAT, "%s: blocks of %s models are plain, in each layer its own; "
                                      "integrator.depth is %d, feed_forward_groups %d",
                       name, c->arch->name, i->depth, c->ffn_groups);
    return CH_OK;
}

int ch_config_check(const ch_config *c, const char *name, ch_err *e)
{
    int rc = check_sizes(c, name, e);
    if (rc == CH_OK)
        rc = check_layers(c, name, e);
    if (rc == CH_OK)
        rc = check_rope(c, name, e);
    if (rc == CH_OK)
        rc = check_integrator(c, name, e);
    if (rc == CH_OK)
        rc = ch_inl_check(c, name, e);
    return rc == CH_OK ? check_scales(c, name, e) : rc;
}

/* ---- Its hash ------------------------------------------------------------------------------- */

ch_hash128 ch_config_hash(ch_hash128 before, const ch_config *c)
{
    const ch_stretch *s = &c->stretch;
    const int64_t whole[] = {
        c->width,       c->heads,  c->kv_heads,          c->head_width, c->hidden, c->vocab,
        c->layers,      c->context, c->rope.dims,        c->rope.interleaved, c->tied, c->relu2,
        c->memory,      c->window, c->taps,              c->biases,     s->kind,   s->original,
        s->lists,       c->rank,   c->ffn_groups,        c->attention_groups,
        c->integrator.depth, c->integrator.anchor, c->integrator.gate_layer};
    const double real_numbers[] = {
        c->norm_eps,  c->rope.base, c->local_base, c->attention_scale, c->attention_cap,
        c->logit_cap, c->embedding_scale, c->residual_scale, c->logit_scale, s->factor,
        s->magnitude, s->mixed,     s->own,        s->fast,            s->slow, s->log_mul,
        c->integrator.tolerance};
    before = ch_hash_bytes(before, c->arch->name, strlen(c->arch->name));
    before = ch_hash_bytes(before, whole, sizeof whole);
    before = ch_hash_bytes(before, real_numbers, sizeof real_numbers);
    before = ch_hash_bytes(before, c->kind, (size_t)c->layers);
    const int64_t driven[] = {c->integrator.controller_groups, c->integrator.excited};
    if (driven[0] || driven[1])
        before = ch_hash_bytes(before, driven, sizeof driven);
    for (int list = 0; list < s->lists; list++)
        before = ch_hash_bytes(before, s->divisor[list],
                               (size_t)(c->rope.dims / 2) * sizeof(float));
    return ch_inl_hash(before, c);
}
