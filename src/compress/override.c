/* override.c - see override.h.  SPDX-License-Identifier: MIT */
#include "override.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int no_such_type(const char *text, const char *name, ch_err *e)
{
    char known[512] = "";
    for (int t = 0; t < CH_DTYPES; t++) {
        const size_t n = strlen(known);
        if (ch_dtype_get((ch_dtype)t)->encode)
            snprintf(known + n, sizeof known - n, " %s", ch_dtype_get((ch_dtype)t)->name);
    }
    return ch_fail(e, CH_EARG, "\"%.80s\": there is no format \"%.20s\"; those to write are%s",
                   text, name, known);
}

static int find_type(ch_dtype *out, const char *text, const char *name, ch_err *e)
{
    char lower[16] = "";
    for (size_t i = 0; name[i] && i < sizeof lower - 1; i++)
        lower[i] = (char)tolower((unsigned char)name[i]);
    if (strlen(name) >= sizeof lower || !ch_dtype_by_name(out, lower))
        return no_such_type(text, name, e);
    if (!ch_dtype_get(*out)->encode)
        return ch_fail(e, CH_EARG, "\"%.80s\": %s is only read, not written", text, lower);
    return CH_OK;
}

int ch_override_open(ch_override *out, const char *text, ch_err *e)
{
    char pattern[512], why[128];
    const char *type = strrchr(text, '=');
    *out = (ch_override){.text = text};
    if (!type || type == text || (size_t)(type - text) >= sizeof pattern)
        return ch_fail(e, CH_EARG, "\"%.80s\" is no PATTERN=TYPE, such as attn_v=q8_0, with a "
                                   "pattern of 1 to %zu bytes", text, sizeof pattern - 1);
    memcpy(pattern, text, (size_t)(type - text));
    pattern[type - text] = 0;
    int rc = find_type(&out->type, text, type + 1, e);
    if (rc < 0)
        return rc;
    rc = regcomp(&out->name, pattern, REG_EXTENDED | REG_NOSUB);
    if (rc == 0)
        return CH_OK;
    regerror(rc, &out->name, why, sizeof why);
    return ch_fail(e, CH_EARG, "\"%.80s\" is no regular expression: %s", pattern, why);
}

void ch_override_close(ch_override *o)
{
    regfree(&o->name);
}

const ch_override *ch_override_of(const ch_override *all, int n, const char *tensor)
{
    for (int i = 0; i < n; i++)
        if (regexec(&all[i].name, tensor, 0, NULL, 0) == 0)
            return &all[i];
    return NULL;
}
