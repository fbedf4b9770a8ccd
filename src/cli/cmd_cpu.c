/* cmd_cpu.c - chalcis cpu: features, the kernels that they select, and what they can do at most
 *
 * SPDX-License-Identifier: MIT */
#include "ceilings.h"
#include "kernel.h"

#include <string.h>

struct options {
    bool json, measure;
    int threads;
};

static const ch_opt opts[] = {
    {0, "measure", CH_OPT_FLAG, offsetof(struct options, measure), NULL,
     "measure how fast it reads and multiplies at most, too; takes a few seconds", 0, 0},
    {'t', "threads", CH_OPT_INT, offsetof(struct options, threads), "N",
     "threads that are measured together [one per CPU]", 0, 1024},
    {0, "json", CH_OPT_FLAG, offsetof(struct options, json), NULL, "one JSON object", 0, 0},
    {0},
};

static const ch_usage usage = {
    .synopsis = "cpu [--measure [-t N]] [--json]",
    .about = "CHALCIS_CPU=" CH_CPU_MASKS " (and -NAME to take one away) runs as a smaller "
             "CPU would.\n--measure: bytes a second read from caches and memory; operations a second (a "
             "product is two) of the\ninstructions that products are made of, from registers.",
    .opts = opts,
};

static bool chosen(const ch_kernels *k, const ch_variant *v)
{
    return memcmp((const char *)k + v->field, &v->fn, sizeof v->fn) == 0;
}

/* c: NULL, or what was measured */
static int print_json(const ch_kernels *k, const char *features, const ch_ceilings *c)
{
    json_t *kernels = json_object();
    for (const ch_variant *v = ch_variants; v->name; v++)
        if (chosen(k, v))
            json_object_set_new(kernels, v->family, json_string(v->isa));
    json_t *o = json_pack("{s:s, s:i, s:o}", "features", features, "cpus", ch_pool_cpus(),
                          "kernels", kernels);
    if (c)
        json_object_set_new(o, "ceilings", ch_ceilings_json(c));
    return ch_cli_print_json(o);
}

int ch_cmd_cpu(int argc, char **argv)
{
    struct options o = {0};
    int n_args;
    const int rc = ch_cli_parse(&o, NULL, &n_args, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    ch_err e;
    unsigned features;
    if (ch_cpu_features(&features, NULL, &e) < 0)
        return ch_cli_fail(&e);
    ch_kernels k;
    char text[128];
    ch_kernels_init(&k, features);
    ch_cpu_describe(text, sizeof text, features);
    ch_ceilings c;
    if (o.measure && ch_ceilings_measure(&c, o.threads, &e) < 0)
        return ch_cli_fail(&e);
    if (o.json)
        return print_json(&k, text, o.measure ? &c : NULL);
    printf("features  %s\ncpus      %d\n\nkernel        runs as\n", text, ch_pool_cpus());
    for (const ch_variant *v = ch_variants; v->name; v++)
        if (chosen(&k, v))
            printf("%-13s %s\n", v->family, v->isa);
    if (o.measure) {
        putchar('\n');
        ch_ceilings_print(&c);
    }
    return CH_EXIT_OK;
}
