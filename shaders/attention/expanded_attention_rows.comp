#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require
// expanded_attention.comp for CPUs: ROWS tokens of a head.
layout(local_size_x_id = 2) in;
#define KV_ELEMENT float
#include "attention/expanded_attention.glsl"
layout(constant_id = 1) const uint ROWS = 8;
layout(constant_id = 2) const uint LANES = 8;
#include "attention/attention_rows.glsl"
uint j0, n_seen; // j0: kept positions before the block; n_seen: kept positions that are seen

uint token_of(uint row) { return gl_WorkGroupID.x * ROWS + row; }  // token of this dispatch
uint at_of(uint row) { return args.position + args.first_token + token_of(row); }
uint index_of(uint row) {
    return (args.first_token + min(token_of(row), args.n_tokens - 1u)) * args.n_heads + gl_WorkGroupID.y;
}
uint query_of(uint row) { return args.q_base + index_of(row) * args.width; }
uint state_of(uint row) { return args.state_base + index_of(row) * args.state_width; }
uint row_of(uint j) { return gl_WorkGroupID.y * KV_BLOCK + j0 + j; }
uint key_of(uint j) { return args.keys_base + row_of(j) * args.width; }
uint value_of(uint j) { return args.values_base + row_of(j) * args.n_v; }
vec4 key4(uint at, uint k) {
    return vec4(keys[at + k], keys[at + k + 1u], keys[at + k + 2u], keys[at + k + 3u]);
}
vec4 value4(uint at, uint k) {
    return vec4(values[at + k], values[at + k + 1u], values[at + k + 2u], values[at + k + 3u]);
}
bool seen(uint row, uint j) { return args.first_position + j0 + j <= at_of(row); }

// Does this token attend to a position of this block or of a later one?
bool is_open(uint row) { return token_of(row) < args.n_tokens && at_of(row) >= args.first_position; }

vec4 old_mean4(uint row, uint k) {
    const uint at = state_of(row) + k;
    return args.first_position + j0 > 0u ? vec4(state[at], state[at + 1u], state[at + 2u], state[at + 3u])
        : vec4(0.0);
}

void put_mean4(uint row, uint k, vec4 mean) {
    if (!is_open(row)) return;
    const bool done = j0 + BLOCK >= n_seen && at_of(row) < args.first_position + KV_BLOCK;
    for (uint e = 0u; e < 4u; e++) {
        if (done) result_out[args.out_base + index_of(row) * args.n_v + k + e] = mean[e] / weight_sum[row];
        else state[state_of(row) + k + e] = mean[e];
    }
}

void main() {
    const uint last_at = args.position + args.first_token + min(token_of(ROWS), args.n_tokens) - 1u;
    if (last_at < args.first_position) return; // all results are complete; the same for the whole workgroup
    n_seen = min(last_at - args.first_position + 1u, args.n_positions);
    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        const uint at = state_of(r) + args.n_v;
        score_max[r] = args.first_position > 0u ? state[at] : LOWEST;
        weight_sum[r] = args.first_position > 0u ? state[at + 1u] : 0.0;
    }
    for (j0 = 0u; j0 < n_seen; j0 += BLOCK) attend_block(min(n_seen - j0, BLOCK));
    if (gl_LocalInvocationID.x == 0u)
        [[unroll]] for (uint r = 0u; r < ROWS; r++)
            if (is_open(r) && at_of(r) >= args.first_position + KV_BLOCK) {
                state[state_of(r) + args.n_v] = score_max[r];
                state[state_of(r) + args.n_v + 1u] = weight_sum[r];
            }
}
