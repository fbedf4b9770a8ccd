/* texts.c - files to documents
 *
 * A text file is a document, and so is each value of a .json or .jsonl file (records.c).  Text is
 * UTF-8; a byte order mark is dropped.  A document is held out when the hash of its bytes, as a
 * number in [0,1), is less than the share: copies of a text fall on one side, and neither order
 * nor neighbours matter. SPDX-License-Identifier: MIT */
#include "train.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifdef CH_HOSTILE
#define BLOCK ((size_t)64)
#else
#define BLOCK ((size_t)1 << 20)
#endif

/* Small texts share blocks; a file's bytes are a block of their own. */
struct ch_texts_memory {
    struct ch_texts_memory *next;
    char *bytes;
    size_t used, size;
};

typedef struct loading {
    ch_texts *t;
    size_t cap, part_cap;
    int source;
    bool chosen, mask;
    bool listed; /* found in a directory: what is no text is passed over */
} loading;

/* ---- Memory --------------------------------------------------------------------------------- */

/* Takes bytes over, also when it fails. */
static int own(ch_texts *t, char *bytes, size_t used, size_t size, ch_err *e)
{
    struct ch_texts_memory *m = malloc(sizeof *m);
    if (!m) {
        free(bytes);
        return ch_fail(e, CH_ENOMEM, "no memory for a text of %zu bytes", used);
    }
    *m = (struct ch_texts_memory){.next = t->memory, .bytes = bytes, .used = used, .size = size};
    t->memory = m;
    return CH_OK;
}

static char *copy(ch_texts *t, const char *s, size_t n, ch_err *e)
{
    if (!t->memory || n > t->memory->size - t->memory->used) {
        const size_t size = CH_MAX(n, BLOCK);
        char *bytes = malloc(size);
        if (!bytes) {
            ch_fail(e, CH_ENOMEM, "no memory for a text of %zu bytes", n);
            return NULL;
        }
        if (own(t, bytes, 0, size, e) < 0)
            return NULL;
    }
    char *to = t->memory->bytes + t->memory->used;
    if (n)
        memcpy(to, s, n);
    t->memory->used += n;
    return to;
}

/* ---- Documents ------------------------------------------------------------------------------ */

/* The bytes of the parts are the texts' already. */
static int add(loading *l, const ch_part *part, size_t n, ch_err *e)
{
    ch_texts *t = l->t;
    if (!ch_array_room(&t->at, &l->cap, t->n + 1, sizeof *t->at) ||
        !ch_array_room(&t->part, &l->part_cap, t->parts + n, sizeof *t->part))
        return ch_fail(e, CH_ENOMEM, "no memory for %zu documents", t->n + 1);
    struct ch_text *d = &t->at[t->n++];
    *d = (struct ch_text){
        .first = t->parts, .parts = n, .source = l->source, .chosen = l->chosen};
    for (size_t i = 0; i < n; i++) {
        ch_part *p = &t->part[t->parts++];
        *p = part[i];
        p->trains = !l->mask || p->role == CH_ROLE_TEXT || p->role == CH_ROLE_ASSISTANT;
        d->n += p->n;
    }
    return CH_OK;
}

static int add_record(void *arg, const ch_part *part, size_t n, ch_err *e)
{
    loading *l = arg;
    ch_texts *t = l->t;
    const size_t first = t->parts;
    if (n == 0) {
        t->skipped++;
        return CH_OK;
    }
    int rc = add(l, part, n, e);
    for (size_t i = first; rc == CH_OK && i < t->parts; i++) {
        ch_part *p = &t->part[i];
        p->bytes = copy(t, p->bytes, p->n, e);
        rc = p->bytes ? CH_OK : CH_ENOMEM;
    }
    return rc;
}

static size_t invalid_at(const char *s, size_t n)
{
    size_t at = 0;
    for (int length; at < n; at += (size_t)length) {
        uint32_t cp;
        uint64_t eight;
        for (; n - at >= 8; at += 8) {
            memcpy(&eight, s + at, 8);
            if (eight & 0x8080808080808080u)
                break;
        }
        if (at == n)
            break;
        length = ch_utf8_read(&cp, s + at, n - at);
        if (length <= 0)
            break;
    }
    return at;
}

/* ---- Files ---------------------------------------------------------------------------------- */

