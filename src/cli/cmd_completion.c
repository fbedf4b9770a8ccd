/* cmd_completion.c - chalcis completion: what a shell knows of the program
 *
 *     chalcis completion bash >~/.local/share/bash-completion/completions/chalcis
 *
 * SPDX-License-Identifier: MIT */
#include "cli.h"

#include <string.h>

static const struct {
    const char *name, *help;
} commands[] = {
#define CMD(name, help) {#name, help},
#include "cmds.def"
#undef CMD
};

static const ch_opt no_opts[] = {{0}};

static int bash(void)
{
    puts("# bash completion of chalcis, made by `chalcis completion bash`\n"
         "_chalcis()\n{\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} words=\n"
         "  if [ \"$COMP_CWORD\" -eq 1 ]; then");
    fputs("    words='help", stdout);
    for (size_t i = 0; i < CH_COUNT(commands); i++)
        printf(" %s", commands[i].name);
    puts("'\n    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n    return\n  fi\n"
         "  case ${COMP_WORDS[1]} in");
    const int code = ch_cli_describe_all("bash");
    puts("  esac\n"
         "  case $word in\n"
         "    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$word\")) ;;\n"
         "    *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n"
         "  esac\n}\n"
         "complete -o filenames -F _chalcis chalcis");
    return code;
}

static int zsh(void)
{
    puts("#compdef chalcis\n"
         "# zsh completion of chalcis, made by `chalcis completion zsh`\n"
         "_chalcis() {\n"
         "    if (( CURRENT == 2 )); then\n"
         "        local -a names=(");
    for (size_t i = 0; i < CH_COUNT(commands); i++)
        printf("            '%s:%s'\n", commands[i].name, commands[i].help);
    puts("        )\n"
         "        _describe command names\n"
         "        return\n"
         "    fi\n"
         "    local name=$words[2]\n"
         "    shift words\n"
         "    (( CURRENT-- ))\n"
         "    case $name in");
    const int code = ch_cli_describe_all("zsh");
    puts("    esac\n}\n_chalcis \"$@\"");
    return code;
}

static int fish(void)
{
    puts("# fish completion of chalcis, made by `chalcis completion fish`");
    for (size_t i = 0; i < CH_COUNT(commands); i++)
        printf("complete -c chalcis -f -n __fish_use_subcommand -a %s -d '%s'\n",
               commands[i].name, commands[i].help);
    return ch_cli_describe_all("fish");
}

int ch_cmd_completion(int argc, char **argv)
{
    static const ch_usage usage = {
        .synopsis = "completion bash|zsh|fish",
        .about = "Writes a script that lets a shell complete commands and options.",
        .opts = no_opts,
        .least_args = 1,
        .most_args = 1,
    };
    const char *shell;
    int n;
    const int rc = ch_cli_parse(NULL, &shell, &n, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    if (strcmp(shell, "bash") == 0)
        return bash();
    if (strcmp(shell, "zsh") == 0)
        return zsh();
    if (strcmp(shell, "fish") == 0)
        return fish();
    return ch_cli_usage("completion", "\"%.20s\" is no shell it knows: bash, zsh, fish", shell);
}
