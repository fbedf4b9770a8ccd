/* sequence.c - several kinds of state kept at one length
 *
 * All or none: append and fork undo what they did when a later state fails; rollback asks every
 * state how far it can go back before the first one moves; restore empties what it had filled.
 *
 *   snapshot:  "CHSEQU01", u32 states, u32 length; for each: u32 n, name (n), u64 n, bytes (n)
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "cache.h"
#include "snapshot.h"

enum { MAGIC = 8, HEADER = MAGIC + 8 };
static const char magic[MAGIC] = {'C', 'H', 'S', 'E', 'Q', 'U', '0', '1'};

int ch_sequence_append(ch_sequence *q, int rows, ch_err *e)
{
    if (rows < 0 || rows > INT32_MAX - q->length)
        return ch_fail(e, CH_EARG, "cannot append %d tokens to %d", rows, q->length);
    for (int i = 0; i < q->n_states; i++) {
        const int rc = q->state[i]->kind->append(q->state[i], rows, e);
        if (rc < 0) {
            while (i-- > 0)
                q->state[i]->kind->rollback(q->state[i], q->length, NULL);
            return rc;
        }
    }
    q->length += rows;
    return CH_OK;
}

int ch_sequence_fork(ch_sequence *out, ch_sequence *q, ch_err *e)
{
    *out = (ch_sequence){0};
    for (int i = 0; i < q->n_states; i++) {
        const int rc = q->state[i]->kind->fork(&out->state[i], q->state[i], e);
        if (rc < 0) {
            ch_sequence_close(out);
            return rc;
        }
        out->n_states++;
    }
    out->length = q->length;
    return CH_OK;
}

int ch_sequence_rollback(ch_sequence *q, int length, ch_err *e)
{
    if (length < 0 || length > q->length)
        return ch_fail(e, CH_EARG, "cannot go back to %d tokens, allowed is 0 to %d", length,
                       q->length);
    for (int i = 0; i < q->n_states && length > 0; i++) {
        const ch_state *s = q->state[i];
        const int least = s->kind->least(s);
        if (length < least)
            return ch_fail(e, CH_ELIMIT,
                           "%s: cannot go back from %d to %d tokens, allowed is %d and more, or 0",
                           s->kind->name, q->length, length, least);
    }
    for (int i = 0; i < q->n_states; i++)
        q->state[i]->kind->rollback(q->state[i], length, NULL);
    q->length = length;
    return CH_OK;
}

void ch_sequence_close(ch_sequence *q)
{
    for (int i = 0; i < q->n_states; i++)
        q->state[i]->kind->close(q->state[i]);
    *q = (ch_sequence){0};
}

ch_state *ch_sequence_state(const ch_sequence *q, const ch_state_kind *kind)
{
    for (int i = 0; i < q->n_states; i++)
        if (q->state[i]->kind == kind)
            return q->state[i];
    return NULL;
}

/* ---- Snapshots ----------------------------------------------------------------------------- */

static bool put_number(ch_buf *b, uint64_t x, int bytes)
{
    unsigned char *p = ch_buf_room(b, (size_t)bytes);
    if (p)
        snapshot_put(p, x, bytes);
    return p != NULL;
}

/* The size goes before the bytes, so it is filled in after them. */
static int put_state(ch_buf *b, const ch_state *s, ch_err *e)
{
    const size_t name = strlen(s->kind->name);
    put_number(b, name, 4);
    ch_buf_put(b, s->kind->name, name);
    const size_t size_at = b->size;
    if (!put_number(b, 0, 8))
        return ch_buf_check(b, "a snapshot", e);
    const int rc = s->kind->snapshot(s, b, e);
    if (rc == CH_OK)
        snapshot_put((unsigned char *)b->data + size_at, b->size - size_at - 8, 8);
    return rc;
}

int ch_sequence_snapshot(const ch_sequence *q, ch_buf *b, ch_err *e)
{
    const size_t before = b->size;
    ch_buf_put(b, magic, MAGIC);
    put_number(b, (uint64_t)q->n_states, 4);
    put_number(b, (uint64_t)q->length, 4);
    int rc = ch_buf_check(b, "a snapshot", e);
    for (int i = 0; i < q->n_states && rc == CH_OK; i++)
        rc = put_state(b, q->state[i], e);
    if (rc < 0 && b->data)
        b->data[b->size = before] = 0;
    return rc;
}

/* Restores one state from bytes[*at..size) and moves *at past it. */
static int get_state(ch_state *s, const unsigned char *bytes, size_t *at, size_t size, int length,
                     ch_err *e)
{
    const char *name = s->kind->name;
    const size_t name_size = strlen(name);
    if (size - *at < 12 + name_size)
        return ch_fail(e, CH_EFORMAT, "snapshot: it ends at byte %zu, before state \"%s\"", size,
                       name);
    if (snapshot_get(bytes + *at, 4) != name_size || memcmp(bytes + *at + 4, name, name_size) != 0)
        return ch_fail(e, CH_EFORMAT, "snapshot: at byte %zu there should be a state \"%s\"", *at,
                       name);
    *at += 4 + name_size;
    const uint64_t n = snapshot_get(bytes + *at, 8);
    *at += 8;
    if (n > size - *at)
        return ch_fail(e, CH_EFORMAT, "snapshot: its state \"%s\" has %llu bytes, %zu are left",
                       name, (unsigned long long)n, size - *at);
    size_t used = 0;
    const int rc = s->kind->restore(s, bytes + *at, (size_t)n, &used, e);
    if (rc < 0)
        return rc;
    if (used != n || s->length != length)
        return ch_fail(e, CH_EFORMAT,
                       "snapshot: state \"%s\" is %d tokens in %zu bytes, announced are %d in %llu",
                       name, s->length, used, length, (unsigned long long)n);
    *at += used;
    return CH_OK;
}

static int get_header(int *length, const ch_sequence *q, const unsigned char *bytes, size_t size,
                      ch_err *e)
{
    if (size < HEADER || memcmp(bytes, magic, MAGIC) != 0)
        return ch_fail(e, CH_EFORMAT, "snapshot: it does not start with CHSEQU01");
    const uint32_t states = (uint32_t)snapshot_get(bytes + MAGIC, 4);
    const uint32_t tokens = (uint32_t)snapshot_get(bytes + MAGIC + 4, 4);
    if (states != (uint32_t)q->n_states || tokens > INT32_MAX)
        return ch_fail(e, CH_EFORMAT,
                       "snapshot: %u states of %u tokens, this sequence has %d states of up to %d",
                       (unsigned)states, (unsigned)tokens, q->n_states, INT32_MAX);
    *length = (int)tokens;
    return CH_OK;
}

int ch_sequence_restore(ch_sequence *q, const void *bytes, size_t size, ch_err *e)
{
    int length = 0;
    if (q->length != 0)
        return ch_fail(e, CH_EARG, "only an empty sequence can be restored; this one has %d tokens",
                       q->length);
    int rc = get_header(&length, q, bytes, size, e);
    size_t at = HEADER;
    for (int i = 0; i < q->n_states && rc == CH_OK; i++)
        rc = get_state(q->state[i], bytes, &at, size, length, e);
    if (rc == CH_OK && at != size)
        rc = ch_fail(e, CH_EFORMAT, "snapshot: it has %zu bytes, its states end at %zu", size, at);
    if (rc == CH_OK)
        q->length = length;
    for (int i = 0; i < q->n_states && rc < 0; i++)
        q->state[i]->kind->rollback(q->state[i], 0, NULL);
    return rc;
}
