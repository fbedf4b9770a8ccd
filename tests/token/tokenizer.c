/* tests/token/tokenizer.c - published texts to published ids; round trips; special tokens; pieces
 *
 * The .inp and .out files beside vocabularies hold texts and the ids that the models' own
 * tokenizers give. SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"
#include "vocab.h"

#define GGUF      "tokenizers/gguf/"
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
            assert_int_equal(ch_tokenizer_piece(piece, (size_t)-size, t, previous, ids->id[i]),
                             -size - 1);
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
            fail_msg("text \"%.*s\": id %zu is %d, wanted %ld in \"%.200s\"", (int)n, text, i,
                     ids.id[i], want, line);
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

/* ---- Equal vocabularies ---- */

#define STORIES "models/stories260K/"

static void assert_same_ids(const ch_tokenizer *a, const ch_tokenizer *b, const char *text,
                            size_t n, int flags)
{
    ch_err e = {0};
    ch_tokens x = {0}, y = {0};
    assert_ok(ch_tokenizer_encode(&x, a, text, n, flags, &e), e);
    assert_ok(ch_tokenizer_encode(&y, b, text, n, flags, &e), e);
    assert_int_equal(x.n, y.n);
    if (x.n > 0)
        assert_memory_equal(x.id, y.id, x.n * sizeof *x.id);
    ch_tokens_free(&x);
    ch_tokens_free(&y);
}

static void stories_two_ways(void **state)
{
    (void)state;
    skip_without(STORIES "tok512.bin");
    ch_tokenizer *bin = open_shared(STORIES "tok512.bin");
    ch_tokenizer *gguf = open_shared(STORIES "stories260K-f32.gguf");
    ch_tokenizer *beside = open_shared(STORIES "stories260K.bin");
    ch_mapping text = shared_map(STORIES "greedy_200.txt");
    assert_int_equal(ch_tokenizer_size(bin), 512);
    assert_int_equal(ch_tokenizer_size(gguf), 512);
    for (ch_token id = 0; id < 512; id++) {
        size_t n, m;
        const char *a = ch_tokenizer_name(bin, id, &n), *b = ch_tokenizer_name(gguf, id, &m);
        assert_int_equal(n, m);
        assert_memory_equal(a, b, n);
        assert_int_equal(ch_tokenizer_is_control(bin, id), ch_tokenizer_is_control(gguf, id));
        assert_int_equal(ch_tokenizer_is_end(bin, id), id == 2);
    }
    for (int flags = 0; flags < 4; flags++) {
        assert_same_ids(bin, gguf, (const char *)text.data, text.size, flags);
        assert_same_ids(bin, beside, (const char *)text.data, text.size, flags);
        assert_same_ids(bin, gguf, "<s>\xff</s> \xf0\x9f\xa6\x99", 14, flags);
    }
    assert_true(ch_tokenizer_adds_bos(bin));
    assert_int_equal(ch_tokenizer_bos(bin), 1);
    assert_int_equal(ch_tokenizer_eos(gguf), 2);
    assert_round_trip(bin, (const char *)text.data, text.size);
    ch_io_unmap(&text);
    ch_tokenizer_close(&bin);
    ch_tokenizer_close(&gguf);
    ch_tokenizer_close(&beside);
}

