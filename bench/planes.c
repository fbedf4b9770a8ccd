/* planes.c - could a vocabulary head be read in two passes, the high bits of all rows and then the
 * low bits of the rows that can still win?
 *
 *     planes MODEL TEXT [TOKENS]
 *     planes ROWS WIDTH GAP       a made head: normal rows, one of them GAP deviations above
 *
 * The head's rows as int8 with a scale for each 32 columns (as q8_0).  Their first `bits` bits give
 * an estimate of each logit; the rest of it is at most sum_g |low_g| |x_g| over the groups (Cauchy
 * and Schwarz), a proven bound, of which |low_g| would be kept beside the scale.  For the hidden
 * states after each of the first TOKENS [400] tokens of TEXT: which share of rows can still be the
 * best, or among the best 40, after the first pass; which share of panels of 16 rows holds one; and
 * so which share of the head's bytes is read in all.  Then the same of a random head with rows of
 * the same norms.
 *
 *     cc -O3 -march=native -D_GNU_SOURCE $(printf ' -I%s' include src/[a-z]*) \
 *         bench/planes.c build/gcc/libchalcis.a -ljansson -lpcre2-8 -lutf8proc -lpthread -lm
 *
 * SPDX-License-Identifier: MIT */
#include "generate.h"
#include "token.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS "| head | bits | best | gap, sd | rows left | panels left | bytes read |\n" \
                "|---|---|---|---|---|---|---|\n"

enum { GROUP = 32, PANEL = 16, BEST = 40, MOST_GROUPS = 512 };

typedef struct head {
    int rows, width;
    int8_t *q;    /* (rows, width) */
    float *scale; /* (rows, width / GROUP) */
} head;

typedef struct found {
    double rows, panels, gap; /* sums over positions; gap: best over mean, in standard deviations */
} found;

typedef struct states {
    float *x; /* (n, width) */
    int n, width;
} states;

static void die(const ch_err *e)
{
    fprintf(stderr, "planes: %s\n", e->text);
    exit(1);
}

static void set_row(head *h, int row, const float *w)
{
    for (int g = 0; g < h->width / GROUP; g++) {
        float most = 0;
        for (int i = 0; i < GROUP; i++)
            most = fmaxf(most, fabsf(w[g * GROUP + i]));
        h->scale[(size_t)row * (size_t)(h->width / GROUP) + (size_t)g] = most / 127;
        for (int i = 0; i < GROUP; i++)
            h->q[(size_t)row * (size_t)h->width + (size_t)(g * GROUP + i)] =
                (int8_t)(most > 0 ? lrintf(w[g * GROUP + i] / most * 127) : 0);
    }
}

/* The estimate by the first `bits` bits, and how far the logit may be from it. */
static void one_row(const head *h, int row, int bits, const float *x, const float *norm,
                    float *estimate, float *bound)
{
    const int8_t *q = h->q + (size_t)row * (size_t)h->width;
    const float *scale = h->scale + (size_t)row * (size_t)(h->width / GROUP);
    const int step = 1 << (8 - bits);
    *estimate = *bound = 0;
    for (int g = 0; g < h->width / GROUP; g++) {
        float sum = 0, low = 0;
        for (int i = 0; i < GROUP; i++) {
            const int v = q[g * GROUP + i];
            const float high = (float)(v & -step) + 0.5f * (float)(step - 1);
            sum += high * x[g * GROUP + i];
            low += ((float)v - high) * ((float)v - high);
        }
        *estimate += scale[g] * sum;
        *bound += scale[g] * sqrtf(low) * norm[g];
    }
}

static int descending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

static void judge(found *f, const head *h, int bits, int best, const float *x)
{
    float *estimate = malloc(sizeof(float) * (size_t)h->rows * 3), *bound = estimate + h->rows,
          *least = bound + h->rows, norm[MOST_GROUPS];
    double sum = 0, squares = 0, most = -INFINITY;
    for (int g = 0; g < h->width / GROUP; g++) {
        float s = 0;
        for (int i = 0; i < GROUP; i++)
            s += x[g * GROUP + i] * x[g * GROUP + i];
        norm[g] = sqrtf(s);
    }
    for (int r = 0; r < h->rows; r++) {
        one_row(h, r, bits, x, norm, &estimate[r], &bound[r]);
        least[r] = estimate[r] - bound[r];
        sum += (double)estimate[r];
        squares += (double)estimate[r] * (double)estimate[r];
        most = fmax(most, (double)estimate[r]);
    }
    qsort(least, (size_t)h->rows, sizeof *least, descending);
    int rows = 0, panels = 0;
    for (int r = 0, last = -1; r < h->rows; r++)
        if (estimate[r] + bound[r] >= least[best - 1]) {
            rows++;
            panels += r / PANEL != last;
            last = r / PANEL;
        }
    f->rows += (double)rows / h->rows;
    f->panels += (double)panels * PANEL / h->rows;
    const double mean = sum / h->rows;
    f->gap += (most - mean) / sqrt(squares / h->rows - mean * mean);
    free(estimate);
}

static void table(const char *what, const head *h, const states *s)
{
    static const int bits[] = {4, 5, 6}, best[] = {1, BEST};
    for (int b = 0; b < 3; b++)
        for (int k = 0; k < 2; k++) {
            found f = {0};
            for (int i = 0; i < s->n; i++)
                judge(&f, h, bits[b], best[k], s->x + (size_t)i * (size_t)s->width);
            printf("| %s | %d + %d | %d | %.2f | %.1f %% | %.1f %% | %.0f %% |\n", what, bits[b],
                   8 - bits[b], best[k], f.gap / s->n, 100 * f.rows / s->n,
                   100 * f.panels / s->n,
                   /* 8 bits and a scale of 16 for 32; with the norms, 8 bits for 32 more */
                   100 * (bits[b] + 0.75 + (8 - bits[b]) * f.panels / s->n) / 8.5);
            fflush(stdout);
        }
}

