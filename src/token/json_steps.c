/* json_steps.c - the steps of a tokenizer.json around its model, as this vocabulary takes them
 *
 * What was read from a tokenizer.json is given back as it was.  Otherwise SentencePiece's
 * preparation is a normalizer: its table, extra spaces, a U+2581 in front, U+2581 for spaces.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "json_token.h"

static json_t *byte_level(bool use_regex)
{
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0,
                     "trim_offsets", 1, "use_regex", use_regex);
}

/* ---- Normalizer ---- */

static json_t *base64(const unsigned char *p, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc(n / 3 * 4 + 5);
    size_t at = 0;
    for (size_t i = 0; i < n && text != NULL; i += 3) {
        const size_t left = CH_MIN(n - i, (size_t)3);
        const uint32_t bits = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                              (left > 2 ? p[i + 2] : 0u);
        for (size_t k = 0; k < 4; k++)
            text[at++] = k <= left ? digits[bits >> (18 - 6 * k) & 63] : '=';
    }
    json_t *s = text != NULL ? json_stringn(text, at) : NULL;
    free(text);
    return s;
}

static json_t *replace(const char *how, const char *what, const char *by)
{
    return json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", how, what, "content",
                     by);
}

static json_t *bert(int flags)
{
    return json_pack("{s:s, s:b, s:b, s:b, s:b}", "type", "BertNormalizer", "clean_text",
                     !!(flags & CH_NORM_CLEAN), "handle_chinese_chars",
                     !!(flags & CH_NORM_CHINESE), "strip_accents", !!(flags & CH_NORM_ACCENTS),
                     "lowercase", !!(flags & CH_NORM_LOWERCASE));
}

/* NULL: out of memory. */
static json_t *normalizer(const ch_tokenizer *t)
{
    const char *kind = t->kind->name;
    int flags = 0;
    const unsigned kinds = ch_normalizer_kinds(t->norm, &flags);
    if (t->norm_json != NULL)
        return json_loads(t->norm_json, JSON_DECODE_ANY, NULL);
    if (strcmp(kind, "bpe") == 0 || (strcmp(kind, "chars") == 0 && t->pre_json != NULL))
        return json_null();
    if (strcmp(kind, "wordpiece") == 0)
        return bert(flags);
    json_t *steps = json_array();
    size_t n;
    const unsigned char *map = ch_normalizer_charsmap(t->norm, &n);
    bool ok = steps != NULL;
    if (ok && map != NULL)
        ok = json_array_append_new(steps, json_pack("{s:s, s:o}", "type", "Precompiled",
                                                    "precompiled_charsmap", base64(map, n))) == 0;
    if (ok && kinds >> CH_NORM_COLLAPSE & 1)
        ok = json_array_append_new(steps, replace("Regex", " {2,}", " ")) == 0 &&
             json_array_append_new(steps, replace("Regex", "\\A | \\z", "")) == 0;
    if (ok && t->add_space_prefix)
        ok = json_array_append_new(
                 steps, json_pack("{s:s, s:s}", "type", "Prepend", "prepend", CH_META)) == 0;
    ok = ok && json_array_append_new(steps, replace("String", " ", CH_META)) == 0;
    json_t *all =
        ok ? json_pack("{s:s, s:O}", "type", "Sequence", "normalizers", steps) : NULL;
    json_decref(steps);
    return all;
}

/* ---- Pre-tokenizer ---- */

/* One pattern: as ByteLevel's own when it is GPT-2's, else a Split; several: a Sequence of such. */
static json_t *of_patterns(const ch_pretokenizer *p)
{
    json_t *steps = json_array();
    bool own = false, ok = steps != NULL;
    for (int i = 0; i < CH_PRE_LEVELS && p->pattern[i] != NULL && ok; i++) {
        own = strcmp(p->pattern[i], ch_pattern_gpt2) == 0 &&
              (i + 1 == CH_PRE_LEVELS || p->pattern[i + 1] == NULL);
        if (!own)
            ok = json_array_append_new(steps, json_pack("{s:s, s:{s:s}, s:s, s:b}", "type",
                                                        "Split", "pattern", "Regex", p->pattern[i],
                                                        "behavior", "Isolated", "invert", 0)) == 0;
    }
    ok = ok && json_array_append_new(steps, byte_level(own)) == 0;
    json_t *all = NULL;
    if (ok && json_array_size(steps) == 1)
        all = json_incref(json_array_get(steps, 0));
    else if (ok)
        all = json_pack("{s:s, s:O}", "type", "Sequence", "pretokenizers", steps);
    json_decref(steps);
    return all;
}

