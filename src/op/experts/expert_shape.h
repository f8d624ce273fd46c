// The shapes of the variants of expert_up and expert_down. expert_up multiplies its activations by two
// weights, gate and up, so an invocation has half as many rows as with one weight.
#ifndef FM_OP_EXPERTS_EXPERT_SHAPE_H
#define FM_OP_EXPERTS_EXPERT_SHAPE_H
#include "op/op.h"

enum { FM_MAX_GROUP_TOKENS = 1024 }; // the most tokens of a grouped dispatch: the length of the shader's list

// What a variant's shape depends on.
struct fm_expert_call {
    const struct fathom_gpu_info *info;
    const struct fathom_weight *w; // the experts', or the shared expert's if there are no experts
    uint32_t n_weights;            // 1, or 2 for gate and up
    uint64_t n_rows;               // rows of a token's result
    uint32_t n_cols;               // columns of the longest row
    uint32_t n_shared; // columns of the shared expert, if they may differ from the experts'; else 0
    uint32_t n_tokens;
    uint32_t per_expert; // average tokens per expert
    uint32_t size;       // as in struct fm_choice
};

// Functions for fm_variant.shape. `call` is a struct fm_expert_call.
struct fm_shape fm_expert_shape_plain(const void *call);
struct fm_shape fm_expert_shape_vec(const void *call);
struct fm_shape fm_expert_shape_rows(const void *call);
struct fm_shape fm_expert_shape_rows_ahead(const void *call);
struct fm_shape fm_expert_shape_grouped(const void *call);
struct fm_shape fm_expert_shape_grouped_coop(const void *call);
struct fm_shape fm_expert_shape_grouped_rows(const void *call);
struct fm_shape fm_expert_shape_grouped_dot(const void *call);
struct fm_shape fm_expert_shape_columns(const void *call);

// The size of a workgroup whose invocations reduce a row together: one subgroup, or two for long rows.
uint32_t fm_expert_lanes(const struct fathom_gpu_info *info, uint32_t n_cols);
#endif
