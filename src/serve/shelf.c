/* shelf.c - a table of grammars by what they were made of, and a list of those that nobody uses
 *
 *     (take) --> MAKING --> READY, used <--take, give--> READY, kept --> gone
 *                      \--> FAILED, told to all who wait for it
 *     READY, and forgets too often --> in the table no more, and gone when its users are
 *
 * A grammar is measured when it is made and when the last of its users gives it back: in between it
 * changes on the engine's thread.  SPDX-License-Identifier: MIT */
#include "shelf.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { BUCKETS = 1024, MOST_ONE = 8 << 20, MOST_USED = 512 << 20, MOST_KEPT = 64 << 20,
       COMPILERS = 2, MOST_FORGOTTEN = 4 };

typedef enum stage { MAKING, READY, FAILED } stage;

typedef struct book {
    ch_shelved shelved; /* first */
    struct book *next;  /* in its bucket */
    struct book *newer, *older; /* of those that nobody uses */
    ch_hash128 hash;
    ch_grammar_kind kind;
    size_t memory, n;
    uint64_t salt;
    stage stage;
    int users;          /* who has it or waits for it */
    uint32_t forgotten; /* how often it had when the first of them took it */
    bool withdrawn;     /* from the table: it ends with its users */
    size_t bytes;
    ch_err why;
    char text[];
} book;

struct ch_shelf {
    ch_shelf_options o;
    ch_hash128 secret;
    ch_grammar *like; /* whose vocabulary all share */

    pthread_mutex_t lock; /* of what follows, and of books but for their grammars */
    pthread_cond_t change;
    book *bucket[BUCKETS];
    book *newest, *oldest; /* of those that nobody uses */
    int compiling;
    ch_shelf_stats stats;
};

int ch_shelf_open(ch_shelf **out, const ch_shelf_options *o, ch_err *e)
{
    pthread_condattr_t monotonic;
    ch_shelf *s = *out = calloc(1, sizeof *s);
    if (!s)
        return ch_fail(e, CH_ENOMEM, "no memory for grammars");
    s->o = *o;
    s->o.most_one = o->most_one ? o->most_one : MOST_ONE;
    s->o.most_used = o->most_used ? o->most_used : MOST_USED;
    s->o.most_kept = o->most_kept ? o->most_kept : MOST_KEPT;
    s->o.compilers = o->compilers ? o->compilers : COMPILERS;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->change, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int rc = getrandom(&s->secret, sizeof s->secret, 0) == sizeof s->secret
                 ? CH_OK
                 : ch_fail(e, CH_EIO, "no random numbers: %s", strerror(errno));
    if (rc == CH_OK) /* any grammar */
        rc = ch_grammar_open(&s->like, o->tk, CH_GRAMMAR_JSON, "", 0, NULL, e);
    if (rc < 0)
        ch_shelf_close(out);
    return rc;
}

static void free_book(book *b)
{
    ch_grammar_close(&b->shelved.grammar);
    free(b);
}

void ch_shelf_close(ch_shelf **out)
{
    ch_shelf *s = *out;
    *out = NULL;
    if (!s)
        return;
    for (book *b; (b = s->oldest);) {
        s->oldest = b->newer;
        free_book(b);
    }
    ch_grammar_close(&s->like);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->change);
    free(s);
}

/* ---- With the lock --------------------------------------------------------------------------- */

static book **place_of(ch_shelf *s, const book *b)
{
    book **at = &s->bucket[b->hash.lo % BUCKETS];
    while (*at != b)
        at = &(*at)->next;
    return at;
}

static book *find(const ch_shelf *s, ch_hash128 hash, const ch_shelf_want *w)
{
    book *b = s->bucket[hash.lo % BUCKETS];
    while (b && !(ch_hash_equal(b->hash, hash) && b->kind == w->kind && b->memory == w->memory &&
                  b->salt == w->salt && b->n == w->n && memcmp(b->text, w->text, w->n) == 0))
        b = b->next;
    return b;
}

/* Out of the list of those that nobody uses. */
static void unkeep(ch_shelf *s, book *b)
{
    *(b->newer ? &b->newer->older : &s->newest) = b->older;
    *(b->older ? &b->older->newer : &s->oldest) = b->newer;
    b->newer = b->older = NULL;
    s->stats.kept_bytes -= b->bytes;
}

static void keep(ch_shelf *s, book *b)
{
    b->bytes = sizeof *b + b->n + ch_grammar_bytes_own(b->shelved.grammar);
    b->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = b;
    s->newest = b;
    s->stats.kept_bytes += b->bytes;
}

/* What there is no room for leaves the table; a list by `older`. */
static book *clear_out(ch_shelf *s)
{
    book *gone = NULL;
    while (s->stats.kept_bytes > s->o.most_kept) {
        book *b = s->oldest;
        unkeep(s, b);
        *place_of(s, b) = b->next;
        b->older = gone;
        gone = b;
    }
    return gone;
}

/* false: the time is over. */
static bool wait_for_change(ch_shelf *s, uint64_t *wait_ns)
{
    if (!wait_ns || *wait_ns == 0)
        return false;
    const uint64_t from_ns = ch_clock_ns(), until_ns = from_ns + *wait_ns;
    const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                                   .tv_nsec = (long)(until_ns % 1000000000)};
    pthread_cond_timedwait(&s->change, &s->lock, &until);
    *wait_ns -= CH_MIN(ch_clock_ns() - from_ns, *wait_ns);
    return *wait_ns > 0;
}

static bool may_compile(const ch_shelf *s)
{
    return s->compiling < s->o.compilers && s->stats.used_bytes < s->o.most_used;
}

