/* config.c - a model's configuration: from and to metadata, and what it may be
 *
 * Keys are GGUF's "<arch>.*" (GGUF specification, "Standardized key-value pairs").
 * SPDX-License-Identifier: MIT */
#include "model.h"

#include <stdio.h>
#include <string.h>

int64_t ch_config_letter(const ch_config *c, char letter)
{
    switch (letter) {
    case 'D': return c->width;
    case 'H': return c->heads;
    case 'K': return c->kv_heads;
    case 'E': return c->head_width;
    case 'F': return c->hidden;
    case 'V': return c->vocab;
    case 'M': return c->memory;
    default: return 0;
    }
}

int ch_config_check(const ch_config *c, const char *name, ch_err *e)
{
    const struct {
        const char *what;
        int64_t found, most;
    } limits[] = {
        {"embedding_length", c->width, CH_MAX_WIDTH},
        {"attention.head_count", c->heads, CH_MAX_HEADS},
        {"attention.head_count_kv", c->kv_heads, CH_MAX_HEADS},
        {"attention.key_length", c->head_width, 1024},
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
    if (c->rope.dims < 0 || c->rope.dims > c->head_width || c->rope.dims % 2 != 0)
        return ch_fail(
            e, CH_EFORMAT,
            "%s: rope.dimension_count is %d, allowed is an even number up to the head width %d",
            name, c->rope.dims, c->head_width);
    if (c->memory < 0 || c->memory > CH_MAX_VOCAB)
        return ch_fail(e, CH_EFORMAT, "%s: memory_length is %d, allowed are 0 to %d", name,
                       c->memory, CH_MAX_VOCAB);
    if (!(c->rope.base >= 1 && c->rope.base <= 1e12))
        return ch_fail(e, CH_EFORMAT, "%s: rope.freq_base is %g, allowed are 1 to 1e12", name,
                       c->rope.base);
    if (!(c->norm_eps > 0 && c->norm_eps < 1))
        return ch_fail(e, CH_EFORMAT,
                       "%s: the norm's epsilon is %g, allowed is more than 0 and less than 1",
                       name, c->norm_eps);
    return CH_OK;
}

static int vocab_size(int64_t *out, const ch_file *f, const char *key, ch_err *e)
{
    const ch_file_tensor *t = ch_file_tensor_find(f, "token_embd.weight");
    if (t && t->t.rank == 2)
        *out = t->t.dim[0];
    return ch_file_int_opt(out, f, key, 1, CH_MAX_VOCAB, e);
}

/* Rotary positions that are stretched by a factor, with the type unsaid (older files). */
static int refuse_scaled(const ch_file *f, const char *arch, ch_err *e)
{
    static const char *const keys[] = {"rope.scaling.factor", "rope.scale_linear"};
    for (size_t i = 0; i < CH_COUNT(keys); i++) {
        char key[128];
        double factor = 1;
        snprintf(key, sizeof key, "%s.%s", arch, keys[i]);
        const int rc = ch_file_real_opt(&factor, f, key, 0, 1e12, e);
        if (rc < 0)
            return rc;
        if (factor != 0 && factor != 1)
            return ch_fail(e, CH_EUNSUPPORTED,
                           "%s: %s is %g; scaled rotary positions are not supported yet", f->path,
                           key, factor);
    }
    return CH_OK;
}

/* Things a file may ask for that would silently give wrong numbers if they were passed over. */
static int refuse_unknown(const ch_config *c, const ch_file *f, const char *arch, ch_err *e)
{
    char key[128];
    snprintf(key, sizeof key, "%s.rope.scaling.type", arch);
    const ch_meta *m = ch_file_meta_find(f, key);
    if (m && !(m->type == CH_META_STR && m->v.s.n == 4 && memcmp(m->v.s.p, "none", 4) == 0))
        return ch_fail(e, CH_EUNSUPPORTED,
                       "%s: %s asks for scaled rotary positions, which are not supported yet",
                       f->path, key);
    int rc = m ? CH_OK : refuse_scaled(f, arch, e); /* type "none": a factor means nothing */
    int64_t value_width = c->head_width;
    snprintf(key, sizeof key, "%s.attention.value_length", arch);
    if (rc == CH_OK)
        rc = ch_file_int_opt(&value_width, f, key, 1, 1024, e);
    if (rc < 0)
        return rc;
    if (value_width != c->head_width)
        return ch_fail(e, CH_EUNSUPPORTED,
                       "%s: values %lld wide beside keys %d wide are not supported", f->path,
                       (long long)value_width, c->head_width);
    int64_t window = 0;
    snprintf(key, sizeof key, "%s.attention.sliding_window", arch);
    rc = ch_file_int_opt(&window, f, key, 0, INT64_MAX, e);
    if (rc < 0)
        return rc;
    if (window != 0)
        return ch_fail(e, CH_EUNSUPPORTED,
                       "%s: %s is %lld; sliding windows are not supported in %s models", f->path,
                       key, (long long)window, arch);
    return CH_OK;
}

static int read_keys(ch_config *c, const ch_file *f, const char *arch, ch_err *e)
{
    char key[128];
    const int64_t most = INT32_MAX;
    struct {
        const char *suffix;
        bool required;
        int64_t value;
    } ints[] = {
        {"embedding_length", true, 0},       {"block_count", true, 0},
        {"attention.head_count", true, 0},   {"attention.head_count_kv", false, -1},
        {"attention.key_length", false, -1}, {"feed_forward_length", true, 0},
        {"context_length", true, 0},         {"rope.dimension_count", false, -1},
    };
    for (size_t i = 0; i < CH_COUNT(ints); i++) {
        snprintf(key, sizeof key, "%s.%s", arch, ints[i].suffix);
        const int rc = ints[i].required ? ch_file_int(&ints[i].value, f, key, 1, most, e)
                                        : ch_file_int_opt(&ints[i].value, f, key, 1, most, e);
        if (rc < 0)
            return rc;
    }
    c->width = (int)ints[0].value;
    c->layers = (int)ints[1].value;
    c->heads = (int)ints[2].value;
    c->kv_heads = ints[3].value < 0 ? c->heads : (int)ints[3].value;
    if (ints[4].value < 0 && c->width % c->heads != 0)
        return ch_fail(e, CH_EFORMAT, "%s: a width of %d does not divide into %d heads", f->path,
                       c->width, c->heads);
    c->head_width = ints[4].value < 0 ? c->width / c->heads : (int)ints[4].value;
    c->hidden = (int)ints[5].value;
    c->context = (int)ints[6].value;
    c->rope.dims = ints[7].value < 0 ? c->head_width : (int)ints[7].value;
    c->rope.base = 10000;
    snprintf(key, sizeof key, "%s.rope.freq_base", arch);
    int rc = ch_file_real_opt(&c->rope.base, f, key, 1, 1e12, e);
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", arch);
    if (rc == CH_OK)
        rc = ch_file_real(&c->norm_eps, f, key, 1e-30, 1, e);
    int64_t vocab = 0;
    snprintf(key, sizeof key, "%s.vocab_size", arch);
    if (rc == CH_OK)
        rc = vocab_size(&vocab, f, key, e);
    c->vocab = (int)CH_MIN(vocab, (int64_t)INT32_MAX);
    return rc;
}

int ch_config_read(ch_config *c, const ch_file *f, ch_err *e)
{
    memset(c, 0, sizeof *c);
    ch_str arch;
    int rc = ch_file_str(&arch, f, "general.architecture", e);
    if (rc < 0)
        return rc;
    c->arch = ch_arch_find(arch.p, arch.n);
    if (!c->arch)
        return ch_fail(e, CH_EUNSUPPORTED,
                       "%s: architecture \"%.*s\" is not supported; supported are %s", f->path,
                       (int)CH_MIN(arch.n, 64), arch.p, ch_arch_names());
    rc = read_keys(c, f, c->arch->name, e);
    if (rc == CH_OK)
        rc = refuse_unknown(c, f, c->arch->name, e);
    c->tied = !ch_file_tensor_find(f, "output.weight");
    if (rc == CH_OK)
        rc = c->arch->configure(c, f, e);
    return rc == CH_OK ? ch_config_check(c, f->path, e) : rc;
}

ch_hash128 ch_config_hash(ch_hash128 before, const ch_config *c)
{
    const int64_t whole[] = {c->width,   c->heads,   c->kv_heads,  c->head_width,       c->hidden,
                             c->vocab,   c->layers,  c->rope.dims, c->rope.interleaved, c->tied,
                             c->relu2,   c->memory};
    const double real_numbers[] = {c->norm_eps, c->rope.base};
    before = ch_hash_bytes(before, c->arch->name, strlen(c->arch->name));
    before = ch_hash_bytes(before, whole, sizeof whole);
    return ch_hash_bytes(before, real_numbers, sizeof real_numbers);
}

int ch_config_write(const ch_config *c, ch_file *f, ch_err *e)
{
    char key[128];
    const char *arch = c->arch->name;
    int rc = ch_file_set_str(f, "general.architecture", arch, strlen(arch), e);
    const struct {
        const char *suffix;
        int value;
    } ints[] = {
        {"context_length", c->context},        {"embedding_length", c->width},
        {"block_count", c->layers},            {"feed_forward_length", c->hidden},
        {"attention.head_count", c->heads},    {"attention.head_count_kv", c->kv_heads},
        {"attention.key_length", c->head_width}, {"attention.value_length", c->head_width},
        {"rope.dimension_count", c->rope.dims},  {"vocab_size", c->vocab},
    };
    for (size_t i = 0; i < CH_COUNT(ints) && rc == CH_OK; i++) {
        snprintf(key, sizeof key, "%s.%s", arch, ints[i].suffix);
        rc = ch_file_set_u32(f, key, (uint32_t)ints[i].value, e);
    }
    snprintf(key, sizeof key, "%s.memory_length", arch);
    if (rc == CH_OK && c->memory)
        rc = ch_file_set_u32(f, key, (uint32_t)c->memory, e);
    snprintf(key, sizeof key, "%s.feed_forward_type", arch);
    if (rc == CH_OK && c->relu2)
        rc = ch_file_set_str(f, key, "relu2", 5, e);
    snprintf(key, sizeof key, "%s.rope.freq_base", arch);
    if (rc == CH_OK)
        rc = ch_file_set_f32(f, key, (float)c->rope.base, e);
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", arch);
    return rc == CH_OK ? ch_file_set_f32(f, key, (float)c->norm_eps, e) : rc;
}