static bool ends_in(const char *path, const char *suffix)
{
    const size_t n = strlen(path), m = strlen(suffix);
    return n > m && strcmp(path + n - m, suffix) == 0;
}

static int load_records(loading *l, const char *path, bool lines, ch_err *e)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return ch_fail(e, CH_EIO, "cannot open %s: %s", path, strerror(errno));
    const int rc = ch_records_read(f, lines, path, add_record, l, e);
    fclose(f);
    return rc;
}

static int load_text(loading *l, const char *path, ch_err *e)
{
    ch_buf b;
    struct stat st;
    ch_buf_init(&b, CH_IO_READ_MAX);
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
        (uintmax_t)st.st_size < CH_IO_READ_MAX) {
        ch_buf_room(&b, (size_t)st.st_size); /* at once: growing would need it twice */
        ch_buf_clear(&b);
    }
    int rc = ch_io_read_file(&b, path, e);
    const char *text = b.data ? b.data : "";
    const size_t mark = b.size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    const size_t bad = rc == CH_OK ? invalid_at(text, b.size) : b.size;
    if (rc == CH_OK && bad < b.size && !l->listed)
        rc = ch_fail(e, CH_EFORMAT, "%s: not a UTF-8 text (byte %zu is 0x%02x)", path, bad,
                     (unsigned char)text[bad]);
    if (rc < 0 || bad < b.size || b.size == mark) {
        l->t->skipped += rc == CH_OK;
        ch_buf_close(&b);
        return rc;
    }
    rc = own(l->t, b.data, b.size, b.size, e);
    const ch_part part = {text + mark, b.size - mark, CH_ROLE_TEXT, true};
    return rc == CH_OK ? add(l, &part, 1, e) : rc;
}

static int load_file(loading *l, const char *path, ch_err *e)
{
    if (ends_in(path, ".jsonl") || ends_in(path, ".json"))
        return ch_io_is_dir(path) ? ch_fail(e, CH_EARG, "%s is a directory", path)
                                  : load_records(l, path, ends_in(path, ".jsonl"), e);
    return load_text(l, path, e);
}

static int load_path(loading *l, const char *path, ch_err *e)
{
    l->listed = ch_io_is_dir(path);
    if (!l->listed)
        return load_file(l, path, e);
    char **files;
    size_t n;
    int rc = ch_io_list(&files, &n, path, e);
    for (size_t i = 0; i < n && rc == CH_OK; i++)
        rc = load_file(l, files[i], e);
    ch_io_free_list(files, n);
    return rc;
}

/* ---- Hashes --------------------------------------------------------------------------------- */

static ch_hash128 hash_of(const ch_part *part, size_t n)
{
    ch_hash128 h = {0, 0};
    for (size_t i = 0; i < n; i++) {
        const uint64_t head[] = {part[i].role, part[i].n};
        if (n > 1 || part[i].role != CH_ROLE_TEXT)
            h = ch_hash_bytes(h, head, sizeof head);
        h = ch_hash_bytes(h, part[i].bytes, part[i].n);
    }
    return h;
}

/* The same wherever lines are broken. */
static ch_hash128 hash_of_words(const ch_part *part, size_t n)
{
    char words[4096];
    size_t used = 0;
    bool blank = false, begun = false;
    ch_hash128 h = {1, 0};
    for (size_t i = 0; i < n; i++, blank = true)
        for (size_t k = 0; k < part[i].n; k++) {
            const char c = part[i].bytes[k];
            if (c == ' ' || (c >= '\t' && c <= '\r')) {
                blank = true;
                continue;
            }
            if (used > sizeof words - 2) {
                h = ch_hash_bytes(h, words, used);
                used = 0;
            }
            if (blank && begun)
                words[used++] = ' ';
            words[used++] = c;
            blank = false;
            begun = true;
        }
    return ch_hash_bytes(h, words, used);
}

enum { HASH_TASKS = 1024 };

static void hash_task(void *arg, int task, int thread)
{
    const ch_texts *t = arg;
    const size_t tasks = CH_MIN(t->n, (size_t)HASH_TASKS);
    (void)thread;
    for (size_t i = t->n * (size_t)task / tasks; i < t->n * ((size_t)task + 1) / tasks; i++) {
        struct ch_text *d = &t->at[i];
        d->hash = hash_of(t->part + d->first, d->parts);
        d->words = hash_of_words(t->part + d->first, d->parts);
    }
}

