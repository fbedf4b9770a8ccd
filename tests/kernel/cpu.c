/* cpu.c - masks of CPU features, their description, and the tables they choose
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "kernel.h"

typedef struct mask_case {
    const char *mask;
    unsigned allows;
} mask_case;

#if defined(__aarch64__)
#define NAMES "neon neondot"
#define LEAST "neon"

enum { ALL = CH_CPU_neon | CH_CPU_neondot, LEAST_BIT = CH_CPU_neon };

static const mask_case cases[] = {
    {"c", 0},
    {"neon", CH_CPU_neon},
    {"neondot", ALL},
    {"neondot,-neondot", CH_CPU_neon},
    {"neondot,-neon", 0},
    {"-neondot", CH_CPU_neon},
    {"c,neon", CH_CPU_neon},
    {"-neon,neondot", ALL},
};
#elif !defined(__x86_64__)
#define NAMES ""
#define LEAST "c"

enum { ALL = 0, LEAST_BIT = 0 };

static const mask_case cases[] = {{"c", 0}};
#else
#define NAMES "avx2 avxvnni avx512 avx512vnni avx512bf16"
#define LEAST "avx2"

enum {
    ALL = CH_CPU_avx2 | CH_CPU_avxvnni | CH_CPU_avx512 | CH_CPU_avx512vnni | CH_CPU_avx512bf16,
    LEAST_BIT = CH_CPU_avx2
};

static const mask_case cases[] = {
    {"c", 0},
    {"avx2", CH_CPU_avx2},
    {"avxvnni", CH_CPU_avx2 | CH_CPU_avxvnni},
    {"avx512", ALL},
    {"avx512vnni", ALL & ~(unsigned)CH_CPU_avx512bf16},
    {"avx512bf16", ALL},
    {"avx512,-avx512bf16", ALL & ~(unsigned)CH_CPU_avx512bf16},
    {"avx512,-avxvnni,-avx512vnni", CH_CPU_avx2 | CH_CPU_avx512 | CH_CPU_avx512bf16},
    {"avx512,-avx512", CH_CPU_avx2 | CH_CPU_avxvnni},
    {"avx512,-avx2", 0},
    {"-avx512", CH_CPU_avx2 | CH_CPU_avxvnni},
    {"-avxvnni", ALL & ~(unsigned)CH_CPU_avxvnni},
    {"c,avx2", CH_CPU_avx2},
    {"-avx512,avx512", ALL},
};
#endif

static unsigned machine; /* what this CPU has */

static unsigned features(const char *mask)
{
    unsigned f = 0xdead;
    ch_err e;
    assert_ok(ch_cpu_features(&f, mask, &e), e);
    return f;
}

static void test_masks(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(cases); i++)
        assert_int_equal(features(cases[i].mask), cases[i].allows & machine);
}

static void test_unknown_names(void **state)
{
    (void)state;
    static const char *const masks[] = {
        "avx",   "AVX2", "avx2 ",    ",",    "avx2,",        ",avx2",
        "avx22", "-c",   "--avx2",   "-",    "avx512,-",     "c;avx2",
        "avx51", "%s%n", "avx2,sse", "\xff", "avx512,,avx2",
        "neo",   "neon,avx2", /* one of them is of another machine */
    };
    for (size_t i = 0; i < CH_COUNT(masks); i++) {
        unsigned f = 0xdead;
        ch_err e = {0};
        assert_int_equal(ch_cpu_features(&f, masks[i], &e), CH_EARG);
        assert_int_equal(f, 0);
        assert_non_null(strstr(e.text, strrchr(NAMES, ' ') + 1)); /* the names allowed */
        assert_int_equal(ch_cpu_features(&f, masks[i], NULL), CH_EARG);
    }
    char *mask = calloc(1, 100001);
    unsigned f;
    ch_err e;
    assert_non_null(mask);
    memset(mask, 'x', 100000);
    assert_int_equal(ch_cpu_features(&f, mask, &e), CH_EARG);
    free(mask);
}

