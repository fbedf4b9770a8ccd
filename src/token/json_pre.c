/* json_pre.c - the "pre_tokenizer" of a tokenizer.json as steps (pretokenize.h)
 *
 *   Split                  its pattern and behaviour            Digits       \p{N}
 *   ByteLevel              GPT-2's pattern, or none; last       Punctuation  marks of ASCII, \p{P}
 *   Metaspace              spaces become U+2581        Whitespace   \w+|[^\w\s]+, the rest goes
 *   BertPreTokenizer       white space goes, marks alone        WhitespaceSplit   \s goes
 *   Sequence               one after another
 *
 * Steps that are a line of pretokenizers.def are that line.  Source: Hugging Face tokenizers,
 * pre_tokenizers.  SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "json_token.h"

#define DEPTH_MAX 4
#define MARK      "[\\p{P}!-/:-@\\[-`{-~]"

typedef struct steps {
    ch_pre_step step[CH_PRE_LEVELS];
    char *owned[CH_PRE_LEVELS]; /* patterns made of strings */
    int n, n_owned;
    bool byte_level;
} steps;

bool ch_token_json_is_byte_level(const json_t *pre)
{
    const json_t *list = json_object_get(pre, "pretokenizers");
    bool is = ch_json_is_type(pre, "ByteLevel");
    for (size_t i = 0; i < json_array_size(list) && !is; i++)
        is = ch_json_is_type(json_array_get(list, i), "ByteLevel");
    return is;
}

static bool behaviour_of(ch_pre_behaviour *out, const json_t *o, ch_pre_behaviour or)
{
    static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    const json_t *v = json_object_get(o, "behavior");
    *out = or;
    if (v == NULL)
        return true;
    for (size_t i = 0; i < CH_COUNT(names) && json_is_string(v); i++)
        if (strcmp(json_string_value(v), names[i]) == 0) {
            *out = (ch_pre_behaviour)i;
            return true;
        }
    return false;
}

static bool add(steps *s, ch_pre_step step)
{
    if (s->n == CH_PRE_LEVELS)
        return false;
    s->step[s->n++] = step;
    return true;
}

static bool add_pattern(steps *s, const char *pattern, ch_pre_behaviour behaviour)
{
    return add(s, (ch_pre_step){.behaviour = behaviour,
                                .pattern = pattern,
                                .n = strlen(pattern),
                                .ours = true});
}

/* A string as a pattern of itself; NULL: out of memory or room. */
static const char *escaped(steps *s, size_t *n, const char *text, size_t n_text)
{
    char *p = s->n_owned < CH_PRE_LEVELS ? malloc(2 * n_text + 1) : NULL;
    *n = 0;
    if (p == NULL)
        return NULL;
    for (size_t i = 0; i < n_text; i++) {
        if (strchr("\\^$.[]|()?*+{}-&/", text[i]) != NULL && text[i] != 0)
            p[(*n)++] = '\\';
        p[(*n)++] = text[i];
    }
    return s->owned[s->n_owned++] = p;
}

static bool add_split(steps *s, const json_t *o)
{
    const json_t *pattern = json_object_get(o, "pattern"),
                 *string = json_object_get(pattern, "String"),
                 *regex = json_object_get(pattern, "Regex"),
                 *what = json_is_string(regex) ? regex : string;
    ch_pre_step step = {.invert = json_is_true(json_object_get(o, "invert")),
                        .pattern = json_string_value(what),
                        .n = json_string_length(what)};
    if (step.n == 0 || step.n > CH_PATTERN_MAX / 2 ||
        !behaviour_of(&step.behaviour, o, CH_PRE_ISOLATED))
        return false;
    if (what == string) {
        step.pattern = escaped(s, &step.n, step.pattern, step.n);
        step.ours = true;
    }
    return step.pattern != NULL && add(s, step);
}

static bool add_metaspace(steps *s, const json_t *o)
{
    static const char *const names[] = {"never", "first", "always"};
    const json_t *scheme = json_object_get(o, "prepend_scheme"),
                 *add_prefix = json_object_get(o, "add_prefix_space"),
                 *split = json_object_get(o, "split");
    ch_pre_step step = {.kind = CH_PRE_META, .prefix = CH_META_ALWAYS};
    step.cut = json_is_false(split) ? CH_META_WHOLE : CH_META_EACH;
    if (!ch_json_is_meta(json_object_get(o, "replacement")))
        return false;
    if (json_is_string(scheme)) {
        size_t i = 0;
        while (i < CH_COUNT(names) && strcmp(names[i], json_string_value(scheme)) != 0)
            i++;
        if (i == CH_COUNT(names))
            return false;
        step.prefix = (ch_meta_prefix)i;
    } else if (json_is_false(add_prefix)) {
        step.prefix = CH_META_NEVER;
    }
    return add(s, step);
}

