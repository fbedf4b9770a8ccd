/* show_summary.c - what a model file is, in a few lines, and the memory that running it takes
 *
 * The first comes from metadata alone, so that it is there for files that cannot be run; memory
 * from the model as it is opened: panels, scratch of a step, pages of the cache in each format.
 * SPDX-License-Identifier: MIT */
#include "cmd_show.h"

#include <string.h>

static json_t *text_of(const ch_file *f, const char *key)
{
    const ch_meta *m = ch_file_meta_find(f, key);
    return m && m->type == CH_META_STR ? json_stringn(m->v.s.p, m->v.s.n) : NULL;
}

static json_t *number_of(const ch_file *f, const char *key)
{
    const ch_meta *m = ch_file_meta_find(f, key);
    if (m && m->type == CH_META_INT)
        return json_integer(m->v.i);
    return m && m->type == CH_META_UINT && m->v.u <= INT64_MAX ? json_integer((json_int_t)m->v.u)
                                                               : NULL;
}

static void put(json_t *to, const char *key, json_t *v)
{
    if (v)
        json_object_set_new(to, key, v);
}

json_t *ch_show_summary(const ch_file *f)
{
    json_t *v = json_object(), *tk = json_object();
    json_t *arch = text_of(f, "general.architecture");
    char key[128];
    put(v, "licence", text_of(f, "general.license"));
    if (arch) {
        snprintf(key, sizeof key, "%.80s.context_length", json_string_value(arch));
        put(v, "context", number_of(f, key));
    }
    put(v, "architecture", arch);
    put(tk, "kind", text_of(f, "tokenizer.ggml.model"));
    put(tk, "pretokenizer", text_of(f, "tokenizer.ggml.pre"));
    const ch_meta *tokens = ch_file_meta_find(f, "tokenizer.ggml.tokens");
    if (tokens && tokens->type == CH_META_ARRAY)
        put(tk, "ids", json_integer((json_int_t)tokens->v.a.n));
    put(tk, "bos", number_of(f, "tokenizer.ggml.bos_token_id"));
    put(tk, "eos", number_of(f, "tokenizer.ggml.eos_token_id"));
    put(v, "tokenizer", json_object_size(tk) ? json_incref(tk) : NULL);
    json_decref(tk);
    const ch_meta *chat = ch_file_meta_find(f, "tokenizer.chat_template");
    if (chat && chat->type == CH_META_STR)
        put(v, "chat_template_bytes", json_integer((json_int_t)chat->v.s.n));
    return v;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* First the pair that a session has unless it is told otherwise. */
static const char *const formats[][2] = {{"f16", "f16"}, {"f32", "f32"}, {"bf16", "bf16"},
                                         {"q8_0", "q8_0"}, {"q8_0", "q4_0"}};

int ch_show_memory(json_t **out, const char *path, int context, ch_err *e)
{
    ch_model *m = NULL;
    int rc = ch_cli_open_model(&m, path, 0, e);
    json_t *cache = json_object();
    size_t scratch = 0;
    *out = NULL;
    for (size_t i = 0; i < CH_COUNT(formats) && rc == CH_OK; i++) {
        ch_session *s;
        const ch_session_options o = {.context = context, .cache_tokens = context,
                                      .k_type = formats[i][0], .v_type = formats[i][1]};
        char name[16];
        rc = ch_session_open(&s, m, &o, e);
        if (rc < 0)
            break;
        const ch_cache_stats stats = ch_cache_get_stats(ch_session_cache(s));
        if (i == 0)
            scratch = ch_session_scratch(s);
        snprintf(name, sizeof name, "%s/%s", formats[i][0], formats[i][1]);
        json_object_set_new(cache, name,
                            json_integer((json_int_t)(stats.pages * stats.page_bytes)));
        ch_session_close(&s);
    }
    if (rc == CH_OK)
        *out = json_pack("{s:i, s:I, s:I, s:O}", "tokens", context, "weights",
                         (json_int_t)m->arena.used, "scratch", (json_int_t)scratch, "cache",
                         cache);
    json_decref(cache);
    ch_model_close(&m);
    return rc;
}

/* ---- As text --------------------------------------------------------------------------------- */

static void print_value(const char *label, const json_t *v)
{
    char text[200];
    if (json_is_integer(v)) {
        printf("  %-12s %lld\n", label, (long long)json_integer_value(v));
    } else if (json_is_string(v)) {
        snprintf(text, sizeof text, "%s", json_string_value(v));
        ch_utf8_printable(text, strlen(text));
        printf("  %-12s %s\n", label, text);
    }
}

void ch_show_print_summary(const json_t *s)
{
    const json_t *tk = json_object_get(s, "tokenizer");
    const json_t *chat = json_object_get(s, "chat_template_bytes");
    putchar('\n');
    print_value("context", json_object_get(s, "context"));
    print_value("tokenizer", json_object_get(tk, "kind"));
    print_value("  cut by", json_object_get(tk, "pretokenizer"));
    print_value("  ids", json_object_get(tk, "ids"));
    print_value("  BOS", json_object_get(tk, "bos"));
    print_value("  EOS", json_object_get(tk, "eos"));
    if (chat)
        printf("  %-12s a template of %lld bytes\n", "chat",
               (long long)json_integer_value(chat));
    else
        printf("  %-12s no template\n", "chat");
    if (json_object_get(s, "licence"))
        print_value("licence", json_object_get(s, "licence"));
    else
        printf("  %-12s not stated\n", "licence");
}

static double mb(const json_t *v) { return (double)json_integer_value(v) / 1e6; }

void ch_show_print_memory(const json_t *m)
{
    const char *name;
    json_t *v;
    printf("\nmemory at %lld tokens\n",
           (long long)json_integer_value(json_object_get(m, "tokens")));
    printf("  %-17s %10.2f MB packed\n", "weights", mb(json_object_get(m, "weights")));
    printf("  %-17s %10.2f MB\n", "scratch", mb(json_object_get(m, "scratch")));
    json_object_foreach((json_t *)json_object_get(m, "cache"), name, v)
        printf("  cache %-11s %10.2f MB\n", name, mb(v));
}
