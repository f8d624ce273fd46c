// Tiles in shared memory for matrix units: TILE_ROWS rows of a weight by TILE_TOKENS tokens, in steps of 32
// columns, as float16. The subgroups divide the tile as a grid of GRID_ROWS by GRID_TOKENS; each has SUB_ROWS
// by SUB_TOKENS matrices of float32 sums. src/op/matmul/matrix_tile.c chooses all sizes. Define before the
// include: WEIGHTS, the number of weights that the same tokens multiply; TILE_CONSTANT, the number of the
// first constant.
//
// float16 ends at 65504 and is exact to 11 bits from 2^-14 up only. The loads therefore note each token's
// largest activation. Where one is outside of the good range, rescale() returns true: the tile must be
// computed again, with those tokens scaled by a power of two.
layout(constant_id = TILE_CONSTANT) const uint M = 16; // a matrix of rows is [M][K], one of tokens [K][N]
layout(constant_id = TILE_CONSTANT + 1) const uint N = 16;
layout(constant_id = TILE_CONSTANT + 2) const uint K = 16;
layout(constant_id = TILE_CONSTANT + 3) const uint LANES = 32;          // of a subgroup
layout(constant_id = TILE_CONSTANT + 4) const uint GRID_ROWS = 2;
layout(constant_id = TILE_CONSTANT + 5) const uint GRID_TOKENS = 2;
layout(constant_id = TILE_CONSTANT + 6) const uint SUB_ROWS = 1;
layout(constant_id = TILE_CONSTANT + 7) const uint SUB_TOKENS = 1;
layout(local_size_x_id = TILE_CONSTANT + 8) in;                        // LANES * GRID_ROWS * GRID_TOKENS
const uint INVOCATIONS = LANES * GRID_ROWS * GRID_TOKENS;
const uint TILE_ROWS = M * SUB_ROWS * GRID_ROWS, TILE_TOKENS = N * SUB_TOKENS * GRID_TOKENS, TILE_COLS = 32u;
const uint STRIDE = TILE_COLS / 4u + 2u; // quads of a row or token; 2 more against bank conflicts
const uint SUMS = SUB_ROWS * SUB_TOKENS;
// Quads of the activations that an invocation loads
const uint QUADS = (TILE_TOKENS * 8u + INVOCATIONS - 1u) / INVOCATIONS;
#define SUM coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>
#define ROW_MATRIX coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA>
#define TOKEN_MATRIX coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB>

shared f16vec4 w_tile[WEIGHTS * TILE_ROWS * STRIDE]; // [weight][row][column / 4]
shared f16vec4 x_tile[TILE_TOKENS * STRIDE];         // [token][column / 4]
shared float out_tile[INVOCATIONS / LANES * M * N];  // [subgroup][token][row]: one matrix of sums each
shared uint x_max[TILE_TOKENS];                      // bits of the largest magnitude of each token
shared float x_scale[TILE_TOKENS];
shared bool x_again;

// Stores 32 columns of a weight's rows in w_tile[W]. Rows past the last one repeat it.
#define LOAD_TILE(NAME, W) \
    void NAME##_load(const uint type, uint n_cols, uint first_row, uint n, uint k) { \
        const uint size = row_size(type, n_cols); \
        for (uint i = gl_LocalInvocationID.x; i < TILE_ROWS * 4u; i += INVOCATIONS) { \
            const uint row = i / 4u, part = i % 4u; \
            vec4 low, high; \
            const float scale = \
                NAME##8(type, (first_row + min(row, n - 1u)) * size, k / 8u + part, low, high); \
            w_tile[(W * TILE_ROWS + row) * STRIDE + part] = f16vec4(scale * low); \
            w_tile[(W * TILE_ROWS + row) * STRIDE + part + 4u] = f16vec4(scale * high); \
        } \
    }

// Where the i-th matrices of this subgroup begin in the tile.
uint sub_row(uint i) {
    return (gl_SubgroupID % GRID_ROWS * SUB_ROWS + i) * M;
}
uint sub_token(uint i) {
    return (gl_SubgroupID / GRID_ROWS * SUB_TOKENS + i) * N;
}

// sum[WEIGHTS * SUMS] += w_tile * x_tile. A macro, because a function would copy the sums.
#define MULTIPLY(sum) \
    [[unroll]] for (uint k_ = 0u; k_ < TILE_COLS; k_ += K) { \
        TOKEN_MATRIX b_[SUB_TOKENS]; \
        [[unroll]] for (uint t_ = 0u; t_ < SUB_TOKENS; t_++) \
            coopMatLoad(b_[t_], x_tile, (sub_token(t_) * STRIDE + k_ / 4u), STRIDE, \
                gl_CooperativeMatrixLayoutColumnMajor); \
        [[unroll]] for (uint r_ = 0u; r_ < WEIGHTS * SUB_ROWS; r_++) { \
            ROW_MATRIX a_; \
            coopMatLoad(a_, w_tile, (r_ / SUB_ROWS * TILE_ROWS + sub_row(r_ % SUB_ROWS)) * STRIDE + k_ / 4u, \
                STRIDE, gl_CooperativeMatrixLayoutRowMajor); \
            [[unroll]] for (uint t_ = 0u; t_ < SUB_TOKENS; t_++) \
                sum[r_ * SUB_TOKENS + t_] = coopMatMulAdd(a_, b_[t_], sum[r_ * SUB_TOKENS + t_]); \
        } \
    }

// Stores a matrix of this subgroup's sums in out_tile, where all its lanes can read the sums.
#define STORE_SUM(sum) \
    barrier(); \
    coopMatStore(sum, out_tile, gl_SubgroupID * M * N, M, gl_CooperativeMatrixLayoutColumnMajor); \
    barrier();

// Call before a tile.
void x_begin() {
    barrier();
    for (uint t = gl_LocalInvocationID.x; t < TILE_TOKENS; t += INVOCATIONS) x_max[t] = 0u, x_scale[t] = 1.0;
    barrier();
}

// Stores the quad of token t's activations that begins at x_at + quad; i counts the quads of this invocation.
// seen[i]: the largest magnitude so far.
void x_store(uint t, uint quad, vec4 v, inout float seen) {
    const vec4 a = abs(v);
    seen = max(seen, max(max(a.x, a.y), max(a.z, a.w)));
    x_tile[t * STRIDE + quad] = f16vec4(v * x_scale[t]);
}

// Call after the last columns. Must the tile be computed again?
bool x_rescale(float seen[QUADS]) {
    if (gl_LocalInvocationID.x == 0u) x_again = false;
    [[unroll]] for (uint i = 0u; i < QUADS; i++) {
        const uint t = (gl_LocalInvocationID.x + i * INVOCATIONS) / 8u;
        if (t < TILE_TOKENS) atomicMax(x_max[t], floatBitsToUint(seen[i]));
    }
    barrier();
    for (uint t = gl_LocalInvocationID.x; t < TILE_TOKENS; t += INVOCATIONS) {
        const float most = uintBitsToFloat(x_max[t]);
        if (x_scale[t] != 1.0 || most == 0.0 || (most >= 0.00390625 && most <= 65504.0)) continue;
        x_scale[t] = uintBitsToFloat(clamp(267u - (x_max[t] >> 23), 1u, 254u) << 23); // to 2^13 .. 2^14
        x_again = true;
    }
    barrier();
    return x_again;
}