/* A model without vocabulary: beside it, by argument, absent, of another size. */
static void looking_beside(void **state)
{
    (void)state;
    skip_without(STORIES "stories260K.bin");
    skip_without("tokenizers/llama2/tokenizer.bin");
    ch_err e = {0};
    ch_tokenizer *t;
    char *dir = temp_dir(), *model = ch_io_join(dir, "m.bin"),
         *vocab = ch_io_join(dir, "tokenizer.bin");
    ch_mapping m = shared_map(STORIES "stories260K.bin"), v = shared_map(STORIES "tok512.bin");
    assert_ok(ch_io_write_file(model, m.data, m.size, &e), e);
    assert_fails(ch_tokenizer_open(&t, model, NULL, &e), CH_EFORMAT, e,
                 "has no tok512.bin, tokenizer.bin or");
    assert_null(t);
    assert_ok(ch_tokenizer_open(&t, model, shared_path(STORIES "tok512.bin"), &e), e);
    ch_tokenizer_close(&t);
    assert_ok(ch_tokenizer_open(&t, model, shared_path(STORIES "stories260K-f32.gguf"), &e), e);
    ch_tokenizer_close(&t);
    assert_fails(ch_tokenizer_open(&t, model, shared_path("tokenizers/llama2/tokenizer.bin"), &e),
                 CH_EFORMAT, e, "has 32000 tokens");
    assert_ok(ch_io_write_file(vocab, v.data, v.size, &e), e);
    assert_ok(ch_tokenizer_open(&t, model, NULL, &e), e);
    ch_tokenizer_close(&t);
    assert_fails(ch_tokenizer_open(&t, dir, NULL, &e), CH_EIO, e, "tokenizer.json");
    assert_fails(ch_tokenizer_open(&t, model, "/nowhere/tokenizer.bin", &e), CH_EIO, e,
                 "/nowhere");
    ch_io_unmap(&m);
    ch_io_unmap(&v);
    free(model);
    free(vocab);
    temp_dir_remove(dir);
}

/* ---- Any bytes ---- */

static void random_bytes(void **state)
{
    (void)state;
    skip_without(GGUF "ggml-vocab-gpt-2.gguf");
    const char *const names[] = {GGUF "ggml-vocab-gpt-2.gguf", GGUF "ggml-vocab-llama-spm.gguf"};
    for (size_t v = 0; v < CH_COUNT(names); v++) {
        ch_tokenizer *t = open_shared(names[v]);
        for (uint64_t k = 0; k < 3000; k++) {
            char text[200];
            size_t n = (size_t)ch_rng_below(sizeof text, k, CH_RNG_TEST, 0, 0);
            for (size_t i = 0; i < n; i++) { /* text, bytes, and parts of characters by turns */
                uint64_t r = ch_rng_below(1 << 20, k, CH_RNG_TEST, 1, i);
                text[i] = k % 3 == 0   ? (char)r
                          : k % 3 == 1 ? "ab '\xe2\x80\x99s\n1"[r % 10]
                                       : (char)(r % 3 ? 'a' + r % 5 : 0x80 + r % 128);
            }
            assert_round_trip(t, text, n);
        }
        ch_tokenizer_close(&t);
    }
    /* Bytes 0xF5 and up have no token in this vocabulary: the replacement character stands for
     * them. */
    ch_tokenizer *t = open_shared(GGUF "ggml-vocab-deepseek-coder.gguf");
    ch_tokens ids = {0};
    ch_err e = {0};
    size_t n;
    assert_ok(ch_tokenizer_encode(&ids, t, "a\xff\xe2z", 4, 0, &e), e);
    char *back = join(&n, t, &ids);
    assert_string_equal(back, "a\xef\xbf\xbd\xe2z");
    free(back);
    ch_tokens_free(&ids);
    ch_tokenizer_close(&t);
}

/* ---- Special tokens ---- */

static bool holds(const ch_tokens *ids, ch_token id)
{
    for (size_t i = 0; i < ids->n; i++)
        if (ids->id[i] == id)
            return true;
    return false;
}

/* Text never becomes a special token by itself, whatever stands around it; with the flag it does.
 */
