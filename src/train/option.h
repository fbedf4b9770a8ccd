/* option.h - options.def as a table, for those who walk it.  SPDX-License-Identifier: MIT */
#ifndef CH_OPTION_H
#define CH_OPTION_H

#include "train.h"

typedef enum ch_option_kind {
    CH_OPTION_INT,
    CH_OPTION_NUMBER,
    CH_OPTION_TEXT,
    CH_OPTION_FLAG,
    CH_OPTION_SEED
} ch_option_kind;

typedef struct ch_option {
    const char *name;
    ch_option_kind kind;
    size_t at;               /* in ch_train_options */
    double normal, min, max;
    bool off, stored;
} ch_option;

extern const ch_option ch_options[];
extern const int ch_options_n;

static inline void *ch_option_field(const ch_train_options *o, const ch_option *p)
{
    return (char *)(uintptr_t)o + p->at;
}
const ch_option *ch_option_find(const char *name); /* NULL: unknown */
/* Is it different from zero? */
bool ch_option_is_set(const ch_train_options *o, const ch_option *p);
void ch_option_clear(ch_train_options *o, const ch_option *p);
/* Is v of its kind (a TEXT may be null), and the option set to it.  Strings are borrowed. */
bool ch_option_matches(const ch_option *p, const json_t *v);
void ch_option_take(ch_train_options *o, const ch_option *p, const json_t *v);
bool ch_option_equal(const ch_train_options *a, const ch_train_options *b, const ch_option *p);
/* As a person would write it. */
void ch_option_show(char *out, size_t size, const ch_train_options *o, const ch_option *p);

#endif
