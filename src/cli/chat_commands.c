/* chat_commands.c - chalcis chat: what is typed behind a slash
 *
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chatting.h"

typedef void command_fn(ch_chatting *c, const char *text);
#define COMMAND(name, arguments, help) static command_fn do_##name;
#include "chat_commands.def"
#undef COMMAND

static const struct {
    const char *name, *arguments, *help;
    command_fn *run;
} commands[] = {
#define COMMAND(name, arguments, help) {#name, arguments, help, do_##name},
#include "chat_commands.def"
#undef COMMAND
};

/* As other programs call them. */
static const char *const aliases[][2] = {{"?", "help"}, {"bye", "exit"}, {"quit", "exit"}};

static void complain(ch_chatting *c, const char *why) { ch_chat_failed(c, why, CH_EXIT_FAILED); }

/* ---- Settings -------------------------------------------------------------------------------- */

static const char *const thinks[] = {"", "on", "off", "hide"};

/* Templates that know of it read a variable; the others go on as they would have. */
static void note_think(ch_chatting *c)
{
    if (c->think != CH_THINK_HIDE && !c->told_think && !ch_talk_thinks(c->talk)) {
        fprintf(stderr, "note: the format %s has no enable_thinking: think %s changes nothing\n",
                ch_talk_format(c->talk), thinks[c->think]);
        c->told_think = true;
    }
}

int ch_chat_think(ch_chatting *c, const char *how, ch_err *e)
{
    for (int i = CH_THINK_ON; i <= CH_THINK_HIDE; i++)
        if (strcmp(how, thinks[i]) == 0) {
            c->think = (ch_think)i;
            note_think(c);
            return ch_talk_set(c->talk, "enable_thinking", json_boolean(i != CH_THINK_OFF), e);
        }
    return ch_fail(e, CH_EARG, "think is on, off or hide, not \"%.40s\"", how);
}

static int set_status(ch_chatting *c, const char *how, ch_err *e)
{
    if (strcmp(how, "on") != 0 && strcmp(how, "off") != 0)
        return ch_fail(e, CH_EARG, "status is on or off, not \"%.40s\"", how);
    c->status = strcmp(how, "on") == 0;
    return CH_OK;
}

static double *param_value(ch_sampling *s, const ch_sampling_param *i)
{
    return (double *)((char *)s + i->field);
}

/* top-k, top_k */
static const ch_sampling_param *find_param(const char *name)
{
    char flag[64], given[64];
    ch_cli_flag_name(given, sizeof given, name);
    for (const ch_sampling_param *i = ch_sampling_params; i->name; i++) {
        ch_cli_flag_name(flag, sizeof flag, i->name);
        if (strcmp(flag, given) == 0)
            return i;
    }
    return NULL;
}

static int set_number(ch_chatting *c, const char *name, const char *value, ch_err *e)
{
    const ch_sampling_param *param = find_param(name);
    ch_sampling how = c->sampling;
    char *end;
    errno = 0;
    const double x = strtod(value, &end);
    const bool whole = x >= -1 && x <= 1e9 && x == (double)(int)x;
    if (end == value || *end || errno == ERANGE)
        return ch_fail(e, CH_EARG, "%.40s wants a number, not \"%.40s\"", name, value);
    if (param) {
        *param_value(&how, param) = x;
    } else if (strcmp(name, "count") == 0 && whole) {
        c->count = (int)x;
    } else if (strcmp(name, "seed") == 0 && *value != '-') {
        how.seed = strtoull(value, &end, 0);
        if (*end || errno == ERANGE)
            return ch_fail(e, CH_EARG, "seed is a whole number from 0 to 2^64-1");
    } else if (strcmp(name, "count") == 0 || strcmp(name, "seed") == 0) {
        return ch_fail(e, CH_EARG, "%s is a whole number from %s, not %s", name,
                       *name == 'c' ? "-1 to 1e9" : "0 to 2^64-1", value);
    } else {
        return ch_fail(e, CH_EARG, "there is no setting \"%.40s\"; /set shows them", name);
    }
    ch_model_info info;
    ch_model_get_info(&info, c->model);
    const int rc = ch_sampling_check(&how, info.vocab, e);
    if (rc == CH_OK)
        c->sampling = how;
    return rc;
}

