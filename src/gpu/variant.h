// One table per operator: its implementations, plainest first. The first row is the exact one.
#ifndef FM_GPU_VARIANT_H
#define FM_GPU_VARIANT_H
#include "gpu/shader.h"
#include <fathom/gpu.h>

enum { FM_MAX_SIZES = 4, FM_CALL_SHAPE = 8 };

struct fm_variant {
    const char *name;                // "plain", "subgroup", "tile"
    const struct fm_shader *shader;
    uint32_t needs;                  // enum fathom_gpu_caps
    uint32_t min_tokens, max_tokens; // token counts it is meant for by default, or what the operator counts instead; 0: any
    bool cpu_only;                   // chosen by default only where the device is a CPU (FATHOM_GPU_CPU); any device can run it by name
    bool card_only;                  // chosen by default only where it is not
    uint32_t wants;                  // enum fathom_gpu_caps without which it is not chosen by default
    uint32_t sizes[FM_MAX_SIZES];    // tile sizes that may be asked for, in the operator's own unit; 0 ends them
};

// Can this device run it? One whose shader the build's compiler could not take (see shader.h) runs nowhere.
bool fm_variant_can_run(const struct fathom_gpu_info *info, const struct fm_variant *variant);

// The default for a device: the last row that it can run and whose token range fits.
const struct fm_variant *fm_variant_default(const struct fathom_gpu_info *info, const struct fm_variant *table, size_t n_rows, uint32_t n_tokens);

// A call of an operator, as far as the best variant depends on it: stored types and sizes, in an order of the operator's own.
struct fm_call {
    const char *op;
    uint32_t n_tokens, shape[FM_CALL_SHAPE];
};

struct fm_choice {
    const struct fm_variant *variant;
    uint32_t size; // one of variant->sizes; 0: the operator's own rule
};

// What runs a call: the plain variant in exact mode; the one that fathom_gpu_params.variants names, if this device can run it; the
// one that was measured best (gpu/tuned.h); else the default for n_tokens.
struct fm_choice fm_variant_choose(struct fathom_gpu *gpu, const struct fm_call *call, const struct fm_variant *table, size_t n_rows,
    uint32_t n_tokens);

// Names the variants that recordings from here on take, in place of fathom_gpu_params.variants: who tries several on one gpu compiles what they
// have in common once. False: out of host memory.
bool fm_variants_force(struct fathom_gpu *gpu, const char *choices);

// The same as fm_variant_choose for an operator that is not worth measuring.
const struct fm_variant *fm_variant_pick(const struct fathom_gpu *gpu, const char *op, const struct fm_variant *table,
    size_t n_rows, uint32_t n_tokens);
#endif
