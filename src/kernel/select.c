/* select.c - kernels.def as data, and the table that a CPU's features choose from it
 *
 * SPDX-License-Identifier: MIT */
#include "kernel.h"

#include <string.h>

const ch_variant ch_variants[] = {
#define KERNEL(family, isa)                                                       \
    {#family "_" #isa, #family, #isa, offsetof(ch_kernels, family), CH_CPU_##isa, \
     (ch_any_fn *)ch_##family##_##isa},
#include "kernels.def"
#undef KERNEL
    {0},
};

void ch_kernels_init(ch_kernels *k, unsigned features)
{
    memset(k, 0, sizeof *k);
    for (const ch_variant *v = ch_variants; v->name; v++)
        if ((v->needs & features) == v->needs)
            memcpy((char *)k + v->field, &v->fn, sizeof v->fn);
}

bool ch_kernels_fast_i16(const ch_kernels *k)
{
    return k->gemm_i16 != ch_gemm_i16_c;
}

ch_gemm_fn *ch_kernel_gemm(const ch_kernels *k, ch_panel_kind kind)
{
    switch (kind) {
    case CH_PANEL_F32: return k->gemm_f32;
    case CH_PANEL_BF16: return k->gemm_bf16;
    case CH_PANEL_Q8: return k->gemm_q8;
    case CH_PANEL_Q4: return k->gemm_q4;
    case CH_PANEL_I16: return k->gemm_i16;
    case CH_PANELS: return NULL;
    default: return k->gemm_block;
    }
}

ch_row_fn *ch_kernel_row(const ch_kernels *k, ch_panel_kind kind)
{
    switch (kind) {
    case CH_PANEL_BF16: return k->row_bf16;
    case CH_PANEL_F32:
    case CH_PANEL_I16:
    case CH_PANELS: return NULL;
    default: return k->row_q8;
    }
}

ch_score_fn *ch_kernel_score(const ch_kernels *k, ch_dtype t)
{
    switch (t) {
    case CH_REAL: return k->score_f32;
    case CH_F16: return k->score_f16;
    case CH_BF16: return k->score_bf16;
    case CH_Q8_0: return k->score_q8_0;
    default: return NULL;
    }
}

ch_mix_fn *ch_kernel_mix(const ch_kernels *k, ch_dtype t)
{
    switch (t) {
    case CH_REAL: return k->mix_f32;
    case CH_F16: return k->mix_f16;
    case CH_BF16: return k->mix_bf16;
    case CH_Q8_0: return k->mix_q8_0;
    case CH_Q4_0: return k->mix_q4_0;
    default: return NULL;
    }
}
