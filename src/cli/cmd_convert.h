/* cmd_convert.h - what the files of chalcis convert share.  SPDX-License-Identifier: MIT */
#ifndef CH_CMD_CONVERT_H
#define CH_CMD_CONVERT_H

#include "bar.h"
#include "cli.h"
#include "conversion.h"

typedef struct ch_convert_args {
    const char *in, *out;
    const char *type, *name, *tokenizer, *model, *stop;
    int iterations;
    double shard_gb;
    bool dry_run, no_tokenizer;
} ch_convert_args;

/* --name, or general.name, or the last part of the path. */
void ch_convert_name(char *out, size_t size, const ch_file *from, const ch_convert_args *o);

/* convert_card.c: what a folder's README.md says in its head, as general.*; and a card of what was
 * written to o->out by the command `by`: README.md of a folder, NAME.md beside NAME.gguf.  says:
 * has the metadata; type: what the matrices are. */
int ch_convert_read_card(ch_file *to, const char *dir, ch_err *e);
int ch_convert_write_card(const ch_file *says, const ch_file *written, const char *by,
                          const char *from_format, const char *type, const ch_convert_args *o,
                          ch_err *e);

/* convert_inl.c: --iterations and --stop, into the metadata of a model with an integrator. */
int ch_convert_inl(ch_file *from, const ch_convert_args *o, ch_err *e);

/* convert_adapter.c */
bool ch_convert_is_adapter(const char *path);
int ch_convert_adapter(const ch_convert_args *o, ch_err *e);

#endif
