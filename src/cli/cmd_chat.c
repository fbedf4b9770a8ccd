/* cmd_chat.c - chalcis chat: a conversation in the terminal, or one message a line
 *
 * Answers go to stdout, what is said about them to stderr.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "chatting.h"
#include "wishes.h"

struct options {
    const char *model, *tokenizer, *k_type, *v_type, *system, *think, *load, *color, *template;
    ch_list lora, stop, breakers;
    int count, threads, context;
    bool no_history, no_status;
    ch_sampling sampling;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    CH_OPTS_MODEL(O(model), O(tokenizer), O(lora)),
    {0, "system", CH_OPT_STR, O(system), "TEXT", "what the model is told before the conversation", 0, 0},
    {0, "think", CH_OPT_STR, O(think), "HOW", "on, off, or hide: it thinks and that is not shown [the template's]", 0, 0},
    {0, "load", CH_OPT_STR, O(load), "FILE", "go on with a conversation that /save wrote", 0, 0},
    {0, "chat-template", CH_OPT_STR, O(template), "FILE", "another template, in Jinja [the model's, or one that fits its vocabulary]", 0, 0},
    {'n', "count", CH_OPT_INT, O(count), "N", "most tokens of an answer; -1: until the context is full [half of what is left of it]", -1, 1e9},
    {0, "stop", CH_OPT_LIST, O(stop), "TEXT", "an answer ends where this text would begin; may be given several times", 0, 0},
    CH_OPT_BREAKERS(O(breakers)),
    {'s', "seed", CH_OPT_SEED, O(sampling.seed), "S", "same seed, same conversation; random: another each time [0]", 0, 0},
    CH_OPT_THREADS(O(threads), "the text"),
    {'c', "context", CH_OPT_INT, O(context), "N", "most tokens in all [the model's, at most 4096]", 1, 1e9},
    CH_OPTS_CACHE(O(k_type), O(v_type)),
    {0, "color", CH_OPT_STR, O(color), "WHEN", "auto, always, never [auto: on a terminal, unless NO_COLOR is set]", 0, 0},
    {0, "no-status", CH_OPT_FLAG, O(no_status), NULL, "no line of numbers after an answer", 0, 0},
    {0, "no-history", CH_OPT_FLAG, O(no_history), NULL, "lines are not kept in $XDG_STATE_HOME/chalcis/history", 0, 0},
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "chat [-m MODEL] [--system TEXT] [options]",
    .about = "Talks.  /help lists what can be typed besides messages.  Where standard input is no "
             "terminal\neach of its lines is a message, or a command; lines between \"\"\" and "
             "\"\"\" are one message.",
    .opts = opts,
    .samplers = true,
    .sampling = offsetof(struct options, sampling),
};

/* ---- Lines ----------------------------------------------------------------------------------- */

/* $XDG_STATE_HOME/chalcis/history, or ~/.local/state/chalcis/history */
static char *history_path(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *folder = state && *state == '/' ? ch_io_join(state, "chalcis/history")
                   : home && *home        ? ch_io_join(home, ".local/state/chalcis/history")
                                          : NULL;
    return folder;
}

static const char quotes[] = "\"\"\"";
enum { QUOTES = sizeof quotes - 1 };

static bool ends_in_quotes(const char *text, size_t n)
{
    return n >= QUOTES && memcmp(text + n - QUOTES, quotes, QUOTES) == 0;
}

/* What was typed up to the quotes that close it: as one text, they at its ends. */
static ch_line_end read_block(ch_buf *b, ch_chatting *c, const char *text, size_t n)
{
    ch_buf_put(b, text, n);
    while (!b->failed && !(b->size >= (size_t)2 * QUOTES && ends_in_quotes(b->data, b->size))) {
        const ch_line_end end = ch_line_get(c->line, &text, &n, "... ");
        if (end == CH_LINE_ENDED && !c->terminal) {
            ch_buf_str(b, quotes); /* the input's end closes it */
            return CH_LINE_READ;
        }
        if (end != CH_LINE_READ)
            return end;
        ch_buf_str(b, "\n");
        ch_buf_put(b, text, n);
    }
    return CH_LINE_READ;
}

static bool begins_with_quotes(const char *text, size_t n)
{
    return n >= QUOTES && memcmp(text, quotes, QUOTES) == 0;
}

