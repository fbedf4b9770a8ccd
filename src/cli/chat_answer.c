/* chat_answer.c - a turn of chalcis chat: reading, answering, showing
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "chatting.h"

typedef struct answering {
    ch_chatting *c;
    char last; /* byte that was shown */
    int drawn;
    const char *stop;
} answering;

size_t ch_chat_shorten(ch_chatting *c, size_t by)
{
    json_t *m = ch_talk_messages(c->talk);
    size_t n = json_array_size(m);
    for (; by > 0 && n > 0; by--)
        json_array_remove(m, --n);
    return n;
}

static bool has_role(const json_t *message, const char *role)
{
    const char *is = json_string_value(json_object_get(message, "role"));
    return is && strcmp(is, role) == 0;
}

int ch_chat_last_user(ch_chatting *c)
{
    const json_t *m = ch_talk_messages(c->talk);
    int i = (int)json_array_size(m) - 1;
    while (i >= 0 && !has_role(json_array_get(m, (size_t)i), "user"))
        i--;
    return i;
}

bool ch_chat_last_is(ch_chatting *c, const char *role)
{
    const json_t *m = ch_talk_messages(c->talk);
    const size_t n = json_array_size(m);
    return n > 0 && has_role(json_array_get(m, n - 1), role);
}

/* Thoughts, tags and calls are dim, so that the answer stands out; hidden, they leave nothing. */
static void tell(void *arg, const ch_reply_event *event)
{
    answering *a = arg;
    const ch_chatting *c = a->c;
    const bool says = event->kind == CH_REPLY_CONTENT;
    if (!says && (event->kind == CH_REPLY_REASONING || event->kind == CH_REPLY_MARKUP) &&
        c->think == CH_THINK_HIDE)
        return;
    if (event->kind == CH_REPLY_MALFORMED || event->kind == CH_REPLY_UNFINISHED)
        return; /* its bytes come next */
    const char *dim = says || !c->colour ? "" : "\033[2m", *plain = *dim ? "\033[0m" : "";
    fputs(dim, stdout);
    if (event->kind == CH_REPLY_CALL) {
        putchar('[');
        ch_cli_put_text(stdout, event->name, strlen(event->name), true);
        putchar(' ');
        ch_cli_put_text(stdout, event->text, CH_MIN(event->n, (size_t)4096), true);
        puts("]");
    } else {
        ch_cli_put_text(stdout, event->text, event->n, true);
    }
    fputs(plain, stdout);
    fflush(stdout);
    if (event->n > 0)
        a->last = event->kind == CH_REPLY_CALL ? '\n' : event->text[event->n - 1];
}

/* ---- Ctrl-C ends the answer, however often it comes ---- */

static ch_session *volatile answers;
static volatile sig_atomic_t stopped;

static void on_interrupt(int sig)
{
    (void)sig;
    stopped = 1;
    ch_session_cancel(answers);
}

static void catch_interrupts(ch_session *s)
{
    const struct sigaction a = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    answers = s;
    stopped = 0;
    sigaction(SIGINT, &a, NULL);
}

/* Outside of answers a terminal has Ctrl-C as a key. */
static void let_go(const ch_chatting *c) { signal(SIGINT, c->terminal ? SIG_IGN : SIG_DFL); }

/* Was it meant for the answer before, and came as that ended? */
static bool late(int rc) { return rc == CH_ECANCELED && !stopped; }

static int most_tokens(const ch_chatting *c)
{
    const int left = ch_session_context(c->session) - ch_session_length(c->session);
    return c->count > 0 ? c->count : c->count < 0 ? INT32_MAX : CH_MAX(left / 2, 1);
}

static int write_answer(answering *a, ch_err *e)
{
    ch_chatting *c = a->c;
    const int most = most_tokens(c);
    bool more = true;
    int rc = CH_OK;
    a->stop = "count";
    while (rc == CH_OK && a->drawn < most) {
        rc = ch_talk_next(&more, c->talk, &c->sampling, e);
        if (late(rc)) {
            rc = CH_OK;
            continue;
        }
        if (rc == CH_OK && !more) {
            a->stop = ch_talk_stop(c->talk);
            break;
        }
        a->drawn += rc == CH_OK;
        if (ferror(stdout))
            rc = ch_fail(e, CH_EIO, "standard output was closed");
    }
    if (rc == CH_ECANCELED)
        a->stop = "interrupted";
    return rc;
}

