/* Files cut short at every byte and changed in thousands of ways: each opens, or is refused with a
 * sentence; what opens can be read to its last byte.  The changes are a function of their number.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "samples.h"
#include "support.h"

static const struct {
    const char *name;
    int kind, version;
} seeds[] = {{"gguf", 0, 3},
             {"gguf v2", 0, 2},
             {"safetensors", 1, 0},
             {"llama2c", 2, 0},
             {"llama2c v1", 2, 1}};

static void make_seed(ch_buf *b, size_t i)
{
    if (seeds[i].kind == 0)
        sample_gguf(b, (uint32_t)seeds[i].version);
    else if (seeds[i].kind == 1)
        sample_safetensors(b);
    else
        sample_llama2c(b, seeds[i].version, false);
}

/* Opens, reads all, closes.  Returns whether it opened. */
static bool survives(const void *p, size_t n, const char *what, uint64_t number)
{
    ch_err e = {0};
    ch_file *f = NULL;
    const int rc = ch_file_open_memory(&f, p, n, "hostile", &e);
    if (rc == CH_OK) {
        sample_touch(f);
        ch_file_close(&f);
        return true;
    }
    if (rc > 0 || e.code != rc || !e.text[0] || f)
        fail_msg("%s %llu: code %d, sentence %d \"%s\"", what, (unsigned long long)number, rc,
                 e.code, e.text);
    return false;
}

/* Every format here needs its last byte, but GGUF, which is padded at its end. */
static void files_cut_short_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(seeds); i++) {
        ch_buf b;
        make_seed(&b, i);
        char *g = guarded(b.size);
        for (size_t n = 0; n < b.size; n++) {
            char *end = g + (b.size - n); /* the cut is where memory ends */
            memcpy(end, b.data, n);
            if (survives(end, n, seeds[i].name, n) && (seeds[i].kind != 0 || n < b.size - 16))
                fail_msg("%s: its first %zu of %zu bytes open", seeds[i].name, n, b.size);
        }
        memcpy(g, b.data, b.size);
        assert_true(survives(g, b.size, seeds[i].name, b.size));
        guarded_free(g, b.size);
        ch_buf_close(&b);
    }
}

static uint64_t draw(uint64_t n, uint64_t number, uint32_t which)
{
    return ch_rng_below(n, 1, CH_RNG_TEST, which, number);
}

/* Numbers that find missing checks: sizes near the file's, near powers of two, near overflow. */
static uint64_t hostile_number(uint64_t number, size_t size)
{
    static const uint64_t all[] = {
        0,
        1,
        2,
        8,
        9,
        13,
        31,
        33,
        255,
        65535,
        65536,
        65537,
        1u << 24,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        0x100000000,
        1ull << 58,
        1ull << 60,
        1ull << 61,
        1ull << 62,
        (1ull << 61) + 1,
        INT64_MAX,
        1ull << 63,
        UINT64_MAX - 31,
        UINT64_MAX - 7,
        UINT64_MAX,
    };
    const uint64_t k = draw(CH_COUNT(all) + 4, number, 10);
    if (k < CH_COUNT(all))
        return all[k];
    return size + draw(80, number, 11) - 40;
}

/* Changes bytes within p[0..n), n >= 64. */
static void mutate(char *p, size_t n, uint64_t number, uint32_t round)
{
    static const char json[] = "{}[]\",:0123456789-.eE \\u\0\xff";
    const uint64_t id = number * 4 + round;
    const size_t at = draw(n - 16, id, 1), other = draw(n - 16, id, 2);
    const uint64_t huge = hostile_number(id, n);
    char held[16];
    switch (draw(6, id, 3)) {
    case 0: p[at] ^= (char)(1 << draw(8, id, 4)); break;
    case 1: memcpy(p + at, &huge, 8); break;
    case 2: memcpy(p + at, &huge, 4); break;
    case 3: /* two pieces change places */
        memcpy(held, p + at, 8);
        memmove(p + at, p + other, 8);
        memcpy(p + other, held, 8);
        break;
    case 4: memmove(p + at, p + other, 1 + draw(16, id, 5)); break;
    default: p[at] = json[draw(sizeof json, id, 6)]; break;
    }
}

static void changed_files_never_crash(void **state)
{
    (void)state;
    enum { EACH = 5000 };
    for (size_t i = 0; i < CH_COUNT(seeds); i++) {
        ch_buf b;
        make_seed(&b, i);
        char *g = guarded(b.size);
        size_t opened = 0;
        /* Half of the changes are made where structure is, the others anywhere. */
        const size_t head = seeds[i].kind == 2 ? 64 : b.size - 200;
        for (uint64_t k = 0; k < EACH; k++) {
            memcpy(g, b.data, b.size);
            const uint32_t rounds = 1 + (uint32_t)draw(3, k, 7);
            for (uint32_t r = 0; r < rounds; r++)
                mutate(g, k % 2 ? head : b.size, k + 100000 * i, r);
            opened += survives(g, b.size, seeds[i].name, k);
        }
        if (opened == 0 || opened == EACH)
            fail_msg("%s: %zu of %d changed files open: nothing was tried", seeds[i].name, opened,
                     EACH);
        guarded_free(g, b.size);
        ch_buf_close(&b);
    }
}

/* The same in the header of a real model, each change undone before the next. */
static void a_changed_model_never_crashes(void **state)
{
    (void)state;
    skip_without("models/stories260K/stories260K-f32.gguf");
    ch_mapping m = shared_map("models/stories260K/stories260K-f32.gguf");
    enum { HEAD = 14200 };
    char *g = guarded(m.size);
    memcpy(g, m.data, m.size);
    for (uint64_t k = 0; k < 1000; k++) {
        mutate(g, k % 4 ? HEAD : 200, 1000000 + k, 0);
        ch_err e = {0};
        ch_file *f = NULL;
        const int rc = ch_file_open_memory(&f, g, m.size, "model", &e);
        assert_true(rc == CH_OK || (rc < 0 && e.text[0] && !f));
        ch_file_close(&f);
        memcpy(g, m.data, HEAD);
    }
    guarded_free(g, m.size);
    ch_io_unmap(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_cut_short_are_refused),
        cmocka_unit_test(changed_files_never_crash),
        cmocka_unit_test(a_changed_model_never_crashes),
    };
    return cmocka_run_group_tests_name("file/hostile", tests, NULL, NULL);
}
