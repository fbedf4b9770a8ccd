/* names.c - tensor names of Hugging Face checkpoints into those of GGUF files and back (names.def)
 *
 * SPDX-License-Identifier: MIT */
#include "file.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *gguf, *hf;
} names[] = {
#define NAME(gguf, hf) {gguf, hf},
#include "names.def"
#undef NAME
};

/* Digits of the layer's number that s begins with: 1 to 6, no needless zero, so that a name has one
 * spelling.  0: there is no such number. */
static size_t layer_digits(const char *s)
{
    const size_t n = strspn(s, "0123456789");
    return n > 6 || (n > 1 && s[0] == '0') ? 0 : n;
}

/* Does name[0..n) follow the pattern?  *layer (digits long) gets what stands for #. */
static bool follows(const char *pattern, const char *name, size_t n, const char **layer,
                    size_t *digits)
{
    const char *p = pattern, *s = name, *end = name + n;
    *digits = 0;
    for (; *p; p++) {
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

static bool translate(char *out, size_t size, const char *name, bool to_gguf)
{
    static const char *const endings[] = {".weight", ".bias"};
    const size_t length = strlen(name);
    const char *ending = NULL;
    for (size_t i = 0; i < CH_COUNT(endings); i++) {
        const size_t n = strlen(endings[i]);
        if (length > n && strcmp(name + length - n, endings[i]) == 0)
            ending = name + length - n;
    }
    for (size_t i = 0; ending && i < CH_COUNT(names); i++) {
        const char *from = to_gguf ? names[i].hf : names[i].gguf;
        const char *to = to_gguf ? names[i].gguf : names[i].hf;
        const char *layer = "";
        size_t digits;
        if (!follows(from, name, (size_t)(ending - name), &layer, &digits))
            continue;
        const size_t before = strcspn(to, "#");
        const char *after = to + before + (to[before] == '#');
        const int n =
            snprintf(out, size, "%.*s%.*s%s%s", (int)before, to, (int)digits, layer, after, ending);
        return n >= 0 && (size_t)n < size;
    }
    return false;
}

bool ch_name_to_gguf(char *out, size_t size, const char *hf)
{
    return translate(out, size, hf, true);
}

bool ch_name_to_hf(char *out, size_t size, const char *gguf)
{
    return translate(out, size, gguf, false);
}
