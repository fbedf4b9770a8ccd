/* openai_embedding.c - a request for /v1/embeddings
 *
 * SPDX-License-Identifier: MIT */
#include "openai.h"

#include <limits.h>
#include <string.h>

static int vectors(ch_ask *a, const ch_ask_limits *l, ch_refusal *r)
{
    const char *format = "float";
    (void)l;
    int rc = ch_openai_prompts(a, "input", r);
    if (rc == CH_OK)
        rc = ch_field_int(&a->dimensions, a->body, "dimensions", 1, INT_MAX, r);
    if (rc == CH_OK)
        rc = ch_field_text(&format, a->body, "encoding_format", r);
    a->base64 = strcmp(format, "base64") == 0;
    if (rc == CH_OK && !a->base64 && strcmp(format, "float") != 0)
        rc = ch_openai_wants(r, "encoding_format", "\"float\" or \"base64\"");
    return rc;
}

int ch_openai_embedding(ch_ask **out, json_t *body, const ch_ask_limits *l, ch_refusal *r)
{
    static ch_openai_part *const parts[] = {ch_openai_names, vectors, NULL};
    return ch_openai_read(out, body, CH_API_EMBEDDING, parts, l, r);
}
