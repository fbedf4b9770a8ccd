/* tiny.c - see tiny.h.  SPDX-License-Identifier: MIT */
#include "tiny.h"

#include "support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

ch_config tiny_config(const char *arch)
{
    ch_config c = {
        .arch = ch_arch_find(arch, strlen(arch)), .layers = 3, .hidden = 96, .tied = true};
    ch_err e = {0};
    assert_non_null(c.arch);
    if (strcmp(arch, "gemma3") == 0)
        c.layers = 6; /* the first that sees everything is the last of six, */
    if (strcmp(arch, "smollm3") == 0)
        c.layers = 4; /* and the first without positions the last of four */
    assert_ok(ch_config_small(&c, &e), e);
    return c;
}

static void write_config(const char *path, const ch_config *c, ch_dtype dtype, uint64_t seed)
{
    ch_err e = {0};
    ch_model *m;
    ch_file *f;
    if (ch_model_create(&m, c, seed, NULL, &e) < 0)
        fail_msg("%s", e.text);
    ch_model_shake(m, seed, 0.2);
    if (ch_file_new(&f, &e) < 0 || ch_model_to_file(m, f, dtype, NULL, &e) < 0 ||
        ch_gguf_write(f, path, &e) < 0)
        fail_msg("%s", e.text);
    ch_file_close(&f);
    ch_model_free(&m);
}

void tiny_write(const char *path, const char *arch, ch_dtype dtype, uint64_t seed)
{
    const ch_config c = tiny_config(arch);
    write_config(path, &c, dtype, seed);
}

static ch_model *open_config(const ch_config *c, ch_dtype dtype, uint64_t seed)
{
    char path[] = "/tmp/chalcis-tiny-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    write_config(path, c, dtype, seed);
    ch_err e = {0};
    ch_model *m;
    if (ch_model_open(&m, path, 1, &e) < 0)
        fail_msg("%s", e.text);
    unlink(path);
    return m;
}

ch_model *tiny_open(const char *arch, ch_dtype dtype, uint64_t seed)
{
    const ch_config c = tiny_config(arch);
    return open_config(&c, dtype, seed);
}

ch_model *tiny_open_wide(ch_dtype dtype, uint64_t seed)
{
    ch_err e = {0};
    ch_config c = {.arch = ch_arch_find("llama", 5), .layers = 1, .width = 256, .hidden = 256,
                   .head_width = 64, .vocab = 64, .tied = true};
    assert_ok(ch_config_small(&c, &e), e);
    return open_config(&c, dtype, seed);
}
