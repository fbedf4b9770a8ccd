/* product.c - matrix products cut into tiles (product.h)
 *
 * Few rows (decoding): the weights are read once, so a tile is a stretch of panels.  Many rows: a
 * tile is a block of rows by a stretch of panels that fit a core's cache together (two panels at
 * least); row blocks of one stretch are consecutive tasks, so the panels are still there for the
 * next.  bfloat16, whose kernel asks for rows ahead, is fastest with higher blocks.  I16: the
 * kernel reads each group of both matrices once for a tile, so a tile is nearly square.
 * SPDX-License-Identifier: MIT */
#include "product.h"

enum {
    FEW_ROWS = 16,
    ROW_BLOCK = 64,           /* rows of a tile when there are many */
    ROW_BLOCK_BF16 = 256,
    PANEL_BYTES_FEW = 262144, /* panels of a tile: with few rows, and with many */
    PANEL_BYTES_MANY = 131072,
    AT_ONCE = 4,              /* panels that x86's kernels take at once at most: of one row, */
    AT_ONCE_MANY = 2,         /* and of many, which read the rows half as often as by single ones */
    TILES_WANTED = 8,         /* of one product, so that threads find work */
    SMALL_MACS = 65536,       /* less in all is not worth a barrier */
    I16_ROWS = 128,           /* of a tile, half of it where the product is small */
    I16_PANELS = 6,
    I16_SMALL = 1 << 18       /* elements of y */
};

typedef struct grid {
    int rows;                 /* of a tile */
    int units, unit;          /* column tiles share `units` of `unit` panels, nearly evenly */
    int row_tiles, col_tiles;
} grid;

static int ceil_div(int a, int b)
{
    return a / b + (a % b != 0);
}

static grid cut_i16(const ch_product *p)
{
    const int panels = ceil_div(p->N, CH_PANEL_ROWS), tiles = ceil_div(panels, I16_PANELS);
    grid g = {.rows = (int64_t)p->M * p->N < I16_SMALL ? I16_ROWS / 2 : I16_ROWS,
              .unit = ceil_div(panels, CH_MAX(tiles, 1))};
    g.row_tiles = ceil_div(p->M, g.rows);
    g.units = g.col_tiles = ceil_div(panels, CH_MAX(g.unit, 1));
    return g;
}

static grid cut(const ch_product *p, int threads)
{
    if (p->kind == CH_PANEL_I16)
        return cut_i16(p);
    const int panels = ceil_div(p->N, CH_PANEL_ROWS), k = p->slice ? CH_MIN(p->slice, p->K) : p->K;
    const size_t room = p->M <= FEW_ROWS ? PANEL_BYTES_FEW : PANEL_BYTES_MANY;
    const size_t fit = room / CH_MAX(ch_panel_bytes(p->kind, k), (size_t)1);
    const int most = CH_MAX(panels / TILES_WANTED, 1);
    const int least = p->M <= FEW_ROWS ? 1 : AT_ONCE_MANY;
    const int stretch = CH_MAX(least, fit < (size_t)most ? (int)fit : most);
    grid g = {.rows = p->kind == CH_PANEL_BF16 ? ROW_BLOCK_BF16 : ROW_BLOCK, .unit = stretch};
    g.units = g.col_tiles = ceil_div(panels, stretch);
    if (p->M <= FEW_ROWS) { /* as many tiles for each thread, of panels that a kernel has at once */
        g.rows = CH_MAX(p->M, 1);
        g.unit = AT_ONCE;
        g.units = ceil_div(panels, AT_ONCE);
        g.col_tiles = CH_MIN(ceil_div(g.col_tiles, threads) * threads, g.units);
    }
    g.row_tiles = ceil_div(p->M, g.rows);
    return g;
}

