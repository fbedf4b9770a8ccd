/* config_inl.c - the published integrator's part of a configuration: keys, limits, hash
 *
 *   NAME.integrator.iterations     steps of each layer
 *   NAME.integrator.step           k of x += k g v [0.1]
 *   NAME.integrator.group_size     columns that share an offset of the equilibrium [64]
 *   NAME.integrator.stop           fixed, reference or token [fixed]
 *   NAME.integrator.min_steps      of the last two [3]
 *   NAME.integrator.threshold      likewise [0.001]
 *
 * NAME is inl_v2 or inl_v3.  Read here and written with all others (config_write.c) is
 * NAME.embedding_rank, R; not there: a plain table.  What the rules mean: docs/integrator.md,
 * section 5.
 * SPDX-License-Identifier: MIT */
#include "model.h"

#include <stdio.h>
#include <string.h>

enum { MOST_STEPS = 255, MOST_GROUP = 65536, KEY_MOST = 64 };

static const char *const stops[] = {"fixed", "reference", "token"};

static const char *key_of(char key[KEY_MOST], const ch_config *c, const char *suffix)
{
    snprintf(key, KEY_MOST, "%s.%s", c->arch->name, suffix);
    return key;
}

int ch_inl_stop_by_name(ch_inl_stop *out, const char *name, size_t n)
{
    for (size_t i = 0; i < CH_COUNT(stops); i++)
        if (strlen(stops[i]) == n && memcmp(stops[i], name, n) == 0) {
            *out = (ch_inl_stop)i;
            return CH_OK;
        }
    return CH_EARG;
}

