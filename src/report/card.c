/* card.c - README.md beside a model: what it is, in Hugging Face's form
 *
 * A card begins with a line that says who wrote it; one without that line is somebody's own, and
 * stays.  SPDX-License-Identifier: MIT */
#include "report.h"

#include <stdlib.h>
#include <string.h>

static const char mark[] = "Written by chalcis ";
enum { CARD_MOST = 1 << 20 };

void ch_report_card_text(ch_buf *b, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char c = text[i];
        if (strchr("\\`*_[]<>|#", c) && c)
            ch_buf_put(b, "\\", 1);
        ch_buf_put(b, (unsigned char)c < ' ' || c == 127 ? " " : &c, 1);
    }
}

void ch_report_card_begin(ch_buf *b, const char *by, const char *head)
{
    ch_buf_init(b, CARD_MOST);
    if (head)
        ch_buf_printf(b, "---\n# %s%s.  Delete this line to keep the file.\n%s---\n", mark, by,
                      head);
    else
        ch_buf_printf(b, "<!-- %s%s.  Delete this line to keep the file. -->\n", mark, by);
}

static bool is_ours(const char *path)
{
    static const char *const before[] = {"<!-- ", "---\n# "};
    ch_buf b;
    ch_buf_init(&b, CARD_MOST);
    bool ours = !ch_io_exists(path);
    if (!ours && ch_io_read_file(&b, path, NULL) == CH_OK)
        for (size_t i = 0; i < CH_COUNT(before); i++) {
            const size_t n = strlen(before[i]), m = strlen(mark);
            ours |= b.size >= n + m && memcmp(b.data, before[i], n) == 0 &&
                    memcmp(b.data + n, mark, m) == 0;
        }
    ch_buf_close(&b);
    return ours;
}

/* README.md of a folder; of a file, its own name with .md for what stands behind the last dot. */
static char *path_of(const char *of)
{
    if (ch_io_is_dir(of))
        return ch_io_join(of, "README.md");
    const char *slash = strrchr(of, '/'), *dot = strrchr(of, '.');
    const size_t n = dot && dot > (slash ? slash + 1 : of) ? (size_t)(dot - of) : strlen(of);
    char *path = malloc(n + sizeof ".md");
    if (path)
        snprintf(path, n + sizeof ".md", "%.*s.md", (int)n, of);
    return path;
}

int ch_report_card_end(ch_buf *b, const char *of, ch_err *e)
{
    char *path = path_of(of);
    int rc = path ? ch_buf_check(b, "a model card", e)
                  : ch_fail(e, CH_ENOMEM, "no memory for a path beside %s", of);
    if (rc == CH_OK && is_ours(path))
        rc = ch_io_write_file(path, b->data, b->size, e);
    ch_buf_close(b);
    free(path);
    return rc;
}
