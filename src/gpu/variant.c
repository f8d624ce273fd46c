#include "gpu/variant.h"
#include "gpu/internal.h"
#include <string.h>

static bool can_run(const struct fathom_gpu *gpu, const struct fm_variant *v) { return (v->needs & gpu->info.caps) == v->needs; }

// Is the variant named for this operator in "op=variant,op=variant"?
static bool is_chosen(const char *choices, const char *op, const char *name) {
    const size_t n_op = strlen(op), n_name = strlen(name);
    for (const char *at = choices; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (!strncmp(at, op, n_op) && at[n_op] == '=' && !strncmp(at + n_op + 1, name, n_name) && (at[n_op + 1 + n_name] == ',' || at[n_op + 1 + n_name] == 0))
            return true;
    return false;
}

const struct fm_variant *fm_variant_pick(const struct fathom_gpu *gpu, const char *op, const struct fm_variant *table, size_t n_rows, uint32_t n_tokens) {
    const struct fm_variant *best = &table[0];
    if (gpu->params.exact) return best;
    for (size_t i = 0; i < n_rows; i++) {
        const struct fm_variant *v = &table[i];
        if (!can_run(gpu, v)) continue;
        if (gpu->params.variants && is_chosen(gpu->params.variants, op, v->name)) return v;
        const bool fits = n_tokens >= v->min_tokens && (v->max_tokens == 0 || n_tokens <= v->max_tokens);
        if (fits && (!v->cpu_only || gpu->info.type == FATHOM_GPU_CPU)) best = v;
    }
    return best;
}
