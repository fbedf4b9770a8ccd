/* tiny.c - see tiny.h.  SPDX-License-Identifier: MIT */
#include "tiny.h"

#include "support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

ch_config tiny_config(const char *arch)
{
    ch_config c = {.arch = ch_arch_find(arch, strlen(arch)),
                   .width = 64,
                   .heads = 4,
                   .kv_heads = 2,
                   .head_width = 16,
                   .hidden = 96,
                   .vocab = 320,
                   .layers = 3,
                   .context = 256,
                   .norm_eps = 1e-5,
                   .tied = true,
                   .rope = {.dims = 16, .base = 10000}};
    ch_err e;
    assert_non_null(c.arch);
    assert_int_equal(c.arch->configure(&c, NULL, &e), CH_OK);
    if (strcmp(arch, "chalcis") == 0) {
        c.relu2 = true;
        c.memory = 61;
    }
    return c;
}

/* What starts as zeros would make no difference. */
static int wake(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    (void)arg, (void)layer;
    real *p = w->stored.data;
    for (int64_t i = 0; p && row->init == CH_INIT_ZEROS && i < ch_tensor_count(&w->stored); i++)
        p[i] = (real)0.1 * (real)ch_rng_normal(1, CH_RNG_TEST, 7, (uint64_t)i);
    return 0;
}

void tiny_write(const char *path, const char *arch, ch_dtype dtype, uint64_t seed)
{
    const ch_config c = tiny_config(arch);
    ch_err e = {0};
    ch_model *m;
    ch_file *f;
    if (ch_model_create(&m, &c, seed, NULL, &e) < 0)
        fail_msg("%s", e.text);
    for (int64_t i = 0; i < m->bucket; i++)
        m->parameters[i] *= m->parameters[i] == 1 ? 1 : 8;
    ch_model_each(m, wake, NULL);
    if (ch_file_new(&f, &e) < 0 || ch_model_to_file(m, f, dtype, NULL, &e) < 0 ||
        ch_gguf_write(f, path, &e) < 0)
        fail_msg("%s", e.text);
    ch_file_close(&f);
    ch_model_free(&m);
}

ch_model *tiny_open(const char *arch, ch_dtype dtype, uint64_t seed)
{
    char path[] = "/tmp/chalcis-tiny-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    tiny_write(path, arch, dtype, seed);
    ch_err e = {0};
    ch_model *m;
    if (ch_model_open(&m, path, 1, &e) < 0)
        fail_msg("%s", e.text);
    unlink(path);
    return m;
}
