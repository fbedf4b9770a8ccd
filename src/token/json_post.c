/* json_post.c - the "post_processor" and the "decoder" of a tokenizer.json
 *
 * The first says which tokens begin and end a text.  The second must be one of the ways that the
 * algorithms here show their tokens.  Source: Hugging Face tokenizers, processors, decoders.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "json_token.h"

/* TemplateProcessing of one text: [BOS] A [EOS]. */
static bool read_template(ch_tokenizer *t, const json_t *o)
{
    const json_t *single = json_object_get(o, "single");
    bool seen_text = false;
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *special = json_object_get(json_array_get(single, i), "SpecialToken");
        const ch_token id = ch_token_by_json(t, json_object_get(special, "id"));
        bool *added = seen_text ? &t->add_eos : &t->add_bos;
        if (special == NULL ? seen_text : id < 0 || *added)
            return false;
        if (special == NULL) {
            seen_text = true;
            continue;
        }
        *added = true;
        *(seen_text ? &t->eos : &t->bos) = id;
    }
    return seen_text;
}

/* BertProcessing and RobertaProcessing: CLS A SEP. */
static bool read_pair(ch_tokenizer *t, const json_t *o)
{
    if (t->add_sep) /* a second one */
        return false;
    t->cls = t->bos = ch_token_by_json(t, json_array_get(json_object_get(o, "cls"), 0));
    t->sep = t->eos = ch_token_by_json(t, json_array_get(json_object_get(o, "sep"), 0));
    t->add_bos = t->add_eos = t->add_sep = true;
    return t->cls >= 0 && t->sep >= 0;
}

int ch_token_json_post(ch_tokenizer *t, const json_t *o, const char *name, ch_err *e)
{
    const json_t *list =
        ch_json_is_type(o, "Sequence") ? json_object_get(o, "processors") : NULL;
    const size_t n = list != NULL ? json_array_size(list) : !ch_json_is_off(o);
    for (size_t i = 0; i < n; i++) {
        const json_t *p = list != NULL ? json_array_get(list, i) : o;
        const bool pair =
            ch_json_is_type(p, "BertProcessing") || ch_json_is_type(p, "RobertaProcessing");
        if (!ch_json_is_type(p, "ByteLevel") && !(pair && read_pair(t, p)) &&
            !(ch_json_is_type(p, "TemplateProcessing") && read_template(t, p)))
            return ch_json_refuse(name, "post_processor", o, e);
    }
    return CH_OK;
}

/* ---- Decoders ---- */

static bool is_space_for_meta(const json_t *o)
{
    const char *by = json_string_value(json_object_get(o, "content"));
    return ch_json_is_type(o, "Replace") && by != NULL && strcmp(by, " ") == 0 &&
           ch_json_is_meta(json_object_get(json_object_get(o, "pattern"), "String"));
}

/* Takes one space from the start. */
static bool is_strip(const json_t *o)
{
    const char *what = json_string_value(json_object_get(o, "content"));
    return ch_json_is_type(o, "Strip") && what != NULL && strcmp(what, " ") == 0 &&
           json_integer_value(json_object_get(o, "start")) == 1 &&
           json_integer_value(json_object_get(o, "stop")) == 0;
}

static bool metaspace(ch_tokenizer *t, const json_t *o)
{
    const char *scheme = json_string_value(json_object_get(o, "prepend_scheme"));
    t->add_space_prefix = scheme != NULL ? strcmp(scheme, "never") != 0
                                         : !json_is_false(json_object_get(o, "add_prefix_space"));
    return ch_json_is_meta(json_object_get(o, "replacement"));
}

/* Replace, ByteFallback, Fuse, Strip: some of them, once, in this order. */
static bool sequence(ch_tokenizer *t, const json_t *list)
{
    int stage = 0;
    bool spaces = false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        int next = is_space_for_meta(o)                 ? 1
                   : ch_json_is_type(o, "ByteFallback") ? 2
                   : ch_json_is_type(o, "Fuse")         ? 3
                   : is_strip(o)                        ? 4
                   : ch_json_is_type(o, "Metaspace") && metaspace(t, o) ? 5
                                                                        : 0;
        if (next <= stage)
            return false;
        stage = next;
        spaces = spaces || next == 1 || next == 5;
        t->add_space_prefix = t->add_space_prefix || next == 4;
    }
    return spaces;
}

int ch_token_json_decoder(ch_tokenizer *t, const json_t *o, const char *name, ch_err *e)
{
    const char *kind = t->kind->name,
               *prefix = json_string_value(json_object_get(o, "prefix"));
    bool ok;
    if (strcmp(kind, "bpe") == 0)
        ok = ch_json_is_type(o, "ByteLevel");
    else if (strcmp(kind, "wordpiece") == 0)
        ok = ch_json_is_off(o) ||
             (ch_json_is_type(o, "WordPiece") && prefix != NULL && strcmp(prefix, "##") == 0 &&
              !json_is_false(json_object_get(o, "cleanup")));
    else
        ok = (ch_json_is_type(o, "Metaspace") && metaspace(t, o)) ||
             (ch_json_is_type(o, "Sequence") && sequence(t, json_object_get(o, "decoders")));
    return ok ? CH_OK : ch_json_refuse(name, "decoder", o, e);
}
