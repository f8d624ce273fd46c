// What a shader's SPIR-V says of its interface, so that neither bindings nor their access are written twice.
#ifndef FM_GPU_SPIRV_H
#define FM_GPU_SPIRV_H
#include "base/error.h"
#include "gpu/dispatch.h"

struct fm_spirv {
    uint32_t n_bindings; // storage buffers 0 .. n_bindings - 1 of set 0
    bool reads[FM_END_BINDINGS],
        writes[FM_END_BINDINGS];  // two variables may share a binding: what any of them may do
    bool floats[FM_END_BINDINGS]; // all variables of the binding hold float32, or vectors of them
    uint32_t args_size;           // bytes of the push-constant block
    uint32_t spec_ids;            // bit i: a constant has constant_id i, below FM_MAX_SPEC
};
// Is there a variable with this binding, or with a later one that a view is bound to?
static inline bool fm_spirv_binds(const struct fm_spirv *spirv, uint32_t binding) {
    return binding < spirv->n_bindings || spirv->reads[binding] || spirv->writes[binding];
}

bool fm_spirv_reflect(const struct fm_shader *shader, struct fm_spirv *spirv, struct fathom_error *err);

// A copy of the module without what these values of its constants switch off; free() it. The constants are
// still to be specialized. The shader is one that fm_spirv_reflect() takes. False: out of memory.
bool fm_spirv_trim(
    const struct fm_shader *shader, const uint32_t *spec, uint32_t n_spec, uint32_t **words, size_t *n_words);

// The dimensions (bits 0 to 2) in which the workgroups may be spread over several dispatches. For a module as
// fm_spirv_trim() leaves it, with these values of its constants.
uint32_t fm_spirv_splits(const uint32_t *words, size_t n_words, const uint32_t *spec, uint32_t n_spec);
#endif
