/* train_tiny.c - a model from nothing, and its first words
 *
 *     make build/gcc/examples/train_tiny
 *     build/gcc/examples/train_tiny TEXTS RUN 300
 *
 * learns from the files in TEXTS for 300 steps, writes the folder RUN, and lets RUN/model.gguf
 * begin a text.
 * SPDX-License-Identifier: MIT */
#include "chalcis_train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void tell(void *arg, const ch_train_progress *p)
{
    (void)arg;
    if (strcmp(p->phase, "training") == 0 && p->step % 50 == 0)
        fprintf(stderr, "step %d of %d: %.3f nats a token\n", p->step, p->steps, p->loss);
}

static int talk(const char *path, ch_err *e)
{
    ch_model *m = NULL;
    ch_tokenizer *tk = NULL;
    ch_session *s = NULL;
    const ch_sampling how = CH_SAMPLING;
    char piece[256];
    int rc = ch_model_open(&m, path, 0, e);
    if (rc == CH_OK)
        rc = ch_tokenizer_open(&tk, path, NULL, e);
    if (rc == CH_OK)
        rc = ch_session_open(&s, m, NULL, e);
    ch_token t = rc == CH_OK ? ch_tokenizer_eos(tk) : -1; /* as if a text had ended */
    if (rc == CH_OK)
        rc = ch_session_feed(s, &t, 1, e);
    for (int i = 0; i < 60 && rc == CH_OK; i++) {
        const ch_token before = t;
        rc = ch_session_next(&t, s, &how, e);
        if (rc == CH_OK && ch_tokenizer_piece(piece, sizeof piece, tk, before, t) > 0)
            fputs(piece, stdout);
    }
    puts("");
    ch_session_close(&s);
    ch_tokenizer_close(&tk);
    ch_model_close(&m);
    return rc;
}

int main(int argc, char **argv)
{
    ch_err e = {.text = "usage: train_tiny TEXTS RUN STEPS"};
    char path[4096];
    ch_train_result r;
    if (argc != 4) {
        fprintf(stderr, "%s\n", e.text);
        return 2;
    }
    const char *data[] = {argv[1]};
    const ch_train_options o = {.data = data, .n_data = 1, .out = argv[2], .steps = atoi(argv[3]),
                                .vocab = 320, .layers = 2, .width = 64, .length = 64,
                                .micro_batch = 4, .progress = tell};
    snprintf(path, sizeof path, "%s/model.gguf", argv[2]);
    int rc = ch_train(&r, &o, &e);
    if (rc == CH_OK)
        printf("%lld parameters, %.1f s, %.3f nats a token\n", (long long)r.parameters, r.seconds,
               r.loss);
    if (rc == CH_OK)
        rc = talk(path, &e);
    if (rc < 0)
        fprintf(stderr, "%s\n", e.text);
    return rc < 0;
}
