#include "model/arch/arch.h"
#include <string.h>

extern const struct fm_arch fm_arch_deepseek2, fm_arch_deepseek32;       // deepseek.c
extern const struct fm_arch fm_arch_deepseek4;                           // deepseek4.c
extern const struct fm_arch fm_arch_llama, fm_arch_qwen2, fm_arch_qwen3; // dense.c

const struct fm_arch *const fm_archs[] = {&fm_arch_deepseek2, &fm_arch_deepseek32, &fm_arch_deepseek4,
    &fm_arch_llama, &fm_arch_qwen2, &fm_arch_qwen3};
const size_t fm_n_archs = sizeof(fm_archs) / sizeof(*fm_archs);

const struct fm_arch *fm_arch_find(const char *name) {
    for (size_t i = 0; i < fm_n_archs; i++)
        if (!strcmp(fm_archs[i]->name, name)) return fm_archs[i];
    return NULL;
}
