/* added.c - tokens that are looked for in text before anything else
 *
 * Control and unknown tokens (when the caller asks) and user-defined ones (always: they are words
 * of the vocabulary that no merge makes).  The leftmost match wins, the longest at one place. The
 * names are kept sorted; a search narrows the range of names that agree with the text byte by
 * byte, so a place costs O(length log count), and most places cost one look at `from`.
 * Where a text is of several origins (ch_trust), tokens that mean something to a template are found
 * in trusted spans only: control and unknown ones, and user-defined ones that are markup.
 * tokenizer.json may say of a token that it takes white space beside it along, stands between words
 * only, or is looked for in normalized text; the others are then cut out before normalizing.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "unicode.h"
#include "vocab.h"

/* ---- Sorted names ---- */

static int compare_names(const ch_added_entry *x, const ch_added_entry *y)
{
    int c = memcmp(x->name, y->name, CH_MIN(x->n, y->n));
    return c != 0 ? c : (x->n > y->n) - (x->n < y->n);
}

static int compare(const void *a, const void *b)
{
    const ch_added_entry *x = a, *y = b;
    const int c = compare_names(x, y);
    return c != 0 ? c : (x->id > y->id) - (x->id < y->id);
}

/* Thousands of equal names would cost as much at every place of a text. */
static size_t drop_equal(ch_added_entry *all, size_t n, const uint8_t *type)
{
    size_t kept = 0, group = 0; /* all[group..kept) have the name of the last */
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && compare_names(&all[i], &all[kept - 1]) != 0)
            group = kept;
        size_t k = group;
        while (k < kept && type[all[k].id] != type[all[i].id])
            k++;
        if (k == kept)
            all[kept++] = all[i];
    }
    return kept;
}