void ch_inl_set_steps(ch_config *c, int steps)
{
    for (int l = 0; l < CH_MIN(c->layers, CH_MAX_LAYERS); l++)
        c->inl.steps[l] = (uint8_t)CH_MIN(CH_MAX(steps, 0), MOST_STEPS);
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* A new model of the published code at five steps a layer: 0.8 times 0.8, 1.2 and 1 in its thirds,
 * cut to whole steps. */
static void usual(ch_config *c)
{
    ch_inl *n = &c->inl;
    const int layers = CH_MIN(c->layers, CH_MAX_LAYERS);
    if (n->group == 0)
        n->group = CH_MIN((c->width + 1) / 2, 64);
    if (n->step == 0)
        n->step = (double)0.1f; /* as a file holds it */
    if (n->threshold == 0)
        n->threshold = (double)0.001f;
    if (n->min_steps == 0)
        n->min_steps = 3;
    for (int l = 0; l < layers; l++)
        if (n->steps[l] == 0)
            n->steps[l] = l < layers / 3 ? 3 : 4;
}

static int read_steps(ch_config *c, const ch_file *f, ch_err *e)
{
    char key[KEY_MOST];
    const ch_meta *m = ch_file_meta_find(f, key_of(key, c, "integrator.iterations"));
    int64_t n;
    if (!m || m->type != CH_META_ARRAY || m->v.a.n != (size_t)c->layers ||
        c->layers > CH_MAX_LAYERS)
        return ch_fail(e, CH_EFORMAT, "%s: %s is no list of %d numbers", f->path, key, c->layers);
    for (int l = 0; l < c->layers; l++) {
        if (ch_meta_at_int(&n, m, (size_t)l) < 0 || n < 1 || n > MOST_STEPS)
            return ch_fail(e, CH_EFORMAT, "%s: %s has no number of 1 to %d for layer %d", f->path,
                           key, MOST_STEPS, l);
        c->inl.steps[l] = (uint8_t)n;
    }
    return CH_OK;
}

static int read_stop(ch_config *c, const ch_file *f, ch_err *e)
{
    char key[KEY_MOST];
    ch_str s;
    c->inl.stop = CH_INL_FIXED;
    if (!ch_file_meta_find(f, key_of(key, c, "integrator.stop")))
        return CH_OK;
    const int rc = ch_file_str(&s, f, key, e);
    if (rc < 0 || ch_inl_stop_by_name(&c->inl.stop, s.p, s.n) == CH_OK)
        return rc;
    return ch_fail(e, CH_EFORMAT, "%s: %s is \"%.*s\", allowed are fixed, reference, token",
                   f->path, key, (int)CH_MIN(s.n, (size_t)64), s.p);
}

int ch_inl_read(ch_config *c, const ch_file *f, ch_err *e)
{
    ch_inl *n = &c->inl;
    char key[KEY_MOST];
    int64_t rank = 0, group = 64, least = 3;
    if (!f) {
        usual(c);
        return CH_OK;
    }
    n->step = (double)0.1f;
    n->threshold = (double)0.001f;
    int rc = ch_file_int_opt(&rank, f, key_of(key, c, "embedding_rank"), 0, INT32_MAX, e);
    if (rc == CH_OK)
        rc = ch_file_int_opt(&group, f, key_of(key, c, "integrator.group_size"), 1, INT32_MAX, e);
    if (rc == CH_OK)
        rc = ch_file_int_opt(&least, f, key_of(key, c, "integrator.min_steps"), 0, INT32_MAX, e);
    if (rc == CH_OK)
        rc = ch_file_real_opt(&n->step, f, key_of(key, c, "integrator.step"), -1e30, 1e30, e);
    if (rc == CH_OK)
        rc = ch_file_real_opt(&n->threshold, f, key_of(key, c, "integrator.threshold"), -1e30,
                              1e30, e);
    if (rc == CH_OK)
        rc = read_steps(c, f, e);
    c->rank = (int)rank;
    n->group = (int)group;
    n->min_steps = (int)least;
    return rc == CH_OK ? read_stop(c, f, e) : rc;
}

/* ---- Writing, checking, hashing -------------------------------------------------------------- */

int ch_inl_write(const ch_config *c, ch_file *f, ch_err *e)
{
    const ch_inl *n = &c->inl;
    char key[KEY_MOST];
    int32_t each[CH_MAX_LAYERS];
    if (n->group == 0)
        return CH_OK;
    for (int l = 0; l < c->layers; l++)
        each[l] = n->steps[l];
    int rc = ch_file_set_i32s(f, key_of(key, c, "integrator.iterations"), each, (size_t)c->layers,
                              e);
    if (rc == CH_OK)
        rc = ch_file_set_u32(f, key_of(key, c, "integrator.group_size"), (uint32_t)n->group, e);
    if (rc == CH_OK)
        rc = ch_file_set_f32(f, key_of(key, c, "integrator.step"), (float)n->step, e);
    if (rc == CH_OK)
        rc = ch_file_set_str(f, key_of(key, c, "integrator.stop"), stops[n->stop],
                             strlen(stops[n->stop]), e);
    if (rc == CH_OK)
        rc = ch_file_set_u32(f, key_of(key, c, "integrator.min_steps"), (uint32_t)n->min_steps, e);
    return rc == CH_OK ? ch_file_set_f32(f, key_of(key, c, "integrator.threshold"),
                                         (float)n->threshold, e)
                       : rc;
}

static int check_numbers(const ch_inl *n, const char *name, ch_err *e)
{
    const struct {
        const char *what;
        double found, least, most;
    } limits[] = {
        {"group_size", n->group, 1, MOST_GROUP},
        {"min_steps", n->min_steps, 0, MOST_STEPS},
        {"step", n->step, 0, 1e3},
        {"threshold", n->threshold, 0, 1e9},
        {"stop", n->stop, CH_INL_FIXED, CH_INL_TOKEN},
    };
    for (size_t i = 0; i < CH_COUNT(limits); i++)
        if (!(limits[i].found >= limits[i].least && limits[i].found <= limits[i].most))
            return ch_fail(e, CH_EFORMAT, "%s: integrator.%s is %g, allowed are %g to %g", name,
                           limits[i].what, limits[i].found, limits[i].least, limits[i].most);
    return CH_OK;
}

int ch_inl_check(const ch_config *c, const char *name, ch_err *e)
{
    const ch_inl *n = &c->inl;
    static const ch_inl none; /* no integrator, or one that is yet to be filled in */
    if (n->group == 0 && memcmp(n->steps, none.steps, sizeof none.steps) == 0)
        return CH_OK;
    const int rc = check_numbers(n, name, e);
    if (rc < 0)
        return rc;
    if (c->rank > 0 && c->tied)
        return ch_fail(e, CH_EFORMAT, "%s: an embedding of rank %d cannot be the head", name,
                       c->rank);
    if (c->arch->ends && c->width % 2 != 0)
        return ch_fail(e, CH_EFORMAT, "%s: embedding_length is %d; positions want an even one",
                       name, c->width);
    for (int l = 0; l < c->layers; l++)
        if (n->steps[l] == 0)
            return ch_fail(e, CH_EFORMAT, "%s: layer %d has no integrator.iterations", name, l);
    return CH_OK;
}

ch_hash128 ch_inl_hash(ch_hash128 before, const ch_config *c)
{
    const ch_inl *n = &c->inl;
    const int64_t whole[] = {n->group, n->min_steps, n->stop};
    const double numbers[] = {n->step, n->threshold};
    if (n->group == 0)
        return before;
    before = ch_hash_bytes(before, whole, sizeof whole);
    before = ch_hash_bytes(before, numbers, sizeof numbers);
    return ch_hash_bytes(before, n->steps, (size_t)c->layers);
}
