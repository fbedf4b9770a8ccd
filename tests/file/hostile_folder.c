/* Hugging Face folders changed in thousands of ways: each opens, or is refused with a sentence;
 * what opens can be read to its last byte and planned as a file and a folder again.
 * SPDX-License-Identifier: MIT */
#include "folders.h"
#include "samples.h"

#include "conversion.h"
#include "store.h"

static bool survives(const char *config, size_t n, const void *weights, size_t m, uint64_t number)
{
    ch_err e = {0};
    ch_file *f = NULL;
    const int rc = ch_file_open_folder_memory(&f, config, n, weights, m, "hostile", &e);
    if (rc < 0 && (e.code != rc || !e.text[0] || f))
        fail_msg("%llu: code %d, sentence %d \"%s\"", (unsigned long long)number, rc, e.code,
                 e.text);
    for (int folder = 0; rc == CH_OK && folder < 2; folder++) {
        ch_conversion *c;
        const ch_conversion_options o = {.type = CH_DTYPES};
        const int planned = ch_conversion_open(&c, f, folder ? "x" : "x.gguf", &o, &e);
        assert_true(planned == CH_OK || (planned < 0 && e.text[0] && !c));
        ch_conversion_close(&c);
    }
    if (rc == CH_OK)
        sample_touch(f);
    ch_file_close(&f);
    return rc == CH_OK;
}

/* A token of JSON put in the place of another, a byte changed, or a stretch left out. */
static size_t mutate(char *p, size_t n, uint64_t number)
{
    static const char *const words[] = {"null", "0",    "-1",   "1e308", "4294967295", "\"\"",
                                        "[]",   "{}",   "true", "1.5",   "[1,2]",      "99999999",
                                        "\"x\"", "1e-9", "3",   "65536"};
    const size_t at = ch_rng_below(n, 1, CH_RNG_TEST, 1, number);
    const char *colon = memchr(p + at, ':', n - at);
    switch (ch_rng_below(4, 1, CH_RNG_TEST, 2, number)) {
    case 0: p[at] = (char)ch_rng_below(256, 1, CH_RNG_TEST, 3, number); return n;
    case 1:
        memmove(p + at, p + CH_MIN(at + 3, n), n - CH_MIN(at + 3, n));
        return n - (CH_MIN(at + 3, n) - at);
    default: break;
    }
    if (!colon)
        return n;
    const char *word = words[ch_rng_below(CH_COUNT(words), 1, CH_RNG_TEST, 4, number)];
    char *value = p + (colon - p) + 1;
    size_t was = 0;
    while (value + was < p + n && !strchr(",}", value[was]))
        was++;
    const size_t is = strlen(word), rest = n - (size_t)(value - p) - was;
    memmove(value + is, value + was, rest);
    memcpy(value, word, is);
    return (size_t)(value - p) + is + rest;
}

static void changed_folders_never_crash(void **state)
{
    (void)state;
    enum { EACH = 400 };
    for (size_t i = 0; i < CH_COUNT(folder_kinds); i++) {
        const folder_kind *k = &folder_kinds[i];
        ch_err e = {0};
        char *dir = temp_dir(), *path = ch_io_join(dir, "model.safetensors");
        ch_buf w;
        ch_buf_init(&w, 1 << 24);
        folder_write(dir, k, CH_BF16, 0, 1);
        assert_ok(ch_io_read_file(&w, path, &e), e);
        const size_t n = strlen(k->config);
        char *config = malloc(n + 256), *weights = malloc(w.size);
        size_t opened = 0;
        for (uint64_t r = 0; r < EACH; r++) {
            size_t m = n;
            memcpy(config, k->config, n);
            memcpy(weights, w.data, w.size);
            for (int c = 0; c < (int)(r % 3) + 1 && r % 4; c++)
                m = mutate(config, m, r * 16 + (uint64_t)c + 100000 * i);
            if (r % 4 == 0) /* of the safetensors header */
                mutate(weights + 8, CH_MIN(w.size - 8, (size_t)2000), r + 100000 * i);
            opened += survives(config, m, weights, w.size, r);
        }
        if (opened == 0 || opened == EACH)
            fail_msg("%s: %zu of %d open: nothing was tried", k->name, opened, EACH);
        free(config);
        free(weights);
        ch_buf_close(&w);
        free(path);
        temp_dir_remove(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(changed_folders_never_crash)};
    return cmocka_run_group_tests_name("file/hostile_folder", tests, NULL, NULL);
}
