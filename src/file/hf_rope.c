/* hf_rope.c - rotary positions: rope_theta, rope_scaling and rope_parameters of config.json as keys
 * and tensors of a GGUF file, and back
 *
 *   there                                here
 *   rope_theta                           rope.freq_base
 *   rope_type linear, factor             rope.scaling.type, .factor
 *   rope_type yarn, factor, original ..  the same, .original_context_length, .yarn_*
 *   rope_type llama3                     rope_freqs.weight: what each pair's speed is divided by
 *   rope_type longrope (phi3)            rope_factors_short, _long.weight, rope.scaling.attn_factor
 *   of sliding layers (gemma3)           rope.freq_base_swa
 *
 * llama3, of wavelength l = 2 pi / speed and n the context before: 1 where l < n / high, factor
 * where l > n / low, else 1 / ((1 - s) / factor + s), s = (n / l - low) / (high - low).  GGUF has
 * no keys for low and high; they are kept in "rope.scaling.low_freq_factor" and "...high...", and
 * where a file of others does not say, Llama 3's own are tried and compared with the tensor.
 * Sources: transformers, modeling_rope_utils.py; llama.cpp's converter (generate_extra_tensors).
 * SPDX-License-Identifier: MIT */
#include "hf_config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS_MOST = 512 };

static const char freqs_name[] = "rope_freqs.weight";
static const char *const factors_name[2] = {"rope_factors_short.weight",
                                            "rope_factors_long.weight"};
static const char *const factors_key[2] = {"short_factor", "long_factor"};

typedef struct llama3 {
    double factor, low, high, before;
} llama3;

static int64_t head_width(const ch_hf_config *c, int *rc)
{
    int64_t width = 0, heads = 1, head = 0;
    *rc = ch_hf_get_int(&width, c, "embedding_length", 0);
    if (*rc == CH_OK)
        *rc = ch_hf_get_int(&heads, c, "attention.head_count", 1);
    if (*rc == CH_OK)
        *rc = ch_hf_get_int(&head, c, "attention.key_length", width / CH_MAX(heads, (int64_t)1));
    if (*rc == CH_OK && (head < 1 || head > 2 * PAIRS_MOST))
        *rc = ch_fail(c->e, CH_EFORMAT, "%s: heads %lld wide, allowed are 1 to %d", c->path,
                      (long long)head, 2 * PAIRS_MOST);
    return head;
}

/* Divisors of the speeds of n pairs, computed in floats in the converter's order. */
static void llama3_divisors(float *out, int n, double base, const llama3 *p)
{
    for (int i = 0; i < n; i++) {
        const double speed = (double)(float)(1 / pow(base, (double)(2 * i) / (2 * n)));
        const double length = 2 * 3.14159265358979323846 / speed;
        const double smooth = (p->before / length - p->low) / (p->high - p->low);
        out[i] = (float)(length < p->before / p->high  ? 1
                         : length > p->before / p->low ? p->factor
                                                       : 1 / ((1 - smooth) / p->factor + smooth));
    }
}

static int put_vector(const ch_hf_config *c, const char *name, const float *values, int n)
{
    const size_t bytes = (size_t)n * sizeof(float);
    float *data = ch_file_memory(c->f, bytes, c->e);
    if (!data)
        return CH_ENOMEM;
    memcpy(data, values, bytes);
    const ch_tensor t = ch_tensor_1d(data, CH_F32, n);
    return ch_file_put_tensor(c->f, (ch_str){name, strlen(name)}, &t, bytes, c->e);
}

/* ---- Reading --------------------------------------------------------------------------------- */

typedef struct rope {
    const ch_hf_config *c;
    const json_t *p; /* rope_parameters, rope_scaling, or NULL */
    const char *type;
    double theta;
    int dims; /* of a head that turn */
} rope;

static int real_of(double *out, const rope *r, const char *key, double or, double least,
                   double most)
{
    const int rc = ch_json_real(out, r->p, key, or, r->c->path, r->c->e);
    if (rc == CH_OK && !(*out >= least && *out <= most))
        return ch_fail(r->c->e, CH_EFORMAT, "%s: \"%s\" is %g, allowed are %g to %g", r->c->path,
                       key, *out, least, most);
    return rc;
}

