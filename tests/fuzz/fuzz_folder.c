/* fuzz_folder.c - libFuzzer: any bytes as a Hugging Face folder
 *
 * Two bytes say how many are config.json; the rest are model.safetensors.  What opens is read to
 * its last byte, and planned as a GGUF file and as a folder again; what does not must say why.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "../file/samples.h"
#include "conversion.h"
#include "store.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void plan(const ch_file *f, const char *path)
{
    ch_err e = {0};
    ch_conversion *c;
    const ch_conversion_options o = {.type = CH_DTYPES};
    const int rc = ch_conversion_open(&c, f, path, &o, &e);
    if (rc < 0 && (e.code != rc || !e.text[0] || c))
        abort();
    ch_conversion_close(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    ch_err e = {0};
    ch_file *f = NULL;
    if (n < 2)
        return 0;
    const size_t config = CH_MIN((size_t)bytes[0] + 256u * bytes[1], n - 2);
    const char *at = (const char *)bytes + 2;
    const int rc =
        ch_file_open_folder_memory(&f, at, config, at + config, n - 2 - config, "fuzz", &e);
    if (rc < 0 && (e.code != rc || !e.text[0] || f))
        abort();
    if (rc == CH_OK) {
        sample_touch(f);
        plan(f, "x.gguf");
        plan(f, "x");
    }
    ch_file_close(&f);
    return 0;
}
