/* vocab_llama2c.c - llama2.c's tokenizer.bin
 *
 *   int32 longest token, then for each token: float32 score, int32 length, its bytes
 * (little-endian)
 *
 * Ids: 0 unknown, 1 BOS, 2 EOS, 3 to 258 the bytes <0x00> to <0xFF>, then SentencePiece's tokens
 * with U+2581 turned into a space.  The number of tokens is not stored: the file ends after the
 * last.  Names are given back as SentencePiece writes them, so that a GGUF of the same model reads
 * the same. Source: llama2.c (Karpathy), tokenizer.py export and run.c.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "vocab.h"

#define LENGTH_MAX 1024

static uint32_t le32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Walks the entries: their number, bytes and spaces; the place that is wrong (size: none) and what
 * is. */
typedef struct scan {
    size_t n, bytes, spaces, wrong_at;
    const char *wrong;
} scan;

static scan walk(const unsigned char *data, size_t size)
{
    scan s = {.wrong_at = size};
    uint32_t longest = size >= 4 ? le32(data) : 0;
    size_t at = 4;
    if (size < 4 || longest == 0 || longest > LENGTH_MAX) {
        s.wrong_at = 0;
        s.wrong = "the longest token's length is not 1 to 1024";
        return s;
    }
    while (at < size && s.n < CH_TOKEN_MAX) {
        uint32_t n = size - at >= 8 ? le32(data + at + 4) : 0;
        s.wrong = size - at < 8       ? "the file ends within a token"
                  : n > longest       ? "a token is longer than the longest token"
                  : n > size - at - 8 ? "the file ends within a token"
                                      : NULL;
        if (s.wrong != NULL) {
            s.wrong_at = at;
            return s;
        }
        for (uint32_t i = 0; i < n; i++)
            s.spaces += data[at + 8 + i] == ' ';
        s.bytes += n;
        s.n++;
        at += 8 + n;
    }
    return s;
}

bool ch_token_is_llama2c(const unsigned char *data, size_t size)
{
    scan s = walk(data, size);
    return s.wrong == NULL && s.n >= 3;
}

static void add(ch_tokenizer *t, ch_token id, const char *p, size_t n, float score)
{
    static const char *const special[] = {"<unk>", "<s>", "</s>"};
    char name[3 * LENGTH_MAX];
    size_t at = 0;
    if (id < 3) {
        ch_token_add(t, id, special[id], strlen(special[id]),
                     id == 0 ? CH_TOKEN_UNKNOWN : CH_TOKEN_CONTROL, score);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        size_t width = p[i] == ' ' ? 3 : 1;
        memcpy(name + at, p[i] == ' ' ? "\xe2\x96\x81" : p + i, width);
        at += width;
    }
    ch_token_add(t, id, name, at,
                 ch_token_byte_name(name, at) >= 0 ? CH_TOKEN_BYTE : CH_TOKEN_NORMAL, score);
}

int ch_token_from_llama2c(ch_tokenizer **out, const unsigned char *data, size_t size,
                          const char *name, ch_err *e)
{
    *out = NULL;
    scan s = walk(data, size);
    if (s.wrong != NULL)
        return ch_fail(e, CH_EFORMAT, "%s: not a llama2.c vocabulary: at byte %zu %s", name,
                       s.wrong_at, s.wrong);
    if (s.n < 3)
        return ch_fail(
            e, CH_EFORMAT,
            "%s: a llama2.c vocabulary of %zu tokens; 3 (unknown, BOS, EOS) is the least", name,
            s.n);
    int rc =
        ch_token_new(out, ch_token_kind_find("llama", 5), s.n, s.bytes + 2 * s.spaces + 16, e);
    if (rc == CH_OK) {
        ch_tokenizer *t = *out;
        size_t at = 4;
        for (ch_token id = 0; id < t->n; id++) {
            uint32_t bits = le32(data + at), n = le32(data + at + 4);
            float score;
            memcpy(&score, &bits, sizeof score);
            add(t, id, (const char *)data + at + 8, n, score);
            at += 8 + n;
        }
        t->unknown = 0;
        t->bos = 1;
        t->eos = 2;
        t->add_bos = t->add_space_prefix = true;
        if ((rc = ch_token_index(t, e)) == CH_OK)
            rc = ch_token_finish(t, e);
    }
    if (rc < 0) {
        ch_fail_at(e, "%s", name);
        ch_tokenizer_close(out);
    }
    return rc;
}

int ch_tokenizer_from_llama2c(ch_tokenizer **out, const char *path, ch_err *e)
{
    ch_mapping map;
    *out = NULL;
    int rc = ch_io_map(&map, path, e);
    if (rc < 0)
        return rc;
    rc = ch_token_from_llama2c(out, map.data, map.size, path, e);
    ch_io_unmap(&map);
    return rc;
}
