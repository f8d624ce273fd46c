#include "op/experts/expert_shape.h"
#include "op/matmul/columns.h"
#include "op/matmul/matrix_tile.h"

enum {
    PLAIN_ROWS = 16,
    VEC_ROWS = 4,
    LANE_ROWS = 4,
    PAIRS = 2,
    TILE_ROWS = 64,
    // The most tokens of a grouped dispatch on CPUs. lavapipe stops an invocation's loops after 65535 rounds
    // in all, and this many tokens stay below the limit.
    MAX_CPU_GROUP_TOKENS = 128,
};

uint32_t fm_expert_lanes(const struct fathom_gpu_info *info, uint32_t n_cols) {
    const uint32_t size = info->subgroup_size, lanes = size < 16 ? 16 : size > 64 ? 64 : size;
    return n_cols >= 2048 && lanes < 64 ? 2 * lanes : lanes;
}

struct fm_shape fm_expert_shape_plain(const void *call) {
    const struct fm_expert_call *c = call;
    return (struct fm_shape){.rows = PLAIN_ROWS / c->n_weights}; // must equal the shader's size
}

struct fm_shape fm_expert_shape_vec(const void *call) {
    const struct fm_expert_call *c = call;
    const uint32_t rows = VEC_ROWS / c->n_weights;
    return (struct fm_shape){
        .rows = rows,
        .constants = {{"local_size_x", fm_expert_lanes(c->info, c->n_cols)}, {"ROWS", rows}},
    };
}

static struct fm_shape by_row(const struct fm_expert_call *c, bool ahead) {
    const uint32_t lanes = fm_op_row_lanes(c->info);
    return (struct fm_shape){
        .rows = lanes * LANE_ROWS,
        .constants = {{"local_size_x", lanes}, {"ROWS", LANE_ROWS}, {"AHEAD", ahead}},
    };
}

struct fm_shape fm_expert_shape_rows(const void *call) {
    return by_row(call, false);
}

struct fm_shape fm_expert_shape_rows_ahead(const void *call) {
    return by_row(call, true);
}

struct fm_shape fm_expert_shape_grouped(const void *call) {
    const struct fm_expert_call *c = call;
    const uint32_t tokens = c->size ? c->size : c->per_expert <= 10 ? 1 : c->per_expert <= 20 ? 2 : 4;
    return (struct fm_shape){
        .rows = TILE_ROWS, .tokens = FM_MAX_GROUP_TOKENS, .constants = {{"TOKENS", tokens}}};
}

struct fm_shape fm_expert_shape_grouped_coop(const void *call) {
    const struct fm_expert_call *c = call;
    const struct fm_matrix_work work = {
        c->w->n_mats, c->w->n_rows, c->per_expert, c->n_weights, 4 * FM_MAX_GROUP_TOKENS, c->size};
    struct fm_shape shape = fm_matrix_tile(c->info, &work);
    shape.tokens = FM_MAX_GROUP_TOKENS;
    return shape;
}

struct fm_shape fm_expert_shape_grouped_rows(const void *call) {
    const struct fm_expert_call *c = call;
    const uint32_t lanes = fm_op_row_lanes(c->info);
    // a dispatch has at most MAX_CPU_GROUP_TOKENS of the tokens, and with them a part of an expert's tokens
    const uint32_t at_once = c->n_tokens > MAX_CPU_GROUP_TOKENS
        ? (uint32_t)((uint64_t)c->per_expert * MAX_CPU_GROUP_TOKENS / c->n_tokens)
        : c->per_expert;
    return (struct fm_shape){
        .rows = 2 / c->n_weights * PAIRS * lanes,
        .tokens = MAX_CPU_GROUP_TOKENS,
        .constants = {{"TOKENS", at_once > 4 ? 8 : 4}, {"local_size_x", lanes}, {"PAIRS", PAIRS}},
    };
}

struct fm_shape fm_expert_shape_grouped_dot(const void *call) {
    const struct fm_expert_call *c = call;
    // with two weights and four times 16 tokens, the sums would not fit Intel's registers
    const uint32_t most = 4 / c->n_weights;
    const uint32_t wanted = c->per_expert <= 16 ? 1 : c->per_expert <= 32 ? 2 : 4;
    const uint32_t tokens = c->size ? c->size : wanted < most ? wanted : most;
    return (struct fm_shape){
        .rows = TILE_ROWS, .tokens = FM_MAX_GROUP_TOKENS, .constants = {{"TOKENS", tokens}}};
}

struct fm_shape fm_expert_shape_columns(const void *call) {
    const struct fm_expert_call *c = call;
    const uint32_t rows = fm_columns_rows(c->info, c->n_rows, c->n_weights),
                   units = fm_columns_units(c->info, c->w, 1), shared_units = c->n_shared / 64;
    return (struct fm_shape){
        .rows = rows,
        .constants = {{"LANES", fm_op_row_lanes(c->info)}, {"ROWS", rows},
            {"UNITS", c->n_shared && shared_units < units ? shared_units : units}},
    };
}
