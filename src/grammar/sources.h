/* sources.h - what grammars are read from; private to grammar/
 *
 * Each makes rule 0 and those it calls; failures stick in the ch_nfa, and are returned.
 * SPDX-License-Identifier: MIT */
#ifndef CH_SOURCES_H
#define CH_SOURCES_H

#include "automaton.h"

int ch_gbnf_read(ch_nfa *n, const char *text, size_t size);
int ch_regex_read(ch_nfa *n, const char *text, size_t size); /* of the whole text */
int ch_choice_read(ch_nfa *n, const char *text, size_t size); /* a JSON array of strings */
int ch_schema_read(ch_nfa *n, const char *text, size_t size, bool compact);

/* A regular expression between two states, over UTF-8.  search: it is enough that it is found
 * somewhere, as in JSON Schema.  `where` stands in messages. */
ch_piece ch_regex_piece(ch_nfa *n, const char *text, size_t size, bool search, const char *where);

#endif