/* The context before it was stretched: among the parameters, or beside them (Phi-3, whose class has
 * 4096 where nothing is said). */
static int before_of(double *out, const rope *r)
{
    static const char key[] = "original_max_position_embeddings";
    int64_t context = 4096;
    double beside;
    int rc = r->c->arch->bit == PHI3 ? CH_OK : ch_hf_get_int(&context, r->c, "context_length", 0);
    if (rc == CH_OK)
        rc = ch_json_real(&beside, r->c->v, key, (double)context, r->c->path, r->c->e);
    if (rc == CH_OK)
        rc = real_of(out, r, key, beside, 1, 1e9);
    if (rc == CH_OK && *out != beside && json_is_number(json_object_get(r->c->v, key)))
        return ch_fail(r->c->e, CH_EUNSUPPORTED,
                       "%s: \"%s\" is %g, and %g among the parameters of rotary positions",
                       r->c->path, key, beside, *out);
    return rc;
}

static int put_linear(const rope *r)
{
    double factor;
    int rc = real_of(&factor, r, "factor", 1, 1e-6, 1e6);
    if (rc == CH_OK)
        rc = ch_hf_put_str(r->c, "rope.scaling.type", r->type);
    return rc == CH_OK ? ch_hf_put_real(r->c, "rope.scaling.factor", factor) : rc;
}

static const struct {
    const char *key, *suffix;
} yarn_keys[] = {{"extrapolation_factor", "rope.scaling.yarn_ext_factor"},
                 {"attention_factor", "rope.scaling.yarn_attn_factor"},
                 {"beta_fast", "rope.scaling.yarn_beta_fast"},
                 {"beta_slow", "rope.scaling.yarn_beta_slow"}};

static int put_yarn(const rope *r)
{
    double x, attn = 1;
    int rc = put_linear(r);
    if (rc == CH_OK)
        rc = real_of(&attn, r, "attn_factor", 1, -1e6, 1e6);
    if (rc == CH_OK && attn != 1) /* transformers passes it over, YaRN's own code multiplies */
        return ch_fail(r->c->e, CH_EUNSUPPORTED,
                       "%s: \"attn_factor\" is %g; supported are 1 and \"attention_factor\"",
                       r->c->path, attn);
    if (rc == CH_OK)
        rc = before_of(&x, r);
    if (rc == CH_OK)
        rc = ch_hf_put_int(r->c, "rope.scaling.original_context_length", (int64_t)x);
    for (size_t i = 0; rc == CH_OK && i < CH_COUNT(yarn_keys); i++) {
        const json_t *v = json_object_get(r->p, yarn_keys[i].key);
        if (!v || json_is_null(v))
            continue;
        rc = real_of(&x, r, yarn_keys[i].key, 0, -1e6, 1e6);
        if (rc == CH_OK)
            rc = ch_hf_put_real(r->c, yarn_keys[i].suffix, x);
    }
    return rc;
}

static int put_llama3(const rope *r)
{
    llama3 p;
    float divisor[PAIRS_MOST];
    int rc = real_of(&p.factor, r, "factor", 8, 1e-6, 1e6);
    if (rc == CH_OK)
        rc = real_of(&p.low, r, "low_freq_factor", 1, 1e-6, 1e6);
    if (rc == CH_OK)
        rc = real_of(&p.high, r, "high_freq_factor", 4, 1e-6, 1e6);
    if (rc == CH_OK)
        rc = real_of(&p.before, r, "original_max_position_embeddings", 8192, 1, 1e9);
    if (rc < 0)
        return rc;
    if (p.high <= p.low)
        return ch_fail(r->c->e, CH_EFORMAT,
                       "%s: \"high_freq_factor\" %g is no more than \"low_freq_factor\" %g",
                       r->c->path, p.high, p.low);
    llama3_divisors(divisor, r->dims / 2, r->theta, &p);
    rc = put_vector(r->c, freqs_name, divisor, r->dims / 2);
    if (rc == CH_OK)
        rc = ch_hf_put_int(r->c, "rope.scaling.original_context_length", (int64_t)p.before);
    if (rc == CH_OK)
        rc = ch_hf_put_real(r->c, "rope.scaling.low_freq_factor", p.low);
    return rc == CH_OK ? ch_hf_put_real(r->c, "rope.scaling.high_freq_factor", p.high) : rc;
}

