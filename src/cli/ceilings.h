/* ceilings.h - what this machine can do at most: chalcis cpu --measure, shares of bench --profile
 *
 * Bytes a second are read from a second-level cache, a third-level cache and memory; operations
 * (a multiplication or an addition) a second are those of the instructions that products are made
 * of, from registers.  The loops are kernels: kernel.h, "Ceilings".
 * SPDX-License-Identifier: MIT */
#ifndef CH_CEILINGS_H
#define CH_CEILINGS_H

#include "cli.h"

enum { CH_CEILING_ROUNDS = 7 };

typedef enum ch_ceiling_id {
    CH_CEILING_L2,
    CH_CEILING_L3,
    CH_CEILING_MEMORY,
    CH_CEILING_F32,
    CH_CEILING_BF16,
    CH_CEILING_I8,
    CH_CEILING_I16,
    CH_CEILINGS
} ch_ceiling_id;

/* In 1e9 bytes or operations a second; all 0: there is nothing to measure. */
typedef struct ch_ceiling_rate {
    double median, least, most;
} ch_ceiling_rate;

typedef struct ch_ceiling {
    const char *isa;            /* the variant that ran; NULL: no such instruction or cache */
    size_t one_bytes, all_bytes; /* read by one thread, by all together; 0 of rates */
    ch_ceiling_rate one, all;   /* of one thread, of all together */
} ch_ceiling;

typedef struct ch_ceilings {
    int threads;
    size_t l2_bytes, l3_bytes; /* of a core; of all; 0: the system does not tell */
    ch_ceiling at[CH_CEILINGS];
} ch_ceilings;

/* Takes one or two seconds, and up to 1 GiB of memory meanwhile.  threads: 0 for one per CPU. */
int ch_ceilings_measure(ch_ceilings *c, int threads, ch_err *e);
const char *ch_ceiling_name(ch_ceiling_id id); /* "read L2", "int8 dot" */
/* Where this many bytes, read again and again by all threads, come from: the smallest cache that
 * holds them, or memory. */
ch_ceiling_id ch_ceilings_source(const ch_ceilings *c, double bytes);
void ch_ceilings_print(const ch_ceilings *c);
json_t *ch_ceilings_json(const ch_ceilings *c);

#endif
