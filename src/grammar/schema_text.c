/* schema_text.c - strings: patterns, lengths and forbidden names together, written as JSON
 *
 * Each pattern is a deterministic automaton over UTF-8; a text that obeys all is a path through
 * their product, with the number of characters so far as one more factor.  On the way out bytes
 * that JSON does not allow in a string are escaped; other characters stand for themselves, so each
 * text has few spellings.  A string about which nothing is said may use every escape.
 * SPDX-License-Identifier: MIT */
#include "schema.h"

#include <stdlib.h>
#include <string.h>

#define GONE UINT32_MAX /* a forbidden name that it can no longer become */
enum { MOST_FACTORS = CH_MOST_PATTERNS + 2 };

struct product {
    ch_schema *s;
    ch_automaton factor[MOST_FACTORS]; /* all deterministic */
    int n;
    int forbidden;      /* the factor that must not be found, or -1 */
    int64_t least, most; /* characters */
    ch_intern tuples;   /* a state each, then the count */
    uint32_t *state_of; /* in the automaton under construction */
    size_t states_cap;
};

static void close_product(struct product *p)
{
    for (int i = 0; i < p->n; i++)
        ch_automaton_close(&p->factor[i]);
    ch_intern_close(&p->tuples);
    free(p->state_of);
}

/* ---- Factors --------------------------------------------------------------------------------- */

static int finish(struct product *p, ch_nfa *own, uint32_t rule)
{
    ch_err e = {0};
    ch_nfa_rule_end(own, rule);
    own->e = &e;
    const int rc = ch_automaton_make(&p->factor[p->n], own, &e);
    ch_nfa_close(own);
    if (rc < 0)
        return ch_nfa_fail(p->s->n, rc, "schema: a pattern of a string: %s", e.text);
    if (p->factor[p->n++].nondeterministic)
        return ch_nfa_fail(p->s->n, CH_ELIMIT, "schema: a pattern of a string is too complex");
    return CH_OK;
}

static int add_regex(struct product *p, const char *regex, size_t size)
{
    ch_err e = {0};
    ch_nfa own;
    ch_nfa_init(&own, &e);
    const uint32_t r = ch_nfa_rule_new(&own, "pattern", 7);
    ch_nfa_rule_begin(&own, r);
    const ch_piece piece = ch_regex_piece(&own, regex, size, true, "schema: pattern");
    if (own.rc < 0) {
        ch_nfa_close(&own);
        return ch_nfa_fail(p->s->n, e.code, "%s", e.text);
    }
    ch_nfa_empty(&own, own.rule[r].start, piece.in);
    ch_nfa_empty(&own, piece.out, own.rule[r].end);
    return finish(p, &own, r);
}

/* Texts that are one of the keys of `names`. */
static int add_names(struct product *p, json_t *names)
{
    const char *key;
    json_t *v;
    ch_nfa own;
    ch_nfa_init(&own, NULL);
    const uint32_t r = ch_nfa_rule_new(&own, "names", 5);
    ch_nfa_rule_begin(&own, r);
    json_object_foreach(names, key, v)
    {
        if (own.rc == CH_OK)
            ch_nfa_text_to(&own, own.rule[r].start, own.rule[r].end, key, strlen(key));
    }
    p->forbidden = p->n;
    return finish(p, &own, r);
}

static int open_product(struct product *p, ch_schema *s, const ch_facts *f)
{
    *p = (struct product){.s = s, .forbidden = -1, .least = f ? f->min_length : 0,
                          .most = f ? f->max_length : INT64_MAX};
    int rc = add_regex(p, "", 0); /* any text: all bytes are UTF-8 */
    for (int i = 0; f && i < f->n_patterns && rc == CH_OK; i++)
        rc = add_regex(p, f->pattern[i].regex, f->pattern[i].size);
    return rc;
}

/* ---- Paths ----------------------------------------------------------------------------------- */

static const ch_edge *edge_for(const ch_automaton *a, uint32_t state, int byte)
{
    for (uint32_t i = a->state[state].edge; i < a->state[state + 1].edge; i++)
        if (a->edge[i].lo <= byte && byte <= a->edge[i].hi)
            return &a->edge[i];
    return NULL;
}

/* Where a byte leads; false: nowhere. */
static bool follow(uint32_t *to, const struct product *p, const uint32_t *at, int byte)
{
    for (int i = 0; i < p->n; i++) {
        const ch_edge *edge = at[i] == GONE ? NULL : edge_for(&p->factor[i], at[i], byte);
        if (!edge && i != p->forbidden)
            return false;
        to[i] = edge ? edge->to : GONE;
    }
    const uint32_t count = at[p->n] + ((byte & 0xc0) != 0x80);
    if (p->most != INT64_MAX && count > p->most)
        return false;
    to[p->n] = p->most == INT64_MAX ? (uint32_t)CH_MIN((int64_t)count, p->least) : count;
    return true;
}

