/* fuzz_template.c - libFuzzer: any bytes as a chat template
 *
 * What is read renders within small limits, or is refused in a sentence that begins with the place;
 * its pieces add up to its text, which is UTF-8.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "template.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const char conversation[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \" S\\n\"}, "
    "{\"role\": \"user\", \"content\": \"U \\u00e9\"}, "
    "{\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"a\": 1}]}], "
    "\"tools\": [{\"name\": \"f\", \"p\": {\"x\": [1, 2.5, true, null, \"s\"]}}], \"x\": 3}";

static void stop_unless(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const struct tm now = {.tm_year = 126, .tm_mday = 2};
    ch_template *t;
    ch_rendered r = {0};
    ch_err e = {0};
    json_t *data;
    size_t sum = 0;
    stop_unless(ch_json_parse(&data, conversation, strlen(conversation), "fuzz", &e) == CH_OK);
    const ch_template_input in = {
        .data = data, .now = &now,
        .limits = {.steps = 100000, .output_bytes = 1 << 16, .memory_bytes = 1 << 22}};
    int rc = ch_template_parse(&t, (const char *)bytes, n, "t", &e);
    if (rc == CH_OK)
        rc = ch_template_render(&r, t, &in, &e);
    for (size_t i = 0; i < r.n_spans; i++)
        sum += r.span[i].n;
    stop_unless(rc < 0 ? e.code == rc && strncmp(e.text, "t:", 2) == 0
                       : sum == r.text.size && (sum == 0 || ch_utf8_valid(r.text.data, sum)));
    ch_template_close(&t);
    ch_rendered_free(&r);
    json_decref(data);
    return 0;
}
