/* talk_file.c - conversations in files
 *
 * FILE is a session (generate/keep.c).  FILE.json:
 *
 *     {"chalcis": "conversation", "messages": [...], "tokens": N, "hash": "...",
 *      "said": TEXT, "origin": [[BYTES, "t"], ...], "marks": [[BYTES, TOKENS], ...]}
 *
 * hash is of the session's N tokens: two files that are not of one moment are told apart.  The rest
 * lets a turn find in the session what it holds (talk.h).  With messages alone all is read again.
 * SPDX-License-Identifier: MIT */
#include "conversation.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KIND "conversation"
enum { FILE_MOST = 1 << 28 };

static bool messages_alone(const char *path)
{
    const size_t n = strlen(path);
    return n > 5 && strcmp(path + n - 5, ".json") == 0;
}

static void token_hash(char out[40], const ch_session *s)
{
    const ch_hash128 h = ch_hash_bytes((ch_hash128){0, 0}, ch_session_tokens(s),
                                       (size_t)ch_session_length(s) * sizeof(ch_token));
    snprintf(out, 40, "%016" PRIx64 "%016" PRIx64, h.hi, h.lo);
}

/* ---- Saving ---------------------------------------------------------------------------------- */

static json_t *origin_json(const ch_talk *t)
{
    json_t *list = json_array();
    for (size_t i = 0, end; i < t->origin.size; i = end) {
        for (end = i + 1; end < t->origin.size && t->origin.data[end] == t->origin.data[i]; end++)
            continue;
        json_array_append_new(list, json_pack("[I, s%]", (json_int_t)(end - i),
                                              t->origin.data + i, (size_t)1));
    }
    return list;
}

static json_t *marks_json(const ch_talk *t)
{
    json_t *list = json_array();
    for (size_t i = 0; i < t->n_marks; i++)
        json_array_append_new(
            list, json_pack("[I, i]", (json_int_t)t->mark[i].bytes, t->mark[i].tokens));
    return list;
}

static json_t *document(const ch_talk *t, bool alone)
{
    char hash[40];
    json_t *v = json_pack("{s:s, s:O}", "chalcis", KIND, "messages", t->messages);
    if (!v || alone)
        return v;
    token_hash(hash, t->session);
    json_t *rest = json_pack("{s:i, s:s, s:s%, s:o, s:o}", "tokens", ch_session_length(t->session),
                             "hash", hash, "said", t->said.data ? t->said.data : "", t->said.size,
                             "origin", origin_json(t), "marks", marks_json(t));
    if (!rest || json_object_update(v, rest) != 0) {
        json_decref(v);
        v = NULL;
    }
    json_decref(rest);
    return v;
}

static int dump_json(ch_buf *b, const json_t *v, const char *path, ch_err *e)
{
    if (!v)
        return ch_fail(e, CH_EFORMAT, "%s: the conversation cannot be written as JSON: there is "
                                      "no memory, or its template is not UTF-8",
                       path);
    const int rc = ch_json_dump(b, v, e);
    ch_buf_str(b, "\n");
    return rc < 0 ? rc : ch_buf_check(b, path, e);
}

static int beside(ch_buf *b, const char *path, bool alone, ch_err *e)
{
    ch_buf_init(b, 1 << 16);
    ch_buf_str(b, path);
    ch_buf_str(b, alone ? "" : ".json");
    return ch_buf_check(b, "a path", e);
}

/* What the disk has no room for shows here as far as it can, and not when the first is renamed. */
static int write_all(ch_writer *w, const char *path, const ch_buf *b, ch_err *e)
{
    int rc = ch_io_create(w, path, e);
    if (rc < 0)
        return rc;
    ch_io_write(w, b->data, b->size);
    return w->failed_errno ? ch_io_commit(w, e) : CH_OK;
}

/* Neither is renamed before both are written.  Messages go first: they alone can be read again. */
static int write_pair(const char *path, const ch_buf *session, const char *json_path,
                      const ch_buf *json, ch_err *e)
{
    ch_writer to_session, to_json = {0};
    int rc = write_all(&to_session, path, session, e);
    if (rc == CH_OK)
        rc = write_all(&to_json, json_path, json, e);
    if (rc == CH_OK)
        rc = ch_io_commit(&to_json, e);
    if (rc == CH_OK)
        return ch_io_commit(&to_session, e);
    ch_io_abandon(&to_session);
    ch_io_abandon(&to_json);
    return rc;
}

int ch_talk_save(ch_talk *t, const char *path, ch_err *e)
{
    const bool alone = messages_alone(path);
    ch_buf name, session, json;
    ch_buf_init(&session, SIZE_MAX / 4);
    int rc = beside(&name, path, alone, e);
    if (rc == CH_OK && !alone)
        rc = ch_session_dump(&session, t->session, path, e);
    json_t *v = rc == CH_OK ? document(t, alone) : NULL;
    ch_buf_init(&json, FILE_MOST);
    if (rc == CH_OK)
        rc = dump_json(&json, v, name.data, e);
    if (rc == CH_OK)
        rc = alone ? ch_io_write_file(path, json.data, json.size, e)
                   : write_pair(path, &session, name.data, &json, e);
    json_decref(v);
    ch_buf_close(&session);
    ch_buf_close(&json);
    ch_buf_close(&name);
    return rc;
}

/* ---- Loading --------------------------------------------------------------------------------- */