static int put_factors(const rope *r, int which)
{
    float factor[PAIRS_MOST];
    const json_t *list = json_object_get(r->p, factors_key[which]);
    if (!json_is_array(list) || json_array_size(list) != (size_t)r->dims / 2)
        return ch_fail(r->c->e, CH_EFORMAT, "%s: \"%s\" is no list of %d numbers", r->c->path,
                       factors_key[which], r->dims / 2);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const double x = json_number_value(json_array_get(list, i));
        if (!(x > 0 && x <= 1e6))
            return ch_fail(r->c->e, CH_EFORMAT, "%s: \"%s\" holds %g, allowed is more than 0",
                           r->c->path, factors_key[which], x);
        factor[i] = (float)x;
    }
    return put_vector(r->c, factors_name[which], factor, r->dims / 2);
}

static double long_magnitude(double factor, double before)
{
    return factor > 1 && before > 1 ? sqrt(1 + log(factor) / log(before)) : 1;
}

/* What LongRoPE multiplies by.  Where a "factor" is said beside the two contexts, transformers 4
 * takes their ratio and transformers 5 the factor, so they have to come to the same. */
static int magnitude_of(double *out, const rope *r, double before)
{
    int64_t context;
    double factor;
    int rc = ch_hf_get_int(&context, r->c, "context_length", 0);
    const double ratio = rc == CH_OK ? (double)context / before : 1;
    const double usual = long_magnitude(ratio, before);
    if (rc == CH_OK)
        rc = real_of(&factor, r, "factor", ratio, 1e-6, 1e6);
    if (rc == CH_OK && !json_is_number(json_object_get(r->p, "attention_factor")) &&
        long_magnitude(factor, before) != usual)
        return ch_fail(r->c->e, CH_EUNSUPPORTED,
                       "%s: \"factor\" of LongRoPE is %g and the contexts' ratio %g; versions of "
                       "transformers differ in which of them counts, and \"attention_factor\" does "
                       "not say",
                       r->c->path, factor, ratio);
    return rc == CH_OK ? real_of(out, r, "attention_factor", usual, 0, 1e6) : rc;
}

static int put_longrope(const rope *r)
{
    double before, magnitude;
    int rc = r->c->arch->bit == PHI3
                 ? CH_OK
                 : ch_fail(r->c->e, CH_EUNSUPPORTED,
                           "%s: rope_type is \"%s\", which is supported in phi3 models only",
                           r->c->path, r->type);
    if (rc == CH_OK)
        rc = before_of(&before, r);
    if (rc == CH_OK)
        rc = magnitude_of(&magnitude, r, before);
    if (rc == CH_OK)
        rc = ch_hf_put_real(r->c, "rope.scaling.attn_factor", magnitude);
    for (int which = 1; which >= 0 && rc == CH_OK; which--)
        rc = put_factors(r, which);
    return rc;
}

static int put_nothing(const rope *r)
{
    (void)r;
    return CH_OK;
}

/* What may stand beside a type, besides what may stand beside all: transformers' _validate_*, and
 * "finetuned", which YaRN's own code reads for other types only. */
static const struct {
    const char *type, *keys;
    int (*put)(const rope *r);
} types[] = {
    {"default", "", put_nothing},
    {"none", "", put_nothing},
    {"linear", "factor", put_linear},
    {"yarn", "factor attention_factor attn_factor extrapolation_factor beta_fast beta_slow "
             "truncate finetuned", put_yarn},
    {"llama3", "factor low_freq_factor high_freq_factor", put_llama3},
    {"longrope", "factor attention_factor short_factor long_factor", put_longrope},
    {"su", "factor attention_factor short_factor long_factor", put_longrope},
};

static bool is_word(const char *words, const char *key)
{
    const size_t n = strlen(key);
    for (const char *s = words; n > 0 && (s = strstr(s, key)) != NULL; s += n)
        if ((s == words || s[-1] == ' ') && (s[n] == ' ' || s[n] == '\0'))
            return true;
    return false;
}

