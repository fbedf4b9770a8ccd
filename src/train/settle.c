/* settle.c - options: what was not said, what may be said, and what a resumed run holds one to
 *
 * The lines of options.def one by one, then what they have to be together.
 * SPDX-License-Identifier: MIT */
#include "option.h"

#include <math.h>
#include <string.h>

/* Beside Muon AdamW moves tables and vectors alone, and those want more (docs/training.md). */
static const double LR = 2e-3, LR_BESIDE_MUON = 5e-3;

/* What was left open is the run's; what was said must be what the run says. */
static int follow(ch_train_options *o, const json_t *stored, ch_err *e)
{
    for (int i = 0; i < ch_options_n; i++) {
        const ch_option *p = &ch_options[i];
        if (!p->stored)
            continue;
        const json_t *v = json_object_get(stored, p->name);
        if (!v || !ch_option_matches(p, v))
            return ch_fail(e, CH_EFORMAT,
                           "state.json: the option \"%s\" is missing or of a wrong kind", p->name);
        ch_train_options run = *o;
        ch_option_take(&run, p, v);
        if (ch_option_is_set(o, p) && !ch_option_equal(o, &run, p)) {
            char asked[80], found[80];
            ch_option_show(found, sizeof found, &run, p);
            ch_option_show(asked, sizeof asked, o, p);
            return ch_fail(e, CH_EARG, "cannot resume: %s is %s in the run and %s was asked for",
                           p->name, found, asked);
        }
        *o = run;
    }
    return CH_OK;
}

/* ---- Defaults and ranges -------------------------------------------------------------------- */

static const struct preset {
    const char *name;
    int layers, width, head_width;
} presets[] = {
#define PRESET(name, layers, width, head_width) {#name, layers, width, head_width},
#include "options.def"
};

static int apply_preset(ch_train_options *o, ch_err *e)
{
    if (!o->preset)
        return CH_OK;
    for (size_t i = 0; i < CH_COUNT(presets); i++) {
        const struct preset *p = &presets[i];
        if (strcmp(o->preset, p->name) != 0)
            continue;
        o->layers = o->layers ? o->layers : p->layers;
        o->width = o->width ? o->width : p->width;
        o->head_width = o->head_width || o->heads ? o->head_width : p->head_width;
        return CH_OK;
    }
    return ch_fail(e, CH_EARG, "preset is \"%.40s\"; known are nano, tiny, small, medium",
                   o->preset);
}

static bool fast_integers(void)
{
    unsigned features = 0;
    ch_kernels k;
    if (ch_cpu_features(&features, NULL, NULL) < 0)
        return false;
    ch_kernels_init(&k, features);
    return ch_kernels_fast_i16(&k);
}

void ch_train_unfold(ch_train_options *o)
{
    if (!o->ffn || strcmp(o->ffn, "integrator") != 0)
        return;
    o->ffn = "swiglu";
    if (o->depth == 0)
        o->depth = 3;
}

static void derive(ch_train_options *o)
{
    if (!o->arch)
        o->arch = "qwen3";
    if (!o->optimizer) /* what AdamW has made is close to where it shall go: small steps */
        o->optimizer = o->from ? "adamw" : "muon";
    if (o->lr == 0)
        o->lr = strcmp(o->optimizer, "muon") == 0 ? LR_BESIDE_MUON : LR;
    if (!o->schedule)
        o->schedule = "cosine";
    if (!o->precision)
        o->precision = fast_integers() ? "i16" : "f32";
    for (int i = 0; i < ch_options_n; i++) {
        const ch_option *p = &ch_options[i];
        if (p->normal == 0 || ch_option_is_set(o, p))
            continue;
        if (p->kind == CH_OPTION_INT)
            *(int *)ch_option_field(o, p) = (int)p->normal;
        else
            *(double *)ch_option_field(o, p) = p->normal;
    }
    if (o->head_width == 0)
        o->head_width = o->heads > 0 ? CH_MAX(2, o->width / o->heads) : 64;
    if (o->heads == 0)
        o->heads = CH_MAX(1, o->width / CH_MAX(1, o->head_width));
    if (o->kv_heads == 0)
        o->kv_heads = o->heads % 2 == 0 ? o->heads / 2 : o->heads;
    if (o->hidden == 0)
        o->hidden = 4 * CH_MIN(o->width, CH_MAX_WIDTH);
    if (!o->ffn)
        o->ffn = "swiglu";
    if (!o->anchor)
        o->anchor = "start";
    if (o->context == 0)
        o->context = o->length;
}

static int check_ranges(const ch_train_options *o, ch_err *e)
{
    for (int i = 0; i < ch_options_n; i++) {
        const ch_option *p = &ch_options[i];
        if ((p->kind != CH_OPTION_INT && p->kind != CH_OPTION_NUMBER) || !ch_option_is_set(o, p))
            continue;
        const void *at = ch_option_field(o, p);
        const double v =
            p->kind == CH_OPTION_INT ? (double)*(const int *)at : *(const double *)at;
        if (p->off && v < 0)
            continue;
        if (!(v >= p->min && v <= p->max))
            return ch_fail(e, CH_EARG, "%s is %.9g; allowed are %.9g to %.9g%s", p->name, v,
                           p->min, p->max, p->off ? ", or less than 0 for none" : "");
    }
    return CH_OK;
}