static bool accepted(const struct product *p, const uint32_t *at)
{
    for (int i = 0; i < p->n; i++) {
        const bool final = at[i] != GONE && p->factor[i].state[at[i]].final;
        if (final == (i == p->forbidden))
            return false;
    }
    return at[p->n] >= p->least;
}

/* A tuple's number. */
static uint32_t number_of(struct product *p, const uint32_t *tuple)
{
    const uint32_t id = ch_intern_add(&p->tuples, tuple, (size_t)p->n + 1);
    if (id == CH_NO_ID ||
        !ch_array_room(&p->state_of, &p->states_cap, p->tuples.n, sizeof *p->state_of)) {
        ch_nfa_fail(p->s->n, CH_ENOMEM, "no memory for the strings of a schema");
        return 0;
    }
    return id;
}

/* lo to hi, all below 0x20 or quotes or backslashes, each with its escapes. */
static void escaped(ch_nfa *n, uint32_t from, uint32_t to, int lo, int hi)
{
    static const char shorts[][2] = {{'"', '"'}, {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'},
                                     {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}};
    const uint32_t slash = ch_nfa_text(n, from, "\\", 1);
    for (size_t i = 0; i < CH_COUNT(shorts); i++)
        if (shorts[i][0] >= lo && shorts[i][0] <= hi)
            ch_nfa_bytes(n, slash, to, shorts[i][1], shorts[i][1]);
    if (lo >= ' ')
        return;
    const uint32_t zeros = ch_nfa_text(n, slash, "u00", 3);
    for (int high = lo >> 4; high <= hi >> 4; high++) {
        const int first = high == lo >> 4 ? lo & 15 : 0, last = high == hi >> 4 ? hi & 15 : 15;
        const uint32_t next = ch_nfa_state(n);
        ch_nfa_bytes(n, zeros, next, '0' + high, '0' + high);
        if (first < 10)
            ch_nfa_bytes(n, next, to, '0' + first, '0' + CH_MIN(last, 9));
        if (last >= 10) {
            ch_nfa_bytes(n, next, to, 'a' + CH_MAX(first, 10) - 10, 'a' + last - 10);
            ch_nfa_bytes(n, next, to, 'A' + CH_MAX(first, 10) - 10, 'A' + last - 10);
        }
    }
}

/* Bytes lo to hi of a text, as a JSON string has them. */
static void written(ch_nfa *n, uint32_t from, uint32_t to, int lo, int hi)
{
    static const struct { int lo, hi; bool escape; } parts[] = {
        {0, 0x1f, true}, {0x20, 0x21, false}, {'"', '"', true}, {0x23, 0x5b, false},
        {'\\', '\\', true}, {0x5d, 0xff, false}};
    for (size_t i = 0; i < CH_COUNT(parts); i++) {
        const int a = CH_MAX(lo, parts[i].lo), b = CH_MIN(hi, parts[i].hi);
        if (a <= b && parts[i].escape)
            escaped(n, from, to, a, b);
        else if (a <= b)
            ch_nfa_bytes(n, from, to, a, b);
    }
}

/* Where the answer of any factor, or the counting, may change. */
static void find_cuts(bool *cut, const struct product *p, const uint32_t *at)
{
    cut[0] = cut[0x80] = cut[0xc0] = true;
    for (int i = 0; i < p->n; i++) {
        if (at[i] == GONE)
            continue;
        const ch_automaton *a = &p->factor[i];
        for (uint32_t k = a->state[at[i]].edge; k < a->state[at[i] + 1].edge; k++)
            cut[a->edge[k].lo] = cut[a->edge[k].hi + 1] = true;
    }
}

/* All that leads away from tuple `id`. */
static void leave(struct product *p, uint32_t id, uint32_t end)
{
    ch_nfa *n = p->s->n;
    uint32_t at[MOST_FACTORS + 1], to[MOST_FACTORS + 1];
    size_t size;
    const uint32_t *tuple = ch_intern_get(&p->tuples, id, &size);
    memcpy(at, tuple, size * sizeof *at);
    const uint32_t from = p->state_of[id];
    if (accepted(p, at))
        ch_nfa_empty(n, from, end);
    bool cut[257] = {0};
    find_cuts(cut, p, at);
    for (int lo = 0, hi; lo < 256 && n->rc == CH_OK; lo = hi + 1) {
        for (hi = lo; hi < 255 && !cut[hi + 1];)
            hi++;
        if (!follow(to, p, at, lo))
            continue;
        const size_t before = p->tuples.n;
        const uint32_t next = number_of(p, to);
        if (n->rc == CH_OK && p->tuples.n > before)
            p->state_of[next] = ch_nfa_state(n);
        if (n->rc == CH_OK)
            written(n, from, p->state_of[next], lo, hi);
    }
}

/* From after the opening quote to before the closing one. */
static void emit(struct product *p, uint32_t from, uint32_t end)
{
    uint32_t first[MOST_FACTORS + 1] = {0};
    for (int i = 0; i < p->n; i++)
        first[i] = p->factor[i].start[0];
    number_of(p, first);
    if (p->s->n->rc == CH_OK)
        p->state_of[0] = from;
    for (uint32_t id = 0; id < p->tuples.n && p->s->n->rc == CH_OK; id++)
        leave(p, id, end);
}

/* ---- Strings --------------------------------------------------------------------------------- */

static bool holds(struct product *p, const char *text, size_t size)
{
    uint32_t at[MOST_FACTORS + 1] = {0}, to[MOST_FACTORS + 1] = {0};
    for (int i = 0; i < p->n; i++)
        at[i] = p->factor[i].start[0];
    for (size_t k = 0; k < size; k++) {
        if (!follow(to, p, at, (uint8_t)text[k]))
            return false;
        memcpy(at, to, sizeof at);
    }
    return accepted(p, at);
}

int ch_schema_keep_texts(ch_schema *s, const ch_facts *f)
{
    struct product p;
    if (open_product(&p, s, f) == CH_OK)
        for (size_t i = json_array_size(f->values); i-- > 0;) {
            const json_t *v = json_array_get(f->values, i);
            if (json_is_string(v) && !holds(&p, json_string_value(v), json_string_length(v)))
                json_array_remove(f->values, i);
        }
    close_product(&p);
    return s->n->rc;
}

/* A character with all its spellings; beyond U+FFFF escapes come in pairs. */
#define ESCAPES                                                                                    \
    "[^\"\\\\\\x00-\\x1f]|\\\\([\"\\\\/bfnrt]|u([0-9A-Ca-cE-Fe-f][0-9A-Fa-f]{3}|"                 \
    "[Dd][0-7][0-9A-Fa-f]{2}|[Dd][89ABab][0-9A-Fa-f]{2}\\\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}))"

uint32_t ch_schema_text_rule(ch_schema *s)
{
    if (!s->text)
        s->text = ch_nfa_rule_new(s->n, "string", 6) + 1;
    return s->text - 1;
}

void ch_schema_string(ch_schema *s, const ch_facts *f, uint32_t from, uint32_t to)
{
    ch_nfa *n = s->n;
    const bool counted = f && (f->min_length > 0 || f->max_length != INT64_MAX);
    const uint32_t open = ch_nfa_text(n, from, "\"", 1), close = ch_nfa_state(n);
    ch_nfa_text_to(n, close, to, "\"", 1);
    if (f && f->n_patterns) {
        struct product p;
        if (open_product(&p, s, f) == CH_OK) {
            if (p.most > CH_MOST_REPEATED && p.most != INT64_MAX)
                p.most = CH_MAX(p.least, (int64_t)CH_MOST_REPEATED);
            emit(&p, open, close);
        }
        close_product(&p);
        return;
    }
    const int64_t least = counted ? f->min_length : 0;
    int64_t most = counted && f->max_length != INT64_MAX ? f->max_length : CH_UNBOUNDED;
    if (most > CH_MOST_REPEATED)
        most = CH_MAX(least, (int64_t)CH_MOST_REPEATED);
    if (most != CH_UNBOUNDED && least > most)
        return; /* no string at all */
    const ch_piece one = ch_regex_piece(n, ESCAPES, strlen(ESCAPES), false, "schema");
    const ch_piece p = ch_nfa_repeat(n, one, least, most);
    ch_nfa_empty(n, open, p.in);
    ch_nfa_empty(n, p.out, close);
}

void ch_schema_other_name(ch_schema *s, json_t *names, uint32_t from, uint32_t to)
{
    struct product p;
    const uint32_t open = ch_nfa_text(s->n, from, "\"", 1), close = ch_nfa_state(s->n);
    ch_nfa_text_to(s->n, close, to, "\"", 1);
    if (open_product(&p, s, NULL) == CH_OK && add_names(&p, names) == CH_OK)
        emit(&p, open, close);
    close_product(&p);
}
