/* checkpoint.c - a checkpoint is whole or not there
 *
 *   DIR/current -> checkpoint.0            one rename of this link is the moment of saving
 *   DIR/checkpoint.0/{config.json model.safetensors tokenizer.json tokenizer_config.json
 *                     optimizer.safetensors state.json}
 *   DIR/config.json -> current/config.json ...          so DIR itself is a Hugging Face directory
 *
 * A run that trains an adapter has adapter_config.json and adapter_model.safetensors instead of
 * config.json and model.safetensors, so its DIR is a PEFT directory.
 *
 * The folder that `current` does not name is nobody's: saving empties it, fills it, syncs it, and
 * lets `current` name it; then the other is emptied.  Killed at any moment, `current` names a
 * whole checkpoint: the last or the one before.
 * SPDX-License-Identifier: MIT */
#include "hf.h"
#include "lora.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the order they are written; the last comes with tokenizer.json.  A run that trains an adapter
 * keeps that and not the model, in PEFT's layout. */
enum { CONFIG, WEIGHTS, TOKENIZER, OPTIMIZER, STATE, WRITTEN, FILES = 6 };
static const char *const files[2][FILES] = {
    {"config.json", "model.safetensors", "tokenizer.json", "optimizer.safetensors", "state.json",
     "tokenizer_config.json"},
    {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "optimizer.safetensors",
     "state.json", "tokenizer_config.json"}};
static const char *const folders[] = {"checkpoint.0", "checkpoint.1"};

enum { STATE_MAX = 1 << 20 };

static int no_memory(const char *dir, ch_err *e)
{
    return ch_fail(e, CH_ENOMEM, "no memory for a path in %s", dir);
}

/* Which folder `current` names; -1: none. */
static int current_folder(int at)
{
    char name[32];
    const ssize_t n = readlinkat(at, "current", name, sizeof name - 1);
    for (int i = 0; i < 2 && n > 0; i++)
        if ((size_t)n == strlen(folders[i]) && memcmp(name, folders[i], (size_t)n) == 0)
            return i;
    return -1;
}

static int sync_folder(int at, const char *dir, ch_err *e)
{
    if (fsync(at) == 0 || errno == EINVAL || errno == ENOTSUP) /* not every file system can */
        return CH_OK;
    return ch_fail(e, CH_EIO, "cannot make the names in %s durable: %s", dir, strerror(errno));
}

static void remove_folder(int at, const char *name)
{
    const int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (const struct dirent *f; (f = readdir(d)) != NULL;)
        unlinkat(dirfd(d), f->d_name, 0); /* fails on . and .., rightly */
    closedir(d);
    unlinkat(at, name, AT_REMOVEDIR);
}

/* Makes `name` in the directory a link to `to`, replacing what was there in one rename. */
static int set_link(int at, const char *dir, const char *name, const char *to, ch_err *e)
{
    static const char temp[] = ".chalcis-link.tmp";
    unlinkat(at, temp, 0);
    if (symlinkat(to, at, temp) != 0 || renameat(at, temp, at, name) != 0)
        return ch_fail(e, CH_EIO, "cannot make the link %s/%s: %s", dir, name, strerror(errno));
    return CH_OK;
}

/* A file that is no link of a run's stays. */
static int places_are_free(int at, const char *dir, bool adapter, ch_err *e)
{
    char c;
    for (int i = 0; i < FILES; i++)
        if (readlinkat(at, files[adapter][i], &c, 1) < 0 && errno == EINVAL)
            return ch_fail(e, CH_EARG, "%s/%s is no run's; choose another directory", dir,
                           files[adapter][i]);
    return CH_OK;
}

static int show_files(int at, const char *dir, bool adapter, ch_err *e)
{
    int rc = CH_OK;
    for (int i = 0; i < FILES && rc == CH_OK; i++) {
        char to[64], is[64];
        const char *name = files[adapter][i];
        const int n = snprintf(to, sizeof to, "current/%s", name);
        const ssize_t found = readlinkat(at, name, is, sizeof is);
        if (found != n || memcmp(is, to, (size_t)n) != 0)
            rc = set_link(at, dir, name, to, e);
    }
    return rc;
}

/* ---- Writing -------------------------------------------------------------------------------- */

static int write_json(const char *path, const json_t *v, ch_err *e)
{
    ch_buf b;
    ch_buf_init(&b, STATE_MAX);
    int rc = ch_json_dump(&b, v, e);
    if (rc == CH_OK)
        rc = ch_io_write_file(path, b.data, b.size, e);
    ch_buf_close(&b);
    return rc;
}

/* Gemma's gains lie in Hugging Face's layout less 1, which rounds them (hf.c). */
static bool is_rounded(const ch_model *m)
{
    return !m->lora && strncmp(m->config.arch->name, "gemma", 5) == 0;
}

/* Muon's momentum is in m, where AdamW's would be; ema: the running mean of the parameters;
 * parameters: those that model.safetensors has rounded. */
