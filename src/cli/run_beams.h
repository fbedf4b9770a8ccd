/* run_beams.h - the likeliest answers instead of drawn ones.  SPDX-License-Identifier: MIT */
#ifndef CH_RUN_BEAMS_H
#define CH_RUN_BEAMS_H

#include "beam.h"
#include "cli.h"

/* "no", "yes", "never": CH_BEAM_LIKELY, CH_BEAM_EARLY, CH_BEAM_NEVER; NULL: "no". */
int ch_run_beam_until(ch_beam_until *out, const char *name, ch_err *e);
/* Searches; the texts of the best `answers` go to stdout, or into *json where that is given,
 * without `lead` where they begin with it (NULL: none).  *written: how many tokens they have. */
int ch_run_beams(int *written, json_t **json, ch_session *s, const ch_beam_options *o,
                 const char *lead, int answers, ch_err *e);

#endif
