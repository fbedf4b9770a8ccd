/* arch.c - the architectures by name, from archs.def.  SPDX-License-Identifier: MIT */
#include "model.h"

#include <string.h>

#define ARCH(name) extern const ch_arch ch_arch_##name;
#include "archs.def"
#undef ARCH

static const ch_arch *const archs[] = {
#define ARCH(name) &ch_arch_##name,
#include "archs.def"
#undef ARCH
};

const ch_arch *ch_arch_find(const char *name, size_t n)
{
    for (size_t i = 0; i < CH_COUNT(archs); i++)
        if (strlen(archs[i]->name) == n && memcmp(archs[i]->name, name, n) == 0)
            return archs[i];
    return NULL;
}

const ch_arch *ch_arch_at(int i)
{
    return i >= 0 && i < (int)CH_COUNT(archs) ? archs[i] : NULL;
}

const char *ch_arch_names(void)
{
#define ARCH(name) ", " #name
    static const char names[] = ""
#include "archs.def"
        ;
#undef ARCH
    return names + 2;
}
