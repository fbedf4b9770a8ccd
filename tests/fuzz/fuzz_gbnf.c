/* fuzz_gbnf.c - libFuzzer: any bytes as a grammar, or as a regular expression
 *
 * It is refused in a sentence, or runs: what follows the first 0 byte is text to be read by it.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "sources.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void stop_unless(bool ok)
{
    if (!ok)
        abort();
}

static void follow(const ch_automaton *a, const uint8_t *text, size_t n)
{
    ch_machine m;
    ch_err e = {0};
    ch_machine_open(&m, a, 1 << 20);
    uint32_t at = ch_machine_start(&m);
    for (size_t i = 0; i < n && at != CH_NO_ID && at != CH_CONFIG_DEAD; i++) {
        at = ch_machine_step(&m, at, text[i]);
        if (at != CH_NO_ID && i % 64 == 63)
            at = ch_machine_forget(&m, at);
    }
    stop_unless(at != CH_NO_ID || ch_machine_fail(&m, &e) < 0);
    ch_machine_close(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const uint8_t *zero = n ? memchr(bytes, 0, n) : NULL;
    const size_t size = zero ? (size_t)(zero - bytes) : n;
    for (int regex = 0; regex < 2; regex++) {
        ch_err e = {0};
        ch_nfa nfa;
        ch_automaton a = {0};
        const char *text = n ? (const char *)bytes : "";
        ch_nfa_init(&nfa, &e);
        int rc = regex ? ch_regex_read(&nfa, text, size) : ch_gbnf_read(&nfa, text, size);
        if (rc == CH_OK)
            rc = ch_automaton_make(&a, &nfa, &e);
        stop_unless(rc == CH_OK || (e.code == rc && e.text[0]));
        if (rc == CH_OK && zero)
            follow(&a, zero + 1, n - size - 1);
        ch_automaton_close(&a);
        ch_nfa_close(&nfa);
    }
    return 0;
}
