/* options.c - a command line into a struct, by a table
 *
 *   -n 5   -n5   --count 5   --count=5   --flag   --   (everything after it is an argument)
 *
 * SPDX-License-Identifier: MIT */
#include "cli.h"
#include "sample.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { NAME_MOST = 40 };

int ch_cli_usage(const char *command, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "chalcis %s: ", command);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, " (see chalcis %s --help)\n", command);
    va_end(ap);
    return CH_EXIT_USAGE;
}

/* ---- Help ---------------------------------------------------------------------------------- */

static void help_line(char letter, const char *name, const char *value, const char *text)
{
    char left[64];
    if (letter)
        snprintf(left, sizeof left, "-%c, --%s%s%s", letter, name, value ? " " : "",
                 value ? value : "");
    else
        snprintf(left, sizeof left, "    --%s%s%s", name, value ? " " : "", value ? value : "");
    printf("  %-28s %s\n", left, text);
}

void ch_cli_flag_name(char *out, size_t size, const char *field)
{
    snprintf(out, size, "%s", field);
    for (; *out; out++)
        if (*out == '_')
            *out = '-';
}

static void help_samplers(void)
{
    char text[256] = CH_CLI_SAMPLERS_HELP " [";
    for (const ch_sampling_param *s = ch_sampling_params; s->name; s++) {
        char name[NAME_MOST], help[128];
        ch_cli_flag_name(name, sizeof name, s->name);
        snprintf(help, sizeof help, "%s [%g]", s->help, s->or);
        help_line(0, name, "X", help);
    }
    for (int i = 0; i < CH_SAMPLERS; i++) {
        const size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s%s", ch_samplers[i].name,
                 i + 1 < CH_SAMPLERS ? ";" : "]");
    }
    help_line(0, CH_CLI_SAMPLERS, "NAMES", text);
}

static int print_help(const ch_usage *u)
{
    printf("usage: chalcis %s\n", u->synopsis);
    if (u->about)
        printf("\n%s\n", u->about);
    puts("\noptions:");
    for (const ch_opt *o = u->opts; o->name; o++) {
        char name[NAME_MOST];
        ch_cli_flag_name(name, sizeof name, o->name);
        if (o->kind == CH_OPT_TITLE)
            printf(" %s\n", o->help);
        else if (o->help)
            help_line(o->letter, name, o->value, o->help);
    }
    if (u->samplers)
        help_samplers();
    help_line('h', "help", NULL, "this text");
    if (u->more)
        u->more();
    return CH_EXIT_OK;
}

/* ---- Values -------------------------------------------------------------------------------- */

static int number(double *out, const char *command, const char *name, const char *text, bool whole,
                  double least, double most)
{
    char *end;
    errno = 0;
    const double x = strtod(text, &end);
    if (end == text || *end != '\0' || errno == ERANGE || !isfinite(x) || (whole && x != floor(x)))
        return ch_cli_usage(command, "--%s wants a %s, not \"%.40s\"", name,
                            whole ? "whole number" : "number", text);
    if ((least != 0 || most != 0) && (x < least || x > most))
        return ch_cli_usage(command, "--%s is %g, allowed are %g to %g", name, x, least, most);
    *out = x;
    return -1;
}

static int unsigned_number(uint64_t *out, const char *command, const char *name, const char *text)
{
    char *end;
    errno = 0;
    const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    *out = strtoull(text, &end, hex ? 16 : 10);
    if (end == text || *end != '\0' || errno == ERANGE || *text < '0' || *text > '9')
        return ch_cli_usage(command, "--%s wants a whole number from 0 to 2^64-1, not \"%.40s\"",
                            name, text);
    return -1;
}

/* What is chosen fits into a double, as readers of JSON may keep it. */
static int seed(uint64_t *out, const char *command, const char *name, const char *text)
{
    if (strcmp(text, "random") != 0 && strcmp(text, "-1") != 0)
        return unsigned_number(out, command, name, text);
    if (getrandom(out, sizeof *out, 0) != (ssize_t)sizeof *out)
        return ch_cli_usage(command, "the system gives no random seed: %s", strerror(errno));
    *out >>= 11;
    return -1;
}

static int set_value(void *into, const char *command, const ch_usage *u, const ch_opt *o,
                     const char *text)
{
    char *field = (char *)into + o->field;
    double x = 0;
    int rc = -1;
    switch (o->kind) {
    case CH_OPT_FLAG: *(bool *)field = true; break;
    case CH_OPT_STR: *(const char **)field = text; break;
    case CH_OPT_U64: rc = unsigned_number((uint64_t *)field, command, o->name, text); break;
    case CH_OPT_SEED: rc = seed((uint64_t *)field, command, o->name, text); break;
    case CH_OPT_REAL:
        rc = number(&x, command, o->name, text, false, o->least, o->most);
        if (rc < 0)
            *(double *)field = x;
        break;
    case CH_OPT_INT:
        rc = number(&x, command, o->name, text, true,
                    o->least != 0 || o->most != 0 ? o->least : INT32_MIN,
                    o->least != 0 || o->most != 0 ? o->most : INT32_MAX);
        if (rc < 0)
            *(int *)field = (int)x;
        break;
    case CH_OPT_LIST: {
        ch_list *l = (ch_list *)field;
        if (l->n == (int)CH_COUNT(l->at))
            return ch_cli_usage(command, "--%s may be given %d times", o->name, l->n);
        l->at[l->n++] = text;
        break;
    }
    case CH_OPT_CALL: return u->set(into, o, text);
    case CH_OPT_TITLE: break;
    }
    return rc;
}

