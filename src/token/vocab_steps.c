/* vocab_steps.c - how text is prepared where the file does not say it step by step
 *
 * GGUF, SentencePiece and llama2.c name an algorithm, and its own preparation is meant:
 *   llama   spaces become U+2581, with one in front
 *   gemma4  the same by a normalizer, none in front; cut at line ends
 *   t5      SentencePiece's normalizing (charsmap, extra spaces), then as llama
 *   bert    BERT's cleaning, then words and marks
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "vocab.h"

/* White space is dropped; each mark is a word. */
static const ch_pre_step bert_steps[] = {
    {.behaviour = CH_PRE_REMOVED, .pattern = "\\s+", .n = 3, .ours = true},
    {.pattern = "[\\p{P}!-/:-@\\[-`{-~]", .n = 20, .ours = true},
};

int ch_token_default_steps(ch_tokenizer *t, ch_err *e)
{
    ch_pre_step steps[2];
    const char *name = t->kind->name;
    const bool apart = ch_token_words_apart(t);
    int n = 0;
    if (t->cutter != NULL)
        return CH_OK;
    if (strcmp(name, "wordpiece") == 0)
        return ch_cutter_open_steps(&t->cutter, bert_steps, CH_COUNT(bert_steps), e);
    if (strcmp(name, "chars") == 0)
        steps[n++] = (ch_pre_step){.pattern = "[^\\n]+|[\\n]+", .n = 12, .ours = true};
    steps[n++] = (ch_pre_step){.kind = CH_PRE_META,
                               .prefix = t->add_space_prefix ? CH_META_FORCE : CH_META_NEVER,
                               .cut = apart ? CH_META_WORDS : CH_META_WHOLE};
    return ch_cutter_open_steps(&t->cutter, steps, n, e);
}