static bool known(const char *name, const char *const *names)
{
    while (*names && strcmp(name, *names) != 0)
        names++;
    return *names != NULL;
}

static const char *const anchors[] = {
    [CH_ANCHOR_NONE] = "none", [CH_ANCHOR_HERE] = "here", [CH_ANCHOR_START] = "start",
    [CH_ANCHOR_CLOSED] = "closed", [CH_ANCHOR_DRIVEN] = "driven", NULL};

bool ch_train_is_anchor(const char *name)
{
    return known(name, anchors);
}

ch_anchor ch_train_anchor_of(const char *name)
{
    int i = 0;
    while (i < CH_ANCHORS - 1 && strcmp(anchors[i], name) != 0)
        i++;
    return (ch_anchor)i;
}

static bool has_rank(const ch_arch *a)
{
    for (int i = 0; i < a->n_globals; i++)
        if (a->globals[i].flags & CH_ROW_RANK)
            return true;
    return false;
}

static int check_layers(const ch_train_options *o, ch_err *e)
{
    const struct {
        const char *name;
        int value, most;
    } of[] = {{"gate_layer", o->gate_layer, o->layers - 1},
              {"ffn_groups", o->ffn_groups, o->layers},
              {"attention_groups", o->attention_groups, o->layers},
              {"controller_groups", o->controller_groups, o->layers}};
    for (size_t i = 0; i < CH_COUNT(of); i++)
        if (of[i].value > of[i].most)
            return ch_fail(e, CH_EARG, "%s is %d; of %d layers it may be 1 to %d", of[i].name,
                           of[i].value, o->layers, of[i].most);
    const bool closed = strcmp(o->anchor, anchors[CH_ANCHOR_CLOSED]) == 0;
    const bool driven = o->depth > 0 && strcmp(o->anchor, anchors[CH_ANCHOR_DRIVEN]) == 0;
    if ((o->controller_groups > 0 || o->excitation > 0) && !driven)
        return ch_fail(e, CH_EARG, "controller_groups is %d and excitation %g; both are of blocks "
                                   "with a depth and anchor driven",
                       o->controller_groups, o->excitation);
    if (o->gate_layer > 0 && (o->depth < 2 || closed))
        return ch_fail(e, CH_EARG,
                       "gate_layer is %d; a gate chooses among steps: depth has to be 2 or more, "
                       "and anchor none, here, start or driven",
                       o->gate_layer);
    return CH_OK;
}

/* What only some architectures have. */
static int check_blocks(const ch_train_options *o, const ch_arch *arch, ch_err *e)
{
    const bool native = strcmp(arch->name, "integrator") == 0;
    const bool chalcis = strcmp(arch->name, "chalcis") == 0;
    const bool relu2 = strcmp(o->ffn, "relu2") == 0;
    const struct {
        bool asked, has;
        const char *what;
    } features[] = {
        {relu2, chalcis || native, "relu2 blocks"},
        {o->memory > 0, chalcis, "memory"},
        {o->depth > 0, arch->integrates, "integrator"},
        {o->ffn_groups > 0, arch->integrates, "shared feed-forward maps"},
        {o->attention_groups > 0, native, "shared attention maps"},
        {o->embedding_rank > 0, has_rank(arch), "embedding_rank"},
    };
    if (!relu2 && strcmp(o->ffn, "swiglu") != 0)
        return ch_fail(e, CH_EARG, "ffn is \"%s\"; known are swiglu, relu2 and integrator", o->ffn);
    for (size_t i = 0; i < CH_COUNT(features); i++)
        if (features[i].asked && !features[i].has)
            return ch_fail(e, CH_EARG, "%s models have no %s; other architectures have (arch)",
                           arch->name, features[i].what);
    if (!known(o->anchor, anchors))
        return ch_fail(e, CH_EARG, "anchor is \"%.40s\"; known are none, here, start, closed, "
                                   "driven", o->anchor);
    return check_layers(o, e);
}

