#include "gpu/variant.h"
#include "gpu/internal.h"
#include "gpu/tuned.h"
#include <stdlib.h>
#include <string.h>

bool fm_variant_can_run(const struct fathom_gpu_info *info, const struct fm_variant *v) {
    return v->shader->n_words && (v->needs & info->caps) == v->needs;
}

struct fm_shape fm_variant_shape(const struct fm_variant *v, const void *call) {
    return v->shape ? v->shape(call) : (struct fm_shape){0};
}

static bool takes(const struct fathom_gpu_info *info, const struct fm_variant *v, uint32_t is) {
    return fm_variant_can_run(info, v) && (v->takes & is) == v->takes;
}

static uint32_t known_size(const struct fm_variant *v, unsigned long size) {
    for (size_t i = 0; i < FM_MAX_SIZES; i++)
        if (v->sizes[i] == size) return v->sizes[i];
    return 0;
}

// Does `choices`, "op=variant,op=variant:size", name the variant for this operator?
static bool is_forced(const char *choices, const char *op, const struct fm_variant *v, uint32_t *size) {
    const size_t n_op = strlen(op), n_name = strlen(v->name);
    for (const char *at = choices; at; at = strchr(at, ','), at = at ? at + 1 : NULL) {
        if (strncmp(at, op, n_op) || at[n_op] != '=' || strncmp(at + n_op + 1, v->name, n_name)) continue;
        const char *end = at + n_op + 1 + n_name;
        *size = *end == ':' ? known_size(v, strtoul(end + 1, NULL, 10)) : 0;
        if (*end == ',' || *end == 0 || *end == ':') return true;
    }
    return false;
}

const struct fm_variant *fm_variant_default(const struct fathom_gpu_info *info,
    const struct fm_variant *table, size_t n_rows, uint32_t is, uint32_t n_tokens) {
    const struct fm_variant *best = &table[0];
    for (size_t i = 1; i < n_rows; i++) {
        const struct fm_variant *v = &table[i];
        const bool fits = n_tokens >= v->min_tokens && (v->max_tokens == 0 || n_tokens <= v->max_tokens);
        const bool meant = (info->type == FATHOM_GPU_CPU ? !v->card_only : !v->cpu_only) &&
            (v->wants & info->caps) == v->wants;
        if (takes(info, v, is) && fits && meant) best = v;
    }
    return best;
}

bool fm_variants_force(struct fathom_gpu *gpu, const char *choices) {
    char *copy = strdup(choices);
    if (!copy) return false;
    free((char *)gpu->params.variants);
    gpu->params.variants = copy;
    return true;
}

// The choice by exact mode or by name, which no measurement changes. NULL: there is none.
static const struct fm_variant *settled(const struct fathom_gpu *gpu, const struct fm_call *call,
    const struct fm_variant *table, size_t n_rows, uint32_t *size) {
    *size = 0;
    if (gpu->params.exact) return &table[0];
    for (size_t i = 0; gpu->params.variants && i < n_rows; i++)
        if (is_forced(gpu->params.variants, call->op, &table[i], size) &&
            takes(&gpu->info, &table[i], call->is))
            return &table[i];
    return NULL;
}

const struct fm_variant *fm_variant_pick(const struct fathom_gpu *gpu, const char *op,
    const struct fm_variant *table, size_t n_rows, uint32_t is, uint32_t n_tokens) {
    const struct fm_call call = {.op = op, .is = is};
    uint32_t size;
    const struct fm_variant *v = settled(gpu, &call, table, n_rows, &size);
    return v ? v : fm_variant_default(&gpu->info, table, n_rows, is, n_tokens);
}

struct fm_choice fm_variant_choose(const struct fathom_gpu *gpu, const struct fm_call *call,
    const struct fm_variant *table, size_t n_rows, uint32_t n_tokens) {
    uint32_t size;
    const struct fm_variant *v = settled(gpu, call, table, n_rows, &size);
    if (v) return (struct fm_choice){v, size};
    struct fm_tuned row;
    const bool tuned = fm_tuned_find(gpu, call, &row);
    for (size_t i = 0; tuned && i < n_rows; i++)
        if (!strcmp(row.variant, table[i].name) && takes(&gpu->info, &table[i], call->is))
            return (struct fm_choice){&table[i], known_size(&table[i], row.size)};
    return (struct fm_choice){fm_variant_default(&gpu->info, table, n_rows, call->is, n_tokens), 0};
}
