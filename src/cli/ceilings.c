/* ceilings.c - measures what this machine can do at most
 *
 * Every measurement repeats its loop until it takes ROUND_NS, and all take turns, round by round,
 * so that a disturbance meets each of them once.  With all threads each has memory of its own and
 * as many repetitions, and the slowest decides.  SPDX-License-Identifier: MIT */
#include "ceilings.h"
#include "kernel.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ROUND_NS = 12000000, STEPS = 20000, MIB = 1 << 20, MOST_THREADS = 1024 };

static const struct {
    const char *name, *key, *family;
} kinds[CH_CEILINGS] = {
    {"read L2", "read_l2", "read"},       {"read L3", "read_l3", "read"},
    {"read memory", "read_memory", "read"}, {"f32 fma", "f32_fma", "rate_f32"},
    {"bf16 dot", "bf16_dot", "rate_bf16"}, {"int8 dot", "int8_dot", "rate_i8"},
    {"int16 dot", "int16_dot", "rate_i16"},
};

const char *ch_ceiling_name(ch_ceiling_id id)
{
    return kinds[id].name;
}

static bool reads(int id)
{
    return id <= CH_CEILING_MEMORY;
}

ch_ceiling_id ch_ceilings_source(const ch_ceilings *c, double bytes)
{
    for (int id = CH_CEILING_L2; id < CH_CEILING_MEMORY; id++)
        if (c->at[id].isa &&
            bytes <= (double)(id == CH_CEILING_L2 ? c->l2_bytes * (size_t)c->threads : c->l3_bytes))
            return (ch_ceiling_id)id;
    return CH_CEILING_MEMORY;
}

/* ---- Sizes ---------------------------------------------------------------------------------- */

/* A word of a file under cpu0's caches; "" where there is none. */
static void cache_word(char word[16], int index, const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, name);
    FILE *f = fopen(path, "re");
    if (!f || fscanf(f, "%15s", word) != 1)
        word[0] = 0;
    if (f)
        fclose(f);
}

/* Linux tells them in files ("1024K"); sysconf, which others have, may count a virtual machine's
 * third level once a processor of its host. */
static size_t cache_bytes(int level)
{
    for (int i = 0; i < 8; i++) {
        char at[16], kind[16], size[16];
        cache_word(at, i, "level");
        cache_word(kind, i, "type");
        cache_word(size, i, "size");
        if (atoi(at) == level && strcmp(kind, "Instruction") != 0 && atoi(size) > 0)
            return (size_t)atoi(size) << 10;
    }
#ifdef _SC_LEVEL2_CACHE_SIZE
    const long told = sysconf(level == 2 ? _SC_LEVEL2_CACHE_SIZE : _SC_LEVEL3_CACHE_SIZE);
    return told > 0 ? (size_t)told : 0;
#else
    return 0;
#endif
}

/* Half of a cache, for others are in it too; of memory what no cache holds. */
static void choose_sizes(ch_ceilings *c)
{
    const size_t n = (size_t)c->threads, most = (size_t)1024 * MIB;
    c->l2_bytes = cache_bytes(2);
    c->l3_bytes = cache_bytes(3);
    c->at[CH_CEILING_L2].one_bytes = CH_MIN(c->l2_bytes / 2, most / n);
    c->at[CH_CEILING_L2].all_bytes = c->at[CH_CEILING_L2].one_bytes * n;
    if (c->l3_bytes / 2 > c->l2_bytes * n) { /* else second levels would answer */
        c->at[CH_CEILING_L3].one_bytes = c->l3_bytes / 2;
        c->at[CH_CEILING_L3].all_bytes = c->l3_bytes / 2;
    }
    c->at[CH_CEILING_MEMORY].one_bytes = CH_MIN(CH_MAX((size_t)256 * MIB, 4 * c->l3_bytes), most);
    c->at[CH_CEILING_MEMORY].all_bytes = c->at[CH_CEILING_MEMORY].one_bytes;
}

static const char *isa_of(const ch_kernels *k, const char *family)
{
    for (const ch_variant *v = ch_variants; v->name; v++)
        if (strcmp(v->family, family) == 0 &&
            memcmp((const char *)k + v->field, &v->fn, sizeof v->fn) == 0)
            return v->isa;
    return NULL;
}

/* ---- Loops ---------------------------------------------------------------------------------- */

