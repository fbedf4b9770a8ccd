/* pretokenizers.c - the families' ways of cutting, by name
 *
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "pretokenize.h"

#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define SHORT "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPACES "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define OTHERS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACES
#define LLAMA3 SHORT "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" OTHERS
#define QWEN2  SHORT "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" OTHERS
#define UPPER  "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER  "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(after) \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" after \
    "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" after
#define PUNCT_WORDS \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+" \
    "|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+" \
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
#define BLOOM " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{0964}\\x{06D4}\\x{060C})]+"

const char ch_pattern_gpt2[] = GPT2;

static const ch_pretokenizer table[] = {
#define PRE(names, add_bos, whole_first, ...) {names, add_bos, whole_first, {__VA_ARGS__}},
#include "pretokenizers.def"
#undef PRE
};

const ch_pretokenizer *ch_pretokenizer_find(const char *name, size_t n)
{
    for (size_t i = 0; i < CH_COUNT(table) && n > 0; i++)
        for (const char *p = table[i].names; *p != 0; p += strspn(p, " ")) {
            size_t length = strcspn(p, " ");
            if (length == n && memcmp(p, name, n) == 0)
                return &table[i];
            p += length;
        }
    return NULL;
}

const ch_pretokenizer *ch_pretokenizer_like(const ch_pre_step *step, int n, bool whole_first)
{
    for (size_t i = 0; i < CH_COUNT(table); i++) {
        const char *const *pattern = table[i].pattern;
        int k = 0;
        while (k < CH_PRE_LEVELS && k < n && pattern[k] != NULL && step[k].kind == CH_PRE_SPLIT &&
               step[k].behaviour == CH_PRE_ISOLATED && strlen(pattern[k]) == step[k].n &&
               memcmp(pattern[k], step[k].pattern, step[k].n) == 0)
            k++;
        if (k == n && (k == CH_PRE_LEVELS || pattern[k] == NULL) &&
            table[i].whole_first == whole_first)
            return &table[i];
    }
    return NULL;
}

int ch_pretokenizer_steps(ch_pre_step out[CH_PRE_LEVELS], const ch_pretokenizer *p)
{
    int n = 0;
    for (; n < CH_PRE_LEVELS && p->pattern[n] != NULL; n++)
        out[n] =
            (ch_pre_step){.pattern = p->pattern[n], .n = strlen(p->pattern[n]), .ours = true};
    return n;
}

const char *ch_pretokenizer_name(char *out, size_t size, const ch_pretokenizer *p)
{
    snprintf(out, size, "%.*s", (int)strcspn(p->names, " "), p->names);
    return out;
}

const char *ch_pretokenizer_names(char *out, size_t size)
{
    size_t at = 0;
    out[0] = 0;
    for (size_t i = 0; i < CH_COUNT(table) && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? " " : "", table[i].names);
    return out;
}
