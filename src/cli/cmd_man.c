/* cmd_man.c - chalcis man: the manual page, for man(1)
 *
 * SPDX-License-Identifier: MIT */
#include "cli.h"

static const ch_opt no_opts;

int ch_cmd_man(int argc, char **argv)
{
    static const ch_usage usage = {
        .synopsis = "man",
        .about = "Writes the manual page: chalcis man | man -l -",
        .opts = &no_opts,
    };
    int n;
    const int rc = ch_cli_parse(NULL, NULL, &n, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    puts(".TH CHALCIS 1 \"\" \"chalcis " CHALCIS_VERSION "\" \"User Commands\"\n"
         ".SH NAME\n"
         "chalcis \\- train, shrink and run small language models on the CPU\n"
         ".SH SYNOPSIS\n"
         ".B chalcis\n.I COMMAND\n[options]\n.br\n"
         ".B chalcis help\n.I COMMAND\n"
         ".SH DESCRIPTION\n"
         "One program for the whole life of a small language model.  Results go to standard\n"
         "output, everything else to standard error.\n"
         ".SH COMMANDS");
    const int code = ch_cli_describe_all("man");
    puts(".SH EXIT STATUS\n"
         "0 done, 1 failed (one sentence says why), 2 wrong usage, 130 interrupted.\n"
         ".SH ENVIRONMENT\n"
         ".TP\n.B CHALCIS_CPU\n"
         CH_CPU_MASKS ": runs as a smaller CPU would; chalcis cpu shows what runs.");
    return code;
}
