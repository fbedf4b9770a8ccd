/* clock.h - monotonic time.  SPDX-License-Identifier: MIT */
#ifndef CH_CLOCK_H
#define CH_CLOCK_H

#include <stdint.h>

uint64_t ch_clock_ns(void); /* monotonic, arbitrary start */
double ch_clock_process_s(void); /* seconds since this process started, 0 where the system does not tell */

#endif