static void print_settings(ch_chatting *c)
{
    for (const ch_sampling_param *i = ch_sampling_params; i->name; i++) {
        char flag[64];
        ch_cli_flag_name(flag, sizeof flag, i->name);
        printf("  %-18s %-8g %s\n", flag, *param_value(&c->sampling, i), i->help);
    }
    unsigned char step[CH_SAMPLERS];
    const int n = ch_sampling_steps(step, &c->sampling);
    printf("  %-18s ", "samplers");
    for (int i = 0; i < n; i++)
        printf("%s%s", ch_samplers[step[i]].name, i + 1 < n ? ";" : "");
    puts("");
    printf("  %-18s %-8llu same seed, same conversation\n", "seed",
           (unsigned long long)c->sampling.seed);
    printf("  %-18s %-8d most tokens of an answer (-1: what fits; 0: half of that)\n", "count",
           c->count);
    printf("  %-18s %-8s whether the model thinks, and whether that is shown (on, off, hide)\n",
           "think", c->think ? thinks[c->think] : "-");
    printf("  %-18s %-8s a line of numbers after each answer (on, off)\n", "status",
           c->status ? "on" : "off");
}

static void do_set(ch_chatting *c, const char *text)
{
    char name[64];
    ch_err e = {0};
    const size_t n = strcspn(text, " \t");
    const char *value = text + n + strspn(text + n, " \t");
    if (!*text) {
        print_settings(c);
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)CH_MIN(n, sizeof name - 1), text);
    int rc = strcmp(name, "think") == 0    ? ch_chat_think(c, value, &e)
             : strcmp(name, "status") == 0 ? set_status(c, value, &e)
             : strcmp(name, "samplers") == 0
                 ? ch_sampling_order(&c->sampling, value, &e)
                                           : set_number(c, name, value, &e);
    if (rc < 0)
        complain(c, e.text);
}

/* ---- The conversation ------------------------------------------------------------------------ */

static json_t *system_message(ch_chatting *c)
{
    json_t *m = json_array_get(ch_talk_messages(c->talk), 0);
    const char *role = json_string_value(json_object_get(m, "role"));
    return role && strcmp(role, "system") == 0 ? m : NULL;
}

int ch_chat_system(ch_chatting *c, const char *text, ch_err *e)
{
    json_t *list = ch_talk_messages(c->talk), *m = NULL;
    if (text) {
        m = json_pack("{s:s, s:s}", "role", "system", "content", text);
        if (!m)
            return ch_fail(e, CH_EARG, "the system message is not UTF-8");
    }
    if (system_message(c))
        json_array_remove(list, 0);
    return !m || json_array_insert_new(list, 0, m) == 0
               ? CH_OK
               : ch_fail(e, CH_ENOMEM, "no memory for a message");
}

/* What a file said is not for the terminal to obey. */
static void print_text(const char *text, const char *behind)
{
    ch_cli_put_text(stdout, text, strlen(text), true);
    fputs(behind, stdout);
}

static void do_system(ch_chatting *c, const char *text)
{
    ch_err e = {0};
    const json_t *m = system_message(c);
    const char *is = m ? json_string_value(json_object_get(m, "content")) : NULL;
    if (!*text)
        print_text(is ? is : "there is no system message", "\n");
    else if (ch_chat_system(c, strcmp(text, "-") == 0 ? NULL : text, &e) < 0)
        complain(c, e.text);
}

static void print_messages(ch_chatting *c)
{
    size_t i;
    json_t *m;
    json_array_foreach(ch_talk_messages(c->talk), i, m) {
        const char *role = json_string_value(json_object_get(m, "role"));
        const json_t *text = json_object_get(m, "content");
        fputs(c->colour ? "\033[1m" : "", stdout);
        print_text(role ? role : "?", c->colour ? ":\033[0m " : ": ");
        if (json_is_string(text))
            ch_cli_put_text(stdout, json_string_value(text), json_string_length(text), true);
        puts("");
    }
}

static void do_show(ch_chatting *c, const char *text)
{
    ch_model_info info;
    if (strcmp(text, "messages") == 0) {
        print_messages(c);
        return;
    }
    ch_model_get_info(&info, c->model);
    printf("  model              %s (%s, %.3g M parameters)\n", c->path, info.arch,
           (double)info.parameters * 1e-6);
    printf("  format             %s\n", ch_talk_format(c->talk));
    printf("  context            %d of %d tokens left, made for %d\n",
           ch_session_context(c->session) - ch_session_length(c->session),
           ch_session_context(c->session), info.context);
    printf("  messages           %zu\n", json_array_size(ch_talk_messages(c->talk)));
    print_settings(c);
}