static int check_messages(const json_t *v, const char *name, ch_err *e)
{
    const char *kind;
    size_t i;
    json_t *m;
    int rc = ch_json_str(&kind, v, "chalcis", "", name, e);
    const json_t *list = json_object_get(v, "messages");
    if (rc == CH_OK && (strcmp(kind, KIND) != 0 || !json_is_array(list)))
        return ch_fail(e, CH_EFORMAT, "%s: not a saved conversation", name);
    json_array_foreach(list, i, m)
        if (rc == CH_OK && !json_is_string(json_object_get(m, "role")))
            rc = ch_fail(e, CH_EFORMAT, "%s: message %zu has no role", name, i);
    return rc;
}

/* Numbers and texts of two: [3, "t"] */
static int64_t number_in(const json_t *pair, size_t i)
{
    const json_t *n = json_array_get(pair, i);
    return json_is_integer(n) && json_integer_value(n) >= 0 ? json_integer_value(n) : -1;
}

static int read_origin(ch_talk *into, const json_t *list, const char *name, ch_err *e)
{
    size_t i;
    json_t *pair;
    json_array_foreach(list, i, pair) {
        const int64_t n = number_in(pair, 0);
        const char *who = json_string_value(json_array_get(pair, 1));
        const size_t left = into->said.size - into->origin.size;
        if (n < 0 || (uint64_t)n > left || !who || !*who || !strchr("tdm", *who) || who[1])
            return ch_fail(e, CH_EFORMAT, "%s: origin %zu is damaged", name, i);
        char *room = ch_buf_room(&into->origin, (size_t)n);
        if (room && n > 0)
            memset(room, *who, (size_t)n);
    }
    if (into->origin.size != into->said.size)
        return ch_fail(e, CH_EFORMAT, "%s: origins say %zu bytes, the text has %zu", name,
                       into->origin.size, into->said.size);
    return CH_OK;
}

static int read_marks(ch_talk *into, const json_t *list, int64_t tokens, const char *name,
                      ch_err *e)
{
    size_t i, byte = 0;
    int64_t token = 0;
    json_t *pair;
    json_array_foreach(list, i, pair) {
        const int64_t b = number_in(pair, 0), n = number_in(pair, 1);
        if (b < 0 || (uint64_t)b < byte || (uint64_t)b > into->said.size || n < token ||
            n > tokens)
            return ch_fail(e, CH_EFORMAT, "%s: mark %zu is damaged", name, i);
        const int rc = ch_talk_mark_here(into, e);
        if (rc < 0)
            return rc;
        byte = (size_t)b;
        token = n;
        into->mark[i] = (ch_talk_mark){byte, (int)token};
    }
    return CH_OK;
}

/* What the session will hold, into a conversation that is nothing else. */
static int read_said(ch_talk *into, int64_t *tokens, const char **hash, const json_t *v,
                     const char *name, ch_err *e)
{
    int rc = ch_json_int(tokens, v, "tokens", 0, 0, ch_session_context(into->session), name, e);
    if (rc == CH_OK)
        rc = ch_json_str(hash, v, "hash", "", name, e);
    const json_t *said = json_object_get(v, "said");
    if (rc == CH_OK && !json_is_string(said))
        return ch_fail(e, CH_EFORMAT, "%s: it does not say what the session holds", name);
    if (rc == CH_OK) {
        ch_buf_put(&into->said, json_string_value(said), json_string_length(said));
        rc = read_origin(into, json_object_get(v, "origin"), name, e);
    }
    return rc < 0 ? rc : read_marks(into, json_object_get(v, "marks"), *tokens, name, e);
}

static void take_said(ch_talk *t, ch_talk *from)
{
    const ch_talk was = *t;
    t->said = from->said, t->origin = from->origin;
    t->mark = from->mark, t->n_marks = from->n_marks, t->cap_marks = from->cap_marks;
    from->said = was.said, from->origin = was.origin;
    from->mark = was.mark, from->n_marks = was.n_marks, from->cap_marks = was.cap_marks;
}

/* The session becomes the file's; where it cannot, it is empty.  Marks reach up to `tokens`. */
static int load_session(ch_talk *t, ch_talk *from, const char *path, int64_t tokens,
                        const char *hash, ch_err *e)
{
    char is[40];
    ch_talk_forget(t, 0);
    int rc = ch_session_rollback(t->session, 0, e);
    if (rc == CH_OK)
        rc = ch_session_load(t->session, path, e);
    if (rc < 0)
        return rc;
    token_hash(is, t->session);
    if (ch_session_length(t->session) != tokens || strcmp(is, hash) != 0) {
        ch_session_rollback(t->session, 0, NULL);
        return ch_fail(e, CH_EFORMAT, "%s and %s.json are not of the same moment; %s.json alone "
                                      "can be read again",
                       path, path, path);
    }
    take_said(t, from);
    return CH_OK;
}

int ch_talk_load(ch_talk *t, const char *path, ch_err *e)
{
    const bool alone = messages_alone(path);
    const char *hash = "";
    int64_t tokens = 0;
    ch_talk from = {.session = t->session};
    ch_buf name;
    json_t *v = NULL;
    ch_buf_init(&from.said, FILE_MOST);
    ch_buf_init(&from.origin, FILE_MOST);
    int rc = beside(&name, path, alone, e);
    if (rc == CH_OK)
        rc = ch_json_load(&v, name.data, FILE_MOST, e);
    if (rc == CH_OK)
        rc = check_messages(v, name.data, e);
    if (rc == CH_OK && !alone)
        rc = read_said(&from, &tokens, &hash, v, name.data, e);
    if (rc == CH_OK && !alone)
        rc = load_session(t, &from, path, tokens, hash, e);
    if (rc == CH_OK) {
        json_decref(t->messages);
        t->messages = json_incref(json_object_get(v, "messages"));
    }
    json_decref(v);
    free(from.mark);
    ch_buf_close(&from.said);
    ch_buf_close(&from.origin);
    ch_buf_close(&name);
    return rc;
}
