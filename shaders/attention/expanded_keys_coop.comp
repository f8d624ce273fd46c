#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
// expanded_keys.comp on matrix units, with float16 results. In matrix_tile.glsl's terms, rows of the tile are
// a head's numbers and tokens are positions.
#define RESULT_ELEMENT uint
#include "attention/expanded_keys.glsl"
#define TILE_CONSTANT 5
#define WEIGHTS 1u
#include "matmul/matrix_tile.glsl"
#include "quant/decode.glsl"
shared uint row_at[TILE_TOKENS];

void load_weight(uint o0, uint r0) {
    const uint size = row_size(TYPE, VALUES ? args.kv_rank : args.n_out);
    for (uint i = gl_LocalInvocationID.x; i < TILE_ROWS * TILE_COLS / 4u; i += INVOCATIONS) {
        const uint o = VALUES ? i / (TILE_COLS / 4u) : i % (TILE_ROWS / 4u) * 4u,
            r = VALUES ? i % (TILE_COLS / 4u) * 4u : i / (TILE_ROWS / 4u);
        const uint row =
            VALUES ? gl_WorkGroupID.z * args.n_out + o0 + o : gl_WorkGroupID.z * args.kv_rank + r0 + r;
        vec4 v = vec4(0.0);
        if (o0 + o < args.n_out && r0 + r < args.kv_rank) v = w4(TYPE, row * size, VALUES ? r0 + r : o0 + o);
        if (VALUES) w_tile[o * STRIDE + r / 4u] = f16vec4(v);
        else for (uint e = 0u; e < 4u; e++) w_tile[(o + e) * STRIDE + r / 4u][r % 4u] = float16_t(v[e]);
    }
}

void main() {
    const uint id = gl_LocalInvocationID.x, o0 = gl_WorkGroupID.x * TILE_ROWS,
        j0 = gl_WorkGroupID.y * TILE_TOKENS;
    const uint width = args.n_out + (VALUES ? 0u : args.n_rope),
        head = (args.first_head + gl_WorkGroupID.z) * KV_BLOCK;
    for (uint t = id; t < TILE_TOKENS; t += INVOCATIONS)
        row_at[t] = cache_row(args.first_position + min(j0 + t, args.n_positions - 1u));
    barrier();
    if (!VALUES && gl_WorkGroupID.x == 0u)
        for (uint i = id; i < TILE_TOKENS * args.n_rope / 4u; i += INVOCATIONS) {
            const uint t = i / (args.n_rope / 4u), k = i % (args.n_rope / 4u) * 4u,
                at = ((head + j0 + t) * width + args.n_out + k) / 2u;
            const vec4 c = cache4_fast(row_at[t], args.kv_rank + k);
            if (j0 + t >= args.n_positions) continue;
            result_out[args.out_base + at] = packHalf2x16(c.xy);
            result_out[args.out_base + at + 1u] = packHalf2x16(c.zw);
        }

    SUM sum[SUMS];
    float most[QUADS];
    x_begin();
    do {
        [[unroll]] for (uint s = 0u; s < SUMS; s++) sum[s] = SUM(0.0);
        [[unroll]] for (uint i = 0u; i < QUADS; i++) most[i] = 0.0;
        for (uint r0 = 0u; r0 < args.kv_rank; r0 += TILE_COLS) {
            load_weight(o0, r0);
            [[unroll]] for (uint i = 0u; i < QUADS; i++) {
                const uint t = (id + i * INVOCATIONS) / 8u, quad = id % 8u;
                if (t >= TILE_TOKENS) continue;
                x_store(t, quad,
                    r0 + quad * 4u < args.kv_rank ? cache4_fast(row_at[t], r0 + quad * 4u) : vec4(0.0),
                    most[i]);
            }
            barrier();
            MULTIPLY(sum)
            barrier();
        }
    } while (x_rescale(most));
    [[unroll]] for (uint s = 0u; s < SUMS; s++) {
        STORE_SUM(sum[s])
        for (uint i = id % LANES * 2u; i < M * N; i += LANES * 2u) {
            const uint o = o0 + sub_row(s / SUB_TOKENS) + i % M, t = sub_token(s % SUB_TOKENS) + i / M,
                from = gl_SubgroupID * M * N + i;
            if (o >= args.n_out || j0 + t >= args.n_positions) continue;
            result_out[args.out_base + ((head + j0 + t) * width + o) / 2u] =
                packHalf2x16(vec2(out_tile[from], out_tile[from + 1u]) / x_scale[t]);
        }
    }
}