static void keep(void *arg, int position, const real *hidden)
{
    states *s = arg;
    (void)position;
    for (int i = 0; i < s->width; i++)
        s->x[(size_t)s->n * (size_t)s->width + (size_t)i] = (float)hidden[i];
    s->n++;
}

static states run(ch_model *m, const char *path, const char *text, int most)
{
    ch_err e = {0};
    ch_tokenizer *tk;
    ch_tokens t = {0};
    ch_session *s;
    ch_buf b;
    ch_buf_init(&b, 1 << 26);
    if (ch_io_read_file(&b, text, &e) < 0 || ch_tokenizer_open(&tk, path, NULL, &e) < 0 ||
        ch_tokenizer_encode(&t, tk, b.data, CH_MIN(b.size, (size_t)most * 8), 0, &e) < 0)
        die(&e);
    const ch_session_options o = {.context = CH_MIN(most, m->config.context)};
    const int n = CH_MIN((int)t.n, o.context);
    states all = {.x = malloc(sizeof(float) * (size_t)n * (size_t)m->config.width),
                  .width = m->config.width};
    if (ch_session_open(&s, m, &o, &e) < 0 || ch_session_put(s, t.id, n, &e) < 0)
        die(&e);
    while (ch_session_waiting(s) > 0)
        if (ch_session_hidden(s, 64, keep, &all, &e) < 0)
            die(&e);
    ch_session_close(&s);
    ch_tokenizer_close(&tk);
    ch_tokens_free(&t);
    ch_buf_close(&b);
    return all;
}

static head open_head(size_t rows, size_t width)
{
    if (rows < BEST || width == 0 || width % GROUP != 0 || width / GROUP > MOST_GROUPS) {
        fprintf(stderr, "planes: %zu rows of %zu; allowed are at least %d, of multiples of %d up "
                        "to %d\n", rows, width, BEST, GROUP, MOST_GROUPS * GROUP);
        exit(2);
    }
    return (head){.rows = (int)rows, .width = (int)width, .q = malloc(rows * width),
                  .scale = malloc(sizeof(float) * rows * (width / GROUP))};
}

/* The model's head, and a random one whose rows are as long. */
static void of_model(const char *path, const char *text, int most)
{
    ch_err e = {0};
    ch_model *m;
    if (ch_model_open(&m, path, 0, &e) < 0)
        die(&e);
    const states s = run(m, path, text, most);
    const size_t rows = (size_t)ch_weight_rows(m->output), width = (size_t)s.width;
    head h = open_head(rows, width), random = open_head(rows, width);
    real *row = malloc(sizeof *row * width);
    float *w = malloc(sizeof *w * width), *drawn = malloc(sizeof *w * width);
    for (size_t r = 0; r < rows; r++) {
        double norm = 0, other = 0;
        ch_tensor_read(row, &m->output->stored, (int64_t)(r * width), (int64_t)width);
        for (size_t i = 0; i < width; i++) {
            w[i] = (float)row[i];
            drawn[i] = (float)ch_rng_normal(7, CH_RNG_TEST, 0, r * width + i);
            norm += (double)w[i] * (double)w[i];
            other += (double)drawn[i] * (double)drawn[i];
        }
        for (size_t i = 0; i < width; i++)
            drawn[i] *= (float)sqrt(norm / other);
        set_row(&h, (int)r, w);
        set_row(&random, (int)r, drawn);
    }
    printf("%d positions, %zu rows of %zu\n\n" COLUMNS, s.n, rows, width);
    table("trained", &h, &s);
    table("random", &random, &s);
}

static void made(size_t rows, size_t width, double gap)
{
    enum { POSITIONS = 40 };
    head h = open_head(rows, width);
    states s = {.x = calloc(POSITIONS * width, sizeof(float)), .n = POSITIONS,
                .width = (int)width};
    float *w = malloc(sizeof *w * width);
    for (size_t r = 0; r < rows; r++) {
        float *x = s.x + r * width;
        double along = 0;
        for (size_t i = 0; i < width; i++)
            w[i] = (float)ch_rng_normal(7, CH_RNG_TEST, 0, r * width + i);
        set_row(&h, (int)r, w);
        for (size_t i = 0; i < width && r < POSITIONS; i++) {
            x[i] = (float)ch_rng_normal(8, CH_RNG_TEST, 0, r * width + i);
            along += (double)x[i] * (double)w[i] / (double)width;
        }
        for (size_t i = 0; i < width && r < POSITIONS; i++)
            x[i] += (float)(gap / sqrt((double)width) - along) * w[i];
    }
    printf("%zu rows of %zu\n\n" COLUMNS, rows, width);
    table("made", &h, &s);
}

int main(int argc, char **argv)
{
    if (argc == 4 && atoi(argv[1]) > 0)
        made((size_t)atoi(argv[1]), (size_t)atoi(argv[2]), atof(argv[3]));
    else if (argc > 2)
        of_model(argv[1], argv[2], argc > 3 ? atoi(argv[3]) : 400);
    else
        fprintf(stderr, "usage: planes MODEL TEXT [TOKENS] | planes ROWS WIDTH GAP\n");
    return argc > 2 ? 0 : 2;
}
