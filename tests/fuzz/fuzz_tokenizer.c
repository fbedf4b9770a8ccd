/* tests/fuzz/fuzz_tokenizer.c - vocabularies and texts from a stranger
 *
 * The first byte says what the rest is, modulo 6: 0 a tokenizer.bin, 2 a tokenizer.model, 3 a
 * tokenizer.json, 4 a GGUF file, 5 encoder.json, a 0 byte and vocab.bpe, through each of which a
 * text then goes; 1 a text, which a BPE trained on its first half encodes and must give back to the
 * byte.
 * make build/fuzz/fuzz_tokenizer && build/fuzz/fuzz_tokenizer -max_len=4096 CORPUS
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stop_unless(bool ok)
{
    if (!ok)
        abort();
}

/* Encodes, asks for every piece; for a BPE compares what comes back. */
static void through(const ch_tokenizer *t, const char *text, size_t n, int flags, bool exact)
{
    ch_tokens ids = {0};
    ch_err e = {0};
    size_t at = 0;
    int rc = ch_tokenizer_encode(&ids, t, text, n, flags, &e);
    stop_unless(rc == CH_OK || e.text[0] != 0);
    for (size_t i = 0; i < ids.n; i++) {
        char small[4], *piece = small;
        ch_token previous = i > 0 ? ids.id[i - 1] : -1;
        int size = ch_tokenizer_piece(small, sizeof small, t, previous, ids.id[i]);
        if (size < 0) {
            piece = malloc((size_t)-size);
            size = ch_tokenizer_piece(piece, (size_t)-size, t, previous, ids.id[i]);
        }
        stop_unless(size >= 0 && (!exact || (at + (size_t)size <= n &&
                                             memcmp(piece, text + at, (size_t)size) == 0)));
        stop_unless(exact ? !ch_tokenizer_is_control(t, ids.id[i])
                          : ids.id[i] >= 0 && ids.id[i] < ch_tokenizer_size(t));
        at += (size_t)size;
        if (piece != small)
            free(piece);
    }
    stop_unless(!exact || (rc == CH_OK && at == n));
    ch_tokens_free(&ids);
}

static void train_and_encode(const char *text, size_t n)
{
    static const char *const specials[] = {"<|x|>"};
    for (int vocab = 280; vocab > 256; vocab -= 23) {
        ch_bpe_options o = {.vocab = vocab + 1, .specials = specials, .n_special = 1};
        ch_bpe_trainer *trainer;
        ch_tokenizer *t = NULL;
        stop_unless(ch_bpe_trainer_open(&trainer, &o, NULL) == CH_OK);
        stop_unless(ch_bpe_trainer_add(trainer, text, n / 2, NULL) == CH_OK);
        ch_bpe_trainer_finish(&t, trainer, NULL);
        ch_bpe_trainer_close(&trainer);
        if (t != NULL)
            through(t, text, n, 0, true);
        ch_tokenizer_close(&t);
    }
}

static int from_gguf(ch_tokenizer **t, const uint8_t *bytes, size_t n, ch_err *e)
{
    ch_file *f;
    int rc = ch_file_open_memory(&f, bytes, n, "fuzz", e);
    if (rc == CH_OK)
        rc = ch_tokenizer_from_file(t, f, e);
    ch_file_close(&f);
    return rc;
}

static int from_two(ch_tokenizer **t, const char *text, size_t n, ch_err *e)
{
    const size_t at = strnlen(text, n), next = CH_MIN(at + 1, n);
    return ch_token_from_gpt2_texts(t, (ch_str){text, at}, (ch_str){text + next, n - next},
                                    "/nonexistent/fuzz", e);
}

/* Any text, and the input itself, with every flag. */
static void use(ch_tokenizer *t, int rc, const ch_err *e, const char *data, size_t size)
{
    stop_unless((rc == CH_OK) == (t != NULL) && (rc == CH_OK || e->text[0] != 0));
    if (t != NULL)
        for (int flags = 0; flags < 4; flags++)
            through(t, data, CH_MIN(size, (size_t)2000), flags, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const uint8_t *rest = data + 1;
    ch_tokenizer *t = NULL;
    ch_err e = {0};
    int rc = CH_OK;
    switch (data[0] % 6) {
    case 0:
        rc = ch_token_from_llama2c(&t, rest, size - 1, "fuzz", &e);
        break;
    case 1:
        train_and_encode((const char *)rest, size - 1);
        return 0;
    case 2:
        rc = ch_token_from_sentencepiece(&t, rest, size - 1, "/nonexistent/fuzz", &e);
        break;
    case 4:
        rc = from_gguf(&t, rest, size - 1, &e);
        break;
    case 5:
        rc = from_two(&t, (const char *)rest, size - 1, &e);
        break;
    default:
        rc = ch_token_from_json(&t, (const char *)rest, size - 1, "/nonexistent/fuzz", &e);
    }
    use(t, rc, &e, (const char *)data, size);
    ch_tokenizer_close(&t);
    return 0;
}
