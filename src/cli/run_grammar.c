/* run_grammar.c - from --grammar and its kin to a grammar
 *
 * SPDX-License-Identifier: MIT */
#include "run_grammar.h"

#include <string.h>

enum { MOST_BYTES = 16 << 20 };

int ch_cli_grammar(ch_grammar **out, const ch_grammar_flags *f, const ch_tokenizer *t, ch_err *e)
{
    const int given = !!f->file + !!f->text + !!f->schema + !!f->regex + f->object;
    const char *text = f->text ? f->text : f->regex ? f->regex : f->object ? "" : f->schema;
    const char *file = f->file ? f->file : text && f->schema && *text != '{' ? text : NULL;
    const ch_grammar_kind kind = f->schema ? CH_GRAMMAR_SCHEMA : f->object ? CH_GRAMMAR_JSON
                                 : f->regex ? CH_GRAMMAR_REGEX : CH_GRAMMAR_GBNF;
    const ch_grammar_options o = {.compact = f->compact};
    *out = NULL;
    if (given == 0)
        return CH_OK;
    if (given != 1)
        return ch_fail(e, CH_EARG, "--grammar, --grammar-text, --json-schema, --json-object and "
                                   "--regex exclude each other");
    ch_buf b;
    ch_buf_init(&b, MOST_BYTES);
    int rc = file ? ch_io_read_file(&b, file, e) : CH_OK;
    if (rc == CH_OK && file)
        text = b.data ? b.data : "";
    if (rc == CH_OK)
        rc = ch_grammar_open(out, t, kind, text, file ? b.size : strlen(text), &o, e);
    if (rc < 0 && file && rc != CH_EIO)
        rc = ch_fail_at(e, "%s", file);
    ch_buf_close(&b);
    return rc;
}
