// Tiles of signed bytes in shared memory for integer dot products: 64 rows of a weight by TILE_TOKENS tokens,
// in steps of TILE_BLOCKS blocks of 32 columns. A workgroup is 16 x 16 invocations; each has 4 rows for
// TOKENS tokens, both 16 apart. Define before the include: TOKENS (1, 2 or 4), WEIGHTS (the number of weights
// that the same tokens multiply), X4(i). A step is loads of weights, x_load(), multiply() and barrier().
#include "include/dot_bytes.glsl"
// A part is a quarter of a block: columns k..k+3 and k+16..k+19
const uint TILE_ROWS = 64u, TILE_BLOCKS = 2u, TILE_PARTS = TILE_BLOCKS * 4u;
const uint TILE_TOKENS = 16u * TOKENS;
const uint STRIDE = TILE_BLOCKS * 2u + 1u; // half blocks, of four words; one more against bank conflicts
// Parts that an invocation loads
const uint X_PARTS = (TILE_TOKENS * TILE_PARTS + 255u) / 256u;
shared uvec4 w_tile[WEIGHTS * TILE_ROWS * STRIDE];      // [weight][row][half block]
shared vec3 w_scale[WEIGHTS * TILE_ROWS * TILE_BLOCKS]; // [weight][row][block]: as w8_packed returns it
shared uvec4 x_tile[TILE_TOKENS * STRIDE];              // [token][half block]
shared float x_scale[TILE_TOKENS * TILE_BLOCKS];        // [token][block]
shared vec4 x_largest[TILE_TOKENS * TILE_BLOCKS];       // of each part
shared ivec4 x_sum[TILE_TOKENS * TILE_BLOCKS];          // of the bytes of each part
// The quad where a token's activations begin; the caller sets this array
shared uint x_at[TILE_TOKENS];

// Stores blocks `block`… of a weight's rows in w_tile[W].
// Past the last row or block the last one is repeated.
#define LOAD_TILE(NAME, W) \
    void NAME##_load(const uint type, uint n_cols, uint first_row, uint n, uint block) { \
        const uint size = row_size(type, n_cols); \
        [[unroll]] for (uint i = 0u; i < TILE_ROWS * TILE_PARTS / 256u; i++) { \
            const uint at = gl_LocalInvocationID.x + i * 256u, part = at % 4u, b = at / 4u % TILE_BLOCKS, \
                row = at / TILE_PARTS; \
            const uint from = min(block + b, n_cols / 32u - 1u) * 4u + part, \
                to = (W * TILE_ROWS + row) * STRIDE + b * 2u; \
            uint low, high; \
            const vec3 scale = NAME##8_packed(type, (first_row + min(row, n - 1u)) * size, from, low, high); \
            w_tile[to][part] = low; \
            w_tile[to + 1u][part] = high; \
            if (part == 0u) w_scale[W * TILE_ROWS * TILE_BLOCKS + at / 4u] = scale; \
        } \
    }

// Stores blocks `block`… of all tokens in x_tile, and waits until all are stored
void x_load(uint n_cols, uint block) {
    vec4 low[X_PARTS], high[X_PARTS];
    [[unroll]] for (uint i = 0u; i < X_PARTS; i++) {
        const uint at = gl_LocalInvocationID.x + i * 256u;
        if (at >= TILE_TOKENS * TILE_PARTS) break;
        const uint quad =
            x_at[at / TILE_PARTS] + min(block + at / 4u % TILE_BLOCKS, n_cols / 32u - 1u) * 8u + at % 4u;
        low[i] = X4(quad);
        high[i] = X4(quad + 4u);
        x_largest[at / 4u][at % 4u] = largest_of(max(abs(low[i]), abs(high[i])));
    }
    barrier();
    [[unroll]] for (uint i = 0u; i < X_PARTS; i++) {
        const uint at = gl_LocalInvocationID.x + i * 256u, part = at % 4u;
        if (at >= TILE_TOKENS * TILE_PARTS) break;
        const float largest = largest_of(x_largest[at / 4u]), factor = to_bytes(largest);
        const uint a = bytes_of(low[i], factor), b = bytes_of(high[i], factor);
        const uint to = at / TILE_PARTS * STRIDE + at / 4u % TILE_BLOCKS * 2u;
        x_tile[to][part] = a;
        x_tile[to + 1u][part] = b;
        x_sum[at / 4u][part] = dot_bytes(a, ONES, 0) + dot_bytes(b, ONES, 0);
        if (part == 0u) x_scale[at / 4u] = largest / 127.0;
    }
    barrier();
}

// sum[t][r] += row r of weight `w` times token t, over n_blocks blocks
void multiply(bool halves, bool minimum, uint w, uint n_blocks, inout vec4 sum[TOKENS]) {
    const uint first_row = w * TILE_ROWS + gl_LocalInvocationID.x % 16u,
        first_token = gl_LocalInvocationID.x / 16u;
    for (uint b = 0u; b < n_blocks; b++) {
        ivec4 dots[TOKENS];
        [[unroll]] for (uint h = 0u; h < 2u; h++) {
            uvec4 v[TOKENS];
            [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
                v[t] = x_tile[(first_token + 16u * t) * STRIDE + b * 2u + h];
                if (h == 0u || halves) dots[t] = ivec4(0);
            }
            [[unroll]] for (uint r = 0u; r < 4u; r++) {
                const uvec4 q = w_tile[(first_row + 16u * r) * STRIDE + b * 2u + h];
                [[unroll]] for (uint t = 0u; t < TOKENS; t++)
                    [[unroll]] for (uint i = 0u; i < 4u; i++) dots[t][r] += dot_bytes(q[i], v[t][i], 0);
            }
            if (h == 0u && !halves) continue;
            [[unroll]] for (uint r = 0u; r < 4u; r++) {
                const vec3 scale = w_scale[(first_row + 16u * r) * TILE_BLOCKS + b];
                [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
                    const uint at = (first_token + 16u * t) * TILE_BLOCKS + b;
                    sum[t][r] += scale[halves ? h : 0u] * x_scale[at] * float(dots[t][r]);
                    if (h == 1u && minimum)
                        sum[t][r] +=
                            scale.z * x_scale[at] *
                            float(x_sum[at].x + x_sum[at].y + x_sum[at].z + x_sum[at].w);
                }
            }
        }
    }
}