static void check_special(const ch_tokenizer *t, ch_token id)
{
    static const char *const around[][2] = {{"", ""},    {"a ", " b"}, {"x", "y"},
                                            {" ", "\n"}, {"<", ">"},   {"\xff", "\xe2"}};
    size_t size, back;
    const char *name = ch_tokenizer_name(t, id, &size);
    ch_err e = {0};
    for (size_t k = 0; k < CH_COUNT(around); k++) {
        char text[200];
        int n =
            snprintf(text, sizeof text, "%s%.*s%s", around[k][0], (int)size, name, around[k][1]);
        ch_tokens plain = {0}, special = {0};
        assert_ok(ch_tokenizer_encode(&plain, t, text, (size_t)n, 0, &e), e);
        assert_ok(ch_tokenizer_encode(&special, t, text, (size_t)n, CH_ENCODE_SPECIAL, &e), e);
        if (holds(&plain, id) || !holds(&special, id))
            fail_msg("\"%s\": token %d is wrong", text, id);
        for (size_t i = 0; i < plain.n; i++)
            assert_false(ch_tokenizer_is_control(t, plain.id[i]));
        char *joined = join(&back, t, &plain);
        if (k < 5)
            assert_string_equal(joined, text);
        free(joined);
        ch_tokens_free(&plain);
        ch_tokens_free(&special);
    }
    char out[8] = "x";
    assert_int_equal(ch_tokenizer_piece(out, sizeof out, t, -1, id), 0);
    assert_int_equal(out[0], 0);
}

static void special_tokens(void **state)
{
    (void)state;
    skip_without(GGUF);
    static const char *const names[] = {
        GGUF "ggml-vocab-gpt-2.gguf", GGUF "ggml-vocab-llama-spm.gguf",
        GGUF "ggml-vocab-phi-3.gguf", GGUF "ggml-vocab-deepseek-coder.gguf"};
    for (size_t v = 0; v < CH_COUNT(names); v++) {
        ch_tokenizer *t = open_shared(names[v]);
        int controls = 0;
        for (ch_token id = 0; id < ch_tokenizer_size(t); id++) {
            if (!ch_tokenizer_is_control(t, id))
                continue;
            size_t n;
            const char *name = ch_tokenizer_name(t, id, &n);
            char *text = strndup(name, n);
            assert_int_equal(ch_tokenizer_special(t, text), id);
            free(text);
            check_special(t, id);
            controls++;
        }
        assert_true(controls > 0);
        assert_true(ch_tokenizer_is_end(t, ch_tokenizer_eos(t)));
        assert_int_equal(ch_tokenizer_special(t, "<|nothing|>"), -1);
        assert_int_equal(ch_tokenizer_special(t, ""), -1);
        ch_tokenizer_close(&t);
    }
    ch_tokenizer *phi = open_shared(GGUF "ggml-vocab-phi-3.gguf");
    assert_true(ch_tokenizer_is_end(
        phi, ch_tokenizer_special(phi, "<|end|>"))); /* by its name: EOS is another */
    ch_tokenizer_close(&phi);
}

/* Byte tokens are not text either: "<0x41>" stays six characters. */
static void byte_names(void **state)
{
    (void)state;
    skip_without(GGUF "ggml-vocab-llama-spm.gguf");
    ch_tokenizer *t = open_shared(GGUF "ggml-vocab-llama-spm.gguf");
    ch_err e = {0};
    ch_tokens ids = {0};
    assert_ok(ch_tokenizer_encode(&ids, t, "<0x41>", 6, CH_ENCODE_SPECIAL, &e), e);
    assert_true(ids.n > 1);
    assert_false(holds(&ids, 3 + 0x41));
    assert_round_trip(t, "<0x41>", 6);
    ids.n = 0;
    assert_ok(ch_tokenizer_encode(&ids, t, "hello", 5, CH_ENCODE_BOS, &e), e);
    assert_int_equal(ids.id[0], 1);
    size_t before = ids.n;
    assert_ok(ch_tokenizer_encode(&ids, t, "", 0, 0, &e), e); /* appends: nothing */
    assert_int_equal(ids.n, before);
    assert_fails(ch_tokenizer_encode(&ids, t, "x", (size_t)CH_TEXT_MAX + 1, CH_ENCODE_BOS, &e),
                 CH_ELIMIT, e, "bytes to encode");
    assert_int_equal(ids.n, before);
    ch_tokens_free(&ids);
    ch_tokenizer_close(&t);
}

