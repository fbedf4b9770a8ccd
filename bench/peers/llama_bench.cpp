// llama_bench.cpp - llama.cpp's speed with one model file: what llama-bench measures, by its library
//
//     llama_bench -m MODEL -p PROMPT -n GENERATED -r ROUNDS -t THREADS -o json
//
// One decode of PROMPT tokens; GENERATED decodes of one token, nothing drawn.  Each once before,
// uncounted.  Prints avg_ts of the first, then of the second.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "llama.h"

static double seconds()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

static bool decode(llama_context *c, std::vector<llama_token> tokens)
{
    return llama_decode(c, llama_batch_get_one(tokens.data(), (int32_t)tokens.size())) == 0;
}

static double run(llama_context *c, int prompt, int generated, int vocab)
{
    llama_memory_clear(llama_get_memory(c), false);
    const double began = seconds();
    if (prompt) {
        std::vector<llama_token> tokens(prompt);
        for (int i = 0; i < prompt; i++)
            tokens[i] = (i * 37 + 11) % vocab;
        for (int at = 0; at < prompt; at += 2048) {
            const int n = prompt - at < 2048 ? prompt - at : 2048;
            if (!decode(c, {tokens.begin() + at, tokens.begin() + at + n}))
                exit(1);
        }
    }
    for (int i = 0; i < generated; i++)
        if (!decode(c, {(i * 37 + 11) % vocab}))
            exit(1);
    llama_synchronize(c);
    return (prompt + generated) / (seconds() - began);
}

int main(int argc, char **argv)
{
    const char *path = nullptr;
    int prompt = 512, generated = 128, rounds = 1, threads = 2;
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *v = argv[i + 1];
        switch (argv[i][1]) {
        case 'm': path = v; break;
        case 'p': prompt = atoi(v); break;
        case 'n': generated = atoi(v); break;
        case 'r': rounds = atoi(v); break;
        case 't': threads = atoi(v); break;
        }
    }
    llama_log_set([](lm_ggml_log_level, const char *, void *) {}, nullptr);
    llama_backend_init();
    llama_model *m = llama_model_load_from_file(path, llama_model_default_params());
    if (!m)
        return 1;
    llama_context_params p = llama_context_default_params();
    p.n_ctx = (uint32_t)(prompt > generated ? prompt : generated) + 8;
    p.n_batch = 2048;
    p.n_ubatch = 512;
    p.n_threads = p.n_threads_batch = threads;
    llama_context *c = llama_init_from_model(m, p);
    if (!c)
        return 1;
    const int vocab = llama_vocab_n_tokens(llama_model_get_vocab(m));
    for (int test = 0; test < 2; test++) {
        const int a = test ? 0 : prompt, b = test ? generated : 0;
        double sum = 0;
        run(c, a, b ? 1 : 0, vocab);
        for (int r = 0; r < rounds; r++)
            sum += run(c, a, b, vocab);
        printf("{\"n_prompt\": %d, \"n_gen\": %d, \"avg_ts\": %.4f}\n", a, b, sum / rounds);
    }
}
