/* pages_snapshot.c - keys and values as bytes
 *
 *   "CHPAGES1", u32 layers, kv_heads, head_width, width, page_size, k format, v format, length;
 *   then for each layer, for each page:  K rows, V rows (head by head, no unused rows), i32 pos
 *
 * Formats are GGUF type numbers.  Numbers and rows are little-endian, rows to the bit as they
 * lie in the page.  Restoring trusts nothing: every number is compared with this cache, the size is
 * known before anything is taken, padding must be zero, positions cannot be below -1.
 * SPDX-License-Identifier: MIT */
#include "page_store.h"
#include "snapshot.h"

#include <string.h>

enum { MAGIC = 8, NUMBERS = 8, HEADER = MAGIC + 4 * NUMBERS };

static const char magic[MAGIC] = {'C', 'H', 'P', 'A', 'G', 'E', 'S', '1'};
static const char *const number_names[NUMBERS] = {
    "layers", "key heads", "head width", "padded head width", "page size", "key format",
    "value format", "length",
};

static void numbers_of(uint32_t out[NUMBERS], const ch_cache *c, int length)
{
    const ch_cache_options *o = &c->options;
    const int numbers[NUMBERS] = {o->layers, o->kv_heads, o->head_width, c->width, o->page_size,
                                  c->k.info->gguf, c->v.info->gguf, length};
    for (int i = 0; i < NUMBERS; i++)
        out[i] = (uint32_t)numbers[i];
}

/* ---- Rows of one page, out and in ------------------------------------------------------------ */

static size_t side_bytes(const ch_cache *c, const page_side *s, int rows)
{
    return (size_t)c->options.kv_heads * (size_t)rows * s->row_bytes;
}

static size_t rows_bytes(const ch_cache *c, int rows)
{
    return side_bytes(c, &c->k, rows) + side_bytes(c, &c->v, rows) + 4 * (size_t)rows;
}

static void save_side(unsigned char *to, const ch_cache *c, int32_t id, const page_side *s,
                      int rows)
{
    const size_t bytes = (size_t)rows * s->row_bytes;
    for (int h = 0; h < c->options.kv_heads; h++, to += bytes)
        memcpy(to, page_row(c, id, s, h, 0), bytes);
}

static void save_page(unsigned char *to, const ch_cache *c, int32_t id, int rows)
{
    save_side(to, c, id, &c->k, rows);
    to += side_bytes(c, &c->k, rows);
    save_side(to, c, id, &c->v, rows);
    to += side_bytes(c, &c->v, rows);
    for (int r = 0; r < rows; r++, to += 4)
        snapshot_put(to, (uint32_t)page_pos(c, id)[r], 4);
}

/* Elements past the head's width are 0.  Padding of plain formats would stay in the page for good;
 * a block is always written whole, and one that was damaged as a whole may have NaN there. */
static bool padding_is_zero(const unsigned char *row, const ch_cache *c, const page_side *s,
                            int rows)
{
    const int block = s->info->block, first = c->options.head_width / block * block;
    const int rest = c->width - first, ours = c->options.head_width - first;
    float x[64]; /* less than a block of our own, less than 32 of padding */
    if (ours == rest)
        return true;
    const size_t skip = (size_t)(first / block) * (size_t)s->info->bytes;
    for (int r = 0; r < rows * c->options.kv_heads; r++, row += s->row_bytes) {
        s->info->decode(x, row + skip, rest);
        for (int i = ours; i < rest; i++)
            if (x[i] != 0 && (block == 1 || !isnan(x[i])))
                return false;
    }
    return true;
}

static int load_side(const unsigned char *from, const ch_cache *c, int32_t id, const page_side *s,
                     int rows, ch_err *e)
{
    const size_t bytes = (size_t)rows * s->row_bytes;
    if (!padding_is_zero(from, c, s, rows))
        return ch_fail(e, CH_EFORMAT, "snapshot of pages: the padding of a row is not zero");
    for (int h = 0; h < c->options.kv_heads; h++, from += bytes)
        memcpy(page_row(c, id, s, h, 0), from, bytes);
    return CH_OK;
}

