// One table per operator: its implementations, plainest first. The first row is the exact one.
#ifndef FM_GPU_VARIANT_H
#define FM_GPU_VARIANT_H
#include "gpu/shader.h"
#include <fathom/gpu.h>

struct fm_variant {
    const char *name;                // "plain", "subgroup", "tile"
    const struct fm_shader *shader;
    uint32_t needs;                  // enum fathom_gpu_caps
    uint32_t min_tokens, max_tokens; // token counts it is meant for by default; 0: any
    bool cpu_only;                   // chosen by default only where the device is a CPU (FATHOM_GPU_CPU); any device can run it by name
};

// Can this device run it? One whose shader the build's compiler could not take (see shader.h) runs nowhere.
bool fm_variant_can_run(const struct fathom_gpu_info *info, const struct fm_variant *variant);

// The default for a device: the last row that it can run and whose token range fits.
const struct fm_variant *fm_variant_default(const struct fathom_gpu_info *info, const struct fm_variant *table, size_t n_rows, uint32_t n_tokens);

// The variant that runs `op` for n_tokens tokens: the plain one in exact mode; the one that fathom_gpu_params.variants names, if
// this device can run it; else the default.
const struct fm_variant *fm_variant_pick(const struct fathom_gpu *gpu, const char *op, const struct fm_variant *table,
    size_t n_rows, uint32_t n_tokens);
#endif
