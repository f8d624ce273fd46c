#include "op/matrix_tile.h"

enum { TILE_COLS = 32 };

// Largest first; each invocation holds 32 or 64 sums.
static const struct {
    uint32_t rows, tokens, invocations, n_weights; // as many weights at most
    uint32_t min_tokens;
} sizes[] = {
    {128, 128, 256, 1, 65},
    {64, 64, 128, 2, 33},
    {64, 32, 64, 2, 0},
};

// Bytes of shared memory: as matrix_tile.glsl declares it, rounded up.
static uint32_t shared_bytes(const struct fathom_gpu_info *info, size_t i, uint32_t n_weights) {
    const uint32_t tiles = (n_weights * sizes[i].rows + sizes[i].tokens) * (TILE_COLS + 8) * 2;
    const uint32_t out = n_weights * sizes[i].invocations / info->min_subgroup_size * info->matrix_m * info->matrix_n * 4;
    return tiles + out + sizes[i].tokens * 8 + 64;
}

struct fm_matrix_tile fm_matrix_tile(const struct fathom_gpu_info *info, uint32_t n_mats, uint32_t n_rows, uint32_t n_tokens, uint32_t n_weights) {
    const size_t smallest = sizeof(sizes) / sizeof(sizes[0]) - 1;
    size_t i = 0;
    while (i < smallest) {
        const uint64_t groups = (uint64_t)n_mats * ((n_rows - 1) / sizes[i].rows + 1) * ((n_tokens - 1) / sizes[i].tokens + 1);
        const bool full = n_rows > sizes[i].rows / 2 && n_tokens >= sizes[i].min_tokens && groups >= 128; // leaves little of a card without work
        if (full && n_weights <= sizes[i].n_weights && shared_bytes(info, i, n_weights) <= info->max_shared_memory) break;
        i++;
    }
    // The workgroup's tile is halved along its longer side until every subgroup has its part.
    const uint32_t m = info->matrix_m, n = info->matrix_n, lanes = info->min_subgroup_size;
    uint32_t rows = sizes[i].rows, tokens = sizes[i].tokens;
    for (uint32_t invocations = lanes; invocations < sizes[i].invocations; invocations *= 2) {
        if (rows % (2 * m) == 0 && (rows >= tokens || tokens % (2 * n) != 0)) rows /= 2;
        else if (tokens % (2 * n) == 0) tokens /= 2;
    }
    const uint32_t grid_rows = sizes[i].rows / rows, grid_tokens = sizes[i].tokens / tokens;
    return (struct fm_matrix_tile){
        .rows = sizes[i].rows,
        .tokens = sizes[i].tokens,
        .subgroup_size = lanes,
        .spec = {m, n, info->matrix_k, lanes, grid_rows, grid_tokens, rows / m, tokens / n, lanes * grid_rows * grid_tokens},
    };
}
