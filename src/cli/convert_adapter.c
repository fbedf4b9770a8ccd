/* convert_adapter.c - chalcis convert of adapters: PEFT folders into GGUF files and back
 *
 * The model that an adapter is for says which rows are turned and what the maps are called.
 * SPDX-License-Identifier: MIT */
#include "cmd_convert.h"
#include "lora.h"

#include <stdlib.h>
#include <string.h>

bool ch_convert_is_adapter(const char *path)
{
    ch_file *f;
    bool is = false;
    if (ch_io_is_dir(path)) {
        char *config = ch_io_join(path, "adapter_config.json");
        is = config && ch_io_exists(config);
        free(config);
    } else if (ch_io_is_file(path) && ch_file_open(&f, path, NULL) == CH_OK) {
        const ch_meta *m = ch_file_meta_find(f, "general.type");
        is = m && m->type == CH_META_STR && m->v.s.n == 7 && memcmp(m->v.s.p, "adapter", 7) == 0;
        ch_file_close(&f);
    }
    return is;
}

static int write_peft(const ch_convert_args *o, ch_lora *l, ch_model *m, ch_err *e)
{
    char *config = ch_io_join(o->out, "adapter_config.json");
    char *values = ch_io_join(o->out, "adapter_model.safetensors");
    int rc = config && values ? ch_lora_even(l, true, e)
                              : ch_fail(e, CH_ENOMEM, "no memory for a path in %s", o->out);
    if (rc == CH_OK)
        rc = ch_io_make_dir(o->out, e);
    if (rc == CH_OK)
        rc = ch_lora_write_values(values, l, m, e);
    if (rc == CH_OK)
        rc = ch_lora_write_config(config, l, m, o->model, e);
    free(config);
    free(values);
    return rc;
}

int ch_convert_adapter(const ch_convert_args *o, ch_err *e)
{
    ch_model *m = NULL;
    ch_lora *l = NULL;
    const size_t n = strlen(o->out);
    if (!o->model)
        return ch_fail(e, CH_EARG, "%s is an adapter; name the model that it is for with -m",
                       o->in);
    int rc = ch_model_load_file(&m, o->model, &(ch_model_load){.keep_unpacked = true}, e);
    if (rc == CH_OK)
        rc = ch_lora_open(&l, m, o->in, 1, e);
    if (rc == CH_OK && o->dry_run)
        printf("%lld parameters of rank %d\n", (long long)l->count, l->rank);
    else if (rc == CH_OK && n > 5 && strcmp(o->out + n - 5, ".gguf") == 0)
        rc = ch_lora_write_gguf(o->out, l, m, o->name, e);
    else if (rc == CH_OK)
        rc = write_peft(o, l, m, e);
    ch_lora_close(&l);
    ch_model_free(&m);
    return rc;
}
