/* json_at.c - values of a JSON file, for tests of the program: json_at FILE PATH...
 *
 *   answers.0.text    keys and numbers of elements, with dots between
 *   answers.*.score   of every element, a line each
 *   answers.#         how many elements there are
 *
 * Values are written as JSON, each on a line of its own.  A path that leads nowhere is an error.
 * SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool show(const json_t *v)
{
    const bool ok = json_dumpf(v, stdout, JSON_ENCODE_ANY | JSON_COMPACT) == 0;
    return putchar('\n') != EOF && ok;
}

static bool follow(const json_t *v, const char *path)
{
    char key[100];
    const size_t n = strcspn(path, ".");
    const char *rest = path[n] ? path + n + 1 : "";
    bool ok = v && n < sizeof key;
    if (!ok || n == 0)
        return ok && show(v);
    memcpy(key, path, n);
    key[n] = '\0';
    if (!json_is_array(v))
        return follow(json_object_get(v, key), rest);
    if (strcmp(key, "#") == 0)
        return !*rest && printf("%zu\n", json_array_size(v)) > 0;
    if (strcmp(key, "*") != 0)
        return strspn(key, "0123456789") == n &&
               follow(json_array_get(v, strtoul(key, NULL, 10)), rest);
    for (size_t i = 0; ok && i < json_array_size(v); i++)
        ok = follow(json_array_get(v, i), rest);
    return ok;
}

int main(int argc, char **argv)
{
    json_error_t e;
    int rc = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: json_at FILE PATH...\n");
        return 2;
    }
    json_t *v = json_load_file(argv[1], JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    if (!v) {
        fprintf(stderr, "%s:%d: %s\n", argv[1], e.line, e.text);
        return 1;
    }
    for (int i = 2; i < argc && rc == 0; i++)
        if (!follow(v, argv[i])) {
            fprintf(stderr, "%s: nothing at %s\n", argv[1], argv[i]);
            rc = 1;
        }
    json_decref(v);
    return rc;
}
