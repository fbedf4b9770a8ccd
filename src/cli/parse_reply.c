/* parse_reply.c - chalcis template --parse: a reply as the message it is
 *
 * SPDX-License-Identifier: MIT */
#include "cmd_template.h"

static int format_of(const ch_reply_format **out, const char *name, ch_err *e)
{
    char known[200] = "";
    size_t n = 0;
    if ((*out = ch_reply_format_named(name)) != NULL)
        return CH_OK;
    for (size_t i = 0; ch_reply_format_at(i) != NULL && n < sizeof known; i++)
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i > 0 ? " " : "",
                              ch_reply_format_name(ch_reply_format_at(i)));
    return ch_fail(e, CH_EARG, "--format %s: wanted one of %s", name, known);
}

static int message_of(json_t **out, int *failed, const ch_reply_format *f,
                      const ch_reply_options *o, const ch_buf *text, ch_err *e)
{
    ch_reply *r;
    *out = NULL;
    int rc = ch_reply_open(&r, f, o, e);
    rc = rc < 0 ? rc : ch_reply_feed(r, text->data, text->size, e);
    rc = rc < 0 ? rc : ch_reply_end(r, e);
    rc = rc < 0 ? rc : ch_reply_message(out, r, e);
    *failed = rc < 0 ? 0 : ch_reply_failed_calls(r);
    ch_reply_close(&r);
    return rc;
}

int ch_cli_parse_reply(const ch_reply_format *f, const char *format, const char *path,
                       const json_t *tools, const ch_buf *prompt)
{
    const ch_reply_options o = {.tools = json_is_array(tools) ? tools : NULL,
                                .prompt = prompt->data, .prompt_bytes = prompt->size};
    ch_buf text;
    ch_err e = {0};
    json_t *message = NULL;
    int failed = 0;
    ch_buf_init(&text, CH_REPLY_BYTES);
    int rc = format != NULL ? format_of(&f, format, &e) : CH_OK;
    rc = rc < 0 ? rc : ch_cli_text(&text, NULL, path, &e);
    rc = rc < 0 ? rc : message_of(&message, &failed, f, &o, &text, &e);
    ch_buf_close(&text);
    if (rc < 0)
        return ch_cli_fail(&e);
    if (failed > 0)
        fprintf(stderr, "chalcis: %d call%s malformed or not complete: what it says is content\n",
                failed, failed == 1 ? " is" : "s are");
    return ch_cli_print_json(message);
}
