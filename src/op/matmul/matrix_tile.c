#include "op/matmul/matrix_tile.h"

enum { TILE_COLS = 32, MAX_INVOCATIONS = 256 };

// The largest size is first.
static const struct size {
    uint32_t rows, tokens;
    uint32_t min_invocations;
    uint32_t min_tokens;
} sizes[] = {
    {128, 128, 256, 65},
    {64, 64, 128, 33},
    {64, 32, 128, 0},
};

// The limit of sums per invocation: Intel's subgroups are narrow, an invocation has half the registers of
// others, and its compiler spills with 32 sums.
static uint32_t invocations_of(
    const struct fathom_gpu_info *info, const struct size *size, uint32_t n_weights) {
    const uint32_t most_sums = info->min_subgroup_size < 32 ? 16 : 64,
                   n = n_weights * size->rows * size->tokens / most_sums;
    return n > size->min_invocations ? n : size->min_invocations;
}

// Bytes of shared memory, as matrix_tile.glsl declares them, rounded up.
static uint32_t shared_bytes(
    const struct fathom_gpu_info *info, const struct size *size, uint32_t n_weights) {
    const uint32_t tiles = (n_weights * size->rows + size->tokens) * (TILE_COLS + 8) * 2;
    const uint32_t out =
        invocations_of(info, size, n_weights) / info->min_subgroup_size * info->matrix_m * info->matrix_n * 4;
    return tiles + out + size->tokens * 8 + 64;
}

// Whether the work fills tiles of this size and keeps most of a card busy.
static bool suits(const struct size *size, const struct fm_matrix_work *w) {
    const uint64_t groups =
        (uint64_t)w->n_mats * ((w->n_rows - 1) / size->rows + 1) * ((w->n_tokens - 1) / size->tokens + 1);
    return w->n_rows > size->rows / 2 && w->n_tokens >= size->min_tokens && groups >= 128;
}

static const struct size *choose(const struct fathom_gpu_info *info, const struct fm_matrix_work *w) {
    const struct size *size = sizes, *smallest = &sizes[sizeof(sizes) / sizeof(sizes[0]) - 1];
    for (; size < smallest; size++) {
        const bool fits = invocations_of(info, size, w->n_weights) <= MAX_INVOCATIONS &&
            shared_bytes(info, size, w->n_weights) + w->other_shared <= info->max_shared_memory;
        if (fits && (w->size ? size->tokens <= w->size : suits(size, w))) break;
    }
    return size;
}

struct fm_shape fm_matrix_tile(const struct fathom_gpu_info *info, const struct fm_matrix_work *work) {
    const struct size *size = choose(info, work);
    // the workgroup's tile is halved along its longer side until every subgroup has its part
    const uint32_t m = info->matrix_m, n = info->matrix_n, lanes = info->min_subgroup_size,
                   wanted = invocations_of(info, size, work->n_weights);
    uint32_t rows = size->rows, tokens = size->tokens;
    for (uint32_t invocations = lanes; invocations < wanted; invocations *= 2) {
        if (rows % (2 * m) == 0 && (rows >= tokens || tokens % (2 * n) != 0))
            rows /= 2;
        else if (tokens % (2 * n) == 0)
            tokens /= 2;
    }
    const uint32_t grid_rows = size->rows / rows, grid_tokens = size->tokens / tokens;
    return (struct fm_shape){
        .rows = size->rows,
        .tokens = size->tokens,
        .subgroup_size = lanes,
        .constants = {{"M", m}, {"N", n}, {"K", info->matrix_k}, {"LANES", lanes}, {"GRID_ROWS", grid_rows},
            {"GRID_TOKENS", grid_tokens}, {"SUB_ROWS", rows / m}, {"SUB_TOKENS", tokens / n},
            {"local_size_x", lanes * grid_rows * grid_tokens}},
    };
}
