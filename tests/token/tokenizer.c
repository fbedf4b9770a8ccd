/* tests/token/tokenizer.c - published texts to published ids; round trips; special tokens; pieces
 *
 * The .inp and .out files beside vocabularies hold texts and the ids that the models' own tokenizers give.
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"
#include "vocab.h"

#define GGUF "tokenizers/gguf/"
#define SEPARATOR "\n__ggml_vocab_test__\n"

static ch_tokenizer *open_shared(const char *rel)
{
    ch_err e = {0};
    ch_tokenizer *t = NULL;
    assert_ok(ch_tokenizer_open(&t, shared_path(rel), NULL, &e), e);
    return t;
}

/* All pieces joined, terminated; free it. */
static char *join(size_t *n, const ch_tokenizer *t, const ch_tokens *ids)
{
    ch_buf b;
    ch_buf_init(&b, SIZE_MAX / 2);
    ch_token previous = -1;
    for (size_t i = 0; i < ids->n; previous = ids->id[i++]) {
        char small[8], *piece = small;
        int size = ch_tokenizer_piece(small, sizeof small, t, previous, ids->id[i]);
        if (size < 0) {
            piece = malloc((size_t)-size);
            assert_int_equal(ch_tokenizer_piece(piece, (size_t)-size, t, previous, ids->id[i]), -size - 1);
            size = -size - 1;
        }
        assert_int_equal(piece[size], 0);
        ch_buf_put(&b, piece, (size_t)size);
        if (piece != small)
            free(piece);
    }
    *n = b.size;
    return b.data != NULL ? b.data : calloc(1, 1);
}

static void assert_round_trip(const ch_tokenizer *t, const char *text, size_t n)
{
    ch_err e = {0};
    ch_tokens ids = {0};
    size_t back;
    assert_ok(ch_tokenizer_encode(&ids, t, text, n, 0, &e), e);
    char *joined = join(&back, t, &ids);
    assert_int_equal(back, n);
    assert_memory_equal(joined, text, n);
    free(joined);
    ch_tokens_free(&ids);
}

/* ---- Published ids ---- */

static void check_text(const ch_tokenizer *t, const char *text, size_t n, const char *line)
{
    ch_err e = {0};
    ch_tokens ids = {0};
    assert_ok(ch_tokenizer_encode(&ids, t, text, n, 0, &e), e);
    char *end = (char *)line;
    for (size_t i = 0; i < ids.n; i++) {
        const char *at = end;
        long want = strtol(at, &end, 10);
        if (end == at || *line == '\n' || want != ids.id[i])
            fail_msg("text \"%.*s\": id %zu is %d, wanted %ld in \"%.200s\"", (int)n, text, i, ids.id[i], want, line);
    }
    if (strspn(end, " ") != strcspn(end, "\n"))
        fail_msg("text \"%.*s\": %zu ids, wanted more: \"%.80s\"", (int)n, text, ids.n, end);
    ch_tokens_free(&ids);
    assert_round_trip(t, text, n);
}

static int check_vocabulary(const char *name)
{
    char rel[400];
    snprintf(rel, sizeof rel, GGUF "%s", name);
    ch_tokenizer *t = open_shared(rel);
    snprintf(rel, sizeof rel, GGUF "%s.inp", name);
    ch_mapping in = shared_map(rel);
    snprintf(rel, sizeof rel, GGUF "%s.out", name);
    ch_mapping out = shared_map(rel);
    char *lines = strndup((const char *)out.data, out.size), *line = lines;
    const char *text = (const char *)in.data, *end = text + in.size;
    int count = 0;
    for (; text != NULL && line != NULL && *line != 0; count++) {
        const char *stop = memmem(text, (size_t)(end - text), SEPARATOR, strlen(SEPARATOR));
        check_text(t, text, (size_t)((stop != NULL ? stop : end) - text), line);
        text = stop != NULL ? stop + strlen(SEPARATOR) : NULL;
        line = strchr(line, '\n');
        line += line != NULL;
    }
    free(lines);
    ch_io_unmap(&in);
    ch_io_unmap(&out);
    ch_tokenizer_close(&t);
    return count;
}

static void published(void **state)
{
    (void)state;
    skip_without(GGUF);
    DIR *d = opendir(shared_path(GGUF));
    int vocabularies = 0;
    for (struct dirent *f; (f = readdir(d)) != NULL;) {
        size_t n = strlen(f->d_name);
        if (n < 5 || strcmp(f->d_name + n - 5, ".gguf") != 0)
            continue;
        int count = check_vocabulary(f->d_name);
        print_message("# %s: %d texts\n", f->d_name, count);
        assert_true(count > 40);
        vocabularies++;
    }
    closedir(d);
    assert_true(vocabularies >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published),
    };
    return cmocka_run_group_tests_name("token/tokenizer", tests, NULL, NULL);
}
