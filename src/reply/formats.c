/* formats.c - the lines of formats.def, and which of them a chat template speaks
 *
 * SPDX-License-Identifier: MIT */
#include "parts.h"

#include <string.h>

/* Tags that are not named are "", as FORMAT's own first is. */
static const ch_reply_format formats[] = {
#define FORMAT(name, family, has, and_has, has_not, ...) \
    {#name, &ch_reply_##family, {has, and_has}, has_not, {__VA_ARGS__}},
#include "formats.def"
#undef FORMAT
};

/* Of reasoning and calls alone: what neither opens nor closes anything. */
const ch_reply_family ch_reply_none = {.blanks = true};

const char *ch_reply_format_name(const ch_reply_format *f) { return f->name; }

const char *ch_reply_format_unthink(const ch_reply_format *f)
{
    return f->tag[TAG_UNTHINK] ? f->tag[TAG_UNTHINK] : "";
}

const ch_reply_format *ch_reply_format_at(size_t i)
{
    return i < CH_COUNT(formats) ? &formats[i] : NULL;
}

const ch_reply_format *ch_reply_format_named(const char *name)
{
    for (size_t i = 0; i < CH_COUNT(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

const ch_reply_format *ch_reply_format_of(const char *jinja)
{
    for (size_t i = 0; i < CH_COUNT(formats); i++) {
        const ch_reply_format *f = &formats[i];
        if (strstr(jinja, f->has[0]) != NULL && strstr(jinja, f->has[1]) != NULL &&
            (*f->has_not == 0 || strstr(jinja, f->has_not) == NULL))
            return f;
    }
    return ch_reply_format_named("text");
}

ch_reply_writing ch_reply_format_writing(const ch_reply_format *f)
{
    static const struct {
        const ch_reply_family *family;
        ch_reply_form form;
    } forms[] = {{&ch_reply_object, CH_REPLY_FORM_OBJECT}, {&ch_reply_named, CH_REPLY_FORM_NAMED},
                 {&ch_reply_xml, CH_REPLY_FORM_XML}, {&ch_reply_harmony, CH_REPLY_FORM_HARMONY}};
    const bool bare = f->family->bare;
    ch_reply_writing w = {.form = bare ? CH_REPLY_FORM_OBJECT : CH_REPLY_FORM_NONE,
                          .open = bare ? "" : f->tag[TAG_CALL],
                          .close = f->tag[TAG_UNCALL],
                          .between = "",
                          .key = strstr(f->has[1], "parameters") ? "parameters" : "arguments"};
    for (size_t i = 0; i < CH_COUNT(forms); i++)
        if (f->family == forms[i].family)
            w.form = forms[i].form;
    if (w.form == CH_REPLY_FORM_NAMED)
        w.between = f->tag[TAG_OWN];
    const char **const tags[] = {&w.open, &w.close, &w.between};
    for (size_t i = 0; i < CH_COUNT(tags); i++)
        *tags[i] = *tags[i] ? *tags[i] : "";
    return w;
}
