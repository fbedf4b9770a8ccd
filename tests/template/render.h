/* render.h - templates rendered in one call
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_TEST_RENDER_H
#define CH_TEST_RENDER_H

#include <stdlib.h>
#include <string.h>

#include "support.h"
#include "template.h"

static inline json_t *json(const char *text)
{
    ch_err e = {0};
    json_t *v = NULL;
    assert_ok(ch_json_parse(&v, text, strlen(text), "test", &e), e);
    return v;
}

/* Friday, 2 January 2026, noon. */
static inline struct tm test_day(void)
{
    return (struct tm){.tm_year = 126, .tm_mday = 2, .tm_hour = 12, .tm_wday = 5, .tm_yday = 1};
}

/* data and trusted are JSON objects, or NULL. */
static inline int render_limited(ch_rendered *r, const char *text, size_t n, const char *data,
                                 const char *trusted, ch_template_limits limits, ch_err *e)
{
    const struct tm now = test_day();
    json_t *d = data != NULL ? json(data) : NULL, *t = trusted != NULL ? json(trusted) : NULL;
    const ch_template_input in = {.data = d, .trusted = t, .now = &now, .limits = limits};
    ch_template *template;
    int rc = ch_template_parse(&template, text, n, "t", e);
    if (rc == CH_OK)
        rc = ch_template_render(r, template, &in, e);
    ch_template_close(&template);
    json_decref(d);
    json_decref(t);
    return rc;
}

static inline int render(ch_rendered *r, const char *text, const char *data, const char *trusted,
                         ch_err *e)
{
    return render_limited(r, text, strlen(text), data, trusted, (ch_template_limits){0}, e);
}

static inline void assert_text(const ch_rendered *r, const char *want)
{
    const char *got = r->text.data != NULL ? r->text.data : "";
    if (r->text.size != strlen(want) || strcmp(got, want) != 0)
        fail_msg("rendered\n%s\nwanted\n%s", got, want);
}

static inline void assert_renders(const char *text, const char *data, const char *trusted,
                                  const char *want)
{
    ch_rendered r = {0};
    ch_err e = {0};
    if (render(&r, text, data, trusted, &e) < 0)
        fail_msg("%s\n%s", text, e.text);
    assert_text(&r, want);
    ch_rendered_free(&r);
}

#endif