/* Every key of rotary positions changes what is computed, so none is passed over. */
static int check_keys(const ch_hf_config *c, const json_t *p, const char *type, const char *keys)
{
    static const char all[] = "type rope_type rope_theta partial_rotary_factor "
                              "original_max_position_embeddings";
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)p, key, v)
    {
        if (json_is_null(v) || is_word(all, key) || is_word(keys, key))
            continue;
        return ch_fail(c->e, CH_EUNSUPPORTED,
                       "%s: \"%.60s\" of rotary positions is not supported beside rope_type "
                       "\"%s\"",
                       c->path, key, type);
    }
    return CH_OK;
}

static int put_type(const rope *r)
{
    size_t i = 0;
    while (i < CH_COUNT(types) && strcmp(types[i].type, r->type) != 0)
        i++;
    if (i == CH_COUNT(types))
        return ch_fail(r->c->e, CH_EUNSUPPORTED,
                       "%s: rope_type is \"%.40s\"; supported are default, linear, yarn, llama3, "
                       "longrope",
                       r->c->path, r->type);
    const int rc = check_keys(r->c, r->p, r->type, types[i].keys);
    if (rc == CH_OK && json_is_false(json_object_get(r->p, "truncate")))
        return ch_fail(r->c->e, CH_EUNSUPPORTED, "%s: \"truncate\" false is not supported",
                       r->c->path);
    return rc == CH_OK ? types[i].put(r) : rc;
}

/* How much of a head turns.  llama.cpp's converter takes a whole head's pairs where it moves rows,
 * so a part is supported only where they stay. */
static int put_dims(rope *r, double part)
{
    int rc;
    const int64_t head = head_width(r->c, &rc);
    if (rc < 0)
        return rc;
    const unsigned said = LLAMA | SMOLLM3 | GRANITE | PHI3;
    if (!(part > 0 && part <= 1) || (part < 1 && (r->c->arch->bit & (TURNED | GEMMA3))))
        return ch_fail(r->c->e, CH_EUNSUPPORTED,
                       "%s: \"partial_rotary_factor\" is %g, which is not supported in %s models",
                       r->c->path, part, r->c->arch->type);
    r->dims = (int)(part * (double)head);
    if (r->dims < 2 || r->dims % 2 != 0)
        return ch_fail(r->c->e, CH_EFORMAT,
                       "%s: %d of a head turn, allowed are even numbers from 2", r->c->path,
                       r->dims);
    return part < 1 || (r->c->arch->bit & said)
               ? ch_hf_put_int(r->c, "rope.dimension_count", r->dims)
               : CH_OK;
}

/* Of Gemma 3's sliding layers: a base of their own, unscaled. */
static int put_local(const ch_hf_config *c, const json_t *sliding)
{
    const char *type;
    double base;
    int rc = ch_json_real(&base, c->v, "rope_local_base_freq", 10000, c->path, c->e);
    if (rc == CH_OK)
        rc = ch_json_real(&base, sliding, "rope_theta", base, c->path, c->e);
    if (rc == CH_OK)
        rc = ch_json_str(&type, sliding, "rope_type", "default", c->path, c->e);
    if (rc == CH_OK && strcmp(type, "default") != 0)
        rc = ch_fail(c->e, CH_EUNSUPPORTED, "%s: rope_type of sliding layers is \"%.40s\"; "
                                            "supported is default",
                     c->path, type);
    if (rc == CH_OK)
        rc = check_keys(c, sliding, type, "");
    return rc == CH_OK ? ch_hf_put_real(c, "rope.freq_base_swa", base) : rc;
}

static const char *type_of(const json_t *p)
{
    const char *type = json_string_value(json_object_get(p, "rope_type"));
    if (!type)
        type = json_string_value(json_object_get(p, "type"));
    return type ? type : "default";
}

/* Does b have everything that a has?  The type has two names; what may stand outside too is
 * compared with that. */
static bool is_part(const json_t *a, const json_t *b, const json_t *outside)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)a, key, v)
    {
        const json_t *other = json_object_get(b, key);
        if (!other && is_word("rope_theta partial_rotary_factor original_max_position_embeddings",
                              key))
            other = json_object_get(outside, key);
        if (json_is_null(v) || is_word("type rope_type", key))
            continue;
        if (json_is_number(v) && json_is_number(other)
                ? json_number_value(v) != json_number_value(other)
                : !json_equal(v, other))
            return false;
    }
    return strcmp(type_of(a), type_of(b)) == 0;
}