/* One more user, and all would read their texts again and again. */
static bool is_forgetful(const book *b)
{
    return b->stage == READY && b->users > 0 &&
           ch_grammar_forgotten(b->shelved.grammar) - b->forgotten >= MOST_FORGOTTEN;
}

static void withdraw(ch_shelf *s, book *b)
{
    *place_of(s, b) = b->next;
    b->withdrawn = true;
}

static int take_ready(ch_shelved **out, ch_shelf *s, book *b)
{
    if (b->users++ == 0) {
        unkeep(s, b);
        s->stats.used_bytes += b->bytes;
        b->forgotten = ch_grammar_forgotten(b->shelved.grammar);
    }
    s->stats.found++;
    *out = &b->shelved;
    return CH_OK;
}

static int busy(ch_err *e)
{
    return ch_fail(e, CH_EBUSY, "other requests' schemas are being compiled, or take all memory "
                                "that there is for them: try later");
}

/* Somebody else makes it. */
static int await(ch_shelved **out, ch_shelf *s, book *b, uint64_t *wait_ns, ch_err *e)
{
    bool in_time = true;
    b->users++;
    while (b->stage == MAKING && in_time)
        in_time = wait_for_change(s, wait_ns);
    if (b->stage == READY) {
        s->stats.found++;
        *out = &b->shelved;
        return CH_OK;
    }
    const int rc = b->stage == FAILED ? ch_fail(e, b->why.code, "%s", b->why.text) : busy(e);
    if (--b->users == 0) /* of one that failed: who makes it is a user, too */
        free_book(b);
    return rc;
}

/* ---- Taking and giving ----------------------------------------------------------------------- */

static int compile(book *b, const ch_shelf *s, ch_err *e)
{
    const ch_grammar_options o = {.like = s->like, .memory = b->memory};
    int rc = ch_grammar_open(&b->shelved.grammar, s->o.tk, b->kind, b->text, b->n, &o, e);
    b->bytes = rc == CH_OK ? sizeof *b + b->n + ch_grammar_bytes_own(b->shelved.grammar) : 0;
    b->shelved.bytes = b->bytes;
    if (b->bytes > s->o.most_one)
        rc = ch_fail(e, CH_ELIMIT, "compiled, the grammar has %.1f MiB; allowed are %.1f MiB: "
                                   "smaller bounds of lengths and repetitions make it smaller",
                     (double)b->bytes / (1 << 20), (double)s->o.most_one / (1 << 20));
    return rc;
}

/* Under the lock, which it gives away while it compiles. */
static int make(ch_shelved **out, ch_shelf *s, ch_hash128 hash, const ch_shelf_want *w, ch_err *e)
{
    book *b = calloc(1, sizeof *b + w->n + 1);
    if (!b)
        return ch_fail(e, CH_ENOMEM, "no memory for a schema of %zu bytes", w->n);
    b->hash = hash;
    b->kind = w->kind;
    b->memory = w->memory;
    b->salt = w->salt;
    b->n = w->n;
    b->users = 1;
    if (w->n > 0)
        memcpy(b->text, w->text, w->n);
    b->next = s->bucket[hash.lo % BUCKETS];
    s->bucket[hash.lo % BUCKETS] = b;
    s->compiling++;
    pthread_mutex_unlock(&s->lock);
    const int rc = compile(b, s, &b->why);
    pthread_mutex_lock(&s->lock);
    s->compiling--;
    s->stats.compiled++;
    b->stage = rc == CH_OK ? READY : FAILED;
    pthread_cond_broadcast(&s->change);
    if (rc == CH_OK) {
        s->stats.used_bytes += b->bytes;
        *out = &b->shelved;
        return CH_OK;
    }
    *place_of(s, b) = b->next;
    ch_fail(e, rc, "%s", b->why.text);
    if (--b->users == 0)
        free_book(b);
    return rc;
}

int ch_shelf_take(ch_shelved **out, ch_shelf *s, const ch_shelf_want *w, ch_err *e)
{
    const ch_hash128 hash = ch_hash_bytes(s->secret, w->n ? w->text : "", w->n);
    bool in_time = true;
    int rc;
    *out = NULL;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        book *b = find(s, hash, w);
        if (b && is_forgetful(b) && may_compile(s)) {
            withdraw(s, b);
            b = NULL;
        }
        if (b)
            rc = b->stage == READY ? take_ready(out, s, b) : await(out, s, b, w->wait_ns, e);
        else if (may_compile(s))
            rc = make(out, s, hash, w, e);
        else if (in_time) {
            in_time = wait_for_change(s, w->wait_ns);
            continue;
        } else
            rc = busy(e);
        break;
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

void ch_shelf_give(ch_shelf *s, ch_shelved **g)
{
    book *b = (book *)*g, *gone = NULL;
    if (!b)
        return;
    *g = NULL;
    pthread_mutex_lock(&s->lock);
    if (--b->users == 0) {
        s->stats.used_bytes -= b->bytes;
        if (b->withdrawn) {
            gone = b; /* in no list: its `older` is NULL */
        } else {
            keep(s, b);
            gone = clear_out(s);
        }
        pthread_cond_broadcast(&s->change);
    }
    pthread_mutex_unlock(&s->lock);
    while ((b = gone)) {
        gone = b->older;
        free_book(b);
    }
}

size_t ch_shelf_share(const ch_shelf *s) { return s->o.most_used / 4; }

void ch_shelf_get_stats(ch_shelf_stats *out, ch_shelf *s)
{
    pthread_mutex_lock(&s->lock);
    *out = s->stats;
    pthread_mutex_unlock(&s->lock);
}
