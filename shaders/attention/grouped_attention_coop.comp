#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#include "attention/grouped_attention.h"
// grouped_attention.comp for many tokens on matrix units.
#define COOP_CONSTANT 2
#include "attention/matrix_attention.glsl"
#include "attention/grouped_tiles.glsl"
#include "include/cache_half.glsl"
shared float inverse_sum[ROWS];
uint end; // of the positions that my_row() attends to

vec4 query4(uint row, uint k) {
    const uint i = query_of(row) + k;
    return vec4(q[i], q[i + 1u], q[i + 2u], q[i + 3u]);
}

f16vec4 key4(uint j, uint k) { return cache4_half(row_of(j), key_column(k)); }
f16vec4 value4(uint j, uint k) { return cache4_half(row_of(j), value_column(k)); }
bool seen(uint row, uint j) { return j0 + j < end; }

void put_mean(uint row, uint k, float value) {
    if (is_query(row)) result_out[result_of(row) + k] = value * inverse_sum[row];
}

void main() {
    end = n_seen(my_row());
    begin_tiles();
    begin(args.scale);
    for (; j0 < n; j0 += BLOCK) {
        load_block();
        find_rows(j0 + BLOCK);
        barrier();
        attend_block();
    }
    const float sum = whole_l();
    if (is_heard() && gl_LocalInvocationID.x % SHARE == 0u) inverse_sum[my_row()] = 1.0 / sum;
    put_means();
}
