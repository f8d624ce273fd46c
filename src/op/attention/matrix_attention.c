#include "op/attention/matrix_attention.h"
#include "op/op.h"

enum { SMALLEST = 16 /* rows, and positions of a block */ };

struct sizes {
    uint32_t m, n, k, lanes, subgroups, rows, block;
    uint32_t key_tiles, key_parts, value_tiles, value_parts; // constants of the shader
};

static uint32_t up(uint32_t n, uint32_t unit) {
    return (n + unit - 1) / unit;
}

// Subgroups divide the values' width first, then the rows. For the scores they divide the rows first, then
// the key's width (into at most most_parts), then the positions.
static struct sizes sizes_of(const struct fathom_gpu_info *info, const struct fm_matrix_attention_work *w,
    uint32_t rows, uint32_t block, uint32_t most_parts) {
    struct sizes s = {
        .m = info->matrix_m,
        .n = info->matrix_n,
        .k = info->matrix_k,
        .lanes = info->min_subgroup_size,
        .rows = rows,
        .block = block,
    };
    const bool few = fm_op_few_registers(info); // with few registers, more invocations share the work
    const uint32_t most = (few && info->max_invocations >= 512 ? 512 : 256) / s.lanes,
                   row_tiles = up(rows, s.m);
    const uint32_t values = up(w->value_width, s.n), keys = up(w->key_width, s.k);
    s.value_parts = 1;
    while (s.value_parts < values && s.value_parts < most) s.value_parts *= 2;
    s.subgroups = s.value_parts * row_tiles < most ? s.value_parts * row_tiles : most;
    // Intel's compiler spills a single matrix of means, but not two; the reason is unknown
    if (few && s.value_parts > 1 && s.subgroups > s.value_parts * row_tiles / 2)
        s.subgroups = s.value_parts * row_tiles / 2;
    s.value_tiles = up(values, s.value_parts);
    const uint32_t parts = s.subgroups / row_tiles;
    s.key_tiles = up(keys, parts > most_parts ? most_parts : parts > 1 ? parts : 1);
    s.key_parts = up(keys, s.key_tiles);
    return s;
}

// Bytes of shared memory, as the shaders declare them, rounded up.
static uint32_t shared_bytes(const struct sizes *s, bool same_rows) {
    const uint32_t keys = s->k * s->key_tiles * s->key_parts, values = s->n * s->value_tiles * s->value_parts;
    const uint32_t tile = same_rows ? (keys > values ? keys : values) + 8 : keys + values + 16;
    const uint32_t scores = s->key_parts * s->rows * (s->block + 4), sums = s->subgroups * s->m * s->n;
    return 2 * s->block * tile + 4 * (scores > sums ? scores : sums) + 2 * s->rows * (s->block + 8) +
        4 * (2 * s->rows + 2 * s->block + s->subgroups * s->lanes) + 64;
}

static bool fits(const struct fathom_gpu_info *info, const struct sizes *s, bool same_rows) {
    const uint32_t row_tiles = up(s->rows, s->m), invocations = s->subgroups * s->lanes;
    // 32-bit numbers that an invocation holds: its means, and its part of the queries
    const uint32_t held = s->rows * s->n * s->value_tiles * s->value_parts / invocations +
        s->key_tiles * s->m * s->k / (2 * s->lanes);
    // if two workgroups share a core, one loads while the other computes
    const bool share = s->block > SMALLEST;
    return s->rows % s->m == 0 && s->block % s->n == 0 && s->block % s->k == 0 && s->block >= s->m &&
        s->subgroups >= row_tiles && invocations >= s->rows &&
        held <= (fm_op_few_registers(info) ? 40 : 104) &&
        shared_bytes(s, same_rows) <= info->max_shared_memory / (share ? 2 : 1);
}

struct fm_shape fm_matrix_attention(
    const struct fathom_gpu_info *info, const struct fm_matrix_attention_work *w) {
    for (uint32_t rows = 64; rows >= SMALLEST; rows /= 2) {
        if (rows > SMALLEST && (w->size ? rows > w->size : rows >= 2 * w->n_rows)) continue;
        for (uint32_t block = fm_op_few_registers(info) ? SMALLEST : 32; block >= SMALLEST; block /= 2)
            for (uint32_t parts = 16; parts >= 4; parts /= 2) {
                const struct sizes s = sizes_of(info, w, rows, block, parts);
                if (!fits(info, &s, w->same_rows)) continue;
                return (struct fm_shape){
                    .rows = rows,
                    .groups = 1,
                    .subgroup_size = s.lanes,
                    .constants = {{"M", s.m}, {"N", s.n}, {"K", s.k}, {"LANES", s.lanes},
                        {"INVOCATIONS", s.subgroups * s.lanes}, {"ROWS", rows}, {"BLOCK", block},
                        {"KEY_TILES", s.key_tiles}, {"KEY_PARTS", s.key_parts},
                        {"VALUE_TILES", s.value_tiles}, {"VALUE_PARTS", s.value_parts}},
                };
            }
    }
    return (struct fm_shape){0};
}
