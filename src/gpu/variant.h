// One table an operator: its variants. A row says what a device must be able to do, which calls the variant
// takes, where the variant is the default, and what a workgroup takes. The first row is the exact variant and
// takes every call. The order of the other rows is preference alone: the last one is best.
#ifndef FM_GPU_VARIANT_H
#define FM_GPU_VARIANT_H
#include "gpu/shader.h"
#include <fathom/gpu.h>

enum { FM_MAX_SIZES = 4, FM_CALL_SHAPE = 8, FM_MAX_SPEC = 24 /* constants of a shader */ };

// A specialization constant of a shader, by its name there.
struct fm_constant {
    const char *name;
    uint32_t value;
};

// The shape of a variant for a call: what a workgroup takes, in the operator's own units, and the constants
// that differ between the operator's variants.
struct fm_shape {
    uint32_t rows, tokens;
    // Of attention alone: workgroups that share or loop over a dimension; splits of the cache.
    uint32_t groups, splits;
    uint32_t subgroup_size; // required, where the device has several sizes; 0: the driver's choice
    struct fm_constant constants[FM_MAX_SPEC + 1]; // the last one has no name
};

struct fm_variant {
    const char *name; // "plain", "subgroup", "tile"
    const struct fm_shader *shader;
    uint32_t needs; // enum fathom_gpu_caps without which the variant cannot run
    uint32_t takes; // what a call must be (fm_call.is)
    uint32_t does;  // what the operator must know of the variant when it records: bits of the operators' own
    // Counts of tokens, or of what the operator counts instead, for which the variant is a default; 0: any.
    uint32_t min_tokens, max_tokens;
    bool cpu_only;  // a default only where the device is a CPU; any device runs the variant by name
    bool card_only; // a default only where the device is not a CPU
    uint32_t wants; // enum fathom_gpu_caps without which the variant is no default
    uint32_t sizes[FM_MAX_SIZES]; // tile sizes that may be asked for, in the operator's own unit; 0 ends them
    // From what the operator knows of its call to the shape; NULL: the variant has no constants of its own.
    struct fm_shape (*shape)(const void *call);
};

// Can this device run it? One whose shader the build's compiler could not take (see shader.h) runs nowhere.
bool fm_variant_can_run(const struct fathom_gpu_info *info, const struct fm_variant *variant);

// The shape of a row for a call of its operator.
struct fm_shape fm_variant_shape(const struct fm_variant *variant, const void *call);

// The default for a device: the last row that it can run, that takes a call which is `is`, and whose token
// range fits.
const struct fm_variant *fm_variant_default(const struct fathom_gpu_info *info,
    const struct fm_variant *table, size_t n_rows, uint32_t is, uint32_t n_tokens);

// A call of an operator, as far as the best variant depends on it: stored types and sizes, in an order of the
// operator's own.
struct fm_call {
    const char *op;
    uint32_t n_tokens, shape[FM_CALL_SHAPE];
    uint32_t is; // properties, for fm_variant.takes: bits of the operators' own
};

struct fm_choice {
    const struct fm_variant *variant;
    uint32_t size; // one of variant->sizes; 0: the operator's own rule
};

// What runs a call: the plain variant in exact mode; the one that fathom_gpu_params.variants names; the one
// that was measured best (gpu/tuned.h); else the default for n_tokens. Always one that this device can run
// and that takes the call.
struct fm_choice fm_variant_choose(struct fathom_gpu *gpu, const struct fm_call *call,
    const struct fm_variant *table, size_t n_rows, uint32_t n_tokens);

// Names the variants that recordings from here on take, in place of fathom_gpu_params.variants: who tries
// several on one gpu compiles what they have in common once. False: out of host memory.
bool fm_variants_force(struct fathom_gpu *gpu, const char *choices);

// The same as fm_variant_choose for an operator that is not worth measuring; `is` as in struct fm_call.
const struct fm_variant *fm_variant_pick(const struct fathom_gpu *gpu, const char *op,
    const struct fm_variant *table, size_t n_rows, uint32_t is, uint32_t n_tokens);
#endif
