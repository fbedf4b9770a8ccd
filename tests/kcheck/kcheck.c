/* kcheck.c - every kernel variant that this CPU can run against plain C
 *
 *   kcheck [--time] [NAME]      NAME: only variants whose name starts so
 *
 * TAP: one line a variant of kernels.def; a variant the CPU (or CHALCIS_CPU) lacks is skipped, a
 * family that no file here knows fails.  SPDX-License-Identifier: MIT */
#include "kcheck.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGES = 5 }; /* a variant */

static int messages;
static const ch_variant *volatile running;

bool kcheck_fail(const char *fmt, ...)
{
    va_list args;
    if (messages++ >= MESSAGES)
        return false;
    printf("# ");
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
    return false;
}

/* ---- Time ---------------------------------------------------------------------------------- */

/* Seconds of one call, over so many calls that they take about `least` seconds. */
static double seconds(ch_any_fn *fn, kcheck_run *run, void *arg, double least, long *calls)
{
    for (;;) {
        const uint64_t start = ch_clock_ns();
        for (long i = 0; i < *calls; i++)
            run(fn, arg);
        const double took = (double)(ch_clock_ns() - start) / 1e9;
        if (took >= least / 2)
            return took / (double)*calls;
        *calls = took > least / 1000 ? (long)((double)*calls * least / took) + 1 : *calls * 10;
    }
}

void kcheck_time(const char *label, const ch_variant *v, const ch_variant *c, kcheck_run *run,
                 void *arg, double amount, const char *unit)
{
    double best_v = 0, best_c = 0;
    long calls_v = 1, calls_c = 1;
    for (int round = 0; round < 40;
         round++) { /* short ones: some of them are disturbed by nobody */
        const double tv = seconds(v->fn, run, arg, 0.003, &calls_v);
        best_v = round == 0 || tv < best_v ? tv : best_v;
        if (round % 20 == 0) { /* plain C is slow, and its figure needs fewer digits */
            const double tc = seconds(c->fn, run, arg, 0.003, &calls_c);
            best_c = round == 0 || tc < best_c ? tc : best_c;
        }
    }
    printf("#   %-26s %-22s %8.1f %-6s %8.1f x C\n", v->name, label, amount / best_v / 1e9, unit,
           best_c / best_v);
    fflush(stdout);
}

/* ---- Faults -------------------------------------------------------------------------------- */

/* A variant touched the page behind a slot: the others would not be checked, so all ends here. */
static void stop_at_fault(int sig)
{
    static const char text[] = "\nBail out! touched memory that it was not given: ";
    const ch_variant *v = running;
    ssize_t written = write(STDOUT_FILENO, text, sizeof text - 1);
    if (v)
        written = write(STDOUT_FILENO, v->name, strlen(v->name));
    written = write(STDOUT_FILENO, "\n", 1);
    (void)written;
    signal(sig, SIG_DFL);
    raise(sig);
}

/* ---- The walk ------------------------------------------------------------------------------ */

static const kcheck_family *family_of(const ch_variant *v)
{
    const kcheck_family *const lists[] = {kcheck_gemm, kcheck_i16, kcheck_rows,
                                           kcheck_attend, kcheck_grads, kcheck_ceilings};
    for (size_t i = 0; i < CH_COUNT(lists); i++)
        for (const kcheck_family *f = lists[i]; f->family; f++)
            if (strcmp(f->family, v->family) == 0)
                return f;
    return NULL;
}

static const ch_variant *plain_c(const ch_variant *v)
{
    for (const ch_variant *c = ch_variants; c->name; c++)
        if (strcmp(c->family, v->family) == 0 && strcmp(c->isa, "c") == 0)
            return c;
    return NULL;
}

static bool check(const ch_variant *v)
{
    const kcheck_family *f = family_of(v);
    const ch_variant *c = plain_c(v);
    messages = 0;
    running = v;
    if (!f)
        return kcheck_fail("no check knows the family %s", v->family);
    if (!c)
        return kcheck_fail("the family %s has no plain C", v->family);
    kcheck_slots_clear();
    bool ok = f->check(v, c);
    if (messages > MESSAGES)
        printf("# ... and %d more\n", messages - MESSAGES);
    return ok && messages == 0;
}

/* What a caller gets: every field filled, each by a function the features allow. */
static bool check_table(unsigned features)
{
    ch_kernels k;
    ch_any_fn *chosen[sizeof k / sizeof(ch_any_fn *)];
    messages = 0;
    ch_kernels_init(&k, features);
    memcpy(chosen, &k, sizeof k);
    for (size_t i = 0; i < CH_COUNT(chosen); i++) {
        const ch_variant *v = ch_variants;
        while (v->name && (v->fn != chosen[i] || v->field != i * sizeof *chosen))
            v++;
        if (!v->name || (v->needs & features) != v->needs)
            return kcheck_fail("field %zu of ch_kernels holds nothing that %s", i,
                               "this CPU can run");
    }
    return true;
}

static int run_all(const char *prefix, bool timed, unsigned features)
{
    int failed = 0, number = 1, total = 1;
    for (const ch_variant *v = ch_variants; v->name; v++)
        total += strncmp(v->name, prefix, strlen(prefix)) == 0;
    printf("1..%d\n", total);
    failed += !check_table(features);
    printf("%s %d - table\n", failed ? "not ok" : "ok", number);
    for (const ch_variant *v = ch_variants; v->name; v++) {
        if (strncmp(v->name, prefix, strlen(prefix)) != 0)
            continue;
        number++;
        if ((v->needs & features) != v->needs && family_of(v)) {
            printf("ok %d - %s # SKIP this CPU, or CHALCIS_CPU, has no %s\n", number, v->name,
                   v->isa);
            continue;
        }
        const bool ok = check(v);
        failed += !ok;
        printf("%s %d - %s\n", ok ? "ok" : "not ok", number, v->name);
        fflush(stdout);
        if (ok && timed && family_of(v)->time)
            family_of(v)->time(v, plain_c(v));
    }
    return failed;
}

int main(int argc, char **argv)
{
    const char *prefix = "";
    bool timed = false;
    unsigned features;
    char names[100];
    ch_err e;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--time") == 0)
            timed = true;
        else if (argv[i][0] != '-' && !*prefix)
            prefix = argv[i];
        else
            return fprintf(stderr, "usage: kcheck [--time] [NAME]\n"), 2;
    }
    if (ch_cpu_features(&features, NULL, &e) < 0)
        return fprintf(stderr, "kcheck: %s\n", e.text), 2;
    ch_cpu_describe(names, sizeof names, features);
    printf("# CPU: %s\n", names);
    fflush(stdout);
    signal(SIGSEGV, stop_at_fault);
    signal(SIGBUS, stop_at_fault);
    return run_all(prefix, timed, features) ? 1 : 0;
}
