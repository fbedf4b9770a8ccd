/* panel.c - matrices of every format into panels and back, and the sizes of both
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "kernel.h"

typedef struct matrix {
    ch_dtype dtype;
    int N, K;
    size_t row_bytes; /* between rows: more than they have */
    unsigned char *stored, *panels;
    size_t panels_bytes;
} matrix;

static const int heights[] = {1, 2, 15, 16, 17, 31, 32, 33, 50};

/* Any bytes, as long as every block's values are finite. */
static void draw_blocks(unsigned char *row, const ch_dtype_info *info, int K, uint64_t seed)
{
    float values[256];
    for (int b = 0; b < K / info->block; b++, row += info->bytes)
        for (uint64_t attempt = 0, finite = 0; !finite; attempt++) {
            for (int i = 0; i < info->bytes; i++)
                row[i] = (unsigned char)ch_rng_below(256, seed + attempt, CH_RNG_TEST, (uint64_t)b,
                                                     (uint64_t)i);
            info->decode(values, row, info->block);
            finite = 1;
            for (int i = 0; i < info->block; i++)
                finite = finite && isfinite(values[i]);
        }
}

/* The bytes of a format's blocks are drawn at random, but scales and floats stay finite. */
static void draw(unsigned char *row, ch_dtype t, int K, uint64_t seed)
{
    const ch_dtype_info *info = ch_dtype_get(t);
    if (info->block > 1) {
        draw_blocks(row, info, K, seed);
        return;
    }
    float *x = malloc((size_t)K * sizeof *x);
    assert_non_null(x);
    for (int k = 0; k < K; k++)
        x[k] = (float)ch_rng_normal(seed, CH_RNG_TEST, 0, (uint64_t)k);
    info->encode(row, x, K);
    if (t == CH_F16) { /* every kind of binary16 there is */
        static const uint16_t kinds[] = {0x0000, 0x8000, 0x0001, 0x83ff,
                                         0x0400, 0x7bff, 0x7c00, 0xfc00};
        for (int k = 0; k < K; k++)
            if (k % 3 == 0)
                memcpy(row + 2 * k, &kinds[(unsigned)k / 3 % 8], 2);
    }
    free(x);
}

static void open_matrix(matrix *m, ch_dtype t, int N, int K)
{
    const size_t bytes = ch_dtype_bytes(t, K);
    *m = (matrix){.dtype = t, .N = N, .K = K, .row_bytes = bytes + 10};
    m->panels_bytes = ch_panels_bytes(ch_dtype_get(t)->panel, N, K);
    m->stored = guarded((size_t)(N - 1) * m->row_bytes + bytes);
    m->panels = guarded((m->panels_bytes + 63) / 64 * 64);
    for (int n = 0; n < N; n++)
        draw(m->stored + (size_t)n * m->row_bytes, t, K, (uint64_t)n + 1);
}

static void close_matrix(matrix *m)
{
    guarded_free(m->stored, (size_t)(m->N - 1) * m->row_bytes + ch_dtype_bytes(m->dtype, m->K));
    guarded_free(m->panels, (m->panels_bytes + 63) / 64 * 64);
}

static void same_row(const real *got, const float *want, int K)
{
    for (int k = 0; k < K; k++)
        assert_int_equal(memcmp(&got[k], &want[k], sizeof *want), 0);
}

