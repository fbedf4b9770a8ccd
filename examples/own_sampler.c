/* own_sampler.c - a sampler of one's own: texts without the letter e
 *
 *     make build/gcc/examples/own_sampler
 *     build/gcc/examples/own_sampler models/chalcis-tiny.gguf "Once upon a"
 *
 * It stands behind the chain of samplers.def and before the draw.  generate.h is inside the
 * library (src/generate): it may change between versions, chalcis.h does not.
 * SPDX-License-Identifier: MIT */
#include "generate.h"

#include <math.h>
#include <string.h>

static void without_e(void *arg, ch_candidates *c, const ch_sample_view *v)
{
    char piece[256];
    (void)v;
    for (int i = 0; i < c->n; i++) {
        const int n = ch_tokenizer_piece(piece, sizeof piece, arg, -1, c->at[i].id);
        if (n > 0 && strpbrk(piece, "eE"))
            c->at[i].logit = -INFINITY;
    }
}

static int write_text(ch_session *s, ch_tokenizer *tk, const char *prompt, ch_err *e)
{
    const ch_own_sampler own = {without_e, tk};
    ch_sampling how = CH_SAMPLING;
    ch_tokens ids = {0};
    ch_token t, before = -1;
    char piece[256];
    how.top_k = 0; /* the best 40 may all have an e */
    how.top_p = 1;
    how.min_p = 0;
    ch_session_own_sampler(s, &own);
    int rc = ch_tokenizer_encode(&ids, tk, prompt, strlen(prompt), CH_ENCODE_BOS, e);
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
    ch_err e = {.text = "usage: own_sampler MODEL PROMPT"};
    ch_model *m = NULL;
    ch_tokenizer *tk = NULL;
    ch_session *s = NULL;
    int rc = argc == 3 ? ch_model_open(&m, argv[1], 0, &e) : CH_EARG;
    if (rc == CH_OK)
        rc = ch_tokenizer_open(&tk, argv[1], NULL, &e);
    if (rc == CH_OK)
        rc = ch_session_open(&s, m, NULL, &e);
    if (rc == CH_OK)
        rc = write_text(s, tk, argv[2], &e);
    if (rc < 0)
        fprintf(stderr, "%s\n", e.text);
    ch_session_close(&s);
    ch_tokenizer_close(&tk);
    ch_model_close(&m);
    return rc < 0;
}