static int load_page(const unsigned char *from, const ch_cache *c, int32_t id, int rows, ch_err *e)
{
    int rc = load_side(from, c, id, &c->k, rows, e);
    from += side_bytes(c, &c->k, rows);
    if (rc == CH_OK)
        rc = load_side(from, c, id, &c->v, rows, e);
    from += side_bytes(c, &c->v, rows);
    for (int r = 0; r < rows && rc == CH_OK; r++, from += 4) {
        const int32_t at = (int32_t)(uint32_t)snapshot_get(from, 4);
        if (at < -1)
            return ch_fail(e, CH_EFORMAT,
                           "snapshot of pages: a position is %d, allowed is -1 and more", (int)at);
        page_pos(c, id)[r] = at;
    }
    return rc;
}

/* ---- The kind's functions ------------------------------------------------------------------ */

int ch_pages_snapshot(const ch_state *s, ch_buf *b, ch_err *e)
{
    const page_state *p = (const page_state *)s;
    const ch_cache *c = p->cache;
    const int size = c->options.page_size;
    const size_t before = b->size;
    uint32_t numbers[NUMBERS];
    numbers_of(numbers, c, s->length);
    unsigned char *to = ch_buf_room(b, HEADER);
    if (to) {
        memcpy(to, magic, MAGIC);
        for (int i = 0; i < NUMBERS; i++)
            snapshot_put(to + MAGIC + 4 * i, numbers[i], 4);
    }
    for (int l = 0; l < c->options.layers && to; l++)
        for (int at = 0; at < s->length && to; at += size) {
            const int rows = CH_MIN(size, s->length - at);
            to = ch_buf_room(b, rows_bytes(c, rows));
            if (to)
                save_page(to, c, page_ids(p, at / size)[l], rows);
        }
    const int rc = ch_buf_check(b, "a snapshot of pages", e);
    if (rc < 0 && b->data)
        b->data[b->size = before] = 0;
    return rc;
}

static int check_header(int *length, const ch_cache *c, const unsigned char *bytes, size_t size,
                        ch_err *e)
{
    if (size < HEADER || memcmp(bytes, magic, MAGIC) != 0)
        return ch_fail(e, CH_EFORMAT,
                       "snapshot of pages: no head of %d bytes that starts with CHPAGES1", HEADER);
    uint32_t wanted[NUMBERS];
    numbers_of(wanted, c, 0);
    for (int i = 0; i < NUMBERS - 1; i++) {
        const uint32_t found = (uint32_t)snapshot_get(bytes + MAGIC + 4 * i, 4);
        if (found != wanted[i])
            return ch_fail(e, CH_EFORMAT, "snapshot of pages: %s is %u, this cache has %u",
                           number_names[i], (unsigned)found, (unsigned)wanted[i]);
    }
    const uint32_t tokens = (uint32_t)snapshot_get(bytes + HEADER - 4, 4);
    const int64_t most = (int64_t)(c->n_pages / c->options.layers) * c->options.page_size;
    if (tokens > (uint64_t)most || tokens > INT32_MAX)
        return ch_fail(e, CH_ELIMIT, "snapshot of pages: length is %u, this cache holds %lld",
                       (unsigned)tokens, (long long)most);
    /* The whole cache has been reserved, so this product exists. */
    const size_t need = HEADER + (size_t)c->options.layers * rows_bytes(c, (int)tokens);
    if (size < need)
        return ch_fail(e, CH_EFORMAT, "snapshot of pages: %zu bytes, %u tokens have %zu", size,
                       (unsigned)tokens, need);
    *length = (int)tokens;
    return CH_OK;
}

int ch_pages_restore(ch_state *s, const void *bytes, size_t size, size_t *n, ch_err *e)
{
    const page_state *p = (const page_state *)s;
    const ch_cache *c = p->cache;
    const unsigned char *from = bytes;
    int length = 0;
    if (s->length != 0)
        return ch_fail(e, CH_EARG, "only an empty state can be restored; this one has %d tokens",
                       s->length);
    int rc = check_header(&length, c, from, size, e);
    if (rc == CH_OK)
        rc = s->kind->append(s, length, e);
    if (rc < 0)
        return rc;
    from += HEADER;
    for (int l = 0; l < c->options.layers && rc == CH_OK; l++)
        for (int at = 0; at < length && rc == CH_OK; at += c->options.page_size) {
            const int rows = CH_MIN(c->options.page_size, length - at);
            rc = load_page(from, c, page_ids(p, at / c->options.page_size)[l], rows, e);
            from += rows_bytes(c, rows);
        }
    if (rc < 0)
        s->kind->rollback(s, 0, NULL);
    else
        *n = (size_t)(from - (const unsigned char *)bytes);
    return rc;
}
