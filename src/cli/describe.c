/* describe.c - a command's options as completions of a shell, or as part of the manual page
 *
 * `chalcis completion` and `chalcis man` ask every command for its part: the tables that options
 * are read by are what is written down.  SPDX-License-Identifier: MIT */
#include "cli.h"
#include "sample.h"

#include <string.h>

enum { NAME_MOST = 40 };

struct row {
    char letter;
    char name[NAME_MOST];
    const char *value, *help; /* value NULL: a flag */
};

typedef void row_fn(const char *command, const struct row *r);

static void each(const char *command, const ch_usage *u, row_fn *fn)
{
    for (const ch_opt *o = u->opts; o->name; o++) {
        struct row r = {.letter = o->letter, .value = o->value, .help = o->help};
        if (o->kind == CH_OPT_TITLE || !o->help)
            continue;
        ch_cli_flag_name(r.name, sizeof r.name, o->name);
        fn(command, &r);
    }
    for (const ch_sampling_param *s = ch_sampling_params; u->samplers && s->name; s++) {
        struct row r = {.value = "X", .help = s->help};
        ch_cli_flag_name(r.name, sizeof r.name, s->name);
        fn(command, &r);
    }
    if (u->samplers)
        fn(command, &(struct row){
                        .name = CH_CLI_SAMPLERS, .value = "NAMES", .help = CH_CLI_SAMPLERS_HELP});
    fn(command, &(struct row){.letter = 'h', .name = "help", .help = "show the options"});
}

/* text with a backslash before each of `special`. */
static void escaped(const char *text, const char *special)
{
    for (; *text; text++) {
        if (strchr(special, *text))
            putchar('\\');
        putchar(*text);
    }
}

/* ---- Shells ---------------------------------------------------------------------------------- */

static void bash_row(const char *command, const struct row *r)
{
    (void)command;
    if (r->letter)
        printf(" -%c", r->letter);
    printf(" --%s", r->name);
}

/* Text within single quotes of zsh: the quote itself becomes a typographic one. */
static void zsh_text(const char *text)
{
    for (; *text; text++) {
        if (strchr("[]:\\", *text))
            putchar('\\');
        fputs(*text == '\'' ? "\xe2\x80\x99" : (char[]){*text, '\0'}, stdout);
    }
}

static void zsh_row(const char *command, const struct row *r)
{
    (void)command;
    fputs("            ", stdout);
    if (r->letter)
        printf("'(-%c --%s)'{-%c,--%s}'[", r->letter, r->name, r->letter, r->name);
    else
        printf("'--%s[", r->name);
    zsh_text(r->help);
    putchar(']');
    if (r->value) {
        putchar(':');
        zsh_text(r->value);
        fputs(":_files", stdout);
    }
    fputs("' \\\n", stdout);
}

static void fish_row(const char *command, const struct row *r)
{
    printf("complete -c chalcis -n '__fish_seen_subcommand_from %s'", command);
    if (r->letter)
        printf(" -s %c", r->letter);
    printf(" -l %s%s -d '", r->name, r->value ? " -r" : "");
    escaped(r->help, "'\\");
    puts("'");
}

/* ---- The manual page ------------------------------------------------------------------------- */

/* Hyphens that are typed, backslashes, and lines that would be requests. */
static void roff(const char *text)
{
    for (bool begins = true; *text; text++) {
        if (begins && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        begins = *text == '\n';
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
    }
}

static void man_row(const char *command, const struct row *r)
{
    (void)command;
    puts(".TP");
    if (r->letter)
        printf("\\fB\\-%c\\fR, ", r->letter);
    fputs("\\fB\\-\\-", stdout);
    roff(r->name);
    fputs("\\fR", stdout);
    if (r->value) {
        fputs(" \\fI", stdout);
        roff(r->value);
        fputs("\\fR", stdout);
    }
    putchar('\n');
    roff(r->help);
    putchar('\n');
}

static void man_command(const char *command, const ch_usage *u)
{
    printf(".SS %s\n.nf\n", command);
    fputs("\\fBchalcis\\fR ", stdout);
    roff(u->synopsis);
    puts("\n.fi");
    if (u->about) {
        puts(".PP");
        roff(u->about);
        putchar('\n');
    }
    each(command, u, man_row);
}

int ch_cli_describe(const char *how, const char *command, const ch_usage *u)
{
    if (strcmp(how, "bash") == 0) {
        printf("    %s) words='", command);
        each(command, u, bash_row);
        puts("' ;;");
    } else if (strcmp(how, "zsh") == 0) {
        printf("        %s)\n            _arguments -s \\\n", command);
        each(command, u, zsh_row);
        puts("            '*:file:_files' ;;");
    } else if (strcmp(how, "fish") == 0) {
        each(command, u, fish_row);
    } else if (strcmp(how, "man") == 0) {
        man_command(command, u);
    } else {
        return ch_cli_usage(command, "it cannot be described as \"%.20s\"", how);
    }
    return CH_EXIT_OK;
}

/* ---- All commands ---------------------------------------------------------------------------- */

int ch_cli_describe_all(const char *how)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
#define CMD(name, help) {#name, ch_cmd_##name},
#include "cmds.def"
#undef CMD
    };
    int code = CH_EXIT_OK;
    for (size_t i = 0; i < CH_COUNT(commands) && code == CH_EXIT_OK; i++) {
        char name[32], word[32];
        char *argv[] = {name, word, NULL};
        snprintf(name, sizeof name, "%s", commands[i].name);
        snprintf(word, sizeof word, CH_CLI_DESCRIBE "%s", how);
        code = commands[i].run(2, argv);
    }
    return code;
}