/* ---- What is there twice -------------------------------------------------------------------- */

typedef struct seen {
    ch_hash128 words;
    bool chosen;
    size_t at;
} seen;

static int by_words(const void *a, const void *b)
{
    const seen *x = a, *y = b;
    if (!ch_hash_equal(x->words, y->words))
        return x->words.hi != y->words.hi ? (x->words.hi < y->words.hi ? -1 : 1)
                                          : (x->words.lo < y->words.lo ? -1 : 1);
    if (x->chosen != y->chosen)
        return x->chosen ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* Copies among documents that are trained on, or may be, and those that validation has: the former
 * are counted, and dropped if asked for; the latter always go. */
static int find_copies(ch_texts *t, bool dedup, ch_err *e)
{
    seen *s = malloc(ch_size_mul(t->n + 1, sizeof *s));
    if (!s)
        return ch_fail(e, CH_ENOMEM, "no memory to compare %zu documents", t->n);
    for (size_t i = 0; i < t->n; i++)
        s[i] = (seen){t->at[i].words, t->at[i].chosen, i};
    qsort(s, t->n, sizeof *s, by_words);
    for (size_t i = 0, first = 0; i < t->n; i++) {
        struct ch_text *d = &t->at[s[i].at];
        if (!ch_hash_equal(s[i].words, s[first].words))
            first = i;
        if (i == first || d->chosen)
            continue;
        if (t->at[s[first].at].chosen) {
            t->excluded++;
            d->parts = 0; /* gone below */
            continue;
        }
        t->duplicates.exact++;
        t->duplicates.exact_bytes += d->n;
        t->dropped += dedup;
        d->parts = dedup ? 0 : d->parts;
    }
    free(s);
    size_t kept = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->at[i].parts > 0)
            t->at[kept++] = t->at[i];
    t->n = kept;
    return CH_OK;
}

/* ---- The split ------------------------------------------------------------------------------ */

/* The last `share` of the longest text, from the end of a line on, becomes the only document held
 * out.  Where it has no lines, the document with the smallest hash, if there are ten or more. */
static int cut_longest(loading *l, double share, ch_err *e)
{
    ch_texts *t = l->t;
    struct ch_text *longest = NULL, *smallest = NULL;
    for (size_t i = 0; i < t->n; i++) {
        struct ch_text *d = &t->at[i];
        d->held_out = false;
        if (d->parts == 1 && (!longest || d->n > longest->n))
            longest = d;
        if (!smallest || d->hash.lo < smallest->hash.lo)
            smallest = d;
    }
    const char *bytes = longest ? t->part[longest->first].bytes : "";
    const size_t n = longest ? longest->n : 0;
    size_t at = (size_t)((double)n * (1 - share));
    while (at > 0 && bytes[at - 1] != '\n')
        at--;
    if (at == 0 || at == n) {
        smallest->held_out = t->n >= 10;
        return CH_OK;
    }
    ch_part part = t->part[longest->first];
    t->part[longest->first].n = longest->n = at;
    longest->hash = hash_of(t->part + longest->first, 1);
    l->source = longest->source;
    part.bytes += at;
    part.n -= at;
    const int rc = add(l, &part, 1, e);
    if (rc == CH_OK) {
        t->at[t->n - 1].held_out = true;
        t->at[t->n - 1].hash = hash_of(&part, 1);
    }
    return rc;
}

/* A path with a weight is trained on, whatever its hashes say. */
static size_t release_weighted(ch_texts *t)
{
    size_t released = 0;
    for (int s = 0; s < t->sources && t->sources > 1; s++) {
        bool trains = false;
        for (size_t i = 0; i < t->n && !trains; i++)
            trains = t->at[i].source == s && !t->at[i].held_out;
        for (size_t i = 0; i < t->n && !trains; i++)
            if (t->at[i].source == s && !t->at[i].chosen && t->at[i].held_out) {
                t->at[i].held_out = false;
                released++;
            }
    }
    return released;
}