static int check_together(const ch_train_options *o, ch_err *e)
{
    const ch_arch *arch = ch_arch_find(o->arch, strlen(o->arch));
    if (!arch)
        return ch_fail(e, CH_EARG, "arch is \"%s\"; known are %s", o->arch, ch_arch_names());
    if (o->heads % o->kv_heads != 0)
        return ch_fail(e, CH_EARG,
                       "heads is %d and kv_heads %d; heads must be a multiple of kv_heads",
                       o->heads, o->kv_heads);
    if (o->head_width % 2 != 0)
        return ch_fail(e, CH_EARG,
                       "head_width is %d; it must be even, because positions turn pairs",
                       o->head_width);
    const int rc = check_blocks(o, arch, e);
    if (rc < 0)
        return rc;
    if (o->lora > 0 && strcmp(o->optimizer, "adamw") != 0)
        return ch_fail(e, CH_EARG, "optimizer is \"%.40s\" beside lora %d; adapters are trained by "
                                   "adamw", o->optimizer, o->lora);
    if (o->lora > 0 && o->ema > 0)
        return ch_fail(e, CH_EARG, "ema is %g beside lora %d; an adapter has no running mean",
                       o->ema, o->lora);
    if (o->accumulate & (o->accumulate - 1))
        return ch_fail(e, CH_EARG, "accumulate is %d; it must be a power of two", o->accumulate);
    if ((int64_t)o->micro_batch * o->length > 1 << 20)
        return ch_fail(e, CH_EARG, "micro_batch times length is %lld; allowed are up to %d rows",
                       (long long)o->micro_batch * o->length, 1 << 20);
    if (strcmp(o->optimizer, "adamw") != 0 && strcmp(o->optimizer, "muon") != 0)
        return ch_fail(e, CH_EARG, "optimizer is \"%.40s\"; known are adamw, muon", o->optimizer);
    if (strcmp(o->precision, "f32") != 0 && strcmp(o->precision, "i16") != 0)
        return ch_fail(e, CH_EARG, "precision is \"%.40s\"; known are f32, i16", o->precision);
    if (!known(o->schedule, ch_schedule_names))
        return ch_fail(e, CH_EARG, "schedule is \"%.40s\"; known are cosine, linear, constant",
                       o->schedule);
    if (o->ramp > 0 && o->accumulate < 2)
        return ch_fail(e, CH_EARG, "ramp is %g and accumulate 1; half of it is no whole number",
                       o->ramp);
    if (o->context < o->length)
        return ch_fail(e, CH_EARG, "context is %d and length %d; context has to be at least length",
                       o->context, o->length);
    return CH_OK;
}

/* More than one way to say how long: which one would count? */
static int check_one_end(const ch_train_options *o, ch_err *e)
{
    const struct {
        const char *name;
        bool set;
    } ends[] = {{"steps", o->steps != 0}, {"epochs", o->epochs != 0}, {"tokens", o->tokens != 0},
                {"hours", o->hours != 0}};
    const char *before = NULL;
    for (size_t i = 0; i < CH_COUNT(ends); i++) {
        if (!ends[i].set)
            continue;
        if (before)
            return ch_fail(e, CH_EARG, "%s and %s both say how long to train; give one", before,
                           ends[i].name);
        before = ends[i].name;
    }
    return CH_OK;
}

int ch_train_settle(ch_train_options *o, const json_t *stored, ch_err *e)
{
    ch_train_unfold(o);
    if (!stored && !o->from && o->anchor && o->depth <= 0)
        return ch_fail(e, CH_EARG, "anchor is \"%.40s\" and there is no depth; plain blocks have "
                                   "no anchor", o->anchor);
    int rc = check_ranges(o, e);
    if (rc == CH_OK)
        rc = check_one_end(o, e);
    if (rc == CH_OK && !stored && o->lora > 0 && o->weight_decay > 0)
        rc = ch_fail(e, CH_EARG, "weight_decay is %g beside lora %d; an adapter does not decay",
                     o->weight_decay, o->lora);
    if (rc == CH_OK && stored)
        rc = follow(o, stored, e);
    if (rc == CH_OK)
        rc = apply_preset(o, e);
    if (rc < 0)
        return rc;
    derive(o);
    rc = check_ranges(o, e);
    return rc == CH_OK ? check_together(o, e) : rc;
}

const char *ch_train_anchor(const ch_config *c)
{
    return anchors[c->integrator.depth > 0 ? c->integrator.anchor : CH_ANCHOR_START];
}

/* Channels, the nearest number: at least one of a share above 0. */
static int excited(const ch_train_options *o)
{
    return o->excitation > 0 ? CH_MAX(1, (int)lround(o->excitation * o->width)) : 0;
}

ch_config ch_train_config(const ch_train_options *o)
{
    return (ch_config){.arch = ch_arch_find(o->arch, strlen(o->arch)),
                       .width = o->width,
                       .heads = o->heads,
                       .kv_heads = o->kv_heads,
                       .head_width = o->head_width,
                       .hidden = o->hidden,
                       .vocab = o->vocab,
                       .layers = o->layers,
                       .context = o->context,
                       .relu2 = strcmp(o->ffn, "relu2") == 0,
                       .memory = CH_MAX(o->memory, 0),
                       .rank = CH_MAX(o->embedding_rank, 0),
                       .integrator = {.depth = CH_MAX(o->depth, 0),
                                      .anchor = o->depth > 0 ? ch_train_anchor_of(o->anchor) : 0,
                                      .controller_groups = CH_MAX(o->controller_groups, 0),
                                      .excited = excited(o),
                                      .gate_layer = CH_MAX(o->gate_layer, 0)},
                       .ffn_groups = CH_MAX(o->ffn_groups, 0),
                       .attention_groups = CH_MAX(o->attention_groups, 0),
                       .norm_eps = 1e-6,
                       .tied = !o->untied,
                       .rope = {.dims = o->head_width, .base = o->rope_base}};
}
