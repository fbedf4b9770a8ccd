/* fuzz_schema.c - libFuzzer: any bytes as a JSON Schema
 *
 * It is refused in a sentence, or becomes an automaton without dead ends: from wherever the lowest
 * bytes lead, something goes on.  SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "machine.h"
#include "sources.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void stop_unless(bool ok)
{
    if (!ok)
        abort();
}

/* No configuration that is reached is a dead end. */
static void walk(const ch_automaton *a)
{
    ch_machine m;
    ch_machine_open(&m, a, 1 << 20);
    uint32_t at = ch_machine_start(&m);
    for (int i = 0; i < 200 && at != CH_NO_ID && !(m.flags[at] & CH_CONFIG_ENDS); i++) {
        uint32_t next = CH_CONFIG_DEAD;
        for (int b = 0; b < 256 && next == CH_CONFIG_DEAD; b++)
            next = ch_machine_step(&m, at, (uint8_t)b);
        stop_unless(next != CH_CONFIG_DEAD);
        at = next;
    }
    ch_machine_close(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    ch_err e = {0};
    ch_nfa nfa;
    ch_automaton a = {0};
    ch_nfa_init(&nfa, &e);
    int rc = ch_schema_read(&nfa, n ? (const char *)bytes : "", n, n % 2);
    if (rc == CH_OK)
        rc = ch_automaton_make(&a, &nfa, &e);
    stop_unless(rc == CH_OK || (e.code == rc && e.text[0]));
    if (rc == CH_OK)
        walk(&a);
    ch_automaton_close(&a);
    ch_nfa_close(&nfa);
    return 0;
}