static void do_save(ch_chatting *c, const char *text)
{
    ch_err e = {0};
    if (!*text)
        complain(c, "/save wants the name of a file");
    else if (ch_talk_save(c->talk, text, &e) < 0)
        complain(c, e.text);
    else
        printf("saved %zu messages, %d tokens\n", json_array_size(ch_talk_messages(c->talk)),
               ch_session_length(c->session));
}

static void do_load(ch_chatting *c, const char *text)
{
    ch_err e = {0};
    if (!*text)
        complain(c, "/load wants the name of a file");
    else if (ch_talk_load(c->talk, text, &e) < 0)
        complain(c, e.text);
    else
        printf("loaded %zu messages, %d tokens\n", json_array_size(ch_talk_messages(c->talk)),
               ch_session_length(c->session));
}

static void do_regen(ch_chatting *c, const char *text)
{
    (void)text;
    ch_chat_again(c);
}

static void do_undo(ch_chatting *c, const char *text)
{
    (void)text;
    const int last = ch_chat_last_user(c);
    const size_t n = json_array_size(ch_talk_messages(c->talk));
    if (last < 0)
        complain(c, "there is no message to take back");
    else
        printf("%zu messages are left\n", ch_chat_shorten(c, n - (size_t)last));
}

static void do_clear(ch_chatting *c, const char *text)
{
    const size_t keep = system_message(c) != NULL;
    (void)text;
    ch_chat_shorten(c, json_array_size(ch_talk_messages(c->talk)) - keep);
}

static void do_exit(ch_chatting *c, const char *text)
{
    (void)text;
    c->leaves = true;
}

static void do_help(ch_chatting *c, const char *text)
{
    (void)c;
    (void)text;
    for (size_t i = 0; i < CH_COUNT(commands); i++) {
        char left[40];
        snprintf(left, sizeof left, "/%s %s", commands[i].name, commands[i].arguments);
        printf("  %-20s %s\n", left, commands[i].help);
    }
    puts("\n  A message of several lines stands between \"\"\" and \"\"\"; pasted text is one\n"
         "  message, whatever lines it has, and waits for Enter.  Ctrl-C stops an answer, which\n"
         "  stays as far as it came, or empties the line; Ctrl-D leaves; Tab completes commands.");
}

/* ---- Finding them ---------------------------------------------------------------------------- */

static const char *alias(const char *name)
{
    for (size_t i = 0; i < CH_COUNT(aliases); i++)
        if (strcmp(name, aliases[i][0]) == 0)
            return aliases[i][1];
    return name;
}

void ch_chat_command(ch_chatting *c, const char *text)
{
    char name[16];
    const size_t n = strcspn(text + 1, " \t\n");
    const char *rest = text + 1 + n + strspn(text + 1 + n, " \t\n");
    snprintf(name, sizeof name, "%.*s", (int)CH_MIN(n, sizeof name), text + 1);
    for (size_t i = 0; i < CH_COUNT(commands); i++)
        if (strcmp(alias(name), commands[i].name) == 0) {
            commands[i].run(c, rest);
            fflush(stdout);
            return;
        }
    ch_err e = {0};
    ch_fail(&e, CH_EARG, "there is no command \"/%.15s\"; /help lists them, and a message that "
                         "begins with / has a blank before it",
            name);
    complain(c, e.text);
}

/* The k-th of the settings' names, as /set takes them. */
static const char *setting(int k)
{
    static const char *const own[] = {"seed", "count", "think", "status", "samplers"};
    if (k < (int)CH_COUNT(own))
        return own[k];
    k -= (int)CH_COUNT(own);
    for (int i = 0; ch_sampling_params[i].name; i++)
        if (i == k)
            return ch_sampling_params[i].name;
    return NULL;
}

const char *ch_chat_words(void *arg, const char *text, size_t n, int i, size_t *cut)
{
    static const char set[] = "/set ";
    const size_t before = sizeof set - 1;
    const bool settings = n >= before && memcmp(text, set, before) == 0;
    (void)arg;
    if (n == 0 || text[0] != '/' || (!settings && memchr(text, ' ', n)))
        return NULL;
    *cut = settings ? n - before : n - 1;
    for (int k = 0;; k++) {
        const char *w = settings                     ? setting(k)
                        : k < (int)CH_COUNT(commands) ? commands[k].name
                                                      : NULL;
        if (!w)
            return NULL;
        if (strncmp(w, text + n - *cut, *cut) == 0 && i-- == 0)
            return w;
    }
}
