#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_spirv_intrinsics : require
#extension GL_KHR_shader_subgroup_arithmetic : require
// matmul.comp for few tokens with integer dot products: 32 activations share a scale and have 8 bits each.
// The workgroup quantises 128 such blocks at a time. Each subgroup multiplies these blocks by 4 rows. Weights
// have a type of quant/packed.h, x is aligned to 16 bytes.
layout(local_size_x = 128) in;
#define X_ELEMENT vec4
#include "matmul/matmul.glsl"
layout(constant_id = 2) const uint TOKENS = 1;                         // 1, 2, 4 or 8
#include "quant/decode.glsl"
#include "include/dot_bytes.glsl"
// STRIDE: words of a block, and one against bank conflicts
const uint BLOCKS = 128u / TOKENS, ROWS = 4u, STRIDE = 9u;
shared uint x_block[128u * STRIDE];                                     // [token][block][8 words]
shared float x_scale[128];

// This invocation's block of 32 activations. at: the block's first quad.
void quantise(uint at) {
    vec4 v[8], most = vec4(0.0);
    [[unroll]] for (uint i = 0u; i < 8u; i++) {
        v[i] = x[at + i];
        most = max(most, abs(v[i]));
    }
    const float largest = largest_of(most), factor = to_bytes(largest);
    [[unroll]] for (uint i = 0u; i < 8u; i++)
        x_block[gl_LocalInvocationID.x * STRIDE + i] = bytes_of(v[i], factor);
    x_scale[gl_LocalInvocationID.x] = largest / 127.0;
}

void main() {
    const uint id = gl_LocalInvocationID.x, mat = gl_WorkGroupID.z, token = gl_WorkGroupID.y * TOKENS,
        size = row_size(TYPE, args.n_cols);
    // rows: of the workgroup
    const uint n_blocks = args.n_cols / 32u, rows = gl_NumSubgroups * ROWS;
    const uint x_token = min(token + id / BLOCKS, args.n_tokens - 1u);
    const uint x_at =
        (args.x_base + (args.first_mat + mat) * args.x_mat_stride + x_token * args.x_token_stride) / 4u;
    for (uint first = gl_WorkGroupID.x * rows; first < args.n_rows; first += gl_NumWorkGroups.x * rows) {
        const uint row = first + gl_SubgroupID * ROWS;
        float sum[ROWS][TOKENS];
        // Past the end the last one is computed again, and not stored
        uint row_at[ROWS];
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            row_at[r] = (mat * args.n_rows + min(row + r, args.n_rows - 1u)) * size;
            [[unroll]] for (uint t = 0u; t < TOKENS; t++) sum[r][t] = 0.0;
        }
        for (uint block = 0u; block < n_blocks; block += BLOCKS) {
            barrier();
            if (block + id % BLOCKS < n_blocks) quantise(x_at + (block + id % BLOCKS) * 8u);
            barrier();
            const uint n_parts = min(BLOCKS, n_blocks - block) * 4u;
            for (uint part = gl_SubgroupInvocationID; part < n_parts; part += gl_SubgroupSize) {
                uint low[ROWS], high[ROWS];
                vec3 scale[ROWS];
                [[unroll]] for (uint r = 0u; r < ROWS; r++)
                    scale[r] = w8_packed(TYPE, row_at[r], block * 4u + part, low[r], high[r]);
                [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
                    const uint i = t * BLOCKS + part / 4u;
                    const uint a = x_block[i * STRIDE + part % 4u], b = x_block[i * STRIDE + part % 4u + 4u];
                    const float x_sum = float(dot_bytes(a, ONES, 0) + dot_bytes(b, ONES, 0));
                    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
                        const int p = dot_bytes(low[r], a, 0), q = dot_bytes(high[r], b, 0);
                        float both = has_halves(TYPE) ? scale[r].x * float(p) + scale[r].y * float(q)
                            : scale[r].x * float(p + q);
                        if (has_minimum(TYPE)) both += scale[r].z * x_sum;
                        sum[r][t] += x_scale[i] * both;
                    }
                }
            }
        }
        [[unroll]] for (uint r = 0u; r < ROWS; r++)
            [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
                const float result = subgroupAdd(sum[r][t]);
                if (!subgroupElect() || row + r >= args.n_rows || token + t >= args.n_tokens) continue;
                const uint i = (token + t) * args.y_token_stride +
                    (args.first_mat + mat) * args.y_mat_stride + args.first_row + row + r;
                y[args.y_base + i] = RESIDUAL ? residual[args.residual_base + i] + result : result;
            }
    }
}