/* Packed in two pieces, every row comes back as its format's decode gives it. */
static void round_trip(ch_dtype t, int N, int K)
{
    matrix m;
    open_matrix(&m, t, N, K);
    const ch_panel_kind kind = ch_dtype_get(t)->panel;
    const int middle = N / 2 / CH_PANEL_ROWS * CH_PANEL_ROWS;
    float *want = guarded((size_t)K * sizeof *want);
    real *got = guarded((size_t)K * sizeof *got);
    ch_panel_pack(m.panels, t, m.stored, m.row_bytes, N, K, middle, N);
    for (size_t i = 0; i < (size_t)(middle / CH_PANEL_ROWS) * ch_panel_bytes(kind, K); i++)
        assert_int_equal(m.panels[i], 0xa5); /* only the rows asked for */
    ch_panel_pack(m.panels, t, m.stored, m.row_bytes, N, K, 0, middle);
    for (int n = 0; n < N; n++) {
        ch_dtype_get(t)->decode(want, m.stored + (size_t)n * m.row_bytes, K);
        ch_panel_unpack_row(got, kind, m.panels, K, n);
        same_row(got, want, K);
    }
    for (int n = N; n < (N + 15) / 16 * 16; n++) { /* padding is zero */
        ch_panel_unpack_row(got, kind, m.panels, K, n);
        for (int k = 0; k < K; k++)
            assert_true(got[k] == 0);
    }
    guarded_free(want, (size_t)K * sizeof *want);
    guarded_free(got, (size_t)K * sizeof *got);
    close_matrix(&m);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (ch_dtype t = 0; t < CH_DTYPES; t++) {
        const int block = ch_dtype_get(t)->block;
        static const int lengths[] = {1, 2, 3, 5, 9};
        for (size_t i = 0; i < CH_COUNT(heights); i++)
            for (size_t j = 0; j < CH_COUNT(lengths); j++)
                round_trip(t, heights[i], lengths[j] * block);
        round_trip(t, 17, block == 1 ? 67 : 7 * block);
        round_trip(t, 3, block == 1 ? 129 : 32 * block);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    for (int K = 1; K <= 130; K++) {
        assert_int_equal(ch_panel_bytes(CH_PANEL_F32, K), K * 64);
        assert_int_equal(ch_panel_bytes(CH_PANEL_BF16, K), (K + 1) / 2 * 64);
        assert_int_equal(ch_row_bytes(CH_PANEL_F32, K) % 8, 0);
        assert_int_equal(ch_row_bytes(CH_PANEL_BF16, K) % 8, 0);
        assert_true(ch_row_bytes(CH_PANEL_F32, K) >= (size_t)K * 4);
        assert_true(ch_row_bytes(CH_PANEL_BF16, K) >= (size_t)K * 2);
    }
    for (int g = 1; g <= 40; g++) {
        const size_t q8 = ch_panel_bytes(CH_PANEL_Q8, 32 * g);
        const size_t q4 = ch_panel_bytes(CH_PANEL_Q4, 32 * g);
        assert_int_equal(q8, g * 512 + (g + 1) / 2 * 64);
        assert_int_equal(q4, g * 256 + (g + 1) / 2 * 64);
        assert_true(q8 % 64 == 0 && q4 % 64 == 0);
        assert_int_equal(ch_row_bytes(CH_PANEL_Q8, 32 * g), 64 * g);
        assert_int_equal(ch_row_bytes(CH_PANEL_Q4, 32 * g), 64 * g);
        const size_t q4_1 = ch_panel_bytes(CH_PANEL_Q4_1, 32 * g);
        assert_int_equal(q4_1, g * 256 + (g + 1) / 2 * 128);
        assert_int_equal(ch_panel_bytes(CH_PANEL_Q5_0, 32 * g), g * 320 + (g + 1) / 2 * 64);
        assert_int_equal(ch_panel_bytes(CH_PANEL_Q4_K, 256 * g), g * (64 + 256 + 2048));
        assert_int_equal(ch_panel_bytes(CH_PANEL_Q6_K, 256 * g), g * (64 + 256 + 3072));
        assert_int_equal(ch_panel_bytes(CH_PANEL_IQ4_XS, 256 * g), g * (64 + 128 + 2048));
        assert_int_equal(ch_row_bytes(CH_PANEL_Q4_K, 256 * g), 512 * g);
    }
    for (int kind = 0; kind < CH_PANELS; kind++)
        assert_int_equal(ch_panel_bytes((ch_panel_kind)kind, 1280) % 64, 0);
    assert_int_equal(ch_panels_bytes(CH_PANEL_F32, 17, 3), 2 * 3 * 64);
    assert_int_equal(ch_panels_bytes(CH_PANEL_F32, 2147483647, 2147483647),
                     (size_t)134217728 * ((size_t)2147483647 * 64)); /* no int overflows */
}

/* A matrix and its transpose, from the same numbers. */
static void test_pack_real(void **state)
{
    (void)state;
    enum { N = 37, K = 21 };
    real src[N * K], row[K], column[N];
    for (int i = 0; i < N * K; i++)
        src[i] = (real)i;
    const size_t bytes = ch_panels_bytes(CH_PANEL_F32, N, K);
    const size_t bytes_t = ch_panels_bytes(CH_PANEL_F32, K, N);
    void *panels = guarded(bytes), *transposed = guarded(bytes_t);
    ch_panel_pack_real(panels, src, K, 1, N, K, 0, 32);
    ch_panel_pack_real(panels, src, K, 1, N, K, 32, N);
    ch_panel_pack_real(transposed, src, 1, K, K, N, 0, K);
    for (int n = 0; n < N; n++) {
        ch_panel_unpack_row(row, CH_PANEL_F32, panels, K, n);
        for (int k = 0; k < K; k++)
            assert_true(row[k] == src[n * K + k]);
    }
    for (int k = 0; k < K; k++) {
        ch_panel_unpack_row(column, CH_PANEL_F32, transposed, N, k);
        for (int n = 0; n < N; n++)
            assert_true(column[n] == src[n * K + k]);
    }
    ch_panel_unpack_row(row, CH_PANEL_F32, panels, K, N); /* a padding row */
    for (int k = 0; k < K; k++)
        assert_true(row[k] == 0);
    guarded_free(panels, bytes);
    guarded_free(transposed, bytes_t);
}

/* A product with a packed matrix is the dot product of its rows: integers, so exactly. */
static void test_product(void **state)
{
    (void)state;
    enum { N = 20, K = 96 };
    real x[K], want[N], y[N];
    float w[N * K];
    fill(w, N * K, FILL_SMALL, 1);
    fill(x, K, FILL_SMALL, 2);
    for (int g = 0; g < K; g += 32)
        x[g] = 127; /* the scale of each group is 1 */
    for (int n = 0; n < N; n++) {
        w[n * K] = -8, w[n * K + 32] = -8, w[n * K + 64] = -8; /* Q4: scale 1 */
        want[n] = 0;
        for (int k = 0; k < K; k++)
            want[n] += x[k] * CH_MIN(w[n * K + k], 7);
    }
    for (int i = 0; i < N * K; i++)
        w[i] = CH_MIN(w[i], 7);
    unsigned char stored[N * K * sizeof(float)];
    const ch_dtype types[] = {CH_F32, CH_BF16, CH_Q4_0};
    for (size_t i = 0; i < CH_COUNT(types); i++) {
        const ch_panel_kind kind = ch_dtype_get(types[i])->panel;
        const size_t row = ch_dtype_bytes(types[i], K), bytes = ch_panels_bytes(kind, N, K);
        ch_kernels k;
        void *panels = guarded(bytes), *xrow = guarded(ch_row_bytes(kind, K));
        ch_kernels_init(&k, 0);
        ch_dtype_get(types[i])->encode(stored, w, N * K);
        ch_panel_pack(panels, types[i], stored, row, N, K, 0, N);
        if (ch_kernel_row(&k, kind))
            ch_kernel_row(&k, kind)(xrow, x, K);
        else
            memcpy(xrow, x, sizeof x);
        ch_kernel_gemm(&k, kind)(y, N, xrow, 0, panels, 1, 0, N, K, 0);
        for (int n = 0; n < N; n++)
            assert_true(y[n] == want[n]);
        guarded_free(panels, bytes);
        guarded_free(xrow, ch_row_bytes(kind, K));
    }
}

/* What a quantized product is worth: the exact one of the row's own values and the decoded weights,
 * but for the roundings of its sums, which may be as large as weights without their minimum. */
static void product_of(ch_dtype t)
{
    enum { N = 19, K = 512, GROUPS = K / 32, GROUP_BYTES = 64 };
    const ch_panel_kind kind = ch_dtype_get(t)->panel;
    matrix m;
    ch_kernels kernels;
    real x[K], y[N];
    float values[K], w[K];
    unsigned char row[GROUPS * GROUP_BYTES];
    open_matrix(&m, t, N, K);
    for (int i = 0; t == CH_MXFP4 && i < N * GROUPS; i++) /* powers whose sums are floats */
        m.stored[(size_t)(i / GROUPS) * m.row_bytes + (size_t)(i % GROUPS * 17)] %= 190;
    ch_kernels_init(&kernels, 0);
    assert_int_equal(ch_row_bytes(kind, K), sizeof row);
    fill(values, K, FILL_NORMAL, 5);
    for (int k = 0; k < K; k++)
        x[k] = values[k];
    kernels.row_q8(row, x, K);
    ch_panel_pack(m.panels, t, m.stored, m.row_bytes, N, K, 0, N);
    ch_kernel_gemm(&kernels, kind)(y, N, row, 0, m.panels, 1, 0, N, K, (int)kind << CH_GEMM_KIND);
    for (int n = 0; n < N; n++) {
        double want = 0, most = 0;
        ch_dtype_get(t)->decode(w, m.stored + (size_t)n * m.row_bytes, K);
        for (int k = 0; k < K; k++) {
            float d, largest = 0;
            memcpy(&d, row + k / 32 * GROUP_BYTES + 32, sizeof d);
            const double q = (double)d * (int8_t)row[k / 32 * GROUP_BYTES + k % 32];
            for (int i = k / 32 * 32; i < k / 32 * 32 + 32; i++)
                largest = CH_MAX(largest, fabsf(w[i]));
            want += q * (double)w[k];
            most += fabs(q) * 64 * (double)largest;
        }
        if (!(fabs((double)y[n] - want) <= ldexp(most, -22)))
            fail_msg("%s row %d: %g, wanted %g", ch_dtype_get(t)->name, n, (double)y[n], want);
    }
    close_matrix(&m);
}

static void test_quantized_products(void **state)
{
    (void)state;
    for (int t = 0; t < CH_DTYPES; t++)
        if (ch_row_kind(ch_dtype_get((ch_dtype)t)->panel) == CH_PANEL_Q8)
            product_of((ch_dtype)t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_pack_real),
        cmocka_unit_test(test_product),
        cmocka_unit_test(test_quantized_products),
    };
    return cmocka_run_group_tests_name("kernel/panel", tests, NULL, NULL);
}