static void print_status(const answering *a, const ch_session_stats *before)
{
    const ch_chatting *c = a->c;
    const ch_session_stats now = ch_session_get_stats(c->session);
    const double s = now.drawn_s - before->drawn_s;
    const uint64_t drawn = now.drawn_tokens - before->drawn_tokens;
    const char *why = strcmp(a->stop, "interrupted") == 0 ? ", stopped"
                      : strcmp(a->stop, "context") == 0   ? ", the context is full"
                      : strcmp(a->stop, "count") == 0     ? ", cut off"
                                                          : "";
    const int context = ch_session_context(c->session);
    fprintf(stderr, "%s[%d tokens%s, %.1f tok/s | read %llu | %d of %d left]%s\n",
            c->colour ? "\033[2m" : "", a->drawn, why,
            s > 0 ? (double)CH_MAX(drawn, (uint64_t)1) / s : 0,
            (unsigned long long)(now.prompt_tokens - before->prompt_tokens),
            context - ch_session_length(c->session), context, c->colour ? "\033[0m" : "");
}

void ch_chat_failed(ch_chatting *c, const char *why, int code)
{
    fprintf(stderr, "%s%s\n", c->terminal ? "" : "chalcis: ", why);
    if (!c->terminal) {
        c->leaves = true;
        c->code = code;
    }
}

static void say_failure(ch_chatting *c, const ch_err *e)
{
    const char *hint = e->code != CH_ELIMIT ? ""
                       : c->terminal ? "; /undo, /clear or a larger -c make room"
                                     : "; a larger -c makes room";
    char why[sizeof e->text + 100] = "(stopped; the message is not kept)";
    if (e->code == CH_ECANCELED) {
        ch_chat_failed(c, why, CH_EXIT_INTERRUPTED);
        return;
    }
    snprintf(why, sizeof why, "%s%s", e->text, hint);
    ch_chat_failed(c, why, CH_EXIT_FAILED);
}

/* The conversation ends in a message of the user.  False: there is no answer, and why is said. */
static bool answer(ch_chatting *c)
{
    answering a = {.c = c, .stop = ""};
    ch_err e = {0};
    const ch_session_stats before = ch_session_get_stats(c->session);
    ch_talk_tell(c->talk, tell, &a);
    catch_interrupts(c->session);
    int rc = ch_talk_read(c->talk, &e);
    if (late(rc))
        rc = ch_talk_read(c->talk, &e);
    if (rc == CH_OK)
        rc = write_answer(&a, &e);
    let_go(c);
    const bool interrupted = rc == CH_ECANCELED;
    if (rc == CH_OK || (interrupted && a.drawn > 0))
        rc = ch_talk_answered(c->talk, &e);
    if (a.last && a.last != '\n')
        putchar('\n');
    fflush(stdout);
    if (rc < 0)
        say_failure(c, &e);
    else if (c->status)
        print_status(&a, &before);
    if (interrupted && !c->terminal) {
        c->leaves = true;
        c->code = CH_EXIT_INTERRUPTED;
    }
    ch_talk_tell(c->talk, NULL, NULL);
    return rc == CH_OK;
}

void ch_chat_message(ch_chatting *c, const char *text, size_t n)
{
    ch_err e = {0};
    const size_t before = json_array_size(ch_talk_messages(c->talk));
    c->sampling.sample = 0;
    if (ch_talk_say(c->talk, "user", text, n, &e) < 0)
        say_failure(c, &e);
    else if (!answer(c))
        ch_chat_shorten(c, json_array_size(ch_talk_messages(c->talk)) - before);
}

void ch_chat_again(ch_chatting *c)
{
    json_t *m = ch_talk_messages(c->talk), *last = NULL;
    if (ch_chat_last_is(c, "assistant")) {
        last = json_incref(json_array_get(m, json_array_size(m) - 1));
        ch_chat_shorten(c, 1);
    }
    if (!ch_chat_last_is(c, "user")) {
        ch_chat_failed(c, "there is no message to answer", CH_EXIT_FAILED);
    } else {
        c->sampling.sample++;
        if (answer(c)) {
            json_decref(last);
            return;
        }
    }
    if (last)
        json_array_append_new(m, last); /* as it was */
}
