/* chat.c - the library in thirty lines: continue what is typed, line by line
 *
 *     cc -Iinclude examples/chat.c build/gcc/libchalcis.a -ljansson -lpcre2-8 \
 *         -lutf8proc -lm -pthread -o chat
 *     ./chat models/chalcis-tiny.gguf
 *
 * SPDX-License-Identifier: MIT */
#include "chalcis.h"

#include <stdio.h>
#include <string.h>

static int answer(ch_session *s, const ch_tokenizer *tk, const char *line, ch_err *e)
{
    ch_tokens ids = {0};
    const ch_sampling how = CH_SAMPLING;
    ch_token t, before = -1;
    char piece[256];
    int rc = ch_tokenizer_encode(&ids, tk, line, strlen(line), CH_ENCODE_BOS, e);
    if (rc == CH_OK)
        rc = ch_session_feed(s, ids.id, (int)ids.n, e);
    for (int i = 0; i < 60 && rc == CH_OK; i++, before = t) {
        rc = ch_session_next(&t, s, &how, e);
        if (rc < 0 || ch_tokenizer_is_end(tk, t))
            break;
        if (ch_tokenizer_piece(piece, sizeof piece, tk, before, t) > 0)
            fputs(piece, stdout);
    }
    puts("");
    ch_tokens_free(&ids);
    return rc;
}

int main(int argc, char **argv)
{
    ch_err e;
    ch_model *m = NULL;
    ch_tokenizer *tk = NULL;
    ch_session *s = NULL;
    char line[1000];
    int rc = argc == 2 ? ch_model_open(&m, argv[1], 0, &e) : CH_EARG;
    if (rc == CH_OK)
        rc = ch_tokenizer_open(&tk, argv[1], NULL, &e);
    if (rc == CH_OK)
        rc = ch_session_open(&s, m, NULL, &e);
    while (rc == CH_OK && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        rc = answer(s, tk, line, &e);
    }
    if (rc < 0)
        fprintf(stderr, "%s\n", argc == 2 ? e.text : "usage: chat MODEL");
    ch_session_close(&s);
    ch_tokenizer_close(&tk);
    ch_model_close(&m);
    return rc < 0;
}