static json_t *pre_tokenizer(const ch_tokenizer *t)
{
    if (t->pre_json != NULL)
        return json_loads(t->pre_json, JSON_DECODE_ANY, NULL);
    if (t->pre != NULL)
        return of_patterns(t->pre);
    return strcmp(t->kind->name, "wordpiece") == 0 ? json_pack("{s:s}", "type", "BertPreTokenizer")
                                                   : json_null();
}

/* ---- After the model ---- */

static json_t *special(const ch_tokenizer *t, ch_token id)
{
    size_t n;
    const char *name = ch_token_name(t, id, &n);
    return json_pack("{s:{s:s%, s:i}}", "SpecialToken", "id", name, n, "type_id", 0);
}

static bool add_special(json_t *o, const ch_tokenizer *t, ch_token id)
{
    size_t n;
    const char *name = ch_token_name(t, id, &n);
    return json_object_setn_new(o, name, n,
                                json_pack("{s:s%, s:[i], s:[s%]}", "id", name, n, "ids", (int)id,
                                          "tokens", name, n)) == 0;
}

/* BOS in front of the text and EOS after it, where the model was trained so. */
static json_t *post_processor(const ch_tokenizer *t)
{
    const bool bos = ch_tokenizer_adds_bos(t), eos = t->add_eos && t->eos >= 0;
    if (!bos && !eos)
        return strcmp(t->kind->name, "bpe") == 0 ? byte_level(true) : json_null();
    json_t *single = json_array(), *pair = json_array(), *specials = json_object();
    bool ok = single != NULL && pair != NULL && specials != NULL;
    for (int i = 0; i < 2 && ok; i++) {
        const char *text = i == 0 ? "A" : "B";
        json_t *sequence =
            json_pack("{s:{s:s, s:i}}", "Sequence", "id", text, "type_id", i);
        ok = (!bos || json_array_append_new(pair, special(t, t->bos)) == 0) &&
             json_array_append(pair, sequence) == 0 &&
             (!eos || json_array_append_new(pair, special(t, t->eos)) == 0);
        if (ok && i == 0)
            ok = json_array_extend(single, pair) == 0;
        json_decref(sequence);
    }
    ok = ok && (!bos || add_special(specials, t, t->bos)) &&
         (!eos || add_special(specials, t, t->eos));
    json_t *all = ok ? json_pack("{s:s, s:O, s:O, s:O}", "type", "TemplateProcessing", "single",
                                 single, "pair", pair, "special_tokens", specials)
                     : NULL;
    json_decref(single);
    json_decref(pair);
    json_decref(specials);
    return all;
}

static json_t *decoder(const ch_tokenizer *t)
{
    if (strcmp(t->kind->name, "bpe") == 0)
        return byte_level(true);
    if (strcmp(t->kind->name, "wordpiece") == 0)
        return json_pack("{s:s, s:s, s:b}", "type", "WordPiece", "prefix", "##", "cleanup", 1);
    json_t *list = json_pack("[{s:s, s:{s:s}, s:s}, {s:s}, {s:s}]", "type", "Replace", "pattern",
                             "String", CH_META, "content", " ", "type", "ByteFallback", "type",
                             "Fuse");
    if (list != NULL && t->add_space_prefix)
        json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip", "content",
                                              " ", "start", 1, "stop", 0));
    return json_pack("{s:s, s:o}", "type", "Sequence", "decoders", list);
}

/* Takes the value, like jansson's _new functions. */
static bool put(json_t *o, const char *key, json_t *value)
{
    return json_object_set_new(o, key, value) == 0;
}

bool ch_token_json_steps(json_t *o, const ch_tokenizer *t)
{
    return put(o, "normalizer", normalizer(t)) && put(o, "pre_tokenizer", pre_tokenizer(t)) &&
           put(o, "post_processor", post_processor(t)) && put(o, "decoder", decoder(t));
}