/* transformers 4 reads rope_scaling; 5 too, and rope_parameters where that is empty; llama.cpp's
 * converter, rope_parameters first.  So both have to say the same.  In rope_parameters, kinds of
 * layers may have objects of their own; *sliding is Gemma 3's. */
static int find_parameters(const json_t **p, const json_t **sliding, const ch_hf_config *c)
{
    static const char *const names[] = {"rope_scaling", "rope_parameters"};
    const json_t *said[2];
    *p = *sliding = NULL;
    for (int i = 0; i < 2; i++) {
        said[i] = json_object_get(c->v, names[i]);
        if (said[i] && !json_is_object(said[i]) && !json_is_null(said[i]))
            return ch_fail(c->e, CH_EFORMAT, "%s: \"%s\" is no object", c->path, names[i]);
        if (json_object_size(said[i]) > 0)
            *p = said[i];
    }
    const json_t *full = json_object_get(said[1], "full_attention");
    if (json_is_object(full)) {
        const char *key;
        json_t *v;
        *sliding = json_object_get(said[1], "sliding_attention");
        *p = full;
        json_object_foreach((json_t *)(uintptr_t)said[1], key, v)
            if (v != full && (v != *sliding || c->arch->bit != GEMMA3) && !json_is_null(v))
                return ch_fail(c->e, CH_EUNSUPPORTED,
                               "%s: \"%.60s\" of \"rope_parameters\" is not supported in %s "
                               "models",
                               c->path, key, c->arch->type);
    }
    if (json_object_size(said[0]) == 0 || *p == said[0] ||
        (is_part(said[0], *p, c->v) && is_part(*p, said[0], c->v)))
        return CH_OK;
    return ch_fail(c->e, CH_EUNSUPPORTED,
                   "%s: \"rope_scaling\" and \"rope_parameters\" do not say the same, and readers "
                   "differ in which of them counts",
                   c->path);
}

