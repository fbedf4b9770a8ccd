/* fuzz_file.c - libFuzzer: any bytes as a model file
 *
 * What opens is read to its last byte; what does not must say why.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "../file/samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    ch_err e = {0};
    ch_file *f = NULL;
    const int rc = ch_file_open_memory(&f, bytes, n, "fuzz", &e);
    if (rc < 0 && (e.code != rc || !e.text[0] || f))
        abort();
    if (rc == CH_OK)
        sample_touch(f);
    ch_file_close(&f);
    return 0;
}
