/* comm.c - several processes that fail together
 *
 * SPDX-License-Identifier: MIT */
#include "train.h"

typedef struct verdict {
    int rc;
    ch_err err;
} verdict;

int ch_comm_agree(const ch_comm *c, int rc, ch_err *e)
{
    double failed = rc < 0;
    verdict v = {0};
    if (c->ranks == 1)
        return rc;
    const int counted = c->sum_double(c->arg, &failed, 1, e);
    if (counted < 0 || failed == 0)
        return counted;
    for (int root = 0; root < c->ranks; root++) {
        v = (verdict){.rc = c->rank == root ? rc : 0};
        if (c->rank == root && rc < 0 && e)
            v.err = *e;
        const int told = c->broadcast(c->arg, &v, sizeof v, root, e);
        if (told < 0)
            return told;
        if (v.rc < 0)
            break;
    }
    if (e)
        *e = v.err;
    return v.rc;
}