static int write_optimizer(const char *path, const ch_trainer *t, ch_err *e)
{
    ch_file *f;
    const ch_adamw *o = &t->adamw;
    const ch_tensor m = ch_tensor_1d(o->m, CH_REAL, o->n), v = ch_tensor_1d(o->v, CH_REAL, o->n),
                    mean = ch_tensor_1d(t->ema, CH_REAL, o->n),
                    parameters = ch_tensor_1d(t->model->parameters, CH_REAL, o->n);
    int rc = ch_file_new(&f, e);
    if (rc == CH_OK)
        rc = ch_file_add_tensor(f, "m", &m, e);
    if (rc == CH_OK)
        rc = ch_file_add_tensor(f, "v", &v, e);
    if (rc == CH_OK && t->ema)
        rc = ch_file_add_tensor(f, "ema", &mean, e);
    if (rc == CH_OK && is_rounded(t->model))
        rc = ch_file_add_tensor(f, "parameters", &parameters, e);
    if (rc == CH_OK)
        rc = ch_safetensors_write(f, path, e);
    ch_file_close(&f);
    return rc;
}

/* A vocabulary that has no such form, and came with a model, is read from there again. */
static int write_vocabulary(const char *path, const ch_tokenizer *tk, const json_t *state,
                            ch_err *e)
{
    ch_err why = {0};
    const int rc = ch_tokenizer_to_json(tk, path, &why);
    const json_t *from = json_object_get(json_object_get(state, "options"), "from");
    if (rc == CH_OK || (rc == CH_EUNSUPPORTED && json_is_string(from)))
        return CH_OK;
    return ch_fail(e, rc, "%s", why.text);
}

/* An adapter's configuration and values, or the model's, which come together. */
static int write_weights(int i, const char *folder, const char *path, const ch_trainer *t,
                         const ch_tokenizer *tk, const json_t *state, ch_err *e)
{
    const json_t *from = json_object_get(json_object_get(state, "options"), "from");
    ch_model *m = t->model;
    if (!m->lora)
        return i == CONFIG ? ch_hf_write(folder, m, tk, e) : CH_OK;
    return i == CONFIG ? ch_lora_write_config(path, m->lora, m, json_string_value(from), e)
                       : ch_lora_write_values(path, m->lora, m, e);
}

static int write_file(int i, const char *folder, const char *path, const ch_trainer *t,
                      const ch_tokenizer *tk, const json_t *state, ch_err *e)
{
    switch (i) {
    case CONFIG:
    case WEIGHTS: return write_weights(i, folder, path, t, tk, state, e);
    case TOKENIZER: return write_vocabulary(path, tk, state, e);
    case OPTIMIZER: return write_optimizer(path, t, e);
    default: return write_json(path, state, e);
    }
}

static int fill_folder(const char *folder, const ch_trainer *t, const ch_tokenizer *tk,
                       const json_t *state, ch_err *e)
{
    int rc = ch_io_make_dir(folder, e);
    for (int i = 0; i < WRITTEN && rc == CH_OK; i++) {
        char *path = ch_io_join(folder, files[t->model->lora != NULL][i]);
        rc = path ? write_file(i, folder, path, t, tk, state, e) : no_memory(folder, e);
        free(path);
    }
    return rc;
}

int ch_checkpoint_save(const char *dir, const ch_trainer *t, const ch_tokenizer *tk,
                       const json_t *state, ch_err *e)
{
    const int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return ch_fail(e, CH_EIO, "cannot open the directory %s: %s", dir, strerror(errno));
    const int old = current_folder(at), next = old == 0;
    char *folder = ch_io_join(dir, folders[next]);
    int rc = folder ? CH_OK : no_memory(dir, e);
    if (rc == CH_OK && old < 0)
        rc = places_are_free(at, dir, t->model->lora != NULL, e);
    if (rc == CH_OK) {
        remove_folder(at, folders[next]);
        rc = fill_folder(folder, t, tk, state, e);
    }
    if (rc == CH_OK) /* the folder's own entry, before `current` names it */
        rc = sync_folder(at, dir, e);
    if (rc == CH_OK)
        rc = set_link(at, dir, "current", folders[next], e);
    if (rc == CH_OK)
        rc = show_files(at, dir, t->model->lora != NULL, e);
    if (rc == CH_OK)
        rc = sync_folder(at, dir, e);
    if (rc == CH_OK)
        remove_folder(at, folders[!next]);
    free(folder);
    close(at);
    return rc;
}

/* ---- Reading -------------------------------------------------------------------------------- */

bool ch_checkpoint_exists(const char *dir)
{
    char *path = ch_io_join(dir, "current/state.json");
    const bool there = path && ch_io_exists(path);
    free(path);
    return there;
}

