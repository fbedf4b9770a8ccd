/* names.c - tensor names of Hugging Face checkpoints into those of GGUF files and back (names.def)
 *
 * SPDX-License-Identifier: MIT */
#include "hf_arch.h"

#include <stdio.h>
#include <string.h>

static const ch_hf_arch archs[] = {
#define HF_ARCH(bit, type, gguf, name, tied) {bit, type, gguf, name, tied},
#include "hf_archs.def"
#undef HF_ARCH
};

static const struct {
    unsigned models;
    const char *gguf, *hf;
    ch_hf_change change;
} names[] = {
#define NAME(models, gguf, hf, change) {models, gguf, hf, CHANGE_##change},
#include "names.def"
#undef NAME
};

static const struct {
    unsigned models;
    const char *pattern;
} skipped[] = {
    {MODELS, "model.layers.#.self_attn.rotary_emb.inv_freq"},
    {MODELS, "model.rotary_emb.inv_freq"},
    {GPT2, "transformer.h.#.attn.bias"},
    {GPT2, "transformer.h.#.attn.masked_bias"},
};

const ch_hf_arch *ch_hf_arch_of_type(const char *type)
{
    for (size_t i = 0; i < CH_COUNT(archs); i++)
        if (strcmp(archs[i].type, type) == 0)
            return &archs[i];
    return NULL;
}

const ch_hf_arch *ch_hf_arch_of_gguf(const char *gguf)
{
    for (size_t i = 0; i < CH_COUNT(archs); i++)
        if (strcmp(archs[i].gguf, gguf) == 0)
            return &archs[i];
    return NULL;
}

const ch_hf_arch *ch_hf_arch_ours(const ch_hf_arch *a)
{
    for (size_t i = 0; i < CH_COUNT(archs); i++)
        if (archs[i].bit == a->bit && strncmp(archs[i].type, "chalcis_", 8) == 0)
            return &archs[i];
    return a;
}

const char *ch_hf_arch_types(void)
{
    static const char all[] = ""
#define HF_ARCH(bit, type, gguf, name, tied) " " type
#include "hf_archs.def"
#undef HF_ARCH
        ;
    return all + 1;
}

/* Digits of the layer's number that s begins with: 1 to 6, no needless zero, so that a name has one
 * spelling.  0: there is no such number. */
static size_t layer_digits(const char *s)
{
    const size_t n = strspn(s, "0123456789");
    return n > 6 || (n > 1 && s[0] == '0') ? 0 : n;
}

/* Does name[0..n) follow the pattern, up to its !?  *layer (digits long) gets what stands for #. */
static bool follows(const char *pattern, const char *name, size_t n, const char **layer,
                    size_t *digits)
{
    const char *p = pattern, *s = name, *end = name + n;
    *digits = 0;
    for (; *p && *p != '!'; p++) {
        if (*p == '#') {
            *layer = s;
            *digits = layer_digits(s);
            if (!*digits)
                return false;
            s += *digits;
        } else if (s == end || *s++ != *p) {
            return false;
        }
    }
    return s == end;
}

/* ".weight" or ".bias" at the end of a name, or NULL. */
static const char *ending_of(const char *name)
{
    static const char *const endings[] = {".weight", ".bias"};
    const size_t length = strlen(name);
    for (size_t i = 0; i < CH_COUNT(endings); i++) {
        const size_t n = strlen(endings[i]);
        if (length > n && strcmp(name + length - n, endings[i]) == 0)
            return name + length - n;
    }
    return NULL;
}

bool ch_hf_name(char *out, size_t size, ch_hf_change *change, const ch_hf_arch *a,
                const char *name, bool to_gguf)
{
    for (size_t i = 0; i < CH_COUNT(names); i++) {
        const char *from = to_gguf ? names[i].hf : names[i].gguf;
        const char *to = to_gguf ? names[i].gguf : names[i].hf;
        const bool bare = strchr(names[i].hf, '!') != NULL;
        const char *ending = bare && to_gguf ? name + strlen(name) : ending_of(name);
        const char *layer = "";
        size_t digits;
        if (!(names[i].models & a->bit) || !ending ||
            !follows(from, name, (size_t)(ending - name), &layer, &digits))
            continue;
        const size_t before = strcspn(to, "#");
        const char *after = to + before + (to[before] == '#');
        const char *with = !bare ? ending : to_gguf ? ".weight" : "";
        const int n = snprintf(out, size, "%.*s%.*s%.*s%s", (int)before, to, (int)digits, layer,
                               (int)strcspn(after, "!"), after, with);
        *change = names[i].change;
        if (strcmp(with, ".bias") == 0 && *change != CHANGE_PAIRS_Q && *change != CHANGE_PAIRS_K)
            *change = CHANGE_NONE;
        return n >= 0 && (size_t)n < size;
    }
    return false;
}

bool ch_hf_name_skipped(const ch_hf_arch *a, const char *name)
{
    for (size_t i = 0; i < CH_COUNT(skipped); i++) {
        const char *layer;
        size_t digits;
        if ((skipped[i].models & a->bit) &&
            follows(skipped[i].pattern, name, strlen(name), &layer, &digits))
            return true;
    }
    return false;
}

bool ch_name_to_gguf(char *out, size_t size, const char *arch, const char *hf)
{
    const ch_hf_arch *a = ch_hf_arch_of_gguf(arch);
    ch_hf_change change;
    return a && ch_hf_name(out, size, &change, a, hf, true);
}

bool ch_name_to_hf(char *out, size_t size, const char *arch, const char *gguf)
{
    const ch_hf_arch *a = ch_hf_arch_of_gguf(arch);
    ch_hf_change change;
    return a && ch_hf_name(out, size, &change, a, gguf, false);
}
