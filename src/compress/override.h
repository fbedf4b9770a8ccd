/* override.h - formats by pattern: PATTERN=TYPE, of which PATTERN is a POSIX extended regular
 * expression that is found anywhere in a tensor's name
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_OVERRIDE_H
#define CH_OVERRIDE_H

#include <regex.h>

#include "dtype.h"

typedef struct ch_override {
    const char *text; /* as given; borrowed */
    regex_t name;
    ch_dtype type;
} ch_override;

/* CH_EARG: no '=', no such format or none that is written, or no regular expression; then there is
 * nothing to close. */
int ch_override_open(ch_override *out, const char *text, ch_err *e);
void ch_override_close(ch_override *o);
/* The first of n whose pattern is found in a tensor's name, or NULL. */
const ch_override *ch_override_of(const ch_override *all, int n, const char *tensor);

#endif
