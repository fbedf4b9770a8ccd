/* fuzz_records.c - libFuzzer: any bytes as training data
 *
 * The first byte says what the rest is: even: an array or one value; odd: one value a line.  What
 * is read is documents with text, or nothing and a sentence that says why.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "records.c" /* all of train/ that reads what strangers wrote */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static int touch(void *arg, const ch_part *part, size_t n, ch_err *e)
{
    (void)e;
    for (size_t i = 0; i < n; i++)
        if (part[i].role > CH_ROLE_ASSISTANT || !ch_utf8_valid(part[i].bytes, part[i].n))
            abort();
    ++*(int *)arg;
    return CH_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    ch_err e = {0};
    int documents = 0;
    if (n < 2)
        return 0;
    FILE *f = fmemopen((void *)(uintptr_t)(bytes + 1), n - 1, "r");
    if (!f)
        return 0;
    const int rc = ch_records_read(f, bytes[0] & 1, "fuzz", touch, &documents, &e);
    fclose(f);
    if (rc < 0 && (e.code != rc || !e.text[0]))
        abort();
    return 0;
}