int ch_added_open(ch_added_set *s, const ch_added_entry *entry, size_t n, const uint8_t *type,
                  ch_err *e)
{
    s->entry = malloc(ch_size_mul(n + 1, sizeof *s->entry));
    if (s->entry == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for %zu added tokens", n);
    if (n > 0)
        memcpy(s->entry, entry, n * sizeof *entry);
    qsort(s->entry, n, sizeof *s->entry, compare);
    n = drop_equal(s->entry, n, type);
    for (size_t i = 0; i < n; i++)
        s->from[(unsigned char)s->entry[i].name[0] + 1] = (int)i + 1;
    for (int b = 1; b <= 256; b++)
        s->from[b] = CH_MAX(s->from[b], s->from[b - 1]);
    s->n = (int)n;
    return CH_OK;
}

void ch_added_close(ch_added_set *s)
{
    free(s->entry);
    free(s->text);
    *s = (ch_added_set){0};
}

/* The first of entry[lo..hi), which agree in `depth` bytes and are longer, whose next byte is >=
 * c. */
static int first_from(const ch_added_set *s, int lo, int hi, size_t depth, int c)
{
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if ((unsigned char)s->entry[mid].name[depth] < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void ch_added_narrow(const ch_added_set *s, int *lo, int *hi, size_t depth, unsigned char c)
{
    *lo = first_from(s, *lo, *hi, depth, c);
    *hi = first_from(s, *lo, *hi, depth, c + 1);
}

/* ---- The sets of a vocabulary ---- */

static int set_of(const ch_tokenizer *t, ch_token id)
{
    if (t->type[id] != CH_TOKEN_CONTROL && t->type[id] != CH_TOKEN_UNKNOWN &&
        t->type[id] != CH_TOKEN_USER)
        return -1;
    return t->norm != NULL && t->flags != NULL && t->flags[id] & CH_ADDED_NORMALIZED;
}

/* Entries of the second set are named as normalizing leaves them. */
static int normalize_names(ch_added_set *s, const ch_normalizer *z, ch_added_entry *all, size_t *n,
                           ch_err *e)
{
    ch_norm_work w;
    ch_buf names;
    size_t kept = 0, at = 0;
    ch_norm_work_init(&w);
    ch_buf_init(&names, INT32_MAX);
    int rc = CH_OK;
    for (size_t i = 0; i < *n && rc == CH_OK; i++) {
        const char *made;
        rc = ch_normalizer_run(&made, &all[i].n, z, &w, all[i].name, all[i].n, e);
        if (rc == CH_OK && all[i].n <= CH_ADDED_MAX_BYTES)
            ch_buf_put(&names, made, all[i].n);
        else
            all[i].n = 0;
    }
    if (rc == CH_OK)
        rc = ch_buf_check(&names, "names of added tokens", e);
    for (size_t i = 0; i < *n && rc == CH_OK; i++) {
        ch_added_entry x = all[i];
        x.name = names.data + at;
        at += x.n;
        if (x.n > 0)
            all[kept++] = x;
    }
    *n = kept;
    s->text = names.data;
    ch_norm_work_close(&w);
    return rc;
}

static int find_set(ch_tokenizer *t, int which, ch_added_entry *all, ch_err *e)
{
    size_t k = 0;
    for (ch_token id = 0; id < t->n; id++) {
        ch_added_entry x = {.id = id};
        x.name = ch_token_name(t, id, &x.n);
        if (set_of(t, id) != which || x.n == 0)
            continue;
        if (x.n > CH_ADDED_MAX_BYTES)
            return ch_fail(e, CH_ELIMIT, "added token %d has %zu bytes; %d are allowed", id, x.n,
                           CH_ADDED_MAX_BYTES);
        all[k++] = x;
    }
    int rc = which == 1 ? normalize_names(&t->added[1], t->norm, all, &k, e) : CH_OK;
    return rc < 0 ? rc : ch_added_open(&t->added[which], all, k, t->type, e);
}

int ch_token_find_added(ch_tokenizer *t, ch_err *e)
{
    size_t count = 0;
    for (ch_token id = 0; id < t->n; id++)
        count += set_of(t, id) >= 0;
    ch_added_entry *all = malloc((count + 1) * sizeof *all);
    int rc = all != NULL ? CH_OK
                         : ch_fail(e, CH_ENOMEM, "out of memory for %zu added tokens", count);
    for (int which = 0; which < 2 && rc == CH_OK; which++)
        rc = find_set(t, which, all, e);
    free(all);
    return rc;
}

int ch_token_set_flags(ch_tokenizer *t, ch_token id, int flags, ch_err *e)
{
    if (flags != 0 && t->flags == NULL && (t->flags = calloc((size_t)t->n, 1)) == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for %d tokens", t->n);
    if (t->flags != NULL)
        t->flags[id] = (uint8_t)flags;
    return CH_OK;
}

/* ---- Markup ---- */

/* The length of the white space at an end of a name, or 0. */
static size_t blank_at(const char *p, size_t n, bool end)
{
    const char *meta = p + (end && n >= CH_META_BYTES ? n - CH_META_BYTES : 0);
    if (n >= CH_META_BYTES && memcmp(meta, CH_META, CH_META_BYTES) == 0)
        return CH_META_BYTES;
    return n > 0 && memchr(" \t\n\r", end ? p[n - 1] : *p, 4) != NULL;
}

/* Of any script. */
static bool has_letter(const char *p, size_t n, bool digits)
{
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)p[i], low = c | 0x20;
        if (c >= 0x80 || (low >= 'a' && low <= 'z') || (digits && c >= '0' && c <= '9'))
            return true;
    }
    return false;
}

/* Brackets around something with a letter in it, or a digit where they are angles; white space
 * beside them does not count. */
bool ch_token_is_markup(const ch_tokenizer *t, ch_token id)
{
    static const char *const marks[][2] = {
        {"<", ">"}, {"[", "]"}, {"|", "|"},
        {"\357\274\234", "\357\274\236"}, {"\357\275\234", "\357\275\234"}, /* full width */
    };
    size_t n;
    const char *p = ch_token_name(t, id, &n);
    if (t->type[id] != CH_TOKEN_USER)
        return false;
    for (size_t k; (k = blank_at(p, n, false)) > 0; p += k)
        n -= k;
    for (size_t k; (k = blank_at(p, n, true)) > 0;)
        n -= k;
    for (size_t i = 0; i < CH_COUNT(marks); i++) {
        const size_t a = strlen(marks[i][0]), b = strlen(marks[i][1]);
        if (n > a + b && memcmp(p, marks[i][0], a) == 0 && memcmp(p + n - b, marks[i][1], b) == 0)
            return has_letter(p + a, n - a - b, *marks[i][0] != '[');
    }
    return false;
}

/* ---- Looking ---- */

size_t ch_trust_at(ch_trust *x, size_t at)
{
    for (; x->n > 0 && at - x->from >= x->span->n; x->n--)
        x->from += x->span++->n;
    return x->n > 0 && !x->span->data ? x->from + x->span->n - at : 0;
}

typedef enum wanted { ANY, TRUSTED } wanted;

/* The longest at the start of text[0..n), n >= 1, or -1; those that have to be trusted are of
 * `special` bytes at most.  TRUSTED: no others. */
static ch_token added_at(const ch_tokenizer *t, const ch_added_set *s, const char *text, size_t n,
                         size_t special, bool spans, wanted want, size_t *length)
{
    int lo = s->from[(unsigned char)text[0]], hi = s->from[(unsigned char)text[0] + 1];
    ch_token best = -1;
    *length = 0;
    for (size_t depth = 1; lo < hi; depth++) {
        for (; lo < hi && s->entry[lo].n == depth; lo++) {
            const ch_token id = s->entry[lo].id;
            const bool plain =
                t->type[id] == CH_TOKEN_USER && !(spans && ch_token_is_markup(t, id));
            if ((plain ? want == ANY : depth <= special) && *length < depth) {
                best = id;
                *length = depth;
            }
        }
        if (depth == n)
            break;
        ch_added_narrow(s, &lo, &hi, depth, (unsigned char)text[depth]);
    }
    return best;
}

/* Where the character before text[at] starts. */
static size_t char_before(const char *text, size_t at)
{
    size_t i = at - 1;
    while (i > 0 && at - i < 4 && ((unsigned char)text[i] & 0xc0) == 0x80)
        i--;
    return i;
}

static bool touches_word(const char *text, size_t n, size_t at, size_t length)
{
    uint32_t cp;
    size_t end = at + length, before = at > 0 ? char_before(text, at) : 0;
    return (at > 0 && ch_utf8_read(&cp, text + before, at - before) > 0 &&
            ch_unicode_is_word(cp)) ||
           (end < n && ch_utf8_read(&cp, text + end, n - end) > 0 && ch_unicode_is_word(cp));
}

static void take_space(size_t *at, size_t *length, int flags, const char *text, size_t n,
                       size_t from)
{
    uint32_t cp;
    size_t start = *at, end = *at + *length;
    while (flags & CH_ADDED_LSTRIP && start > from) {
        const size_t before = char_before(text, start);
        if (before < from || ch_utf8_read(&cp, text + before, start - before) <= 0 ||
            !ch_unicode_is_space(cp))
            break;
        start = before;
    }
    for (int k; flags & CH_ADDED_RSTRIP && end < n; end += (size_t)k)
        if ((k = ch_utf8_read(&cp, text + end, n - end)) <= 0 || !ch_unicode_is_space(cp))
            break;
    *at = start;
    *length = end - start;
}

/* Where a token at text[at] has to end: before the next trusted token, if it is near enough for any
 * to reach it.  Looks at each place once. */
static size_t room_before_trusted(const ch_tokenizer *t, const ch_added_set *s, const char *text,
                                  size_t n, size_t at, ch_trust *trust)
{
    const size_t end = CH_MIN(n, at + CH_ADDED_MAX_BYTES + 1);
    size_t length;
    if (trust->clear <= at) {
        trust->clear = at + 1;
        trust->begins = false;
    }
    ch_trust ahead = *trust;
    while (!trust->begins && trust->clear < end) {
        const size_t special = ch_trust_at(&ahead, trust->clear);
        trust->begins = special > 0 && added_at(t, s, text + trust->clear, n - trust->clear,
                                                special, true, TRUSTED, &length) >= 0;
        trust->clear += !trust->begins;
    }
    return CH_MIN(trust->clear, end) - at;
}

ch_token ch_token_next_added(size_t *at, size_t *length, const ch_tokenizer *t, int set,
                             const char *text, size_t n, size_t from, ch_trust *trust)
{
    const ch_added_set *s = &t->added[set];
    for (size_t i = from; i < n && s->n > 0; i++) {
        const unsigned char b = (unsigned char)text[i];
        if (s->from[b] == s->from[b + 1])
            continue;
        const size_t special = ch_trust_at(trust, i);
        ch_token id = added_at(t, s, text + i, n - i, special, trust->spans, ANY, length);
        if (id >= 0 && trust->spans && *length > special) {
            const size_t most = room_before_trusted(t, s, text, n, i, trust);
            if (*length > most)
                id = added_at(t, s, text + i, most, special, true, ANY, length);
        }
        if (id < 0)
            continue;
        const int flags = t->flags != NULL ? t->flags[id] : 0;
        if (flags & CH_ADDED_WORD && touches_word(text, n, i, *length)) {
            i += *length - 1;
            continue;
        }
        *at = i;
        if (flags & (CH_ADDED_LSTRIP | CH_ADDED_RSTRIP))
            take_space(at, length, flags, text, n, from);
        return id;
    }
    *at = n;
    *length = 0;
    return -1;
}

ch_token ch_tokenizer_special(const ch_tokenizer *t, const char *text)
{
    size_t length = 0, n = strlen(text);
    ch_token id = -1;
    for (int set = 0; set < 2 && n > 0 && id < 0; set++) {
        id = added_at(t, &t->added[set], text, n, n, false, ANY, &length);
        id = length == n ? id : -1;
    }
    return id;
}
