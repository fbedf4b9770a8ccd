/* run_grammar.h - the options that make a text obey.  SPDX-License-Identifier: MIT */
#ifndef CH_RUN_GRAMMAR_H
#define CH_RUN_GRAMMAR_H

#include "cli.h"

typedef struct ch_grammar_flags {
    const char *file, *text, *schema, *regex;
    bool object, compact;
} ch_grammar_flags;

/* at: offset of the command's ch_grammar_flags */
#define CH_OPTS_GRAMMAR(at)                                                                       \
    {0, "grammar", CH_OPT_STR, (at) + offsetof(ch_grammar_flags, file), "FILE",                   \
     "what is written obeys a GBNF grammar", 0, 0},                                               \
        {0, "grammar-text", CH_OPT_STR, (at) + offsetof(ch_grammar_flags, text), "TEXT",          \
         "the same, the grammar itself", 0, 0},                                                   \
        {0, "json-schema", CH_OPT_STR, (at) + offsetof(ch_grammar_flags, schema), "FILE",         \
         "what is written is JSON that a schema allows; { begins the schema itself", 0, 0},       \
        {0, "json-object", CH_OPT_FLAG, (at) + offsetof(ch_grammar_flags, object), NULL,          \
         "what is written is a JSON object", 0, 0},                                               \
        {0, "json-compact", CH_OPT_FLAG, (at) + offsetof(ch_grammar_flags, compact), NULL,        \
         "with these two: no white space", 0, 0},                                                 \
        {0, "regex", CH_OPT_STR, (at) + offsetof(ch_grammar_flags, regex), "TEXT",                \
         "what is written matches a regular expression as a whole", 0, 0}

/* NULL where no flag was given. */
int ch_cli_grammar(ch_grammar **out, const ch_grammar_flags *f, const ch_tokenizer *t, ch_err *e);

#endif
