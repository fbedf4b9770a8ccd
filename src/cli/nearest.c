/* nearest.c - which known name a mistaken one may have meant
 *
 * Names are near by edits (a letter more, fewer, another one, or two that changed places: Damerau
 * 1964, no place twice), at most a third of the letters; a name that is the other's beginning is
 * nearest, from three letters on.  SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli.h"

enum { LONGEST = 40, FEWEST = 3 };

static int edits(const char *a, int n, const char *b, int m)
{
    int row[3][LONGEST + 1]; /* of the letter before last, of the last one, of this one */
    int *before = row[0], *last = row[1], *now = row[2];
    for (int j = 0; j <= m; j++)
        last[j] = j;
    for (int i = 1; i <= n; i++) {
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            now[j] = CH_MIN(CH_MIN(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = CH_MIN(now[j], before[j - 2] + 1);
        }
        int *const spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[m];
}

void ch_cli_nearer(ch_nearest *n, const char *name)
{
    const int size = (int)strlen(name), least = CH_MIN(size, n->size);
    if (size > LONGEST || n->size > LONGEST)
        return;
    const bool begins = least >= FEWEST && memcmp(name, n->wanted, (size_t)least) == 0;
    const int far = begins ? 0 : edits(n->wanted, n->size, name, size);
    if (far > CH_MAX(size, n->size) / 3 || (n->name[0] && far >= n->far))
        return;
    n->far = far;
    memcpy(n->name, name, (size_t)size + 1);
}
