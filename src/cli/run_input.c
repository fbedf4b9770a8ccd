/* run_input.c - see run_input.h.  SPDX-License-Identifier: MIT */
#include "run_input.h"

#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "talk.h"

static bool is_stdin(const char *file) { return file && strcmp(file, "-") == 0; }

/* Somebody sends something: a terminal or /dev/null is no prompt. */
static bool sent(void)
{
    struct stat s;
    return fstat(STDIN_FILENO, &s) == 0 &&
           (S_ISREG(s.st_mode) || S_ISFIFO(s.st_mode) || S_ISSOCK(s.st_mode));
}

/* A pipe that nobody writes to, in a script's background, would be a riddle. */
static void mention_waiting(void)
{
    enum { A_WHILE_MS = 3000 };
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&p, 1, A_WHILE_MS) == 0)
        fputs("(waiting for standard input; </dev/null leaves it out)\n", stderr);
}

static int join(ch_buf *b, bool *any, const char *text, const char *file, ch_err *e)
{
    ch_buf part;
    ch_buf_init(&part, b->limit);
    int rc = ch_cli_text(&part, text, file, e);
    if (rc == CH_OK && b->size > 0 && part.size > 0 && b->data[b->size - 1] != '\n')
        ch_buf_str(b, "\n");
    if (rc == CH_OK && part.size > 0)
        ch_buf_put(b, part.data, part.size);
    ch_buf_close(&part);
    *any = true;
    return rc < 0 ? rc : ch_buf_check(b, "the prompt", e);
}

int ch_run_read(ch_buf *b, bool *any, const ch_run_input *in, ch_err *e)
{
    bool named = in->file != NULL;
    int rc = CH_OK;
    *any = false;
    for (int i = 0; i < in->n; i++)
        named = named || is_stdin(in->more[i]);
    if (!named && sent()) {
        mention_waiting();
        rc = join(b, any, NULL, "-", e);
    }
    if (rc == CH_OK && in->file)
        rc = join(b, any, NULL, in->file, e);
    for (int i = 0; i < in->n && rc == CH_OK; i++)
        rc = join(b, any, NULL, in->more[i], e);
    return rc == CH_OK && in->text ? join(b, any, in->text, NULL, e) : rc;
}

static int copy(char **to, const char *text, ch_err *e)
{
    *to = text ? strdup(text) : NULL;
    return text && !*to ? ch_fail(e, CH_ENOMEM, "no memory for a conversation") : CH_OK;
}

int ch_run_conversation(ch_tokens *out, ch_run_format *format, const ch_tokenizer *tk,
                        const char *system, const char *text, size_t n, ch_err *e)
{
    ch_talk *t;
    int rc = ch_talk_open(&t, NULL, tk, NULL, NULL, e);
    if (rc == CH_OK && system)
        rc = ch_talk_say(t, "system", system, strlen(system), e);
    if (rc == CH_OK)
        rc = ch_talk_say(t, "user", text, n, e);
    if (rc == CH_OK)
        rc = ch_talk_prompt(out, NULL, t, e);
    if (rc == CH_OK)
        rc = copy(&format->stop, ch_talk_own_stop(t), e);
    if (rc == CH_OK)
        rc = copy(&format->lead, ch_talk_before_text(t), e);
    ch_talk_close(&t);
    return rc;
}
