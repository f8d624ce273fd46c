#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
// expanded_attention.comp on matrix units. A workgroup takes ROWS tokens of a head. Keys and values are in
// float16, from expanded_keys_coop.comp.
#define KV_ELEMENT uint
#include "attention/expanded_attention.glsl"
#define COOP_CONSTANT 1
#define CARRIED
#include "attention/matrix_attention.glsl"
shared float weight_sum[ROWS];
uint j0, n; // j0: positions of the block before the tile; n: positions of the block that are seen

uint token_of(uint row) { return gl_WorkGroupID.x * ROWS + row; }  // token of this dispatch
uint at_of(uint row) { return args.position + args.first_token + token_of(row); }
uint index_of(uint row) {
    return (args.first_token + min(token_of(row), args.n_tokens - 1u)) * args.n_heads + gl_WorkGroupID.y;
}
uint state_of(uint row) { return args.state_base + index_of(row) * args.state_width; }

vec4 query4(uint row, uint k) {
    const uint i = args.q_base + index_of(row) * args.width + k;
    return vec4(q[i], q[i + 1u], q[i + 2u], q[i + 3u]);
}

// A position after the last one that is seen reads the last one, and has weight 0.
uint row_of(uint j) { return gl_WorkGroupID.y * KV_BLOCK + min(j0 + j, n - 1u); }

f16vec4 key4(uint j, uint k) {
    const uint i = args.keys_base + (row_of(j) * args.width + k) / 2u;
    return f16vec4(unpackFloat2x16(keys[i]), unpackFloat2x16(keys[i + 1u]));
}

f16vec4 value4(uint j, uint k) {
    const uint i = args.values_base + (row_of(j) * args.n_v + k) / 2u;
    return f16vec4(unpackFloat2x16(values[i]), unpackFloat2x16(values[i + 1u]));
}

bool seen(uint row, uint j) { return j0 + j < n && args.first_position + j0 + j <= at_of(row); }

// Does this token attend to a position of this block or of a later one?
bool is_open(uint row) { return token_of(row) < args.n_tokens && at_of(row) >= args.first_position; }

float old_mean(uint row, uint k) { return is_open(row) ? state[state_of(row) + k] : 0.0; }

void put_mean(uint row, uint k, float value) {
    if (!is_open(row)) return;
    if (at_of(row) < args.first_position + KV_BLOCK)
        result_out[args.out_base + index_of(row) * args.n_v + k] = value / weight_sum[row];
    else state[state_of(row) + k] = value;
}

void main() {
    const uint last_at = args.position + args.first_token + min(token_of(ROWS), args.n_tokens) - 1u,
        row = my_row();
    if (last_at < args.first_position) return; // all results are complete; the same for the whole workgroup
    n = min(last_at - args.first_position + 1u, args.n_positions);
    begin(args.scale);
    if (args.first_position > 0u) {
        get_means();
        m = is_open(row) ? state[state_of(row) + args.n_v] : LOWEST;
        l = is_open(row) && gl_LocalInvocationID.x % SHARE == 0u ? state[state_of(row) + args.n_v + 1u] : 0.0;
    }
    for (j0 = 0u; j0 < n; j0 += BLOCK) {
        load_block();
        barrier();
        attend_block();
    }
    const float sum = whole_l();
    if (is_heard() && gl_LocalInvocationID.x % SHARE == 0u) {
        weight_sum[row] = sum;
        if (is_open(row) && at_of(row) >= args.first_position + KV_BLOCK) {
            state[state_of(row) + args.n_v] = m;
            state[state_of(row) + args.n_v + 1u] = sum;
        }
    }
    put_means();
}
