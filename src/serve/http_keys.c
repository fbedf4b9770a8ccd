/* http_keys.c - who may ask: the file of keys
 *
 * One line a key: NAME KEY [AT_ONCE], blanks between, # begins a comment.  Keys are kept as
 * SipHash-2-4 values under a key that is drawn when the server starts; what a client presents is
 * hashed likewise and compared with all of them, bit by bit without branches, so that the time
 * tells nothing about how near a guess was.  user and salt are a hash of the key under a constant:
 * the same after a restart, so that what is cached under them stays theirs.
 * SPDX-License-Identifier: MIT */
#include "http_in.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum {
    FILE_BYTES = 1 << 20,
    NAME_MOST = 64,
    KEY_LEAST = 8,
    KEY_MOST = 512,
    AT_ONCE_MOST = 1 << 20
};

static const ch_hash128 of_users = {UINT64_C(0x636861726c636973), UINT64_C(0x75736572736b6579)};

typedef struct word {
    const char *text;
    size_t n;
} word;

/* Up to 4 words of a line; returns how many there are. */
static int split(word w[4], const char *line, const char *end)
{
    int n = 0;
    while (n < 4) {
        while (line < end && isspace((unsigned char)*line))
            line++;
        if (line == end || *line == '#')
            break;
        w[n].text = line;
        while (line < end && !isspace((unsigned char)*line))
            line++;
        w[n].n = (size_t)(line - w[n].text);
        n++;
    }
    return n;
}

/* AT_ONCE; -1: it is no such number. */
static int at_once(word w)
{
    int v = 0;
    for (size_t i = 0; i < w.n; i++) {
        if (!isdigit((unsigned char)w.text[i]) || v > AT_ONCE_MOST)
            return -1;
        v = v * 10 + w.text[i] - '0';
    }
    return v <= AT_ONCE_MOST ? v : -1;
}

static bool is_plain(word w, const char *more)
{
    for (size_t i = 0; i < w.n; i++)
        if (!isgraph((unsigned char)w.text[i]) ||
            (more && !isalnum((unsigned char)w.text[i]) && !strchr(more, w.text[i])))
            return false;
    return true;
}

static int read_line(http_key *k, word w[4], int n, const ch_http *h, int line, ch_err *e)
{
    if (n < 2 || n > 3)
        return ch_fail(e, CH_EFORMAT, "%s:%d: %d words, wanted NAME KEY [AT_ONCE]", h->keys_path,
                       line, n);
    if (w[0].n > NAME_MOST || !is_plain(w[0], "._-@"))
        return ch_fail(e, CH_EFORMAT, "%s:%d: a name is letters, digits, \".\", \"_\", \"-\" and "
                       "\"@\", at most %d", h->keys_path, line, NAME_MOST);
    if (w[1].n < KEY_LEAST || w[1].n > KEY_MOST || !is_plain(w[1], NULL))
        return ch_fail(e, CH_EFORMAT, "%s:%d: the key has %zu bytes; allowed are %d to %d that can "
                       "be printed", h->keys_path, line, w[1].n, KEY_LEAST, KEY_MOST);
    const int most = n == 3 ? at_once(w[2]) : 0;
    if (most < 0)
        return ch_fail(e, CH_EFORMAT, "%s:%d: AT_ONCE is a number of 0 (no limit) to %d",
                       h->keys_path, line, AT_ONCE_MOST);
    const ch_hash128 user = ch_hash_bytes(of_users, w[1].text, w[1].n);
    k->hash = ch_hash_bytes(h->secret, w[1].text, w[1].n);
    k->name = strndup(w[0].text, w[0].n);
    if (!k->name)
        return ch_fail(e, CH_ENOMEM, "%s: no memory for keys", h->keys_path);
    /* 0 is nobody's */
    k->client = (ch_client){.name = k->name, .user = user.lo | 1, .salt = user.hi | 1,
                            .most_at_once = most};
    return CH_OK;
}

static int read_all(http_keys *k, const ch_buf *b, const ch_http *h, ch_err *e)
{
    int line = 0, rc = CH_OK;
    for (const char *p = b->data, *end = p + b->size, *eol; p < end && rc == CH_OK; p = eol + 1) {
        word w[4];
        eol = memchr(p, '\n', (size_t)(end - p));
        eol = eol ? eol : end;
        line++;
        const int n = split(w, p, eol);
        if (n == 0)
            continue;
        http_key *key = &k->key[k->n];
        rc = read_line(key, w, n, h, line, e);
        for (int i = 0; rc == CH_OK && i < k->n; i++)
            if (ch_hash_equal(k->key[i].hash, key->hash)) {
                free(key->name);
                rc = ch_fail(e, CH_EFORMAT, "%s:%d: the key is that of \"%s\", too", h->keys_path,
                             line, k->key[i].name);
            }
        k->n += rc == CH_OK;
    }
    if (rc == CH_OK && k->n == 0)
        rc = ch_fail(e, CH_EFORMAT, "%s: there is no key in it, wanted lines NAME KEY [AT_ONCE]",
                     h->keys_path);
    return rc;
}

int ch_http_keys_read(http_keys **out, const ch_http *h, ch_err *e)
{
    ch_buf b;
    struct stat s;
    *out = NULL;
    ch_buf_init(&b, FILE_BYTES);
    int rc = ch_io_read_file(&b, h->keys_path, e);
    size_t lines = 1;
    for (size_t i = 0; i < b.size; i++)
        lines += b.data[i] == '\n';
    http_keys *k = rc == CH_OK ? calloc(1, sizeof *k + lines * sizeof k->key[0]) : NULL;
    if (rc == CH_OK && !k)
        rc = ch_fail(e, CH_ENOMEM, "%s: no memory for keys", h->keys_path);
    if (rc == CH_OK) {
        k->refs = 1;
        rc = read_all(k, &b, h, e);
    }
    if (b.data)
        explicit_bzero(b.data, b.size);
    ch_buf_close(&b);
    if (rc < 0) {
        ch_http_keys_drop(k);
        return rc;
    }
    if (stat(h->keys_path, &s) == 0 && (s.st_mode & (S_IROTH | S_IWOTH)))
        ch_http_warn(h, "%s: others may read the keys; chmod 600 it", h->keys_path);
    *out = k;
    return CH_OK;
}

void ch_http_keys_drop(http_keys *k)
{
    if (!k || --k->refs > 0)
        return;
    for (int i = 0; i < k->n; i++)
        free(k->key[i].name);
    free(k);
}

static const ch_client *find(const http_keys *k, ch_hash128 secret, const char *key)
{
    const ch_hash128 hash = ch_hash_bytes(secret, key, strlen(key));
    size_t found = 0; /* index + 1 */
    for (int i = 0; i < k->n; i++) {
        const uint64_t d = (k->key[i].hash.lo ^ hash.lo) | (k->key[i].hash.hi ^ hash.hi);
        const size_t same = (size_t)(1 ^ ((d | (0 - d)) >> 63));
        found |= (0 - same) & ((size_t)i + 1);
    }
    return found ? &k->key[found - 1].client : NULL;
}

const ch_client *ch_http_who(const http_keys *k, ch_hash128 secret, const http_pairs *headers)
{
    const char *bearer = ch_http_pair(headers, "authorization", true);
    const char *key = ch_http_pair(headers, "x-api-key", true);
    const ch_client *who = NULL;
    if (bearer && strncasecmp(bearer, "bearer ", 7) == 0)
        who = find(k, secret, bearer + 7 + strspn(bearer + 7, " "));
    if (!who && key)
        who = find(k, secret, key);
    return who;
}
