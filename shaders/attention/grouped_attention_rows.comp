#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require
#include "attention/grouped_attention.h"
// grouped_attention.comp for many tokens on CPUs. The output buffer holds the means while they are summed.
layout(local_size_x_id = 3) in;
layout(constant_id = 2) const uint ROWS = 8;
layout(constant_id = 3) const uint LANES = 8;
#include "attention/grouped_rows.glsl"
#include "attention/attention_rows.glsl"
// [n_tokens][n_heads][n_head]
layout(binding = 4) buffer Out { float result_out[]; };
uint j0, n; // j0: positions before the block; n: positions that are seen
// end_of: end of the positions that a query attends to. result_at: index in result_out[].
uint end_of[ROWS], result_at[ROWS];

uint key_of(uint j) { return cache_row(j0 + j); }
uint value_of(uint j) { return cache_row(j0 + j); }
vec4 key4(uint at, uint k) { return cache4_fast(at, key_column(k)); }
vec4 value4(uint at, uint k) { return cache4_fast(at, value_column(k)); }
bool seen(uint row, uint j) { return j0 + j < end_of[row]; }

vec4 old_mean4(uint row, uint k) {
    const uint at = result_at[row] + k;
    return j0 > 0u ? vec4(result_out[at], result_out[at + 1u], result_out[at + 2u], result_out[at + 3u])
        : vec4(0.0);
}

void put_mean4(uint row, uint k, vec4 mean) {
    if (!is_query(row)) return;
    const vec4 v = j0 + BLOCK < n ? mean : mean * (1.0 / weight_sum[row]);
    for (uint e = 0u; e < 4u; e++) result_out[result_at[row] + k + e] = v[e];
}

void main() {
    n = n_seen(ROWS - 1u);
    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        score_max[r] = LOWEST;
        weight_sum[r] = 0.0;
        end_of[r] = n_seen(r);
        result_at[r] = result_of(r);
    }
    for (j0 = 0u; j0 < n; j0 += BLOCK) attend_block(min(n - j0, BLOCK));
}