/* ---- Finding the option that a word names -------------------------------------------------- */

struct found {
    const ch_opt *opt;
    const ch_sampling_param *param;
    bool order; /* of samplers */
};

/* Is name[0..n) this option, '-' or '_' between its words? */
static bool is_name(const char *of, const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (of[i] != name[i] && !(strchr("-_", of[i]) && strchr("-_", name[i])))
            return false;
    return of[n] == '\0';
}

static struct found find_long(const ch_usage *u, const char *name, size_t n)
{
    for (const ch_opt *o = u->opts; o->name; o++)
        if (o->kind != CH_OPT_TITLE && strlen(o->name) == n && is_name(o->name, name, n))
            return (struct found){.opt = o};
    for (const ch_sampling_param *s = ch_sampling_params; u->samplers && s->name; s++)
        if (strlen(s->name) == n && is_name(s->name, name, n))
            return (struct found){.param = s};
    const bool order = u->samplers && n == strlen(CH_CLI_SAMPLERS) &&
                       is_name(CH_CLI_SAMPLERS, name, n);
    return (struct found){.order = order};
}

static struct found find_word(const ch_usage *u, const char *word, const char **value)
{
    struct found f = {0};
    *value = NULL;
    if (word[1] == '-') {
        const char *eq = strchr(word, '=');
        f = find_long(u, word + 2, eq ? (size_t)(eq - word - 2) : strlen(word + 2));
        *value = eq ? eq + 1 : NULL;
        return f;
    }
    for (const ch_opt *o = u->opts; o->name; o++)
        if (word[2] && !o->help && o->kind != CH_OPT_TITLE && strcmp(o->name, word + 1) == 0)
            return (struct found){.opt = o}; /* -ctk: others' name for it */
    for (const ch_opt *o = u->opts; o->name; o++)
        if (o->letter == word[1])
            f.opt = o;
    if (f.opt && f.opt->kind != CH_OPT_FLAG && word[2])
        *value = word + 2;
    else if (word[2])
        f.opt = NULL; /* flags are not glued together */
    return f;
}

static int unknown(const char *command, const ch_usage *u, const char *word)
{
    char name[NAME_MOST];
    ch_nearest n = {.wanted = word + 2, .size = (int)strcspn(word + 2, "=")};
    if (word[1] != '-')
        return ch_cli_usage(command, "there is no option \"%.40s\"", word);
    for (const ch_opt *o = u->opts; o->name; o++)
        if (o->kind != CH_OPT_TITLE && o->help)
            ch_cli_nearer(&n, o->name);
    for (const ch_sampling_param *s = ch_sampling_params; u->samplers && s->name; s++) {
        ch_cli_flag_name(name, sizeof name, s->name);
        ch_cli_nearer(&n, name);
    }
    if (!n.name[0])
        return ch_cli_usage(command, "there is no option \"%.40s\"", word);
    return ch_cli_usage(command, "there is no option \"%.40s\"; did you mean --%s?", word, n.name);
}

static int set_order(void *into, const char *command, const ch_usage *u, const char *text)
{
    ch_err e;
    if (ch_sampling_order((ch_sampling *)((char *)into + u->sampling), text, &e) < 0)
        return ch_cli_usage(command, "--" CH_CLI_SAMPLERS ": %s", e.text);
    return -1;
}

static int set_param(void *into, const char *command, const ch_usage *u,
                     const ch_sampling_param *s, const char *text)
{
    char name[NAME_MOST];
    ch_cli_flag_name(name, sizeof name, s->name);
    return number((double *)((char *)into + u->sampling + s->field), command, name, text, false,
                  s->least, s->most);
}

int ch_cli_parse(void *into, const char **args, int *n_args, int argc, char **argv,
                 const ch_usage *u)
{
    int n = 0;
    bool only_args = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value;
        if (!only_args && strcmp(word, "--") == 0) {
            only_args = true;
            continue;
        }
        if (only_args || word[0] != '-' || word[1] == '\0') {
            if (n == u->most_args)
                return ch_cli_usage(argv[0], "\"%.60s\" is one argument too many", word);
            args[n++] = word;
            continue;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
            return print_help(u);
        if (strncmp(word, CH_CLI_DESCRIBE, sizeof CH_CLI_DESCRIBE - 1) == 0)
            return ch_cli_describe(word + sizeof CH_CLI_DESCRIBE - 1, argv[0], u);
        const struct found f = find_word(u, word, &value);
        if (!f.opt && !f.param && !f.order)
            return unknown(argv[0], u, word);
        const bool flag = f.opt && f.opt->kind == CH_OPT_FLAG;
        if (flag && value)
            return ch_cli_usage(argv[0], "--%s takes no value", f.opt->name);
        if (!flag && !value && ++i == argc)
            return ch_cli_usage(argv[0], "\"%.40s\" wants a value", word);
        if (!flag && !value)
            value = argv[i];
        const int rc = f.opt     ? set_value(into, argv[0], u, f.opt, value)
                       : f.param ? set_param(into, argv[0], u, f.param, value)
                                 : set_order(into, argv[0], u, value);
        if (rc >= 0)
            return rc;
    }
    if (n < u->least_args)
        return ch_cli_usage(argv[0], "%d argument%s given, %d needed", n,
                            n == 1 ? " was" : "s were", u->least_args);
    *n_args = n;
    return -1;
}
