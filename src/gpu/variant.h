// Each operator has one table of variants. A row says what a device must be able to do, which calls the
// variant takes, when the variant is the default, and how much a workgroup computes. The first row is the
// exact variant, and takes every call. The order of the other rows is preference alone: the last one is best.
#ifndef FM_GPU_VARIANT_H
#define FM_GPU_VARIANT_H
#include "gpu/shader.h"
#include <fathom/gpu.h>

enum { FM_MAX_SIZES = 4, FM_CALL_SHAPE = 8, FM_MAX_SPEC = 24 /* constants of a shader */ };

// A specialization constant of a shader, by its name in the shader.
struct fm_constant {
    const char *name;
    uint32_t value;
};

// The shape of a variant for a call: how much a workgroup computes, in the operator's own units, and the
// constants that differ between the operator's variants.
struct fm_shape {
    uint32_t rows, tokens;
    // For attention: the number of workgroups that share or loop over a dimension, and of splits of the
    // cache.
    uint32_t groups, splits;
    uint32_t subgroup_size; // required, if the device has several sizes; 0: the driver's choice
    struct fm_constant constants[FM_MAX_SPEC + 1]; // the last one has no name
};

struct fm_variant {
    const char *name; // "plain", "subgroup", "tile"
    const struct fm_shader *shader;
    uint32_t needs; // enum fathom_gpu_caps without which the variant cannot run
    uint32_t takes; // properties that a call must have (fm_call.is)
    uint32_t does;  // what the operator must know of the variant when it records a call: FM_DOES_ of op/op.h
    // The numbers of tokens for which the variant is a default; 0: any. Some operators count something else.
    uint32_t min_tokens, max_tokens;
    bool cpu_only;  // a default only if the device is a CPU; any device runs the variant by name
    bool card_only; // a default only if the device is not a CPU
    uint32_t wants; // enum fathom_gpu_caps without which the variant is no default
    uint32_t sizes[FM_MAX_SIZES]; // tile sizes to choose from, in the operator's own unit; 0 ends the list
    // The function from the operator's own description of a call to the shape. NULL: the variant has no
    // constants of its own.
    struct fm_shape (*shape)(const void *call);
};

// Can this device run the variant? No device can if no compiler of the build took the shader (see shader.h).
bool fm_variant_can_run(const struct fathom_gpu_info *info, const struct fm_variant *variant);

// The shape of a row for a call of its operator.
struct fm_shape fm_variant_shape(const struct fm_variant *variant, const void *call);

// The default for a device: the last row that the device can run, that takes a call with the properties `is`,
// and whose range of tokens fits.
const struct fm_variant *fm_variant_default(const struct fathom_gpu_info *info,
    const struct fm_variant *table, size_t n_rows, uint32_t is, uint32_t n_tokens);

// The part of an operator's call that the best variant depends on: stored types and sizes, in the operator's
// own order.
struct fm_call {
    const char *op;
    uint32_t n_tokens, shape[FM_CALL_SHAPE];
    uint32_t is; // properties, for fm_variant.takes: FM_CALL_ of op/op.h
};

struct fm_choice {
    const struct fm_variant *variant;
    uint32_t size; // one of variant->sizes; 0: the operator's own rule
};

// Chooses the variant for a call: in exact mode the plain variant; else the variant that
// fathom_gpu_params.variants names; else the variant that was measured best (gpu/tuned.h); else the default
// for n_tokens. This device can run the variant, and the variant takes the call.
struct fm_choice fm_variant_choose(const struct fathom_gpu *gpu, const struct fm_call *call,
    const struct fm_variant *table, size_t n_rows, uint32_t n_tokens);

// Sets the variants of later recordings, in place of fathom_gpu_params.variants. A test that tries several
// variants on one gpu compiles their common shaders once. No other thread may use the gpu meanwhile. False:
// out of host memory.
bool fm_variants_force(struct fathom_gpu *gpu, const char *choices);

// fm_variant_choose for an operator whose variants the tuner does not measure; `is` as in struct fm_call.
const struct fm_variant *fm_variant_pick(const struct fathom_gpu *gpu, const char *op,
    const struct fm_variant *table, size_t n_rows, uint32_t is, uint32_t n_tokens);
#endif
