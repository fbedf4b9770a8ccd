/* main.c - which command
 *
 * SPDX-License-Identifier: MIT */
#include "cli.h"

#include <string.h>
#include <unistd.h>

#include "guard.h"
#include "kernel.h"

static const struct {
    const char *name, *help;
    int (*run)(int argc, char **argv);
} commands[] = {
#define CMD(name, help) {#name, help, ch_cmd_##name},
#include "cmds.def"
#undef CMD
};

static int find(const char *name)
{
    int i = 0;
    while (i < (int)CH_COUNT(commands) && strcmp(name, commands[i].name) != 0)
        i++;
    return i < (int)CH_COUNT(commands) ? i : -1;
}

static int unknown(const char *name)
{
    ch_nearest n = {.wanted = name, .size = (int)strnlen(name, INT16_MAX)};
    for (size_t i = 0; i < CH_COUNT(commands); i++)
        ch_cli_nearer(&n, commands[i].name);
    fprintf(stderr, "chalcis: there is no command \"%.40s\"; ", name);
    if (n.name[0])
        fprintf(stderr, "did you mean %s? ", n.name);
    fprintf(stderr, "chalcis --help lists them\n");
    return CH_EXIT_USAGE;
}

static void help(FILE *to)
{
    fputs("chalcis " CHALCIS_VERSION
          " - train, shrink and run small language models on the CPU\n\n"
          "usage: chalcis COMMAND [options]        chalcis COMMAND --help\n\n",
          to);
    for (size_t i = 0; i < CH_COUNT(commands); i++)
        fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].help);
    fputs("\nCHALCIS_CPU=" CH_CPU_MASKS " runs as a smaller CPU would.\n", to);
}

/* A mapped file was cut, or its disk failed: what is computed with it would be wrong. */
static void on_bus(int sig, siginfo_t *info, void *context)
{
    static const char before[] = "chalcis: ";
    static const char after[] = ": a part of it could not be read while it was in use\n";
    (void)context;
    const char *path = info->si_code > 0 ? ch_guard_path(info->si_addr) : NULL;
    if (!path) {
        signal(sig, SIG_DFL);
        if (info->si_code <= 0)
            raise(sig);
        return;
    }
    const bool told = write(STDERR_FILENO, before, sizeof before - 1) > 0 &&
                      write(STDERR_FILENO, path, strlen(path)) > 0 &&
                      write(STDERR_FILENO, after, sizeof after - 1) > 0;
    _exit(told ? CH_EXIT_FAILED : 128 + sig);
}

static void watch_files(void)
{
    const struct sigaction a = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
    if (sigaction(SIGBUS, &a, NULL) == 0)
        ch_guard_watch();
}

int main(int argc, char **argv)
{
    watch_files();
    /* A reader that goes away shows up as a write error, with a sentence, not as a silent death.
     */
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        help(stderr);
        return CH_EXIT_USAGE;
    }
    const bool asked = strcmp(argv[1], "help") == 0;
    if (asked && argc > 2) {
        char *words[] = {argv[2], (char[]){"--help"}, NULL};
        const int about = find(argv[2]);
        return about < 0 ? unknown(argv[2]) : ch_cli_finish(commands[about].run(2, words));
    }
    if (asked || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help(stdout);
        return ch_cli_finish(CH_EXIT_OK);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        puts("chalcis " CHALCIS_VERSION);
        return ch_cli_finish(CH_EXIT_OK);
    }
    const int command = find(argv[1]);
    if (command < 0)
        return unknown(argv[1]);
    return ch_cli_finish(commands[command].run(argc - 1, argv + 1));
}