static int split(loading *l, double share, ch_err *e)
{
    ch_texts *t = l->t;
    size_t held = 0;
    bool chosen = false;
    for (size_t i = 0; i < t->n; i++) {
        struct ch_text *d = &t->at[i];
        d->held_out = d->chosen || (double)(d->hash.lo >> 11) * 0x1p-53 < share;
        held += d->held_out;
        chosen = chosen || d->chosen;
    }
    held -= release_weighted(t);
    if (chosen && held == t->n)
        return ch_fail(e, CH_EFORMAT, "all %zu documents are held out; none is left to train on"
                                      " (%zu were also among those for validation)",
                       t->n, t->excluded);
    return !chosen && share > 0 && (held == 0 || held == t->n) ? cut_longest(l, share, e) : CH_OK;
}

static int load_all(loading *l, const ch_texts_options *o, ch_err *e)
{
    ch_texts *t = l->t;
    int rc = ch_sources_parse(&t->source, o->data, o->n_data, e);
    t->paths = rc == CH_OK ? o->n_data : 0;
    for (int i = 0; i < o->n_data && rc == CH_OK; i++) {
        const bool weighted = t->source[0].weight > 0;
        l->source = weighted ? i : 0;
        t->sources = weighted ? o->n_data : 1;
        rc = load_path(l, t->source[i].path, e);
    }
    if (rc == CH_OK && t->n == 0)
        rc = ch_fail(e, CH_EFORMAT, "no text in %s%s (%zu files or lines were empty or no text)",
                     o->n_data > 0 ? o->data[0] : "nothing", o->n_data > 1 ? " and the others" : "",
                     t->skipped);
    l->chosen = true;
    l->source = 0;
    const size_t before = t->n;
    for (int i = 0; i < o->n_validation && rc == CH_OK; i++)
        rc = load_path(l, o->validation[i], e);
    if (rc == CH_OK && o->n_validation > 0 && t->n == before)
        rc = ch_fail(e, CH_EFORMAT, "no text in %s%s, which is what is to be held out",
                     o->validation[0], o->n_validation > 1 ? " and the others" : "");
    return rc;
}

int ch_texts_load(ch_texts *t, const ch_texts_options *o, ch_pool *pool, ch_err *e)
{
    *t = (ch_texts){0};
    loading l = {.t = t, .mask = o->mask_prompts};
    int rc = load_all(&l, o, e);
    if (rc == CH_OK) {
        ch_pool_run(pool, hash_task, t, (int)CH_MIN(t->n, (size_t)HASH_TASKS));
        rc = find_copies(t, o->dedup, e);
    }
    if (rc == CH_OK)
        rc = split(&l, o->held_out, e);
    for (size_t i = 0; i < t->n; i++)
        t->bytes += t->at[i].n;
    if (rc < 0)
        ch_texts_free(t);
    return rc;
}

/* Both are real paths.  Below what is hidden nothing is read. */
static bool is_read_with(const char *out, const char *dir)
{
    const size_t n = strcmp(dir, "/") == 0 ? 0 : strlen(dir);
    return strncmp(out, dir, n) == 0 && (out[n] == '/' || !out[n]) && !strstr(out + n, "/.");
}

int ch_texts_apart(const char *const *data, int n, const char *out, ch_err *e)
{
    ch_source *s = NULL;
    int rc = ch_sources_parse(&s, data, n, e);
    if (rc < 0)
        return rc;
    char *to = realpath(out, NULL);
    if (!to)
        rc = ch_fail(e, CH_EIO, "cannot open %s: %s", out, strerror(errno));
    for (int i = 0; i < n && rc == CH_OK; i++) {
        char *from = ch_io_is_dir(s[i].path) ? realpath(s[i].path, NULL) : NULL;
        if (from && is_read_with(to, from))
            rc = ch_fail(e, CH_EARG,
                         "%s lies in %s, whose files are the text: the run would read what it "
                         "writes; choose another directory (out)",
                         out, s[i].path);
        free(from);
    }
    free(to);
    ch_sources_free(s, n);
    return rc;
}

void ch_texts_release(ch_texts *t)
{
    for (struct ch_texts_memory *m = t->memory, *after; m; m = after) {
        after = m->next;
        free(m->bytes);
        free(m);
    }
    free(t->at);
    free(t->part);
    t->memory = NULL;
    t->at = NULL;
    t->part = NULL;
    t->n = t->parts = 0;
}

void ch_texts_free(ch_texts *t)
{
    ch_texts_release(t);
    ch_sources_free(t->source, t->paths);
    *t = (ch_texts){0};
}