typedef struct loop {
    ch_read_fn *read; /* or */
    ch_rate_fn *rate;
    char *memory;
    size_t bytes; /* of each task's part */
    int64_t times;
    struct {
        double amount; /* bytes, operations */
        uint64_t word; /* what was computed, so that it is */
    } *done; /* (tasks) */
} loop;

static void run_loop(void *arg, int task, int thread)
{
    (void)thread;
    const loop *l = arg;
    double macs = 0, sum = 0;
    uint64_t word = 0;
    for (int64_t i = 0; i < l->times; i++)
        if (l->read)
            word += l->read(l->memory + (size_t)task * l->bytes, l->bytes);
        else
            sum += l->rate(&macs, STEPS, 1, 2);
    l->done[task].word = word ^ (uint64_t)(int64_t)sum;
    l->done[task].amount = l->read ? (double)l->times * (double)l->bytes : 2 * macs;
}

/* In 1e9 a second, of all tasks together; the time it took to *ns. */
static double rate_of(loop *l, ch_pool *pool, int tasks, uint64_t *ns)
{
    const uint64_t t0 = ch_clock_ns();
    ch_pool_run(pool, run_loop, l, tasks);
    *ns = CH_MAX(ch_clock_ns() - t0, 1);
    double amount = 0;
    for (int i = 0; i < tasks; i++)
        amount += l->done[i].amount;
    return amount / (double)*ns;
}

typedef struct measuring {
    ch_ceilings *c;
    ch_kernels k;
    ch_pool *pool;
    char *memory;
    loop loop[CH_CEILINGS][2];
    double rate[CH_CEILINGS][2][CH_CEILING_ROUNDS];
} measuring;

