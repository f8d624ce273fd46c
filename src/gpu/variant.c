#include "gpu/variant.h"
#include "gpu/internal.h"
#include <string.h>

bool fm_variant_can_run(const struct fathom_gpu_info *info, const struct fm_variant *v) {
    return v->shader->n_words && (v->needs & info->caps) == v->needs;
}

// Is the variant named for this operator in "op=variant,op=variant"?
static bool is_chosen(const char *choices, const char *op, const char *name) {
    const size_t n_op = strlen(op), n_name = strlen(name);
    for (const char *at = choices; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (!strncmp(at, op, n_op) && at[n_op] == '=' && !strncmp(at + n_op + 1, name, n_name) && (at[n_op + 1 + n_name] == ',' || at[n_op + 1 + n_name] == 0))
            return true;
    return false;
}

const struct fm_variant *fm_variant_default(const struct fathom_gpu_info *info, const struct fm_variant *table, size_t n_rows, uint32_t n_tokens) {
    const struct fm_variant *best = &table[0];
    for (size_t i = 1; i < n_rows; i++) {
        const struct fm_variant *v = &table[i];
        const bool fits = n_tokens >= v->min_tokens && (v->max_tokens == 0 || n_tokens <= v->max_tokens);
        if (fm_variant_can_run(info, v) && fits && (!v->cpu_only || info->type == FATHOM_GPU_CPU)) best = v;
    }
    return best;
}

const struct fm_variant *fm_variant_pick(const struct fathom_gpu *gpu, const char *op, const struct fm_variant *table, size_t n_rows, uint32_t n_tokens) {
    if (gpu->params.exact) return &table[0];
    for (size_t i = 0; i < n_rows; i++)
        if (gpu->params.variants && is_chosen(gpu->params.variants, op, table[i].name) && fm_variant_can_run(&gpu->info, &table[i])) return &table[i];
    return fm_variant_default(&gpu->info, table, n_rows, n_tokens);
}
