// Describes a model and computes the memory that it needs, before anything is uploaded.
#include "base/utf8.h"
#include "engine/engine.h"
#include "engine/session.h"
#include "model/arch/arch.h"
#include <stdio.h>

// DRAFT_POSITIONS: one round, and two in flight after the last.
enum { DEFAULT_CONTEXT = 4096, DRAFT_POSITIONS = 3 * (1 + FATHOM_MAX_DRAFTS) };

uint32_t fm_default_chunk(
    const struct fathom_gpu_info *gpu, const struct fm_hparams *hp, uint32_t n_context) {
    const uint32_t wanted = gpu->type == FATHOM_GPU_CPU ? hp->arch->cpu_chunk : 512;
    return fm_workspace_max_tokens(hp, gpu->max_storage_range, wanted < n_context ? wanted : n_context);
}

uint32_t fm_positions(const struct fm_hparams *hp, uint32_t n_context) {
    return n_context + (hp->n_drafting ? DRAFT_POSITIONS : 0);
}

static void describe(const struct fm_tensors *tensors, const struct fm_hparams *hp,
    const struct fm_weights_size *size, enum fathom_type cache_type, struct fathom_model_info *info) {
    fm_hparams_describe(hp, info);
    info->parameters = size->parameters, info->parameters_active = size->parameters_active;
    info->weight_bytes = size->bytes,
    info->cache_bytes_per_token = hp->arch->cache_token_size(hp, cache_type);
    const char *text;
    size_t length;
    if (fm_meta_string(tensors, "general.name", &text, &length, NULL))
        fm_printable(info->name, sizeof(info->name), text);
}

bool fm_memory_plan(const struct fm_tensors *tensors, const struct fm_hparams *hp,
    const struct fathom_gpu_info *gpu, bool exact, enum fathom_type cache_type, uint32_t n_context,
    struct fathom_model_info *info, struct fathom_memory_plan *plan, struct fathom_error *err) {
    struct fm_weights_size size;
    if (!hp->arch->cache_check(hp, cache_type, err))
        return fm_error_prefix(err, "%s", fm_tensors_path(tensors)), false;
    if (!fm_weights_measure(tensors, hp, &size, err)) return false;
    describe(tensors, hp, &size, cache_type, info);
    if (n_context == 0)
        n_context = hp->n_context_trained < DEFAULT_CONTEXT ? hp->n_context_trained : DEFAULT_CONTEXT;
    if (n_context > hp->n_context_trained)
        return fm_fail(err, FATHOM_INVALID,
            "%s: a context of %u tokens was asked for, the model knows positions up to %u",
            fm_tensors_path(tensors), n_context, hp->n_context_trained);
    // Without a device, the plan assumes the smallest one that Vulkan 1.2 drivers offer in practice.
    const struct fathom_gpu_info smallest = {.type = FATHOM_GPU_CPU, .max_storage_range = 128 << 20};
    const struct fathom_gpu_info *device = gpu ? gpu : &smallest;
    const uint32_t n_chunk = fm_default_chunk(device, hp, n_context);
    *plan = (struct fathom_memory_plan){
        .n_context = n_context,
        .weights = size.bytes,
        .available = gpu ? gpu->memory_free : 0,
    };
    plan->cache = fm_caches_size(hp,
        &(struct fm_cache_params){
            .n_context = n_context,
            .n_positions = fm_positions(hp, n_context),
            .n_chunk = n_chunk,
            .n_ahead = FM_RING,
            .type = cache_type,
        });
    plan->scratch = n_chunk ? fm_workspace_size(hp, n_chunk, n_context, exact, device->max_storage_range) : 0;
    plan->scratch += fm_rope_tables_size(hp, n_context) + 4ull * hp->n_vocab; // 4 * n_vocab: the tokens seen
    // see engine/draft.c
    if (hp->n_drafting) plan->scratch += 4ull * hp->n_hidden * (2 * n_chunk + 1) + 4ull * hp->n_vocab;
    plan->total = plan->weights + plan->cache + plan->scratch;
    plan->fits = n_chunk > 0 && plan->total <= plan->available;
    return true;
}

bool fathom_model_inspect(const char *model, const struct fathom_gpu_info *gpu, bool exact,
    uint32_t n_context, struct fathom_model_info *info, struct fathom_memory_plan *plan,
    struct fathom_error *err) {
    struct fm_hparams hp;
    struct fm_tensors *tensors = fm_tensors_open(model, err);
    const enum fathom_type cache_type = exact ? FATHOM_F32 : FATHOM_F16;
    const bool ok = tensors && fm_hparams_read(tensors, &hp, err) &&
        fm_memory_plan(tensors, &hp, gpu, exact, cache_type, n_context, info, plan, err);
    fm_tensors_close(&tensors);
    return ok;
}