static bool all_blank(const char *text, size_t n)
{
    size_t i = 0;
    while (i < n && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n'))
        i++;
    return i == n;
}

/* A message without the quotes and the line ends beside them. */
static void take_block(ch_chatting *c, const char *text, size_t n)
{
    text += QUOTES;
    n -= (size_t)2 * QUOTES;
    if (n > 0 && text[0] == '\n')
        text++, n--;
    if (n > 0 && text[n - 1] == '\n')
        n--;
    if (!all_blank(text, n))
        ch_chat_message(c, text, n);
}

/* What was read, in full; literal: pasted, so that neither quotes nor a slash mean anything. */
static void obey(ch_chatting *c, ch_buf *b, bool literal)
{
    while (!literal && b->data[0] == '/' && b->size > 1 &&
           strchr(" \t", b->data[b->size - 1]))
        b->data[--b->size] = '\0';
    ch_line_remember(c->line, b->data);
    if (!literal && begins_with_quotes(b->data, b->size))
        take_block(c, b->data, b->size);
    else if (!literal && b->data[0] == '/')
        ch_chat_command(c, b->data);
    else if (!all_blank(b->data, b->size))
        ch_chat_message(c, b->data, b->size);
}

static ch_line_end one_line(ch_chatting *c, ch_buf *b)
{
    const char *text;
    size_t n;
    ch_line_end end = ch_line_get(c->line, &text, &n, ">>> ");
    if (end != CH_LINE_READ)
        return end;
    const bool literal = ch_line_pasted(c->line);
    ch_buf_clear(b);
    if (!literal && begins_with_quotes(text, n))
        end = read_block(b, c, text, n);
    else
        ch_buf_put(b, text, n);
    if (b->failed)
        ch_chat_failed(c, b->starved ? "no memory for this message"
                                     : "this message is too long: 256 MB are the most",
                       CH_EXIT_FAILED);
    else if (end == CH_LINE_READ && b->size > 0)
        obey(c, b, literal);
    return end;
}

static void talk(ch_chatting *c)
{
    ch_buf b;
    ch_buf_init(&b, (size_t)1 << 28);
    while (!c->leaves) {
        const ch_line_end end = one_line(c, &b);
        if (end == CH_LINE_ENDED)
            break;
        if (end == CH_LINE_INTERRUPTED)
            fprintf(stderr, "(Ctrl-D or /exit leaves)\n");
    }
    ch_buf_close(&b);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static int open_talk(ch_chatting *c, const struct options *o, ch_err *e)
{
    ch_buf b;
    ch_buf_init(&b, CH_TEMPLATE_BYTES);
    int rc = o->template ? ch_io_read_file(&b, o->template, e) : CH_OK;
    if (rc == CH_OK)
        rc = ch_talk_open(&c->talk, c->session, c->tk,
                          o->template ? b.data ? b.data : "" : NULL, o->template, e);
    ch_buf_close(&b);
    if (rc == CH_OK)
        rc = ch_talk_stops(c->talk, o->stop.at, o->stop.n, e);
    if (rc == CH_OK && o->load)
        rc = ch_talk_load(c->talk, o->load, e);
    if (rc == CH_OK && o->system)
        rc = ch_chat_system(c, o->system, e);
    if (rc == CH_OK && o->think)
        rc = ch_chat_think(c, o->think, e);
    return rc;
}

static int open_model(ch_chatting *c, const struct options *o, ch_err *e)
{
    ch_model_info info;
    int rc = ch_cli_model_path(c->path, sizeof c->path, o->model, e);
    rc = rc < 0 ? rc : ch_cli_open_model(&c->model, c->path, o->threads, e);
    rc = rc < 0 ? rc : ch_cli_lora(&c->lora, c->model, &o->lora, e);
    rc = rc < 0 ? rc : ch_tokenizer_open(&c->tk, c->path, o->tokenizer, e);
    if (rc < 0)
        return rc;
    const ch_session_options so = {.threads = o->threads,
                                   .context = o->context,
                                   .k_type = o->k_type,
                                   .v_type = o->v_type,
                                   .lora = c->lora};
    ch_model_get_info(&info, c->model);
    rc = ch_session_open(&c->session, c->model, &so, e);
    if (rc == CH_OK && o->context > info.context)
        ch_cli_note_context(o->context, info.context);
    return rc;
}

/* /set may switch DRY on at any time. */
static int open_breakers(ch_chatting *c, const struct options *o, ch_err *e)
{
    const int rc = ch_wishes_breakers(&c->broken, &o->breakers, c->tk, e);
    c->sampling.dry_breakers = c->broken.id;
    c->sampling.n_dry_breakers = (int)c->broken.n;
    return rc;
}

static int open_chat(ch_chatting *c, const struct options *o, ch_err *e)
{
    int rc = ch_cli_color(&c->colour, o->color, stdout, e);
    rc = rc < 0 ? rc : open_model(c, o, e);
    rc = rc < 0 ? rc : open_breakers(c, o, e);
    rc = rc < 0 ? rc : open_talk(c, o, e);
    if (rc < 0)
        return rc;
    char *history = o->no_history ? NULL : history_path();
    rc = ch_line_open(&c->line, history, ch_chat_words, c, e);
    free(history);
    return rc;
}

static void greet(const ch_chatting *c)
{
    const char *slash = strrchr(c->path, '/');
    fprintf(stderr, "%s, %d tokens of context, format %s.  /help lists commands, Ctrl-D leaves.\n",
            slash && slash[1] ? slash + 1 : c->path, ch_session_context(c->session),
            ch_talk_format(c->talk));
    if (json_array_size(ch_talk_messages(c->talk)) > 0)
        fprintf(stderr, "%zu messages before; /show messages shows them.\n",
                json_array_size(ch_talk_messages(c->talk)));
}

int ch_cmd_chat(int argc, char **argv)
{
    struct options o = {.sampling = CH_SAMPLING};
    ch_err e = {0};
    int n_args;
    const int rc = ch_cli_parse(&o, NULL, &n_args, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    ch_chatting c = {.sampling = o.sampling,
                     .count = o.count,
                     .terminal = ch_cli_tty(stdin),
                     .status = ch_cli_tty(stdin) && !o.no_status};
    int code = CH_EXIT_OK;
    if (open_chat(&c, &o, &e) < 0) {
        code = ch_cli_fail(&e);
    } else {
        if (c.terminal)
            greet(&c);
        talk(&c);
        code = c.code;
    }
    ch_line_close(&c.line);
    ch_talk_close(&c.talk);
    ch_session_close(&c.session);
    ch_lora_close(&c.lora);
    ch_model_close(&c.model);
    ch_tokens_free(&c.broken);
    ch_tokenizer_close(&c.tk);
    return code;
}
