/* clock.h - monotonic time.  SPDX-License-Identifier: MIT */
#ifndef CH_CLOCK_H
#define CH_CLOCK_H

#include <stdint.h>

/* Monotonic, arbitrary start. */
uint64_t ch_clock_ns(void);
/* Seconds since this process started, 0 where the system does not tell. */
double ch_clock_process_s(void);

#endif
