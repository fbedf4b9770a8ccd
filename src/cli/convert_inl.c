/* convert_inl.c - chalcis convert --iterations and --stop: how many steps a published integrator's
 * rows take, and what ends them
 *
 * SPDX-License-Identifier: MIT */
#include "cmd_convert.h"
#include "model.h"

#include <string.h>

int ch_convert_inl(ch_file *from, const ch_convert_args *o, ch_err *e)
{
    ch_config c;
    if (!o->iterations && !o->stop)
        return CH_OK;
    int rc = ch_config_read(&c, from, e);
    if (rc == CH_OK && c.inl.group == 0)
        return ch_fail(e, CH_EARG, "%s: it is a %s model; --iterations and --stop are for inl "
                                   "models",
                       from->path, c.arch->name);
    if (rc == CH_OK && o->stop && ch_inl_stop_by_name(&c.inl.stop, o->stop, strlen(o->stop)) < 0)
        return ch_fail(e, CH_EARG, "--stop is \"%.20s\"; there are fixed, reference, token",
                       o->stop);
    if (rc == CH_OK && o->iterations)
        ch_inl_set_steps(&c, o->iterations);
    return rc == CH_OK ? ch_inl_write(&c, from, e) : rc;
}