void ch_op_product_block(const ch_run *r, const ch_product *p, int m0, int m1, int n0, int n1)
{
    ch_gemm_fn *gemm = ch_kernel_gemm(r->kernels, p->kind);
    real *y = p->y + m0 * p->ldy;
    const char *x =
        (const char *)p->x + (p->kind == CH_PANEL_I16 ? m0 / CH_PANEL_ROWS : m0) * p->ldx;
    const int step = p->slice ? p->slice : p->K, flags = p->flags | (int)p->kind << CH_GEMM_KIND;
    for (int k0 = 0; k0 < p->K; k0 += step) {
        const int k = CH_MIN(step, p->K - k0);
        const char *w = (const char *)p->panels + (k0 ? ch_panels_bytes(p->kind, p->N, k0) : 0);
        gemm(y, p->ldy, x + (size_t)k0 * sizeof(real), p->ldx, w, m1 - m0, n0, n1, k,
             k0 ? flags | CH_GEMM_ADD : flags);
    }
    if (!p->bias)
        return;
    for (int m = 0; m < m1 - m0; m++)
        for (int n = n0; n < n1; n++)
            y[m * p->ldy + n] += p->bias[n];
}

static int first_column(const grid *g, int tile)
{
    return (int)((int64_t)g->units * tile / g->col_tiles) * g->unit * CH_PANEL_ROWS;
}

typedef struct tiles {
    const ch_run *run;
    const ch_product *p;
} tiles;

static void run_tile(void *arg, int task, int thread)
{
    (void)thread;
    const tiles *t = arg;
    const ch_product *p = t->p;
    const int threads = ch_pool_threads(t->run->pool);
    grid g = cut(p, threads);
    while (task >= g.row_tiles * g.col_tiles) {
        task -= g.row_tiles * g.col_tiles;
        g = cut(++p, threads);
    }
    const int m0 = task % g.row_tiles * g.rows, column = task / g.row_tiles;
    ch_op_product_block(t->run, p, m0, CH_MIN(m0 + g.rows, p->M), first_column(&g, column),
                        CH_MIN(first_column(&g, column + 1), p->N));
}

void ch_op_products(const ch_run *r, const ch_product *p, int n)
{
    int tasks = 0;
    double macs = 0;
    for (int i = 0; i < n; i++) {
        const grid g = cut(&p[i], ch_pool_threads(r->pool));
        tasks += g.row_tiles * g.col_tiles;
        macs += (double)p[i].M * p[i].N * p[i].K;
    }
    tiles t = {r, p};
    ch_pool_run(macs < SMALL_MACS ? NULL : r->pool, run_tile, &t, tasks);
}

/* ---- Panels ------------------------------------------------------------------------------- */

typedef struct packing {
    char *panels;
    const real *src;
    ptrdiff_t row_stride, col_stride;
    int N, K, stretches; /* a task: a stretch of STRETCH rows in one slice */
} packing;

enum { STRETCH = 64 };

static void pack(void *arg, int task, int thread)
{
    (void)thread;
    const packing *p = arg;
    const int k0 = task / p->stretches * CH_SLICE, n0 = task % p->stretches * STRETCH;
    ch_panel_pack_real(p->panels + (k0 ? ch_panels_bytes(CH_PANEL_F32, p->N, k0) : 0),
                       p->src + k0 * p->col_stride, p->row_stride, p->col_stride, p->N,
                       CH_MIN(CH_SLICE, p->K - k0), n0, CH_MIN(n0 + STRETCH, p->N));
}

const void *ch_op_product_pack(ch_run *r, const real *src, ptrdiff_t row_stride,
                               ptrdiff_t col_stride, int N, int K)
{
    packing p = {ch_arena_take(r->scratch, ch_panels_bytes(CH_PANEL_F32, N, K)),
                 src,
                 row_stride,
                 col_stride,
                 N,
                 K,
                 ceil_div(N, STRETCH)};
    if (ch_op_computes(r))
        ch_pool_run((double)N * K < SMALL_MACS ? NULL : r->pool, pack, &p,
                    p.stretches * ceil_div(K, CH_SLICE));
    return p.panels;
}

typedef struct packing_i16 {
    ch_pack_fn *fn;
    char *panels;
    const real *src;
    ptrdiff_t ld;
    int N, K, rows, cols, stretches; /* a task: rows by cols, long where src is contiguous */
} packing_i16;