int ch_hf_rope_read(const ch_hf_config *c)
{
    rope r = {.c = c};
    const json_t *sliding;
    if (c->arch->bit == GPT2)
        return CH_OK;
    double part = 1;
    const double usual = c->arch->bit == GEMMA3 || c->arch->bit == LFM2 ? 1e6
                         : c->arch->bit == SMOLLM3                       ? 2e6
                                                                         : 10000;
    int rc = find_parameters(&r.p, &sliding, c);
    if (rc == CH_OK)
        rc = ch_json_real(&r.theta, c->v, "rope_theta", usual, c->path, c->e);
    if (rc == CH_OK)
        rc = real_of(&r.theta, &r, "rope_theta", r.theta, 1, 1e12);
    if (rc == CH_OK)
        rc = ch_json_str(&r.type, r.p, "type", "default", c->path, c->e);
    if (rc == CH_OK)
        rc = ch_json_str(&r.type, r.p, "rope_type", r.type, c->path, c->e);
    if (rc == CH_OK)
        rc = ch_json_real(&part, c->v, "partial_rotary_factor", 1, c->path, c->e);
    if (rc == CH_OK)
        rc = ch_json_real(&part, r.p, "partial_rotary_factor", part, c->path, c->e);
    if (rc == CH_OK)
        rc = ch_hf_put_real(c, "rope.freq_base", r.theta);
    if (rc == CH_OK)
        rc = put_dims(&r, part);
    if (rc == CH_OK && c->arch->bit == PHI3) {
        double before;
        rc = before_of(&before, &r);
        if (rc == CH_OK)
            rc = ch_hf_put_int(c, "rope.scaling.original_context_length", (int64_t)before);
    }
    if (rc == CH_OK)
        rc = put_type(&r);
    return rc == CH_OK && c->arch->bit == GEMMA3 ? put_local(c, sliding) : rc;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static int set_number(const ch_hf_config *c, json_t *o, const char *key, double x)
{
    return ch_hf_set(c, o, key,
                     x == round(x) && fabs(x) < 1e15 && strstr(key, "original")
                         ? json_integer((json_int_t)x)
                         : ch_hf_number(x));
}

static int set_typed(const ch_hf_config *c, json_t *o)
{
    char key[CH_HF_KEY_MOST];
    double x = 1;
    ch_hf_key(key, c, "rope.scaling.type");
    const ch_meta *m = ch_file_meta_find(c->f, key);
    const bool yarn = m->type == CH_META_STR && m->v.s.n == 4 && memcmp(m->v.s.p, "yarn", 4) == 0;
    const bool line = m->type == CH_META_STR && m->v.s.n == 6 && memcmp(m->v.s.p, "linear", 6) == 0;
    if (!yarn && !line)
        return ch_fail(c->e, CH_EUNSUPPORTED, "%s: metadata \"%s\" has no words in config.json",
                       c->f->path, key);
    int rc = ch_hf_set(c, o, "rope_type", json_string(yarn ? "yarn" : "linear"));
    if (rc == CH_OK)
        rc = ch_hf_get_real(&x, c, "rope.scaling.factor", 1);
    if (rc == CH_OK)
        rc = set_number(c, o, "factor", x);
    if (rc < 0 || !yarn)
        return rc;
    rc = ch_hf_get_real(&x, c, "rope.scaling.original_context_length", 0);
    if (rc == CH_OK && x > 0)
        rc = set_number(c, o, "original_max_position_embeddings", x);
    for (size_t i = 0; rc == CH_OK && i < CH_COUNT(yarn_keys); i++) {
        if (strcmp(yarn_keys[i].key, "attn_factor") == 0)
            continue; /* an older name for the next */
        ch_hf_key(key, c, yarn_keys[i].suffix);
        if (!ch_file_meta_find(c->f, key))
            continue;
        rc = ch_hf_get_real(&x, c, yarn_keys[i].suffix, 0);
        if (rc == CH_OK)
            rc = set_number(c, o, yarn_keys[i].key, x);
    }
    return rc;
}

static const float *vector_of(const ch_hf_config *c, const char *name, int *n)
{
    const ch_file_tensor *t = ch_file_tensor_find(c->f, name);
    if (!t || t->t.rank != 1 || t->t.dtype != CH_F32 || t->t.dim[0] > PAIRS_MOST)
        return NULL;
    *n = (int)t->t.dim[0];
    return t->t.data;
}

static int set_llama3(const ch_hf_config *c, json_t *o, double base)
{
    int n = 0;
    float made[PAIRS_MOST];
    const float *is = vector_of(c, freqs_name, &n);
    llama3 p = {1, 1, 4, 8192};
    int rc = is ? ch_hf_get_real(&p.low, c, "rope.scaling.low_freq_factor", p.low)
                : ch_fail(c->e, CH_EFORMAT, "%s: tensor %s is no vector of f32", c->f->path,
                          freqs_name);
    if (rc == CH_OK)
        rc = ch_hf_get_real(&p.high, c, "rope.scaling.high_freq_factor", p.high);
    if (rc == CH_OK)
        rc = ch_hf_get_real(&p.before, c, "rope.scaling.original_context_length", p.before);
    if (rc < 0)
        return rc;
    for (int i = 0; i < n; i++)
        p.factor = CH_MAX(p.factor, (double)is[i]);
    llama3_divisors(made, n, base, &p);
    bool same = true;
    for (int i = 0; i < n; i++) /* others computed in floats: some units in the last place */
        same &= fabs((double)made[i] - (double)is[i]) <= 1e-4 * (double)made[i];
    if (!same)
        return ch_fail(c->e, CH_EUNSUPPORTED,
                       "%s: tensor %s is not what rope_type llama3 makes of factor %g, low %g, "
                       "high %g, context %g: config.json has no words for it",
                       c->f->path, freqs_name, p.factor, p.low, p.high, p.before);
    rc = ch_hf_set(c, o, "rope_type", json_string("llama3"));
    if (rc == CH_OK)
        rc = set_number(c, o, "factor", p.factor);
    if (rc == CH_OK)
        rc = set_number(c, o, "low_freq_factor", p.low);
    if (rc == CH_OK)
        rc = set_number(c, o, "high_freq_factor", p.high);
    return rc == CH_OK ? set_number(c, o, "original_max_position_embeddings", p.before) : rc;
}

static int set_longrope(const ch_hf_config *c, json_t *o)
{
    int rc = ch_hf_set(c, o, "rope_type", json_string("longrope"));
    if (rc == CH_OK)
        rc = ch_hf_set(c, o, "type", json_string("longrope"));
    for (int which = 0; which < 2 && rc == CH_OK; which++) {
        int n = 0;
        const float *is = vector_of(c, factors_name[which], &n);
        if (!is)
            return ch_fail(c->e, CH_EFORMAT, "%s: tensor %s is missing, or no vector of f32",
                           c->f->path, factors_name[which]);
        json_t *list = json_array();
        for (int i = 0; i < n; i++)
            json_array_append_new(list, ch_hf_number((double)is[i]));
        rc = ch_hf_set(c, o, factors_key[which], list);
    }
    int64_t context = 0, before = 0;
    double magnitude = 0;
    if (rc == CH_OK)
        rc = ch_hf_get_int(&context, c, "context_length", 0);
    if (rc == CH_OK)
        rc = ch_hf_get_int(&before, c, "rope.scaling.original_context_length", context);
    const double usual = before > 0 ? long_magnitude((double)context / (double)before,
                                                     (double)before)
                                    : 1;
    if (rc == CH_OK)
        rc = ch_hf_get_real(&magnitude, c, "rope.scaling.attn_factor", 1);
    return rc < 0 || (float)magnitude == (float)usual
               ? rc
               : set_number(c, o, "attention_factor", magnitude);
}

/* What scales positions, as rope_scaling; null where nothing does. */
static int set_scaling(const ch_hf_config *c, double base)
{
    char key[CH_HF_KEY_MOST];
    json_t *o = json_object();
    int rc = CH_OK;
    ch_hf_key(key, c, "rope.scaling.type");
    const ch_meta *type = ch_file_meta_find(c->f, key);
    if (ch_file_tensor_find(c->f, freqs_name))
        rc = set_llama3(c, o, base);
    else if (ch_file_tensor_find(c->f, factors_name[0]))
        rc = set_longrope(c, o);
    else if (type && !(type->type == CH_META_STR && type->v.s.n == 4 &&
                       memcmp(type->v.s.p, "none", 4) == 0))
        rc = set_typed(c, o);
    if (rc < 0) {
        json_decref(o);
        return rc;
    }
    if (json_object_size(o) == 0) {
        json_decref(o);
        o = json_null();
    }
    return ch_hf_set(c, c->to, "rope_scaling", o);
}

int ch_hf_rope_write(const ch_hf_config *c)
{
    double base;
    int64_t n;
    if (c->arch->bit == GPT2)
        return CH_OK;
    int rc = ch_hf_get_real(&base, c, "rope.freq_base", 10000);
    if (rc == CH_OK)
        rc = set_number(c, c->to, "rope_theta", base);
    if (rc == CH_OK)
        rc = set_scaling(c, base);
    const int64_t head = rc == CH_OK ? head_width(c, &rc) : 0;
    if (rc == CH_OK)
        rc = ch_hf_get_int(&n, c, "rope.dimension_count", head);
    double part = head > 0 ? (double)n / (double)head : 1;
    while (rc == CH_OK && n > 0 && (int64_t)(part * (double)head) < n) /* readers cut off */
        part = nextafter(part, 2);
    if (rc == CH_OK && n != head)
        rc = ch_hf_set(c, c->to, "partial_rotary_factor", json_real(part));
    int64_t context = 0;
    if (rc == CH_OK && c->arch->bit == PHI3)
        rc = ch_hf_get_int(&context, c, "context_length", 0);
    if (rc == CH_OK && c->arch->bit == PHI3)
        rc = ch_hf_get_int(&n, c, "rope.scaling.original_context_length", context);
    if (rc == CH_OK && c->arch->bit == PHI3 && n > 0)
        rc = ch_hf_set(c, c->to, "original_max_position_embeddings", json_integer(n));
    if (rc == CH_OK && c->arch->bit == GEMMA3)
        rc = ch_hf_get_real(&base, c, "rope.freq_base_swa", 10000);
    return rc == CH_OK && c->arch->bit == GEMMA3
               ? set_number(c, c->to, "rope_local_base_freq", base)
               : rc;
}
