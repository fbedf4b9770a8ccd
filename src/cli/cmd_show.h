/* cmd_show.h - what the files of `show` share.  SPDX-License-Identifier: MIT */
#ifndef CH_CMD_SHOW_H
#define CH_CMD_SHOW_H

#include "cli.h"

/* Licence, context, tokenizer, chat template: an object of those that the file states. */
json_t *ch_show_summary(const ch_file *f);
void ch_show_print_summary(const json_t *s);
/* Bytes of weights, scratch and cache for a session of so many tokens. */
int ch_show_memory(json_t **out, const char *path, int context, ch_err *e);
void ch_show_print_memory(const json_t *m);

#endif
