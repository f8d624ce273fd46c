#version 460
#extension GL_GOOGLE_include_directive : require
// expanded_attention.comp in tiles of ROWS tokens of a head.
layout(local_size_x = 128) in;
#define KV_ELEMENT float
#include "attention/expanded_attention.glsl"
layout(constant_id = 1) const uint EACH = 4;
#include "attention/attention_tile.glsl"
uint j0, n; // j0: positions of the block before the tile; n: positions of the block that are seen

uint token_of(uint row) { return gl_WorkGroupID.x * ROWS + row; }  // token of this dispatch
uint at_of(uint row) { return args.position + args.first_token + token_of(row); }
bool is_token(uint row) { return token_of(row) < args.n_tokens; }
uint index_of(uint row) { return (args.first_token + token_of(row)) * args.n_heads + gl_WorkGroupID.y; }
uint state_of(uint row) { return args.state_base + index_of(row) * args.state_width; }
uint stats_of(uint row) { return state_of(row) + args.n_v + 2u * gl_WorkGroupID.z; }
uint row_of(uint j) { return gl_WorkGroupID.y * KV_BLOCK + min(j0 + j, n - 1u); }

vec4 query4(uint row, uint k) {
    const uint i = args.q_base + index_of(row) * args.width + k;
    return is_token(row) ? vec4(q[i], q[i + 1u], q[i + 2u], q[i + 3u]) : vec4(0.0);
}

vec4 key4(uint j, uint k) {
    const uint i = args.keys_base + row_of(j) * args.width + k;
    return vec4(keys[i], keys[i + 1u], keys[i + 2u], keys[i + 3u]);
}

vec4 value4(uint j, uint k) {
    const uint i = args.values_base + row_of(j) * args.n_v + k;
    return vec4(values[i], values[i + 1u], values[i + 2u], values[i + 3u]);
}

bool seen(uint row, uint j) { return j0 + j < n && args.first_position + j0 + j <= at_of(row); }

// Does this token attend to a position of this block or of a later one?
bool is_open(uint row) { return is_token(row) && at_of(row) >= args.first_position; }

void main() {
    const uint lane = gl_LocalInvocationID.x, k = own_value();
    const uint last_at = args.position + args.first_token + min(token_of(ROWS), args.n_tokens) - 1u;
    if (last_at < args.first_position) return; // all results are complete; the same for the whole workgroup
    n = min(last_at - args.first_position + 1u, args.n_positions);
    const bool begun = args.first_position > 0u;
    if (lane < ROWS) {
        const bool kept = begun && is_token(lane);
        score_max[lane] = kept ? state[stats_of(lane)] : LOWEST;
        weight_sum[lane] = kept ? state[stats_of(lane) + 1u] : 0.0;
    }
    for (uint r = 0u; r < OWN; r++) {
        mean[r] = vec4(0.0);
        if (!begun || !has_values() || !is_token(own_row(r))) continue;
        const uint at = state_of(own_row(r)) + k;
        mean[r] = vec4(state[at], state[at + 1u], state[at + 2u], state[at + 3u]);
    }
    for (j0 = 0u; j0 < n; j0 += BLOCK) attend_tile(min(n - j0, BLOCK));
    for (uint r = 0u; r < OWN; r++) {
        const uint row = own_row(r);
        if (!has_values() || !is_open(row)) continue;
        if (at_of(row) < args.first_position + KV_BLOCK) {
            const float inverse = 1.0 / weight_sum[row];
            for (uint c = 0u; c < 4u; c++)
                result_out[args.out_base + index_of(row) * args.n_v + k + c] = mean[r][c] * inverse;
        } else {
            for (uint c = 0u; c < 4u; c++) state[state_of(row) + k + c] = mean[r][c];
            if (lane % 32u == 0u) {
                state[stats_of(row)] = score_max[row];
                state[stats_of(row) + 1u] = weight_sum[row];
            }
        }
    }
}
