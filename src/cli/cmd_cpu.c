/* cmd_cpu.c - chalcis cpu: features and the kernels that they select
 *
 * SPDX-License-Identifier: MIT */
#include "cli.h"
#include "kernel.h"

#include <string.h>

struct options {
    bool json;
};

static const ch_opt opts[] = {
    {0, "json", CH_OPT_FLAG, offsetof(struct options, json), NULL, "one JSON object", 0, 0},
    {0},
};

static const ch_usage usage = {
    .synopsis = "cpu [--json]",
    .about = "CHALCIS_CPU=c|avx2|avxvnni|avx512 (and -NAME to take one away) runs as a smaller "
             "CPU would.",
    .opts = opts,
};

static bool chosen(const ch_kernels *k, const ch_variant *v)
{
    return memcmp((const char *)k + v->field, &v->fn, sizeof v->fn) == 0;
}

static int print_json(const ch_kernels *k, const char *features)
{
    json_t *kernels = json_object();
    for (const ch_variant *v = ch_variants; v->name; v++)
        if (chosen(k, v))
            json_object_set_new(kernels, v->family, json_string(v->isa));
    return ch_cli_print_json(json_pack("{s:s, s:i, s:o}", "features", features, "cpus",
                                       ch_pool_cpus(), "kernels", kernels));
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
    if (o.json)
        return print_json(&k, text);
    printf("features  %s\ncpus      %d\n\nkernel        runs as\n", text, ch_pool_cpus());
    for (const ch_variant *v = ch_variants; v->name; v++)
        if (chosen(&k, v))
            printf("%-13s %s\n", v->family, v->isa);
    return CH_EXIT_OK;
}
