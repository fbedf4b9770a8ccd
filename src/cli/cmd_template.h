/* cmd_template.h - between the files of chalcis template.  SPDX-License-Identifier: MIT */
#ifndef CH_CMD_TEMPLATE_H
#define CH_CMD_TEMPLATE_H

#include "cli.h"
#include "reply.h"

/* Prints the message that a reply is; path: "-" is standard input; format, by its name, goes before
 * f; tools may be NULL or no list.  Returns the exit code. */
int ch_cli_parse_reply(const ch_reply_format *f, const char *format, const char *path,
                       const json_t *tools, const ch_buf *prompt);

#endif
