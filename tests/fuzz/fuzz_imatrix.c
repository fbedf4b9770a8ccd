/* fuzz_imatrix.c - libFuzzer: any bytes as an importance matrix
 *
 * What opens has columns for every map; what does not must say why.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "imatrix.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void look(const ch_file *f, const ch_file_tensor *t)
{
    char name[1024] = "";
    const size_t length = strlen(t->name), end = strlen(".in_sum2");
    const int64_t width = ch_tensor_count(&t->t);
    bool found = false;
    if (length <= end || length - end >= 1000 || strcmp(t->name + length - end, ".in_sum2") != 0)
        return;
    memcpy(name, t->name, length - end);
    float *out = malloc((size_t)width * sizeof *out + 1);
    if (ch_imatrix_has(&found, f, name, width, NULL) < 0 || !out)
        abort();
    ch_imatrix_columns(out, f, name, width);
    for (int64_t i = 0; i < width; i++)
        if (!isfinite(out[i]) || out[i] <= 0)
            abort();
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    ch_err e = {0};
    ch_file *f = NULL;
    const int rc = ch_imatrix_open_memory(&f, bytes, n, "fuzz", &e);
    if (rc < 0 && (e.code != rc || !e.text[0] || f))
        abort();
    for (size_t i = 0; rc == CH_OK && i < f->n_tensors; i++)
        look(f, &f->tensors[i]);
    ch_file_close(&f);
    return 0;
}
