/* cpu.c - what this CPU can do, less what the mask forbids
 *
 * x86-64: instructions count only when the operating system saves their registers too (XGETBV:
 * bits 1, 2 for YMM; 5, 6, 7 for ZMM).  AArch64: what the system says in AT_HWCAP.  Other machines
 * run plain C.  Source: Intel SDM volume 2, CPUID leaves 1 and 7; volume 1, section 13.3; Linux,
 * Documentation/arch/arm64/elf_hwcaps.rst. SPDX-License-Identifier: MIT */
#include "kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct level {
    const char *name;
    unsigned bit;
    unsigned allows; /* as a name in a mask */
    unsigned takes;  /* as "-name": the feature and what builds on it */
} level;

#if defined(__x86_64__)
#include <cpuid.h>

enum {
    ALL = CH_CPU_avx2 | CH_CPU_avxvnni | CH_CPU_avx512 | CH_CPU_avx512vnni | CH_CPU_avx512bf16
};

static const level levels[] = {
    {"c", 0, 0, 0},
    {"avx2", CH_CPU_avx2, CH_CPU_avx2, ALL},
    {"avxvnni", CH_CPU_avxvnni, CH_CPU_avx2 | CH_CPU_avxvnni, CH_CPU_avxvnni},
    {"avx512", CH_CPU_avx512, ALL, CH_CPU_avx512 | CH_CPU_avx512vnni | CH_CPU_avx512bf16},
    {"avx512vnni", CH_CPU_avx512vnni, ALL & ~(unsigned)CH_CPU_avx512bf16, CH_CPU_avx512vnni},
    {"avx512bf16", CH_CPU_avx512bf16, ALL, CH_CPU_avx512bf16},
};

static unsigned enabled_registers(void)
{
    unsigned eax, edx;
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return eax;
}

static bool has(unsigned reg, unsigned bits)
{
    return (reg & bits) == bits;
}

static unsigned detect(void)
{
    unsigned a, b, c, d, b7, c7, a71 = 0, found = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C))
        return 0;
    unsigned registers = enabled_registers();
    if (!has(registers, 0x6) || !__get_cpuid_count(7, 0, &a, &b7, &c7, &d) || !has(b7, bit_AVX2))
        return 0;
    found = CH_CPU_avx2;
    if (a >= 1)
        __get_cpuid_count(7, 1, &a71, &b, &c, &d);
    if (has(a71, 1u << 4))
        found |= CH_CPU_avxvnni;
    if (!has(registers, 0xe6) ||
        !has(b7, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL))
        return found;
    found |= CH_CPU_avx512;
    if (has(c7, bit_AVX512VNNI))
        found |= CH_CPU_avx512vnni;
    if (has(a71, 1u << 5))
        found |= CH_CPU_avx512bf16;
    return found;
}
#elif defined(__aarch64__)
#include <sys/auxv.h>

enum { ALL = CH_CPU_neon | CH_CPU_neondot };

static const level levels[] = {
    {"c", 0, 0, 0},
    {"neon", CH_CPU_neon, CH_CPU_neon, ALL},
    {"neondot", CH_CPU_neondot, ALL, CH_CPU_neondot},
};

static unsigned detect(void)
{
    const unsigned long has = getauxval(AT_HWCAP), simd = 1ul << 1, dot = 1ul << 20;
    if (!(has & simd))
        return 0;
    return CH_CPU_neon | (has & dot ? CH_CPU_neondot : 0u);
}
#else
enum { ALL = 0 };

static const level levels[] = {{"c", 0, 0, 0}};

static unsigned detect(void)
{
    return 0;
}
#endif

static const level *find_level(const char *name, size_t n)
{
    for (size_t i = 0; i < CH_COUNT(levels); i++)
        if (strlen(levels[i].name) == n && memcmp(levels[i].name, name, n) == 0)
            return &levels[i];
    return NULL;
}

/* "c, avx2, avxvnni": for sentences. */
static const char *level_names(char *out, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < CH_COUNT(levels) && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s", at ? ", " : "", levels[i].name);
    return out;
}

/* Names from left to right; a mask that starts by taking away takes from everything. */
static int parse_mask(unsigned *out, const char *mask, ch_err *e)
{
    unsigned allowed = mask[0] == '-' ? ALL : 0;
    for (const char *p = mask;; p++) {
        bool take = *p == '-';
        p += take;
        size_t n = strcspn(p, ",");
        const level *l = find_level(p, n);
        char names[100];
        if (!l || (take && !l->bit))
            return ch_fail(e, CH_EARG,
                           "CPU mask \"%s\": unknown name \"%.*s\", allowed are %s, and all but c "
                           "with '-' before them",
                           mask, (int)CH_MIN(n, 40), p, level_names(names, sizeof names));
        allowed = take ? allowed & ~l->takes : allowed | l->allows;
        p += n;
        if (!*p)
            break;
    }
    *out = allowed;
    return CH_OK;
}

int ch_cpu_features(unsigned *out, const char *mask, ch_err *e)
{
    unsigned allowed = ALL;
    *out = 0;
    if (!mask || !*mask)
        mask = getenv("CHALCIS_CPU");
    if (mask && *mask && parse_mask(&allowed, mask, e) < 0)
        return CH_EARG;
    *out = detect() & allowed;
    return CH_OK;
}

void ch_cpu_describe(char *out, size_t size, unsigned features)
{
    size_t at = 0;
    if (size == 0)
        return;
    out[0] = 0;
    for (size_t i = 1; i < CH_COUNT(levels) && at < size; i++)
        if (features & levels[i].bit)
            at += (size_t)snprintf(out + at, size - at, "%s%s", at ? " " : "", levels[i].name);
    if (!(features & ALL))
        snprintf(out, size, "c");
}
