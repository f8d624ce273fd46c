// Tiles in shared memory: 64 rows of a weight by TILE_TOKENS tokens, in steps
// of 32 columns. Each of 128 invocations has 4 rows for TOKENS tokens, 8
// tokens apart. Define before the include: constant TOKENS (1, 2 or 4), X4(i).
#define TILE_ROWS 64u
#define TILE_COLS 32u
#define TILE_TOKENS (8u * TOKENS)
shared float x_tile[TILE_COLS][32 + 4];

// Stores 32 columns of a weight's rows in TILE[column][row / 4]. Rows past the last one repeat it.
#define LOAD_TILE(NAME, TILE) \
    void NAME##_load(const uint type, uint n_cols, uint first_row, uint n, uint k) { \
        const uint size = row_size(type, n_cols), part = gl_LocalInvocationID.x % 4u; \
        [[unroll]] for (uint i = 0u; i < 2u; i++) { \
            const uint row = gl_LocalInvocationID.x / 4u + 32u * i, column = part * 4u; \
            vec4 low, high; \
            const float scale = \
                NAME##8(type, (first_row + min(row, n - 1u)) * size, k / 8u + part, low, high); \
            [[unroll]] for (uint j = 0u; j < 4u; j++) { \
                TILE[column + j][row / 4u][row % 4u] = scale * low[j]; \
                TILE[column + 16u + j][row / 4u][row % 4u] = scale * high[j]; \
            } \
        } \
    }

// Stores a quad of a token's columns in x_tile. The caller loops over all tokens and quads.
void x_load(uint token, uint quad, uint x_at) {
    const vec4 v = X4(x_at + quad);
    [[unroll]] for (uint j = 0u; j < 4u; j++) x_tile[quad * 4u + j][token] = v[j];
}
