/* dialogues.c - dialogues of a user and a system to chat records, one a line
 *
 *     dialogues FILE.json ... >chats.jsonl
 *
 * A file is an array of dialogues, as Schema-Guided Dialogue is published (Rastogi et al. 2020), or
 * has one a line:
 *
 *     {"turns": [{"speaker": "USER", "utterance": "..."}, {"speaker": "SYSTEM", ...}, ...]}
 *     {"turns": [["U", "..."], ["S", "..."], ...]}
 *     {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", ...}, ...]}   out
 *
 * SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *path, size_t number, const char *what)
{
    fprintf(stderr, "dialogues: %s, dialogue %zu: %s\n", path, number, what);
    return -1;
}

static int convert(const json_t *dialogue, const char *path, size_t number)
{
    const json_t *turns = json_object_get(dialogue, "turns"), *turn;
    json_t *messages = json_array();
    size_t i;
    int rc = json_array_size(turns) > 0 ? 0 : fail(path, number, "there are no turns");
    json_array_foreach(turns, i, turn) {
        const int named = json_is_object(turn);
        json_t *who = named ? json_object_get(turn, "speaker") : json_array_get(turn, 0);
        json_t *says = named ? json_object_get(turn, "utterance") : json_array_get(turn, 1);
        const char *speaker = json_is_string(who) ? json_string_value(who) : "";
        if (rc < 0 || (*speaker != 'U' && *speaker != 'S') || !json_is_string(says)) {
            rc = rc < 0 ? rc : fail(path, number, "a turn is no USER or SYSTEM with a text");
            break;
        }
        const char *role = *speaker == 'U' ? "user" : "assistant";
        json_array_append_new(messages,
                              json_pack("{s:s, s:O}", "role", role, "content", says));
    }
    json_t *record = json_pack("{s:o}", "messages", messages);
    if (rc == 0 && (json_dumpf(record, stdout, JSON_COMPACT) < 0 || putchar('\n') == EOF))
        rc = fail(path, number, "cannot be written");
    json_decref(record);
    return rc;
}

/* Whether something comes besides white space. */
static int more(FILE *f)
{
    int c;
    do
        c = getc(f);
    while (c == ' ' || c == '\t' || c == '\r' || c == '\n');
    return ungetc(c, f) != EOF;
}

static int file(const char *path)
{
    json_error_t error;
    size_t number = 0, i;
    int rc = 0;
    FILE *f = fopen(path, "rb");
    if (!f)
        return fail(path, 0, "cannot be opened");
    while (rc == 0 && more(f)) {
        json_t *v = json_loadf(f, JSON_DISABLE_EOF_CHECK, &error), *dialogue;
        if (!v)
            rc = fail(path, number + 1, error.text);
        else if (!json_is_array(v))
            rc = convert(v, path, ++number);
        json_array_foreach(v, i, dialogue) {
            rc = rc < 0 ? rc : convert(dialogue, path, ++number);
        }
        json_decref(v);
    }
    fclose(f);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: dialogues FILE.json ... >chats.jsonl\n", stderr);
        return 2;
    }
    for (int i = 1; i < argc; i++)
        if (file(argv[i]) < 0)
            return 1;
    return fflush(stdout) == 0 ? 0 : 1;
}
