/* mixture.c - which format a tensor gets in a mixture
 *
 * Source: llama.cpp's llama-quant.cpp, of which these are the rules for models without experts.
 * SPDX-License-Identifier: MIT */
#include "quantize.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    uint32_t file_type;
    ch_dtype base;
} mixtures[CH_MIXTURES] = {
#define MIXTURE(name, type, base) {#name, type, CH_##base},
#include "mixtures.def"
#undef MIXTURE
};

const char *ch_mixture_names(void)
{
    return ""
#define MIXTURE(name, type, base) #name " "
#include "mixtures.def"
#undef MIXTURE
        ;
}

int ch_mixture_by_name(ch_mixture *out, const char *name, ch_err *e)
{
    for (int m = 0; m < CH_MIXTURES; m++)
        if (strcasecmp(name, mixtures[m].name) == 0) {
            *out = (ch_mixture)m;
            return CH_OK;
        }
    return ch_fail(e, CH_EARG, "there is no format \"%.20s\" to write; there are %s", name,
                   ch_mixture_names());
}

uint32_t ch_mixture_file_type(ch_mixture m)
{
    return mixtures[m].file_type;
}

ch_dtype ch_mixture_base(ch_mixture m)
{
    return mixtures[m].base;
}

/* ---- Categories ---------------------------------------------------------------------------- */

typedef enum category { OTHER, HEAD, EMBEDDING, VALUE, RESULT, DOWN } category;

static category category_of(const char *name, bool tied)
{
    if (strcmp(name, "output.weight") == 0)
        return HEAD;
    if (strcmp(name, "token_embd.weight") == 0)
        return tied ? HEAD : EMBEDDING;
    if (strstr(name, "attn_v.weight") || strstr(name, "attn_qkv.weight") ||
        strstr(name, "attn_kv_b.weight"))
        return VALUE;
    if (strstr(name, "attn_output.weight"))
        return RESULT;
    return strstr(name, "ffn_down") ? DOWN : OTHER;
}

/* Matrices that no mixture touches. */
static bool stays(const char *name)
{
    static const char *const kept[] = {"_norm.weight",    "ffn_gate_inp.weight",
                                       "position_embd",   "token_types",
                                       "ssm_conv1d",      "shortconv.conv.weight",
                                       "integrator_",     "depth_gate",
                                       "inl_in.weight",   "inl_out.weight",
                                       ".controller"};
    const size_t n = strlen(name);
    if (n < 6 || strcmp(name + n - 6, "weight") != 0)
        return true;
    for (size_t i = 0; i < CH_COUNT(kept); i++)
        if (strstr(name, kept[i]))
            return true;
    return false;
}

/* ---- Rules --------------------------------------------------------------------------------- */

typedef enum when { ALWAYS, MORE, FIRST_2, FIRST_4, EIGHTH, SIXTEENTH, GROUPS_4,
               EIGHTH_PLAIN, EIGHTH_WEIGHED } when;

/* The first rule that fits. */
static const struct {
    ch_mixture mixture;
    category category;
    when when;
    ch_dtype type;
} rules[] = {
    {CH_MIX_q5_k_m, VALUE, MORE, CH_Q6_K},     {CH_MIX_q5_k_m, DOWN, MORE, CH_Q6_K},
    {CH_MIX_q4_k_m, VALUE, MORE, CH_Q6_K},     {CH_MIX_q4_k_m, DOWN, MORE, CH_Q6_K},
    {CH_MIX_q4_k_s, VALUE, FIRST_4, CH_Q5_K},  {CH_MIX_q4_k_s, DOWN, EIGHTH, CH_Q5_K},
    {CH_MIX_iq4_nl, VALUE, GROUPS_4, CH_Q5_K}, {CH_MIX_iq4_nl, DOWN, EIGHTH_PLAIN, CH_Q5_K},
    {CH_MIX_iq4_xs, VALUE, GROUPS_4, CH_Q5_K}, {CH_MIX_iq4_xs, DOWN, EIGHTH_PLAIN, CH_Q5_K},
    {CH_MIX_q3_k_m, VALUE, FIRST_2, CH_Q5_K},  {CH_MIX_q3_k_m, VALUE, ALWAYS, CH_Q4_K},
    {CH_MIX_q3_k_m, DOWN, SIXTEENTH, CH_Q5_K}, {CH_MIX_q3_k_m, DOWN, ALWAYS, CH_Q4_K},
    {CH_MIX_q3_k_m, RESULT, ALWAYS, CH_Q4_K},  {CH_MIX_q2_k, VALUE, GROUPS_4, CH_Q4_K},
    {CH_MIX_q2_k, VALUE, ALWAYS, CH_Q3_K},     {CH_MIX_q2_k, DOWN, ALWAYS, CH_Q3_K},
    {CH_MIX_q2_k, RESULT, ALWAYS, CH_Q3_K},    {CH_MIX_tq1_0, EMBEDDING, ALWAYS, CH_Q4_K},
    {CH_MIX_tq2_0, EMBEDDING, ALWAYS, CH_Q4_K},
    {CH_MIX_q4_0, DOWN, EIGHTH_WEIGHED, CH_Q4_1},
    {CH_MIX_q5_0, DOWN, EIGHTH_WEIGHED, CH_Q5_1},
};