static void test_environment(void **state)
{
    (void)state;
    ch_err e = {0};
    unsigned f;
    assert_int_equal(setenv("CHALCIS_CPU", LEAST, 1), 0);
    assert_int_equal(features(NULL), LEAST_BIT & machine);
    assert_int_equal(features(""), LEAST_BIT & machine);
    assert_int_equal(features(strrchr(NAMES, ' ') + 1), machine); /* a mask that is given wins */
    assert_int_equal(setenv("CHALCIS_CPU", "fast", 1), 0);
    assert_int_equal(ch_cpu_features(&f, NULL, &e), CH_EARG);
    assert_non_null(strstr(e.text, "\"fast\""));
    assert_int_equal(setenv("CHALCIS_CPU", "", 1), 0);
    assert_int_equal(features(NULL), machine);
    unsetenv("CHALCIS_CPU");
    assert_int_equal(features(NULL), machine);
}

static void test_describe(void **state)
{
    (void)state;
    char text[100];
    ch_cpu_describe(text, sizeof text, 0);
    assert_string_equal(text, "c");
    ch_cpu_describe(text, sizeof text, LEAST_BIT);
    assert_string_equal(text, LEAST);
    ch_cpu_describe(text, sizeof text, ALL);
    assert_string_equal(text, NAMES);
    for (size_t size = 1; size < 50; size++) { /* cut, never past its end, always a string */
        char *small = guarded(size);
        ch_cpu_describe(small, size, ALL);
        assert_int_equal(strlen(small), CH_MIN(size - 1, strlen(text)));
        assert_memory_equal(small, text, strlen(small));
        guarded_free(small, size);
    }
    ch_cpu_describe(text, 0, ALL);
}

/* Whatever the features, every field holds the last variant of its family that they allow. */
static void test_tables(void **state)
{
    (void)state;
    for (unsigned f = 0; f <= ALL; f++) {
        ch_kernels k;
        ch_any_fn *chosen[sizeof k / sizeof(ch_any_fn *)], *want[CH_COUNT(chosen)] = {0};
        ch_kernels_init(&k, f);
        memcpy(chosen, &k, sizeof k);
        for (const ch_variant *v = ch_variants; v->name; v++)
            if ((v->needs & ~f) == 0)
                want[v->field / sizeof *want] = v->fn;
        for (size_t i = 0; i < CH_COUNT(want); i++) {
            assert_true(want[i] != NULL);
            assert_true(want[i] == chosen[i]);
        }
    }
    ch_kernels c;
    ch_kernels_init(&c, 0);
    assert_true(c.gemm_q8 == ch_gemm_q8_c && c.mix_q8_0 == ch_mix_q8_0_c);
}

static void test_by_kind(void **state)
{
    (void)state;
    ch_kernels k;
    ch_kernels_init(&k, machine);
    assert_true(ch_kernel_gemm(&k, CH_PANEL_F32) == k.gemm_f32);
    assert_true(ch_kernel_gemm(&k, CH_PANEL_BF16) == k.gemm_bf16);
    assert_true(ch_kernel_gemm(&k, CH_PANEL_Q8) == k.gemm_q8);
    assert_true(ch_kernel_gemm(&k, CH_PANEL_Q4) == k.gemm_q4);
    assert_true(ch_kernel_gemm(&k, CH_PANEL_I16) == k.gemm_i16);
    assert_true(ch_kernel_gemm(&k, CH_PANELS) == NULL);
    assert_true(ch_kernel_row(&k, CH_PANEL_F32) == NULL);
    assert_true(ch_kernel_row(&k, CH_PANEL_BF16) == k.row_bf16);
    assert_true(ch_kernel_row(&k, CH_PANEL_Q8) == k.row_q8);
    assert_true(ch_kernel_row(&k, CH_PANEL_Q4) == k.row_q8);
    assert_true(ch_kernel_row(&k, CH_PANEL_I16) == NULL);
    assert_true(ch_kernel_score(&k, CH_F16) == k.score_f16);
    assert_true(ch_kernel_mix(&k, CH_Q8_0) == k.mix_q8_0);
    assert_true(ch_kernel_score(&k, CH_Q4_0) == NULL && ch_kernel_mix(&k, CH_F64) == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masks),    cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_describe), cmocka_unit_test(test_environment),
        cmocka_unit_test(test_tables),   cmocka_unit_test(test_by_kind),
    };
    machine = features(strrchr(NAMES, ' ') + 1); /* what the last name allows is everything */
    return cmocka_run_group_tests_name("kernel/cpu", tests, NULL, NULL);
}
