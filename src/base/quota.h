/* quota.h - how many CPUs the control groups of this process leave it
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_QUOTA_H
#define CH_QUOTA_H

/* Whole CPUs, at least 1; 0: nothing is said.  root: "", or a folder that has proc and sys. */
int ch_quota_cpus(const char *root);

#endif