int ch_checkpoint_claim(const char *dir, bool adapter, ch_err *e)
{
    static const char *const others[] = {"metrics.jsonl", "samples.jsonl", "model.gguf"};
    const int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat s;
    if (at < 0)
        return ch_fail(e, CH_EIO, "cannot open the directory %s: %s", dir, strerror(errno));
    int rc = places_are_free(at, dir, adapter, e);
    for (size_t i = 0; i < CH_COUNT(others) - adapter && rc == CH_OK; i++)
        if (fstatat(at, others[i], &s, 0) == 0 && s.st_size > 0) /* a failed run's are empty */
            rc = ch_fail(e, CH_EARG, "%s/%s is no run's; choose another directory", dir, others[i]);
    close(at);
    return rc;
}

/* The first save is of step 0: a folder of that which nothing names was given up by a run that was
 * killed in it. */
static bool holds_steps(const char *dir, const char *folder)
{
    char *at = ch_io_join(dir, folder), *path = at ? ch_io_join(at, "state.json") : NULL;
    json_t *state = NULL;
    if (path && ch_io_exists(path))
        ch_json_load(&state, path, STATE_MAX, NULL);
    const bool steps = json_integer_value(json_object_get(state, "step")) > 0;
    json_decref(state);
    free(path);
    free(at);
    return steps;
}

int ch_checkpoint_links(const char *dir, ch_err *e)
{
    char c;
    const int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = CH_OK;
    if (at < 0)
        return CH_OK; /* no run; why the place cannot be written to is told when it is made */
    const bool link = readlinkat(at, "current", &c, 1) >= 0, other = !link && errno == EINVAL;
    if (other || (link && current_folder(at) < 0))
        rc = ch_fail(e, CH_EARG, "%s/current is no link to %s or %s, as a run's is (was it copied "
                                 "without its links?)",
                     dir, folders[0], folders[1]);
    for (int i = 0; i < 2 && !link && rc == CH_OK; i++)
        if (holds_steps(dir, folders[i]))
            rc = ch_fail(e, CH_EARG, "%s/%s is a run's, and nothing names it (was it copied "
                                     "without its links?); ln -s %s %s/current, then resume it",
                         dir, folders[i], folders[i], dir);
    close(at);
    return rc;
}

static int read_moment(real *out, const ch_file *f, const char *name, int64_t n, ch_err *e)
{
    const ch_file_tensor *t = ch_file_tensor_find(f, name);
    if (!t || t->t.rank != 1 || t->t.dim[0] != n || t->t.dtype != CH_REAL)
        return ch_fail(e, CH_EFORMAT, "%s: tensor %s is not there as %lld numbers of type %s",
                       f->path, name, (long long)n, ch_dtype_get(CH_REAL)->name);
    ch_tensor_read(out, &t->t, 0, n);
    return CH_OK;
}

static int read_optimizer(const char *path, ch_trainer *t, ch_err *e)
{
    const ch_adamw *o = &t->adamw;
    ch_file *f;
    int rc = ch_file_open(&f, path, e);
    if (rc < 0)
        return rc;
    rc = read_moment(o->m, f, "m", o->n, e);
    if (rc == CH_OK)
        rc = read_moment(o->v, f, "v", o->n, e);
    if (rc == CH_OK && t->ema)
        rc = read_moment(t->ema, f, "ema", o->n, e);
    if (rc == CH_OK && is_rounded(t->model) && ch_file_tensor_find(f, "parameters"))
        rc = read_moment(t->model->parameters, f, "parameters", o->n, e);
    ch_file_close(&f);
    return rc;
}

static int read_file(const char *dir, const char *name, ch_trainer *t, json_t **state, ch_err *e)
{
    char *path = ch_io_join(dir, name);
    int rc;
    if (!path)
        rc = no_memory(dir, e);
    else if (state)
        rc = ch_json_load(state, path, STATE_MAX, e);
    else if (strcmp(name, "current/optimizer.safetensors") == 0)
        rc = read_optimizer(path, t, e);
    else if (t->model->lora)
        rc = ch_lora_read_values(t->model->lora, t->model, path, e);
    else
        rc = ch_hf_read(t->model, path, e);
    free(path);
    return rc;
}

int ch_checkpoint_load(const char *dir, ch_trainer *t, json_t **state, ch_err *e)
{
    int64_t step = 0;
    *state = NULL;
    int rc = read_file(dir, "current/state.json", t, state, e);
    int64_t format;
    if (rc == CH_OK)
        rc = ch_json_int(&format, *state, "format", -1, 2, 2, "state.json", e);
    if (rc == CH_OK)
        rc = ch_json_int(&step, *state, "step", -1, 0, INT32_MAX, "state.json", e);
    if (rc == CH_OK && t)
        rc = read_file(dir,
                       t->model->lora ? "current/adapter_model.safetensors" : "current",
                       t, NULL, e);
    if (rc == CH_OK && t)
        rc = read_file(dir, "current/optimizer.safetensors", t, NULL, e);
    if (rc == CH_OK && t)
        t->step = step;
    if (rc < 0) {
        json_decref(*state);
        *state = NULL;
    }
    return rc;
}
