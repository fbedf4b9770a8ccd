/* embed.c - texts as vectors: the mean of what the last layer says of their tokens
 *
 *     make build/gcc/examples/embed
 *     build/gcc/examples/embed models/chalcis-tiny.gguf "a fox" "a crow" "the north wind"
 *
 * prints for each text the cosine between its vector and the first one's.  A tap (model.h) looks
 * at the rows between the layers.  generate.h is inside the library (src/generate): it may change
 * between versions, chalcis.h does not.
 * SPDX-License-Identifier: MIT */
#include "generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct mean {
    int last_layer, width;
    double *sum;
} mean;

static void look(void *arg, int layer, const ch_rows *rows, const ch_tensor *x)
{
    const mean *m = arg;
    for (int t = 0; layer == m->last_layer && t < rows->n; t++)
        for (int i = 0; i < m->width; i++)
            m->sum[i] += (double)ch_tensor_row(x, t)[i];
}

/* out[0..D), of length 1.  A session of its own for each text: nothing of it is found in a cache,
 * where no tap could see it. */
static int embed(double *out, ch_model *model, const ch_tokenizer *tk, const char *text, ch_err *e)
{
    ch_model_info info;
    ch_session *s;
    ch_tokens ids = {0};
    double square = 0;
    ch_model_get_info(&info, model);
    mean m = {info.layers - 1, info.width, out};
    memset(out, 0, (size_t)m.width * sizeof *out);
    int rc = ch_session_open(&s, model, NULL, e);
    if (rc < 0)
        return rc;
    ch_session_tap(s, look, &m);
    rc = ch_tokenizer_encode(&ids, tk, text, strlen(text), CH_ENCODE_BOS, e);
    if (rc == CH_OK)
        rc = ch_session_feed(s, ids.id, (int)ids.n, e);
    for (int i = 0; i < m.width; i++)
        square += out[i] * out[i];
    for (int i = 0; i < m.width && square > 0; i++)
        out[i] /= sqrt(square);
    ch_tokens_free(&ids);
    ch_session_close(&s);
    return rc;
}

int main(int argc, char **argv)
{
    ch_err e = {.text = "usage: embed MODEL TEXT..."};
    ch_model_info info = {0};
    ch_model *m = NULL;
    ch_tokenizer *tk = NULL;
    int rc = argc >= 3 ? ch_model_open(&m, argv[1], 0, &e) : CH_EARG;
    if (rc == CH_OK)
        rc = ch_tokenizer_open(&tk, argv[1], NULL, &e);
    if (rc == CH_OK)
        ch_model_get_info(&info, m);
    double *first = calloc((size_t)info.width + 1, sizeof *first);
    double *v = calloc((size_t)info.width + 1, sizeof *v);
    for (int i = 2; i < argc && rc == CH_OK && first && v; i++) {
        double cosine = 0;
        rc = embed(i == 2 ? first : v, m, tk, argv[i], &e);
        for (int d = 0; d < info.width; d++)
            cosine += first[d] * (i == 2 ? first[d] : v[d]);
        if (rc == CH_OK)
            printf("%6.3f  %s\n", cosine, argv[i]);
    }
    if (rc < 0)
        fprintf(stderr, "%s\n", e.text);
    free(first);
    free(v);
    ch_tokenizer_close(&tk);
    ch_model_close(&m);
    return rc < 0;
}
