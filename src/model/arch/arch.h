// One row an architecture: everything in which its models differ from others. src/engine asks the row and names no architecture.
#ifndef FM_MODEL_ARCH_H
#define FM_MODEL_ARCH_H
#include "model/cache.h"
#include "model/hparams.h"

struct fm_arch {
    const char *name;               // GGUF's general.architecture
    uint32_t cpu_chunk;             // tokens of a prefill step on a CPU, unless the caller says

    // Caches: whether the type suits them; bytes that a token of the context takes, on the average; bytes in all; creation; and how many of
    // the tokens evaluated are still in the caches once the text is cut to `length`.
    bool (*cache_check)(const struct fm_hparams *hp, enum fathom_type type, struct fathom_error *err);
    uint64_t (*cache_token_size)(const struct fm_hparams *hp, enum fathom_type type);
    uint64_t (*cache_size)(const struct fm_hparams *hp, const struct fm_cache_params *params);
    bool (*cache_create)(struct fathom_gpu *gpu, const struct fm_hparams *hp, const struct fm_cache_params *params, struct fm_caches *caches,
        struct fathom_error *err);
    uint32_t (*cache_truncate)(uint32_t length);
};

// All rows, in arch.c.
extern const struct fm_arch *const fm_archs[];
extern const size_t fm_n_archs;
const struct fm_arch *fm_arch_find(const char *name); // NULL: no such row

// The rows, one file a family.
extern const struct fm_arch fm_arch_deepseek2, fm_arch_deepseek32; // deepseek.c
extern const struct fm_arch fm_arch_deepseek4;                     // deepseek4.c
extern const struct fm_arch fm_arch_llama, fm_arch_qwen2, fm_arch_qwen3; // dense.c
#endif