/* Ids that are none have no piece and no name; a small buffer is told what it lacks. */
static void pieces(void **state)
{
    (void)state;
    skip_without(GGUF "ggml-vocab-llama-spm.gguf");
    ch_tokenizer *t = open_shared(GGUF "ggml-vocab-llama-spm.gguf");
    ch_err e = {0};
    ch_tokens ids = {0};
    char out[16];
    size_t n = 1;
    assert_ok(ch_tokenizer_encode(&ids, t, "hello hello", 11, 0, &e), e);
    assert_int_equal(ids.n, 2);
    assert_int_equal(ids.id[0], ids.id[1]);
    assert_int_equal(ch_tokenizer_piece(out, sizeof out, t, -1, ids.id[0]), 5);
    assert_int_equal(ch_tokenizer_piece(out, sizeof out, t, 1, ids.id[0]), 5); /* after BOS */
    assert_string_equal(out, "hello");
    assert_int_equal(ch_tokenizer_piece(out, sizeof out, t, ids.id[0], ids.id[1]), 6);
    assert_string_equal(out, " hello");
    assert_int_equal(ch_tokenizer_piece(out, 6, t, ids.id[0], ids.id[1]), -7);
    assert_int_equal(ch_tokenizer_piece(out, 7, t, ids.id[0], ids.id[1]), 6);
    assert_int_equal(ch_tokenizer_piece(NULL, 0, t, ids.id[0], ids.id[1]), -7);
    assert_int_equal(ch_tokenizer_piece(out, sizeof out, t, -1, 3 + 0xe2), 1);
    assert_int_equal((unsigned char)out[0], 0xe2);
    const ch_token none[] = {-1, 32000, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < CH_COUNT(none); i++) {
        assert_int_equal(ch_tokenizer_piece(out, sizeof out, t, none[i], none[i]), 0);
        assert_string_equal(ch_tokenizer_name(t, none[i], &n), "");
        assert_int_equal(n, 0);
        assert_false(ch_tokenizer_is_end(t, none[i]) || ch_tokenizer_is_control(t, none[i]));
    }
    ch_tokens_free(&ids);
    ch_tokenizer_close(&t);
}

/* ---- Threads ---- */

typedef struct job {
    const ch_tokenizer *t;
    const ch_mapping *text;
    ch_tokens ids;
    int rc;
} job;

static void *encode_job(void *arg)
{
    job *j = arg;
    j->rc =
        ch_tokenizer_encode(&j->ids, j->t, (const char *)j->text->data, j->text->size, 0, NULL);
    return NULL;
}

static void one_for_many_threads(void **state)
{
    (void)state;
    skip_without(GGUF "ggml-vocab-gpt-2.gguf");
    skip_without(GGUF "ggml-vocab-gpt-2.gguf.inp");
    ch_tokenizer *t = open_shared(GGUF "ggml-vocab-gpt-2.gguf");
    ch_mapping text = shared_map(GGUF "ggml-vocab-gpt-2.gguf.inp");
    job jobs[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        jobs[i] = (job){.t = t, .text = &text};
        assert_int_equal(pthread_create(&threads[i], NULL, encode_job, &jobs[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].rc, CH_OK);
        assert_int_equal(jobs[i].ids.n, jobs[0].ids.n);
        assert_memory_equal(jobs[i].ids.id, jobs[0].ids.id, jobs[0].ids.n * sizeof(ch_token));
    }
    for (int i = 0; i < 4; i++)
        ch_tokens_free(&jobs[i].ids);
    ch_io_unmap(&text);
    ch_tokenizer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published),      cmocka_unit_test(stories_two_ways),
        cmocka_unit_test(looking_beside), cmocka_unit_test(random_bytes),
        cmocka_unit_test(special_tokens), cmocka_unit_test(byte_names),
        cmocka_unit_test(pieces),         cmocka_unit_test(one_for_many_threads),
    };
    return cmocka_run_group_tests_name("token/tokenizer", tests, NULL, NULL);
}