static bool holds(when w, const ch_mixture_model *model, int number, int count)
{
    switch (w) {
    case MORE: /* the first and the last eighth, and every third between */
        return number < count / 8 || number >= 7 * count / 8 || (number - count / 8) % 3 == 2;
    case FIRST_2: return number < 2;
    case FIRST_4: return number < 4;
    case EIGHTH: return number < count / 8;
    case EIGHTH_PLAIN: return number < count / 8 && !model->weighed;
    case EIGHTH_WEIGHED: return number < count / 8 && model->weighed;
    case SIXTEENTH: return number < count / 16;
    case GROUPS_4: return model->groups >= 4;
    case ALWAYS: break;
    }
    return true;
}

/* What a row that is no whole blocks gets instead. */
static ch_dtype fitting(ch_dtype t, int64_t width)
{
    if (width % ch_dtype_get(t)->block == 0)
        return t;
    switch (t) {
    case CH_Q4_K: t = CH_Q5_0; break;
    case CH_Q5_K: t = CH_Q5_1; break;
    case CH_Q6_K: t = CH_Q8_0; break;
    case CH_IQ4_XS: t = CH_IQ4_NL; break;
    default: t = CH_Q4_0; break; /* q2_k, q3_k, tq1_0, tq2_0; of blocks of 32 nothing fits */
    }
    return width % ch_dtype_get(t)->block == 0 ? t : CH_F16;
}

ch_dtype ch_mixture_choose(ch_mixture m, const ch_mixture_model *model, const char *name,
                           int64_t width, int number, int count)
{
    ch_dtype t = mixtures[m].base;
    const category c = category_of(name, model->tied);
    const int block = ch_dtype_get(t)->block;
    if (block == 1)
        return t;
    if (c == HEAD)
        return fitting(width % block || t == CH_Q8_0 ? CH_Q8_0 : CH_Q6_K, width);
    for (size_t i = 0; i < CH_COUNT(rules); i++)
        if (rules[i].mixture == m && rules[i].category == c &&
            holds(rules[i].when, model, number, count)) {
            t = rules[i].type;
            break;
        }
    if (c == VALUE && model->layers == 80 && (t == CH_Q3_K || t == CH_Q4_K))
        t = CH_Q5_K; /* 70B: few and shared by eight heads each */
    return fitting(t, width);
}

static int layer_of(const char *name)
{
    int layer = 0;
    return sscanf(name, "blk.%d.", &layer) == 1 ? layer : 0;
}

bool ch_mixture_changes(const ch_file_tensor *t)
{
    return t->t.rank > 1 && !stays(t->name);
}

ch_dtype ch_mixture_of(ch_mixture m, const ch_mixture_model *model, const ch_file *f,
                       const ch_file_tensor *t)
{
    if (t->t.rank == 1)
        return CH_F32;
    if (stays(t->name))
        return t->t.dtype;
    int number = layer_of(t->name), count = model->layers;
    if (category_of(t->name, model->tied) == VALUE) {
        const int layer = number;
        number = count = 0;
        for (size_t i = 0; i < f->n_tensors; i++)
            if (category_of(f->tensors[i].name, model->tied) == VALUE) {
                number += layer_of(f->tensors[i].name) < layer;
                count++;
            }
    }
    return ch_mixture_choose(m, model, t->name, ch_tensor_width(&t->t), number, count);
}