static void prepare(measuring *m, int id, int all)
{
    ch_rate_fn *const rates[] = {m->k.rate_f32, m->k.rate_bf16, m->k.rate_i8, m->k.rate_i16};
    const ch_ceiling *c = &m->c->at[id];
    loop *l = &m->loop[id][all];
    uint64_t ns;
    l->read = reads(id) ? m->k.read : NULL;
    l->rate = reads(id) ? NULL : rates[id - CH_CEILING_F32];
    l->memory = m->memory;
    l->bytes = (all ? c->all_bytes / (size_t)m->c->threads : c->one_bytes) / 4096 * 4096;
    for (l->times = 1;; l->times *= 4) {
        rate_of(l, m->pool, all ? m->c->threads : 1, &ns);
        if (ns > ROUND_NS / 8 || l->times > 1 << 24)
            break;
    }
    l->times = (int64_t)((double)l->times * ROUND_NS / (double)ns) + 1;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static ch_ceiling_rate summary(double *rate)
{
    qsort(rate, CH_CEILING_ROUNDS, sizeof *rate, by_size);
    return (ch_ceiling_rate){rate[CH_CEILING_ROUNDS / 2], rate[0], rate[CH_CEILING_ROUNDS - 1]};
}

static void measure(measuring *m)
{
    uint64_t ns;
    for (int id = 0; id < CH_CEILINGS; id++)
        for (int all = 0; all < 2 && m->c->at[id].isa; all++)
            prepare(m, id, all);
    for (int round = 0; round < CH_CEILING_ROUNDS; round++)
        for (int id = 0; id < CH_CEILINGS; id++)
            for (int all = 0; all < 2 && m->c->at[id].isa; all++)
                m->rate[id][all][round] =
                    rate_of(&m->loop[id][all], m->pool, all ? m->c->threads : 1, &ns);
    for (int id = 0; id < CH_CEILINGS; id++) {
        m->c->at[id].one = summary(m->rate[id][0]);
        m->c->at[id].all = summary(m->rate[id][1]);
    }
}

/* What the reads read.  Not zeros: pages that were never written are all one and the same. */
static char *fill(size_t bytes)
{
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
#ifdef MADV_HUGEPAGE
    madvise(memory, bytes, MADV_HUGEPAGE); /* as the weights have them */
#endif
    memset(memory, 0x5a, bytes);
    return memory;
}

/* What there is to measure; returns how much memory the reads want. */
static size_t choose_loops(measuring *m, void *done)
{
    size_t bytes = 0;
    choose_sizes(m->c);
    for (int id = 0; id < CH_CEILINGS; id++) {
        ch_ceiling *a = &m->c->at[id];
        const char *isa = isa_of(&m->k, kinds[id].family);
        a->isa = (reads(id) ? a->one_bytes > 0 : strcmp(isa, "c") != 0) ? isa : NULL;
        bytes = CH_MAX(bytes, CH_MAX(a->one_bytes, a->all_bytes));
        for (int all = 0; all < 2; all++)
            m->loop[id][all].done = done;
    }
    return bytes;
}

int ch_ceilings_measure(ch_ceilings *c, int threads, ch_err *e)
{
    unsigned features;
    size_t bytes = 0;
    *c = (ch_ceilings){.threads = CH_MIN(threads > 0 ? threads : ch_pool_cpus(), MOST_THREADS)};
    measuring *m = calloc(1, sizeof *m);
    void *done = calloc((size_t)c->threads, sizeof *m->loop[0][0].done);
    int rc = m && done ? ch_cpu_features(&features, NULL, e)
                       : ch_fail(e, CH_ENOMEM, "no memory for %d threads", c->threads);
    if (rc == CH_OK)
        rc = ch_pool_open(&m->pool, c->threads, e);
    if (rc == CH_OK) {
        m->c = c;
        ch_kernels_init(&m->k, features);
        bytes = choose_loops(m, done);
        m->memory = fill(bytes);
        if (m->memory)
            measure(m);
        else
            rc = ch_fail(e, CH_ENOMEM, "no memory to read: %zu MiB are wanted", bytes / MIB);
    }
    if (m && m->memory)
        munmap(m->memory, bytes);
    if (m)
        ch_pool_close(&m->pool);
    free(done);
    free(m);
    return rc;
}

/* ---- Telling -------------------------------------------------------------------------------- */

static const char *reason(int id)
{
    return reads(id) ? "no such cache, or none larger than the ones below it"
                     : "no such instruction";
}

static void print_rate(const ch_ceiling_rate *r, const char *unit, bool last)
{
    char spread[48];
    snprintf(spread, sizeof spread, "(%.1f to %.1f)", r->least, r->most);
    printf("  %8.1f %-5s %-*s%s", r->median, unit, last ? 0 : 19, spread, last ? "\n" : "");
}

void ch_ceilings_print(const ch_ceilings *c)
{
    printf("ceilings: median (least to most) of %d rounds\n%-24s  %14s", CH_CEILING_ROUNDS, "",
           "1 thread");
    if (c->threads > 1)
        printf("%22s%14d threads", "", c->threads);
    putchar('\n');
    for (int id = 0; id < CH_CEILINGS; id++) {
        const ch_ceiling *a = &c->at[id];
        const char *unit = reads(id) ? "GB/s" : "GOP/s";
        if (!a->isa) {
            printf("%-12s %s\n", kinds[id].name, reason(id));
            continue;
        }
        char what[32];
        if (reads(id))
            snprintf(what, sizeof what, "%zu KiB", a->one_bytes >> 10);
        else
            snprintf(what, sizeof what, "%s", a->isa);
        printf("%-12s %-11s", kinds[id].name, what);
        print_rate(&a->one, unit, c->threads == 1);
        if (c->threads > 1)
            print_rate(&a->all, unit, true);
    }
}

static json_t *rate_json(const ch_ceiling_rate *r, int threads)
{
    return json_pack("{s:i, s:f, s:f, s:f}", "threads", threads, "median", r->median, "least",
                     r->least, "most", r->most);
}

json_t *ch_ceilings_json(const ch_ceilings *c)
{
    json_t *o = json_pack("{s:i, s:i, s:I, s:I}", "rounds", CH_CEILING_ROUNDS, "threads",
                          c->threads, "l2_bytes", (json_int_t)c->l2_bytes, "l3_bytes",
                          (json_int_t)c->l3_bytes);
    for (int id = 0; id < CH_CEILINGS; id++) {
        const ch_ceiling *a = &c->at[id];
        json_t *v = json_null();
        if (a->isa) {
            v = json_pack("{s:s, s:s}", "isa", a->isa, "unit", reads(id) ? "GB/s" : "GOP/s");
            if (reads(id))
                json_object_set_new(v, "bytes", json_integer((json_int_t)a->one_bytes));
            json_object_set_new(v, "one", rate_json(&a->one, 1));
            json_object_set_new(v, "all", rate_json(&a->all, c->threads));
        }
        json_object_set_new(o, kinds[id].key, v);
    }
    return o;
}