static bool add_byte_level(steps *s, const json_t *o)
{
    const json_t *regex = json_object_get(o, "use_regex");
    s->byte_level = true;
    if (!ch_json_is_off(json_object_get(o, "add_prefix_space")) &&
        !add(s, (ch_pre_step){.kind = CH_PRE_SPACE}))
        return false;
    return json_is_false(regex) || add_pattern(s, ch_pattern_gpt2, CH_PRE_ISOLATED);
}

/* False: not one that can be reproduced. */
static bool add_step(steps *s, const json_t *o, int depth)
{
    ch_pre_behaviour behaviour;
    if (s->byte_level)
        return false; /* it comes last: what follows would see the byte alphabet */
    if (ch_json_is_type(o, "ByteLevel"))
        return add_byte_level(s, o);
    if (ch_json_is_type(o, "Split"))
        return add_split(s, o);
    if (ch_json_is_type(o, "Metaspace"))
        return add_metaspace(s, o);
    if (ch_json_is_type(o, "Digits"))
        return add_pattern(
            s, json_is_true(json_object_get(o, "individual_digits")) ? "\\p{N}" : "\\p{N}+",
            CH_PRE_ISOLATED);
    if (ch_json_is_type(o, "Punctuation"))
        return behaviour_of(&behaviour, o, CH_PRE_ISOLATED) && add_pattern(s, MARK, behaviour);
    if (ch_json_is_type(o, "WhitespaceSplit"))
        return add_pattern(s, "\\s+", CH_PRE_REMOVED);
    if (ch_json_is_type(o, "BertPreTokenizer"))
        return add_pattern(s, "\\s+", CH_PRE_REMOVED) && add_pattern(s, MARK, CH_PRE_ISOLATED);
    if (ch_json_is_type(o, "Whitespace")) {
        static const char words[] = "\\w+|[^\\w\\s]+";
        return add(s, (ch_pre_step){.behaviour = CH_PRE_REMOVED,
                                    .invert = true,
                                    .pattern = words,
                                    .n = sizeof words - 1,
                                    .ours = true});
    }
    const json_t *list = json_object_get(o, "pretokenizers");
    bool ok = ch_json_is_type(o, "Sequence") && json_is_array(list) && depth < DEPTH_MAX;
    for (size_t i = 0; i < json_array_size(list) && ok; i++)
        ok = add_step(s, json_array_get(list, i), depth + 1);
    return ok;
}

static int use(ch_tokenizer *t, steps *s, const json_t *o, ch_err *e)
{
    const ch_pretokenizer *p =
        s->byte_level ? ch_pretokenizer_like(s->step, s->n, t->whole_first) : NULL;
    if (p != NULL) {
        t->pre = p;
        ch_pretokenizer_name(t->pre_name, sizeof t->pre_name, p);
        return ch_cutter_open(&t->cutter, p, e);
    }
    if (!ch_json_is_off(o) && (t->pre_json = ch_json_text(o)) == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for JSON");
    /* Words that cannot influence each other are pieces: only faster. */
    if (!s->byte_level && !t->whole_first && strcmp(t->kind->name, "wordpiece") != 0 &&
        s->n < CH_PRE_LEVELS && ch_token_words_apart(t))
        add(s, (ch_pre_step){.kind = CH_PRE_META, .cut = CH_META_WORDS, .keep = true});
    return ch_cutter_open_steps(&t->cutter, s->step, s->n, e);
}

int ch_token_json_pre(ch_tokenizer *t, const json_t *o, bool byte_level, const char *name,
                      ch_err *e)
{
    steps s = {.n = 0};
    int rc = (ch_json_is_off(o) && !byte_level) || add_step(&s, o, 0)
                 ? CH_OK
                 : ch_json_refuse(name, "pre_tokenizer", o, e);
    if (rc == CH_OK && s.byte_level != byte_level)
        rc = ch_json_refuse(name, "with this model the pre_tokenizer", o, e);
    if (rc == CH_OK && (rc = use(t, &s, o, e)) < 0)
        ch_fail_at(e, "%s", name);
    for (int i = 0; i < s.n_owned; i++)
        free(s.owned[i]);
    return rc;
}
