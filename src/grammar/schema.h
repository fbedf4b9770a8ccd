/* schema.h - JSON Schema on its way to an automaton; private to grammar/
 *
 *   a list of schemas that all hold --schema_facts.c--> facts --schema_emit.c and kin--> one rule
 *
 * Rules are for lists of schemas, each list once, so references may be circular.  A list with
 * anyOf or oneOf becomes a choice between lists: what else was said, and one branch.
 * SPDX-License-Identifier: MIT */
#ifndef CH_SCHEMA_H
#define CH_SCHEMA_H

#include "sources.h"

/* "integer" is CH_J_INT, "number" both. */
enum { CH_J_NULL = 1, CH_J_BOOL = 2, CH_J_INT = 4, CH_J_FRACTION = 8, CH_J_STRING = 16,
       CH_J_ARRAY = 32, CH_J_OBJECT = 64, CH_J_NUMBER = CH_J_INT | CH_J_FRACTION, CH_J_ALL = 127 };

/* What of a schema has been taken apart already. */
enum { CH_SKIP_REF = 1, CH_SKIP_ALL_OF = 2, CH_SKIP_ANY_OF = 4, CH_SKIP_ONE_OF = 8 };

enum { CH_MOST_PARTS = 64, CH_MOST_PATTERNS = 8, CH_MOST_REPEATED = 4096,
       CH_MOST_MULTIPLE = 1000 };

typedef struct ch_part {
    json_t *schema;
    unsigned skip;
} ch_part;

typedef struct ch_parts {
    ch_part at[CH_MOST_PARTS];
    int n;
} ch_parts;

typedef struct ch_text_rule { /* a text has to be found in, or has to be */
    const char *regex;
    size_t size;
} ch_text_rule;

typedef struct ch_facts {
    ch_parts parts; /* the schemas themselves, for what objects and arrays hold */
    unsigned types;
    bool never;
    json_t *values; /* an array of all there can be, or NULL */
    const json_t *least, *most; /* numbers of the schema, or NULL */
    bool above, below;          /* least and most themselves are out */
    int multiple;               /* numbers are multiples of it; 1: any */
    int64_t min_length, max_length, min_items, max_items, min_properties, max_properties;
    ch_text_rule pattern[CH_MOST_PATTERNS];
    int n_patterns;
    json_t *choice; /* the schema that has an anyOf or oneOf to be resolved, or NULL */
    const char *choice_word;
} ch_facts;

typedef struct ch_schema {
    ch_nfa *n;
    json_t *root;
    bool compact;
    ch_intern lists; /* of parts in any one order, three numbers each */
    struct ch_schema_list *list; /* by a list's number */
    size_t lists_cap;
    ch_part *part; /* of all lists, each in the order in which it first came */
    size_t n_part, part_cap;
    uint32_t blank, text; /* rules + 1, made at the end if they are used */
} ch_schema;

/* schema_facts.c: what a list of schemas says.  To be closed, also on failure. */
int ch_facts_read(ch_facts *f, ch_schema *s, const ch_parts *parts);
void ch_facts_close(ch_facts *f);
int ch_schema_fail(ch_schema *s, const json_t *schema, const char *word, int code,
                   const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The JSON pointer of a part of the document. */
void ch_schema_pointer(ch_buf *out, const ch_schema *s, const json_t *part);
bool ch_parts_add(ch_parts *p, json_t *schema, unsigned skip); /* false: too many */
/* What holds for a member of that name, or for the item at a place (any beyond the named ones:
 * SIZE_MAX). */
int ch_facts_member(ch_parts *out, ch_schema *s, const ch_facts *f, const char *name);
int ch_facts_item(ch_parts *out, ch_schema *s, const ch_facts *f, size_t place);

/* schema_value.c */
unsigned ch_json_kind(const json_t *v);
int ch_json_compare(const json_t *a, const json_t *b); /* of numbers: below 0, 0, above 0 */
bool ch_json_same(json_t *a, const json_t *b);

/* schema_disjoint.c: is it certain that no value is in both? */
bool ch_facts_disjoint(ch_schema *s, const ch_facts *a, const ch_facts *b, int depth);

/* schema_number.c, schema_text.c, schema_emit.c */
void ch_schema_number(ch_schema *s, const ch_facts *f, uint32_t from, uint32_t to);
void ch_schema_string(ch_schema *s, const ch_facts *f, uint32_t from, uint32_t to);
/* A member's name, in quotes: any but these (an object's keys). */
void ch_schema_other_name(ch_schema *s, json_t *names, uint32_t from, uint32_t to);
/* Of f->values, takes out the strings for which f's other facts do not hold. */
int ch_schema_keep_texts(ch_schema *s, const ch_facts *f);
/* Do the bounds of f, and its multiple, hold for a number? */
bool ch_schema_number_holds(const ch_facts *f, const json_t *v);
uint32_t ch_schema_rule(ch_schema *s, const ch_parts *parts);
uint32_t ch_schema_text_rule(ch_schema *s);

#endif