static void pack_i16(void *arg, int task, int thread)
{
    (void)thread;
    const packing_i16 *p = arg;
    const int k0 = task / p->stretches * p->cols, n0 = task % p->stretches * p->rows;
    p->fn(p->panels, p->src, p->ld, p->N, p->K, n0, CH_MIN(n0 + p->rows, p->N), k0,
          CH_MIN(k0 + p->cols, p->K));
}

const void *ch_op_product_pack_i16(ch_run *r, const real *src, ptrdiff_t ld, int N, int K,
                                   bool transposed)
{
    packing_i16 p = {transposed ? r->kernels->pack_i16t : r->kernels->pack_i16,
                     ch_arena_take(r->scratch, ch_panels_bytes(CH_PANEL_I16, N, K)),
                     src,
                     ld,
                     N,
                     K,
                     transposed ? CH_SLICE : STRETCH,
                     transposed ? CH_CE_CHUNK : CH_SLICE,
                     0};
    p.stretches = ceil_div(N, p.rows);
    if (ch_op_computes(r))
        ch_pool_run((double)N * K < SMALL_MACS ? NULL : r->pool, pack_i16, &p,
                    p.stretches * ceil_div(K, p.cols));
    return p.panels;
}

void ch_op_product_weight(ch_run *r, ch_product *p, const ch_weight *w)
{
    p->N = (int)ch_weight_rows(w);
    p->K = (int)ch_weight_width(w);
    p->kind = w->kind;
    p->panels = w->panels;
    if (w->panels)
        return;
    if (r->precision == CH_PRECISION_I16 && w->stored.dtype == CH_REAL) {
        p->kind = CH_PANEL_I16;
        p->panels = ch_op_product_pack_i16(r, w->stored.data, p->K, p->N, p->K, false);
        return;
    }
    ch_weight packed = *w;
    void *memory = ch_arena_take(r->scratch, ch_weight_packed_bytes(w));
    if (ch_op_computes(r))
        ch_weight_pack(&packed, memory, r->pool, NULL, NULL);
    p->kind = ch_dtype_get(w->stored.dtype)->panel;
    p->panels = memory;
}

/* ---- Rows --------------------------------------------------------------------------------- */

typedef struct encoding {
    ch_row_fn *fn;
    const ch_tensor *x;
    char *out;
    size_t ld;
} encoding;

static void encode(void *arg, int64_t row0, int64_t row1)
{
    const encoding *e = arg;
    for (int64_t t = row0; t < row1; t++)
        e->fn(e->out + (size_t)t * e->ld, ch_tensor_row(e->x, t), (int)ch_tensor_width(e->x));
}

void ch_op_product_rows(ch_run *r, ch_product *p, ch_encoded *e, const ch_tensor *x)
{
    const int T = (int)ch_tensor_rows(x), K = (int)ch_tensor_width(x);
    p->M = T;
    if (p->kind == CH_PANEL_F32) {
        p->x = x->data;
        p->ldx = x->stride[0] * (ptrdiff_t)sizeof(real);
        return;
    }
    if (p->kind == CH_PANEL_I16) {
        if (!e->rows[CH_PANEL_I16])
            e->rows[CH_PANEL_I16] =
                ch_op_product_pack_i16(r, x->data, x->stride[0], T, K, false);
        p->x = e->rows[CH_PANEL_I16];
        p->ldx = (ptrdiff_t)ch_panel_bytes(CH_PANEL_I16, K);
        return;
    }
    const ch_panel_kind format = ch_row_kind(p->kind);
    /* An odd number of cache lines: rows a power of two apart would meet in the same sets of the
     * first-level cache (3% at M = 64). */
    const size_t ld = ch_row_bytes(format, K) | 64;
    if (!e->rows[format]) {
        encoding task = {ch_kernel_row(r->kernels, format), x,
                         ch_arena_take(r->scratch, ch_size_mul((size_t)T, ld)), ld};
        if (ch_op_computes(r))
            ch_op_for_rows(r, T, K, encode, &task);
        e->rows[format] = task.out;
    }
    p->x = e->rows[format];
    p->ldx = (ptrdiff_t)ld;
}
